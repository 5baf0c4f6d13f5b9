"""The oracle: what a consumer sees, read without a buffer, a thread or a gate.

It imports nothing, the kernel least of all, and says in Python what `tla/Epochs.tla` says in TLA+.
"""

END = "end"
BATCH = "batch"
FAILURE = "failure"


def skipped(iterator, count):
    """The pass after its first batches."""
    for _ in range(count):
        next(iterator)
    return iterator


def epochs(stream_fn, epoch_size=-1, in_epoch=0, in_pass=0):
    """Yield what each `next` gives, for ever, as pairs.

    (BATCH, batch), (END, None) at the end of an epoch, (FAILURE, error) where the source raises.
    The source is asked only when the pair is asked for.

    It goes on from a place: the numbers of batches of the epoch and of the pass already given.
    The pass is begun again and these are skipped: what follows is the rest of the whole reading.
    """
    iterator, yielded, count = None, False, in_epoch
    while True:
        if 0 < epoch_size == count:
            count = 0
            yield END, None
            continue
        try:
            if iterator is None:
                given, in_pass = in_pass, 0
                iterator, yielded = skipped(iter(stream_fn()), given), given > 0
        except BaseException as error:
            iterator, count, outcome = None, 0, (FAILURE, error)
        else:
            try:
                batch = next(iterator)
            except StopIteration:
                iterator, outcome = None, (END, None)
                if epoch_size > 0 and yielded:
                    continue
                count = 0
            except BaseException as error:
                iterator, count, outcome = None, 0, (FAILURE, error)
            else:
                yielded, count = True, count + 1
                yield BATCH, batch
                continue
        yield outcome

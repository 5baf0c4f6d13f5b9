"""The oracle: what a consumer sees, read without a buffer, a thread or a gate.

It imports nothing, the kernel least of all, and says in Python what `tla/Epochs.tla` says in TLA+.
"""

END = "end"
BATCH = "batch"
FAILURE = "failure"


def epochs(stream_fn, epoch_size=-1):
    """Yield what each `next` gives, for ever, as pairs.

    (BATCH, batch), (END, None) at the end of an epoch, (FAILURE, error) where the source raises.
    The source is asked only when the pair is asked for.
    """
    iterator, yielded, count = None, False, 0
    while True:
        if 0 < epoch_size == count:
            count = 0
            yield END, None
            continue
        try:
            if iterator is None:
                iterator, yielded = iter(stream_fn()), False
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

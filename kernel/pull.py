"""A pull, done by the puller: it calls `next` on the pass, and puts the answer in the buffer."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .buffer import Mark
from .errors import NotAnEnd, as_reported
from .machine import Enqueue, Exhaust, Fail
from .passes import Resume
from .run import BEGUN, MARK, Hand, Run, progress_after

if TYPE_CHECKING:
    from .core import Core

T = TypeVar("T")

END: Final = object()


def pull(core: Core[Any], run: Run[Any]) -> None:
    """Pull once, and put the answer. `Fetch` was taken before."""
    try:
        batch = ask(core, run)
    except StopIteration:
        exhaust(core, run)
    except BaseException as error:
        fail(core, run, error)
    else:
        put(core, run, batch)


def put(core: Core[Any], run: Run[Any], batch: Any) -> None:
    """The source has given a batch."""
    put = Enqueue(core.limits, run.own_state())
    assert put is not None
    mark = Mark(StopIteration()) if put[MARK] == "ended" else None
    run.hand = "Enqueue", progress_after(put), run.puts + 1, mark
    run.last.batches.append(batch)
    run.puts += 1
    if run.stateful is not None:
        run.keep(core.snapshot_every)
    finish(core, run, run.hand)


def exhaust(core: Core[Any], run: Run[Any]) -> None:
    """The pass is over."""
    exhausted = Exhaust(core.limits, run.own_state())
    assert exhausted is not None
    run.iterator = None
    mark = Mark(StopIteration()) if exhausted[MARK] == "ended" else None
    run.hand = "Exhaust", progress_after(exhausted), run.puts, mark
    finish(core, run, run.hand)


def fail(core: Core[Any], run: Run[Any], error: BaseException) -> None:
    """The source has raised."""
    failed = Fail(core.limits, run.own_state())
    assert failed is not None
    run.iterator = None
    mark = Mark(as_reported(error, core.label, core.limits.capacity > 0))
    run.hand = "Fail", progress_after(failed), run.puts, mark
    finish(core, run, run.hand)


def finish(core: Core[Any], run: Run[Any], hand: Hand) -> None:
    """Put the mark of `hand`, if there is one, and take over its progress."""
    action, progress, _, mark = hand
    if mark is not None:
        run.end(mark, progress[BEGUN], core.epoch(run))
    run.progress, run.hand = progress, None
    core.did(action, run)


def ask(core: Core[Any], run: Run[T]) -> T:
    """One `next` on the pass, or on a new one.

    :raises StopIteration: if the pass is over
    :raises NotAnEnd: if `stream_fn` or `iter` raises StopIteration, which is no end of a pass
    """
    iterator, run.iterator = run.iterator, None
    if iterator is None:
        try:
            iterator = begin(core, run)
        except StopIteration as error:
            raise NotAnEnd from error
    batch = next(iterator)
    run.iterator = iterator
    return batch


def begin(core: Core[Any], run: Run[T]) -> Iterator[T]:
    """Begin a pass. The first pass of a resumed stream goes on at the place of the state."""
    resume, run.resumes = run.resumes, None
    epoch = core.epoch(run) if resume is None else resume.epoch
    source: Any = core.stream_fn(epoch) if core.numbered else core.stream_fn()
    if resume is None:
        iterator: Iterator[T] = iter(source)
        run.began(epoch)
        loaded, core.loaded = core.loaded, None
        if loaded is not None and loaded[0] is source and iterator is not source:
            iterator = noted(core, source, iterator, loaded[1])
    else:
        iterator = resumed_pass(core, source, resume)
    keeps = (kept for kept in (source, iterator) if is_stateful(kept))
    run.stateful = next(keeps, None) if core.snapshot_every else None
    return iterator


def is_stateful(kept: Any) -> bool:
    """Whether it has both `state_dict` and `load_state_dict`."""
    try:
        return hasattr(kept, "state_dict") and hasattr(kept, "load_state_dict")
    except Exception:  # of its `__getattr__`, which iteration does not use
        return False


def shut(iterator: Any) -> None:
    """Close the pass now, if that can be closed, so that the garbage collector need not."""
    try:
        close = getattr(iterator, "close", None)
    except Exception:  # of its `__getattr__`
        return
    if callable(close):  # it may be anything: a price
        close()


def resumed_pass(core: Core[Any], source: Any, resume: Resume) -> Any:
    """The rest of a pass. Raises ValueError if the source has no such pass."""
    state = copy.deepcopy(resume.state)  # a copy: the source may write in it
    if state is not None and is_stateful(source):
        source.load_state_dict(state)
        state = None
    iterator: Any = iter(source)
    if state is None and resume.state is not None:
        iterator = noted(core, source, iterator)
    elif state is not None:
        if not is_stateful(iterator):
            raise ValueError(f"The source of {core.label} cannot load state['source'].")
        iterator.load_state_dict(state)
    for done in range(resume.skip):
        if next(iterator, END) is END:
            raise ValueError(
                f"The source of {core.label} is not the one that the state is of: its pass ends "
                f"after {resume.in_pass - resume.skip + done} of {resume.in_pass} batches."
            )
    return iterator


def noted(core: Core[T], source: Any, iterator: Iterator[T], before: Any = None) -> Iterator[T]:
    """The pass. The source's state after the first batch is kept, or compared with `before`.

    An iterable that has loaded a state may begin each later pass there too: Hugging Face's does
    until `set_epoch`. Such a pass silently lacks batches, so it is made an error.

    It asks by `next` alone: `for` and `yield from` would call `iter` once more, which may begin the
    pass anew. And it holds no batch.
    """
    try:
        batches = [next(iterator)]
        try:
            first = copy.deepcopy(source.state_dict())
            is_stuck = before is not None and bool(first == before)
        except Exception:  # it has no state, or one that cannot be compared
            first, is_stuck = None, False
        if is_stuck:
            raise ValueError(
                f"The source of {core.label} begins a pass where its state was loaded: have "
                "stream_fn return a new source for each pass, or tell this one of the epoch"
            )
        if before is None:
            core.loaded = source, first
        yield batches.pop()
        while True:
            yield next(iterator)
    except StopIteration:
        return  # for good, which an iterator need not be
    except GeneratorExit:
        shut(iterator)
        raise

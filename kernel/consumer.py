"""The consumer: one `next`. It takes what is buffered, or waits for the worker, or pulls."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import Any, TypeAlias, TypeVar

from . import place
from .claims import Claim, holder
from .core import Core
from .errors import WorkerDied
from .machine import Bury, Drop, Fetch, Request
from .pull import pull as answer
from .run import FETCHING, PROGRESS, Mark, Run
from .stall import watched

T = TypeVar("T")


Limit: TypeAlias = Callable[[float], float]
"""How long a sleep may be, if it would be so long; raises an error if it may be no longer."""


def deadline(label: str, timeout: float) -> Limit:
    """A limit of so many seconds from now. Raises TimeoutError then."""
    end = time.monotonic() + timeout

    def left(longest: float) -> float:
        seconds = end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError(f"{label} has given no batch for {timeout} seconds.")
        return min(seconds, longest)

    return left


def read(core: Core[T], limit: Limit | None = None) -> T:
    """One `next`: a batch, or StopIteration at the end of an epoch, or an error."""
    while True:
        run = core.run
        try:
            batch = next(run.taking)[1]
        except IndexError:
            if run.marks:
                tell(core, run)
            else:
                await_something(core, limit)
        else:
            core.did("Dequeue")
            if run.parked > run.rung:
                took(core, run)
            return batch


def took(core: Core[Any], run: Run[Any]) -> None:
    """A batch was taken while the worker sleeps: wake it if enough room is there."""
    if core.gates and len(run.batches) <= core.low_water:
        run.ring()


def tell(core: Core[Any], run: Run[Any]) -> None:
    """Raise what the mark stands for, unless a batch was put before it, and take it away."""
    marks = run.marks
    mark = run.first_mark()
    if mark is None or run.batches:  # in this order: it was put behind them
        return
    place.end(core, mark, fresh=not mark.ended or core.limits.epoch_size == 0)
    core.did("EndEpoch" if mark.ended else "Raise")
    # No call from here on: CPython lets neither a signal nor another thread in.
    if not marks or marks[0] is not mark:
        return
    try:
        raise mark.error  # type: ignore[misc]  # it was not told yet
    finally:
        del marks[0]
        mark.error = None  # its traceback holds this frame


def await_something(core: Core[Any], limit: Limit | None = None) -> None:
    """Wait until something is buffered, or pull."""
    if core.closed:
        raise ValueError(f"{core.label} is closed.")
    if core.limits.capacity and core.entry is None:
        raise ValueError(
            f"{core.label} has a buffer of size {core.limits.capacity}: "
            "enter it by `with` before reading it."
        )
    claim = Claim()
    if core.stall_after is not None:
        limit = watched(core, core.stall_after, limit)
    try:
        claim.hold(_wait, core, claim, limit)
    except BaseException:
        core.broke_off()
        raise
    core.did("Withdraw")


def _wait(core: Core[Any], claim: Claim, limit: Limit | None) -> None:
    """The request: it waits for as long as this runs."""
    await_turn(core, claim, limit)
    core.did(Request.__name__)
    while not (run := core.run).batches and not run.marks:
        puller = holder(run.pullers)
        if puller is not None:
            sleep(core, run, puller, limit)
        elif core.closed:
            raise ValueError(f"{core.label} is closed.")
        elif not run.batches and not run.marks:  # it may have put something, and be gone
            pull(core, claim, run)
    claim.give_back(core.requests)


def await_turn(core: Core[Any], claim: Claim, limit: Limit | None = None) -> bool:
    """Take the role of who waits. False: a handler of this thread struck in a `next` of its own.

    Raises RuntimeError if another thread waits, but for an event loop that was cancelled: that one
    is about to go, or in a pull of its own.
    """
    while (first := claim.take(core.requests)) is not None:
        if first.is_mine():
            return False
        if core.is_source():
            raise RuntimeError(f"{core.label} is read by its own source.")
        waiting: Any = core.waiting
        if waiting is None or not waiting.is_going():
            raise RuntimeError(f"{core.label} is being read by another thread.")
        waiting.outlast(core.glance if limit is None else limit(core.glance))
    return True


def pull(core: Core[Any], claim: Claim, run: Run[Any]) -> None:
    """Pull until something is put, unless another thread came first. Or bury who pulled."""
    entry = run.worker
    if entry is not None and not entry.lives() and entry.halted_as_garbage():
        run.worker = None  # a finaliser reads on
    elif entry is not None or (run.pullers and run.pullers[0].is_foreign()):
        # A worker may have claimed, or halted, since it was looked for.
        if entry is None or (not entry.lives() and run.worker is entry):
            bury(core, run)
    elif claim.take(run.pullers) is None:
        drop(core, run)
        while run is core.run and not run.batches and not run.marks:
            run.hand = None
            run.advance(Fetch(core.limits, core.state(run)))
            core.did("Fetch")
            answer(core, run)
        claim.give_back(run.pullers)


def drop(core: Core[Any], run: Run[Any]) -> None:
    """End a caller's own pull that was interrupted and left behind. For the next puller."""
    if run.progress[FETCHING] and run.hand is not None:  # its batch was put, or is lost
        run.progress, run.puts, mark = run.hand
        run.lost += run.puts - run.given() - len(run.batches)
        if mark is not None and mark is not core.told.mark and not run.marks:
            run.marks.append(mark)  # it was not told yet
        run.hand = None
        core.did("Enqueue", run)
    elif run.progress[FETCHING]:
        run.iterator = None
        place.end(core, None, fresh=True)
        run.advance(Drop(core.limits, core.state(run)))
        core.did("Drop")


def sleep(core: Core[Any], run: Run[Any], puller: Claim, limit: Limit | None) -> None:
    """Sleep until something was put, or the puller is gone, or for a while."""
    if puller.is_mine():
        raise RuntimeError(f"{core.label} is read by its own source.")
    if (entering := holder(core.entering)) is not None and entering.is_mine():
        # a handler that struck there: the worker waits for the thread that it interrupts
        raise RuntimeError(f"{core.label} is read while it is entered.")
    core.sleeps += 1
    run.ring()
    if not run.batches and not run.marks and puller.in_force():
        seconds = core.glance if limit is None else limit(core.glance)
        with suppress(Empty):
            core.bell.get(True, seconds)


def bury(core: Core[Any], run: Run[Any]) -> None:
    """Whoever pulled is gone: that is an error like one of the source, which drops the pass."""
    entry = run.worker
    rest: Run[Any] = Run(run.given())
    rest.starts, rest.snapshots = run.starts.copy(), run.snapshots.copy()
    if entry is None:
        error = WorkerDied(f"The thread that read {core.label} is not in this process.")
    else:
        error = WorkerDied(f"The worker of {core.label} ended unexpectedly.")
        error.__cause__ = entry.death
        buried = Bury(core.limits, core.state(run))
        if buried is not None:
            rest.progress = buried[PROGRESS:]
    rest.marks.append(Mark(error))
    core.run = rest
    run.iterator = None  # the error's traceback may hold the run
    if entry is not None:
        entry.death = None  # an interrupt before this leaves the error to be told
    core.did("Bury")

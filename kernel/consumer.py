"""The consumer: one `next`. It takes what is buffered, or waits for the worker, or pulls."""

from __future__ import annotations

import time
from contextlib import suppress
from math import inf
from queue import Empty
from typing import Any, TypeVar

from . import place
from .claims import Claim, holder
from .core import Core
from .errors import WorkerDied
from .machine import Bury, Drop, Fetch, Request
from .pull import pull as answer
from .run import FETCHING, PROGRESS, Mark, Run

T = TypeVar("T")


def read(core: Core[T], end: float = inf) -> T:
    """One `next`: a batch, or StopIteration at the end of an epoch, or an error.

    :param end: monotonic time at which it stops waiting for a worker, with a TimeoutError
    """
    while True:
        run = core.run
        try:
            batch = next(run.taking)[1]
        except IndexError:
            if run.marks:
                tell(core, run)
            else:
                ask(core, end)
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
    mark = next(iter(marks.copy()), None)
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


def ask(core: Core[Any], end: float = inf) -> None:
    """Wait until something is buffered, or pull."""
    if core.closed:
        raise ValueError(f"{core.label} is closed.")
    if core.limits.capacity and core.entry is None:
        raise ValueError(
            f"{core.label} has a buffer of size {core.limits.capacity}: "
            "enter it by `with` before reading it."
        )
    claim = Claim()
    try:
        claim.hold(_wait, core, claim, end)
    except BaseException:
        if core.record is not None:
            core.record.withdraw()
        raise
    core.did("Withdraw")


def _wait(core: Core[Any], claim: Claim, end: float) -> None:
    """The request: it waits for as long as this runs."""
    first = claim.take(core.requests)
    if first is not None and not first.is_mine():  # mine: a handler that struck in a `next`
        if core.is_source():
            raise RuntimeError(f"{core.label} is read by its own source.")
        raise RuntimeError(f"{core.label} is being read by another thread.")
    core.did(Request.__name__)
    while not (run := core.run).batches and not run.marks:
        puller = holder(run.pullers)
        if puller is not None:
            sleep(core, run, puller, end)
        elif not run.batches and not run.marks:  # it may have put something, and be gone
            pull(core, claim, run)
    claim.give_back(core.requests)


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


def sleep(core: Core[Any], run: Run[Any], puller: Claim, end: float) -> None:
    """Sleep until something was put, or the puller is gone, or for a while."""
    if puller.is_mine():
        raise RuntimeError(f"{core.label} is read by its own source.")
    if (entering := holder(core.entering)) is not None and entering.is_mine():
        # a handler that struck there: the worker waits for the thread that it interrupts
        raise RuntimeError(f"{core.label} is read while it is entered.")
    core.sleeps += 1
    run.ring()
    if not run.batches and not run.marks and puller.in_force():
        left = core.glance
        if end is not inf and (left := min(left, end - time.monotonic())) <= 0:
            raise TimeoutError(f"{core.label} has given no batch in time.")
        with suppress(Empty):
            core.bell.get(True, left)


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

"""Pullers that are gone: a worker that has died, and a caller whose pull was broken off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import place
from .buffer import Mark
from .errors import WorkerDied
from .machine import Bury, Drop
from .run import BEGUN, FETCHING, Hand, Run, progress_after

if TYPE_CHECKING:
    from .core import Core


def bury(core: Core[Any], run: Run[Any]) -> None:
    """The puller is gone: finish its answer if it has one, else put an error and drop the pass."""
    entry = run.worker
    hand = left(run)
    if hand is not None:  # what it has answered comes first
        complete(run, hand, core.epoch(run))
        return
    rest = run.follower()
    if entry is None:
        error = WorkerDied(f"The thread that read {core.label} is not in this process.")
    else:
        error = WorkerDied(f"The worker of {core.label} ended unexpectedly.")
        error.__cause__ = entry.death
        buried = Bury(core.limits, core.state(run))
        if buried is not None:
            rest.progress = progress_after(buried)
    rest.last.marks.append(Mark(error))
    core.run = rest
    run.iterator = None  # the error's traceback may hold the run
    if entry is not None:
        entry.death = None  # last: until here an interrupt leaves the error to be reported
    core.did("Bury")


def died(core: Core[Any], run: Run[Any]) -> None:
    """Record that the worker is gone, after what it has answered."""
    hand = left(run)
    if hand is not None:
        core.did(hand[0])
    core.did("Die")


def left(run: Run[Any]) -> Hand | None:
    """What a puller that is gone has left in hand; None if its batch was not put."""
    hand = run.hand  # once: a worker that was given up may go on
    return hand if hand is not None and hand[2] == run.total() else None


def complete(run: Run[Any], hand: Hand, epoch: int) -> None:
    """Put the mark of `hand`, and take over its progress. If interrupted, this can be repeated."""
    action, progress, run.puts, mark = hand
    error = None if mark is None else mark.error  # None once it was reported
    if error is not None and not run.has(mark):
        mark = Mark(error)  # a worker that was given up may still write to its own
        run.hand = action, progress, run.puts, mark
        run.end(mark, False, epoch)
    run.progress, run.hand = progress, None


def drop(core: Core[Any], run: Run[Any]) -> None:
    """Finish or drop a caller's pull that an interrupt broke off. The next puller calls this."""
    if not run.progress[FETCHING]:
        return
    # Another interrupt may strike here: all but the last two stores can be repeated.
    run.last = run.parts()[-1]  # the interrupt may have come before the last line of `Run.end`
    hand = run.hand
    if hand is not None and run.is_answered():  # its batch is lost if it was not put
        action, progress, run.puts, mark = hand
        run.lost += run.puts - run.given() - len(run.batches)
        if mark is not None and mark is not core.reported.mark and not run.marks:
            run.end(mark, progress[BEGUN], core.epoch(run))  # it was not reported yet
        run.progress, run.hand = progress, None
        core.did(action, run)
    else:
        run.iterator = run.last.epoch = run.hand = None
        reported = place.ended(core, None)
        after = progress_after(Drop(core.limits, core.state(run)))
        # No call from here on (see `claims`): an interrupt finds both done or neither.
        run.progress, core.reported = after, reported
        core.did("Drop")

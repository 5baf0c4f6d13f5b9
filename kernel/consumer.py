"""The consumer: one `next`. It takes what is buffered, or waits for the worker, or pulls."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty
from typing import Any, TypeVar

from . import place
from .claims import FREE_THREADED, Carrier, Claim, alone, holder
from .core import LIGHT, Core
from .gone import bury, drop
from .limit import Limit, watched
from .machine import Fetch, Request
from .pull import pull
from .run import BEGUN, Run
from .turn import await_turn

T = TypeVar("T")


def read(core: Core[T], limit: Limit | None = None, tried: bool = False) -> T:
    """One `next`: a batch, or StopIteration at the end of an epoch, or an error.

    `tried`: the caller has looked for a batch already.
    """
    waited = False
    while True:
        run = core.run
        if not tried:
            try:
                batch = next(run.first.taking)
            except IndexError:
                pass
            else:
                core.did("Dequeue")
                if run.parked > run.rung:
                    wake_worker(core, run, waited)
                return batch
        tried = False
        if run.first.marks and (core.entry is not None or core.limits.capacity == 0):
            if FREE_THREADED:
                alone(core.reporting, report, core, run)
            else:
                report(core, run)
        else:
            await_something(core, limit)
            waited = True


def wake_worker(core: Core[Any], run: Run[Any], waited: bool = False) -> None:
    """A batch was taken while the worker sleeps: wake the worker if there is enough room.

    A consumer that had to wait for the batch is the faster of the two, and wakes it at once. If
    there is too little room, the next take looks again.
    """
    if core.gates and (waited or run.held() <= core.low_water):
        run.ring()


def report(core: Core[Any], run: Run[Any], carrier: Carrier | None = None) -> None:
    """Raise the mark's end or error, and remove the mark. Does nothing if a batch is before it.

    `carrier`: it is raised in place of a StopIteration, and holds it.
    """
    part = run.first
    mark = part.mark()
    if mark is None or part.batches:  # in this order: the mark was put after the batches
        return
    reported = place.ended(core, mark)
    if core.observed:
        core.did_once("EndEpoch" if mark.ended else "Raise", mark.said)
    error, after = mark.error, mark.part
    if error is None:  # already reported, in the run that this one has replaced
        if after is None:
            with suppress(ValueError):  # another thread has removed it
                part.marks.remove(mark)
        elif run.first is part:
            run.first = after
        return
    if carrier is not None and mark.ended:
        carrier.args, error = (error,), carrier
    # No call from here on (see `claims`), and no test fails: neither a signal nor another thread
    # gets in. `restart` or `give_up` may have replaced the run before.
    if after is None:
        if core.run is run and part.marks and part.marks[0] is mark:
            core.reported = reported
            del part.marks[0]
            mark.error = None
        else:
            return
    elif core.run is run and run.first is part:
        core.reported = reported
        run.first = after
        mark.error = None
    else:
        return
    try:
        raise error
    finally:
        del error  # its traceback holds this frame


def await_something(core: Core[Any], limit: Limit | None = None) -> None:
    """Wait until something is buffered, or pull."""
    core.check_open()
    if core.limits.capacity and core.entry is None:
        raise ValueError(
            f"{core.label} has a buffer of size {core.limits.capacity}: "
            "enter it by `with` before reading it."
        )
    if core.stall_after is not None:
        limit = watched(core, core.stall_after, limit)
    if core.gates and limit is None and not core.observed and doze(core, core.run):
        return
    claim = Claim.of_this_thread()
    try:
        claim.hold(_wait, core, claim, limit)
    except BaseException:
        core.broke_off()
        raise
    core.did("Withdraw")


def doze(core: Core[Any], run: Run[Any]) -> bool:
    """Sleep lightly, for `LIGHT` seconds at most and without a request, as a gate permits the pull.

    It costs a fraction of a request, as nothing is claimed. Returns False if nothing came.
    """
    if run.worker is None or not run.progress[BEGUN]:
        return False
    core.sleep = object()
    part = run.first
    if not part.batches and not part.marks:
        if run.parked > run.rung:
            run.ring()
        try:  # noqa: SIM105  # `suppress` costs several times as much
            core.bell.get(True, LIGHT)
        except Empty:
            pass
        if core.requests:  # another thread sleeps beside this one, which may have taken its ring
            core.bell.put()
    return bool(run.first.batches or run.first.marks)


def _wait(core: Core[Any], claim: Claim, limit: Limit | None) -> None:
    """The request: it lasts as long as this runs."""
    await_turn(core, claim, limit)
    claim.take(core.requests)  # only now: a consumer that is refused must not permit a pull
    core.did(Request.__name__)
    while not (run := core.run).first.batches and not run.first.marks:
        puller = holder(run.pullers)
        if puller is not None:
            sleep(core, run, puller, claim, limit)
        elif not run.batches and not run.marks:  # looked at again: a puller may have put, and ended
            core.check_open()
            pull_or_bury(core, claim, run)
    claim.give_back(core.requests)
    claim.give_back(core.turns)


def pull_or_bury(core: Core[Any], claim: Claim, run: Run[Any]) -> None:
    """Pull until something is put, unless another thread pulls. Or bury a dead worker."""
    entry = run.worker
    if entry is not None and not entry.lives() and entry.halted_as_garbage():
        run.worker = None  # a finaliser goes on reading
    elif entry is not None or any(first.is_foreign() for first in run.pullers[:1]):
        # Since the look for a puller a worker may have begun or halted, or the run been replaced.
        if entry is None or (not entry.lives() and run.worker is entry and run is core.run):
            bury(core, run)
    elif claim.take(run.pullers) is None:
        drop(core, run)
        while run is core.run and not run.batches and not run.marks:
            run.hand = None
            run.advance(Fetch(core.limits, core.state(run)))
            core.did("Fetch")
            pull(core, run)
        claim.give_back(run.pullers)


def sleep(core: Core[Any], run: Run[Any], puller: Claim, claim: Claim, limit: Limit | None) -> None:
    """Sleep until something is put, or the puller is gone, or `glance` seconds have passed."""
    if puller.is_of_the_same(claim):
        raise RuntimeError(f"{core.label} is read by its own source.")
    if core.entering and (entering := holder(core.entering)) is not None and entering.is_mine():
        # a handler interrupts the entering thread, for which the worker waits
        raise RuntimeError(f"{core.label} is read while it is entered.")
    core.sleep = object()
    if not run.first.batches and not run.first.marks and puller.in_force():
        run.ring()  # after the look: another thread may have taken what the worker has put
        seconds = core.glance if limit is None else limit(core.glance)
        try:  # noqa: SIM105  # `suppress` costs several times as much
            core.bell.get(True, seconds)
        except Empty:
            pass

"""The worker: the thread that prefetches, from its first line to its last.

It pulls while it may. Then it parks, looks once more, and sleeps until a ring. The guide says why
no wake-up is missed. If a gate has rung and was shut before the worker woke, it sleeps lightly, for
`LIGHT` seconds at a time: gates that are open so briefly need not ring. A worker that sleeps holds
neither wrapper, core nor buffer.
"""

from __future__ import annotations

import sys
import weakref
from queue import Empty, SimpleQueue
from typing import Any, Final

from .claims import Claim
from .core import LIGHT, Core, Entry
from .gone import died, drop
from .machine import Fetch, Halt, Start
from .meter import SOURCE
from .pull import exhaust, fail, pull
from .run import BEGUN, COUNT, Run

LIGHT_SLEEPS: Final = 20
"""After so many without a ring the worker sleeps until a ring again."""

GATE: Final = "gate"
STARTED: Final = "started"
REFUSED: Final = "refused"


def live(
    core_ref: weakref.ref[Core[Any]],
    entry: Entry,
    entering: Claim,
    bell: SimpleQueue[Any],
    alarms: object,
) -> None:
    """The thread's function: claim the pull for `_life`, then ring. `alarms` is only kept alive."""
    entry.claim = claim = Claim()  # no other call of this thread uses it
    is_dead = False
    try:
        claim.hold(_life, claim, core_ref, entry, entering, bell, again=False)
    except BaseException as error:
        is_dead = entry.claim is not None  # None: `give_up` has recorded the death
        if is_dead:
            entry.death = error
    core = core_ref()
    if core is not None:
        if is_dead:
            died(core, core.run)
        ring_consumer(core, core.run)
    for leaver in entry.leavers:
        leaver.put()


def _life(
    claim: Claim,
    core_ref: weakref.ref[Core[Any]],
    entry: Entry,
    entering: Claim,
    bell: SimpleQueue[Any],
) -> None:
    core = core_ref()
    if core is None:
        return
    run = core.run
    if claim.take(run.pullers) is not None:
        bell.put(REFUSED)
        return
    drop(core, run)
    run.advance(Start(core.limits, core.state(run)))
    run.worker = entry
    core.did("Start")
    bell.put(STARTED)
    slept = 0
    del run
    while work(core, entry, entering):
        timeout = LIGHT if entry.light else None if core.entry is entry else core.glance
        meter = core.meter
        if meter is not None:
            meter.sleeps(core, core.run)
        del core
        try:
            rung = entry.bell.get(True, timeout)
            slept = 0
        except Empty:
            rung = None
            slept += 1
        core = core_ref()
        if core is None:
            return
        if meter is not None and not core.gates:
            meter.wakes(core)
        if core.gates or slept == LIGHT_SLEEPS:
            entry.light = False
        elif rung is GATE:
            entry.light = True


def work(core: Core[Any], entry: Entry, entering: Claim) -> bool:
    """Pull until there is a reason to sleep (True) or to end (False)."""
    run = core.run
    parked = False
    while True:
        # Whether the starter is still entering is read before the second look at `core.entry`, or
        # an entry between the two would be missed. The first look is for speed.
        has_entered = core.entry is entry or entering.in_force() or core.entry is entry
        if entry.over or not has_entered:
            halted = Halt(core.limits, core.state(run))
            if halted is not None:  # None for a worker that was given up: it counts as dead
                run.advance(halted)
                run.worker = None
                if core.entry is entry:  # the leaving thread may have been interrupted, or is slow
                    core.did_once("Leave", entry.said)
                core.did("Halt", run)
            return False
        plain = core.gates and core.record is None and core.entry is entry
        if plain and run.is_under_way(core.limits) and run_ahead(core, run, entry):
            return True
        # If something is buffered, no request is unserved, and only an open gate permits a pull.
        # This look is cheap, and avoids most calls of `Fetch`.
        part = run.first
        served = part.batches or part.marks
        refused = served and not (core.gates and run.progress[BEGUN])
        fetched = None if refused else Fetch(core.limits, core.state(run))
        if fetched is not None:
            parked = False
            run.advance(fetched)
            core.did("Fetch")
            pull(core, run)
            ring_consumer(core, run)
            if not core.gates or run.last.marks:  # no more, probably: park now, and look once
                run.parked += 1
                parked = True
        elif parked:
            return True
        else:
            run.parked += 1
            parked = True


def ring_consumer(core: Core[Any], run: Run[Any]) -> object:
    """Something was put: wake a consumer that may sleep, unless this sleep was rung for already."""
    sleep = core.sleep
    if sleep is not run.rung_for:
        core.bell.put()
        run.rung_for = sleep
    return sleep


def run_ahead(core: Core[Any], run: Run[Any], entry: Entry) -> bool:
    """Many pulls in one loop, within a pass and an epoch, while a gate is open.

    Of Fetch's guard it reads what can have changed: room for a series of pulls, as no other thread
    fills it, then gates and the end of `with` before each. The last batch of an epoch is left to
    `pull`. Returns whether the worker has parked in front of a full buffer.
    """
    capacity, epoch_size, _ = core.limits
    gates, over, meter = core.gates, entry.over, core.meter
    append, iterator = run.last.batches.append, run.iterator
    assert iterator is not None
    first = at = run.progress[COUNT]
    last = epoch_size - 1 if epoch_size else sys.maxsize
    run.progress = True, True, at, True
    rung_for = run.rung_for
    failure: BaseException | None = None
    parked = False
    try:
        while at < last:
            stop = at + capacity - run.held()
            if stop <= at:
                if parked:
                    return not over
                run.parked += 1
                parked = True
                continue
            if meter is not None:
                meter.turns(SOURCE, run)
            parked = False
            for at in range(at, stop if stop < last else last):  # noqa: B007, B020  # it goes on
                if not gates or over:  # in this order: a gate may be opened after the stop
                    return False
                append(next(iterator))
                if core.sleep is not rung_for:
                    rung_for = ring_consumer(core, run)
            at += 1
    except BaseException as error:
        failure = error
    finally:
        iterator = None
        run.puts += at - first
        run.progress = failure is not None, True, at if epoch_size else 0, True
    if issubclass(type(failure), StopIteration):  # its `__class__` may say anything
        exhaust(core, run)
    elif failure is not None:
        fail(core, run, failure)
    failure = None  # its traceback holds this frame
    ring_consumer(core, run)
    return False

"""The worker: the thread that prefetches, from its start to its end.

It pulls while it may, parks, looks once more, and sleeps. Whoever changes something that it waits
for changes it first, then looks whether the worker is parked, and rings; so one of the two sees the
other. Asleep it holds neither wrapper, core nor buffer.
"""

from __future__ import annotations

import _thread
import contextvars
import sys
import threading
import weakref
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from .claims import Claim, Frame
from .machine import Enqueue, Exhaust, Fail, Fetch, Halt, Start
from .pull import COUNT, MARK, PROGRESS, Run, ask, reported

if TYPE_CHECKING:
    from .core import Core

GLANCE: Final = 0.5
"""Seconds after which a thread that waits looks around by itself: CPython misses a signal that
comes just before a thread sleeps, and a worker that is gone without a word rings for nobody."""

LIGHT: Final = 0.005
"""Seconds of a light sleep: the time after which CPython passes the interpreter on."""

LIGHT_SLEEPS: Final = 20

GATE: Final = "gate"
STARTED: Final = "started"
REFUSED: Final = "refused"
LAUNCHED: Final = "launched"


class Entry:
    """One `with`, and its worker if it has one."""

    def __init__(self) -> None:
        self.over: list[object] = []
        """Not empty once the `with` is left: who stands first has left it."""
        self.bell: SimpleQueue[str | None] = SimpleQueue()
        self.leavers: list[SimpleQueue[None]] = []
        self.thread: threading.Thread | None = None
        self.claim: Claim | None = None
        self.death: BaseException | None = None
        self.light = False
        """The worker sleeps so shortly that the opening of a gate need not ring."""

    def halted_as_garbage(self) -> bool:
        """Whether its wrapper was garbage; a finaliser may use it all the same."""
        alarmed = bool(self.over) and type(self.over[0]) is weakref.ReferenceType
        return alarmed and self.death is None

    def lives(self) -> bool:
        """Whether its worker does."""
        return self.claim is not None and self.claim.in_force()


def start(core: Core[Any], entry: Entry, entering: Claim, wrapper: object) -> bool:
    """Start the worker of the entry, and wait until it has. One that cannot start has died.

    `Thread.start` is called in a thread of its own: no interrupt can strike between its locks.

    Returns False if it was refused, as another thread pulls.
    """
    bell: SimpleQueue[Any] = SimpleQueue()
    # Called by the interpreter itself when the wrapper is garbage, the last one first: nothing can
    # come between, and nothing of ours is interrupted.
    calls: tuple[Any, ...] = entry.bell.put, entry.over.append
    alarms = [weakref.ref(wrapper, call) for call in calls]
    work = _work, weakref.ref(core), entry, entering, bell, alarms
    try:
        entry.thread = threading.Thread(
            target=contextvars.copy_context().run, args=work, name=core.label, daemon=True
        )
        _thread.start_new_thread(_launch, (entry.thread, bell))
        said = _said(entry.thread, bell, entering)
    except Exception as error:
        said = error
    if said is STARTED or said is REFUSED:
        return said is STARTED
    if not isinstance(said, Exception | None):
        raise said
    entry.death = said
    core.run.worker = entry
    core.did("Die")
    return True


def _said(thread: threading.Thread, bell: SimpleQueue[Any], entering: Claim) -> Any:
    """What the worker says as it begins, or why it did not; None if it died without a word.

    A thread that does not live has not died yet, unless its launcher is done, or another process's.
    """
    launched = False
    while True:
        try:
            said = bell.get(True, GLANCE)
        except Empty:  # noqa: PERF203  # twice a second
            if (launched or entering.was_forked()) and not thread.is_alive():
                return None
        else:
            if said is not LAUNCHED:
                return said
            launched = True


def _launch(thread: threading.Thread, bell: SimpleQueue[Any]) -> None:
    try:
        thread.start()
        bell.put(LAUNCHED)
    except BaseException as error:
        bell.put(error)


def _work(
    core_ref: weakref.ref[Core[Any]],
    entry: Entry,
    entering: Claim,
    bell: SimpleQueue[Any],
    alarms: object,
) -> None:
    """What the thread runs."""
    entry.claim = claim = Claim(Frame)  # its own: nothing else ever runs in it
    try:
        claim.hold(_life, claim, core_ref, entry, entering, bell)
    except BaseException as error:
        entry.death = error
    core = core_ref()
    if core is not None:
        if entry.death is not None:
            core.did("Die")
        answer(core, core.run)
    for leaver in entry.leavers:
        leaver.put(None)


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
    core.drop(run)
    run.advance(Start(core.limits, core.state(run)))
    run.worker = entry
    core.did("Start")
    bell.put(STARTED)
    slept = 0
    del run
    while work(core, entry, entering):
        timeout = LIGHT if entry.light else None if core.entry is entry else GLANCE
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
        if core.gates or slept == LIGHT_SLEEPS:
            entry.light = False
        elif rung is GATE:
            entry.light = True


def work(core: Core[Any], entry: Entry, entering: Claim) -> bool:
    """What the worker does until it has to sleep (True) or has halted (False)."""
    run = core.run
    parked = False
    while True:
        if entry.over or (not entering.in_force() and core.entry is not entry):
            halted = Halt(core.limits, core.state(run))
            if halted is not None:  # not for one that was given up: to the others it is dead
                run.advance(halted)
                run.worker = None
                core.did("Halt")
            return False
        plain = core.record is None and core.entry is entry
        if core.gates and plain and run.is_under_way(core.limits) and run_ahead(core, run, entry):
            return True
        fetched = Fetch(core.limits, core.state(run))
        if fetched is not None:
            parked = False
            run.advance(fetched)
            core.did("Fetch")
            pull(core, run)
            answer(core, run)
            if not core.gates:  # nothing more, most likely: say so, and then look
                run.parked += 1
                parked = True
        elif parked:
            return True
        else:
            run.parked += 1
            parked = True


def pull(core: Core[Any], run: Run[Any]) -> None:
    """Ask the source once, and put what it answers. A pull is in flight already."""
    try:
        batch = ask(run, core.stream_fn)
    except StopIteration:
        exhaust(core, run)
    except BaseException as error:
        fail(core, run, error)
    else:
        put(core, run, batch)


def put(core: Core[Any], run: Run[Any], batch: Any) -> None:
    """The source gave a batch."""
    put = Enqueue(core.limits, run.own_state())
    assert put is not None
    mark = StopIteration() if put[MARK] == "ended" else None
    run.hand = put[PROGRESS:], mark
    run.batches.append(batch)
    if mark is not None:
        run.marks.append(mark)
    run.advance(put)
    run.hand = None
    core.did("Enqueue", run)


def exhaust(core: Core[Any], run: Run[Any]) -> None:
    """The pass is over."""
    exhausted = Exhaust(core.limits, run.own_state())
    assert exhausted is not None
    run.iterator = None
    if exhausted[MARK] == "ended":
        run.marks.append(StopIteration())
    run.advance(exhausted)
    core.did("Exhaust", run)


def fail(core: Core[Any], run: Run[Any], error: BaseException) -> None:
    """The source raised."""
    failed = Fail(core.limits, run.own_state())
    run.iterator = None
    run.marks.append(reported(error, core.label, core.limits.capacity > 0))
    run.advance(failed)
    core.did("Fail", run)


def answer(core: Core[Any], run: Run[Any]) -> int:
    """Something was put: wake the consumer if it may sleep and was not rung for yet."""
    sleeps = core.sleeps
    if sleeps != run.answered:
        core.bell.put(None)
        run.answered = sleeps
    return sleeps


def run_ahead(core: Core[Any], run: Run[Any], entry: Entry) -> bool:
    """The same as many pulls, within a pass and an epoch, while a gate is open.

    The look before each is the guard of Fetch, as far as it can have changed; the length of the
    buffer is one that nobody else can make greater. The last batch of an epoch is left to `pull`.
    Returns whether it has parked in front of a full buffer.
    """
    capacity, epoch_size = core.limits
    batches, gates, over, iterator = run.batches, core.gates, entry.over, run.iterator
    assert iterator is not None
    append = batches.append
    at, answered = run.progress[COUNT], run.answered
    last = epoch_size - 1 if epoch_size else sys.maxsize
    run.progress = True, True, at, True
    failure: BaseException | None = None
    parked = False
    try:
        while at < last:
            stop = min(at + capacity - len(batches), last)
            for at in range(at, stop):  # noqa: B007, B020  # on from where it stopped
                if not gates or over:  # in this order: a gate may be opened after the stop
                    return False
                append(next(iterator))
                if core.sleeps != answered:
                    answered = answer(core, run)
            if at < stop:
                at, parked = stop, False
            elif parked:
                return not over
            else:
                run.parked += 1
                parked = True
    except BaseException as error:
        failure = error
    finally:
        iterator = None
        run.progress = failure is not None, True, at if epoch_size else 0, True
    if type(failure) is StopIteration:
        exhaust(core, run)
    elif failure is not None:
        fail(core, run, failure)
        failure = None
    answer(core, run)
    return False

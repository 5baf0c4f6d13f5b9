"""The scope and the gates: entering, leaving, and `allow_buffering`.

An interrupted call leaves nothing to undo, but for `Gate.__enter__`: it removes its gate again, by
one atomic operation, because `__exit__` will not be called.
"""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import repeat, starmap
from math import inf
from queue import Empty
from sys import is_finalizing
from typing import Any, Final

from .bell import Bell
from .buffer import Mark
from .claims import Claim, holder
from .core import Core, Entry
from .gone import died
from .launch import start
from .machine import Enter, Leave
from .run import BEGUN, FETCHING
from .turn import outlast
from .worker import GATE

RESET: Final = object()
"""In `Entry.over`: `restart` or `close` has left the `with`, so leaving it is no error."""


def enter(core: Core[Any], wrapper: object, consumer: Claim | None = None) -> None:
    """Enter. If there is a buffer, start the worker first.

    Raises RuntimeError if a thread other than `consumer` reads. `consumer` is the claim of a thread
    that restarts the stream. It has the role of the entering thread already.
    """
    claim, entry = Claim.of_this_thread(), Entry(None if consumer is None else core.entry)
    try:
        claim.hold(_enter, core, claim, wrapper, entry, consumer)
    finally:  # after the claim's end, for which the worker waits
        entry.bell.put(None)


def _enter(
    core: Core[Any], claim: Claim, wrapper: object, entry: Entry, consumer: Claim | None
) -> None:
    if core.is_source():
        raise RuntimeError(f"{core.label} was entered by its own source.")
    core.check_open()
    if (consumer is None and claim.take(core.entering) is not None) or core.is_inside():
        raise RuntimeError(f"{core.label} was entered twice.")
    let_go(core)
    while True:
        core.check_open()  # closing stops a worker that is about to be entered
        refuse_readers(core, consumer)
        worker = core.run.worker
        if worker is not None and worker is not entry and worker.lives():
            let_go(core)  # a worker that an interrupted entry has left begins only now
        elif core.limits.capacity == 0 or worker is not None:
            if Enter(core.limits, core.state(core.run)) is None:
                continue  # it was dead, and a consumer has buried it
            core.entry = entry  # last: until then the worker waits, and halts if this ends
            core.did("Enter")
            claim.give_back(core.entering)
            return
        elif not start(core, entry, claim, wrapper):
            let_go(core)  # refused, by a worker that has halted or was about to begin


def refuse_readers(core: Core[Any], consumer: Claim | None) -> None:
    """Raise RuntimeError if a thread other than `consumer` waits in `next`, or restarts."""
    while (first := holder(core.turns)) is not None and first is not consumer:
        if not outlast(core, first):
            raise RuntimeError(f"{core.label} was entered while another thread reads it.")


def let_go(core: Core[Any]) -> None:
    """Tell workers that still run to halt, and wait until they have."""
    for entry in dict.fromkeys((core.run.worker, core.entry)):
        if entry is not None and entry.claim is not None:
            if entry.lives() or not entry.over:
                entry.over.append(None)
            join(core, entry, None)


def leave(core: Core[Any], failure: object) -> None:
    """Leave, and wait until the worker has halted."""
    if core.is_source():
        raise RuntimeError(f"{core.label} was left by its own source.")
    entry = core.entry
    if core.closed and (entry is None or not entry.lives()):
        return  # closing has left it
    if entry is not None:
        mine = object()
        if Leave(core.limits, core.state(core.run)) is not None or entry.over[0] is RESET:
            entry.over.append(mine)
        if entry.over[0] in (mine, RESET) or entry.halted_as_garbage() or entry.lives():
            core.did_once("Leave", entry.said)
            join(core, entry, failure)
            if entry.over[0] is RESET and core.entry is not entry and core.is_inside():
                leave(core, failure)  # another thread has restarted, and entered again
            return
    if entry is None or failure is None:  # the body's own exception is not replaced
        raise RuntimeError(f"{core.label} was left without having been entered.")


def join(core: Core[Any], entry: Entry, failure: object) -> None:
    """Wait until the worker has halted. If interrupted, this can be called again."""
    bell = Bell()
    end = inf if core.stop_timeout is None else time.monotonic() + core.stop_timeout
    if entry.lives():
        entry.leavers.append(bell)
        entry.bell.put(None)
    while entry.lives():
        left = end - time.monotonic()
        if left <= 0 and core.run.progress[FETCHING] and give_up(core, entry, failure):
            return
        with suppress(Empty):
            bell.get(True, min(left, core.glance) if left > 0 else core.glance)
    thread, claim = entry.thread, entry.claim
    joins = claim is not None and not claim.is_foreign() and not is_finalizing()
    if thread is not None and joins:  # at exit no thread can be joined
        thread.join(core.glance)


def give_up(core: Core[Any], entry: Entry, failure: object) -> bool:
    """Give the worker up, in a pull that does not return. It keeps all that it writes to.

    Returns False if it has ended meanwhile: the pull may then be a caller's own. Raises
    TimeoutError, unless the body of `with` has failed already.
    """
    run, claim = core.run, entry.claim
    error = TimeoutError(
        f"A pull from the source of {core.label} has not returned for "
        f"{core.stop_timeout} seconds after the worker was told to go."
    )
    while True:  # until the worker has put nothing meanwhile
        last, hand, progress, rest = run.last, run.hand, run.progress, run.follower(whole=True)
        marks = (part.mark() for part in run.parts())
        before = next((mark for mark in marks if mark and mark.part is last), Mark(error))
        rest.worker, rest.progress, rest.hand = entry, progress, hand
        move, old = rest.last.batches.extend, starmap(last.batches.popleft, repeat(()))
        # No other thread gets in between these tests and the assignments (see `claims`): there is
        # no jump back, and a call that raises lets nobody in. So either the worker has ended, or it
        # is given up; and each batch is either taken from the old run or moved, never both.
        if claim is not None and claim.calls.gi_running:
            if run.last is last and run.hand is hand and run.progress is progress:
                try:
                    move(old)
                except IndexError:  # always, at the end
                    before.part, entry.death, entry.claim, core.run = rest.last, error, None, rest
                break
        else:
            return False
    died(core, rest)
    core.bell.put()
    if failure is None:
        raise error  # `bury` clears `entry.death`
    return True


def opened(core: Core[Any]) -> None:
    """A gate was opened: wake the worker if it has something to do and does not sleep lightly."""
    run = core.run
    entry = run.worker
    room = run.held() < core.limits.capacity
    if room and run.progress[BEGUN] and entry is not None and not entry.light:
        run.ring(GATE)


class Gate:
    """A gate, as `allow_buffering` gives it. While it is entered, the worker may pull."""

    def __init__(self, core: Core[Any]) -> None:
        self._core = core
        self._token = object()

    def __enter__(self) -> None:
        core, token = self._core, self._token
        before = core.gates.count(token)
        try:
            core.gates.append(token)
            core.did("Allow")
            if core.run.parked > core.run.rung:
                opened(core)
        except BaseException:  # interrupted: `__exit__` will not be called
            if core.gates.count(token) > before:
                core.gates.remove(token)
            raise

    def __exit__(self, *args: object) -> None:
        """Shut the gate. Raises RuntimeError if it was not entered."""
        try:
            self._core.gates.remove(self._token)
        except ValueError:
            raise RuntimeError(
                f"A gate of {self._core.label} was left without being entered."
            ) from None
        self._core.did("Disallow")

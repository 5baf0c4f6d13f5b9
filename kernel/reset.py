"""Closing and restarting a stream. Both drop the pass and the buffered batches."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from .claims import Claim
from .core import Core, Entry
from .place import Place, Reported, here
from .pull import shut
from .run import Run
from .scope import RESET, enter, let_go
from .turn import await_turn


def close(core: Core[Any]) -> None:
    """End the stream for good.

    Raises RuntimeError if another thread is in a pull of its own; a later call closes that pass.
    """
    if core.is_source():
        raise RuntimeError(f"{core.label} was closed by its own source.")
    core.closed = True  # first: a waiting consumer gets an error, and does not pull for itself
    ended: list[Any] = []
    claim = Claim.of_this_thread()
    claim.hold(_close, core, claim, ended)
    iterator, late = ended
    shut(iterator)
    if late is not None:
        raise late


def restart(core: Core[Any], wrapper: object) -> None:
    """Begin the epoch again, with a fresh pass. Inside `with` it stays inside."""
    core.check_open()
    if core.is_source():
        raise RuntimeError(f"{core.label} was restarted by its own source.")
    ended: list[Any] = []
    claim = Claim.of_this_thread()
    claim.hold(_restart, core, claim, ended, wrapper)
    _, late = ended
    if late is not None:
        raise late


def _close(core: Core[Any], claim: Claim, ended: list[Any]) -> None:
    while (first := claim.take(core.resets)) is not None and not first.is_mine():
        time.sleep(0.001)  # another thread does it: too seldom for a bell
    with suppress(ValueError):  # another thread waits: it gets this error, too
        if await_turn(core, claim):
            claim.give_back(core.turns)
    _drop_all(core, claim, ended)
    claim.give_back(core.resets)


def _restart(core: Core[Any], claim: Claim, ended: list[Any], wrapper: object) -> None:
    """The thread has the turn throughout: if another one began to read, `enter` would fail.

    It has the role of the entering thread, too: a thread that entered would find itself outside.
    """
    if not await_turn(core, claim) or claim.take(core.resets) is not None:
        raise RuntimeError(f"{core.label} was restarted while it is read, closed or restarted.")
    if claim.take(core.entering) is not None:
        raise RuntimeError(f"{core.label} was restarted while it is entered.")
    if core.record is not None:
        core.record.end("the stream was restarted")
    entry = core.entry if core.is_inside() else None
    _drop_all(core, claim, ended)
    claim.give_back(core.resets)
    try:
        shut(ended[0])
    finally:
        if entry is not None and not _was_left(entry):
            enter(core, wrapper, claim)
            if _was_left(entry):  # either this sees it, or the thread that leaves sees the new one
                _stop(core)
    claim.give_back(core.entering)
    claim.give_back(core.turns)


def _was_left(entry: Entry) -> bool:
    """Whether a thread other than the one that restarts has left `with`."""
    return any(reason is not RESET and reason is not None for reason in entry.over.copy())


def _drop_all(core: Core[Any], claim: Claim, ended: list[Any]) -> None:
    """Stop the worker, and drop buffer and pass. Meanwhile no thread pulls.

    `ended` gets the pass, and the error of leaving; None where there is none.
    """
    late = _stop(core)
    run = core.run
    is_forked = any(claim.is_foreign() for claim in run.pullers.copy())
    if claim.take(run.pullers) is not None:
        raise RuntimeError(f"{core.label} is being read by another thread.")
    now, given = here(core), run.given()
    if core.closed:  # `state_dict` still works: another stream may go on there
        fresh, after = run.follower(), now
    else:
        fresh, after = Run(given), Place(now.epoch, given, given)
    reported = Reported(None, now, after)
    # No call from here on (see `claims`): an interrupt finds both done or neither.
    core.reported = reported
    core.run = fresh
    ended += None if is_forked else run.iterator, late  # a frozen generator cannot be closed
    run.iterator = None
    if core.closed:
        core.loaded = None  # it holds a source
    claim.give_back(run.pullers)
    core.bell.put()  # a consumer may have taken this thread for one that pulls


def _stop(core: Core[Any]) -> TimeoutError | None:
    """Leave `with`, and wait for the worker. Returns the error if its pull takes too long."""
    entry = core.entry
    if entry is not None and core.is_inside():
        entry.over.append(RESET)
        core.did_once("Leave", entry.said)
    try:
        let_go(core)
    except TimeoutError as error:
        return error
    return None

"""The turn: the role of the one consumer, for as long as it has to wait."""

from __future__ import annotations

from typing import Any

from .claims import Claim
from .core import Core
from .limit import Limit


def await_turn(core: Core[Any], claim: Claim, limit: Limit | None = None) -> bool:
    """Take the role of the one consumer.

    Returns False if this thread has the role already: this call runs in a signal handler. Raises
    RuntimeError if another thread waits.
    """
    while (first := claim.take(core.turns)) is not None:
        if first.is_mine():
            return False
        if core.is_source():
            raise RuntimeError(f"{core.label} is read by its own source.")
        if not outlast(core, first, limit):
            core.check_open()  # that thread may have closed it
            raise RuntimeError(f"{core.label} is being read by another thread.")
    return True


def outlast(core: Core[Any], first: Claim, limit: Limit | None = None) -> bool:
    """Wait for the thread that has the turn, if it waited for a cancelled task of an event loop.

    Such a thread is about to go, or in a pull of its own. Returns True if the caller should look
    again; False if the thread is another reader, which goes on.
    """
    waiting: Any = core.waiting
    going = None if waiting is None else waiting.going()
    if going is None:
        return not first.in_force()  # it may have gone since it was seen
    going.outlast(core.glance if limit is None else limit(core.glance))
    return True

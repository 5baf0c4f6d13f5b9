"""How long a request may wait: until it is an error, and until it is told of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from .arguments import seconds
from .stall import tell

if TYPE_CHECKING:
    from .core import Core

Limit: TypeAlias = Callable[[float], float]
"""How long a sleep may be, if it would be so long; raises an error if it may be no longer."""


def deadline(label: str, timeout: float | None) -> Limit | None:
    """A limit of so many seconds from now, if any: it raises TimeoutError then."""
    limit = seconds("timeout", timeout)
    if limit is None:
        return None
    end = time.monotonic() + limit

    def left(longest: float) -> float:
        rest = end - time.monotonic()
        if rest <= 0:
            raise TimeoutError(f"{label} has given no batch for {limit} seconds.")
        return min(rest, longest)

    return left


def watched(core: Core[Any], after: float, limit: Limit | None) -> Limit:
    """The limit of a request that tells, once, that it has waited for so many seconds.

    Whoever waits looks by itself, so there is no thread for this, and who does not wait tells
    nothing.
    """
    due: float | None = time.monotonic() + after

    def left(longest: float) -> float:
        nonlocal due
        if limit is not None:
            longest = limit(longest)
        if due is None:
            return longest
        wait = due - time.monotonic()
        if wait > 0:
            return min(wait, longest)
        due = None  # first: an interrupt while it is told does not have it told again
        tell(core, after)
        return longest

    return left

"""Limits on how long a request may wait: until it fails, and until it is logged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from .arguments import seconds
from .stall import log_stall

if TYPE_CHECKING:
    from .core import Core

Limit: TypeAlias = Callable[[float], float]
"""Gets the seconds that a thread wants to sleep, returns how many it may, or raises if none."""


def deadline(label: str, timeout: float | None) -> Limit | None:
    """A limit that raises TimeoutError this number of seconds from now; None for no limit."""
    limit = seconds("timeout", timeout)
    if limit is None:
        return None
    end = time.monotonic() + limit

    def allowed(longest: float) -> float:
        rest = end - time.monotonic()
        if rest <= 0:
            raise TimeoutError(f"{label} has given no batch for {limit} seconds.")
        return min(rest, longest)

    return allowed


def watched(core: Core[Any], after: float, limit: Limit | None) -> Limit:
    """A limit that logs, once, that the request has waited for this number of seconds.

    The waiting consumer itself looks at the time, so this needs no thread.
    """
    due: float | None = time.monotonic() + after

    def allowed(longest: float) -> float:
        nonlocal due
        if limit is not None:
            longest = limit(longest)
        if due is None:
            return longest
        wait = due - time.monotonic()
        if wait > 0:
            return min(wait, longest)
        due = None  # first: after an interrupt in `log_stall` it is not logged again
        log_stall(core, after)
        return longest

    return allowed

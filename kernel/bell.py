"""A bell wakes one sleeping thread. It is rung by one atomic operation, also in a signal handler.

It has two methods of `queue.SimpleQueue`, without the messages. Up to CPython 3.12 `get` of that
waits for ever if it finds the queue empty after its time is over. So it must not have a time limit
where two threads wait. A worker sleeps in one all the same: if it hung, a request would ring.
"""

from __future__ import annotations

import _thread
from queue import Empty


class Bell:
    """A binary semaphore: a lock that is held until somebody rings."""

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def put(self) -> None:
        """Ring, unless it was rung already and nobody has heard it."""
        try:  # noqa: SIM105  # `suppress` costs several times as much
            self._lock.release()
        except RuntimeError:
            pass

    def get(self, block: bool, timeout: float) -> None:
        """Wait for a ring. Raises Empty if there is none for this number of seconds."""
        if not self._lock.acquire(block, timeout):
            raise Empty

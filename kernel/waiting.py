"""Waiting for an event loop: in a thread of the loop's executor."""

from __future__ import annotations

import contextvars
import os
import weakref
from contextlib import suppress
from queue import Empty
from typing import TYPE_CHECKING, Any

from .bell import Bell
from .consumer import await_something
from .core import Core

if TYPE_CHECKING:
    import asyncio


class Waiting:
    """A thread that waits for an event loop."""

    def __init__(
        self, core: Core[Any], loop: asyncio.AbstractEventLoop, before: Waiting | None
    ) -> None:
        self._core = core
        while before is not None and not before._is_to_end():
            before = before._before
        self._before: Waiting | None = before  # it may be cancelled later
        self._awaited: Waiting | None = None  # whose end this thread awaits
        self._gone = Bell()
        self._loop = loop
        self._process = os.getpid()
        self._is_cancelled = False
        self._is_over = False
        self.error: BaseException | None = None
        context = contextvars.copy_context()

        def job() -> None:
            context.run(self._wait)

        self._job = weakref.ref(job)  # gone once the executor has run or dropped it
        self.future = loop.run_in_executor(None, job)

    def _wait(self) -> None:
        try:
            while (before := self._before and self._before.going()) is not None:
                self._awaited = before
                before.outlast(self._limit(self._core.glance))
            self._awaited = None
            self._limit(0)
            await_something(self._core, self._limit)
        except _Cancelled:
            pass
        except BaseException as error:
            self.error = error  # for the task that awaits this
        self._is_over = True
        self._gone.put()

    def _limit(self, longest: float) -> float:
        """The limit of its sleep. Raises if it was cancelled."""
        if self._is_unwanted():
            raise _Cancelled
        return longest

    def _is_unwanted(self) -> bool:
        """Whether its task was cancelled, or cannot go on as the loop does not run.

        If that runs again, the task finds that this wait is over, and waits once more.
        """
        return self._is_cancelled or not self._loop.is_running()

    def cancel(self) -> None:
        """Let the thread wait no longer."""
        self._is_cancelled = True
        awaited = self._awaited  # once: its thread forgets it
        bell = self._core.bell if awaited is None else awaited._gone
        bell.put()

    def going(self) -> Waiting | None:
        """Of this thread and those before it, the last that was cancelled and is not gone yet."""
        waiting: Waiting | None = self
        while waiting is not None and not waiting._is_going():
            waiting = waiting._before
        return waiting

    def _is_going(self) -> bool:
        return self._is_unwanted() and self._is_to_end()

    def is_of(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether the thread waits for this loop, in this process."""
        return self._loop is loop and self._is_to_end() and not self.future.cancelled()

    def _is_to_end(self) -> bool:
        """Whether the thread is there, or to come, and has not ended."""
        is_over = self._is_over or self._job() is None
        return not is_over and self._process == os.getpid()

    def outlast(self, seconds: float) -> None:
        """Sleep until the thread is gone, or for this number of seconds."""
        with suppress(Empty):
            self._gone.get(True, seconds)


class _Cancelled(Exception):
    """The waiting thread was cancelled."""

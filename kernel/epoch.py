"""One epoch as an iterator, for `for` and for `async for`."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .consumer import await_something
from .core import Core
from .place import in_epoch, is_broken_off, place

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class Epoch(Generic[T]):
    """What is left of one epoch; once exhausted, it stays so.

    It is the epoch in which the stream is at the first read. An end that would come first there,
    though batches of that epoch were given, was told to nobody: it is passed over, and the epoch is
    the next. So what reads no further than the last batch (`zip`, `islice`, a loop with `break`)
    leaves no empty epoch behind. An error ends the epoch, and is raised.
    """

    def __init__(self, core: Core[T], read: Callable[[], T]) -> None:
        self._core = core
        self._read = read
        self._told: object = None  # the last mark that was told, when this began
        self._number = 0
        self._untold = False  # an end that comes first was told to nobody
        self._length: int | None = None
        self._over = False

    def __iter__(self) -> Epoch[T]:
        """The epoch itself."""
        return self

    def __next__(self) -> T:
        """The next batch. Raises StopIteration at the end and ever after; errors as `next` does."""
        while True:
            self._begin()
            try:
                return self._step()
            except _Untold:
                continue

    def __len__(self) -> int:
        """Batches from here to the end of the epoch, or from its first read on.

        A source with a pass of no batches may end it sooner. Raises TypeError if the epochs of the
        stream have no size.
        """
        size = self._core.limits.epoch_size
        if size == 0:
            raise TypeError(f"An epoch of {self._core.label} is a pass: it has no length.")
        return size - in_epoch(self._core) % size if self._length is None else self._length

    def __aiter__(self) -> Epoch[T]:
        """The epoch itself."""
        return self

    async def __anext__(self) -> T:
        """The next batch, for which another thread waits. To cancel it loses nothing.

        Without a worker that thread pulls, and a pull goes on although it is cancelled: its batch
        is the next one then. Raises StopAsyncIteration at the end; errors as `next` does.
        """
        while True:
            self._begin()
            if not self._over:
                await self._something()
            try:
                return self._step()
            except _Untold:
                continue
            except StopIteration:
                raise StopAsyncIteration from None

    def _begin(self) -> None:
        """Find out which epoch this is; or whether it has ended meanwhile."""
        core = self._core
        if self._told is None:
            if is_broken_off(core):
                self._number = place(core).epoch + 1
            else:
                self._number, self._untold = place(core).epoch, in_epoch(core) > 0
                self._length = len(self) if core.limits.epoch_size else None
        elif core.told is not self._told:
            self._over = self._over or place(core).epoch != self._number
        elif core.run.worker is None and is_broken_off(core):
            self._over = True
        self._told = core.told

    def _step(self) -> T:
        """One read of the stream."""
        if self._over:
            raise StopIteration
        try:
            batch = self._read()
        except StopIteration:
            if self._untold:
                self._number, self._untold = self._number + 1, False
                raise _Untold from None
            self._over = True
            raise
        self._untold = False
        return batch

    async def _something(self) -> None:
        """Wait, in a thread of the event loop's executor, until there is something to read."""
        import asyncio  # noqa: PLC0415  # whoever has no event loop need not wait for this import

        core, loop = self._core, asyncio.get_running_loop()
        while not (core.run.batches or core.run.marks):
            waiting: Any = core.waiting
            if waiting is None or waiting.future.done():
                core.waiting = waiting = Waiting(core, loop)
            try:
                await asyncio.shield(waiting.future)
            except asyncio.CancelledError:
                waiting.cancel()
                raise


class Waiting:
    """A thread that waits for an event loop."""

    def __init__(self, core: Core[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._bell = core.bell
        self._label = core.label
        self._cancelled = False
        waits = partial(contextvars.copy_context().run, await_something, core, self.left)
        self.future = loop.run_in_executor(None, waits)

    def cancel(self) -> None:
        """Have it wait no longer."""
        self._cancelled = True
        self._bell.put(None)

    def left(self, longest: float) -> float:
        """How long it may sleep now. Raises TimeoutError if no longer."""
        if self._cancelled:
            raise TimeoutError(f"Nobody waits for {self._label} any more.")
        return longest


class _Untold(Exception):
    """An end was passed over."""

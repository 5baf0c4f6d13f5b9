"""One epoch as an iterator, for `for` and for `async for`."""

from __future__ import annotations

from collections.abc import Callable
from timeit import default_timer
from typing import Any, Generic, TypeVar

from .core import Core
from .errors import described
from .place import here
from .run import FETCHING
from .types import TimeProfile
from .waiting import Waiting

T = TypeVar("T")


class Epoch(Generic[T]):
    """The rest of one epoch. Once exhausted, it stays so.

    The first read decides which epoch it is: the one that the stream is in. If all its batches were
    given and only its end is left, that end is passed over, and the epoch is the next one. So a
    reader that stops at the last batch (`zip`, `islice`, a loop with `break`) leaves no empty epoch
    behind. An error ends the epoch, and is raised.
    """

    def __init__(
        self, core: Core[T], read: Callable[[], T], profile: TimeProfile | None, event: str
    ) -> None:
        self._core = core
        self._read = read
        self._profile, self._event = profile, event  # to which `read` adds the batch's time
        self._seen: object = None  # `core.reported.after` at the last look
        self._number = 0
        self._passes_over: int | None = None  # batches given at first read: an end there is skipped
        self._begin = 0  # batches given before it
        self._length = 0
        self._over = False

    def __iter__(self) -> Epoch[T]:
        """The epoch itself."""
        return self

    def __next__(self) -> T:
        """The next batch. Raises StopIteration at the end and ever after; errors as `next` does."""
        while not self._is_over():
            try:
                return self._read()
            except StopIteration:  # noqa: PERF203  # once an epoch
                self._ended()  # the end may be one that is passed over
        raise StopIteration

    def __len__(self) -> int:
        """Batches that this gives in all, from its first read on. Before that: those that are left.

        A pass without batches may end it sooner; a restart adds what is given again. Raises
        TypeError if the epochs of the stream have no size.
        """
        if self._core.limits.epoch_size == 0:
            raise TypeError(f"An epoch of {self._core.label} is a pass: it has no length.")
        if self._seen is not None:
            self._is_over()  # it may have been restarted
        return self._length or self._length_from(self._core.run.given())

    def __bool__(self) -> bool:
        """True: an iterator is no container, and an epoch that is a pass has no length."""
        return True

    def __aiter__(self) -> Epoch[T]:
        """The epoch itself."""
        return self

    async def __anext__(self) -> T:
        """The next batch. Another thread waits for it. Cancelling loses nothing.

        Without a worker that thread pulls. The pull goes on after a cancellation, and its batch is
        the next one. Raises StopAsyncIteration at the end; errors as `next` does, but RuntimeError
        for a StopAsyncIteration of the source, which would look like an end.
        """
        core, begun = self._core, default_timer()
        while not self._is_over():
            if core.run.batches or core.run.marks:  # no `await` comes between this and the read
                waited = default_timer() - begun
                try:
                    batch = self._read()
                except StopIteration:
                    self._ended()
                except StopAsyncIteration as error:
                    raise RuntimeError(
                        f"The source of {core.label} raised {described(error)}."
                    ) from error
                else:
                    times = None if self._profile is None else self._profile.get(self._event)
                    if times:
                        times[-1] += waited
                    return batch
            else:
                await self._something()
        raise StopAsyncIteration

    def _ended(self) -> None:
        """The read has raised StopIteration. If no end was reported, its own end is one."""
        if self._core.reported.after is self._seen:
            self._over = True

    def _is_over(self) -> bool:
        """Whether it has ended. The first call finds out which epoch this is."""
        core = self._core
        reported, run = core.reported, core.run
        is_broken_off = run.worker is None and run.progress[FETCHING]  # or a pull is in flight
        if self._seen is None:
            now, given = here(core), core.run.given()
            self._number = now.epoch
            self._passes_over = given if given > now.epoch_start else None
            self._begin = given
            self._length = self._length_from(given)
        elif reported.after is not self._seen or is_broken_off:
            now, end = here(core), self._passes_over
            is_end = reported.mark is not None and reported.mark.ended
            if is_end and (now.epoch, now.epoch_start) == (self._number + 1, end):
                self._number = now.epoch
            if end is not None and now.epoch_start >= end:
                self._passes_over = None
            self._over = self._over or now.epoch != self._number
            if not self._over:
                self._length = self._length_from(self._begin)
        self._seen = reported.after
        return self._over

    def _length_from(self, begin: int) -> int:
        """Batches of an epoch of fixed size after so many given; if it is complete, of the next."""
        core, size = self._core, self._core.limits.epoch_size
        return size and (here(core).epoch_start + size - begin or size)

    async def _something(self) -> None:
        """Wait, in a thread of the event loop's executor, until there may be something to read."""
        import asyncio  # noqa: PLC0415  # slow, and needed in event loops only

        core, loop = self._core, asyncio.get_running_loop()
        waiting: Any = core.waiting
        if waiting is None or not waiting.is_of(loop):
            core.waiting = waiting = Waiting(core, loop, waiting)
        try:
            await asyncio.wait([waiting.future])
        except BaseException:  # cancelled, or closed by the garbage collector
            waiting.cancel()
            raise
        error, waiting.error = waiting.error, None
        if error is not None:
            raise error

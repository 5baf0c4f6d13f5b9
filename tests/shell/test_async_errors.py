"""Rule 14: what goes wrong around `async for`: executors, cancellations, sources, profiles."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kernel import SourceError, StreamWrapper

from ..support.sources import LONG, Source
from .test_async import SIZES, cancelled_read, read, started


class Bridge:
    """A source that raises StopAsyncIteration, as one does that reads an async iterator."""

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        raise StopAsyncIteration("bridge")


@pytest.mark.parametrize("size", SIZES)
def test_rule_7_stop_async_iteration_is_no_end(size: int) -> None:
    """Rules 7 and 14: it is reported as an error of the source."""
    with (
        StreamWrapper(Bridge, size) as stream,
        pytest.raises(SourceError if size else RuntimeError, match="bridge") as told,
    ):
        asyncio.run(read(stream.epoch()))
    assert isinstance(told.value.__cause__, StopAsyncIteration)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("same_loop", [False, True])
def test_rule_8_job_that_the_executor_drops(size: int, cancelled: bool, same_loop: bool) -> None:
    """Rules 8 and 14: a wait whose job is dropped before it runs is begun anew, or is none."""
    busy, pool = threading.Event(), ThreadPoolExecutor(1)
    stream = StreamWrapper(lambda: range(3), size)

    async def drops() -> Any:
        """A read whose job waits for an executor, which is shut down."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(pool)
        pool.submit(busy.wait, LONG)
        task = asyncio.ensure_future(stream.epoch().__anext__())
        await asyncio.sleep(0)  # it has been begun
        await asyncio.sleep(0)
        assert stream._core.waiting is not None
        if cancelled:
            task.cancel()
            await asyncio.wait([task])
        pool.shutdown(wait=False, cancel_futures=True)
        loop.set_default_executor(ThreadPoolExecutor(1))
        if not same_loop and not cancelled:
            task.cancel()
            await asyncio.wait([task])
        if same_loop:
            first = [] if cancelled else [await asyncio.wait_for(task, LONG)]
            assert first + await asyncio.wait_for(read(stream.epoch()), LONG) == [0, 1, 2]

    async def again() -> None:
        assert await asyncio.wait_for(read(stream.epoch()), LONG) == [0, 1, 2]

    with stream:
        asyncio.run(drops())
        busy.set()
        pool.shutdown()
        if not same_loop:
            asyncio.run(again())


def test_rule_8_executor_that_takes_no_jobs() -> None:
    """Rules 8 and 14: then the read raises what the executor raises, and loses nothing."""

    async def main(stream: Any) -> None:
        pool = ThreadPoolExecutor(1)
        pool.shutdown()
        asyncio.get_running_loop().set_default_executor(pool)
        with pytest.raises(RuntimeError, match="shutdown"):
            await stream.epoch().__anext__()

    with StreamWrapper(lambda: range(3), 2) as stream:
        asyncio.run(main(stream))
        assert list(stream) == [0, 1, 2]


class Contexts(ThreadPoolExecutor):
    """An executor that hands contexts on, as many programs make one."""

    def submit(self, call: Any, /, *args: Any, **named: Any) -> Any:
        context = contextvars.copy_context()
        return super().submit(context.run, functools.partial(call, *args, **named))


def test_rule_9_executor_that_wraps_its_jobs() -> None:
    """Rules 9 and 14: a job that was wrapped is none that was dropped."""
    source = Source(range(3), held=True)
    stream = StreamWrapper(source)

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(Contexts(4))
        await cancelled_read(stream, started(source))
        source.free()
        assert next(stream) == 0

    asyncio.run(main())


def test_rule_9_refused_reader_of_another_loop() -> None:
    """Rule 9: it breaks nothing: a wait that is cancelled after it is no reader."""
    source = Source(range(3), held=True)
    stream = StreamWrapper(source)

    async def other() -> None:
        with pytest.raises(RuntimeError, match="being read by another thread"):
            await stream.epoch().__anext__()

    async def main() -> None:
        refused = asyncio.to_thread(asyncio.run, other())

        async def meanwhile() -> None:
            await started(source)
            await refused

        await cancelled_read(stream, meanwhile())
        source.free()
        assert next(stream) == 0

    asyncio.run(main())


def test_rule_14_close_in_a_cancelled_task() -> None:
    """Rules 9 and 14: closing waits for the pull of the cancelled wait, and closes the pass."""
    source, closed = Source(range(6), held=True), threading.Event()

    def one_pass() -> Iterator[Any]:
        try:
            yield from source()
        finally:
            closed.set()

    stream = StreamWrapper(one_pass)

    async def reads() -> None:
        with contextlib.closing(stream):
            await read(stream.epoch())

    async def main() -> None:
        task = asyncio.ensure_future(reads())
        await started(source)
        task.cancel()
        source.free()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())
    assert closed.is_set()


@pytest.mark.parametrize("size", SIZES)
def test_rule_12_profile_of_async_for(size: int) -> None:
    """Rule 12: the time of a batch is that of waiting for it."""
    times: dict[str, list[float]] = {}

    def source() -> Iterator[int]:
        for number in range(3):
            threading.Event().wait(0.02)
            yield number

    with StreamWrapper(source, size, name="slow", profile=times) as stream:
        assert asyncio.run(read(stream.epoch())) == [0, 1, 2]
    assert len(times["read_batch_slow"]) == 3
    assert min(times["read_batch_slow"]) > 0.01

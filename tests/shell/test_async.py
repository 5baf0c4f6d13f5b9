"""Rule 14: epochs by `async for`, in event loops that cancel, forget and are closed."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Awaitable
from random import Random
from typing import Any

import pytest

from kernel import SourceError, StreamWrapper
from kernel.claims import Claim
from kernel.turn import outlast

from ..support.processes import run
from ..support.sources import LONG, Aside, Boom, Source, until

SIZES = [0, 1, 3]


async def read(epoch: AsyncIterator[Any]) -> list[Any]:
    return [batch async for batch in epoch]


async def started(source: Source) -> None:
    """Until the source is in its pull."""
    await asyncio.get_running_loop().run_in_executor(None, source.await_start)


async def cancelled_read(stream: Any, meanwhile: Awaitable[None]) -> None:
    """A read that is cancelled after that."""
    task = asyncio.ensure_future(stream.epoch().__anext__())
    await meanwhile
    task.cancel()
    await asyncio.wait([task])


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def test_rule_14_async_for(make: Any) -> None:
    """Rule 14: the same epochs by `async for`; nothing is left when the loop is closed."""
    before = threads()
    stream = make([1, 2], [], [3])

    async def main() -> list[Any]:
        return [await read(stream.epoch()) for _ in range(4)]

    assert asyncio.run(main()) == [[1, 2], [], [3], [1, 2]]
    assert asyncio.run(main()) == [[], [3], [1, 2], []]
    workers = {stream._core.entry.thread} if stream._core.entry else set()
    assert threads() - before <= workers


def test_rule_1_async_for_without_a_worker_has_the_context_of_its_task() -> None:
    """Rule 1: `async for` pulls in a thread of the executor, in the context of who asks."""
    seen = contextvars.ContextVar[str]("seen", default="none")
    stream = StreamWrapper(lambda: iter([seen.get()]))

    async def main() -> list[Any]:
        seen.set("the task's")
        return await read(stream.epoch())

    assert asyncio.run(main()) == ["the task's"]


def test_rule_14_async_error_and_misuse(make: Any) -> None:
    stream = make([1, Boom()], [2])

    async def main() -> None:
        epoch = stream.epoch()
        assert await epoch.__anext__() == 1
        with pytest.raises((Boom, SourceError)):
            await epoch.__anext__()
        assert await read(epoch) == []
        assert await read(stream.epoch()) == [2]
        with pytest.raises(ValueError, match="enter it by `with`"):
            await read(StreamWrapper(list, 2).epoch())

    asyncio.run(main())


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_gather_of_two_streams(size: int) -> None:
    """Rule 14: neither waits for the other."""
    slow, fast = Source(range(3), held=True), Source(range(3))

    async def main(one: Any, other: Any) -> None:
        slowly = asyncio.ensure_future(read(one.epoch()))
        assert await read(other.epoch()) == [0, 1, 2]
        assert not slowly.done()
        slow.free()
        assert await slowly == [0, 1, 2]

    with StreamWrapper(slow, size) as one, StreamWrapper(fast, size) as other:
        asyncio.run(main(one, other))


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_cancelled_at_any_await(size: int) -> None:
    """Rule 14: a read that is cancelled loses nothing, again and again."""
    source = Source(range(200))
    seen: list[int] = []
    cancelled = 0

    async def main(stream: Any) -> None:
        nonlocal cancelled
        epoch, random = stream.epoch(), Random(size)
        while len(seen) < 200:
            task = asyncio.ensure_future(epoch.__anext__())
            for _ in range(random.randrange(3)):
                await asyncio.sleep(0)
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
            if task.cancelled():
                cancelled += 1
            else:
                seen.append(task.result())
            if random.random() < 0.2 and len(seen) < 200:
                seen.append(next(epoch) if random.random() < 0.5 else await epoch.__anext__())
        assert await read(epoch) == []

    with StreamWrapper(source, size) as stream:
        asyncio.run(main(stream))
    assert seen == list(range(200))
    assert cancelled > 20


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_wait_for(size: int) -> None:
    """Rule 14: time limits for a read that hangs leave nothing behind, and no batch."""
    source = Source(range(3), held=True)

    async def main(stream: Any) -> None:
        epoch = stream.epoch()
        for _ in range(20):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(epoch.__anext__(), 0.002)
        assert len([t for t in threads() if "asyncio" in t.name]) <= 20
        source.free()
        assert await asyncio.wait_for(read(epoch), LONG) == [0, 1, 2]

    with StreamWrapper(source, size) as stream:
        asyncio.run(main(stream))
    assert source.most_active == 1
    assert len(stream._core.turns) <= 1
    assert len(stream._core.requests) <= 1


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_next_after_a_cancelled_wait(size: int) -> None:
    """Rule 14: a read without the loop goes on at once, or after the pull that the wait is in."""
    source = Source(range(3), held=True)

    async def main(stream: Any) -> None:
        await cancelled_read(stream, started(source))
        with pytest.raises(TimeoutError):
            stream.get(timeout=0.01)
        source.free()
        assert next(stream) == 0
        assert await read(stream.epoch()) == [1, 2]

    with StreamWrapper(source, size) as stream:
        asyncio.run(main(stream))


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_two_tasks_on_one_stream(size: int) -> None:
    """Rules 9 and 14: each batch goes to one of them, and a late reader begins no epoch."""
    source = Source(range(20), range(20, 40))

    async def main(stream: Any) -> None:
        epoch = stream.epoch()
        parts = await asyncio.gather(read(epoch), read(epoch), read(stream.epoch()))
        assert sorted(batch for part in parts for batch in part) == list(range(20))
        assert await read(stream.epoch()) == list(range(20, 40))

    with StreamWrapper(source, size) as stream:
        asyncio.run(main(stream))


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_another_thread_reads_while_a_loop_waits(size: int) -> None:
    """Rule 9: a wait that nobody has cancelled is a reader."""
    source = Source(range(3), held=True)

    async def main(stream: Any) -> None:
        task = asyncio.ensure_future(read(stream.epoch()))
        await started(source)
        with pytest.raises(RuntimeError, match="another thread"):
            Aside(lambda: next(stream)).result()
        source.free()
        assert await task == [0, 1, 2]

    with StreamWrapper(source, size) as stream:
        asyncio.run(main(stream))


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_loop_that_is_closed_while_it_waits(size: int) -> None:
    """Rule 14: the next loop, or none, reads on."""
    source = Source(range(4), held=True)

    async def leave(stream: Any) -> None:
        asyncio.ensure_future(stream.epoch().__anext__())  # noqa: RUF006  # it is cancelled
        await started(source)
        source.free()

    with StreamWrapper(source, size) as stream:
        asyncio.run(leave(stream))
        assert next(stream) == 0
        assert asyncio.run(read(stream.epoch())) == [1, 2, 3]


def test_rule_10_a_loop_that_stands_still_keeps_no_process_alive() -> None:
    """Rule 10: a loop was left, not closed, while a task waits for a source that hangs."""
    program = """
        import asyncio, logging, warnings

        logging.disable()  # of loops and tasks that are left
        warnings.simplefilter("ignore")

        def source():
            yield 1
            threading.Event().wait()

        async def read():
            async for batch in stream.epoch():
                print(batch, flush=True)
                read.set_result(None)

        stream = StreamWrapper(source, 2)
        stream.__enter__()
        loop = asyncio.new_event_loop()
        read, reads = loop.create_future(), read
        task = loop.create_task(reads())
        loop.run_until_complete(read)
    """
    assert run(program) == "1"


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_a_loop_that_goes_on(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 14: a task whose loop stood still reads on once the loop runs again."""
    monkeypatch.setattr("kernel.core.Core.glance", 0.01)
    source = Source([0, 1], held=True)
    stream = StreamWrapper(source, size)
    loop = asyncio.new_event_loop()
    with stream:
        task = loop.create_task(read(stream.epoch()))
        loop.run_until_complete(started(source))
        waiting: Any = stream._core.waiting
        if size:
            assert until(lambda: waiting._is_over)  # the loop stands still
        source.free()
        assert loop.run_until_complete(task) == [0, 1]
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_rule_14_cancelled_wait_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 14: its thread is rung for, and does not look around by itself."""
    monkeypatch.setattr("kernel.core.Core.glance", 100 * LONG)
    source = Source(range(3), held=True)

    async def main(stream: Any) -> None:
        await cancelled_read(stream, started(source))
        assert until(lambda: stream._core.waiting.going() is None)
        assert stream.empty()  # the source has not answered meanwhile, late as that may be
        source.free()

    with StreamWrapper(source, 1) as stream:
        asyncio.run(main(stream))


def test_rule_14_wait_of_a_closed_loop_is_no_reader() -> None:
    """Rules 9 and 14: a thread that waits for a loop that was closed is about to go."""
    source = Source(range(3), held=True)
    with StreamWrapper(source, 2) as stream:
        loop = asyncio.new_event_loop()
        task = loop.create_task(stream.epoch().__anext__())
        loop.run_until_complete(started(source))
        loop.set_exception_handler(lambda *_: None)  # that its task is pending
        loop.close()
        with pytest.raises(TimeoutError):
            stream.get(timeout=0)
        source.free()
        assert next(stream) == 0
        del task
        gc.collect()


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_cancelled_waits_of_several_loops(size: int) -> None:
    """Rules 9 and 14: one before the last is in a pull, or about to go. It is no reader."""
    source = Source(range(3), held=True)
    with StreamWrapper(source, size) as stream:
        for later in (None, asyncio.sleep(0), asyncio.sleep(0)):  # it is in a pull by then
            loop = asyncio.new_event_loop()
            loop.run_until_complete(cancelled_read(stream, later or started(source)))
            loop.close()
        with pytest.raises(TimeoutError):
            stream.get(timeout=0.01)
        source.free()
        assert next(stream) == 0
        assert asyncio.run(read(stream.epoch())) == [1, 2]


def test_rule_14_entering_after_a_cancelled_wait() -> None:
    """Rules 4 and 14: entering waits for the pull that the cancelled wait is in."""
    source = Source(range(3), held=True)
    stream = StreamWrapper(source)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(cancelled_read(stream, started(source)))
    entered = Aside(stream.__enter__)
    source.free()
    entered.result()
    assert list(stream.epoch()) == [0, 1, 2]
    stream.__exit__(None, None, None)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_rule_9_reader_that_goes_while_another_looks() -> None:
    """Rule 9: a thread that had the turn, and has gone, is no reader."""
    core, claim = StreamWrapper(list)._core, Claim()
    seen: list[bool] = []
    claim.hold(lambda: seen.append(outlast(core, claim)))
    assert seen == [False]
    assert outlast(core, claim)


def test_rule_14_loop_that_forgets_its_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 10: a loop that is closed without a word leaves no thread that waits for ever."""
    monkeypatch.setattr("kernel.core.Core.glance", 0.01)  # it is seen by itself
    source = Source(range(3), held=True)
    before = threads()
    with StreamWrapper(source, 2) as stream:
        loop = asyncio.new_event_loop()
        epoch = stream.epoch()
        task = loop.create_task(epoch.__anext__())
        loop.run_until_complete(started(source))
        loop.set_exception_handler(lambda *_: None)  # that its task is pending
        loop.close()
        del task
        gc.collect()
        for thread in threads() - before:
            if "asyncio" in thread.name:
                thread.join(LONG)
                assert not thread.is_alive()
        source.free()
        assert next(stream) == 0

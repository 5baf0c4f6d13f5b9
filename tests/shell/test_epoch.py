"""Rule 14: an epoch as an iterator that keeps to Python's protocol, for `for` and `async for`."""

from __future__ import annotations

import asyncio
import gc
import itertools
import operator
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from random import Random
from typing import Any

import pytest

from kernel import Epoch, SourceError, StreamWrapper
from specs.epochs import BATCH, FAILURE, epochs

from ..support.sources import LONG, Aside, Source, take
from .resume_programs import Bell, Boom

SIZES = [0, 1, 3]


@pytest.fixture(params=SIZES)
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes streams that are entered, with a gate that is open, and leaves them."""
    made: list[Any] = []

    def entered(*passes: Any, epoch_size: int = -1) -> Any:
        stream = StreamWrapper(Source(*passes), request.param, epoch_size)
        made.extend((stream.__enter__(), stream.allow_buffering))
        made[-1].__enter__()
        return stream

    yield entered
    for thing in reversed(made):
        thing.__exit__(None, None, None)


def events(iterator: Iterator[Any]) -> list[Any]:
    return [next(iterator, "end") for _ in range(4)]


# What users do with an iterator.


def test_rule_14_for_loops(make: Any) -> None:
    stream = make([1, 2], [], [3])
    assert [list(stream.epoch()) for _ in range(4)] == [[1, 2], [], [3], [1, 2]]


def test_rule_14_exhausted_stays_so(make: Any) -> None:
    """Rule 14: where the stream's own iterator goes on, an epoch does not."""
    stream = make([1, 2], [3])
    epoch = stream.epoch()
    assert iter(epoch) is epoch
    assert events(epoch) == [1, 2, "end", "end"]
    assert events(epoch) == ["end"] * 4
    assert next(stream) == 3
    assert events(epoch) == ["end"] * 4


@pytest.mark.parametrize("epoch_size", [-1, 3])
def test_rule_14_zip(make: Any, epoch_size: int) -> None:
    """Rule 14: zip asks the second for no end, and that end is no epoch afterwards."""
    one, other = (make(range(3), epoch_size=epoch_size) for _ in range(2))
    for _ in range(3):
        assert list(zip(one.epoch(), other.epoch(), strict=False)) == [(0, 0), (1, 1), (2, 2)]
    assert list(zip(one.epoch(), other.epoch(), strict=True)) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("epoch_size", [-1, 4])
def test_rule_14_islice_and_break(make: Any, epoch_size: int) -> None:
    """Rule 14: a loop that ends with the last batch leaves no empty epoch behind."""
    stream = make(range(4), epoch_size=epoch_size)
    for _ in range(3):
        assert list(itertools.islice(stream.epoch(), 4)) == [0, 1, 2, 3]
        for batch in stream.epoch():
            if batch == 3:
                break
    assert list(itertools.islice(stream.epoch(), 2)) == [0, 1]
    assert list(stream.epoch()) == [2, 3]


@pytest.mark.skipif(not hasattr(itertools, "batched"), reason="Python 3.12 has it")
def test_rule_14_batched(make: Any) -> None:
    stream = make(range(5))
    for _ in range(2):
        assert list(itertools.batched(stream.epoch(), 2)) == [(0, 1), (2, 3), (4,)]  # type: ignore[attr-defined]  # mypy reads 3.10


def test_rule_14_packages_that_count(make: Any) -> None:
    """Rule 14: more_itertools and tqdm, where they are installed."""
    more_itertools = pytest.importorskip("more_itertools")
    tqdm = pytest.importorskip("tqdm")
    stream = make(range(5), epoch_size=5)
    assert list(more_itertools.chunked(stream.epoch(), 2)) == [[0, 1], [2, 3], [4]]
    assert more_itertools.ilen(stream.epoch()) == 5
    assert list(more_itertools.peekable(stream.epoch())) == [0, 1, 2, 3, 4]
    with tqdm.tqdm(stream.epoch(), disable=True) as bar:
        assert list(bar) == [0, 1, 2, 3, 4]
    assert tqdm.tqdm(stream.epoch(), file=open("/dev/null", "w")).total == 5  # noqa: SIM115  # nothing to close


def test_rule_14_length() -> None:
    """Rule 14: batches from here, or from its first read on; an iterator is true all the same."""
    stream = StreamWrapper(Source(range(7)), 0, 4)
    epoch = stream.epoch()
    assert (len(epoch), operator.length_hint(epoch), bool(epoch)) == (4, 4, True)
    assert next(stream) == 0
    assert len(epoch) == 3
    assert next(epoch) == 1
    assert len(epoch) == 3
    assert len(stream.epoch()) == 2
    assert list(epoch) == [2, 3]
    rest = stream.epoch()
    assert (len(epoch), len(rest)) == (3, 4)
    assert take(stream, 4) == [4, 5, 6, 0]
    assert len(stream.epoch()) == 4  # of the next: an end that nobody was told is no epoch
    assert events(rest)[0] == 1


def test_rule_14_a_pass_has_no_length() -> None:
    stream = StreamWrapper(Source(range(3)), 0, name="passes")
    epoch = stream.epoch()
    with pytest.raises(TypeError, match="'passes' is a pass: it has no length"):
        len(epoch)
    assert bool(epoch)
    assert operator.length_hint(epoch, 9) == 9
    assert list(epoch) == [0, 1, 2]


def test_rule_14_empty(make: Any) -> None:
    """Rule 14: an empty source has an empty epoch after another."""
    for epoch_size in -1, 2:
        stream = make([], epoch_size=epoch_size)
        for _ in range(3):
            epoch = stream.epoch()
            assert [list(epoch), list(epoch)] == [[], []]
    short = make([1], [], [2, 3], epoch_size=2)
    assert [list(short.epoch()) for _ in range(4)] == [[1], [2, 3], [1], [2, 3]]


# Several at once, old ones, the stream itself.


def test_rule_14_two_at_once(make: Any) -> None:
    """Rule 14: two epochs that are read in turns are the same one."""
    stream = make(range(4), range(4, 6))
    one, other = stream.epoch(), stream.epoch()
    assert [next(one), next(other), next(one), next(other)] == [0, 1, 2, 3]
    assert events(other) == ["end"] * 4
    assert events(one) == ["end"] * 4
    assert list(stream.epoch()) == [4, 5]


def test_rule_14_an_old_one(make: Any) -> None:
    """Rule 14: an epoch that was left is over as soon as another has begun."""
    stream = make(range(4), range(4, 6))
    old = stream.epoch()
    assert next(old) == 0
    assert list(stream) == [1, 2, 3]
    assert next(stream.epoch()) == 4
    assert events(old) == ["end"] * 4
    assert list(stream.epoch()) == [5]


def test_rule_14_one_made_early(make: Any) -> None:
    """Rule 14: an epoch is the one at its first read, whenever it was made."""
    stream = make(range(2), range(2, 4))
    later = stream.epoch()
    assert list(stream) == [0, 1]
    assert list(later) == [2, 3]


def test_rule_14_mixed_with_the_stream(make: Any) -> None:
    """Rule 14: `for batch in stream` stays as it is, with its untold ends."""
    stream = make(range(3))
    assert take(stream.epoch(), 3) == [0, 1, 2]
    assert list(stream) == []
    assert list(stream) == [0, 1, 2]
    assert take(stream, 3) == [0, 1, 2]
    assert list(stream.epoch()) == [0, 1, 2]


def test_rule_14_restarted(make: Any) -> None:
    """Rule 14: a restart begins this epoch afresh."""
    stream = make(range(3), [7, 8], [], [9])
    epoch = stream.epoch()
    assert take(epoch, 2) == [0, 1]
    begun = stream._core.stream_fn.begun
    stream._core.stream_fn.begun = 1
    stream.restart()
    assert begun >= 1
    assert events(epoch) == [7, 8, "end", "end"]
    assert list(stream.epoch()) == []


# Errors and interrupts.


def test_rule_14_an_error_ends_it(make: Any) -> None:
    stream = make([0, Boom(), 2], [3])
    epoch = stream.epoch()
    assert next(epoch) == 0
    with pytest.raises((Boom, SourceError)):
        next(epoch)
    assert events(epoch) == ["end"] * 4
    assert list(stream.epoch()) == [3]


def test_rule_14_an_error_at_the_first_read(make: Any) -> None:
    """Rule 14: an end that nobody was told is passed over, an error is not."""
    stream = make([0, Boom()], [1])
    assert next(stream) == 0
    epoch = stream.epoch()
    with pytest.raises((Boom, SourceError)):
        next(epoch)
    assert events(epoch) == ["end"] * 4
    assert list(stream.epoch()) == [1]


def test_rule_14_an_interrupt_ends_nothing() -> None:
    """Rules 10 and 14: a wait that was interrupted goes on, before the first batch or after."""
    source = Source(range(2), range(2, 4), held=True)
    with StreamWrapper(source, 2) as stream:
        stream._core.bell = bell = Bell()
        epoch = stream.epoch()
        for expected in 0, 1:
            bell.strikes = True
            with pytest.raises(KeyboardInterrupt):
                next(epoch)
            source.go()
            assert next(epoch) == expected
        source.free()
        assert events(epoch) == ["end"] * 4


def test_rule_14_an_interrupt_of_a_pull_ends_it() -> None:
    """Rules 7 and 14: in a pull of the caller's own it is the source's error."""
    stream = StreamWrapper(Source([0, KeyboardInterrupt()], [1, 2]), 0, 5)
    epoch = stream.epoch()
    assert next(epoch) == 0
    with pytest.raises(KeyboardInterrupt):
        next(epoch)
    assert events(epoch) == ["end"] * 4
    rest = stream.epoch()
    assert len(rest) == 5
    assert take(rest, 2) == [1, 2]
    assert len(rest) == 5


def test_rule_14_random_readers() -> None:
    """Rule 14: loops over epochs, some left early, give what a dumb reading of it says."""
    for number in range(400):
        random = Random(number)
        passes: list[Any] = [list(range(random.choice((0, 1, 2, 5)))) for _ in range(3)]
        if random.random() < 0.3:
            passes[0].append(Boom())
        epoch_size = random.choice((-1, 1, 2, 3))
        stream = StreamWrapper(Source(*passes), random.choice(SIZES), epoch_size)
        dumb = epochs(Source(*passes), epoch_size)
        given = 0  # batches of the epoch in which the stream is
        with stream:
            for _ in range(12):
                most = random.choice((0, 1, 2, 3, 9))
                expected, given = dumb_epoch(dumb, given, most)
                assert list_of(itertools.islice(stream.epoch(), most)) == expected, number


def dumb_epoch(events: Iterator[Any], given: int, most: int) -> tuple[list[Any], int]:
    """What so many reads of an epoch give, by the oracle's events; and how many it has given."""
    expected: list[Any] = []
    passes_over = given > 0
    while len(expected) < most:
        kind, value = next(events)
        if kind == BATCH:
            expected.append(value)
            given += 1
        else:
            given = 0
            if kind == FAILURE:
                expected.append("error")
            if kind == FAILURE or not passes_over:
                break
        passes_over = False
    return expected, given


def list_of(iterator: Iterator[Any]) -> list[Any]:
    """Its items, and an error behind them."""
    seen: list[Any] = []
    try:
        seen.extend(iterator)
    except (Boom, SourceError):
        seen.append("error")
    return seen


# Event loops.


async def read(epoch: AsyncIterator[Any]) -> list[Any]:
    return [batch async for batch in epoch]


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
    assert stream._core.bell.qsize() <= 2


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_wait_for(size: int) -> None:
    """Rule 14: limits of time for a read that hangs leave nothing behind, and no batch."""
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
    assert stream._core.bell.qsize() <= 2
    assert len(stream._core.requests) <= 1


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_next_after_a_cancelled_wait(size: int) -> None:
    """Rule 14: a read without the loop goes on at once, or after the pull that the wait is in."""
    source = Source(range(3), held=True)

    async def main(stream: Any) -> None:
        task = asyncio.ensure_future(stream.epoch().__anext__())
        await asyncio.get_running_loop().run_in_executor(None, source.await_start)
        task.cancel()
        await asyncio.wait([task])
        with pytest.raises(TimeoutError):
            stream.get(timeout=0.01)
        source.free()
        assert next(stream) == 0
        assert await read(stream.epoch()) == [1, 2]

    with StreamWrapper(source, size) as stream:
        asyncio.run(main(stream))


@pytest.mark.parametrize("size", SIZES)
def test_rule_14_two_tasks_on_one_stream(size: int) -> None:
    """Rules 9 and 14: each batch goes to one of them, and no epoch is begun by who comes late."""
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
        await asyncio.get_running_loop().run_in_executor(None, source.await_start)
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
        await asyncio.get_running_loop().run_in_executor(None, source.await_start)
        source.free()

    with StreamWrapper(source, size) as stream:
        asyncio.run(leave(stream))
        assert next(stream) == 0
        assert asyncio.run(read(stream.epoch())) == [1, 2, 3]


def test_rule_14_loop_that_forgets_its_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 10: a loop that is closed without a word leaves no thread that waits for ever."""
    monkeypatch.setattr("kernel.core.Core.glance", 0.01)  # it is seen by itself
    source = Source(range(3), held=True)
    before = threads()
    with StreamWrapper(source, 2) as stream:
        loop = asyncio.new_event_loop()
        epoch = stream.epoch()
        task = loop.create_task(epoch.__anext__())
        loop.run_until_complete(loop.run_in_executor(None, source.await_start))
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


def test_rule_14_is_public() -> None:
    assert isinstance(StreamWrapper(list).epoch(), Epoch)

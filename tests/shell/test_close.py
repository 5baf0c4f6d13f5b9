"""Closing a stream for good; and starting over, where the two are alike."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from kernel import StreamWrapper

from ..support.processes import needs_fork
from ..support.sources import LONG, Aside, Boom, Finally, Source, epoch, pulling, take
from ..support.states import alone

SIZES = [0, 1, 4]
CLOSED = "StreamWrapper 'named' is closed"


def is_closed(stream: Any) -> bool:
    """Whether every way of reading it says so."""
    for call in stream.__next__, stream.get, stream.epoch().__next__, stream.__enter__:
        with pytest.raises(ValueError, match=CLOSED):
            call()
    with pytest.raises(ValueError, match=CLOSED):
        stream.restart()
    return True


@pytest.mark.parametrize("size", SIZES)
def test_close(size: int) -> None:
    """A closed stream says so; closing it again does nothing; its place can still be said."""
    source = Finally()
    stream = StreamWrapper(source, size, name="named")
    with stream, stream.allow_buffering:
        assert next(stream) == (1, 0)
    assert source.closed == []
    stream.close()
    assert source.closed == [1]
    assert is_closed(stream)
    assert stream.state_dict()["epoch"] == 0
    stream.close()
    assert source.closed == [1]
    assert stream.empty()


@pytest.mark.parametrize("size", SIZES)
def test_close_and_resume_elsewhere(size: int) -> None:
    """Rule 15: a stream that was closed says where it was, in the middle of an epoch."""
    for given in range(9):
        stream, again = (StreamWrapper(Source(range(7)), size, 3) for _ in range(2))
        with stream, stream.allow_buffering:
            seen = [next(stream, "end") for _ in range(given)]
            state = stream.state_dict()
            stream.close()
        assert stream.state_dict() == state
        again.load_state_dict(state)
        with again:
            seen += [next(again, "end") for _ in range(9 - given)]
        assert seen == [0, 1, 2, "end", 3, 4, 5, "end", 6]


@pytest.mark.parametrize("size", SIZES)
def test_close_inside_with(size: int) -> None:
    """The worker ends, and leaving the block is no error, by an exception of the body's or not."""
    for error in None, Boom():
        source = Finally()
        stream = StreamWrapper(source, size, name="named")
        before = threading.active_count()
        with suppress(Boom), stream, stream.allow_buffering:
            assert next(stream) == (1, 0)
            stream.close()
            assert threading.active_count() == before
            assert source.closed == [1]
            assert is_closed(stream)
            if error is not None:
                raise error
        stream.__exit__(None, None, None)


def test_close_what_was_never_used_and_what_is_no_generator() -> None:
    for size in SIZES:
        stream: Any = StreamWrapper(Finally(), size, name="named")
        stream.close()
        assert is_closed(stream)
    stream = StreamWrapper(lambda: map(int, "123"), name="named")
    assert next(stream) == 1
    stream.close()
    assert is_closed(stream)


def test_close_what_raises_as_it_is_closed() -> None:
    """The error of a pass's own `finally` is raised once; the stream is closed all the same."""

    def source() -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            raise Boom

    stream = StreamWrapper(source, name="named")
    assert next(stream) == 0
    with pytest.raises(Boom):
        stream.close()
    assert is_closed(stream)
    stream.close()


@pytest.mark.parametrize("size", SIZES)
def test_close_as_the_pass_uses_its_stream(size: int) -> None:
    """What is closed may close the stream again, or try to read it."""
    said: list[str] = []

    def source() -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            stream.close()
            try:
                next(stream)
            except ValueError as error:
                said.append(str(error))

    stream = StreamWrapper(source, size)
    with stream:
        assert next(stream) == 0
        stream.close()
    assert said == ["StreamWrapper None is closed."]


@pytest.mark.parametrize("size", SIZES)
def test_close_and_restart_by_its_own_source(size: int) -> None:
    def source() -> Iterator[int]:
        yield 0
        with pytest.raises(RuntimeError, match="closed by its own source"):
            stream.close()
        with pytest.raises(RuntimeError, match="restarted by its own source"):
            stream.restart()
        yield 1

    stream = StreamWrapper(source, size)
    with stream:
        assert epoch(stream) == [0, 1]


def test_close_while_another_thread_waits() -> None:
    """A thread that waits for the worker gets an error; `close` waits for the pull in flight."""
    source = Source(range(9), held=True)
    stream = StreamWrapper(source, 2, name="named")
    with stream:
        reader = Aside(lambda: [next(stream), next(stream)])
        source.await_start()
        closing = Aside(stream.close)
        assert closing.waits
        source.free()
        closing.result()
        with pytest.raises(ValueError, match=CLOSED):
            reader.result()
    assert is_closed(stream)


@pytest.mark.parametrize("size", [0, 2])
def test_close_while_another_thread_pulls(size: int) -> None:
    """A pull of another thread's own goes on: it gets its batch, and the next call raises."""
    source = Source(range(9), held=True)
    stream = StreamWrapper(source, size, name="named")
    with stream:
        pass
    reader = Aside(lambda: next(stream))
    source.await_start()
    with pytest.raises(RuntimeError, match="another thread"):
        stream.close()
    source.free()
    assert reader.result() == 0
    assert is_closed(stream)
    stream.close()
    assert stream._core.run.iterator is None


def test_close_by_two_threads() -> None:
    """Each returns once it is closed, whichever did it."""
    source = Source(range(9), held=True)
    with StreamWrapper(source, 2, name="named") as stream:
        with stream.allow_buffering:
            source.await_start()
        closing = [Aside(stream.close), Aside(stream.close)]
        assert all(close.waits for close in closing)
        source.free()
        assert [close.result() for close in closing] == [None, None]
    assert is_closed(stream)


def test_close_after_an_interrupted_stop() -> None:
    """A stop that was interrupted is ended first."""
    source = Source(range(9), held=True)
    stream: Any = StreamWrapper(source, 2, name="named")
    gate = pulling(stream, source)
    stream._core.entry.over.append("left")  # what the stop had done
    closing = Aside(stream.close)
    assert closing.waits
    source.free()
    closing.result()
    assert is_closed(stream)
    stream.__exit__(None, None, None)
    gate.__exit__(None, None, None)


def test_close_and_restart_at_a_pull_that_hangs() -> None:
    """With a `stop_timeout` both come to their end, and say then what was left behind."""
    for call in "restart", "close":
        source = Source(range(9), range(10, 12), held=True)
        stream = StreamWrapper(source, 2, name="named", stop_timeout=0.05)
        with stream:
            worker: Any = stream._core.entry.thread  # type: ignore[union-attr]  # it was entered
            with stream.allow_buffering:
                source.await_start()
            with pytest.raises(TimeoutError, match=r"has not returned for 0\.05 seconds"):
                getattr(stream, call)()
            if call == "restart":
                source.free()
                assert epoch(stream) == [10, 11]
            else:
                assert is_closed(stream)
        source.free()
        assert stream._core.closed == (call == "close")
        worker.join(LONG)


@needs_fork
@pytest.mark.parametrize("call", ["close", "restart"])
def test_close_and_restart_in_a_fork(call: str) -> None:
    """A child may do both to what it does not have a worker of; the parent goes on."""
    source = Source(range(6))
    with StreamWrapper(source, 2) as stream, stream.allow_buffering:
        assert next(stream) == 0

        def act() -> None:
            getattr(stream, call)()
            if call == "restart":
                assert take(stream, 6) == list(range(6))

        assert alone(act) == 0
        assert epoch(stream) == [1, 2, 3, 4, 5]


@needs_fork
def test_close_in_a_fork_out_of_a_pull() -> None:
    """A generator that runs in the parent cannot be closed in the child, nor is it tried."""
    held, started = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        yield from range(3)
        started.set()
        held.wait(LONG)
        yield 3

    with StreamWrapper(source, 8) as stream, stream.allow_buffering:
        assert started.wait(LONG)
        assert alone(stream.close) == 0
        held.set()
        assert epoch(stream) == [0, 1, 2, 3]


def test_close_in_del() -> None:
    """A finaliser may close what its object reads."""

    class Loader:
        def __init__(self) -> None:
            self.stream = StreamWrapper(source, 2)
            self.stream.__enter__()
            next(self.stream)

        def __del__(self) -> None:
            self.stream.close()

    source = Finally()
    Loader()
    gc.collect()
    assert source.closed == [1]


class Prices:
    """An iterator with a `close` that cannot be called, or had."""

    close: Any = 3.5

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return 1


class Refusing(Prices):
    @property
    def close(self) -> Any:
        raise Boom


@pytest.mark.parametrize("source", [Prices, Refusing])
@pytest.mark.parametrize("size", SIZES)
def test_close_what_has_no_method_close(source: Any, size: int) -> None:
    """Only a method is called, to close a pass."""
    stream = StreamWrapper(source, size, name="named")
    with stream:
        assert next(stream) == 1
        stream.restart()
        assert next(stream) == 1
        stream.close()
    assert is_closed(stream)

"""Rare interleavings of threads, forced by test doubles of what makes threads wait."""

from __future__ import annotations

import gc
import queue
import threading
import time
import weakref
from typing import Any

import pytest

from kernel import StreamWrapper, consumer, launch, scope
from kernel.bell import Bell
from kernel.buffer import Part

from ..support.sources import LONG, Aside, Source, enter_dead, epoch, until


def test_rule_9_closed_by_another_thread_at_a_glance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 4 and 9: the glance of a request may come just after a stop by another thread."""
    left = threading.Event()
    readers: list[int] = []

    class Late(Bell):
        """A bell whose ring comes to the reader as a glance, and not before the stop has ended."""

        def get(self, block: bool, _: float) -> None:
            super().get(block, LONG)
            if threading.get_ident() in readers and not left.is_set():
                assert left.wait(LONG)
                raise queue.Empty

    def read() -> int:
        readers.append(threading.get_ident())
        return next(stream)

    monkeypatch.setattr("kernel.core.Bell", Late)
    source = Source(range(3), held=True)
    stream = StreamWrapper(source, 2)
    stream.__enter__()
    reader = Aside(read)
    source.await_start()
    source.free()
    stream.__exit__(None, None, None)
    left.set()
    assert reader.result() == 0
    assert epoch(stream) == [1, 2]


def test_rule_4_thread_that_is_slow_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 4: a stop waits for the thread itself, which may have something left to do."""
    go = threading.Event()

    class Slow(threading.Thread):
        """A thread that ends some time after its work."""

        def run(self) -> None:
            super().run()
            assert go.wait(LONG)

    stream = StreamWrapper(Source(range(3)), 2)
    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread", Slow)
        stream.__enter__()
    assert next(stream) == 0
    leaving = Aside(lambda: stream.__exit__(None, None, None))
    assert leaving.waits
    go.set()
    leaving.result()
    assert not any(isinstance(thread, Slow) for thread in threading.enumerate())


def test_rule_8_pass_that_uses_its_stream_as_it_ends() -> None:
    """Rule 8: the pass of a dead worker is let go where its last words may touch the stream."""
    ended = []

    def source() -> Any:
        try:
            yield from range(3)
        finally:
            with stream.allow_buffering:
                ended.append(True)

    stream = StreamWrapper(source, 2)
    with stream:
        assert next(stream) == 0
    enter_dead(stream)
    with pytest.raises(ChildProcessError):
        Aside(lambda: next(stream)).result()
    assert ended == [True]
    stream.__exit__(None, None, None)


def test_rule_10_abandoned_before_the_worker_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 10: a worker whose wrapper is garbage before its first line ends without a word."""
    go = threading.Event()
    errors: list[Any] = []
    workers: list[threading.Thread] = []

    class Late(threading.Thread):
        """A thread that begins some time after its start."""

        def run(self) -> None:
            workers.append(self)
            assert go.wait(LONG)
            super().run()

    def interrupted(*_: object) -> None:
        while not workers:
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(threading, "excepthook", errors.append)
    source = Source(range(3))
    stream = StreamWrapper(source, 2)
    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread", Late)
        patch.setattr("kernel.launch._said", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stream.__enter__()
    del stream
    gc.collect()
    go.set()
    workers[0].join(LONG)
    assert not workers[0].is_alive()
    assert errors == []
    assert source.begun == 0


@pytest.mark.timeout(30)
def test_rule_4_closed_while_it_is_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 4 and 8: the worker has started, and the stream is closed before it is entered."""
    stream = StreamWrapper(Source(range(3)), 1)
    starts = []

    def start(*args: Any) -> bool:
        started = launch.start(*args)
        starts.append(started)
        Aside(stream.close).result()
        return started

    monkeypatch.setattr(scope, "start", start)
    with pytest.raises(ValueError, match="is closed"):
        stream.__enter__()
    assert starts == [True]
    assert stream._core.entry is None


def test_rule_10_buffer_of_a_dropped_stream_is_freed_at_once() -> None:
    """Rule 10: after the end of a pass no cycle keeps the buffer until the garbage collector."""

    def dropped() -> weakref.ref[Any]:
        stream = StreamWrapper(lambda: [threading.Event() for _ in range(3)], 4)
        with stream:
            next(stream)
            with stream.allow_buffering:
                until(lambda: bool(stream._core.run.marks))
        return weakref.ref(stream._core.run.batches[0])

    gc.collect()
    gc.disable()
    try:
        kept = dropped()
        assert until(lambda: kept() is None)
    finally:
        gc.enable()


def test_rule_3_a_stop_leaves_nothing_behind() -> None:
    """Rule 3: however often a stream is entered and left, nothing piles up."""

    def bells() -> int:
        gc.collect()
        return sum(isinstance(thing, (queue.SimpleQueue, Bell)) for thing in gc.get_objects())

    stream = StreamWrapper(Source(range(3)), 2)
    with stream:
        assert next(stream) == 0
    before = bells()
    for _ in range(20):
        with stream:
            pass
    until(lambda: bells() <= before)  # the thread that has launched the last worker may be ending


@pytest.mark.parametrize("counted", [False, True])
def test_rule_5_a_gate_spares_the_request(monkeypatch: pytest.MonkeyPatch, counted: bool) -> None:
    """Rule 5: beside an open gate `next` sleeps without a request, unless requests are counted."""
    monkeypatch.setattr(consumer, "LIGHT", LONG)
    source = Source(range(3), held=True)
    stream = StreamWrapper(source, 2, stats=counted)
    with stream, stream.allow_buffering:
        source.await_start()
        before = stream._core.sleep
        reader = Aside(lambda: next(stream))
        until(lambda: stream._core.sleep is not before)
        assert bool(stream._core.requests) is counted
        source.free()
        assert reader.result() == 0
    if counted:
        assert stream.stats().found_empty == 1


@pytest.mark.parametrize("size", [0, 2])
def test_ends_leave_no_cycles(size: int) -> None:
    """What reports an end is freed with it."""
    stream = StreamWrapper(Source(range(2)), size)
    with stream:
        for _ in range(3):
            assert epoch(stream) == [0, 1]
        gc.collect()
        gc.disable()
        try:
            for _ in range(100):
                assert epoch(stream) == [0, 1]
            assert gc.collect() < 100  # a free-threaded build has some of its own
        finally:
            gc.enable()


def drained(part: Part[int]) -> list[int]:
    """The batches that this thread gets."""
    taken: list[int] = []
    while True:
        try:
            taken.append(next(part.taking))
        except IndexError:
            return taken


def test_rule_9_what_two_threads_take_is_counted() -> None:
    """Rule 9: each batch comes once, and counts once, also on free-threaded builds."""
    for _ in range(40):
        part, both = Part[int](), threading.Barrier(2)
        part.batches.extend(range(20_000))

        def drain(part: Part[int] = part, both: threading.Barrier = both) -> list[int]:
            both.wait(LONG)
            return drained(part)

        others = [Aside(drain) for _ in range(2)]
        assert sorted(batch for other in others for batch in other.result()) == [*range(20_000)]
        assert part.taken() == 20_000


@pytest.mark.parametrize("lookahead", [False, True])
@pytest.mark.parametrize("epoch_size", [0, 2])
def test_rule_9_two_consumers_and_the_counts(epoch_size: int, lookahead: bool) -> None:
    """Rule 9: what two consumers were given is counted, batches and ends, each once.

    On free-threaded builds they read at the same time.
    """
    most = 1000
    stream = StreamWrapper(lambda: iter(range(10**9)), 100, epoch_size, lookahead=lookahead)
    read: list[int] = []
    ends: list[None] = []

    def consume() -> None:
        while len(read) < most:
            try:
                read.append(next(stream))
            except RuntimeError:
                time.sleep(0.001)  # the other one may wait for a processor
            except StopIteration:
                ends.append(None)

    with stream, stream.allow_buffering:
        others = [Aside(consume) for _ in range(2)]
        for other in others:
            other.result()
        state = stream.state_dict()
    assert sorted(read) == [*range(len(read))]
    assert state["batches_in_pass"] == len(read)
    assert state["epoch"] == len(ends)
    if epoch_size:
        assert state["epoch"] * epoch_size + state["batches_in_epoch"] == len(read)

"""Statistics: what is counted is what a record of the same run says, and the advice is right."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kernel import Stats, StreamWrapper, meter
from kernel.core import Core
from kernel.stats import FILLS

from ..benchmarks.work import spin
from ..support.processes import needs_fork, run
from ..support.sources import Aside, Source, epoch, take, until


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0
        self.held = threading.RLock()

    def __call__(self) -> float:
        return self.now

    def move(self, by: float) -> None:
        """Move it, but not while it is held."""
        with self.held:
            self.now += by

    def hold(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """Hold it in a method of Core, so that meter and record read the same there."""
        method = getattr(Core, name)

        def held(*arguments: Any) -> None:
            with self.held:
                method(*arguments)

        monkeypatch.setattr(Core, name, held)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that is read for statistics."""
    clock = Clock()
    monkeypatch.setattr(meter, "perf_counter", clock)
    return clock


class Stamped(io.StringIO):
    """A record whose lines have a time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.lines: list[tuple[str, float]] = []

    def write(self, line: str) -> int:
        action = json.loads(line).get("action")
        if action is not None:
            self.lines.append((action, self.clock()))
        return len(line)

    def count(self, action: str) -> int:
        """How often it was taken."""
        return sum(taken == action for taken, _ in self.lines)

    def between(self, starts: str, ends: str) -> float:
        """How long it lasts from the one to the next of the others, in all."""
        total, since = 0.0, None
        for action, now in self.lines:
            if action in starts.split():
                since = now if since is None else since
            elif action in ends.split() and since is not None:
                total, since = total + now - since, None
        return total


def asleep(wrapper: StreamWrapper[Any]) -> bool:
    """Wait until the worker sleeps."""
    core: Any = wrapper._core
    return until(lambda: core.meter._now[0] in (meter.ROOM, meter.GATE, meter.EPOCH))


@pytest.mark.parametrize(("size", "epoch_size"), [(0, -1), (1, -1), (1, 2), (3, -1), (3, 2)])
def test_a_record_says_the_same(
    size: int, epoch_size: int, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers and times are those of the actions: pulls of 10, a consumer of 3, errors, stops."""

    def source() -> Iterator[int]:
        for number in range(4):
            clock.move(10)
            yield number
        clock.move(10)
        if next(errors):
            raise OSError

    clock.hold(monkeypatch, "did")
    clock.hold(monkeypatch, "broke_off")
    errors = itertools.cycle((False, True))
    record = Stamped(clock)
    wrapper = StreamWrapper(source, size, epoch_size, record=record, stats=True)
    for _ in range(3):
        with wrapper:
            for _ in range(9):
                with contextlib.suppress(StopIteration, OSError):
                    next(wrapper)
                if size:
                    asleep(wrapper)
                clock.move(3)
        clock.move(1000)
    found = wrapper.stats()
    assert found.batches == record.count("Dequeue") > 15
    assert found.epochs == record.count("EndEpoch") > 2
    assert found.errors == record.count("Raise") > 0
    assert found.found_empty == record.count("Request") > 15
    assert found.consumer_waited == record.between("Request", "Withdraw") > 0
    answers = "Enqueue Exhaust Fail"
    assert found.source == record.between("Fetch", answers) > 0
    if size:
        assert found.seconds == record.between("Enter", "Leave") > 0
        assert found.worker_waited == record.between(f"Start {answers}", "Fetch Halt") > 0
        assert found.worker_waited == found.seconds - found.source
        assert sum(found.fill) == pytest.approx(found.seconds)
    else:
        times = [now for action, now in record.lines if action in ("Request", "Withdraw")]
        assert found.seconds == times[-1] - times[0] > 0
    assert found.advice in str(found)


def test_running_ahead_is_counted(clock: Clock) -> None:
    """A worker that runs ahead takes no action for a batch; time and fills are counted."""

    def source() -> Iterator[int]:
        for number in itertools.count():
            clock.now += 1
            yield number

    wrapper = StreamWrapper(source, 8, stats=True)
    with wrapper, wrapper.allow_buffering:
        until(lambda: wrapper.stats().found_full == 1)
        asleep(wrapper)
        clock.now += 100
        assert take(wrapper, 2) == [0, 1]
        found = wrapper.stats()
        assert (found.batches, found.found_empty, found.found_full) == (2, 0, 1)
        assert (found.source, found.waited_for_room) == (8, 100)
        assert found.fill[FILLS.index("full")] >= 100
        assert take(wrapper, 6) == list(range(2, 8))
        until(lambda: wrapper.stats().found_full == 2)


def test_a_request_or_a_pull_that_goes_on_is_counted(clock: Clock) -> None:
    """What has not ended counts up to now."""
    source = Source([0, 1], held=True)
    wrapper = StreamWrapper(source, 2, stats=True)
    with wrapper:
        read = Aside(lambda: next(wrapper))
        source.await_start()
        clock.now += 7
        found = wrapper.stats()
        assert (found.consumer_waited, found.source, found.seconds) == (7, 7, 7)
        assert found.advice == "the source is the bottleneck: 100% of the time a request waited"
        source.free()
        assert read.result() == 0


def test_why_the_worker_sleeps(clock: Clock) -> None:
    """For room, for a gate, and for the next epoch; for a gate if none is open as room comes."""
    wrapper = StreamWrapper(Source(range(4), range(4)), 2, stats=True)
    with wrapper:
        assert next(wrapper) == 0  # no gate
        asleep(wrapper)
        clock.now += 1
        with wrapper.allow_buffering:
            until(lambda: wrapper.stats().found_full == 1)
            asleep(wrapper)
        assert take(wrapper, 2) == [1, 2]
        clock.now += 10  # it was full once; since then it is the gate
        assert epoch(wrapper) == [3]
        asleep(wrapper)
        clock.now += 100
    found = wrapper.stats()
    assert found.waited_for_gate == 11
    assert (found.waited_for_room, found.waited_for_epoch) == (0, 100)


def test_the_gate_is_waited_for_once_it_is_shut(clock: Clock) -> None:
    """A worker that slept before a full buffer, with a gate open, waited for room until then."""
    wrapper = StreamWrapper(Source(range(9)), 2, stats=True)
    with wrapper:
        with wrapper.allow_buffering:
            until(lambda: wrapper.stats().found_full == 1)
            asleep(wrapper)
            clock.now += 100
        clock.now += 1
        assert take(wrapper, 3) == [0, 1, 2]
        asleep(wrapper)
    found = wrapper.stats()
    assert (found.waited_for_room, found.waited_for_gate) == (100, 1)
    assert sum(found.fill) == found.seconds == 101
    assert found.fill[-1] >= 100


@needs_fork
def test_a_worker_that_a_fork_has_lost_pulls_no_more() -> None:
    """In the child its pull lasts until its death is reported."""
    program = """
        def source():
            started.set()
            free.wait()
            yield 0

        started, free = threading.Event(), threading.Event()
        stream = StreamWrapper(source, 2, stats=True)
        with stream:
            gate = stream.allow_buffering
            gate.__enter__()
            started.wait()
            child = os.fork()
            if child:
                os.waitpid(child, 0)
                free.set()
            else:
                try:
                    next(stream)
                except ChildProcessError:
                    before = stream.stats()
                    while (later := stream.stats()).seconds == before.seconds:
                        pass
                    print(before.source == later.source > 0, flush=True)
                os._exit(0)
    """
    assert run(program) == "True"


def test_an_interrupted_request_waits_no_longer(clock: Clock) -> None:
    """Nor does a second consumer's, which is refused, end the first's."""
    source = Source([0, 1], held=True)
    wrapper = StreamWrapper(source, 2, stats=True)
    with wrapper:
        with pytest.raises(TimeoutError):
            wrapper.get(timeout=0)
        assert wrapper.stats().found_empty == 1
        clock.now += 50
        assert wrapper.stats().consumer_waited == 0
        read = Aside(lambda: next(wrapper))
        until(lambda: wrapper.stats().found_empty == 2)
        with pytest.raises(RuntimeError, match="another thread"):
            next(wrapper)
        clock.now += 5
        assert wrapper.stats().consumer_waited == 5
        source.free()
        assert read.result() == 0


def test_waiting_outside(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time outside `with` counts while a request waits, and the buffer is of no interest then."""

    def source() -> Iterator[int]:
        for number in range(9):
            clock.now += 10
            yield number

    monkeypatch.setattr(meter, "process_time", lambda: 2 * clock.now)
    wrapper = StreamWrapper(source, 2, stats=True)
    with wrapper:
        clock.now += 5
    clock.now += 1000
    assert take(wrapper, 3) == [0, 1, 2]
    found = wrapper.stats()
    assert (found.seconds, found.consumer_waited, found.source) == (35, 30, 30)
    assert found.processors == 2
    assert sum(found.fill) == 5


# Advice.


def test_a_consumer_that_is_bound_by_the_interpreter_is_found() -> None:
    """The source gives its batches for nothing; Python work takes all the time."""
    wrapper = StreamWrapper(itertools.count, 64, stats=True)
    with wrapper, wrapper.allow_buffering:
        until(lambda: wrapper.stats().found_full == 1)
        for _ in itertools.islice(wrapper, 40):
            spin(10)
        found = wrapper.stats()
    assert found.advice.startswith("the consumer is bound by its own work: the worker waited ")
    assert found.processors > 0
    assert found.fill[0] < 0.5 * found.seconds


def made(**changes: Any) -> Stats:
    """Statistics of 10 seconds."""
    zero = Stats(9, 1, 0, 10.0, 0.0, 1, 1.0, 0.0, 0.0, 0.0, 0, (0.0,) * 6, 1.0, 4)
    return zero._replace(**changes)


@pytest.mark.parametrize(
    ("stats", "words"),
    [
        (made(batches=0, found_empty=0), "nothing was read yet"),
        (made(capacity=0, consumer_waited=5.0), "there is no buffer: 50% of the time a request"),
        (made(consumer_waited=0.4), "nobody waits"),
        (
            made(consumer_waited=7.8, source=8.0),
            "the source is the bottleneck: 78% of the time a request",
        ),
        (
            made(consumer_waited=7.8, source=9.0, waited_for_gate=1.0),
            "the source is the bottleneck",
        ),
        (made(consumer_waited=7.8), "the hand-over is the bottleneck: 78% of the time a request"),
        (made(consumer_waited=3.0, waited_for_gate=6.0), "no gate was open: 60% of the time"),
        (made(waited_for_room=8.0), "the consumer is bound by its own work: the worker waited 80%"),
        (made(waited_for_gate=8.0), "the consumer is bound by its own work"),
    ],
)
def test_advice(stats: Stats, words: str) -> None:
    """Each case has its words, and the shares are in them."""
    assert stats.advice.startswith(words)
    assert str(stats).endswith(stats.advice)


# Without.


def test_nothing_is_counted_unasked() -> None:
    """Without `stats` there are none, and that is said."""
    with pytest.raises(RuntimeError, match=r"^StreamWrapper 'train' counts nothing: .*stats=True"):
        StreamWrapper(list, name="train").stats()


def test_nothing_was_read() -> None:
    """Before the first action all is zero."""
    for size in 0, 2:
        found = StreamWrapper(list, size, stats=True).stats()
        assert found == (0, 0, 0, 0.0, 0.0, 0, 0.0, 0.0, 0.0, 0.0, 0, (0.0,) * 6, 0.0, size)
        assert "nothing was read yet" in str(found)

"""Rules 8, 10 and 13: after a pull or its clean-up was interrupted, `state_dict()` is right.

Each line of `kernel` is struck, also twice, or while another thread reads. A stream that goes on
from the state shows whether it is right.
"""

from __future__ import annotations

import dis
import gc
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import kernel
from kernel import StreamWrapper, WorkerDied
from kernel.buffer import Part
from kernel.core import Core
from kernel.run import Run

from ..support.processes import needs_fork
from ..support.sources import LONG, Aside, Boom, Source, epoch, give_up
from ..support.states import alone
from ..support.traces import judge
from .resume_programs import Cursor

OURS = str(Path(kernel.__file__).parent)
MORE = 8  # events that are compared


@cache
def instructions(code: CodeType) -> dict[int, tuple[int, bool]]:
    """For each place the one that follows, and whether its instruction is a call."""
    found = list(dis.get_instructions(code))
    after = [*(instruction.offset for instruction in found[1:]), -1]
    return {i.offset: (a, "CALL" in i.opname) for i, a in zip(found, after, strict=True)}


def lets_a_signal_in(code: CodeType, last: int, now: int) -> bool:
    """Whether CPython takes a signal between these two instructions: after calls, and at jumps.

    From 3.11 on only at those backward.
    """
    following, is_call = instructions(code).get(last, (now, False))
    jumps = now != following if sys.version_info < (3, 11) else now < last
    return is_call or jumps


def strike(number: int, act: Callable[[], object], where: str) -> Callable[[], bool]:
    """Act once at a "line" of ours or where a "signal" can come, after that number of others.

    Returns what ends that, and says whether it acted.
    """
    left = count(number, -1)
    acted = []
    lasts: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        frame.f_trace_opcodes = where == "signal"
        what, last, now = event, lasts.get(frame, -1), frame.f_lasti
        if event == "call" or (event == "opcode" and lets_a_signal_in(frame.f_code, last, now)):
            what = "signal"
        if event == "opcode":
            lasts[frame] = now
        if what == where and next(left) == 0:
            sys.settrace(None)
            acted.append(True)
            act()
        return trace

    def end() -> bool:
        sys.settrace(None)
        return bool(acted)

    sys.settrace(trace)
    return end


def interrupt() -> None:
    raise KeyboardInterrupt


def event(stream: Any) -> Any:
    """The next batch, or the name of what is raised."""
    try:
        return next(stream)
    except BaseException as error:
        return type(error).__name__


def struck(
    stream: Any, number: int, act: Callable[[], object] = interrupt, where: str = "line"
) -> tuple[Any, bool]:
    """An event, with the strike after a number of events; and whether there were so many."""
    end = strike(number, act, where)
    try:
        return event(stream), end()
    finally:
        end()


def counted() -> Iterator[int]:
    return iter(range(1000))


def goes_on_right(stream: Any, make: Callable[[], Any]) -> None:
    """A new stream goes on from the place as this one does, and no epoch outgrows its size.

    The first call afterwards settles a pull that was broken off; a lost batch is given until then.
    """
    with stream:
        event(stream)
    other = make()
    other.load_state_dict(json.loads(json.dumps(stream.state_dict())))
    with stream, other:
        rest = [event(stream) for _ in range(MORE)]
        assert [event(other) for _ in range(MORE)] == rest
    ends = [place for place, what in enumerate(rest) if what == "StopIteration"]
    assert ends[0] <= 3
    assert ends[1] - ends[0] == 4


@pytest.mark.parametrize("lookahead", [False, True])
def test_rule_10_two_interrupts_in_own_pulls(lookahead: bool) -> None:
    """Rule 10: at each fifth line of the call that ends an epoch, and at any of the next call."""
    make = lambda: StreamWrapper(counted, 0, 3, lookahead=lookahead)  # noqa: E731
    pairs = 0
    for first in range(0, 1000, 5):
        for second in count():
            stream = make()
            assert [event(stream), event(stream)] == [0, 1]
            _, again = struck(stream, first)
            _, once_more = struck(stream, second)
            goes_on_right(stream, make)
            pairs += 1
            if not once_more:
                break
        if not again:
            break
    assert pairs > 200


@pytest.mark.parametrize("lookahead", [False, True])
def test_rule_13_a_handler_reports_the_end_that_is_being_reported(lookahead: bool) -> None:
    """Rule 13: one that reads, wherever a signal can come in the `next` that reports an end."""
    make = lambda: StreamWrapper(counted, 8, 3, lookahead=lookahead)  # noqa: E731
    for call in count():
        stream, read = make(), []
        with stream, stream.allow_buffering:
            assert [event(stream) for _ in range(3)] == [0, 1, 2]
            act = lambda: read.append(event(stream))  # noqa: B023, E731
            found, acted = struck(stream, call, act, "signal")
        assert sorted(map(str, [*read, found])) == ["3", "StopIteration"][1 - acted :]
        goes_on_right(stream, make)
        if not acted:
            break
    assert call > 5


@pytest.mark.parametrize("lookahead", [False, True])
def test_rule_13_a_handler_restarts_while_an_end_is_being_reported(lookahead: bool) -> None:
    """Rules 13 and 15: nothing of the old pass comes after that, and the place is the new one's."""
    make = lambda: StreamWrapper(counted, 8, 3, lookahead=lookahead)  # noqa: E731
    for call in count():
        stream = make()
        with stream, stream.allow_buffering:
            assert [event(stream) for _ in range(4)] == [0, 1, 2, "StopIteration"]
            assert [event(stream) for _ in range(3)] == [3, 4, 5]
            found, acted = struck(stream, call, stream.restart, "signal")
            state = stream.state_dict()
            # Either the end came before the handler, or the batch comes from the fresh pass.
            assert (found, state["batches_in_pass"]) in [("StopIteration", 6 - 6 * acted), (0, 1)]
            assert state["batches_in_epoch"] == (found == 0)
            assert state["epoch"] == 1 + (found == "StopIteration")
        goes_on_right(stream, make)
        if not acted:
            break
    assert call > 5


@pytest.mark.parametrize("size", [0, 2])
def test_rule_13_a_handler_whose_call_is_refused(size: int) -> None:
    """Rule 13: wherever a signal can come in a `next` that waits. What it raised ends there."""

    def act() -> None:
        with pytest.raises(RuntimeError, match="entered"):
            stream.__enter__()

    for call in count():
        stream = StreamWrapper(counted, size, 3)
        with stream:
            assert [event(stream) for _ in range(2)] == [0, 1]
            found, acted = struck(stream, call, act, "signal")
            assert [found, *(event(stream) for _ in range(2))] == [2, "StopIteration", 3]
        if not acted:
            break
    assert call > 5


class Hanging(Cursor):
    """An iterator that hangs when it is asked for its state after its third batch."""

    def __init__(self) -> None:
        super().__init__([*range(1, 99)])
        self.hangs, self.goes = threading.Event(), threading.Event()

    def state_dict(self) -> dict[str, Any]:
        if self.state["at"] == [3]:
            self.hangs.set()
            self.goes.wait(LONG)
        return super().state_dict()


@pytest.mark.parametrize("lookahead", [False, True])
def test_rule_8_an_end_comes_though_its_worker_is_given_up(lookahead: bool) -> None:
    """Rule 8: given up just after the last batch of an epoch, which is followed by its end."""
    source = Hanging()
    stream = StreamWrapper(lambda: source, 8, 3, lookahead=lookahead, stop_timeout=0)
    worker = give_up(stream, lambda: source.hangs.wait(LONG))
    found = [event(stream) for _ in range(5)]
    source.goes.set()
    worker.join(LONG)
    assert found == [1, 2, 3, "StopIteration", "WorkerDied"]


@needs_fork
@pytest.mark.parametrize("lookahead", [False, True])
def test_rule_8_an_end_comes_though_its_worker_stays_behind(lookahead: bool) -> None:
    """Rule 8: a fork at the same instant."""
    source = Hanging()
    with StreamWrapper(lambda: source, 8, 3, lookahead=lookahead) as stream:
        with stream.allow_buffering:
            assert source.hangs.wait(LONG)

        def read() -> None:
            found = [event(stream) for _ in range(5)]
            assert found == [1, 2, 3, "StopIteration", "WorkerDied"]

        status = alone(read)
        source.goes.set()
        assert status == 0
        assert epoch(stream) == [1, 2, 3]


def test_a_record_has_one_death() -> None:
    """A pull that returns when its worker was given up: the record is a behaviour all the same."""
    source, file = Source([0, 1], held=True), io.StringIO()
    stream = StreamWrapper(source, 8, stop_timeout=0, record=file)
    source.go()
    worker = give_up(stream, lambda: source.await_start(2))
    source.free()
    worker.join(LONG)
    assert [event(stream), event(stream), event(stream)] == [0, "WorkerDied", 0]
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line["action"] for line in lines[1:]].count("Die") == 1
    assert judge(lines)[0] == 0


def test_an_end_that_comes_while_its_worker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 8 and 16: what is put while the buffer is taken over is looked for once more."""
    source = Source([0], [1], [2, 3], held=True)
    stream = StreamWrapper(source, 8, lookahead=True, stop_timeout=0)
    follower, did, goes = Run.follower, Core.did, threading.Event()

    def slow(core: Any, action: str, run: Any = None) -> None:
        if source._free and threading.current_thread() is stream._core.entry.thread:
            assert goes.wait(LONG)  # the worker has put the end, and is not gone
        did(core, action, run)

    def late(run: Run[Any], whole: bool = False) -> Run[Any]:
        copied = follower(run, whole)
        if whole and not source._free:
            last = run.last
            source.free()
            while run.last is last or run.hand is not None:
                pass
        return copied

    source.go(3)
    monkeypatch.setattr(Run, "follower", late)
    monkeypatch.setattr(Core, "did", slow)
    worker = give_up(stream, lambda: source.await_start(4))
    goes.set()
    worker.join(LONG)
    assert [event(stream) for _ in range(4)] == [0, "StopIteration", 1, "StopIteration"]
    with pytest.raises(WorkerDied):
        next(stream)


def give_up_at_a_mark(
    stream: Any,
    hangs: Callable[[], object],
    follower: Callable[..., Run[Any]],
    is_put: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Give the worker up, which has put a mark, says so by `is_put`, and goes on only then."""
    end, goes = Run.end, threading.Event()

    def slow(run: Run[Any], *mark: Any) -> None:
        end(run, *mark)
        is_put.set()
        assert goes.wait(LONG)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "follower", follower)
        patch.setattr(Run, "end", slow)
        worker = give_up(stream, hangs)
        goes.set()
        worker.join(LONG)


def test_an_end_that_is_reported_while_its_worker_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rules 8 and 9: another thread reports it from what is being replaced, and nobody does again.

    Such an end used to stay in the buffer, and `next` looked at it for ever.
    """
    source, reported = Source([], [0], held=True), list[Any]()
    stream = StreamWrapper(source, 8, stop_timeout=0)
    follower, is_put = Run.follower, threading.Event()

    def late(run: Run[Any], whole: bool = False) -> Run[Any]:
        copied = follower(run, whole)
        if whole and not reported:
            reported.append(Aside(lambda: event(stream)).result())
        return copied

    def put() -> None:
        source.await_start()
        source.free()
        assert is_put.wait(LONG)

    give_up_at_a_mark(stream, put, late, is_put, monkeypatch)
    assert reported == ["StopIteration"]
    assert stream._core.run.marks  # its worker had put it, and not said so
    assert stream.state_dict()["epoch"] == 1
    assert Aside(lambda: [event(stream) for _ in range(2)]).result() == ["WorkerDied", 0]
    assert stream.state_dict()["epoch"] == 2


def test_an_error_that_comes_while_its_worker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 8 and 10: an error that is put after what was taken over already."""
    source = Source([Boom()], [0], held=True)
    stream = StreamWrapper(source, 8, stop_timeout=0)
    follower, is_put = Run.follower, threading.Event()

    def late(run: Run[Any], whole: bool = False) -> Run[Any]:
        copied = follower(run, whole)
        if whole and not is_put.is_set():
            source.free()
            assert is_put.wait(LONG)
        return copied

    give_up_at_a_mark(stream, source.await_start, late, is_put, monkeypatch)
    assert [event(stream) for _ in range(3)] == ["SourceError", "WorkerDied", 0]


def test_an_old_epoch_keeps_no_buffer() -> None:
    """An `epoch()` that is kept keeps nothing of the epochs after it."""

    def parts() -> int:
        gc.collect()
        return sum(type(thing) is Part for thing in gc.get_objects())

    before = parts()
    with StreamWrapper(lambda: range(10), 4, 2, lookahead=True) as stream:
        kept = stream.epoch()
        assert list(kept) == [0, 1]
        for _ in range(50):
            with stream.allow_buffering:
                assert len(list(stream.epoch())) == 2
        assert parts() - before < 10
    assert list(kept) == []

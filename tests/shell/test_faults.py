"""A source that hangs, memory that ends, a source that calls back, another thread that leaves."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise, repeat, starmap
from typing import Any

import pytest

from kernel import StreamWrapper, pull, scope
from kernel.machine import Enqueue, Variables

from ..support.sources import LONG, Aside, Source, epoch, take

# A source that hangs: stop_timeout.


class Stuck:
    """A source whose pass hangs in a given pull, until it is let go; pass 1 gives (1, 0), ..."""

    def __init__(self, pulls: int, at: str = "next") -> None:
        self.pulls = pulls
        self.at = at
        self.begun = 0
        self.hangs = threading.Event()
        self.go = threading.Event()
        self.thread: threading.Thread | None = None

    def wait(self) -> None:
        self.thread = threading.current_thread()
        self.hangs.set()
        assert self.go.wait(LONG)

    def __call__(self) -> Iterator[Any]:
        self.begun += 1
        number = self.begun
        if number == 1 and self.at == "stream_fn":
            self.wait()
        return self.one_pass(number)

    def one_pass(self, number: int) -> Iterator[Any]:
        for batch in range(4):
            if number == 1 and batch == self.pulls and self.at != "stream_fn":
                self.wait()
                if self.at == "end":
                    return
                if self.at == "error":
                    raise OSError
            yield number, batch

    def let_go(self) -> None:
        """Let the hanging pull return, and wait until its thread has ended."""
        self.go.set()
        assert self.thread is not None
        self.thread.join(LONG)
        assert not self.thread.is_alive()


FRESH = [(2, 0), (2, 1), (2, 2), (2, 3)]


def given_up(source: Stuck, size: int = 4) -> Any:
    """A stream that was left while the source hung."""
    wrapped = StreamWrapper(source, size, name="stuck", stop_timeout=0.01)
    wrapped.__enter__()
    with wrapped.allow_buffering:
        assert source.hangs.wait(LONG)
    with pytest.raises(TimeoutError, match=r"'stuck'.* 0\.01 seconds"):
        wrapped.__exit__(None, None, None)
    return wrapped


def buried(wrapped: Any) -> None:
    """The next event is a ChildProcessError because of the TimeoutError."""
    with pytest.raises(ChildProcessError) as caught:
        next(wrapped)
    assert isinstance(caught.value.__cause__, TimeoutError)


def test_a_pull_that_hangs_is_given_up() -> None:
    """Rules 3 and 8: what is buffered is kept, then comes the error, and then a fresh pass."""
    source = Stuck(2)
    wrapped = given_up(source)
    assert take(wrapped, 2) == [(1, 0), (1, 1)]
    buried(wrapped)
    assert epoch(wrapped) == FRESH
    source.let_go()


@pytest.mark.parametrize("at", ["stream_fn", "next", "end", "error"])
@pytest.mark.parametrize("when", ["before", "buried", "in the fresh pass", "with a new worker"])
def test_a_thread_that_was_given_up_changes_nothing(at: str, when: str) -> None:
    """Rule 1: whatever its pull answers at last, and whenever, nobody sees it."""
    source = Stuck(0, at)
    wrapped = given_up(source)
    fresh = FRESH

    def let_go(now: str) -> None:
        if now == when:
            run = wrapped._core.run
            before = list(run.batches), list(run.marks), run.progress, run.iterator
            source.let_go()
            assert wrapped._core.run is run
            assert before == (list(run.batches), list(run.marks), run.progress, run.iterator)

    let_go("before")
    buried(wrapped)
    let_go("buried")
    assert next(wrapped) == fresh[0]
    let_go("in the fresh pass")
    with wrapped:
        assert next(wrapped) == fresh[1]
        let_go("with a new worker")
        assert epoch(wrapped) == fresh[2:]
        with wrapped.allow_buffering:
            assert next(wrapped) == (3, 0)
    assert take(wrapped, 3) == [(3, 1), (3, 2), (3, 3)]


def test_a_thread_that_was_given_up_may_die(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 1: nor does it matter to the next worker if that thread ends by an error of its own."""
    source = Stuck(0, "error")
    wrapped = given_up(source)
    reported = pull.reported

    def fails(error: BaseException, label: str, buffered: bool) -> BaseException:
        if threading.current_thread() is source.thread:
            raise MemoryError
        return reported(error, label, buffered)

    monkeypatch.setattr(pull, "reported", fails)
    buried(wrapped)
    with wrapped:
        assert next(wrapped) == FRESH[0]
        source.let_go()
        assert epoch(wrapped) == FRESH[1:]


def test_a_pull_that_returns_at_the_last_moment_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 1 and 3: its batch comes, though its worker is given up, and then the error."""
    source = Stuck(0)
    give_up = scope.give_up

    def late(core: Any, *arguments: Any) -> None:
        source.let_go()
        give_up(core, *arguments)

    monkeypatch.setattr(scope, "give_up", late)
    wrapped = given_up(source)
    assert next(wrapped) == (1, 0)
    buried(wrapped)
    assert epoch(wrapped) == FRESH


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_rule_10_the_error_of_the_body_is_not_hidden(kind: type[BaseException]) -> None:
    """Rule 10: a stop that takes too long lets the error pass that the body raised."""
    source = Stuck(0)
    body = kind()

    def use() -> None:
        with StreamWrapper(source, 2, stop_timeout=0) as wrapped, wrapped.allow_buffering:
            assert source.hangs.wait(LONG)
            raise body

    with pytest.raises(kind) as caught:
        use()
    assert caught.value is body
    source.let_go()


def test_a_stop_that_was_interrupted_is_given_up_by_the_next_entry() -> None:
    """Rule 10: entering ends a stop first, and not for longer either."""
    source = Stuck(0)
    wrapped = StreamWrapper(source, 2, stop_timeout=0)
    wrapped.__enter__()
    with wrapped.allow_buffering:
        assert source.hangs.wait(LONG)
    wrapped._core.entry.over.append(None)  # as an interrupt leaves it
    with pytest.raises(TimeoutError):
        wrapped.__enter__()
    with wrapped:
        buried(wrapped)
    source.let_go()
    with wrapped:
        assert epoch(wrapped) == FRESH


def test_who_waits_hears_of_it() -> None:
    """Rules 8 and 9: a consumer in another thread is told, and so is another that leaves."""
    source = Stuck(0)
    wrapped = StreamWrapper(source, 2, stop_timeout=0.01)
    wrapped.__enter__()
    reader = Aside(lambda: next(wrapped))
    assert source.hangs.wait(LONG)
    leavers = [Aside(lambda: wrapped.__exit__(None, None, None)) for _ in range(2)]
    with pytest.raises(ChildProcessError) as caught:
        reader.result()
    assert isinstance(caught.value.__cause__, TimeoutError)
    outcomes = []
    for leaver in leavers:
        try:
            outcomes.append(leaver.result())
        except (TimeoutError, RuntimeError) as error:
            outcomes.append(type(error))
    assert TimeoutError in outcomes
    source.let_go()


def test_an_idle_worker_is_never_given_up() -> None:
    """Rule 3: the time is for a pull; a worker that is in none has only to go."""
    source = Source(range(100))
    wrapped = StreamWrapper(source, 2, stop_timeout=0)
    for first in range(0, 40, 2):
        with wrapped, wrapped.allow_buffering:
            assert take(wrapped, 2) == [first, first + 1]
            source.hold()
            while wrapped._core.run.progress[0]:
                source.free()
        source.free()
    assert source.most_active == 1


def test_a_pull_that_returns_in_time_is_kept() -> None:
    """Rule 3: nothing is given up that takes less than the time."""
    source = Source(range(3), held=True)
    wrapped = StreamWrapper(source, 2, stop_timeout=LONG)
    wrapped.__enter__()
    with wrapped.allow_buffering:
        source.await_start()
    leaving = Aside(lambda: wrapped.__exit__(None, None, None))
    assert leaving.waits
    source.free()
    leaving.result()
    assert epoch(wrapped) == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "error"),
    [("1", TypeError), (1j, TypeError), (-1, ValueError), (float("nan"), ValueError)],
)
def test_a_bad_time_is_named(value: Any, error: type[Exception]) -> None:
    """A bad argument is refused at once, by its name and value."""
    with pytest.raises(error, match=f"stop_timeout .*{re.escape(repr(value))}"):
        StreamWrapper(Source([1]), stop_timeout=value)


# Memory that ends.


class Full(deque[Any]):
    """Refuses so many batches."""

    refusals = 1

    def append(self, batch: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise MemoryError
        super().append(batch)


def settled(wrapped: Any, events: int) -> list[Any]:
    """So many events; an error by what caused it."""
    seen: list[Any] = []
    for _ in range(events):
        try:
            seen.append(next(wrapped))
        except StopIteration:
            seen.append("end")
        except ChildProcessError as error:
            seen.append(type(error.__cause__))
        except MemoryError:
            seen.append(MemoryError)
    return seen


def test_rule_8_no_memory_for_a_batch_of_the_worker() -> None:
    """Rule 8: the worker dies of it; what was buffered comes, the error, and a fresh pass."""
    source = Source([0, 1, 2, 3], [10, 11])
    wrapped = StreamWrapper(source, 3)
    with wrapped:
        assert next(wrapped) == 0
        wrapped._core.run.batches = Full()
        assert settled(wrapped, 4) == [MemoryError, 10, 11, "end"]
    with wrapped:
        assert epoch(wrapped) == [0, 1, 2, 3]


@pytest.mark.parametrize("refusals", [1, 2])
def test_rule_10_no_memory_for_a_batch_of_an_own_pull(refusals: int) -> None:
    """Rule 10: the error is told; the batch in hand is lost at most, the others come in order."""
    wrapped = StreamWrapper(Source([0, 1, 2, 3]))
    assert next(wrapped) == 0
    run = wrapped._core.run
    run.batches = Full()
    run.taking = enumerate(starmap(run.batches.popleft, repeat(())), 1)
    run.batches.refusals = refusals  # type: ignore[attr-defined]
    assert settled(wrapped, 4) == [MemoryError] * refusals + [1, 2, 3, "end"][refusals:]


@pytest.mark.parametrize("size", [0, 2])
def test_no_memory_for_a_state(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 8 and 10: the same where the next state cannot be built."""
    failing = [True]

    def enqueue(limits: Any, state: Any) -> Any:
        if failing:
            failing.pop()
            raise MemoryError
        return Enqueue(limits, state)

    monkeypatch.setattr(pull, "Enqueue", enqueue)
    with StreamWrapper(Source([0, 1, 2], [10]), size) as wrapped:
        seen = settled(wrapped, 3)
    assert seen == [MemoryError, 10, "end"]


# A source that calls back.

CALLS: dict[str, Callable[[Any], Any]] = {
    "next": next,
    "enter": lambda wrapped: wrapped.__enter__(),
    "exit": lambda wrapped: wrapped.__exit__(None, None, None),
}


@pytest.mark.parametrize("mode", ["worker", "unbuffered", "unbuffered inside", "outside"])
@pytest.mark.parametrize("call", CALLS)
def test_rule_9_source_calls_back(call: str, mode: str) -> None:
    """Rule 9: a source that uses the stream it feeds gets a RuntimeError, and nobody waits."""
    refused: list[Any] = []

    def own() -> Iterator[int]:
        yield 0
        try:
            CALLS[call](wrapped)
        except RuntimeError as error:
            refused.append(str(error))
        with wrapped.allow_buffering:  # what changes nothing of its own pull is allowed
            assert iter(wrapped) is wrapped
            wrapped.empty()
        yield 1

    wrapped = StreamWrapper(own, 2 if mode in ("worker", "outside") else 0, name="self")

    def read() -> list[int]:
        if mode == "outside":
            with wrapped:
                assert next(wrapped) == 0
            return epoch(wrapped)
        if mode == "unbuffered":
            return epoch(wrapped)[1:]
        with wrapped:
            return epoch(wrapped)[1:]

    assert Aside(read).result() == [1]
    (message,) = refused
    assert "'self'" in message
    assert "by its own source" in message or "without having been entered" in message


# Closed by another thread.


def scope_of(wrapped: Any) -> str:
    """Whether it is entered."""
    core = wrapped._core
    return Variables(*core.state(core.run)).scope


@pytest.mark.parametrize("size", [0, 1, 3])
def test_rule_9_closed_while_it_is_read(size: int) -> None:
    """Rules 1 and 9: another thread enters and leaves as it likes, and nothing of it is seen."""
    source = Source(range(3000))
    wrapped = StreamWrapper(source, size)
    wrapped.__enter__()
    over = threading.Event()

    def close() -> int:
        turns = 0
        while not over.is_set():
            try:
                wrapped.__exit__(None, None, None)
                turns += 1
                wrapped.__enter__()
            except RuntimeError:  # entered while the reader waits: once more
                while scope_of(wrapped) != "inside" and not over.is_set():
                    try:
                        wrapped.__enter__()
                    except RuntimeError:
                        continue
        return turns

    closer = Aside(close)
    reader = Aside(lambda: epoch(wrapped, 3000))
    try:
        assert reader.result() == list(range(3000))
    finally:
        over.set()
    assert closer.result() > 0
    if scope_of(wrapped) == "inside":
        wrapped.__exit__(None, None, None)
    assert source.most_active == 1


# A stack that ends.


def at_depth(depth: int, call: Callable[[], Any]) -> Any:
    return call() if depth == 0 else at_depth(depth - 1, call)


def left_whole(wrapped: Any, passes: int) -> None:
    """It can be left, entered and read: the rest of a pass, or an error and a fresh one."""
    with suppress(RuntimeError):
        wrapped.__exit__(None, None, None)
    with wrapped:
        seen = settled(wrapped, passes + 2)
    numbers = [item for item in seen if isinstance(item, int)]
    assert numbers
    assert all(b - a == 1 for a, b in pairwise(numbers) if b), seen


@pytest.mark.parametrize("call", ["enter", "exit", "next"])
@pytest.mark.parametrize("mode", ["unbuffered", "shut", "open", "outside"])
def test_rule_10_recursion_error_at_every_depth(mode: str, call: str) -> None:
    """Rule 10: after a RecursionError out of any line of ours the wrapper works."""
    frame: Any = sys._getframe()
    used = 0
    while frame is not None:
        used, frame = used + 1, frame.f_back
    limit, failed = sys.getrecursionlimit(), 0
    for depth in range(10, 100):
        wrapped = StreamWrapper(Source(range(100)), 0 if mode == "unbuffered" else 2)
        if call != "enter":
            wrapped.__enter__()
        if mode == "outside" and call == "next":
            wrapped.__exit__(None, None, None)
        gate = wrapped.allow_buffering
        if mode == "open":
            gate.__enter__()
        sys.setrecursionlimit(used + 95)
        try:
            at_depth(depth, lambda wrapped=wrapped: CALLS[call](wrapped))  # type: ignore[misc]
        except RecursionError:
            failed += 1
        except ChildProcessError as error:  # it struck the worker as it began, or the source
            failed += isinstance(error.__cause__, RecursionError)
        finally:
            sys.setrecursionlimit(limit)
        if mode == "open":
            gate.__exit__(None, None, None)
        left_whole(wrapped, 10)
    assert failed


def test_rule_10_memory_error_at_every_allocation() -> None:
    """Rule 10: after a MemoryError out of any line of ours the wrapper works."""
    testcapi = pytest.importorskip("_testcapi")
    if not hasattr(testcapi, "set_nomemory") or sys.version_info < (3, 11):
        pytest.skip("needs _testcapi.set_nomemory")
    program = """
        import _testcapi, sys, itertools
        from contextlib import suppress
        from kernel import StreamWrapper
        at, call = int(sys.argv[1]), sys.argv[2]
        stream = StreamWrapper(lambda: iter(range(9)))
        with suppress(MemoryError):
            if call == "enter":
                _testcapi.set_nomemory(at, at + 1)
                stream.__enter__()
            else:
                stream.__enter__()
                _testcapi.set_nomemory(at, at + 1)
                next(stream) if call == "next" else stream.__exit__()
        _testcapi.remove_mem_hooks()
        with suppress(RuntimeError):
            stream.__exit__()
        with stream:
            read = list(stream)
        assert read in (list(range(9)), list(range(1, 9))), read
    """
    for call in ("enter", "next", "exit"):
        for at in range(1, 40, 4):
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(program), str(at), call],
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
            assert done.returncode == 0, (call, at, done.stderr)

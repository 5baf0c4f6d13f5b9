"""Memory that ends, a source that calls back or ends oddly, a stack that ends."""

from __future__ import annotations

import signal
import sys
import textwrap
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from itertools import pairwise
from typing import Any

import pytest

from kernel import StreamWrapper, pull
from kernel.claims import FREE_THREADED
from kernel.machine import Enqueue
from specs.epochs import BATCH, FAILURE

from ..support.processes import python
from ..support.sources import Aside, Source, epoch, event, until

# Memory that ends.


class Full(deque[Any]):
    """Refuses that number of batches."""

    refusals = 1

    def append(self, batch: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise MemoryError
        super().append(batch)


def settled(wrapped: Any, events: int) -> list[Any]:
    """So many events; an error by what caused it."""
    seen: list[Any] = []
    for kind, value in (event(wrapped) for _ in range(events)):
        told = value if kind == BATCH else kind
        seen.append(type(value.__cause__ or value) if kind == FAILURE else told)
    return seen


def test_rule_8_no_memory_for_a_batch_of_the_worker() -> None:
    """Rule 8: the worker dies of it; what was buffered comes, the error, and a fresh pass."""
    source = Source([0, 1, 2, 3], [10, 11])
    wrapped = StreamWrapper(source, 3)
    with wrapped:
        assert next(wrapped) == 0
        wrapped._core.run.last.batches = Full()
        assert settled(wrapped, 4) == [MemoryError, 10, 11, "end"]
    with wrapped:
        assert epoch(wrapped) == [0, 1, 2, 3]


@pytest.mark.parametrize("refusals", [1, 2])
def test_rule_10_no_memory_for_a_batch_of_an_own_pull(refusals: int) -> None:
    """Rule 10: the error is reported; only the batch in hand is lost, the others come in order."""
    wrapped = StreamWrapper(Source([0, 1, 2, 3]))
    assert next(wrapped) == 0
    part = wrapped._core.run.last
    part.batches = Full()
    if FREE_THREADED:
        part._takings.clear()
    else:
        part.taking = part._take_and_count()
    part.batches.refusals = refusals  # type: ignore[attr-defined]
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
    """Rule 10: after a MemoryError out of any line of ours the wrapper works.

    Here and there the interpreter itself falls, by a signal: no Python code can do that.
    """
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("without the GIL the interpreter's own end may not do without memory")
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
    fallen = []
    for call in ("enter", "next", "exit"):
        for at in range(1, 40, 4):
            done = python("-c", textwrap.dedent(program), str(at), call, timeout=20)
            if done.returncode == -signal.SIGSEGV:
                fallen.append((call, at))
            else:
                assert done.returncode == 0, (call, at, done.stderr)
    assert len(fallen) <= 3, fallen


# A source that ends in another way.


class Over(StopIteration):
    """An end with a name."""


class Ending:
    """A pass of five that raises it."""

    def __init__(self) -> None:
        self.left = 5

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if not self.left:
            raise Over
        self.left -= 1
        return self.left


@pytest.mark.parametrize("size", [0, 1, 9])
@pytest.mark.parametrize("is_open", [False, True])
def test_rule_1_subclass_of_stop_iteration(size: int, is_open: bool) -> None:
    """Rule 1: it ends a pass, whoever pulls, as it ends a `for` loop."""
    stream = StreamWrapper(Ending, size)
    with stream, stream.allow_buffering if is_open else nullcontext():
        if size and is_open:
            until(lambda: len(stream._core.run.batches) >= min(size, 5))
        assert [epoch(stream), epoch(stream)] == [[4, 3, 2, 1, 0]] * 2

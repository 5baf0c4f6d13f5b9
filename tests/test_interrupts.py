"""An interrupt at each instant at which CPython takes one, one after the other (rule 10).

From 3.11 on that is where a function begins and where a built-in one returns (and where a loop
turns, which is spared here). A profile function raises KeyboardInterrupt there, where a signal's
handler might, so that nothing is left to chance.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import kernel
from kernel import StreamWrapper
from kernel.stream import GLANCE

from .sources import Source, epoch, take

HERE = str(Path(kernel.__file__).parent)
CONDITION = ("__enter__", "__exit__")
"""Where an interrupt leaves a lock of `Thread.start` held for good, in CPython: left out."""


def interrupt(call: Callable[[], Any], at: int, asleep: Callable[[], Any] = int) -> bool:
    """Call it with an interrupt at this instant of it, or of `threading` for it.

    Returns whether it came to that. `asleep` is called when the thread is about to sleep, so that
    it need not for long.
    """
    left = at

    def watch(frame: FrameType, event: str, function: Any) -> None:
        nonlocal left
        caller: FrameType | None = frame
        while caller is not None and caller.f_code.co_filename == threading.__file__:
            caller = caller.f_back
        if caller is None or not caller.f_code.co_filename.startswith(HERE):
            return
        if event == "c_call" and function.__qualname__ == "SimpleQueue.get":
            asleep()
        if frame is not caller and frame.f_code.co_name in CONDITION:
            return
        if event in ("call", "c_return"):
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

    gc.collect()  # the streams of other tests: their finalisers should not be struck
    gc.disable()
    sys.setprofile(watch)
    try:
        call()
    except KeyboardInterrupt:
        return True
    except ChildProcessError as error:  # it struck in a pull of the caller's own
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        return True
    finally:
        sys.setprofile(None)
        gc.enable()
    return False


def drain(stream: Any) -> list[Any]:
    """Leave the stream, if it is entered, enter it again and read to the end of the pass."""
    with contextlib.suppress(RuntimeError):
        stream.__exit__(None, None, None)
    with stream:
        return epoch(stream)


def filled(size: int) -> tuple[Any, Source]:
    """A stream that is entered, its buffer full, its worker asleep and its gate shut."""
    source = Source(range(6), range(10, 16))
    stream = StreamWrapper(source, size)
    stream.__enter__()
    with stream.allow_buffering:
        for _ in range(size):
            source.await_end()
        while size and stream._core.worker_bell is None:
            pass
    return stream, source


def test_rule_10_interrupt_of_a_next_that_takes() -> None:
    """Rule 10: an interrupt before any instant of `next` loses the batch in hand at most."""
    lost = []
    for at in count(1):
        stream, _ = filled(2)
        interrupted = interrupt(partial(next, stream), at)
        rest = drain(stream)
        lost.append(6 - len(rest))
        assert rest == list(range(lost[-1], 6))
        if not interrupted:
            break
    assert at > 5
    assert set(lost) == {0, 1}


@pytest.mark.parametrize("size", [1, 2])
def test_rule_10_interrupt_of_a_next_that_waits(size: int) -> None:
    """Rule 10: the same while `next` asks for a batch; the one that comes too late is kept."""
    for at in count(1):
        stream, source = filled(size)
        assert take(stream, size) == list(range(size))
        source.hold()
        interrupted = interrupt(partial(next, stream), at, source.free)
        source.free()
        rest = drain(stream)
        assert rest in (list(range(size, 6)), list(range(size + 1, 6)))
        assert source.most_active == 1
        if not interrupted:
            break
    assert at > 15


@pytest.mark.parametrize("size", [0, 2])
def test_rule_10_interrupt_of_a_next_that_pulls(size: int) -> None:
    """Rules 7 and 10: the same where the caller pulls for itself, or it is the source's error."""
    kept = dropped = 0
    for at in count(1):
        source = Source(range(6), range(10, 16))
        stream = StreamWrapper(source, size)
        with stream:
            assert next(stream) == 0
        interrupted = interrupt(partial(next, stream), at)
        rest = drain(stream)
        assert rest in ([1, 2, 3, 4, 5], [2, 3, 4, 5], list(range(10, 16)))
        kept += rest[0] == 1
        dropped += rest[0] == 10
        if not interrupted:
            break
    assert at > 15
    assert kept > 5
    assert dropped > 0


def test_rule_10_interrupt_of_a_next_between_passes() -> None:
    """Rules 2 and 10: the same where the pulls of one `next` lie in two passes of one epoch."""
    for at in count(1):
        stream = StreamWrapper(Source([0], [1, 2, 3], [10, 11, 12]), 0, 3)
        assert next(stream) == 0
        interrupted = interrupt(partial(next, stream), at)
        rest = drain(stream)
        assert rest in ([1, 2], [2], [1, 2, 3], [10, 11, 12])  # or it is the source's error
        if not interrupted:
            break
    assert at > 25
    assert rest == [2]


def test_rule_10_interrupt_of_an_error_that_is_told() -> None:
    """Rule 10: an interrupt doubles no error, and loses nothing of what comes after it."""
    for at in count(1):
        source = Source([0, ValueError()], [1, 2])
        stream = StreamWrapper(source, 2)
        with stream:
            assert next(stream) == 0
            with stream.allow_buffering:
                source.await_end()
                source.await_end()
        told = 0
        try:
            interrupted = interrupt(partial(next, stream), at)
        except ChildProcessError:
            interrupted, told = False, 1
        try:
            assert drain(stream) == [1, 2]
        except ChildProcessError:
            told += 1
            assert drain(stream) == [1, 2]
        assert told <= 1
        if not interrupted:
            break
    assert at > 5
    assert told


@pytest.mark.parametrize("size", [0, 2])
def test_rule_10_interrupt_of_an_entry(size: int) -> None:
    """Rule 10: an interrupt of `__enter__`, but for its last instant, leaves the stream outside."""
    inside = 0
    for at in count(1):
        source = Source(range(6), range(10, 16))
        stream = StreamWrapper(source, size)
        interrupted = interrupt(stream.__enter__, at)
        try:
            stream.__enter__()
        except RuntimeError:
            inside += interrupted
        stream.__exit__(None, None, None)
        assert drain(stream) == list(range(6))
        assert source.most_active == 1
        if not interrupted:
            break
    assert at > 5
    assert inside <= 1


@pytest.mark.parametrize("size", [0, 2])
def test_rule_10_interrupt_of_a_leave(size: int) -> None:
    """Rule 10: after an interrupt of `__exit__` it can be called again, and nothing is lost."""
    for at in count(1):
        stream, source = filled(size)
        interrupted = interrupt(stream.__exit__, at)
        assert drain(stream) == list(range(6))
        assert source.most_active == 1
        if not interrupted:
            break
    assert at > 5


def test_rule_10_interrupt_of_a_leave_that_waits() -> None:
    """Rules 3 and 10: the same while it waits for a pull, whose batch is kept."""
    for at in count(1):
        stream, source = filled(2)
        source.hold()
        assert next(stream) == 0
        gate = stream.allow_buffering
        gate.__enter__()
        source.await_start()
        interrupted = interrupt(stream.__exit__, at, source.free)
        gate.__exit__(None, None, None)
        source.free()
        assert drain(stream) == list(range(1, 6))
        assert source.most_active == 1
        if not interrupted:
            break
    assert at > 15


@pytest.mark.parametrize("outer", [0, 1])
def test_rule_10_interrupt_of_a_gate(outer: int) -> None:
    """Rules 5 and 10: a gate that is interrupted on its way in or out is shut, and no other."""
    for way, first in (("__enter__", 1), ("__exit__", 2)):  # before an exit there was none
        for at in count(first):
            stream = StreamWrapper(Source(range(6)), 2)
            for _ in range(outer):
                stream.allow_buffering.__enter__()
            gate = stream.allow_buffering
            if way == "__exit__":
                gate.__enter__()
            if not interrupt(partial(getattr(gate, way), *[None] * 3 * (first - 1)), at):
                break
            assert stream._core.state[7] == outer, (way, at)
        assert at > 4


def test_rule_10_interrupts_are_prompt() -> None:
    """Rule 10: one that CPython misses, since it came just before a sleep, comes a moment later."""
    assert 0 < GLANCE <= 0.5

"""`stall_after`: the log says what the source is doing, if a request starves and only then."""

from __future__ import annotations

import logging
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kernel import StreamWrapper

from ..support.sources import LONG, Source, take, until


class Hanging:
    """A source that hangs in a named function until that number of stalls was reported."""

    def __init__(self, caplog: pytest.LogCaptureFixture, stalls: int = 1) -> None:
        self.caplog = caplog
        self.stalls = stalls

    def reads_a_file_of_the_data_set(self, stalls: int) -> None:
        """Hang."""
        until(lambda: len(told(self.caplog)) >= stalls)

    def __call__(self) -> Iterator[int]:
        for number in range(self.stalls):
            yield number
            self.reads_a_file_of_the_data_set(number + 1)
        time.sleep(0.3)
        yield self.stalls


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged."""
    return [r.getMessage() for r in caplog.records if r.name == "kernel"]


def test_a_hanging_source_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Once, with its stack, no other thread's, and with the state."""
    other = threading.Event()

    def another_thread() -> None:
        other.wait(LONG)

    threading.Thread(target=another_thread, daemon=True).start()
    wrapper = StreamWrapper(Hanging(caplog), 4, name="train", stall_after=0.1)
    with wrapper:
        assert take(wrapper, 2) == [0, 1]
    other.set()
    (message,) = told(caplog)
    assert message.startswith("StreamWrapper 'train': a request has waited for 0.1 seconds. ")
    assert "The source has not answered the worker's pull." in message
    assert "The buffer of 4 is empty, no gate is open." in message
    assert "consumer = waiting, buffered = 0, mark = none, later = (), worker = running" in message
    assert "in reads_a_file_of_the_data_set" in message
    assert "another_thread" not in message
    assert "test_a_hanging_source_is_told_of" not in message
    assert message.count("most recent call first") == 1
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


def test_each_stall_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Two stalls, two messages; while a gate is open and the worker runs ahead, too."""
    wrapper = StreamWrapper(Hanging(caplog, stalls=2), 4, stall_after=0.1)
    with wrapper, wrapper.allow_buffering:
        assert take(wrapper, 3) == [0, 1, 2]
    assert len(told(caplog)) == 2
    assert all("gates open: 1" in message for message in told(caplog))


def test_a_slow_consumer_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """However long it does not ask, and with the worker in a pull all the time."""
    source = Source(range(5), held=True)
    wrapper = StreamWrapper(source, 2, stall_after=0)
    with wrapper:
        with wrapper.allow_buffering:
            source.await_start()
        time.sleep(0.3)
        source.go()
        source.await_end()
        until(lambda: not wrapper.empty())
        assert next(wrapper) == 0
        time.sleep(0.3)
        source.free()
    assert not told(caplog)


def test_a_source_in_time_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Requests that wait, none for so long, whatever they amount to."""

    def source() -> Iterator[int]:
        for number in range(20):
            time.sleep(0.02)
            yield number

    wrapper = StreamWrapper(source, 2, stall_after=20)
    with wrapper:
        assert len(list(wrapper)) == 20
    assert not told(caplog)


def test_an_interrupt_of_a_stall(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves promptly after the stall was reported; the next request has its own report."""
    monkeypatch.setattr("kernel.core.Core.glance", 0.01)  # it may come just before the sleep
    source = Source([0, 1], held=True)
    wrapper = StreamWrapper(source, 2, stall_after=0.05)
    with wrapper:
        for number in 1, 2:
            interrupter = threading.Thread(target=interrupt, args=(caplog, number))
            interrupter.start()
            with pytest.raises(KeyboardInterrupt):
                next(wrapper)
            interrupter.join()
            assert len(told(caplog)) == number
        source.free()
        assert take(wrapper, 2) == [0, 1]


def interrupt(caplog: pytest.LogCaptureFixture, stalls: int) -> None:
    """Ctrl-C, once that number of stalls was reported."""
    until(lambda: len(told(caplog)) >= stalls)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_a_limit_of_a_read_stays(caplog: pytest.LogCaptureFixture) -> None:
    """`get` raises in time, before the stall or after it."""
    source = Source([0], held=True)
    wrapper = StreamWrapper(source, 2, stall_after=0.2)
    with wrapper:
        with pytest.raises(TimeoutError):
            wrapper.get(timeout=0.01)
        assert not told(caplog)
        with pytest.raises(TimeoutError):
            wrapper.get(timeout=0.4)
        assert len(told(caplog)) == 1
        source.free()
        assert next(wrapper) == 0


def test_no_place_for_the_stack(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no file can be made, the rest is reported, and the stream goes on."""

    def full(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    wrapper = StreamWrapper(Hanging(caplog), 4, stall_after=0.1)
    with wrapper:
        assert take(wrapper, 2) == [0, 1]
    (message,) = told(caplog)
    assert message.endswith("The worker's stack cannot be had: the disk is full")

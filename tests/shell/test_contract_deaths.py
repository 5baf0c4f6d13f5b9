"""A worker that dies, and a wrapper that nobody leaves, by rules 8 and 10 of the contract."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import Any

import pytest

from ..support.sources import SHORT, Aside, Source, enter_dead, epoch, pulling, take

# Rule 8: dead worker.


def test_rule_8_thread_that_cannot_start(wrapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 8: a worker that never came is noticed; nobody waits for ever, and reading can go on."""

    def refuse(thread: threading.Thread) -> None:
        try:
            raise OSError
        except OSError:
            raise RuntimeError("can't start new thread")  # noqa: B904  # no interrupt hides here

    stream = wrapper(Source([1, 2]), 2, name="orphan")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        stream.__enter__()
    with pytest.raises(ChildProcessError, match="orphan") as caught:
        next(stream)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert epoch(stream) == [1, 2]
    stream.__exit__(None, None, None)
    with stream:
        assert epoch(stream) == [1, 2]


def test_rule_8_thread_that_cannot_start_after_an_interrupt(wrapper: Any) -> None:
    """Rule 8: it is no interrupt if one is being handled when a thread cannot start."""
    stream = wrapper(Source([1, 2]), 2)
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        enter_dead(stream)
    with pytest.raises(ChildProcessError) as caught:
        next(stream)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    stream.__exit__(None, None, None)


def test_rule_10_interrupt_of_a_start_that_handles_an_error(
    wrapper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 10: an interrupt is one, whatever was being handled when it struck."""

    def start(thread: threading.Thread) -> None:
        try:
            raise ValueError
        except ValueError:
            raise KeyboardInterrupt  # noqa: B904  # as a signal's handler does

    stream = wrapper(Source([1, 2]), 2)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(KeyboardInterrupt):
            stream.__enter__()
    with stream:
        assert epoch(stream) == [1, 2]


def test_rule_8_what_is_buffered_comes_first(wrapper: Any) -> None:
    """Rule 8: what was buffered before the worker died is delivered before the error."""
    source = Source(range(9))
    stream = wrapper(source, 2)
    with stream, stream.allow_buffering:
        source.await_end(2)
    enter_dead(stream)
    assert take(stream, 2) == [0, 1]
    with pytest.raises(ChildProcessError):
        next(stream)
    stream.__exit__(None, None, None)


def test_rule_8_gone_without_a_word(wrapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 8: a worker that ended without a sign is noticed by a look at its thread."""
    monkeypatch.setattr("kernel.core.Core.glance", 0.01)
    stream = wrapper(Source([1, 2]), 2, name="lost")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: None)
        stream.__enter__()
    with pytest.raises(ChildProcessError, match="lost") as caught:
        Aside(lambda: next(stream)).result()
    assert caught.value.__cause__ is None
    stream.__exit__(None, None, None)
    with stream:
        assert epoch(stream) == [1, 2]


def test_rule_8_a_slow_worker_is_not_dead(wrapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 8: many looks at a worker that is long in a pull do no harm."""
    monkeypatch.setattr("kernel.core.Core.glance", 0.01)
    source = Source(range(3), held=True)
    with wrapper(source, 2) as stream:
        reader = Aside(lambda: next(stream))
        assert reader.waits
        source.free()
        assert reader.result() == 0
        assert epoch(stream) == [1, 2]


def test_rule_8_waiting_is_sleeping(wrapper: Any) -> None:
    """Rule 8: a waiting thread, a consumer or a stop, uses no CPU time."""
    source = Source(range(3), held=True)
    stream = wrapper(source, 2)
    stream.__enter__()
    for call in (lambda: next(stream), lambda: stream.__exit__(None, None, None)):
        stream.allow_buffering.__enter__()
        source.await_start()
        spent = time.process_time()
        waiting = Aside(call)
        assert waiting.waits
        assert time.process_time() - spent < SHORT / 2
        source.go()
        waiting.result()


# Rule 10: interrupts, and abandoned wrappers. See also test_processes.


@pytest.mark.parametrize("size", [0, 2])
def test_rule_10_abandoned_with_a_source_that_refers_to_it(wrapper: Any, size: int) -> None:
    """Rule 10: a data set that owns its wrapper is garbage with it; its worker ends."""

    class Dataset:
        def __init__(self) -> None:
            self.stream = wrapper(self.train, size)

        def train(self) -> Any:
            return iter(range(9))

    before = set(threading.enumerate())
    dataset = Dataset()
    dataset.stream.__enter__()
    assert next(dataset.stream) == 0
    gone = weakref.ref(dataset)
    del dataset
    for _ in range(100):  # the worker may be on its way to sleep
        gc.collect()
        if gone() is None:
            break
        threading.Event().wait(0.01)
    assert gone() is None
    for worker in set(threading.enumerate()) - before:
        worker.join(20)
        assert not worker.is_alive()


def test_rule_10_abandoned_with_an_open_gate(wrapper: Any) -> None:
    """Rule 10: the worker of a garbage wrapper ends before its next pull, a gate open or not."""
    source = Source(range(10**6), held=True)

    def use() -> Any:
        stream = wrapper(source, 10**9)
        pulling(stream, source)
        source.go()
        assert next(stream) == 0
        source.await_start()
        return weakref.ref(stream), stream._core.entry

    garbage, entry = use()
    gc.collect()
    assert garbage() is None
    source.free()
    entry.thread.join(20)
    assert not entry.thread.is_alive()
    assert source.pulls == 2

"""Misuse, and two threads that use one stream, by rule 9 of the contract."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest

from ..support.sources import LONG, Aside, Source, epoch, pulling, take

# Rule 9: misuse.


@pytest.mark.parametrize("size", [0, 2])
def test_rule_9_entering_twice(wrapper: Any, size: int) -> None:
    """Rule 9: the second entry is refused, and the first goes on."""
    source = Source(range(5))
    with wrapper(source, size) as stream:
        assert next(stream) == 0
        with pytest.raises(RuntimeError, match="twice"):
            stream.__enter__()
        assert epoch(stream) == [1, 2, 3, 4]
    assert source.most_active == 1


@pytest.mark.parametrize("size", [0, 2])
def test_rule_9_leaving_what_was_not_entered(wrapper: Any, size: int) -> None:
    """Rule 9: leaving before entering, or twice, is refused."""
    stream = wrapper(Source([1]), size)
    with pytest.raises(RuntimeError, match="without having been entered"):
        stream.__exit__(None, None, None)
    with stream:
        assert epoch(stream) == [1]
    with pytest.raises(RuntimeError, match="without having been entered"):
        stream.__exit__(None, None, None)


@pytest.mark.parametrize("size", [0, 1, 4])
def test_rule_9_two_consumers(wrapper: Any, size: int) -> None:
    """Rule 9: each batch goes to one of two consumers, or one gets a RuntimeError."""
    source = Source(range(500))
    read: list[int] = []

    def consume() -> None:
        while len(read) < 500:
            try:
                read.append(next(stream))
            except RuntimeError:
                continue
            except StopIteration:
                return

    with wrapper(source, size) as stream, stream.allow_buffering:
        other = Aside(consume)
        consume()
        while other.waits and len(read) < 500:
            consume()
        assert sorted(read) == list(range(500))
        source.free()
    assert source.most_active == 1


@pytest.mark.parametrize("size", [0, 2])
def test_rule_9_second_request_is_refused(wrapper: Any, size: int) -> None:
    """Rule 9: while one consumer waits, or pulls for itself, another gets a RuntimeError."""
    source = Source(range(3), held=True)
    with wrapper(source, size) as stream:
        first = Aside(lambda: next(stream))
        source.await_start()
        for second in (lambda: next(stream), lambda: Aside(lambda: next(stream)).result()):
            with pytest.raises(RuntimeError, match="another thread"):
                second()
        source.free()
        assert first.result() == 0
        assert epoch(stream) == [1, 2]


def test_rule_9_gate_left_without_entry(wrapper: Any) -> None:
    """Rule 9: a gate that was not entered cannot be left, and shuts no other."""
    source = Source(range(5))
    with wrapper(source, 1) as stream, stream.allow_buffering:
        source.await_end()
        with pytest.raises(RuntimeError, match="gate"):
            stream.allow_buffering.__exit__(None, None, None)
        assert next(stream) == 0
        source.await_end()


def test_rule_9_gate_left_more_often_than_entered(wrapper: Any) -> None:
    """Rules 5 and 9: one gate may be entered twice, and is then left twice, but not again."""
    gate = wrapper(Source([1]), 2).allow_buffering
    with gate, gate:
        pass
    with pytest.raises(RuntimeError, match="gate"):
        gate.__exit__(None, None, None)


def test_rule_9_source_enters_or_leaves_its_own_stream(wrapper: Any) -> None:
    """Rule 9: a source that enters or leaves the stream it feeds gets an error, stopping or not."""
    refused = []
    stopping = threading.Event()

    def own() -> Any:
        for turn in range(2):
            for call in (stream.__enter__, stream.__exit__):
                with pytest.raises(RuntimeError) as caught:
                    call()
                refused.append(caught.value)
            yield turn
            assert stopping.wait(LONG)

    stream = wrapper(own, 2)
    with stream, stream.allow_buffering:
        assert next(stream) == 0
        stopping.set()
    assert epoch(stream) == [1]
    assert len(refused) == 4


def test_a_stream_cannot_be_copied(wrapper: Any) -> None:
    """A copy would share the thread: it is refused, by the stream's name."""
    for make in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="unique"):
            make(wrapper(Source([1]), 2, name="unique"))


def test_rule_9_closed_by_another_thread(wrapper: Any) -> None:
    """Rules 4 and 9: a stop by another thread lets a waiting consumer go on by itself."""
    source = Source(range(3), held=True)
    stream = wrapper(source, 2)
    stream.__enter__()
    reader = Aside(lambda: next(stream))
    source.await_start()
    leaving = Aside(lambda: stream.__exit__(None, None, None))
    source.free()
    leaving.result()
    assert reader.result() == 0
    assert epoch(stream) == [1, 2]


def test_rule_9_left_by_two(wrapper: Any) -> None:
    """Rules 3 and 9: a thread that leaves while a stop waits for a pull waits for that pull too."""
    source = Source(range(3), held=True)
    stream = wrapper(source, 2)
    gate = pulling(stream, source)
    leavers = []
    for _ in range(2):
        leavers.append(Aside(lambda: stream.__exit__(None, None, None)))
        assert leavers[-1].waits
    gate.__exit__(None, None, None)
    source.free()
    for leaver in leavers:
        leaver.result()
    assert epoch(stream) == [0, 1, 2]


def test_rule_9_thread_with_the_number_of_a_worker(
    wrapper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 9: a thread that was given the number of a worker that has ended is no source."""
    numbers = []

    def source() -> Any:
        for batch in range(3):
            numbers.append(threading.get_ident())
            yield batch

    stream = wrapper(source, 2)
    with stream:
        assert next(stream) == 0
    with monkeypatch.context() as patch:
        patch.setattr(threading, "get_ident", lambda: numbers[0])
        assert take(stream, 2) == [1, 2]

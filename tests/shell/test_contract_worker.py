"""What the worker does, and what not, by rules 3 to 6 of the contract."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ..support.sources import BUFFERS, Aside, Source, epoch, pulling, take

# Rule 3: stop preserves.


@pytest.mark.parametrize("size", BUFFERS)
def test_rule_3_stop_keeps_what_is_buffered(wrapper: Any, size: int) -> None:
    """Rule 3: what is buffered stays, in order, and reading goes on from there."""
    source = Source(range(100))
    stream = wrapper(source, size)
    for first in range(0, 40, 2):
        with stream, stream.allow_buffering:
            assert take(stream, 2) == [first, first + 1]
    with stream:
        assert epoch(stream) == list(range(40, 100))


def test_rule_3_stop_keeps_the_batch_being_pulled(wrapper: Any) -> None:
    """Rule 3: a pull in flight is waited for, and its batch kept."""
    source = Source(range(10), held=True)
    stream = wrapper(source, 2)
    gate = pulling(stream, source)
    leaving = Aside(lambda: stream.__exit__(None, None, None))
    assert leaving.waits
    source.go()
    leaving.result()
    gate.__exit__(None, None, None)
    assert source.pulls == 1
    source.free()
    assert epoch(stream) == list(range(10))


@pytest.mark.parametrize("size", BUFFERS)
def test_rule_3_bound(wrapper: Any, size: int) -> None:
    """Rule 3: batches held and being pulled are never more than the buffer's size."""
    source = Source(range(100))
    stream = wrapper(source, size)
    with stream, stream.allow_buffering:
        source.await_start(size)
        assert source.no_start()
    assert source.pulls == size


def test_rule_3_parked_worker_pulls_nothing_more(wrapper: Any) -> None:
    """Rule 3: stopping an idle worker pulls nothing, however often."""
    source = Source(range(100))
    stream = wrapper(source, 1)
    with stream, stream.allow_buffering:
        source.await_end()
    for _ in range(20):
        with stream:
            pass
    assert source.pulls == 1


def test_rule_3_stop_keeps_the_epoch_count(wrapper: Any) -> None:
    """Rule 3: a stop inside or at the end of an epoch does not change its size."""
    stream = wrapper(Source(range(100)), 1, 2)
    read = []
    for _ in range(12):
        with stream:
            read.append(next(stream, "end"))
    assert read == [0, 1, "end", 2, 3, "end", 4, 5, "end", 6, 7, "end"]


# Rule 4: outside `with`.


def test_rule_4_before_the_first_with(wrapper: Any) -> None:
    """Rule 4: a buffered stream that was never entered refuses to be read, by its name."""
    source = Source([1])
    stream = wrapper(source, 1, name="my_stream")
    with pytest.raises(ValueError, match="my_stream"):
        next(stream)
    assert source.pulls == 0
    with stream:
        assert epoch(stream) == [1]


def test_rule_4_after_with(wrapper: Any) -> None:
    """Rule 4: outside, what is buffered comes first, and then the caller pulls for itself."""
    source = Source(range(6))
    stream = wrapper(source, 2)
    with stream, stream.allow_buffering:
        source.await_end(2)
    threads = threading.active_count()
    pulled = source.pulls
    assert take(stream, 2) == [0, 1]
    assert source.pulls == pulled
    assert take(stream, 1) == [2]
    assert threading.current_thread() in source.threads
    assert epoch(stream) == [3, 4, 5]
    assert threading.active_count() == threads


def test_rule_4_no_thread_outside(wrapper: Any) -> None:
    """Rule 4: the thread is gone when `with` is left."""
    threads = set(threading.enumerate())
    stream = wrapper(Source(range(9)), 2)
    for _ in range(50):
        with stream:
            next(stream, None)
        assert set(threading.enumerate()) == threads


# Rule 5: gate.


def test_rule_5_nothing_is_pulled_unasked(wrapper: Any) -> None:
    """Rule 5: with the gate shut and nobody waiting, nothing is pulled, not even begun."""
    source = Source(range(9))
    with wrapper(source, 4):
        assert source.no_start()
        assert source.begun == 0
    assert source.pulls == 0


def test_rule_5_a_request_permits_until_it_is_served(wrapper: Any) -> None:
    """Rule 5: with the gate shut one request leads to one batch."""
    source = Source(range(9))
    with wrapper(source, 4) as stream:
        assert next(stream) == 0
        source.await_start()
        assert source.no_start()
        assert source.pulls == 1


def test_rule_5_gates_nest(wrapper: Any) -> None:
    """Rule 5: the gate is open until the last of nested gates is left."""
    source = Source(range(9), held=True)
    stream = wrapper(source, 1)
    with stream:
        with stream.allow_buffering:
            with stream.allow_buffering:
                source.await_start()
            source.go()
            assert next(stream) == 0
            source.await_start()
            source.go()
        assert next(stream) == 1
        assert source.no_start()


def test_rule_5_leaving_does_not_wait(wrapper: Any) -> None:
    """Rule 5: leaving a gate does not wait for the pull in flight."""
    source = Source(range(9), held=True)
    with wrapper(source, 2) as stream:
        gate = stream.allow_buffering
        gate.__enter__()
        source.await_start()
        Aside(lambda: gate.__exit__(None, None, None)).result()
        source.free()
        assert next(stream) == 0


# Rule 6: epoch boundary.


@pytest.mark.parametrize("epoch_size", [-1, 3])
def test_rule_6_worker_stays_in_the_epoch(wrapper: Any, epoch_size: int) -> None:
    """Rule 6: the worker does not run past the end of an epoch, however open the gate."""
    source = Source(range(3))
    with wrapper(source, 16, epoch_size) as stream, stream.allow_buffering:
        source.await_start(3 if epoch_size == 3 else 4)
        assert source.no_start()
        assert epoch(stream) == [0, 1, 2]
        assert source.no_start()
        assert next(stream) == 0


def test_rule_6_entering_begins_an_epoch(wrapper: Any) -> None:
    """Rule 6: after an end that was seen, entering begins the next epoch; before, it does not."""
    source = Source(range(2))
    stream = wrapper(source, 8, 2)
    with stream, stream.allow_buffering:
        assert epoch(stream) == [0, 1]
        assert source.pulls == 2
    with stream, stream.allow_buffering:
        source.await_start(5)
    with stream, stream.allow_buffering:  # the end is buffered: nothing begins
        assert source.no_start()
        assert epoch(stream) == [0, 1]

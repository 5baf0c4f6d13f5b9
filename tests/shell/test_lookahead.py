"""Rule 16: with lookahead the worker pulls past an epoch's end, and the consumer sees no change.

The rest of the contract holds with lookahead, too: `test_contract_*.py` run with it as well.
"""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from kernel import SourceError, StreamWrapper, WorkerDied

from ..support.sources import LONG, Aside, Boom, Source, epoch, give_up

EPOCH_SIZES = [-1, 1, 2, 3, 5]


def fill(source: Source, pulls: int) -> None:
    """Wait until that number of pulls has started, and no more do."""
    source.await_start(pulls)
    assert source.no_start()


@pytest.mark.parametrize("epoch_size", EPOCH_SIZES)
def test_rule_16_pulls_go_on_to_the_bound(epoch_size: int) -> None:
    """Rule 16: across any number of ends, and no batch more than there is room for."""
    source, expected = Source(range(3)), StreamWrapper(Source(range(3)), 0, epoch_size)
    with StreamWrapper(source, 10, epoch_size, lookahead=True) as stream:
        with stream.allow_buffering:
            ends = 3 if epoch_size == -1 else (10 - 1) // 3
            fill(source, 10 + ends)
        assert [epoch(stream) for _ in range(8)] == [epoch(expected) for _ in range(8)]


def test_rule_16_needs_a_gate() -> None:
    """Rules 5 and 16: a request permits pulls until it is served, and an end serves it."""
    source = Source([0], [1, 2])
    with StreamWrapper(source, 8, lookahead=True) as stream:
        assert (next(stream), next(stream, "end")) == (0, "end")
        fill(source, 2)
        assert next(stream) == 1
        fill(source, 1)


def test_rule_16_an_error_is_a_barrier() -> None:
    """Rules 7 and 16: nothing is pulled after an error until it was raised and more is wanted."""
    source = Source([0], [1, Boom()], [2])
    with StreamWrapper(source, 8, lookahead=True) as stream, stream.allow_buffering:
        fill(source, 4)
        assert [next(stream), epoch(stream), next(stream)] == [0, [], 1]
        with pytest.raises(SourceError):
            next(stream)
        assert source.no_start()
        assert epoch(stream) == [2]


@pytest.mark.parametrize("epoch_size", [-1, 3])
def test_rule_16_an_empty_pass_is_not_looked_past(epoch_size: int) -> None:
    """Rules 2 and 16: an empty source ends epochs as they are asked for, instead of spinning."""
    source = Source([0], [], [1], [2, 3])
    with StreamWrapper(source, 8, epoch_size, lookahead=True) as stream, stream.allow_buffering:
        fill(source, 3)
        read = [epoch(stream) for _ in range(4)]
    expected = StreamWrapper(Source([0], [], [1], [2, 3]), 0, epoch_size)
    assert read == [epoch(expected) for _ in range(4)]
    with StreamWrapper(nothing := Source([]), 8, epoch_size, lookahead=True) as stream:
        with stream.allow_buffering:
            fill(nothing, 1)
        assert [epoch(stream) for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize("epoch_size", EPOCH_SIZES)
def test_rule_16_a_stop_keeps_all_epochs(epoch_size: int) -> None:
    """Rules 3, 4 and 16: so they are read later, outside and inside."""
    source, expected = Source(range(4)), StreamWrapper(Source(range(4)), 0, epoch_size)
    stream = StreamWrapper(source, 9, epoch_size, lookahead=True)
    read: list[Any] = []
    for _ in range(3):
        with stream, stream.allow_buffering:
            while source.started.acquire(timeout=0.01):
                pass
        read += [next(stream, "end") for _ in range(7)]
    assert read == [next(expected, "end") for _ in read]


def test_rule_16_source_is_told_of_its_epoch() -> None:
    """Rule 16: a pass that begins ahead gets the number of the epoch that it begins."""
    told: list[int] = []

    def source(number: int) -> Iterator[int]:
        told.append(number)
        yield from [number] * (1 + number % 2)

    with StreamWrapper(source, 6, lookahead=True, with_epoch=True) as stream:
        for number in range(5):
            with stream.allow_buffering:
                assert epoch(stream) == [number] * (1 + number % 2)
        stream.restart()
        assert epoch(stream) == [5, 5]
    assert told[: told.index(5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("epoch_size", EPOCH_SIZES)
def test_rule_16_resume_knows_nothing_of_what_was_prefetched(epoch_size: int) -> None:
    """Rules 15 and 16: at any place, with epochs in the buffer, another wrapper goes on."""
    whole = list(islice(events(StreamWrapper(Source(range(4)), 0, epoch_size)), 20))
    for place in range(15):
        source = Source(range(4))
        with StreamWrapper(source, 7, epoch_size, lookahead=True) as stream:
            with stream.allow_buffering:
                while source.started.acquire(timeout=0.01):
                    pass
            read = list(islice(events(stream), place))
            state = json.loads(json.dumps(stream.state_dict()))
        other = StreamWrapper(Source(range(4)), 3, epoch_size, lookahead=True)
        other.load_state_dict(state)
        with other, other.allow_buffering:
            assert read + list(islice(events(other), 20 - place)) == whole


def events(stream: Any) -> Iterator[Any]:
    """Batches and ends."""
    while True:
        yield next(stream, "end")


def test_rule_8_a_dead_worker_with_later_epochs() -> None:
    """Rules 8 and 16: all epochs that were buffered come, then the error, then a fresh pass."""
    source = Source([0, 1], [2], [3], held=True)
    stream = StreamWrapper(source, 8, lookahead=True, stop_timeout=0)
    source.go(7)
    worker = give_up(stream, lambda: source.await_start(8))
    source.free()
    assert [next(stream, "end") for _ in range(7)] == [0, 1, "end", 2, "end", 3, "end"]
    with pytest.raises(WorkerDied):
        next(stream)
    assert [next(stream, "end") for _ in range(3)] == [2, "end", 3]
    worker.join(LONG)


@pytest.mark.parametrize("call", [StreamWrapper.restart, StreamWrapper.close])
def test_rule_16_what_is_given_up_goes_with_its_epochs(call: Callable[[Any], None]) -> None:
    """Rule 16: `restart` and `close` drop the epochs that are buffered; no batch is kept alive."""

    class Batch:
        pass

    kept: list[Any] = []

    def source() -> Iterator[Batch]:
        for _ in range(2):
            batch = Batch()
            kept.append(weakref.ref(batch))
            yield batch

    stream = StreamWrapper(source, 6, 1, lookahead=True)
    with stream:
        with stream.allow_buffering:
            while len(kept) < 6:
                pass
        assert next(stream) is not None
        call(stream)
        gc.collect()
        assert [ref for ref in kept[:6] if ref() is not None] == []


def test_rule_16_a_waiting_consumer_hears_of_an_end_at_once() -> None:
    """Rule 16: the worker goes on past the end, and still wakes the consumer for it."""
    source = Source([0], [1, 2], held=True)
    with StreamWrapper(source, 4, lookahead=True) as stream, stream.allow_buffering:
        source.go()
        assert next(stream) == 0
        reader = Aside(lambda: next(stream, "end"))
        source.go()
        assert reader.result() == "end"
        source.free()


def test_rule_16_a_full_buffer_is_filled_again() -> None:
    """Rule 16: a worker that waits for room is woken, though the room is in an epoch before."""
    source = Source(range(2))
    with StreamWrapper(source, 4, 2, lookahead=True) as stream, stream.allow_buffering:
        for _ in range(10):
            assert epoch(stream) == [0, 1]
            source.await_start(2)

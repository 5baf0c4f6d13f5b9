"""Rule 14: an epoch as an iterator that keeps to Python's protocol, for `for` and `async for`."""

from __future__ import annotations

import asyncio
import itertools
import operator
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from kernel import Epoch, SourceError, StreamWrapper
from specs.epochs import BATCH, FAILURE, epochs

from ..support.sources import Source, take
from .resume_programs import Bell, Boom
from .test_async import read

SIZES = [0, 1, 3]


def events(iterator: Iterator[Any]) -> list[Any]:
    return [next(iterator, "end") for _ in range(4)]


# What users do with an iterator.


def test_rule_14_for_loops(make: Any) -> None:
    stream = make([1, 2], [], [3])
    assert isinstance(stream.epoch(), Epoch)
    assert [list(stream.epoch()) for _ in range(4)] == [[1, 2], [], [3], [1, 2]]


class Ends(StreamWrapper[int]):
    """A subclass that ends an epoch by itself."""

    left = 2

    def __next__(self) -> int:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return super().__next__()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("size", SIZES)
def test_rule_14_subclass_that_ends_an_epoch(size: int) -> None:
    """Rule 14: what `list` of it gives, its epoch gives, in both kinds of loops."""
    with Ends(lambda: range(5), size) as stream:
        epoch = stream.epoch()
        assert events(epoch) == [0, 1, "end", "end"]
        stream.left = 1
        assert events(epoch) == ["end"] * 4
        assert asyncio.run(read(stream.epoch())) == [2]
        stream.left = 9
        assert list(stream.epoch()) == [3, 4]


def test_rule_14_exhausted_stays_so(make: Any) -> None:
    """Rule 14: where the stream's own iterator goes on, an epoch does not."""
    stream = make([1, 2], [3])
    epoch = stream.epoch()
    assert iter(epoch) is epoch
    assert events(epoch) == [1, 2, "end", "end"]
    assert events(epoch) == ["end"] * 4
    assert next(stream) == 3
    assert events(epoch) == ["end"] * 4


@pytest.mark.parametrize("epoch_size", [-1, 3])
def test_rule_14_zip(make: Any, epoch_size: int) -> None:
    """Rule 14: zip asks the second for no end, and that end is no epoch afterwards."""
    one, other = (make(range(3), epoch_size=epoch_size) for _ in range(2))
    for _ in range(3):
        assert list(zip(one.epoch(), other.epoch(), strict=False)) == [(0, 0), (1, 1), (2, 2)]
    assert list(zip(one.epoch(), other.epoch(), strict=True)) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("epoch_size", [-1, 4])
def test_rule_14_islice_and_break(make: Any, epoch_size: int) -> None:
    """Rule 14: a loop that ends with the last batch leaves no empty epoch behind."""
    stream = make(range(4), epoch_size=epoch_size)
    for _ in range(3):
        assert list(itertools.islice(stream.epoch(), 4)) == [0, 1, 2, 3]
        for batch in stream.epoch():
            if batch == 3:
                break
    assert list(itertools.islice(stream.epoch(), 2)) == [0, 1]
    assert list(stream.epoch()) == [2, 3]


@pytest.mark.skipif(not hasattr(itertools, "batched"), reason="Python 3.12 has it")
def test_rule_14_batched(make: Any) -> None:
    stream = make(range(5))
    for _ in range(2):
        assert list(itertools.batched(stream.epoch(), 2)) == [(0, 1), (2, 3), (4,)]  # type: ignore[attr-defined]  # mypy reads 3.10


def test_rule_14_length() -> None:
    """Rule 14: batches from here, or from its first read on; an iterator is true all the same."""
    stream = StreamWrapper(Source(range(7)), 0, 4)
    epoch = stream.epoch()
    assert (len(epoch), operator.length_hint(epoch), bool(epoch)) == (4, 4, True)
    assert next(stream) == 0
    assert len(epoch) == 3
    assert next(epoch) == 1
    assert len(epoch) == 3
    assert len(stream.epoch()) == 2
    assert list(epoch) == [2, 3]
    rest = stream.epoch()
    assert (len(epoch), len(rest)) == (3, 4)
    assert take(stream, 4) == [4, 5, 6, 0]
    assert len(stream.epoch()) == 4  # of the next: an end that was not reported is no epoch
    assert events(rest)[0] == 1


def test_rule_14_length_after_a_restart() -> None:
    """Rule 14: what a restart gives again counts too, in each epoch anew."""
    stream = StreamWrapper(Source(range(9)), 0, 3)
    epoch = stream.epoch()
    given = take(epoch, 2)
    for length in 5, 6:
        stream.restart()
        assert len(epoch) == length
        given += take(epoch, 1)
    given += epoch
    assert (given, len(epoch)) == ([0, 1, 0, 0, 1, 2], 6)
    assert len(stream.epoch()) == 3


def test_rule_14_a_pass_has_no_length() -> None:
    stream = StreamWrapper(Source(range(3)), 0, name="passes")
    epoch = stream.epoch()
    with pytest.raises(TypeError, match="'passes' is a pass: it has no length"):
        len(epoch)
    assert bool(epoch)
    assert operator.length_hint(epoch, 9) == 9
    assert list(epoch) == [0, 1, 2]


def test_rule_14_empty(make: Any) -> None:
    """Rule 14: an empty source has an empty epoch after another."""
    for epoch_size in -1, 2:
        stream = make([], epoch_size=epoch_size)
        for _ in range(3):
            epoch = stream.epoch()
            assert [list(epoch), list(epoch)] == [[], []]
    short = make([1], [], [2, 3], epoch_size=2)
    assert [list(short.epoch()) for _ in range(4)] == [[1], [2, 3], [1], [2, 3]]


# Several at once, old ones, the stream itself.


def test_rule_14_two_at_once(make: Any) -> None:
    """Rule 14: two epochs that are read in turns are the same one."""
    stream = make(range(4), range(4, 6))
    one, other = stream.epoch(), stream.epoch()
    assert [next(one), next(other), next(one), next(other)] == [0, 1, 2, 3]
    assert events(other) == ["end"] * 4
    assert events(one) == ["end"] * 4
    assert list(stream.epoch()) == [4, 5]


def test_rule_14_an_old_one(make: Any) -> None:
    """Rule 14: an epoch that was left is over as soon as another has begun."""
    stream = make(range(4), range(4, 6))
    old = stream.epoch()
    assert next(old) == 0
    assert list(stream) == [1, 2, 3]
    assert next(stream.epoch()) == 4
    assert events(old) == ["end"] * 4
    assert list(stream.epoch()) == [5]


def test_rule_14_one_made_early(make: Any) -> None:
    """Rule 14: an epoch is the one at its first read, whenever it was made."""
    stream = make(range(2), range(2, 4))
    later = stream.epoch()
    assert list(stream) == [0, 1]
    assert list(later) == [2, 3]


def test_rule_14_mixed_with_the_stream(make: Any) -> None:
    """Rule 14: `for batch in stream` stays as it is, with its untold ends."""
    stream = make(range(3))
    assert take(stream.epoch(), 3) == [0, 1, 2]
    assert list(stream) == []
    assert list(stream) == [0, 1, 2]
    assert take(stream, 3) == [0, 1, 2]
    assert list(stream.epoch()) == [0, 1, 2]


def test_rule_14_restarted(make: Any) -> None:
    """Rule 14: a restart begins this epoch afresh."""
    stream = make(range(3), [7, 8], [], [9])
    epoch = stream.epoch()
    assert take(epoch, 2) == [0, 1]
    begun = stream._core.stream_fn.begun
    stream._core.stream_fn.begun = 1
    stream.restart()
    assert begun >= 1
    assert events(epoch) == [7, 8, "end", "end"]
    assert list(stream.epoch()) == []


# Errors and interrupts.


@pytest.mark.parametrize("begun", [False, True])
def test_rule_14_an_error_ends_it(make: Any, begun: bool) -> None:
    """Rule 14: also at the first read: an end that was not reported is passed over."""
    stream = make([0, Boom(), 2], [3])
    epoch = stream.epoch()
    assert next(epoch if begun else stream) == 0
    with pytest.raises((Boom, SourceError)):
        next(epoch)
    assert events(epoch) == ["end"] * 4
    assert list(stream.epoch()) == [3]


def test_rule_14_an_interrupt_ends_nothing() -> None:
    """Rules 10 and 14: a wait that was interrupted goes on, before the first batch or after."""
    source = Source(range(2), range(2, 4), held=True)
    with StreamWrapper(source, 2) as stream:
        stream._core.bell = bell = Bell()
        epoch = stream.epoch()
        for expected in 0, 1:
            bell.strikes = True
            with pytest.raises(KeyboardInterrupt):
                next(epoch)
            source.go()
            assert next(epoch) == expected
        source.free()
        assert events(epoch) == ["end"] * 4


def test_rule_14_an_interrupt_of_a_pull_ends_it() -> None:
    """Rules 7 and 14: in a pull of the caller's own it is the source's error."""
    stream = StreamWrapper(Source([0, KeyboardInterrupt()], [1, 2]), 0, 5)
    epoch = stream.epoch()
    assert next(epoch) == 0
    with pytest.raises(KeyboardInterrupt):
        next(epoch)
    assert events(epoch) == ["end"] * 4
    rest = stream.epoch()
    assert len(rest) == 5
    assert take(rest, 2) == [1, 2]
    assert len(rest) == 5


def test_rule_14_random_readers() -> None:
    """Rule 14: loops over epochs, some left early, give what a dumb reading of it says."""
    for number in range(400):
        random = Random(number)
        passes: list[Any] = [list(range(random.choice((0, 1, 2, 5)))) for _ in range(3)]
        if random.random() < 0.3:
            passes[0].append(Boom())
        epoch_size = random.choice((-1, 1, 2, 3))
        stream = StreamWrapper(Source(*passes), random.choice(SIZES), epoch_size)
        dumb = epochs(Source(*passes), epoch_size)
        given = 0  # batches of the epoch in which the stream is
        with stream:
            for _ in range(12):
                most = random.choice((0, 1, 2, 3, 9))
                expected, given = dumb_epoch(dumb, given, most)
                assert list_of(itertools.islice(stream.epoch(), most)) == expected, number


def dumb_epoch(events: Iterator[Any], given: int, most: int) -> tuple[list[Any], int]:
    """What that number of reads of an epoch gives, by the oracle's events; and how many it gave."""
    expected: list[Any] = []
    passes_over = given > 0
    while len(expected) < most:
        kind, value = next(events)
        if kind == BATCH:
            expected.append(value)
            given += 1
        else:
            given = 0
            if kind == FAILURE:
                expected.append("error")
            if kind == FAILURE or not passes_over:
                break
        passes_over = False
    return expected, given


def list_of(iterator: Iterator[Any]) -> list[Any]:
    """Its items, and an error after them."""
    seen: list[Any] = []
    try:
        seen.extend(iterator)
    except (Boom, SourceError):
        seen.append("error")
    return seen

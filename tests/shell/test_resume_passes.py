"""Rule 15: passes of resumed streams over sources that are used in unusual ways."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from kernel import StreamWrapper

from ..support.sources import Boom, take

SIZES = [0, 2]


class Numbers:
    """A source with a state. Its iterators can be closed, and must not be asked after their end."""

    def __init__(self, length: int = 5) -> None:
        self.length, self.at = length, 0
        self.iterators: list[Asked] = []

    def __iter__(self) -> Iterator[int]:
        self.iterators.append(Asked(self))
        return self.iterators[-1]

    def state_dict(self) -> dict[str, Any]:
        return {"place": {"at": self.at}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["place"]["at"]


class Asked:
    """An iterator over the numbers that fails if it is asked once more."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers, self.over, self.closed = numbers, False, False

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if self.over:
            raise Boom
        if self.numbers.at == self.numbers.length:
            self.over = True
            raise StopIteration
        self.numbers.at += 1
        return self.numbers.at

    def close(self) -> None:
        self.closed = True


def resumed(state: Any, source: Any, size: int) -> Any:
    stream = StreamWrapper(source, size)
    stream.load_state_dict(state)
    return stream


def read(stream: Any) -> list[int]:
    with stream:
        return list(stream)


@pytest.mark.parametrize("size", SIZES)
def test_rule_15_a_pass_is_not_asked_after_its_end(size: int) -> None:
    """Rule 15: neither the resumed pass nor a later one; a `for` loop does not ask either."""
    before = StreamWrapper(Numbers)
    take(before, 2)
    assert read(resumed(before.state_dict(), Numbers, size)) == [3, 4, 5]
    again = resumed(before.state_dict(), source := Again(), size)
    with again:
        assert [list(again) for _ in range(3)] == [[3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]
    assert len(source.made.iterators) == 3


class Again:
    """Returns the same source for each pass, which begins at its beginning once one is over."""

    def __init__(self) -> None:
        self.made = Numbers()

    def __call__(self) -> Numbers:
        if self.made.at == self.made.length:
            self.made.at = 0
        return self.made


def test_rule_15_a_stream_of_a_stream() -> None:
    """Rule 15: the end of an epoch of the inner stream is the end of a pass."""

    def make() -> Any:
        return StreamWrapper(lambda: StreamWrapper(lambda: range(3)))

    before = make()
    take(before, 2)
    after = make()
    after.load_state_dict(before.state_dict())
    assert list(islice(after, 5)) == [2]


@pytest.mark.parametrize("size", SIZES)
def test_rule_15_a_state_is_a_copy(size: int) -> None:
    """Rule 15: who goes on writing in a state changes neither stream."""
    before = StreamWrapper(Numbers)
    take(before, 3)
    state = before.state_dict()
    after = resumed(state, Numbers, size)
    state["source"]["place"]["at"] = 0
    assert before.state_dict()["source"] == {"place": {"at": 2}}
    assert read(after) == [4, 5]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("given", [0, 1, 2])
def test_rule_15_closing_closes_the_resumed_pass(size: int, given: int) -> None:
    """Its iterator is closed, and its source is forgotten."""
    before = StreamWrapper(Numbers)
    take(before, 2)
    sources = [Numbers()]
    stream = resumed(before.state_dict(), lambda: sources[0], size)
    with stream:
        take(stream, given)
        stream.close()
    iterators, forgotten = sources[0].iterators, weakref.ref(sources[0])
    assert [iterator.closed for iterator in iterators] == [True] * (given > 0)
    sources.clear()
    for iterator in iterators:
        del iterator.numbers
    gc.collect()
    assert forgotten() is None


@pytest.mark.parametrize("size", SIZES)
def test_rule_15_closing_after_the_first_batch_of_a_later_pass(size: int) -> None:
    """The pass whose first batch is compared with the loaded state is closed, too."""
    before = StreamWrapper(Numbers)
    take(before, 4)
    source = Again()
    stream = resumed(before.state_dict(), source, size)
    with stream:
        assert list(stream) == [5]
        take(stream, 1)
        stream.close()
    assert [iterator.closed for iterator in source.made.iterators] == [False, True]


class Items(list[int]):
    """A source whose `__getattr__` raises another error than an AttributeError."""

    def __getattr__(self, name: str) -> Any:
        return {}[name]


@pytest.mark.parametrize("size", SIZES)
def test_rule_15_a_source_that_cannot_be_asked_has_no_state(size: int) -> None:
    assert read(StreamWrapper(lambda: Items(range(3)), size)) == [0, 1, 2]


class Once:
    """Its own iterator: `iter` begins at the place that was loaded, and forgets that place."""

    def __init__(self) -> None:
        self.start, self.at = 0, 0

    def __iter__(self) -> Iterator[int]:
        self.at, self.start = self.start, 0
        return self

    def __next__(self) -> int:
        if self.at == 5:
            raise StopIteration
        self.at += 1
        return self.at

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.start = state["at"]


class Plain:
    """An iterator that has `__next__` and no `__iter__`, which is enough for `iter`."""

    def __init__(self, iterator: Iterator[int]) -> None:
        self.iterator = iterator

    def __next__(self) -> int:
        return next(self.iterator)


class Bare(Numbers):
    def __iter__(self) -> Any:
        return Plain(super().__iter__())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [Once, Bare])
@pytest.mark.parametrize("given", range(1, 5))
def test_rule_15_a_pass_is_begun_once(make: Any, size: int, given: int) -> None:
    """Rule 15: `iter` is called once for a pass, as for a stream that is not resumed."""
    stream = StreamWrapper(make, size)
    with stream:
        assert take(stream, given) == [*range(1, given + 1)]
        state = stream.state_dict()
    again = resumed(state, make, size)
    assert read(again) == [*range(given + 1, 6)]
    assert read(again) == [1, 2, 3, 4, 5]


class Batch:
    """What a weak reference can lead to."""


@pytest.mark.parametrize("size", SIZES)
def test_a_resumed_pass_holds_no_batch(size: int) -> None:
    """Batches are freed as the consumer drops them, the first one too."""
    batches: list[weakref.ref[Batch]] = []

    class Source(Once):
        def __next__(self) -> Any:
            super().__next__()
            batch = Batch()
            batches.append(weakref.ref(batch))
            return batch

    stream: Any = StreamWrapper(Source, size)
    with stream:
        del take(stream, 2)[:]
        state = stream.state_dict()
    batches.clear()
    again = resumed(state, Source, size)
    with again:
        del take(again, 2)[:]
    gc.collect()
    assert [batch() for batch in batches[:3]] == [None] * 3


class Unhelpful(Exception):
    """An error that its class makes hard to keep."""

    def with_traceback(self, *_: Any) -> Any:
        raise Boom


@pytest.mark.parametrize("size", SIZES)
def test_rule_15_a_state_that_fails_unhelpfully(size: int) -> None:
    """Rule 15: the batches come all the same, and `state_dict` reports the error."""

    class Source(Numbers):
        def state_dict(self) -> dict[str, Any]:
            raise Unhelpful

    stream = StreamWrapper(Source, size)
    with stream:
        assert take(stream, 3) == [1, 2, 3]
        with pytest.raises(RuntimeError) as told:
            stream.state_dict()
        assert type(told.value.__cause__) is Unhelpful

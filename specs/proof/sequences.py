"""Sequences in symbols, of any length: the batches of a buffer, and the epochs after its mark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

import z3

from kernel import machine

from .symbolic import Choice, Kind, Number, Symbol, Term, Truth, choice, number, truth


@dataclass(frozen=True, eq=False)
class Interval:
    """A sequence of numbers that are adjacent: what `Now.batches` is here.

    It does what the history does with a tuple: unpacks (as one piece), adds to the end, drops the
    first. As in `tla/Stream.tla`, the first of nothing is 0 and the rest of nothing is nothing.
    """

    first: Any
    length: Any
    torn: Any = False  # something was added that is not adjacent: no interval any more

    def __iter__(self) -> Iterator[Any]:
        yield self

    def __getitem__(self, place: Any) -> Any:
        some = number(self.length) > 0
        if place == 0:
            return _either(some, self.first, 0)
        if place != slice(1, None):
            raise IndexError(place)
        return Interval(
            _either(some, self.first + 1, self.first),
            _either(some, self.length - 1, self.length),
            self.torn,
        )

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, Interval):
            return NotImplemented
        same = z3.And(
            z3.Not(truth(self.torn)),
            z3.Not(truth(other.torn)),
            number(self.length) == number(other.length),
            z3.Or(number(self.length) == 0, number(self.first) == number(other.first)),
        )
        return Truth(z3.simplify(same))

    __hash__ = None  # type: ignore[assignment]  # symbols have none

    def __bool__(self) -> bool:
        return bool(self.length > 0)

    def add(self, last: Any) -> Interval:
        """With one more at the end."""
        empty = number(self.length) == 0
        apart = z3.And(z3.Not(empty), number(last) != number(self.first + self.length))
        torn = z3.simplify(z3.Or(truth(self.torn), apart))
        return Interval(_either(empty, last, self.first), self.length + 1, Truth(torn))


def _either(condition: Term, yes: Any, no: Any) -> Number:
    """One number or the other, without a fork."""
    return Number(z3.simplify(z3.If(condition, number(yes), number(no))))


def interval(pieces: Any) -> Interval:
    """What was put together as `(*batches, more)`, or a range, or nothing."""
    if isinstance(pieces, Interval):
        return pieces
    if not pieces:
        return Interval(0, 0)
    whole: Interval = pieces[0]
    for last in pieces[1:]:
        whole = whole.add(last)
    return whole


def between(start: Any, stop: Any) -> Interval:
    """What `range` is for numbers that are symbols."""
    length = number(stop - start)
    return Interval(start, _either(length > 0, Number(length), 0))


MARK = Kind("Mark", get_args(machine.Mark))


_RECORD = z3.Datatype("Epochs")
_RECORD.declare(
    "epochs",
    *(("first", z3.IntSort()), ("stop", z3.IntSort())),
    ("ends", z3.ArraySort(z3.IntSort(), z3.IntSort())),
    ("marks", z3.ArraySort(z3.IntSort(), MARK.sort)),
)
SORT = _RECORD.create()
"""The sort of `Epochs`: the place of the first, the place after the last, and what is there.

`ends` says how many batches there are up to the end of an epoch, counted from somewhere.
"""

BEFORE, PLACE = z3.Int("some.before"), z3.Int("some.place")
"""Any two places, the same in all moments. What holds for any is proved for all."""


class Epochs(Symbol):
    """A sequence of epochs, each with its batches and its mark: what `Variables.later` is here.

    It does what the machine and the properties do with a tuple: unpacks (as one piece), adds to the
    end, drops the first or the last.
    """

    def __init__(self, term: Term) -> None:
        super().__init__(term)
        parts = (SORT.first, SORT.stop, SORT.ends, SORT.marks)
        self.first, self.stop, self.ends, self.marks = (z3.simplify(part(term)) for part in parts)

    __hash__ = Symbol.__hash__

    def lift(self, value: object) -> Term:
        """Epochs as a term."""
        return epochs(value).term

    @property
    def length(self) -> Number:
        """How many there are."""
        return Number(z3.simplify(self.stop - self.first))

    def __bool__(self) -> bool:
        return bool(self.length > 0)

    def __iter__(self) -> Iterator[Any]:
        yield All(self)

    def __getitem__(self, place: Any) -> Any:
        last = self.stop - 1
        if isinstance(place, slice):
            parts = {(1, None): (self.first + 1, self.stop), (None, -1): (self.first, last)}
            parts[-1, None] = (last, self.stop)
            return self._part(*parts[place.start, place.stop]) if self else NONE
        if place not in (0, -1) or not self:
            raise IndexError(place)
        return self.at(self.first if place == 0 else last)

    def at(self, place: Term) -> tuple[Number, Choice]:
        """The batches and the mark of one of them."""
        return self.run(place - 1, place), Choice(MARK, z3.simplify(self.marks[place]))

    def run(self, before: Term, place: Term) -> Number:
        """The batches of the epochs after one of them, up to another."""
        return Number(z3.simplify(self.ends[place] - self.ends[before]))

    def _part(self, first: Term, stop: Term) -> Epochs:
        part = Epochs(z3.simplify(SORT.epochs(first, stop, self.ends, self.marks)))
        return part if part else NONE

    def add(self, batches: Any, mark: Any) -> Epochs:
        """With one more at the end."""
        ends = z3.Store(self.ends, self.stop, self.ends[self.stop - 1] + number(batches))
        marks = z3.Store(self.marks, self.stop, choice(MARK, mark))
        return Epochs(z3.simplify(SORT.epochs(self.first, self.stop + 1, ends, marks)))

    def some(self) -> tuple[Any, ...]:
        """An arbitrary one, and the last after it: for what is claimed of each, and not negated."""
        if not Truth(z3.And(self.first <= PLACE, self.stop > PLACE)):
            return ()
        one = self.at(PLACE)
        return (one,) if Truth(self.stop - 1 == PLACE) else (one, self[-1])

    def is_sound(self) -> bool:
        """An empty sequence is NONE, and no part of another has a negative number of batches.

        Tuples have this by themselves; for numbers of batches the solvers need to be given it.
        """
        if not self:
            return bool(self == NONE)
        known = z3.And(self.first - 1 <= BEFORE, BEFORE <= PLACE, self.stop > PLACE)
        return bool(Truth(z3.Or(z3.Not(known), self.run(BEFORE, PLACE).term >= 0)))


class All:
    """All epochs of a sequence as one piece of it. Unpacked, it has the batches of all."""

    def __init__(self, whole: Epochs) -> None:
        self.whole = whole

    def __iter__(self) -> Iterator[Any]:
        yield self.whole.run(self.whole.first - 1, self.whole.stop - 1)
        yield None


NONE = Epochs(
    SORT.epochs(
        *(z3.IntVal(0), z3.IntVal(0)),
        *(z3.Const(f"elsewhere.{part.name()}", part.range()) for part in (SORT.ends, SORT.marks)),
    )
)


def epochs(pieces: Any) -> Epochs:
    """What was put together as `(*later, more)`, or a tuple of values."""
    if isinstance(pieces, Epochs):
        return pieces
    whole, more = NONE, list(pieces)
    if more and isinstance(more[0], All):
        whole = more.pop(0).whole
    for batches, mark in more:
        whole = whole.add(batches, mark)
    return whole


def joined(pieces: tuple[Any, ...]) -> Any:
    """What was put together, as one sequence again if one in symbols is in it."""
    return epochs(pieces) if isinstance(pieces[0], All) else pieces


def everywhere(law: Term, later: Epochs) -> list[Term]:
    """What holds at any places, at those that matter for a step: of the first and of the last."""
    first, last = later.first, later.stop - 1
    matter = (
        (BEFORE, PLACE),
        (BEFORE, last),
        *((first - 1, place) for place in (first, last - 1, last)),
    )
    return [z3.substitute(law, (BEFORE, before), (PLACE, place)) for before, place in matter]


def throughout(law: Term, later: Epochs, length: int) -> list[Term]:
    """That there are that many epochs; what holds at any place, stated at all their places."""
    places = [(before, place) for place in range(length) for before in range(-1, place)]
    at = [((BEFORE, later.first + i), (PLACE, later.first + j)) for i, j in places]
    return [later.length.term == length, *(z3.substitute(law, *pairs) for pairs in at)]


def plain(whole: Epochs, value: Callable[[Term], Term]) -> tuple[tuple[int, Any], ...]:
    """The epochs as the machine has them, where each term has a value."""
    marks = dict(zip(map(str, MARK.terms), MARK.values, strict=True))
    first, stop = (value(place).as_long() for place in (whole.first, whole.stop))
    pairs = (whole.at(z3.IntVal(place)) for place in range(first, stop))
    return tuple((value(size.term).as_long(), marks[str(value(mark.term))]) for size, mark in pairs)


def parsed(text: str) -> Epochs:
    """The epochs that a solver wrote in SMT-LIB."""
    known = z3.parse_smt2_string(
        f"(declare-const it Epochs) (assert (= it {text}))",
        sorts={"Epochs": SORT, "Mark": MARK.sort},
    )
    return Epochs(known[0].arg(1))

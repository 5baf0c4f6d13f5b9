"""A state of the stream with all its history, in symbols: of any size.

The buffer is an interval of batch numbers, and so is what is due to the consumer: beside the
machine runs the oracle itself, `specs/epochs.py`, begun in the middle, and reads each answer of the
source as the machine gets it. That what the consumer sees is due, in order, is refinement. An
answer to a pull that was given up (Die, Drop) reaches neither.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from types import FunctionType
from typing import Any, NamedTuple, get_args

import z3

from kernel import machine
from kernel.machine import INITIAL, Action, Limits, Variables
from specs import epochs as oracle
from specs.epochs import BATCH, END, FAILURE
from specs.properties import Now, advance

from .symbolic import Choice, Kind, Number, Term, Truth, choice, number, truth


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


class Reading(NamedTuple):
    """How far an unbuffered reading of the same answers has come, and what of it was not seen."""

    count: Any = 0  # the oracle's own variables
    yielded: Any = False
    due: Any = Interval(0, 0)  # the batches that it gave and the consumer has not seen
    mark: Any = "nothing"  # what it gave behind them: "nothing", "end", "failure"
    agrees: Any = True  # the consumer has seen nothing but what was due, in order


class Moment(NamedTuple):
    """A state of the stream beside the oracle's."""

    now: Now
    reading: Reading


FIRST = Moment(Now(INITIAL), Reading())


# The oracle, from any of its places. The source stands there already, so nothing is skipped.

EPOCHS = FunctionType(
    oracle.epochs.__code__, {**vars(oracle), "skipped": lambda iterator, count: iterator}
)


class Waits(Exception):
    """The source has not answered yet."""


class Source:
    """A source that has some answers to give: a pass goes on with it, or ends, or raises."""

    def __init__(self, limits: Limits, reading: Reading, answers: tuple[Any, ...]) -> None:
        self.answers = [*reversed(answers)]
        in_pass = Number(number(reading.yielded))  # the oracle asks only whether it is any
        self.events = EPOCHS(lambda: self, limits.epoch_size, reading.count, in_pass)
        self.reading = reading

    def __iter__(self) -> Source:
        return self

    def __next__(self) -> Any:
        if not self.answers:
            found = inspect.getgeneratorlocals(self.events)
            self.reading = self.reading._replace(count=found["count"], yielded=found["yielded"])
            raise Waits
        answer = self.answers.pop()
        if isinstance(answer, BaseException):
            raise answer
        return answer


def read(limits: Limits, reading: Reading, *answers: Any) -> Reading:
    """The oracle reads more answers of the source; what it gives for them is due.

    :param answers: the number of a batch; StopIteration where the pass ends; or another error
    """
    source = Source(limits, reading, answers)
    due, mark = reading.due, reading.mark
    for kind, what in source.events:
        if isinstance(what, Waits):
            return source.reading._replace(due=due, mark=mark)
        if isinstance(what, BaseException) and not any(what is answer for answer in answers):
            raise what
        if mark != "nothing":
            due = replace(due, torn=True)  # something is due behind a mark
        if kind == BATCH:
            due = due.add(what)
        else:
            mark = {END: "end", FAILURE: "failure"}[kind]
    raise AssertionError("the oracle reads for ever")


def see(reading: Reading, kind: str, batch: Any = None) -> Reading:
    """The consumer sees something: a batch, an end or a failure, which should be due."""
    if kind == "batch":
        right = bool(reading.due) and batch == reading.due[0]
        return reading._replace(due=reading.due[1:], agrees=bool(reading.agrees) and bool(right))
    right = not reading.due and reading.mark == kind
    return reading._replace(mark="nothing", agrees=bool(reading.agrees) and bool(right))


def follow(limits: Limits, before: Reading, action: str, then: Now) -> Reading:
    """The reading beside a step of the stream."""
    if action == "Enqueue":
        return read(limits, before, then.pulled)
    if action == "Exhaust":
        return read(limits, before, StopIteration())
    if action in ("Fail", "Bury"):
        return read(limits, before, ChildProcessError())
    if action == "Drop":
        return see(read(limits, before, ChildProcessError()), then.seen)
    if action in ("Dequeue", "EndEpoch", "Raise"):
        return see(before, then.seen, then.taken)
    return before


def go(action: Action, limits: Limits, moment: Moment) -> Moment | None:
    """The moment after an action: the machine's own, with the history and the oracle beside it."""
    now, reading = moment
    state = action(limits, now.state)
    if state is None:
        return None
    then = advance(now, action.__name__, state)
    then = then._replace(batches=interval(then.batches))  # type: ignore[arg-type]
    return Moment(then, follow(limits, reading, action.__name__, then))


# Symbols.

PULLS = [pulls for length in range(3) for pulls in product(("worker", "caller"), repeat=length)]

KINDS = {
    "scope": Kind("Scope", get_args(machine.Scope)),
    "worker": Kind("Worker", get_args(machine.Worker)),
    "consumer": Kind("Consumer", get_args(machine.Consumer)),
    "mark": Kind("Mark", get_args(machine.Mark)),
    "pulls": Kind("Pulls", PULLS),
    "seen": Kind("Seen", ("nothing", "batch", "end", "failure")),
    "reading.mark": Kind("Due", ("nothing", "end", "failure")),
}
TRUTHS = {
    "fetching",
    "begun",
    "yielded",
    "batches.torn",
    "reading.yielded",
    "reading.due.torn",
    "reading.agrees",
}


def flat(moment: Moment) -> dict[str, Any]:
    """All variables of a moment, by names."""
    now, reading = moment
    batches, due = interval(now.batches), interval(reading.due)
    return {
        **now.vars._asdict(),
        **{f"batches.{name}": value for name, value in vars(batches).items()},
        "pulled": now.pulled,
        "taken": now.taken,
        "pulls": now.pulls,
        "seen": now.seen,
        "reading.count": reading.count,
        "reading.yielded": reading.yielded,
        **{f"reading.due.{name}": value for name, value in vars(due).items()},
        "reading.mark": reading.mark,
        "reading.agrees": reading.agrees,
    }


NAMES = tuple(flat(FIRST))


def build(variables: dict[str, Any]) -> Moment:
    """The moment with these variables: the inverse of `flat`."""
    v = variables
    parts = ("first", "length", "torn")
    batches: Any = Interval(*(v[f"batches.{part}"] for part in parts))
    due = Interval(*(v[f"reading.due.{part}"] for part in parts))
    state: Any = tuple(v[name] for name in Variables._fields)
    return Moment(
        Now(state, batches, v["pulled"], v["taken"], v["pulls"], v["seen"]),
        Reading(
            v["reading.count"], v["reading.yielded"], due, v["reading.mark"], v["reading.agrees"]
        ),
    )


def term(name: str, value: Any) -> Term:
    """The value of a variable as a term."""
    if name in KINDS:
        return choice(KINDS[name], value)
    return truth(value) if name in TRUTHS else number(value)


def constant(name: str, suffix: str = "") -> Any:
    """The symbol of a variable."""
    if name in KINDS:
        return Choice(KINDS[name], z3.Const(name + suffix, KINDS[name].sort))
    if name in TRUTHS:
        return Truth(z3.Bool(name + suffix))
    return Number(z3.Int(name + suffix))


LIMITS = Limits(constant("capacity"), constant("epoch_size"))
NOW = build({name: constant(name) for name in NAMES})
THEN = build({name: constant(name, ".next") for name in NAMES})

SIZES = z3.And(number(LIMITS.capacity) >= 0, number(LIMITS.epoch_size) >= 0)
"""What a wrapper may be given; all else is proved."""


def later(formula: Term) -> Term:
    """What is said of NOW, said of THEN."""
    both = zip(flat(NOW).values(), flat(THEN).values(), strict=True)
    return z3.substitute(formula, *((now.term, then.term) for now, then in both))


def equal(moment: Moment, other: Moment) -> Term:
    """Both have the same variables."""
    values = flat(other)
    return z3.And([term(n, v) == term(n, values[n]) for n, v in flat(moment).items()])

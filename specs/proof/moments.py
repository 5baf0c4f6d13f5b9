"""A state of the stream with all its history, in symbols: of any size.

The buffer is an interval of batch numbers with marks between, and so is what is due to the
consumer. The oracle itself (`specs/epochs.py`, begun in the middle) runs beside the machine, and
reads each answer of the source as the machine gets it. Refinement means that the consumer sees what
the oracle says is due, in that order. The answer to a pull that is lost (Die, Drop) reaches
neither.
"""

from __future__ import annotations

import inspect
from itertools import product
from types import FunctionType
from typing import Any, NamedTuple, get_args

import z3

from kernel import machine
from kernel.machine import INITIAL, Action, Limits, Variables
from specs import epochs as oracle
from specs.epochs import BATCH, END, FAILURE
from specs.history import Now, advance

from .sequences import MARK, SORT, Epochs, Interval, epochs, interval, joined
from .symbolic import Choice, Kind, Number, Term, Truth, choice, number, truth


class Reading(NamedTuple):
    """How far an unbuffered reading of the same answers has come, and what of it was not seen."""

    count: Any = 0  # the oracle's own variables
    yielded: Any = False
    due: Any = Interval(0, 0)  # the batches that it gave and the consumer has not seen
    ready: Any = 0  # how many of them are of the epoch that the consumer is in
    mark: Any = "none"  # what it gave after these: "none" yet, "ended", "failed"
    later: Any = ()  # the epochs after that, each with its batches and mark
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
    for kind, what in source.events:
        if isinstance(what, Waits):
            return source.reading
        if isinstance(what, BaseException) and not any(what is answer for answer in answers):
            raise what
        source.reading = give(source.reading, kind, what)
    raise AssertionError("the oracle reads for ever")


MARKS = {END: "ended", FAILURE: "failed"}


def give(reading: Reading, kind: str, what: Any) -> Reading:
    """The oracle gives something, a batch or a mark, after all that is due."""
    if kind == BATCH:
        reading, more, mark = reading._replace(due=reading.due.add(what)), 1, "none"
    else:
        more, mark = 0, MARKS[kind]
    if reading.mark == "none":
        return reading._replace(ready=reading.ready + more, mark=mark)
    others, batches = reading.later, 0
    if others and others[-1][1] == "none":
        others, batches = others[:-1], others[-1][0]
    return reading._replace(later=joined((*others, (batches + more, mark))))


def see(reading: Reading, kind: str, batch: Any = None) -> Reading:
    """The consumer sees something: a batch, an end or a failure, which should be due."""
    some = reading.ready > 0
    if kind == BATCH:
        right = some and batch == reading.due[0]
        reading = reading._replace(due=reading.due[1:], ready=reading.ready - 1)
    else:
        right = not some and reading.mark == MARKS[kind]
        (ready, mark), later = (reading.ready, "none"), reading.later
        if later:
            (ready, mark), later = later[0], later[1:]
        reading = reading._replace(ready=ready, mark=mark, later=later)
    return reading._replace(agrees=bool(reading.agrees) and bool(right))


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
    "mark": MARK,
    "pulls": Kind("Pulls", PULLS),
    "seen": Kind("Seen", ("nothing", "batch", "end", "failure")),
    "reading.mark": MARK,
}
SEQUENCES = {"later", "reading.later"}


INTERVALS = ("batches", "reading.due")


def variables(moment: Moment) -> dict[str, Any]:
    """All variables of a moment, by names."""
    now, reading = moment
    history = {name: value for name, value in now._asdict().items() if name != "state"}
    read = {f"reading.{name}": value for name, value in reading._asdict().items()}
    return {**now.vars._asdict(), **history, **read}


def flat(moment: Moment) -> dict[str, Any]:
    """The same with a variable for each part of an interval."""
    found: dict[str, Any] = {}
    for name, value in variables(moment).items():
        parts = vars(interval(value)) if name in INTERVALS else {}
        found |= {f"{name}.{part}": known for part, known in parts.items()} or {name: value}
    return found


NAMES = tuple(flat(FIRST))
TRUTHS = {
    name
    for name, value in {**Limits._field_defaults, **flat(FIRST)}.items()
    if isinstance(value, bool)
}


def build(values: dict[str, Any]) -> Moment:
    """The moment with these variables: the inverse of `flat`."""
    known = {**values, "state": tuple(values[name] for name in Variables._fields)}
    for name in INTERVALS:
        parts = (values[f"{name}.{part}"] for part in ("first", "length", "torn"))
        known[name] = Interval(*parts)
    return Moment(
        Now(*(known[name] for name in Now._fields)),
        Reading(*(known[f"reading.{name}"] for name in Reading._fields)),
    )


def term(name: str, value: Any) -> Term:
    """The value of a variable as a term."""
    if name in KINDS:
        return choice(KINDS[name], value)
    if name in SEQUENCES:
        return epochs(value).term
    return truth(value) if name in TRUTHS else number(value)


def constant(name: str, suffix: str = "") -> Any:
    """The symbol of a variable."""
    if name in KINDS:
        return Choice(KINDS[name], z3.Const(name + suffix, KINDS[name].sort))
    if name in SEQUENCES:
        return Epochs(z3.Const(name + suffix, SORT))
    if name in TRUTHS:
        return Truth(z3.Bool(name + suffix))
    return Number(z3.Int(name + suffix))


LIMITS = Limits(*(constant(name) for name in Limits._fields))
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

"""The proofs are about what runs: a formula, evaluated, gives what the machine gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any, get_args

import pytest
import z3
from z3 import z3util

from kernel import machine
from kernel.machine import ACTIONS, Action, Later, Limits, State, Variables, in_later
from specs.epochs import FAILURE, epochs
from specs.graph import explore
from specs.history import Now, advance
from specs.proof.laws import LEMMAS
from specs.proof.moments import (
    FIRST,
    MARKS,
    NAMES,
    NOW,
    SEQUENCES,
    THEN,
    Moment,
    Reading,
    build,
    flat,
    go,
    read,
    see,
    term,
)
from specs.proof.obligations import RESTS, invariant, said, step, table
from specs.proof.sequences import BEFORE, PLACE, Epochs, Interval
from specs.proof.sequences import plain as plain_epochs
from specs.proof.solve import plain
from specs.proof.symbolic import Number, Path, Truth
from specs.properties import ENABLEDNESS, FAIR, INVARIANTS, STEPS

from ..support.mutants import MUTANTS, broken_actions

SIZED = [Limits(0, 2), Limits(1, 0, True)]

Term = Any


Values = dict[str, Term]


def constants(limits: Limits, now: Moment, then: Moment | None = None) -> Values:
    """The value of each symbol, by names."""
    found = {name: term(name, value) for name, value in limits._asdict().items()}
    for symbols, values in ((NOW, now), (THEN, then)):
        if values is not None:
            known = flat(values)
            suffix = ".next" if symbols is THEN else ""
            found |= {name + suffix: constant(name, python(known[name])) for name in NAMES}
    return found


@cache
def constant(name: str, value: Any) -> Term:
    """The value of a variable as a term."""
    return term(name, value)


def at(formula: Term, values: Values) -> Term:
    """The value of a term; what depends on the same values is asked once."""
    occur = occurring(formula.get_id(), formula)
    symbols = {name: symbol for name, symbol in occur.items() if name in values}
    key = (formula.get_id(), *(values[name].get_id() for name in symbols))
    if key not in ASKED:
        pairs = [(symbol, values[name]) for name, symbol in symbols.items()]
        ASKED[key] = (z3.simplify(z3.substitute(formula, *pairs)), formula, values)
    return ASKED[key][0]


ASKED: dict[tuple[int, ...], tuple[Any, ...]] = {}  # with the terms, which keep their numbers


@cache
def occurring(number: int, formula: Term) -> dict[str, Term]:
    """The symbols in a term, by names."""
    return {str(symbol): symbol for symbol in z3util.get_vars(formula)}


def true(formula: Term, values: Values, *moments: Moment) -> bool:
    """Whether a formula is true, at all places of the later epochs."""
    length = max(len(moment.now.vars.later) for moment in moments)
    places = [(before, place) for place in range(length) for before in range(-1, place)]
    pairs = (map(z3.IntVal, pair) for pair in places or [(0, 0)])
    return all(
        z3.is_true(at(formula, {**values, str(BEFORE): before, str(PLACE): place}))
        for before, place in pairs
    )


def value(name: str, term: Term, values: Values) -> Any:
    """The value of a variable, where its symbols have these: as it can be compared."""
    found = at(term, values)
    return plain_epochs(Epochs(found), z3.simplify) if name in SEQUENCES else str(found)


def taken(found: list[Path[Any]], values: Values) -> Path[Any]:
    """The one path that is taken with these values."""
    chosen = [
        path
        for path in found
        if all(z3.is_true(at(asked, values)) is answer for asked, answer in path.forks)
    ]
    assert len(chosen) == 1
    return chosen[0]


def moment(state: State, **others: Any) -> Moment:
    """A moment with this state of the machine, and else as it is at first."""
    variables = {**flat(FIRST), **Variables(*state)._asdict(), **others}
    return build({name: variables[name] for name in NAMES})


# That it is about what runs.


@pytest.mark.parametrize("limits", SIZED, ids=str)
def test_paths_are_the_machines(limits: Limits) -> None:
    """In every state of the bounded models exactly one path is taken, and does what is done."""
    edges = explore(limits, 1)
    steps = {(state, name): then for state, name, then in edges}
    for state in {state for state, _, _ in edges}:
        values = constants(limits, moment(state))
        for action in ACTIONS:
            then = action(limits, state)
            if then is None or Variables(*then).permits <= 1:
                assert steps.get((state, action.__name__)) == then
            same_step(action, values, then)


def same_step(action: Action, values: Values, then: State | None) -> None:
    result = taken(table(action).found, values).result
    assert (result is None) == (then is None)
    assert z3.is_true(at(table(action).enabled, values)) == (then is not None)
    if result is not None and then is not None:
        for name, symbol, real in zip(Variables._fields, result, then, strict=True):
            assert value(name, term(name, symbol), values) == value(name, term(name, real), {})


LATER: list[Later] = [
    *[()] * 6,
    *(((1, "ended"),), ((1, "none"),), ((0, "failed"),)),
    *(((2, "ended"), (1, "none")), ((1, "none"), (-1, "ended")), ((0, "ended"), (3, "ended"))),
    ((1, "ended"), (100, "ended"), (2, "ended"), (0, "failed")),
]


def random_states(count: int) -> Iterator[tuple[Limits, State]]:
    """States of large wrappers, of which most are never reached."""
    random = Random(0)
    for _ in range(count):
        sizes = random.choice((0, 1, 64, 10**6)), random.choice((0, 1, 10_000, 10**9))
        limits = Limits(*sizes, random.random() < 0.5)
        edge = random.choice((0, 1, limits.capacity - 1, limits.capacity, 10**7))
        number = random.choice((0, 1, limits.epoch_size - 1, limits.epoch_size, 10**10))
        yield (
            limits,
            (
                random.choice(get_args(machine.Scope)),
                random.choice((0, 1, 10**6)),
                random.choice(get_args(machine.Consumer)),
                edge,
                random.choice(get_args(machine.Mark)),
                random.choice(LATER),
                random.choice(get_args(machine.Worker)),
                random.random() < 0.5,
                random.random() < 0.5,
                number,
                random.random() < 0.5,
            ),
        )


def test_paths_are_the_machines_in_large_states() -> None:
    """In any state, reached or not, exactly one path is taken, and does what is done."""
    for limits, state in random_states(150):
        values = constants(limits, moment(state))
        for action in ACTIONS:
            same_step(action, values, action(limits, state))


RUNS = [Limits(0, 3), Limits(64, 100), Limits(9, 2, True)]


@pytest.mark.parametrize("limits", RUNS, ids=str)
def test_history_is_that_of_the_machine(limits: Limits) -> None:
    """Along random runs the relation knows each step with its history, and the invariant holds."""
    random = Random(0)
    now = FIRST
    fired = set()
    real = Now(FIRST.now.state)
    for number in range(250):
        enabled = [a for a in ACTIONS if a(limits, now.now.state) is not None]
        new = [a for a in enabled if a.__name__ not in fired]
        rare = [a for a in enabled if a.__name__ != "Die"] if random.random() < 0.9 else enabled
        action = random.choice(new or rare + [a for a in rare if a.__name__ in FAIR] * 3)
        then = go(action, limits, now)
        assert then is not None
        fired.add(action.__name__)
        real = advance(real, action.__name__, then.now.state)
        then = known(then)
        assert plain(then.now) == real
        values = constants(limits, now)
        result = flat(taken(step(action), values).result)
        for name, reached in flat(then).items():
            reached_value = value(name, term(name, reached), {})
            assert value(name, term(name, result[name]), values) == reached_value
        now = then
        if number % 40 == 0:
            assert true(invariant(), constants(limits, now), now)
    never = {"Start", "Halt", "Die", "Bury"} if limits.capacity == 0 else set()
    assert fired == {a.__name__ for a in ACTIONS} - never


def python(value: Any) -> Any:
    """The value of a symbol that is a constant."""
    if isinstance(value, Number):
        return z3.simplify(value.term).as_long()
    return bool(value) if isinstance(value, Truth) else value


def known(moment: Moment) -> Moment:
    """The moment with values for symbols that are constants."""
    return build({name: python(value) for name, value in flat(moment).items()})


def random_moments(count: int) -> Iterator[tuple[Limits, Moment]]:
    """Moments of which some satisfy a property, and some do not."""
    random = Random(1)
    for limits, state in random_states(count):
        first, ready = random.choice((0, 5)), max(0, min(state[3], 9))
        length = max(0, ready + in_later(state[5]))
        buffered = random.choice((length, length + 1))
        yield (
            limits,
            moment(
                (*state[:3], ready, *state[4:]),
                **{"batches.first": first + 1, "batches.length": buffered},
                pulled=first + random.choice((length, buffered)),
                taken=random.choice((first, first, first + 1)),
                pulls=random.choice(((), ("worker",), ("caller",), ("worker", "caller"))),
                seen=random.choice(("end", "failure")),
            ),
        )


@pytest.mark.parametrize("name", sorted(RESTS - {"Refines"}))
def test_formulas_are_the_properties_of_states(name: str) -> None:
    """As a formula a property says of any moment what it says in Python."""
    law = {**INVARIANTS, **LEMMAS}[name]
    formula = said(law, NOW.now)
    found = set()
    for limits, now in random_moments(50):
        holds = law(plain(now.now), limits)
        assert true(formula, constants(limits, now), now) == holds
        found.add(holds)
    assert found == {True, False}


@pytest.mark.parametrize("name", STEPS)
def test_formulas_are_the_properties_of_steps(name: str) -> None:
    """The same of any pair of moments, be it a step or not."""
    law = STEPS[name]
    formula = said(law, NOW.now, THEN.now)
    found = set()
    for (limits, now), (_, other) in itertools.pairwise(random_moments(50)):
        steps = [go(a, limits, now) for a in ACTIONS if len(now.now.pulls) < 2]
        for then in [other, *filter(None, steps)][:4]:
            values = constants(limits, now, then)
            holds = law(plain(now.now), plain(known(then).now), limits)
            assert true(formula, values, now, known(then)) == holds
            found.add(holds)
    assert found == {True, False}


@pytest.mark.parametrize("name", ENABLEDNESS)
def test_formulas_are_the_properties_of_what_can_be_done(name: str) -> None:
    """The same of the states that are reached, of the machine and of a broken one."""
    found = set()
    for actions in (ACTIONS, broken_actions(MUTANTS[name])):
        formula = said(ENABLEDNESS[name], NOW.now, actions=actions, known=invariant())
        for limits in (Limits(0, 2), Limits(2, 0), Limits(1, 0, True)):
            for state in {state for state, _, _ in explore(limits, 1)}:
                holds = ENABLEDNESS[name](Now(state), limits, actions)
                assert true(formula, constants(limits, moment(state)), moment(state)) == holds
                found.add(holds)
    assert found == {True, False}


# The oracle, begun in the middle.


@pytest.mark.parametrize("size", range(4))
def test_oracle_is_read_answer_by_answer(size: int) -> None:
    """That gives what the oracle gives when it is read from the start."""
    answers = ("batch", StopIteration, ChildProcessError)
    for kinds in itertools.product(answers, repeat=5):
        given = [number if kind == "batch" else kind() for number, kind in enumerate(kinds, 1)]
        reading, events = Reading(), []
        for answer in given:
            reading = read(Limits(2, size), reading, answer)
            first, length = python(reading.due.first), python(reading.due.length)
            events += [("batch", number) for number in range(first, first + length)]
            events += [(KINDS[mark], None) for mark in marks(reading)]
            reading = reading._replace(due=Interval(0, 0), ready=0, mark="none", later=())
        assert events == whole(given, size)


KINDS = {mark: kind for kind, mark in MARKS.items()}


def marks(reading: Reading) -> list[str]:
    """The marks of what is due."""
    found = [reading.mark, *(mark for _, mark in reading.later)]
    return [mark for mark in found if mark != "none"]


def whole(answers: list[Any], size: int) -> list[tuple[str, Any]]:
    """What the oracle gives until it asks for more."""
    left = list(answers)

    class Source:
        def __iter__(self) -> Source:
            return self

        def __next__(self) -> Any:
            answer = left.pop(0) if left else EOFError()
            if isinstance(answer, BaseException):
                raise answer
            return answer

    events = []
    for kind, what in epochs(Source, size):
        if isinstance(what, EOFError):
            return events
        events.append((kind, None if kind == FAILURE else what))
    raise AssertionError


@pytest.mark.parametrize("size", range(4))
def test_oracle_is_read_ahead(size: int) -> None:
    """All that it gives is due in its order, whenever it is seen, and nothing else is."""
    random = Random(size)
    for _ in range(60):
        kinds = random.choices(("batch", StopIteration, ChildProcessError), (5, 2, 1), k=9)
        numbers = itertools.count(1)
        given = [next(numbers) if kind == "batch" else kind() for kind in kinds]
        reading, due = Reading(), whole(given, size)
        for answer in given:
            reading = read(Limits(9, size), reading, answer)
        for kind, batch in due:
            wrong = {"batch": "end", "end": "failure", "failure": "end"}[kind]
            assert bool(see(reading, wrong).agrees) is False
            assert bool(see(reading, "batch", 10).agrees) is False
            reading = see(reading, kind, batch)
            assert bool(reading.agrees) is True
        assert not reading.due
        assert (python(reading.ready), reading.mark, reading.later) == (0, "none", ())

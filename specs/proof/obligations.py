"""What there is to prove: an obligation for each property and action, which the solver must refute.

The invariant is all properties of states, the lemmas and the correspondence with the oracle. An
obligation is the negation of what is proved: from any moment that satisfies the invariant, the
action leads to one that violates the property.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from functools import lru_cache
from types import FunctionType
from typing import Any, NamedTuple

import z3

from kernel.machine import ACTIONS, Action, State, Variables
from specs.properties import ENABLEDNESS, INVARIANTS, LIVENESS, STEPS

from .laws import LEMMAS, MEASURES, Refines, helps
from .moments import (
    FIRST,
    LIMITS,
    NOW,
    SIZES,
    THEN,
    between,
    equal,
    interval,
    later,
    step,
    term,
)
from .symbolic import Path, Term, Truth, every, formula, number, paths, some, value

INIT = "Init"  # the column of the initial state
CAN = "can"  # the column of what somebody can do

PROPERTIES = (*INVARIANTS, *LEMMAS, *STEPS, *LIVENESS, "Refines")
"""The rows of the table."""

RESTS = frozenset((*INVARIANTS, *LEMMAS, "Refines")) - ENABLEDNESS.keys()
"""The parts of the invariant, on which all rest."""


class Obligation(NamedTuple):
    """One cell of the table."""

    property: str
    column: str  # an action, INIT or CAN
    violation: Term  # of NOW and THEN: what is satisfiable if the property fails there
    actions: tuple[Action, ...]  # of the machine that it is about


class Table:
    """An action as the properties may call it: what it does, on which condition."""

    def __init__(self, action: Action) -> None:
        self.__name__ = action.__name__
        found: list[Path[State | None]] = list(paths(lambda: action(LIMITS, NOW.now.state), SIZES))
        self.results = [(path.condition, path.result) for path in found if path.result is not None]
        self.enabled = z3.simplify(z3.Not(z3.Or([p.condition for p in found if p.result is None])))

    def __call__(self, limits: Any, state: Any) -> Outcome:
        if limits is not LIMITS or state is not NOW.now.state:
            raise ValueError("a table is about one state")
        return Outcome(self)


class Outcome:
    """What a `Table` returns: a state, or None, whichever it turns out to be."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __bool__(self) -> bool:
        return bool(Truth(self.table.enabled))

    def __eq__(self, other: object) -> Any:
        if other is None:
            return Truth(z3.Not(self.table.enabled))
        if not isinstance(other, tuple):
            return NotImplemented
        return Truth(some(every([c, *_same(s, other)]) for c, s in self.table.results))

    __hash__ = None  # type: ignore[assignment]


def _same(state: Any, other: Any) -> Iterator[Term]:
    for name, left, right in zip(Variables._fields, state, other, strict=True):
        yield term(name, left) == term(name, right)


table = lru_cache(Table)
stepped = lru_cache(step)


def relation(action: Action) -> Term:
    """The action leads from NOW to THEN."""
    taken = (p for p in stepped(action) if p.result is not None)
    return some(every([p.condition, equal(THEN, p.result)]) for p in taken)


def on_symbols(predicate: Callable[..., Any], actions: Iterable[Action]) -> Callable[..., Any]:
    """The same code, with the functions and actions that it calls taking symbols."""
    tables = tuple(table(action) for action in actions)
    names = {
        "isinstance": lambda value, kind: isinstance(value, Truth | kind),
        "range": between,
        "tuple": interval,
        "ACTIONS": tuple(table(action) for action in ACTIONS),
    }
    code, known = predicate.__code__, predicate.__globals__
    defaults = predicate.__defaults__ and (tables,)
    return FunctionType(code, {**known, **names}, predicate.__name__, defaults)


def state_formula(predicate: Callable[..., Any], assumption: Term = SIZES) -> Term:
    return formula(lambda: on_symbols(predicate, ())(NOW.now, LIMITS), assumption)


@lru_cache
def invariants() -> dict[str, Term]:
    """The parts of the invariant, said of NOW."""
    said = {
        name: state_formula(predicate)
        for name, predicate in {**INVARIANTS, **LEMMAS}.items()
        if name not in ENABLEDNESS
    }
    said["Refines"] = formula(lambda: Refines(NOW, LIMITS), SIZES)
    return said


@lru_cache
def invariant() -> Term:
    """All that holds of every moment NOW, of every size."""
    return z3.And(SIZES, *invariants().values())


@lru_cache
def steps() -> dict[str, Term]:
    """The properties of steps, said of NOW and THEN; `Implements` is about the real machine."""
    return {
        name: formula(lambda p=p: on_symbols(p, ACTIONS)(NOW.now, THEN.now, LIMITS), SIZES)
        for name, p in STEPS.items()
    }


def possible(name: str, actions: tuple[Action, ...]) -> Term:
    """A property of what can be done, said of NOW, if that satisfies the invariant."""
    return formula(
        lambda: on_symbols(ENABLEDNESS[name], actions)(
            NOW.now,
            LIMITS,
        ),
        invariant(),
    )


class _Pending(NamedTuple):
    pending: Term
    concluded: Term
    number: Term
    helpers: dict[str, Term]  # when who is the helper


@lru_cache
def pending(name: str) -> _Pending:
    """The parts of a law of liveness, said of NOW."""
    law, measure = LIVENESS[name], MEASURES[name]
    premise = formula(lambda: law.premise(NOW.now, LIMITS), SIZES)
    concluded = formula(lambda: law.conclusion(NOW.now, LIMITS), SIZES)
    helpers: dict[str, Term] = {}
    for path in paths(lambda: measure.helper(NOW.now), SIZES):
        helpers[path.result] = z3.Or(path.condition, helpers.get(path.result, False))
    return _Pending(
        z3.And(premise, z3.Not(concluded)),
        concluded,
        value(lambda: measure.number(NOW.now), number),
        helpers,
    )


def progress(name: str, action: str) -> Term:
    """The step concludes, or goes on pending as the measure wants it."""
    law = pending(name)
    falls = later(law.number) < law.number
    keeps = z3.And(
        later(law.number) == law.number,
        *(
            z3.Not(now) if action in helps(helper) else z3.Implies(now, later(now))
            for helper, now in law.helpers.items()
        ),
    )
    return z3.Or(later(law.concluded), z3.And(later(law.pending), z3.Or(falls, keeps)))


def helped(name: str, actions: tuple[Action, ...]) -> Term:
    """The measure is natural, and its helper can move."""
    law = pending(name)
    enabled = {action.__name__: table(action).enabled for action in actions}
    able = [
        z3.Implies(now, z3.Or([enabled[action] for action in helps(helper)]))
        for helper, now in law.helpers.items()
    ]
    return z3.Implies(law.pending, z3.And(law.number >= 0, *able))


def obligations(
    actions: tuple[Action, ...] = ACTIONS, names: Container[str] = PROPERTIES
) -> Iterator[Obligation]:
    """All that there is to prove of a machine, row by row, of the properties with these names."""
    for name in PROPERTIES:
        if name not in names:
            continue
        if name in RESTS:
            yield from inductive(name, invariants()[name], z3.BoolVal(True), actions)
        elif name in ENABLEDNESS:
            yield from inductive(name, possible(name, actions), invariant(), actions)
        elif name in STEPS:
            for action in actions:
                wrong = z3.And(came(action), z3.Not(steps()[name]))
                yield Obligation(name, action.__name__, wrong, actions)
        else:
            missing = z3.And(invariant(), z3.Not(helped(name, actions)))
            yield Obligation(name, CAN, missing, actions)
            for action in actions:
                goes = z3.Implies(pending(name).pending, progress(name, action.__name__))
                wrong = z3.And(came(action), z3.Not(goes))
                yield Obligation(name, action.__name__, wrong, actions)


def inductive(
    name: str, law: Term, known: Term, actions: tuple[Action, ...]
) -> Iterator[Obligation]:
    """A property of states holds at first, and every step keeps it."""
    yield Obligation(name, INIT, z3.And(SIZES, equal(NOW, FIRST), z3.Not(law)), actions)
    for action in actions:
        wrong = z3.And(came(action), later(known), z3.Not(later(law)))
        yield Obligation(name, action.__name__, wrong, actions)


@lru_cache
def came(action: Action) -> Term:
    """The action leads from NOW, where the invariant holds, to THEN."""
    return z3.And(invariant(), relation(action))

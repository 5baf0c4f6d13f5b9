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

from kernel.machine import ACTIONS, Action, Variables
from specs import history
from specs.history import Now, are_epochs, are_whole
from specs.properties import ENABLEDNESS, INVARIANTS, LIVENESS, STEPS, is_fair

from .laws import HELPERS, LEMMAS, MEASURES, Refines, helps
from .moments import FIRST, LIMITS, NOW, SIZES, THEN, Moment, equal, go, later, term
from .sequences import between, everywhere, interval
from .symbolic import Path, Term, Truth, formula, number, paths, tree

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
    actions: tuple[Action, ...] = ACTIONS  # of the machine that it is about


class Table:
    """An action as the properties may call it: what it does, on which condition."""

    def __init__(self, action: Action) -> None:
        self.__name__ = action.__name__
        self.known: dict[int, tuple[Any, Term]] = {}
        self.found = list(paths(lambda: action(LIMITS, NOW.now.state), SIZES))
        self.enabled = z3.simplify(tree(self.found, lambda state: z3.BoolVal(state is not None)))
        self.disabled = z3.simplify(z3.Not(self.enabled))

    def __call__(self, limits: Any, state: Any) -> Outcome:
        """What the action gives for NOW."""
        if limits is not LIMITS or state is not NOW.now.state:
            raise ValueError("a table is about one state")
        return Outcome(self)

    def leads(self, state: Any) -> Term:
        """The action gives this state."""
        key = id(state)  # symbols have no hash; the state is kept, so that no other has its id
        if key not in self.known:
            term = tree(self.found, lambda found: same(found, state))
            self.known[key] = (state, z3.simplify(term))
        return self.known[key][1]


class Outcome:
    """What a `Table` returns: a state, or None, whichever it turns out to be."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __bool__(self) -> bool:
        return bool(Truth(self.table.enabled))

    def __eq__(self, other: object) -> Any:
        if other is None:
            return Truth(self.table.disabled)
        if not isinstance(other, tuple):
            return NotImplemented
        return Truth(self.table.leads(other))

    __hash__ = None  # type: ignore[assignment]


def same(state: Any, other: Any) -> Term:
    """Both are the same state of the machine."""
    if state is None:
        return z3.BoolVal(False)
    both = zip(Variables._fields, state, other, strict=True)
    return z3.And([term(name, left) == term(name, right) for name, left, right in both])


table = lru_cache(Table)


@lru_cache
def step(action: Action) -> list[Path[Moment | None]]:
    """What an action does to NOW where the invariant holds; None where it is not enabled."""
    return list(paths(lambda: go(action, LIMITS, NOW), invariant()))


@lru_cache
def came(action: Action) -> Term:
    """The action leads from NOW, where the invariant holds, to THEN."""
    never = z3.BoolVal(False)
    leads = tree(step(action), lambda then: never if then is None else equal(THEN, then))
    return z3.And(invariant(), z3.simplify(leads))


def at_once(predicate: Callable[..., Any]) -> Callable[..., Truth]:
    """A property of epochs as one symbol: a caller of it branches on none of its cases."""
    known: dict[int, tuple[Any, Truth]] = {}  # by id, since symbols have no hash

    def said(later: Any, *limits: Any) -> Truth:
        if id(later) not in known:
            term = formula(lambda: predicate(later, *limits), SIZES)
            known[id(later)] = (later, Truth(term))
        return known[id(later)][1]

    return said


def on_symbols(predicate: Callable[..., Any], actions: Iterable[Action]) -> Callable[..., Any]:
    """The code of a property, where what it calls can do with symbols: the actions too."""
    names = {**vars(history), **predicate.__globals__}
    known = {
        **names,
        "isinstance": lambda value, kind: isinstance(value, Truth | kind),
        "range": between,
        "tuple": interval,
        "ACTIONS": tuple(table(action) for action in ACTIONS),
        "size": lambda later: later.length,
        "are_epochs": at_once(
            lambda later, limits: later.is_sound() and are_epochs(later.some(), limits)
        ),
        "are_whole": at_once(lambda later: are_whole(later.some())),
    }
    for name, called in names.items():
        if known[name] is called and isinstance(called, FunctionType):
            known[name] = FunctionType(called.__code__, known, name, called.__defaults__)
    asked = tuple(table(action) for action in actions)
    defaults = (asked,) if predicate.__defaults__ else None
    return FunctionType(predicate.__code__, known, predicate.__name__, defaults)


def said(
    predicate: Callable[..., Any],
    *moments: Now,
    actions: Iterable[Action] = (),
    known: Term = SIZES,
) -> Term:
    """A property of moments as a term, where what is known holds."""
    run = on_symbols(predicate, actions)
    return formula(lambda: run(*moments, LIMITS), known)


@lru_cache
def invariants() -> dict[str, Term]:
    """The parts of the invariant, said of NOW."""
    laws = {**INVARIANTS, **LEMMAS}
    found = {name: said(law, NOW.now) for name, law in laws.items() if name in RESTS}
    return {**found, "Refines": formula(lambda: Refines(NOW, LIMITS), SIZES)}


@lru_cache
def invariant() -> Term:
    """All that holds of every moment NOW, of every size."""
    ahead: Any = NOW.now.vars.later
    found = (everywhere(law, ahead) for law in invariants().values())
    return z3.And(SIZES, *dict.fromkeys(part for parts in found for part in parts))


@lru_cache
def steps() -> dict[str, Term]:
    """The properties of steps, said of NOW and THEN; `Implements` is about the real machine."""
    return {name: said(law, NOW.now, THEN.now) for name, law in STEPS.items()}


class _Pending(NamedTuple):
    pending: Term
    concluded: Term
    number: Term
    helpers: dict[str, Term]  # the condition under which each is the helper


@lru_cache
def pending(name: str) -> _Pending:
    """The parts of a law of liveness, said of NOW."""
    law, measure = LIVENESS[name], MEASURES[name]
    concluded = said(law.conclusion, NOW.now)
    return _Pending(
        z3.And(said(law.premise, NOW.now), z3.Not(concluded)),
        concluded,
        tree(list(paths(lambda: measure.number(NOW.now), SIZES)), number),
        {
            helper: formula(lambda helper=helper: measure.helper(NOW.now) == helper, SIZES)  # type: ignore[misc]
            for helper in HELPERS
        },
    )


@lru_cache
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


@lru_cache
def fair(action: str) -> Term:
    """The action comes, if it stays enabled."""
    return formula(lambda: is_fair(action, NOW.now, LIMITS), SIZES)


def helped(name: str, actions: tuple[Action, ...]) -> Term:
    """The measure is natural, and its helper can move."""
    law = pending(name)
    enabled = {
        action.__name__: z3.And(table(action).enabled, fair(action.__name__)) for action in actions
    }
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
            law = ENABLEDNESS[name]
            can = said(law, NOW.now, actions=actions, known=invariant())
            yield from inductive(name, can, invariant(), actions)
        elif name in STEPS:
            for action in actions:
                wrong = z3.And(came(action), z3.Not(steps()[name]))
                yield Obligation(name, action.__name__, wrong, actions)
        else:
            missing = z3.And(invariant(), z3.Not(helped(name, actions)))
            yield Obligation(name, CAN, missing, actions)
            disturbing = LIVENESS[name].undisturbed
            for action in (a for a in actions if a.__name__ not in disturbing):
                goes = z3.Implies(pending(name).pending, progress(name, action.__name__))
                wrong = z3.And(came(action), z3.Not(goes))
                yield Obligation(name, action.__name__, wrong, actions)


def inductive(
    name: str, law: Term, known: Term, actions: tuple[Action, ...]
) -> Iterator[Obligation]:
    """A property of states holds at first, and every step keeps it."""
    yield Obligation(name, INIT, z3.And(SIZES, equal(NOW, FIRST), z3.Not(law)), actions)
    wrong = later(z3.And(known, z3.Not(law)))
    for action in actions:
        yield Obligation(name, action.__name__, z3.And(came(action), wrong), actions)

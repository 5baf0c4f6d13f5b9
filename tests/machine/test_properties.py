"""The machine has the properties at small bounds, and each fails on a broken machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest

from kernel.machine import ACTIONS, INITIAL, Action, Limits
from specs import properties
from specs.graph import explore
from specs.history import Now, advance
from specs.properties import ENABLEDNESS, INVARIANTS, LIVENESS, STEPS, LeadsTo, is_fair

from ..support.lookahead import LOOKAHEAD
from ..support.mutants import MUTANTS, broken_actions
from ..support.walks import SELDOM_AHEAD, Walk

LIMITS = [Limits(capacity, size) for capacity in range(4) for size in range(4)]
AHEAD = [Limits(capacity, size, True) for capacity in range(3) for size in range(4)]
PULLED = 4  # a bound on the numbers of batches, which the model wraps around
WALKS = 25  # at random, for what the consumer sees


def steps(limits: Limits, actions: Iterable[Action]) -> Iterator[tuple[Now, str, Now]]:
    """All steps with their history, from the initial state, of up to PULLED batches."""
    chosen = tuple(actions)
    found = {Now(INITIAL)}
    todo = [Now(INITIAL)]
    while todo:
        now = todo.pop()
        for action in chosen:
            state = action(limits, now.state)
            if state is None:
                continue
            then = advance(now, action.__name__, state)
            if then.vars.permits > 1 or then.pulled > PULLED or len(then.pulls) > 2:
                continue
            yield now, action.__name__, then
            if then not in found:
                found.add(then)
                todo.append(then)


def violated(name: str, limits: Limits, actions: Iterable[Action]) -> bool:
    """Whether the property fails somewhere."""
    return name in all_violated([name], limits, tuple(actions))


def all_violated(names: Iterable[str], limits: Limits, actions: tuple[Action, ...]) -> set[str]:
    """Which of the properties fail somewhere. All steps are taken once, for all of them."""
    left, failed = set(names), set[str]()
    of_steps = {name: STEPS[name] for name in left & STEPS.keys()}
    of_states = {name: INVARIANTS[name] for name in left & INVARIANTS.keys() - ENABLEDNESS.keys()}
    can = {name: ENABLEDNESS[name] for name in left & ENABLEDNESS.keys()}
    if of_steps or of_states or can:
        seen = set[Now]()
        for now, _, then in steps(limits, actions):
            failed |= {name for name, law in of_steps.items() if not law(now, then, limits)}
            if then not in seen:
                seen.add(then)
                failed |= {name for name, law in of_states.items() if not law(then, limits)}
                failed |= {name for name, law in can.items() if not law(then, limits, actions)}
            if failed == left:
                return failed
    failed |= {n for n in left & LIVENESS.keys() if not leads(LIVENESS[n], limits, actions)}
    if "Refines" in left and not all(refines(Random(n), limits, actions) for n in range(WALKS)):
        failed.add("Refines")
    return failed


def leads(law: LeadsTo, limits: Limits, actions: Iterable[Action]) -> bool:
    """Whether the worker and the source alone always come from the premise to the conclusion.

    That is stronger than what TLC checks, where others may act in between, and needs no fairness.
    """
    edges = explore(limits, 1, actions)
    states = {state for before, _, after in edges for state in (before, after)}
    fair: dict[Any, list[Any]] = {state: [] for state in states}
    for before, name, after in edges:
        if is_fair(name, Now(before), limits):
            fair[before].append(after)
    arrived = {s for s in states if law.conclusion(Now(s), limits)}
    while True:
        more = {
            s for s in states - arrived if fair[s] and all(after in arrived for after in fair[s])
        }
        if not more:
            break
        arrived |= more
    return all(s in arrived for s in states if law.premise(Now(s), limits))


def refines(random: Random, limits: Limits, actions: tuple[Action, ...]) -> bool:
    """Whether a random walk shows the consumer what the oracle shows."""
    walk = Walk()
    for _ in range(200):
        now = walk.now
        enabled = [(a.__name__, s) for a in actions if (s := a(limits, now.state))]
        often = [step for step in enabled if step[0] not in SELDOM_AHEAD]
        name, state = random.choice(enabled + often * 3 * limits.lookahead)
        walk.take(name, advance(now, name, state))
    return walk.refines(limits)


NAMES = [*INVARIANTS, *STEPS, *LIVENESS, "Refines"]


@pytest.mark.parametrize("limits", LIMITS + AHEAD, ids=str)
def test_holds_of_the_machine(limits: Limits) -> None:
    """Every property holds of the machine, at every size of the models."""
    assert all_violated(NAMES, limits, ACTIONS) == set()


@pytest.mark.parametrize("name", NAMES)
def test_fails_on_its_mutant(name: str) -> None:
    """Every property fails on a machine broken for it, in at least one of the sizes."""
    broken = broken_actions(MUTANTS[name])
    assert any(violated(name, limits, broken) for limits in LIMITS)


@pytest.mark.parametrize("name", LOOKAHEAD)
def test_lookahead_that_is_broken_fails(name: str) -> None:
    """A machine that looks past an epoch, and goes wrong there, violates a property."""
    mutant = LOOKAHEAD[name]
    broken = broken_actions(mutant)
    far = [Limits(3, 1, True), Limits(3, 2, True), *AHEAD]
    assert any(violated(mutant.violated, limits, broken) for limits in far)


def test_every_property_has_a_mutant() -> None:
    """No property goes without a machine that it refuses."""
    assert set(MUTANTS) == set(NAMES)


def test_actions_leave_their_argument_alone() -> None:
    """Actions are pure: the same state gives the same answer, and a state is a tuple."""
    for (state, name, then), action in itertools.product(explore(Limits(2, 2), 1), ACTIONS):
        if action.__name__ == name:
            assert action(Limits(2, 2), state) == then
            assert type(then) is tuple


def test_properties_module_lists_what_it_defines() -> None:
    """A predicate that is written is also checked."""
    written = {n for n, p in vars(properties).items() if n[0].isupper() and callable(p)}
    helpers = {"Now", "LeadsTo", "Limits", "Variables", "Any", "NamedTuple", "State", "Action"}
    helpers |= {"Callable", "Iterable", "Sequence", "TypeVar", "Later"}
    leadsto = {n for n, p in vars(properties).items() if isinstance(p, LeadsTo)}
    assert (written - helpers) | leadsto == set(NAMES)

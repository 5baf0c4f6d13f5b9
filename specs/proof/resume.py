"""Resume, proved for every size and place: another wrapper goes on as the first would have.

Two things are proved. The consumer's place is always that of the oracle (`specs.epochs`) which runs
beside it: `Resumable`. And a wrapper that goes on from any place satisfies the invariant, so
`Refines` holds again from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import z3

from kernel.machine import ACTIONS, INITIAL, Limits
from specs import resume
from specs.history import Now
from specs.properties import ENABLEDNESS, INVARIANTS
from specs.resume import Place

from . import TIMEOUT
from .laws import LEMMAS, Refines
from .moments import FIRST, LIMITS, NOW, SIZES, THEN, Moment, Reading, equal, later, read, see
from .obligations import INIT, RESTS, Obligation, invariant, invariants, said
from .sequences import interval
from .solve import Z3, Verdict, ask, plain, python
from .solve import read as read_model
from .symbolic import Number, Truth, formula, paths, tree

RESUMABLE = "Resumable"
RESUME = "Resume"
SEEN = {"Dequeue": "batch", "EndEpoch": "end", "Raise": "failure", "Drop": "failure"}
"""What the consumer sees, by the actions that show it."""

PROPERTIES = (RESUMABLE, *INVARIANTS, *LEMMAS, "Refines")

PLACED = ("in_epoch", "in_pass", "before")


def placed(value: Callable[[str], Any]) -> Place:
    """A place with these values, by the names of their symbols. It needs no buffer beside it."""
    in_epoch, in_pass, before = (value(f"place.{name}") for name in PLACED)
    return Place(in_epoch, in_pass, before)


PLACE = placed(lambda name: Number(z3.Int(name)))


class Model(NamedTuple):
    """Values for all symbols."""

    limits: Limits
    moment: Moment
    place: Place
    unseen: Any  # the end of a pass comes first, which the consumer does not see


SYMBOLS = Model(LIMITS, NOW, PLACE, Truth(z3.Bool("unseen")))


def begun(limits: Limits, place: Place) -> Reading:
    """The oracle, begun from a place, where it asks the source for the first time."""
    return read(limits, Reading(place.in_epoch, place.in_pass > 0))


def go_on(rules: ModuleType, model: Model) -> Moment | None:
    """The moment after a resume: the machine's, and the oracle begun from the consumer's place."""
    limits, moment, place, _ = model
    found = rules.Resume(limits, moment.now, place)
    if found is None:
        return None
    now: Now = found[0]._replace(batches=interval(()))
    return Moment(now, begun(limits, place)._replace(agrees=moment.reading.agrees))


def follows(rules: ModuleType, model: Model, action: str) -> Any:
    """An oracle begun at the place before a step is, after the step, at the place after it."""
    limits, moment, place, unseen = model
    taken = moment.now.taken
    reading = begun(limits, place)
    if unseen and not (limits.epoch_size > 0 and place.in_pass > 0):
        return True
    if reading.mark != "none":
        if action != "EndEpoch":
            return True  # an end is due, and nothing else
    else:
        last = {"Dequeue": taken + 1, "EndEpoch": StopIteration()}.get(action, ChildProcessError())
        reading = read(limits, reading, *([StopIteration()] if unseen else []), last)
        if not reading.due and reading.mark == "none":
            return True  # the oracle reads on
    if action == "Dequeue":
        then = rules.given(place, taken, unseen or place.in_pass == 0)
        taken = taken + 1
    else:
        then = rules.told(limits, place, taken, SEEN[action])
    reading, expected = see(reading, SEEN[action], taken), begun(limits, then)
    return (
        reading.agrees
        and not reading.due
        and reading.mark == expected.mark
        and reading.count == expected.count
        and reading.yielded == expected.yielded
        and resume.Resumable(Now(INITIAL, taken=taken), then, limits)
    )


def still(rules: ModuleType, model: Model) -> Any:
    """Another wrapper can go on, and a third one after it."""
    found = rules.Resume(model.limits, model.moment.now, model.place)
    return found is not None and resume.Resumable(found[0], found[1], model.limits)


def obligations(rules: ModuleType = resume) -> Iterator[Obligation]:
    """All that there is to prove of resumes by these rules.

    Their columns are INIT, what the consumer sees, and RESUME.
    """
    right = formula(lambda: resume.Resumable(NOW.now, PLACE, LIMITS), SIZES)
    known = z3.And(SIZES, right)
    at_first = formula(lambda: resume.Resumable(FIRST.now, Place(), LIMITS), SIZES)
    yield Obligation(RESUMABLE, INIT, z3.And(SIZES, z3.Not(at_first)))
    for action in SEEN:
        holds = formula(
            lambda action=action: follows(rules, SYMBOLS, action),  # type: ignore[misc]
            known,
        )
        yield Obligation(RESUMABLE, action, z3.And(known, z3.Not(holds)))
    known = z3.And(known, invariant())
    kept = formula(lambda: still(rules, SYMBOLS), known)
    yield Obligation(RESUMABLE, RESUME, z3.And(known, z3.Not(kept)))
    found = list(paths(lambda: go_on(rules, SYMBOLS), known))
    never = z3.BoolVal(False)
    came = z3.And(known, tree(found, lambda then: never if then is None else equal(THEN, then)))
    for name in PROPERTIES[1:]:
        if name in RESTS:
            law = invariants()[name]
        else:
            can = said(ENABLEDNESS[name], NOW.now, actions=ACTIONS, known=invariant())
            law = z3.Implies(invariant(), can)
        yield Obligation(name, RESUME, z3.And(came, later(z3.Not(law))))


def decide(
    obligation: Obligation,
    solvers: Iterable[str] = (Z3,),
    timeout: float = TIMEOUT,
    rules: ModuleType = resume,
) -> Verdict[Model]:
    """What the solvers say of an obligation of these rules."""
    return ask(obligation, solvers, timeout, read_values, partial(confirmed, rules=rules))


def prove(
    rules: ModuleType = resume, solvers: Iterable[str] = (Z3,), timeout: float = TIMEOUT
) -> Iterator[Verdict[Model]]:
    """Decide the obligations, in the order of the table."""
    for obligation in obligations(rules):
        yield decide(obligation, solvers, timeout, rules)


# Counterexamples, in plain Python.


def read_values(values: dict[str, str]) -> Model:
    """The model with these values; what is missing does not matter."""
    limits, now, _ = read_model(values)
    place = placed(lambda name: python(name, values.get(name)))
    return Model(limits, now, place, values.get("unseen", "").lower() == "true")


def confirmed(obligation: Obligation, model: Model, rules: ModuleType) -> bool:
    """Whether plain Python sees the same: the consumer is there, and the property fails."""
    name, column = obligation[:2]
    limits = model.limits
    if column == INIT:
        return not resume.Resumable(FIRST.now, Place(), limits)
    if not resume.Resumable(model.moment.now, model.place, limits):
        return False
    if name == RESUMABLE:
        return not (still(rules, model) if column == RESUME else follows(rules, model, column))
    then = go_on(rules, model)
    law = {**INVARIANTS, **LEMMAS}.get(name)
    if then is None:
        return False
    return not (Refines(then, limits) if law is None else law(plain(then.now), limits))

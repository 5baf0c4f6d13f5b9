"""Asks the solvers, and makes of what they answer a pair of states that Python confirms.

z3 gets an obligation as a term, cvc5 the same in the text of SMT-LIB. Nobody has to believe a
counterexample: the machine's own action is run on it, and the property's own predicate.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import z3

from kernel.machine import ACTIONS, Action, Limits, in_later
from specs.history import Now, advance
from specs.properties import ENABLEDNESS, INVARIANTS, LIVENESS, STEPS, is_fair

from . import TIMEOUT
from .laws import LEMMAS, MEASURES, Refines, helps
from .moments import KINDS, LIMITS, NAMES, NOW, SEQUENCES, TRUTHS, Moment, build, flat, go
from .obligations import CAN, INIT, PROPERTIES, Obligation, came, invariant, obligations
from .sequences import SORT, Epochs, interval, parsed, throughout
from .sequences import plain as plain_epochs
from .symbolic import Number, Term, number

Z3, CVC5 = "z3", "cvc5"
PROVED, REFUTED, UNKNOWN = "proved", "refuted", "unknown"

AHEAD: Any = NOW.now.vars.later
SMALL = z3.And(
    *(number(size) <= 2 for size in LIMITS),
    *(z3.And(v.term >= 0, v.term <= 3) for v in flat(NOW).values() if isinstance(v, Number)),
    *(AHEAD.first == 0, AHEAD.stop <= 2, number(in_later(AHEAD)) <= 3),
)
"""Counterexamples that are easy to read, if there are any."""


class Model(NamedTuple):
    """Values for all symbols."""

    limits: Limits
    now: Moment
    then: Moment


M = TypeVar("M")  # values for all symbols: a `Model`, or that of resumes


@dataclass(frozen=True)
class Verdict(Generic[M]):
    """What the solvers said of an obligation."""

    obligation: Obligation
    said: dict[str, str] = field(default_factory=dict)  # by solver
    model: M | None = None  # where it is refuted

    @property
    def word(self) -> str:
        """Proved only if all solvers that were asked say so; unknown too if they disagree."""
        words = set(self.said.values())
        return words.pop() if len(words) == 1 else UNKNOWN


def installed() -> dict[str, str]:
    """The solvers that are there, with their versions."""
    found = {Z3: z3.get_version_string()}
    if importlib.util.find_spec(CVC5) is not None:
        import cvc5  # noqa: PLC0415  # need not be there

        found[CVC5] = cvc5.__version__
    return found


# The solvers: each takes a formula and gives a word, and values if it is satisfiable.

WORDS = {"sat": REFUTED, "unsat": PROVED, "unknown": UNKNOWN}


def milliseconds(timeout: float) -> int:
    """A time limit in seconds, as the solvers take it: at least 1, at most what z3 can count."""
    return max(1, int(min(timeout, 4_000_000.0) * 1000))


def ask_z3(formula: Term, timeout: float) -> tuple[str, dict[str, Any]]:
    """Whether z3 refutes the formula in that number of seconds; values by name if it does not."""
    solver = z3.Solver()
    solver.set(timeout=milliseconds(timeout))
    solver.add(formula)
    word = WORDS[str(solver.check())]
    if word != REFUTED:
        return word, {}
    model = solver.model()
    known = {constant.name(): constant() for constant in model.decls() if constant.arity() == 0}
    value = partial(model.eval, model_completion=True)
    return word, {
        name: Given(Epochs(term), value) if term.sort() == SORT else value(term).sexpr()
        for name, term in known.items()
    }


def ask_cvc5(formula: Term, timeout: float) -> tuple[str, dict[str, Any]]:
    """The same of cvc5."""
    import cvc5  # noqa: PLC0415  # need not be there

    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("tlimit-per", str(milliseconds(timeout)))
    solver.setOption("produce-models", "true")
    solver.setLogic("ALL")
    asked = z3.Solver()
    asked.add(formula)
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, asked.to_smt2(), "obligation")
    known = parser.getSymbolManager()
    said = ""
    while not (command := parser.nextCommand()).isNull():
        said += command.invoke(solver, known)
    word = WORDS[said.split()[0]]  # an unknown comes with its reason
    if word != REFUTED:
        return word, {}
    return word, {str(t).strip("|"): str(solver.getValue(t)) for t in known.getDeclaredTerms()}


class Given(NamedTuple):
    """Epochs with values for their terms, which may be many: they are written out if asked for."""

    whole: Epochs
    value: Callable[[Term], Term]


ASK = {Z3: ask_z3, CVC5: ask_cvc5}


def read(values: dict[str, Any]) -> Model:
    """The model with these values, as the solvers write them; what is missing does not matter."""

    def moment(suffix: str) -> Moment:
        return build({name: python(name, values.get(name + suffix)) for name in NAMES})

    limits = Limits(*(python(name, values.get(name)) for name in Limits._fields))
    return Model(limits, moment(""), moment(".next"))


def python(name: str, value: Any) -> Any:
    """The value of a variable; any of its kind for None."""
    if name in KINDS:
        kind = KINDS[name]
        words = {str(term): found for term, found in zip(kind.terms, kind.values, strict=True)}
        return words[value.strip("|")] if value is not None else kind.values[0]
    if name in SEQUENCES:
        if value is None:
            return ()
        return plain_epochs(*(value if isinstance(value, Given) else (parsed(value), z3.simplify)))
    if name in TRUTHS:
        return (value or "false").lower() == "true"
    return int((value or "0").strip("()").replace(" ", ""))


def ask(
    obligation: Obligation,
    solvers: Iterable[str],
    timeout: float,
    read: Callable[[dict[str, Any]], M],
    confirmed: Callable[[Obligation, M], bool],
) -> Verdict[M]:
    """Ask all solvers. `timeout` is in seconds, for each.

    :param read: makes a model of values
    :param confirmed: whether plain Python sees a violation there, too
    :raises AssertionError: if it does not
    """
    said = {}
    model = None
    for solver in solvers:
        said[solver], values = ASK[solver](obligation.violation, timeout)
        if said[solver] == REFUTED and model is None:
            word, small = ASK[solver](z3.And(obligation.violation, SMALL), timeout)
            model = read(small if word == REFUTED else values)
            if not confirmed(obligation, model):
                raise AssertionError(f"Python does not confirm {obligation[:2]}: {model}")
    return Verdict(obligation, said, model)


def decide(
    obligation: Obligation, solvers: Iterable[str] = (Z3,), timeout: float = TIMEOUT
) -> Verdict[Model]:
    """What the solvers say of an obligation of a machine."""
    return ask(obligation, solvers, timeout, read, confirmed)


def prove(
    actions: tuple[Action, ...] = ACTIONS,
    solvers: Iterable[str] = (Z3,),
    timeout: float = TIMEOUT,
    names: Container[str] = PROPERTIES,
) -> Iterator[Verdict[Model]]:
    """Decide the obligations of a machine, in the order of the table."""
    for obligation in obligations(actions, names):
        yield decide(obligation, solvers, timeout)


# Counterexamples, in plain Python.


def plain(now: Now) -> Now:
    """The moment with its buffer as a tuple."""
    batches = interval(now.batches)
    return now._replace(batches=tuple(range(batches.first, batches.first + batches.length)))


def confirmed(obligation: Obligation, model: Model) -> bool:
    """Whether plain Python sees the same: the step is the machine's and violates the property."""
    limits, now, then = model
    name, column, _, actions = obligation
    if column == CAN:
        before = plain(now.now)
        return _is_pending(name, before, limits) and not _is_helped(name, before, limits, actions)
    if column == INIT:
        then = now
    elif not is_step(limits, now, then, column, actions):
        return False
    return not holds(name, column, model._replace(then=then), actions)


def is_step(
    limits: Limits, now: Moment, then: Moment, name: str, actions: Iterable[Action]
) -> bool:
    """Whether the action with this name leads from one moment to the other, history and all."""
    action = next(action for action in actions if action.__name__ == name)
    known = go(action, limits, now)
    if known is None or flat(known) != flat(then):
        return False
    if interval(then.now.batches).torn or (name == "Dequeue" and not now.now.batches):
        return True  # there is no such tuple
    return advance(plain(now.now), name, then.now.state) == plain(then.now)


def holds(name: str, column: str, model: Model, actions: Iterable[Action]) -> bool:
    """Whether the property holds after a step, or of it."""
    limits, (now, _), after = model
    now, then = plain(now), plain(after.now)
    if name == "Refines":
        return Refines(after, limits)
    if name in ENABLEDNESS:
        return ENABLEDNESS[name](then, limits, actions)
    if name in STEPS:
        return STEPS[name](now, then, limits)
    if name in LIVENESS:
        return not _is_pending(name, now, limits) or _goes_on(name, column, now, then, limits)
    return {**INVARIANTS, **LEMMAS}[name](then, limits)


def _is_pending(name: str, now: Now, limits: Limits) -> bool:
    law = LIVENESS[name]
    return law.premise(now, limits) and not law.conclusion(now, limits)


def _is_helped(name: str, now: Now, limits: Limits, actions: Iterable[Action]) -> bool:
    measure = MEASURES[name]
    helpers = helps(measure.helper(now))
    can = any(
        a(limits, now.state) and is_fair(a.__name__, now, limits)
        for a in actions
        if a.__name__ in helpers
    )
    return bool(measure.number(now) >= 0) and can


def _goes_on(name: str, action: str, now: Now, then: Now, limits: Limits) -> bool:
    measure = MEASURES[name]
    if LIVENESS[name].conclusion(then, limits):
        return True
    falls = measure.number(then) - measure.number(now)
    helper = measure.helper(now)
    waits = action not in helps(helper) and measure.helper(then) == helper
    return _is_pending(name, then, limits) and bool(falls < 0 or (falls == 0 and waits))


# That the proofs are about something.

CAPACITY, EPOCH_SIZE = number(LIMITS.capacity), number(LIMITS.epoch_size)
BUFFERED = number(NOW.now.vars.buffered)
LARGE = z3.And(CAPACITY >= 64, EPOCH_SIZE >= 10_000)
MANY = 8


def instances(
    actions: tuple[Action, ...] = ACTIONS, timeout: float = TIMEOUT
) -> dict[str, Model | None]:
    """A large step of each action from a moment that satisfies the invariant; None if none is.

    With a buffer of at least 64 and epochs of at least 10,000, and if possible 32 batches buffered.
    Beside them such a moment with a full buffer, and steps at the sizes that are special: up to two
    later epochs are in them, and MANY in one.
    """
    few = z3.And(invariant(), AHEAD.length.term <= 2)
    steps = {
        action.__name__: z3.And(came(action), few, number(NOW.now.taken) > 0) for action in actions
    }
    goals = {
        "full buffer": [z3.And(few, LARGE, BUFFERED == CAPACITY)],
        "unbuffered": [z3.And(steps["Enqueue"], CAPACITY == 0, EPOCH_SIZE >= 10_000)],
        "a pass": [z3.And(steps["Exhaust"], CAPACITY >= 64, EPOCH_SIZE == 0, BUFFERED >= 32)],
        "later epochs": [z3.And(*throughout(invariant(), AHEAD, MANY), CAPACITY >= 64)],
    }
    for name, step in steps.items():
        goals[name] = [z3.And(step, LARGE, BUFFERED >= 32), z3.And(step, LARGE)]
    return {name: _first(formulas, timeout) for name, formulas in goals.items()}


def _first(formulas: Iterable[Term], timeout: float) -> Model | None:
    for formula in formulas:
        word, values = ask_z3(formula, timeout)
        if word == REFUTED:
            return read(values)
    return None

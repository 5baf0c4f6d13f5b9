"""The proofs: they hold of the machine, fail on broken ones, and are about what really runs."""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any, get_args

import pytest
import z3
from rich.console import Console
from z3 import z3util

from kernel import machine
from kernel.machine import ACTIONS, Action, Limits, State, Variables
from specs.epochs import FAILURE, epochs
from specs.graph import explore
from specs.proof import report
from specs.proof.laws import FAIRNESS, HELPERS, LEMMAS, MEASURES, Refines, helps
from specs.proof.moments import (
    FIRST,
    LIMITS,
    NAMES,
    NOW,
    THEN,
    Interval,
    Moment,
    Reading,
    build,
    flat,
    go,
    interval,
    read,
    term,
)
from specs.proof.obligations import (
    CAN,
    PROPERTIES,
    RESTS,
    Obligation,
    invariant,
    obligations,
    said,
    step,
    table,
)
from specs.proof.solve import (
    CVC5,
    PROVED,
    REFUTED,
    UNKNOWN,
    Z3,
    Model,
    Verdict,
    ask_z3,
    confirmed,
    decide,
    installed,
    instances,
    is_step,
    plain,
    prove,
    proved,
)
from specs.proof.symbolic import Choice, Kind, Number, Path, Truth, formula, paths
from specs.properties import ENABLEDNESS, FAIR, INVARIANTS, LIVENESS, STEPS, Now, advance

from ..mutation import spec
from ..mutation.matrix import EQUIVALENT
from ..support.mutants import MUTANTS, broken_actions

SIZED = [Limits(0, 2), Limits(1, 2), Limits(2, 0)]

Term = Any


Values = dict[str, Term]


def constants(limits: Limits, now: Moment, then: Moment | None = None) -> Values:
    """The value of each symbol, by names."""
    found = {str(s.term): z3.IntVal(v) for s, v in zip(LIMITS, limits, strict=True)}
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
    symbols = occurring(formula.get_id(), formula)
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


# What is proved, and what is refuted.


def test_all_is_proved() -> None:
    """Every property is proved, by every solver that is there."""
    verdicts = list(prove(solvers=installed()))
    assert {v.obligation.property for v in verdicts} == set(PROPERTIES)
    assert [(v.obligation[:2], v.said) for v in verdicts if v.word != PROVED] == []
    for name in PROPERTIES:
        columns = [v.obligation.column for v in verdicts if v.obligation.property == name]
        other = {"Init"} if name in RESTS or name in ENABLEDNESS else set()
        other |= {CAN} if name in LIVENESS else set()
        spared = set(LIVENESS[name].undisturbed) if name in LIVENESS else set()
        assert sorted(columns) == sorted({a.__name__ for a in ACTIONS} - spared | other)


def test_names_of_what_is_proved() -> None:
    """Every property is among them, and no lemma: they are for the README."""
    assert proved() == {*INVARIANTS, *STEPS, *LIVENESS, "Refines"} == set(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_refuted_on_its_mutant(name: str) -> None:
    """The proof of each property fails on the machine broken for it, by a step of that machine."""
    broken = broken_actions(MUTANTS[name])
    verdicts = list(prove(broken, names=(name,)))
    failed = [v for v in verdicts if v.word == REFUTED]
    assert failed
    assert all(v.word == PROVED for v in verdicts if v not in failed)
    for verdict in failed:
        assert verdict.model is not None
        limits, now, then = verdict.model
        column = verdict.obligation.column
        assert limits.capacity >= 0
        assert limits.epoch_size >= 0
        if column == CAN:  # nobody can move who should
            helpers = helps(MEASURES[name].helper(now.now))
            broken_helpers = [a for a in broken if a.__name__ in helpers]
            assert all(a(limits, now.now.state) is None for a in broken_helpers)
        else:
            assert is_step(limits, now, then, column, broken)
            action = next(a for a in broken if a.__name__ == column)
            assert action(limits, now.now.state) == then.now.state


@pytest.mark.parametrize(
    ("mutant", "name", "action"),
    [
        ("StopPullsNothing", "StopEnds", "Fetch"),
        ("Refines", "Served", "Exhaust"),
        ("GateRespected", "OwnPullIsFirst", "Fetch"),
    ],
)
def test_refuted_step_of_a_measure_or_lemma(mutant: str, name: str, action: str) -> None:
    """A measure that does not fall is refuted by the step, and so is a lemma."""
    broken = broken_actions(MUTANTS[mutant])
    words = {o.column: decide(o).word for o in obligations(broken, (name,))}
    assert [column for column, word in words.items() if word != PROVED] == [action]


@pytest.mark.skipif(CVC5 not in installed(), reason="cvc5 is not installed")
def test_solvers_agree_on_a_mutant() -> None:
    """cvc5 finds counterexamples of its own, which Python confirms too."""
    for obligation in obligations(broken_actions(MUTANTS["Refines"]), ("Refines",)):
        verdict = decide(obligation, (CVC5,))
        assert verdict.word == decide(obligation, (Z3,)).word
        assert verdict.word == (REFUTED if obligation.column == "Exhaust" else PROVED)


def test_mutants_of_the_text() -> None:
    """All mutants of `Protocol.tla` are refuted, but for those that change no step."""
    steps = {*RESTS, *STEPS} - {"Implements"}
    others = ({*LIVENESS}, {*ENABLEDNESS})
    left = []
    for name, mutant in spec.mutants().items():
        broken = spec.action(mutant.action, spec.mutated(mutant))
        actions = tuple(broken if a.__name__ == mutant.action else a for a in ACTIONS)
        goals = [(steps, (broken,)), *((names, actions) for names in others)]
        if not any(violated(names, among, mutant.action) for names, among in goals):
            left.append(name)
    assert left == list(EQUIVALENT)


def violated(names: set[str], actions: tuple[Action, ...], action: str) -> bool:
    """Whether any of these properties is refuted, by the action or by its being missing."""
    found = [
        o.violation
        for o in obligations(actions, names)
        if o.column in (action, CAN) or o.property in ENABLEDNESS
    ]
    return ask_z3(z3.Or(found), 10)[0] == REFUTED


def test_lemma_is_needed() -> None:
    """All hold here, and an interrupt would be seen before a batch: only the lemma excludes it."""
    state = ("outside", 0, "idle", 1, "none", "absent", True, True, 0, False)
    reading = Reading(due=Interval(1, 1))
    now = Now(state, pulls=("caller",), batches=(1,), pulled=1)
    limits = Limits(3, 0)
    assert all(law(now, limits) for law in INVARIANTS.values())
    assert [name for name, law in LEMMAS.items() if not law(now, limits)] == ["OwnPullIsFirst"]
    before = Moment(now._replace(batches=Interval(1, 1)), reading)  # type: ignore[arg-type]
    assert Refines(before, limits)
    then = go(machine.Drop, limits, before)
    assert then is not None
    assert not Refines(then, limits)


# That it is about something.


def test_every_action_can_happen() -> None:
    """Each has a step at large sizes, which is real, from a moment that satisfies the invariant."""
    found = instances()
    assert set(found) == {a.__name__ for a in ACTIONS} | {"full buffer", "unbuffered", "a pass"}
    for name, model in found.items():
        assert model is not None
        limits, now, then = model
        assert all(law(plain(now.now), limits) for law in {**INVARIANTS, **LEMMAS}.values())
        if name in {a.__name__ for a in ACTIONS}:
            assert limits.capacity >= 64
            assert limits.epoch_size >= 10_000
            assert is_step(limits, now, then, name, ACTIONS)


def test_an_action_that_cannot_happen() -> None:
    """It has no step."""

    def Die(limits: Limits, state: State) -> State | None:
        """Needs more than there ever is."""
        return state if Variables(*state).buffered > (limits.capacity or 1) else None

    found = instances(tuple(Die if a.__name__ == "Die" else a for a in ACTIONS))
    assert [name for name, model in found.items() if model is None] == ["Die"]


def test_premises_can_be_pending() -> None:
    """No law of liveness is about nothing."""
    for law in LIVENESS.values():
        pending = z3.And(said(law.premise, NOW.now), z3.Not(said(law.conclusion, NOW.now)))
        assert ask_z3(z3.And(invariant(), LIMITS.capacity.term >= 64, pending), 10)[0] == REFUTED


def test_helpers_are_fair() -> None:
    """Nobody has to move but those who do."""
    assert {action for helper in HELPERS for action in helps(helper)} == set(FAIR)
    assert all(action in FAIRNESS for action in FAIR if action in HELPERS)


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
            assert at(term(name, symbol), values).eq(constant(name, real))


def random_states(count: int) -> Iterator[tuple[Limits, State]]:
    """States of large wrappers, of which most are never reached."""
    random = Random(0)
    for _ in range(count):
        limits = Limits(random.choice((0, 1, 64, 10**6)), random.choice((0, 1, 10_000, 10**9)))
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


@pytest.mark.parametrize("limits", [Limits(0, 3), Limits(64, 0), Limits(64, 100)], ids=str)
def test_history_is_that_of_the_machine(limits: Limits) -> None:
    """Along random runs the relation knows each step with its history, and the invariant holds."""
    random = Random(0)
    now = FIRST
    fired = set()
    real = Now(FIRST.now.state)
    for number in range(400):
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
            assert at(term(name, result[name]), values).eq(constant(name, reached))
        now = then
        if number % 40 == 0:
            assert z3.is_true(at(invariant(), constants(limits, now)))
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
        first, length = random.choice((0, 5)), max(0, min(state[3], 9))
        buffered = random.choice((length, length + 1))
        yield (
            limits,
            moment(
                (*state[:3], length, *state[4:]),
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
        assert z3.is_true(at(formula, constants(limits, now))) == holds
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
            assert z3.is_true(at(formula, values)) == holds
            found.add(holds)
    assert found == {True, False}


@pytest.mark.parametrize("name", ENABLEDNESS)
def test_formulas_are_the_properties_of_what_can_be_done(name: str) -> None:
    """The same of the states that are reached, of the machine and of a broken one."""
    found = set()
    for actions in (ACTIONS, broken_actions(MUTANTS[name])):
        formula = said(ENABLEDNESS[name], NOW.now, actions=actions, known=invariant())
        for limits in (Limits(0, 2), Limits(2, 0)):
            for state in {state for state, _, _ in explore(limits, 1)}:
                holds = ENABLEDNESS[name](Now(state), limits, actions)
                assert z3.is_true(at(formula, constants(limits, moment(state)))) == holds
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
            events += [(reading.mark, None)] if reading.mark != "nothing" else []
            reading = reading._replace(due=Interval(0, 0), mark="nothing")
        assert events == whole(given, size)


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


def test_something_due_behind_a_mark_is_torn() -> None:
    """The machine must not go on behind a mark; the reading says so if it does."""
    ended = read(Limits(2, 1), Reading(), 1)
    assert (ended.mark, bool(ended.due.torn)) == ("end", False)
    assert bool(read(Limits(2, 1), ended, 2).due.torn) is True


# The parts.


def test_intervals() -> None:
    """A batch that is lost, doubled or swapped makes it no interval."""
    whole = Interval(1, 2)
    assert bool(interval((whole, 3)) == Interval(1, 3)) is True
    assert bool(interval(()) == Interval(7, 0)) is True
    for wrong in (2, 4):
        assert bool(interval((whole, wrong)) == Interval(1, 3)) is False
        assert bool(interval((whole, wrong)) == interval((whole, wrong))) is False
    assert bool(Interval(1, 2)[1:] == Interval(2, 1)) is True
    assert bool(Interval(1, 0)[1:] == Interval(1, 0)) is True
    assert [python(Interval(4, n)[0]) for n in (1, 0)] == [4, 0]
    with pytest.raises(IndexError):
        whole[1]


COLOURS = Kind("Colours", ("red", "green", "blue"))


def symbols() -> tuple[Truth, Number, Choice]:
    return (
        Truth(z3.Bool("t")),
        Number(z3.Int("n")),
        Choice(COLOURS, z3.Const("c", COLOURS.sort)),
    )


FUNCTIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "number or": lambda t, n, c: n < (n or 1) if t else (n or 1) > 0,
    "chained": lambda t, n, c: (c == "red" != c and 0 < n < 3) if t else -1 <= n == 0,
    "in tuple": lambda t, n, c: c in ("red", "blue") or n >= 2,
    "in set": lambda t, n, c: (c, t) in {("red", True), ("blue", False)},
    "lookup": lambda t, n, c: {"red": n, "green": 2}.get(c, 0) == 2,
    "or not": lambda t, n, c: c != "red" or not t,
    "sum": lambda t, n, c: n + t + 1 <= 2 + t - n if c == "red" else t == (n - 1 > 1),
    "tuples": lambda t, n, c: (t, n, c) == (True, 3, "green"),
    "nested": lambda t, n, c: (n if t and n > 1 else -1 if c == "blue" else 1) > 0,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_symbols_behave_as_values(name: str) -> None:
    """Whatever Python asks of symbols, the formula says what the function says of values."""
    function, (t, n, c) = FUNCTIONS[name], symbols()
    formed = formula(lambda: function(t, n, c))
    found = set()
    for truth, number, colour in itertools.product((True, False), range(-1, 5), COLOURS.values):
        holds = bool(function(truth, number, colour))
        place = COLOURS.values.index(colour)
        values = {"t": z3.BoolVal(truth), "n": z3.IntVal(number), "c": COLOURS.terms[place]}
        assert z3.is_true(at(formed, values)) == holds
        found.add(holds)
    assert found == {True, False}


def test_impossible_ways_are_not_taken() -> None:
    """The solver prunes: what is greater than nothing is not nothing."""
    _, n, c = symbols()
    found = list(paths(lambda: n > 0 and (n > 5 or n != 0)))
    assert len(found) == 3
    assert len(list(paths(lambda: {c: 0}, n.term > 0))) == 3


def test_misuse_of_symbols() -> None:
    """What has no answer is an error, and is not taken for false."""
    t, n, c = symbols()
    with pytest.raises(TypeError, match="depends"):
        bool(t)
    with pytest.raises(TypeError, match="depends"):
        bool(n == 3)
    with pytest.raises(TypeError, match="look up"):
        hash(n)
    with pytest.raises(TypeError, match="no number"):
        bool(n == "3")
    with pytest.raises(TypeError, match="no truth value"):
        bool(t == 1)
    with pytest.raises(ValueError, match="none of"):
        bool(c == NOW.now.vars.scope)
    with pytest.raises(ValueError, match="nothing satisfies"):
        list(paths(lambda: bool(t), z3.And(n.term > 0, n.term < 0)))
    answers = iter([n > 0, n > 1, n > 2])
    with pytest.raises(RuntimeError, match="twice alike"):
        list(paths(lambda: bool(next(answers))))


def test_undecided_is_not_proved() -> None:
    """A time-out is unknown, for each solver, and nothing that is unknown to one is proved."""
    a, b, c = (z3.Int(name) for name in "abc")
    hard = a * a * a + b * b * b + c * c * c == 42  # took a million hours
    obligation = Obligation("Bounded", "Fetch", hard, ACTIONS)
    for solver in installed():
        assert decide(obligation, (solver,), 0.05).word == UNKNOWN
    assert Verdict(obligation, {Z3: PROVED, CVC5: UNKNOWN}).word == UNKNOWN
    assert Verdict(obligation, {Z3: PROVED, CVC5: REFUTED}).word == UNKNOWN
    assert Verdict(obligation, {Z3: PROVED, CVC5: PROVED}).word == PROVED


def test_forged_counterexamples() -> None:
    """Python confirms no step that is none, and none that violates nothing."""
    broken = broken_actions(MUTANTS["Bounded"])
    obligation = next(o for o in obligations(broken, ("Bounded",)) if o.column == "Fetch")
    model = decide(obligation).model
    assert model is not None
    assert confirmed(obligation, model)
    assert not confirmed(obligation._replace(actions=ACTIONS), model)
    assert not confirmed(obligation._replace(property="TypeOK"), model)
    forged = build({**flat(model.then), "reading.agrees": False})
    assert not confirmed(obligation, model._replace(then=forged))
    forged = build({**flat(model.then), "pulled": 9})
    assert not confirmed(obligation, model._replace(then=forged))
    everything = obligation._replace(violation=z3.BoolVal(True), actions=ACTIONS)
    with pytest.raises(AssertionError, match="does not confirm"):
        decide(everything)


# The command.


def command(*words: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """Run `python -m specs prove`, after some Python."""
    code = f"import sys; {before}; from specs.__main__ import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, "prove", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_command() -> None:
    """It proves, says so, and lists the lemma."""
    done = command("--only", "Stop*", "--solver", "z3")
    assert (done.returncode, done.stderr) == (0, "")
    rows = re.findall(r"^│(\w+)", done.stdout, re.MULTILINE)
    assert [name for name in rows if name in PROPERTIES] == [
        "StopPullsNothing",
        "StopPreserves",
        "StopEnds",
    ]
    assert "Lemma OwnPullIsFirst: A caller pulls" in done.stdout
    assert "Assumed for the measures: Halt, Fetch (with" in done.stdout
    assert "0 refuted, 0 unknown" in done.stdout


@pytest.mark.parametrize(
    ("words", "before", "complaint"),
    [
        (
            ["--only", "Nonsense"],
            "pass",
            "'Nonsense' names no property. There are: TypeOK, ",
        ),
        (["--timeout", "0"], "pass", "must be a number of seconds above 0, not '0'"),
        (["--solver", "yices"], "pass", "invalid choice: 'yices'"),
        ([], "sys.modules['z3'] = None", "pip install 'stream-kernel[proof]'"),
        (["--solver", "both"], "sys.modules['cvc5'] = None", "cvc5 is not installed"),
    ],
)
def test_command_that_cannot_run(words: list[str], before: str, complaint: str) -> None:
    """It says what is wrong, with status 2."""
    done = command(*words, before=before)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_report_of_a_broken_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows the pair of states with what changed, and says that nothing is proved."""
    monkeypatch.setattr(report, "Console", lambda **_: Console(width=200))
    asked = argparse.Namespace(properties=["Bounded"], solver="z3", timeout=10.0, write=False)
    assert report.run(asked, broken_actions(MUTANTS["Bounded"])) == 1
    shown = capsys.readouterr().out
    assert "Bounded: a counterexample to induction" in shown
    assert "after Fetch" in shown
    assert re.search(r"│ fetching +│ False +│ True +│ \* │", shown)
    assert "Nothing is proved: all rest on Bounded, which is not inductive." in shown
    assert "1 refuted" in shown


def test_report_without_cvc5(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says that nobody has cross-checked; and that something was not decided."""
    monkeypatch.setitem(sys.modules, "cvc5", None)
    monkeypatch.setattr(report, "Console", lambda **_: Console(width=200))
    undecided = [Verdict(o, {Z3: UNKNOWN}) for o in obligations(names=("Bounded",))]
    monkeypatch.setattr(report, "prove", lambda *_: undecided)
    asked = argparse.Namespace(properties=["Bounded"], solver=None, timeout=10.0, write=False)
    assert report.run(asked) == 1
    shown = capsys.readouterr().out
    assert "Bounded, Init: not decided (z3: unknown)" in shown
    assert f"0 proved, 0 refuted, {len(undecided)} unknown" in shown
    assert "Not cross-checked: cvc5 is not installed" in shown


def test_counterexample_at_first() -> None:
    """A property that does not hold at first has a state for a counterexample."""
    model = Model(Limits(1, 1), FIRST, FIRST)
    obligation = Obligation("Bounded", "Init", z3.BoolVal(True), ACTIONS)
    assert not confirmed(obligation, model)  # it does hold
    shown = report.counterexample("Init", model)
    assert [column.header for column in shown.columns] == ["variable", "value"]

"""The proofs hold of the machine, fail on broken ones, and are about something."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

import pytest
import z3
from rich.console import Console

from kernel import machine
from kernel.machine import ACTIONS, Action, Limits, State, Variables
from specs.history import Now
from specs.proof import report
from specs.proof.laws import FAIRNESS, HELPERS, LEMMAS, MEASURES, Refines, helps
from specs.proof.moments import FIRST, LIMITS, NOW, Moment, Reading, build, flat, go
from specs.proof.obligations import CAN, PROPERTIES, RESTS, Obligation, invariant, obligations, said
from specs.proof.sequences import Interval
from specs.proof.solve import (
    ASK,
    CVC5,
    MANY,
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
)
from specs.properties import ENABLEDNESS, FAIR, INVARIANTS, LIVENESS, STEPS

from ..mutation import spec
from ..mutation.matrix import EQUIVALENT
from ..support.lookahead import LOOKAHEAD
from ..support.mutants import MUTANTS, Mutant, broken_actions
from ..support.processes import python

# What is proved, and what is refuted.


@pytest.mark.parametrize("solver", installed())
def test_all_is_proved_by(solver: str) -> None:
    """Every property is proved, by every solver that is there."""
    verdicts = list(prove(solvers=(solver,), timeout=60))  # of a clock that others share
    assert {v.obligation.property for v in verdicts} == {*MUTANTS, *LEMMAS}
    assert [(v.obligation[:2], v.said) for v in verdicts if v.word != PROVED] == []
    for name in PROPERTIES:
        columns = [v.obligation.column for v in verdicts if v.obligation.property == name]
        other = {"Init"} if name in RESTS or name in ENABLEDNESS else set()
        other |= {CAN} if name in LIVENESS else set()
        spared = set(LIVENESS[name].undisturbed) if name in LIVENESS else set()
        assert sorted(columns) == sorted({a.__name__ for a in ACTIONS} - spared | other)


@pytest.mark.parametrize("name", MUTANTS)
def test_refuted_on_its_mutant(name: str) -> None:
    """The proof of each property fails on the machine broken for it, by a step of that machine."""
    is_refuted(MUTANTS[name], name)


@pytest.mark.parametrize("name", LOOKAHEAD)
def test_broken_lookahead_is_refuted(name: str) -> None:
    """So does the proof of what a broken lookahead violates."""
    assert {v.obligation.column for v in is_refuted(LOOKAHEAD[name], LOOKAHEAD[name].violated)} == {
        LOOKAHEAD[name].action
    }


def is_refuted(mutant: Mutant, name: str) -> list[Verdict]:
    """The counterexamples to a property, which are steps of the machine with this mutant."""
    broken = broken_actions(mutant)
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
        if column == CAN:  # no thread that should move can
            helpers = helps(MEASURES[name].helper(now.now))
            broken_helpers = [a for a in broken if a.__name__ in helpers]
            assert all(a(limits, now.now.state) is None for a in broken_helpers)
        else:
            assert is_step(limits, now, then, column, broken)
            action = next(a for a in broken if a.__name__ == column)
            assert action(limits, now.now.state) == then.now.state
    return failed


@pytest.mark.parametrize(
    ("mutant", "name", "action"),
    [
        ("StopPullsNothing", "StopEnds", "Fetch"),
        ("Refines", "Served", "Exhaust"),
        ("GateRespected", "OwnPullIsFirst", "Fetch"),
        ("Refines", "PassGoesOn", "Exhaust"),
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


@pytest.mark.parametrize("part", range(4))
def test_mutants_of_the_text(part: int) -> None:
    """Mutants of `Protocol.tla` are refuted, but for those that change no step.

    One of sixteen of them, and all that change none: `python -m tests.mutation.matrix` takes all.
    """
    steps = {*RESTS, *STEPS} - {"Implements"}
    others = ({*LIVENESS}, {*ENABLEDNESS})
    every = spec.mutants()
    chosen = [n for i, n in enumerate(every) if not i % 16 or n in EQUIVALENT][part::4]
    left = []
    for name in chosen:
        mutant = every[name]
        broken = spec.action(mutant.action, spec.mutated(mutant))
        actions = tuple(broken if a.__name__ == mutant.action else a for a in ACTIONS)
        goals = [(steps, (broken,)), *((names, actions) for names in others)]
        if not any(violated(names, among, mutant.action) for names, among in goals):
            left.append(name)
    assert left == [name for name in chosen if name in EQUIVALENT]


def violated(names: set[str], actions: tuple[Action, ...], action: str) -> bool:
    """Whether any of these properties is refuted, by the action or by its being missing."""
    found = [
        o.violation
        for o in obligations(actions, names)
        if o.column in (action, CAN) or o.property in ENABLEDNESS
    ]
    return ask_z3(z3.Or(found), 10)[0] == REFUTED


@pytest.mark.parametrize("name", LEMMAS)
def test_lemma_is_needed(name: str) -> None:
    """All else holds here, and no longer after a step: only the lemma excludes it."""
    if name == "OwnPullIsFirst":  # an interrupt would be seen before a batch
        limits, action, batches = Limits(3, 0), machine.Drop, (1,)
        state: State = ("outside", 0, "idle", 1, "none", (), "absent", True, True, 0, False)
    else:  # a pass would count for one that has yielded, and its epoch has no batch
        limits, action, batches = Limits(3, 0, True), machine.Exhaust, ()
        state = ("inside", 0, "idle", 0, "ended", (), "running", True, True, 0, True)
    caller = "caller" if state[6] == "absent" else "worker"
    now = Now(state, pulls=(caller,), batches=batches, pulled=len(batches))
    assert all(law(now, limits) for law in INVARIANTS.values())
    assert [name for name, law in LEMMAS.items() if not law(now, limits)] == [name]
    due = Interval(1, len(batches))
    reading = Reading(due=due, ready=state[3], mark=state[4], yielded=state[-1])
    before = Moment(now._replace(batches=due), reading)  # type: ignore[arg-type]
    assert Refines(before, limits)
    then = go(action, limits, before)
    assert then is not None
    kept = [law(plain(then.now), limits) for law in INVARIANTS.values()]
    assert not (Refines(then, limits) and all(kept))


# That it is about something.


def test_every_action_can_happen() -> None:
    """Each has a step at large sizes, which is real, from a moment that satisfies the invariant."""
    found = instances()
    others = {"full buffer", "unbuffered", "a pass", "later epochs"}
    assert set(found) == {a.__name__ for a in ACTIONS} | others
    for name, model in found.items():
        assert model is not None
        limits, now, then = model
        assert all(law(plain(now.now), limits) for law in {**INVARIANTS, **LEMMAS}.values())
        if name in {a.__name__ for a in ACTIONS}:
            assert limits.capacity >= 64
            assert limits.epoch_size >= 10_000
            assert is_step(limits, now, then, name, ACTIONS)
        assert len(now.now.vars.later) == MANY or name != "later epochs"


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
    """Only the helpers have to move."""
    assert {action for helper in HELPERS for action in helps(helper)} == set(FAIR)
    assert all(action in FAIRNESS for action in FAIR if action in HELPERS)


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


def test_command(monkeypatch: pytest.MonkeyPatch, specs: Any) -> None:
    """It says what is proved, and lists the lemma."""
    names = ["StopPullsNothing", "StopPreserves", "StopEnds"]
    told = [Verdict(Obligation(n, "Halt", z3.BoolVal(False), ACTIONS), {Z3: PROVED}) for n in names]
    monkeypatch.setattr(report, "prove", lambda *_: told)
    monkeypatch.setattr(report, "instances", lambda *_: {})
    status, shown, _ = specs("prove", "--only", "Stop*", "--solver", "z3")
    assert status == 0
    rows = re.findall(r"^│(\w+).* ok ", shown, re.MULTILINE)
    assert rows == names
    assert "Lemma OwnPullIsFirst: A caller pulls" in shown
    assert "Assumed for the measures: Halt, Fetch (with" in shown
    assert "3 proved, 0 refuted, 0 unknown" in shown


@pytest.mark.parametrize("timeout", [1e-9, 1e7, 1e308])
@pytest.mark.parametrize("solver", installed())
def test_any_time_limit(solver: str, timeout: float) -> None:
    """What a solver cannot count is the most that it can."""
    word, _ = ASK[solver](z3.BoolVal(False), timeout)
    assert word == PROVED


@pytest.mark.parametrize(
    ("words", "without", "complaint"),
    [
        (["--only", "Nonsense"], "", "'Nonsense' names no property. There are: TypeOK, "),
        (["--timeout", "0"], "", "must be a number of seconds above 0, not '0'"),
        (["--solver", "yices"], "", "invalid choice: 'yices'"),
        (["--solver", "both"], "cvc5", "cvc5 is not installed"),
    ],
)
def test_command_that_cannot_run(
    words: list[str], without: str, complaint: str, monkeypatch: pytest.MonkeyPatch, specs: Any
) -> None:
    """It says what is wrong, with status 2."""
    monkeypatch.setitem(sys.modules, without, None)
    status, _, err = specs("prove", *words)
    assert status == 2
    assert complaint in err


def test_command_without_z3() -> None:
    """It says what to install."""
    code = "import sys; sys.modules['z3'] = None; from specs.__main__ import main; sys.exit(main())"
    done = python("-c", code, "prove")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "z3 is missing: pip install 'stream-kernel[proof]'\n"


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

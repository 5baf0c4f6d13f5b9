"""The proofs about resumes: they hold for every size and place, and fail on broken resumes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import z3
from rich.console import Console

import specs
from kernel.machine import INITIAL, Limits
from specs import resume
from specs.epochs import epochs
from specs.history import Now
from specs.proof import report
from specs.proof.moments import FIRST, Moment, Reading, read
from specs.proof.obligations import INIT
from specs.proof.resume import (
    PROPERTIES,
    RESUMABLE,
    RESUME,
    SEEN,
    SYMBOLS,
    Model,
    Obligation,
    begun,
    confirmed,
    decide,
    follows,
    go_on,
    obligations,
    prove,
)
from specs.proof.sequences import Interval
from specs.proof.solve import CVC5, PROVED, REFUTED, Z3, Verdict, ask_z3, installed
from specs.proof.symbolic import formula, number
from specs.resume import Place

from ..support.resumes import MUTANTS, broken_resume

REFUTES = {
    "what was pulled is counted, not what was given": {RESUMABLE, "Conservation", "Refines"},
    "a pending end is forgotten": {"Refines"},
    "a second resume counts from the first": {RESUMABLE},
    "the pass is forgotten at the end of an epoch": {RESUMABLE},
    "the count of a pass goes on in the next": {RESUMABLE},
    "the place is kept behind an error": {RESUMABLE},
    "that the pass has yielded is forgotten": {"Refines"},
    "the epoch's count is forgotten": {"Refines"},
    "that the epoch has begun is forgotten": {"EpochBounded"},
    "an epoch that has its size cannot be gone on from": {RESUMABLE},
}
"""The properties of which the proof fails, by broken resumes."""


def test_all_is_proved() -> None:
    """From every place, by every solver that is there."""
    verdicts = list(prove(solvers=installed()))
    assert [(v.obligation[:2], v.said) for v in verdicts if v.word != PROVED] == []
    columns = {(RESUMABLE, column) for column in (INIT, *SEEN, RESUME)}
    assert {v.obligation[:2] for v in verdicts} == columns | {(p, RESUME) for p in PROPERTIES}


@pytest.mark.parametrize("name", MUTANTS)
def test_broken_resume_is_refuted(name: str) -> None:
    """The proof fails on each resume that is broken, and Python confirms where."""
    rules = broken_resume(MUTANTS[name])
    failed = [v for v in prove(rules) if v.word != PROVED]
    assert {v.obligation.property for v in failed} == REFUTES[name]
    assert all(v.word == REFUTED and v.model is not None for v in failed)


@pytest.mark.skipif(CVC5 not in installed(), reason="cvc5 is not installed")
def test_solvers_agree_on_a_broken_resume() -> None:
    """cvc5 finds places of its own, which Python confirms too."""
    rules = broken_resume(MUTANTS["a pending end is forgotten"])
    for obligation in (o for o in obligations(rules) if o.property in (RESUMABLE, "Refines")):
        one, other = (decide(obligation, (solver,), rules=rules) for solver in (Z3, CVC5))
        assert one.word == other.word


def test_table_of_broken_resumes() -> None:
    """The page lists each, what refuses it in TLC, and on what the proof fails."""
    text = (Path(specs.__file__).parent / "README.md").read_text(encoding="utf-8")
    table = text.split("| a resume broken so that |")[1].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]
    names = [(name, {tlc}, set(proof.split(", "))) for name, tlc, proof in rows]
    quoted = {name: {f"`{law}`" for law in laws} for name, laws in REFUTES.items()}
    assert names == [(n, {f"`{m.violated}`"}, quoted[n]) for n, m in MUTANTS.items()]


# That it is about something.


@pytest.mark.parametrize("unseen", [False, True])
@pytest.mark.parametrize("action", SEEN)
def test_everything_can_be_seen(action: str, unseen: bool) -> None:
    """In large epochs, far in a pass: a place that is always wrong would be refuted."""

    def nothing(limits: Limits, place: Place, *_: object) -> Place:
        return place

    class Never:
        given = staticmethod(lambda place, taken, first: place)
        told = staticmethod(nothing)

    limits, _, place, symbol = SYMBOLS
    wrong = formula(lambda: not follows(Never, SYMBOLS, action))  # type: ignore[arg-type]
    large = z3.And(number(limits.epoch_size) >= 10_000, number(place.in_pass) >= 10_000)
    right = z3.And(number(place.in_epoch) > 64, number(place.in_epoch) <= number(limits.epoch_size))
    assert ask_z3(z3.And(wrong, large, right, symbol.term == unseen), 10)[0] == REFUTED


def test_place_of_the_oracle() -> None:
    """The oracle that is begun from a place stands where it stood when it was read that far."""
    for seed in range(200):
        random = Random(seed)
        limits, reading, place = Limits(2, random.randrange(4)), Reading(), Place()
        for taken in range(1, 12):
            reading = reading._replace(due=Interval(0, 0))
            if reading.mark == "ended":
                reading = reading._replace(mark="none")
                place = resume.told(limits, place, taken - 1, "end")
            reading = read(limits, reading, taken)
            place = resume.given(place, taken - 1, place.in_pass == 0)
            from_there = begun(limits, place)
            for name in ("count", "yielded", "mark"):
                assert bool(getattr(reading, name) == getattr(from_there, name))


def test_skipping_is_left_out_of_the_proof() -> None:
    """The source of the proof stands at the place; the oracle's own skips those batches."""
    asked: list[int] = []

    def stream_fn() -> Iterator[int]:
        for batch in range(5):
            asked.append(batch)
            yield batch

    assert next(epochs(stream_fn, 3, 1, 2)) == ("batch", 2)
    assert asked == [0, 1, 2]
    assert begun(Limits(0, 3), Place(1, 2)) == Reading(1, True)


# The parts.


def test_forged_counterexamples() -> None:
    """Python confirms no place where nobody can be, and none where nothing is violated."""
    limits, place = Limits(2, 3), Place(1, 1)
    there = Model(limits, Moment(Now(INITIAL, taken=1), Reading()), place, False)
    for name in PROPERTIES:
        assert not confirmed(Obligation(name, RESUME, None), there, resume)
    for action in SEEN:
        assert not confirmed(Obligation(RESUMABLE, action, None), there, resume)
    assert not confirmed(Obligation(RESUMABLE, INIT, None), there, resume)
    nowhere = there._replace(place=Place(1, 0))
    assert not confirmed(Obligation(RESUMABLE, RESUME, None), nowhere, resume)
    rules = broken_resume(MUTANTS["an epoch that has its size cannot be gone on from"])
    at_end = there._replace(place=Place(3, 1))
    assert go_on(rules, at_end) is None
    assert not confirmed(Obligation("Bounded", RESUME, None), at_end, rules)
    assert confirmed(Obligation(RESUMABLE, RESUME, None), at_end, rules)
    everything = Obligation("Bounded", RESUME, z3.BoolVal(True))
    with pytest.raises(AssertionError, match="does not confirm"):
        decide(everything)


def test_report(capsys: pytest.CaptureFixture[str]) -> None:
    """It shows what is proved of resumes, and where it is not."""
    verdicts = [Verdict(o, {Z3: PROVED}) for o in obligations()]
    assert report.resumed(Console(width=120), verdicts) is False
    shown = capsys.readouterr().out
    assert re.search(r"│ Resumable +│ +ok +│ +ok +│ +ok +│ +ok +│ +ok +│ +ok +│", shown)
    model = Model(Limits(1, 2), FIRST, Place(2, 5), False)
    wrong = Verdict(Obligation("Refines", RESUME, None), {Z3: REFUTED}, model)
    assert report.resumed(Console(width=120), [wrong]) is True
    shown = " ".join(capsys.readouterr().out.split())
    limits = "limits=Limits(capacity=1, epoch_size=2, lookahead=False)"
    assert f"Refines, Resume: Model({limits}" in shown
    assert report.choose(["Resum*"]) == [RESUMABLE]

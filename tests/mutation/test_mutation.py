"""The mutants of the protocol: what makes them is right, and a fixed sample of them is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kernel.machine import ACTIONS, Limits
from specs.graph import explore
from specs.tlc import check, read_model

from ..support import models
from ..support.mutants import MUTANTS
from . import layers, matrix
from .spec import PROTOCOL, machine, mutants, mutated

ALL = mutants()
SAMPLE = (
    "Halt: ~fetching -> ~(~fetching)",
    'Raise: mark = "failed" -> TRUE',
    "Fetch: buffered = 0 -> TRUE",
)
"""One with a guard negated, two with a guard dropped."""


@pytest.mark.parametrize("lookahead", [False, True])
@pytest.mark.parametrize("capacity", range(4))
@pytest.mark.parametrize("epoch_size", range(4))
def test_module_evaluated_is_the_machine(capacity: int, epoch_size: int, lookahead: bool) -> None:
    """The actions of Protocol.tla, evaluated as Python, are those of the machine."""
    limits = Limits(capacity, epoch_size, lookahead)
    assert explore(limits, 2, machine()) == explore(limits, 2, ACTIONS)


def test_every_guard_and_assignment_is_mutated() -> None:
    """Every line of an action that says something has mutants, which differ from it."""
    assert {mutant.action for mutant in ALL.values()} == {action.__name__ for action in ACTIONS}
    for name, mutant in ALL.items():
        text = mutated(mutant)
        assert text != PROTOCOL, name
        ((old, new),) = mutant.edits
        assert len(text) == len(PROTOCOL) - len(old) + len(new)
    dropped, negated = (
        {name.partition(" -> ")[0] for name, m in ALL.items() if m.violated == f"guard {kind}"}
        for kind in ("dropped", "negated")
    )
    assert dropped == negated


@pytest.mark.parametrize("name", ALL)
def test_every_mutant_can_be_evaluated(name: str) -> None:
    """The evaluator reads each of them, and finds all its actions."""
    names = [action.__name__ for action in machine(mutated(ALL[name]))]
    assert names == [action.__name__ for action in ACTIONS]


@pytest.mark.parametrize("name", SAMPLE)
def test_sample_is_refused_by_tlc(name: str) -> None:
    """TLC names a property that the mutant violates."""
    assert matrix.refuse(ALL[name]) in MUTANTS


MARK = """\\* The end of an epoch in a step of its own, after the batch that completes it.
Mark ==
    /\\ begun
    /\\ EpochSize > 0 /\\ count = EpochSize
    /\\ mark' = "ended"
    /\\ begun' = FALSE
    /\\ count' = 0
    /\\ UNCHANGED <<callers, buffered, later, worker, fetching, yielded>>

System == Mark \\/ """

ENDS = """\
    /\\ count' = IF EpochSize = 0 \\/ count + 1 = EpochSize THEN 0 ELSE count + 1
    /\\ IF count + 1 = EpochSize
         THEN Put(1, "ended") /\\ begun' = Lookahead
         ELSE Put(1, "none") /\\ UNCHANGED begun
"""
COUNTS = """\
    /\\ count' = IF EpochSize = 0 THEN 0 ELSE count + 1
    /\\ Put(1, "none") /\\ UNCHANGED begun
"""
FULL = "    /\\ Held < Slots\n"


def test_mark_in_a_step_of_its_own_is_refused(tmp_path: Path) -> None:
    """A stop could come between a batch and the end that it completes: EpochBounded forbids it."""
    bounded = FULL + "    /\\ EpochSize = 0 \\/ count < EpochSize\n"
    mark = "Mark == P!Mark /\\ UNCHANGED history\nSystem == Mark \\/ "
    models.edit(tmp_path, "Protocol", (ENDS, COUNTS), ("System == ", MARK), (FULL, bounded))
    models.edit(tmp_path, "Stream", ("System == ", mark))
    for name in ("Stream_E2_C1", "Stream_E3_C2"):
        model = read_model(tmp_path / "stream" / f"{name}.cfg")
        assert check(model).verdict == "violates EpochBounded"


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [("Exhaust: EpochSize = 0 -> ~(EpochSize = 0)", {"refused", "hangs"}), ("", {"unseen"})],
)
def test_layers_refuse_a_mutant_and_not_the_protocol(
    name: str,
    verdicts: set[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every layer refuses a protocol that is broken badly, and none the unbroken one."""
    settled = layers.settled
    monkeypatch.setattr(layers, "settled", lambda examples, steps: settled(examples // 10, steps))
    monkeypatch.setattr(layers, "SEEDS", 5)
    monkeypatch.setattr(layers, "SECONDS", 20)
    monkeypatch.setattr(sys, "argv", ["layers", name])
    layers.main()
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == layers.LAYERS.keys()
    assert set(told.values()) <= verdicts


def test_what_nothing_explains_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant that no property refuses, and an explanation that is not true, are both wrong."""
    first, second, *_ = ALL
    rows = [
        {"name": first, "kind": "guard negated", "layers": {"TLC": "counts"}},
        {"name": second, "kind": "guard negated", "layers": {"TLC": "Bounded"}},
    ]
    monkeypatch.setattr(matrix, "EQUIVALENT", {second: "no reason", "no such mutant": ""})
    assert matrix.unexplained(rows) == [
        f"{first}: no property refuses it, and nothing explains it",
        f"{second}: explained, but refused by Bounded",
        "no such mutant: explained, but no mutant",
    ]

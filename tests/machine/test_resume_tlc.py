"""TLC on the models with resumes: their graphs are the machine's, and broken ones are refuted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kernel.machine import ACTIONS, INITIAL, State, Variables, resumed
from specs import tlc
from specs.graph import Edge, as_it_is, explore, limits_of
from specs.tlc import TLA, check, read_value

from ..support import models
from ..support.resumes import MUTANTS

MODELS = {model.name: model for model in tlc.models() if model.module == "Resume"}


def read_resumes(dump: Path) -> tuple[set[Edge], set[tuple[int, int, State]]]:
    """The edges of one wrapper in a graph dumped by TLC, and the resumes: place and first state."""
    text = dump.read_text(encoding="utf-8")
    states = {}
    for number, label in re.findall(r'^(-?\d+) \[label="((?:[^"\\]|\\.)*)"', text, re.MULTILINE):
        values = dict(re.findall(r"(\w+) = (.*?)(?:\\n|$)", label))
        got, given = (int(read_value(values[name])) for name in ("got", "given"))
        states[number] = (as_it_is(values), got, given)
    edges, resumes = set(), set()
    for before, after, name in re.findall(
        r'^(-?\d+) -> (-?\d+) \[label="(\w+)"', text, re.MULTILINE
    ):
        if name == "Resume":
            resumes.add((*states[before][1:], states[after][0]))
        else:
            edges.add((states[before][0], name, states[after][0]))
    return edges, resumes


@pytest.mark.parametrize("name", MODELS)
def test_graph_is_the_machines(name: str, tmp_path: Path) -> None:
    """From every place a wrapper begins as the machine says, and goes on as the machine does."""
    model = MODELS[name]
    result = check(model, dump=tmp_path / "graph.dot")
    assert (result.verdict, result.distinct) == ("holds", model.distinct)
    limits = limits_of(model)
    size = limits.epoch_size
    edges, resumes = read_resumes(tmp_path / "graph.dot")
    places = {(got if size else given, given) for got, given, _ in resumes}
    assert places >= {(e, p) for e in range(size + 1) for p in range(1, 3) if e in (p, size or p)}
    assert {(*place, resumed(limits, *place)) for place in places} == {
        (got if size else given, given, state) for got, given, state in resumes
    }
    firsts = {INITIAL} | {state for _, _, state in resumes}
    permits = model.constants["MaxPermits"]
    assert edges == {edge for first in firsts for edge in explore(limits, permits, begin=first)}


@pytest.mark.parametrize("name", MUTANTS)
def test_broken_resume_is_refuted(name: str, tmp_path: Path) -> None:
    """TLC refutes each resume that is broken, by the property that is named for it."""
    mutant = MUTANTS[name]
    models.plant(tmp_path, mutant.spec, mutant)
    constants = {
        "Capacity": mutant.capacity,
        "EpochSize": mutant.epoch_size,
        "MaxPermits": 1,
        "Lookahead": False,
    }
    result = check(models.model(tmp_path, "Resume", mutant.violated, constants))
    assert result.verdict == f"violates {mutant.violated}"
    assert any(step.action == "Resume" for step in result.steps) or mutant.violated == "Resumable"


def test_actions_have_the_same_names() -> None:
    """The machine's actions, in their order, are those that the module defines; then `Resume`."""
    text = (TLA / "Resume.tla").read_text(encoding="utf-8")
    defined = re.findall(r"^(\w+) ==", text.split("\nSystem ==")[0], re.MULTILINE)
    names = [action.__name__ for action in ACTIONS]
    assert [name for name in defined if name in [*names, "Resume"]] == [*names, "Resume"]
    variables = re.search(r"VARIABLES\n    (.*?),\n    batches", text, re.DOTALL)
    assert variables is not None
    assert tuple(variables[1].replace("\n", " ").split(", ")) == Variables._fields

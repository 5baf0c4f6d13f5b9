"""The real TLC finds what it should: in our models, in broken ones, and in its own absence."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from kernel.machine import ACTIONS, INITIAL, Limits, State
from specs import tlc
from specs.graph import Edge, explore, limits_of, read_dump, read_initial
from specs.report.command import swimlane
from specs.tlc import TLA, ModelError, ToolsMissing, check, distributed, read_model

from ..conftest import Once
from ..support import models
from ..support.lookahead import LOOKAHEAD
from ..support.mutants import MUTANTS, broken_actions
from ..support.processes import python

MODELS = {model.name: model for model in tlc.models()}
STREAMS = [name for name in MODELS if name.startswith("Stream_")]


def graph(name: str) -> tuple[tlc.Result, frozenset[State], frozenset[Edge]]:
    """What TLC says of a model, with the initial states and the edges of its graph."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "graph.dot"
        return check(MODELS[name], dump=file), read_initial(file), read_dump(file)


@pytest.mark.parametrize("name", STREAMS)
def test_graph_is_the_machines(name: str, once: Once) -> None:
    """TLC's state graph and the machine's have the same states and the same named edges."""
    model = MODELS[name]
    result, initial, edges = once(f"graph of {name}", lambda: graph(name))
    assert (result.verdict, result.distinct) == ("holds", model.distinct)
    assert initial == {INITIAL}
    explored = explore(limits_of(model), model.constants["MaxPermits"])
    assert len(edges) > 100
    assert edges == explored


@pytest.mark.parametrize("name", MUTANTS)
def test_graph_differs_from_a_broken_machines(name: str, once: Once) -> None:
    """The comparison of graphs refuses every broken machine."""
    capacity = MUTANTS[name].capacity
    explored = explore(Limits(capacity, 3), 2, broken_actions(MUTANTS[name]), max_states=10_000)
    whole = f"Stream_E3_C{capacity}"
    assert once(f"graph of {whole}", lambda: graph(whole))[2] != explored


@pytest.mark.parametrize("name", LOOKAHEAD)
def test_graph_differs_from_broken_lookahead(name: str, once: Once) -> None:
    """So it does every machine that goes wrong past the end of an epoch."""
    broken = broken_actions(LOOKAHEAD[name])

    def dumped(size: int) -> frozenset[Edge]:
        whole = f"Stream_E{size}_C2_Lookahead"
        return once(f"graph of {whole}", lambda: graph(whole))[2]

    explored = [explore(Limits(2, size, True), 1, broken, max_states=10_000) for size in range(3)]
    assert explored != [dumped(size) for size in range(3)]


@pytest.mark.parametrize("name", [*MUTANTS, *LOOKAHEAD])
def test_property_fails_on_its_mutant(name: str, tmp_path: Path) -> None:
    """TLC refutes each property on a protocol that is broken for it, and shows how."""
    mutant = {**MUTANTS, **LOOKAHEAD}[name]
    if name == "Implements":  # of Protocol itself, by a Stream that takes no fair step for Bury
        models.edit(tmp_path, "Stream", (" /\\ WF_vars(Bury)", ""))
    else:
        models.plant(tmp_path, "Protocol", mutant)
    constants = {
        "Capacity": mutant.capacity,
        "EpochSize": mutant.epoch_size,
        "MaxPermits": 1,
        "Lookahead": name in LOOKAHEAD,
    }
    model = models.model(tmp_path, "Stream", mutant.violated, constants)
    assert list(model.properties.values()) == [[mutant.violated]]
    result = check(model)
    assert result.verdict == f"violates {mutant.violated}"
    assert len(result.steps) > 1 or name == "Implements"
    assert len(swimlane(model, result).rows) == len(result.steps)


def test_every_model_checks_every_property() -> None:
    """All models of Stream check the same properties, those that have mutants."""
    for name in STREAMS:
        checked = [p for names in MODELS[name].properties.values() for p in names]
        assert sorted(checked) == sorted(MUTANTS)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m specs` with these arguments, without a terminal."""
    return python("-m", "specs", *arguments, **environment)


def test_command_shows_expected_counterexamples_and_exits_with_zero() -> None:
    """A model that should be violated, and is, is as expected."""
    done = run("--only", "NonProperties_StopDrains", "--only", "Stream_E1_C0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 as expected, 0 differing" in done.stdout
    assert "Stream_E1_C0: holds" in done.stdout


def test_command_fails_if_counts_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, specs: Any
) -> None:
    """A model whose counts changed is not as expected, although nothing is violated."""
    shutil.copytree(TLA, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "stream" / "Stream_E1_C0.cfg"
    model = MODELS["Stream_E1_C0"]
    changed = config.read_text().replace(f"{model.distinct} distinct", "7 distinct")
    config.write_text(changed)
    monkeypatch.setattr(tlc, "TLA", tmp_path)
    status, shown, _ = specs("--only", "Stream_E1_C0")
    assert status == 1
    assert f"but found states: {model.generated} generated, {model.distinct} distinct" in shown
    assert "0 as expected, 1 differing" in shown


def test_command_prints_an_unexpected_counterexample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, specs: Any
) -> None:
    """What differs is shown step by step, in a column for each thread."""
    shutil.copytree(TLA, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "nonproperties" / "NonProperties_StopDrains.cfg"
    config.write_text(config.read_text().replace("expect: violates StopDrains", "expect: holds"))
    monkeypatch.setattr(tlc, "TLA", tmp_path)
    status, out, _ = specs("--only", "NonProperties_StopDrains")
    assert status == 1
    shown = " ".join(out.split())
    assert "expected that it holds, but it violates StopDrains" in shown
    assert re.search(r"Callers Worker .* \d Start .* \d Enter .* 7 Leave ", shown)


@pytest.mark.parametrize(
    ("name", "broken", "mended", "found"),
    [
        (
            "Seed_7_NoneIsAnEnd",
            """hand' = [hand EXCEPT ![t] = <<"none", pulled'>>]""",
            """hand' = [hand EXCEPT ![t] = <<"batch", pulled'>>]""",
            "expected a counterexample of 11 states",
        ),
        (
            "Seed_13_StopPulls",
            """At(t, "nap", "pull")""",
            """At(t, "nap", IF told[t] THEN "leaving" ELSE "pull")""",
            "expected that it violates StopPullsNothing, but it",
        ),
    ],
)
def test_command_fails_if_a_defect_of_the_seed_is_not_found(
    name: str,
    broken: str,
    mended: str,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    specs: Any,
) -> None:
    """A model of the seed without its defect, or with another, is not as expected."""
    models.edit(tmp_path, "SeedThread", (broken, mended))
    monkeypatch.setattr(tlc, "TLA", tmp_path)
    status, out, _ = specs("--only", name)
    assert status == 1
    assert found in " ".join(out.split())


def test_every_protocol_error_of_the_seed_has_a_model() -> None:
    """Each is expected to be violated, with the length of its counterexample recorded."""
    seeds = [model for name, model in MODELS.items() if name.startswith("Seed_")]
    assert all(m.expected.startswith("violates ") and m.counterexample > 1 for m in seeds)
    numbers = {int(model.name.split("_")[1]) for model in seeds}
    assert numbers == {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21}


def test_syntax_error_is_no_verdict(tmp_path: Path) -> None:
    """A module that TLC cannot read is an error that says where, and never a pass."""
    models.edit(tmp_path, "Protocol", ("\nFetch ==", "\nFetch = ="))
    result = check(read_model(tmp_path / "stream" / "Stream_E1_C0.cfg"))
    assert result.verdict.startswith(("is in error", "stopped without a verdict"))
    assert result.differences(MODELS["Stream_E1_C0"])


def test_time_limit_is_no_verdict() -> None:
    """A run that does not end in time is not a pass."""
    result = check(MODELS["Stream_E1_C0"], timeout=0.01)
    assert result.verdict == "did not end in 0 s"


def test_missing_tools_are_named(tmp_path: Path) -> None:
    """Without a jar there is an error that says what to install, and no table."""
    done = run("--only", "Stream_E1_C0", TLA2TOOLS_JAR=str(tmp_path / "no.jar"))
    assert done.returncode == 2
    assert "TLA2TOOLS_JAR names" in done.stderr
    assert done.stdout == ""


def test_nothing_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra and without a system Java, the error says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("TLA2TOOLS_JAR", raising=False)
    with pytest.raises(ToolsMissing, match=r"pip install 'stream-kernel\[specs\]'"):
        tlc.java()
    with pytest.raises(ToolsMissing, match="TLA2TOOLS_JAR"):
        tlc.jar()


def test_environment_chooses_the_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLA2TOOLS_JAR comes before the packaged one, and a system java serves without the extra."""
    mine = tmp_path / "mine.jar"
    mine.touch()
    monkeypatch.setenv("TLA2TOOLS_JAR", str(mine))
    assert tlc.jar() == str(mine)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert tlc.java() == "/bin/java"


def test_unknown_model_is_an_error() -> None:
    """A name that matches nothing lists those that there are."""
    done = run("--only", "Steam")
    assert done.returncode == 2
    assert "'Steam' names no model" in done.stderr
    assert "Stream_E0_C0" in done.stderr


def test_config_must_say_what_to_expect(tmp_path: Path) -> None:
    """A .cfg without counts is refused."""
    config = tmp_path / "Stream_Vague.cfg"
    config.write_text("SPECIFICATION Spec\n")
    with pytest.raises(ModelError, match=r"Stream_Vague\.cfg must begin with"):
        read_model(config)


def test_actions_have_the_same_names_everywhere() -> None:
    """The machine's actions, in their order, are those that the modules define."""
    names = [action.__name__ for action in ACTIONS]
    for module in ("Protocol", "Stream"):
        text = (TLA / f"{module}.tla").read_text(encoding="utf-8")
        defined = [
            word.split()[0]
            for word in text.split("\nSystem ==")[0].splitlines()
            if " ==" in word and not word.startswith((" ", "\\", "("))
        ]
        assert [name for name in defined if name in names] == names


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("Stream_E1_C1", "holds"),
        ("Seed_1_StopAtBoundary", tlc.UNNAMED),  # an invariant
        ("Seed_13_StopPulls", tlc.UNNAMED),  # a step
    ],
)
def test_distributed(name: str, verdict: str) -> None:
    """A server and two workers, over loopback, find all states, and violations."""
    result = distributed.check_distributed(MODELS[name], workers=2, timeout=110)
    assert result.verdict == verdict
    assert result.differences(MODELS[name]) == []
    assert result.workers == 2
    wrong = replace(MODELS[name], expected="deadlocks" if verdict == "holds" else "holds")
    assert result.differences(wrong) != []


def test_distributed_does_not_end() -> None:
    """Without workers the server waits; it is ended in time, and that is the verdict."""
    result = distributed.check_distributed(MODELS["Stream_E0_C0"], workers=0, timeout=6)
    assert result.verdict == "did not end in 6 s"


def test_what_workers_can_find() -> None:
    """Liveness and refinement are left out, and models that are about these."""
    assert distributed.is_for_workers(MODELS["Stream_E1_C1"])
    assert not distributed.is_for_workers(MODELS["Seed_4_EmptySource"])
    for name in "Stream_E1_C1", "Seed_4_EmptySource", "Seed_13_StopPulls":
        kept = distributed.safety(MODELS[name].config.read_text(encoding="utf-8"))
        assert "    Served" not in kept
        assert "Refines" not in kept
        assert ("PROPERTIES" in kept) == (name != "Seed_4_EmptySource")


def test_distributed_command(specs: Any) -> None:
    """The command checks what workers can, and leaves out the rest."""
    only = "--only", "Seed_4_EmptySource", "--only", "Stream_E0_C0"
    assert specs("--distributed", "--workers", 1, *only).status == 0

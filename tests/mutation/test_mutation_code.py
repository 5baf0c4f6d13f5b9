"""The command that mutates the code: it tells the dead from the living, and believes no list."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from . import code
from .code import KILLED, SURVIVED, TIMEOUT, Layer, main, verdict
from .equivalent import EXPLAINED
from .mutants import ROOT, all_mutants, mutants

SAID = "kernel/stream.py:StreamWrapper.__reduce__: raise TypeError("
SILENT = "kernel/core.py:module: glance = 0.5 -> glance = 1.5"
FUNCTION = '''
def at_most(a, b):
    """A document stays."""
    if a and a < b:
        return a
    return b
'''


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One layer, which kills what `SAID` begins, and nothing is explained."""
    monkeypatch.setattr(code, "LAYERS", {"messages": Layer(("tests/shell/test_messages.py",), 60)})
    monkeypatch.setattr(code, "EXPLAINED", {})


def test_mutants_of_a_function() -> None:
    """Comparisons, conditions and statements are mutated; documents are not."""
    found = mutants("example.py", FUNCTION)
    assert {mutant.name for mutant in found} == {
        f"example.py:at_most: {change}"
        for change in (
            "if a and a < b: -> if a or a < b:",
            "if a and a < b: -> if a:",
            "if a and a < b: -> if a < b:",
            "if a and a < b: -> if a and a <= b:",
            "return a -> pass",
            "return b -> pass",
        )
    }
    assert all(mutant.text != FUNCTION and ast.parse(mutant.text) for mutant in found)
    assert [mutant.line for mutant in found] == sorted(mutant.line for mutant in found)


def test_a_condition_without_a_comparison_is_negated() -> None:
    """Mutmut leaves `if a:` alone."""
    found = mutants("example.py", "def f(a):\n    if a:\n        return 1\n")
    assert "example.py:f: if a: -> if not a:" in {mutant.name for mutant in found}


def test_names_are_unique_and_the_texts_are_programs() -> None:
    """No two mutants share a name, and each is the whole file with something changed."""
    found = all_mutants()
    assert len(found) > 1000
    assert len({mutant.name for mutant in found}) == len(found)
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file in code.FILES}
    assert all(mutant.text != sources[mutant.file] for mutant in found)
    assert all(ast.parse(mutant.text) for mutant in found[::10])


def test_explanations_are_of_mutants_that_exist() -> None:
    """Nothing is explained twice, or any more, and every reason is a sentence."""
    names = [name for names in EXPLAINED.values() for name in names]
    assert len(set(names)) == len(names)
    assert set(names) <= {mutant.name for mutant in all_mutants()}
    assert all(reason[0].isupper() and reason.endswith(".") for reason in EXPLAINED)


@pytest.mark.usefixtures("quick")
def test_killed_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mutant that breaks a message is killed, and that is written down, with the test."""
    out = tmp_path / "out.jsonl"
    assert main(["--only", SAID, "--sample", "1", "--jobs", "1", "--out", str(out)]) == 0
    (record,) = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert record["layers"] == {"messages": KILLED}
    assert record["by"]["messages"].startswith("shell/test_messages.py::test_message[")
    assert (record["file"], record["function"]) == ("kernel/stream.py", "StreamWrapper.__reduce__")
    assert "unexplained" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_survivor_must_be_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexplained survivor is a failure; once it is explained it is none. Runs are resumed."""
    words = ["--only", SILENT, "--jobs", "1", "--out", str(tmp_path / "out.jsonl")]
    assert main(words) == 1
    assert f"{SILENT}\n    survived, and is not explained" in capsys.readouterr().out
    monkeypatch.setattr(code, "EXPLAINED", {"It is a bound.": (SILENT,)})
    monkeypatch.setattr(code, "ask", None)  # it is in the file already
    assert main(words) == 0
    monkeypatch.setattr(code, "EXPLAINED", {"It is a bound.": (SILENT, "kernel/core.py:gone")})
    assert main(words) == 1
    assert "does not exist (any more)" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_layers_must_pass_without_a_mutation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that fail anyway would kill everything: that is an error."""
    monkeypatch.setattr(code, "LAYERS", {"none": Layer(("tests/no_such_file.py",), 60)})
    with pytest.raises(SystemExit, match="Without any mutation the layer 'none' fails"):
        main(["--only", SILENT, "--jobs", "1"])


def test_sample_is_fixed(capsys: pytest.CaptureFixture[str]) -> None:
    """The same number and seed draw the same mutants; another seed, others."""

    def drawn(seed: str) -> str:
        assert main(["--sample", "5", "--seed", seed, "--list"]) == 0
        return capsys.readouterr().out

    assert drawn("1") == drawn("1") != drawn("2")
    assert len(drawn("1").splitlines()) == 5


def test_unknown_part_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A part of no name is named."""
    with pytest.raises(SystemExit):
        main(["--only", "no such thing"])
    assert "'no such thing' is part of no mutant's name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ((SURVIVED, SURVIVED), SURVIVED),
        ((SURVIVED, TIMEOUT), TIMEOUT),
        ((TIMEOUT, KILLED), KILLED),
    ],
)
def test_verdict(outcomes: tuple[Any, ...], whole: str) -> None:
    """One layer that kills is enough."""
    assert verdict({"layers": dict(enumerate(outcomes))}) == whole


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("assert True", SURVIVED),
        ("assert False", KILLED),
        ("threading.Event().wait()", TIMEOUT),
    ],
)
def test_ask(tmp_path: Path, body: str, outcome: str) -> None:
    """A test that hangs is told from one that fails."""
    (tmp_path / "tests" / "mutation").mkdir(parents=True)
    for name in ("__init__.py", "mutation/__init__.py", "mutation/profile.py"):
        (tmp_path / "tests" / name).touch()
    (tmp_path / "tests" / "test_it.py").write_text(
        f"import threading\ndef test_it():\n    {body}\n", encoding="utf-8"
    )
    layer = Layer(("tests/test_it.py", "--timeout=1"), 60)
    found, by = code.ask(layer, tmp_path)
    assert found == outcome
    assert by == ("" if outcome == SURVIVED else "test_it.py::test_it")

"""The command that mutates the code: it tells the killed from survivors, and trusts no list."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from . import code, forks
from .code import Known, Server, main
from .equivalent import EXPLAINED
from .forks import KILLED, LIMIT, SURVIVED, TIMEOUT
from .mutants import FILES, ROOT, Mutant, all_mutants, mutants

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
    """One file of tests, which kill what `SAID` begins, no graphs, and nothing is explained."""
    monkeypatch.setattr(code, "TESTS", ("tests/shell/test_messages.py",))
    monkeypatch.setattr(code, "dump", lambda _: None)
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
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file in FILES}
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
    assert record["outcome"] == KILLED
    assert record["by"].startswith("tests/shell/test_messages.py::test_message[")
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
    monkeypatch.setattr(code, "judge", None)  # it is in the file already
    assert main(words) == 0
    monkeypatch.setattr(code, "EXPLAINED", {"It is a bound.": (SILENT, "kernel/core.py:gone")})
    assert main(words) == 1
    assert "does not exist (any more)" in capsys.readouterr().out


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


PROJECT = {
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib']\n",
    "tests/__init__.py": "",
    "tests/mutation/__init__.py": "",
    "tests/mutation/profile.py": "",
    "tests/mutation/forks.py": Path(forks.__file__).read_text(encoding="utf-8"),
    "kernel/__init__.py": "",
    "kernel/half.py": """def half(n):
    return n // 2


def zero(n):
    while n:
        n -= 1
""",
    "tests/test_half.py": """
import os
import subprocess
import sys
import threading
from kernel.half import half, zero

tries = [1, 2, 3]

def test_half():
    thread = threading.Thread(target=lambda: tries.append(half(4)))
    thread.start()
    thread.join()
    assert tries.pop() == 2

def test_zero():
    zero(2)

def test_elsewhere():
    assert subprocess.run([sys.executable, "-c", "import kernel.half"], check=False).returncode == 0

def test_by_chance():
    zero(0)
    seen = os.path.exists("seen")
    open("seen", "w").close()
    assert not seen

def test_other():
    pass
""",
    "tests/more/__init__.py": "",
    "tests/more/test_text.py": """
import inspect
from kernel.half import half

def test_text():
    assert "n // 2" in inspect.getsource(half)
    half(2)

def test_not_asked():
    half(2)
""",
}
HALF, ZERO, ELSEWHERE, CHANCE = (
    f"tests/test_half.py::test_{name}" for name in ("half", "zero", "elsewhere", "by_chance")
)
TEXT = "tests/more/test_text.py::test_text"
ASKED = ("tests/test_half.py", TEXT)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Of a small project."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    server = Server(folder)
    yield server
    server.close()


@pytest.fixture(scope="module")
def found(server: Server) -> dict[str, Any]:
    """What is learned of its tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code, "TESTS", ASKED)
        return code.learned(server, server.folder / "cache.json", Console(quiet=True))


def test_what_is_learned_of_tests(
    server: Server, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines, in threads too; tests that start processes, fail by themselves, or read text."""
    assert {*found["lines"]["kernel/half.py"]["2"]} == {HALF, TEXT}
    assert sorted(found["lines"]["kernel/half.py"]["6"]) == [CHANCE, ZERO]
    assert found["unknown"] == [ELSEWHERE]
    assert found["failed"] == [CHANCE]
    assert found["seconds"].keys() == {HALF, ZERO, ELSEWHERE}
    cache = server.folder / "cache.json"
    monkeypatch.setattr(code, "TESTS", ASKED)
    assert code.learned(server, cache, Console(quiet=True)) == found  # which is not run again


def mutant(before: str, after: str) -> Mutant:
    """Of the small project."""
    source = PROJECT["kernel/half.py"]
    line = source[: source.index(before)].count("\n") + 1
    return Mutant("kernel/half.py", "f", before, after, 1, line, source.replace(before, after))


@pytest.mark.parametrize(
    ("changed", "outcome", "by"),
    [
        (mutant("n // 2", "n / 2 // 1"), SURVIVED, ""),
        (mutant("n // 2", "n // 3"), KILLED, HALF),
        (mutant("n -= 1", "n += 0"), TIMEOUT, ZERO),
        (mutant("def half(", "def other("), KILLED, "tests/test_half.py"),
    ],
)
def test_judge(
    server: Server, found: dict[str, Any], changed: Mutant, outcome: str, by: str
) -> None:
    """A test that hangs is not one that fails; one that cannot be imported fails."""
    record = code.judge(changed, server, Known(found, []), 10)
    assert (record["outcome"], record["by"]) == (outcome, by)
    assert (server.folder / changed.file).read_text("utf-8") == PROJECT[changed.file]


def test_time_of_a_mutant_is_limited(server: Server, found: dict[str, Any]) -> None:
    """Then it survives, but for the tests that were not asked."""
    record = code.judge(mutant("n -= 1", "n += 0"), server, Known(found, []), 0)
    assert (record["outcome"], record["by"], record["limit"]) == (LIMIT, "", 0)


def test_who_is_asked_first(found: dict[str, Any]) -> None:
    """Tests that killed a mutant like it, then those that run the line, the quickest first."""
    found = {**found, "seconds": {HALF: 0.2, ZERO: 0.1, ELSEWHERE: 0.0}}
    known = Known(found, [])
    whole = mutant("def half(", "def other(")  # only an import runs it
    assert known.tests(mutant("n // 2", "n // 3")) == [HALF, ELSEWHERE]
    assert known.tests(whole) == [ZERO, HALF, ELSEWHERE]
    known.learn({"function": "f", "by": HALF, "outcome": KILLED})
    assert known.tests(whole) == [HALF, ZERO, ELSEWHERE]

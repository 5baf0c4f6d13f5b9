"""The pages say what is so: examples run, links lead somewhere, tables are those of the code."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

from kernel import profile, run, stream
from kernel.machine import ACTIONS, Variables
from specs import source
from specs.pages import part, rows
from specs.proof.report import GROUPS
from specs.report import protocol, schedule, values
from specs.source import fingerprint
from specs.tlc import TLA, models

from .machine.test_properties import NAMES
from .support.lookahead import LOOKAHEAD
from .support.mutants import MUTANTS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
KERNEL, SPECS, MODELS, TESTS = (
    ROOT / folder / "README.md" for folder in ("kernel", "specs", "tla", "tests")
)
PAGES = (README, KERNEL, SPECS, MODELS, TESTS)


def test_example_runs() -> None:
    """The examples in the pages give what they show."""
    for page, least in ((README, 3), (KERNEL, 20), (SPECS, 3)):
        failed, tried = doctest.testfile(
            str(page), module_relative=False, optionflags=doctest.ELLIPSIS
        )
        assert (failed, tried >= least) == (0, True), page


def test_docstrings_run() -> None:
    """The examples in the docstrings give what they show."""
    for module in (profile, stream, fingerprint, source, values, schedule, protocol):
        failed, tried = doctest.testmod(module)
        assert (failed, tried > 0) == (0, True)


def test_table_of_properties() -> None:
    """The table lists every property, where it is stated, and the mutant that it refuses."""
    rows = re.findall(r"^\| `(\w+)`\*? \|(.*)\|$", SPECS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(NAMES)
    for name, row in rows:
        _, module, _, mutant, proof = (cell.strip() for cell in row.split("|"))
        text = (TLA / module.strip("`")).read_text(encoding="utf-8")
        assert re.search(rf"^{name} ==", text, re.MULTILINE), name
        assert mutant == MUTANTS[name].name
        assert proof == "proved"


def test_table_of_defects() -> None:
    """The table lists every model of the seed, its property and its recorded counterexample."""
    rows = re.findall(
        r"^\| (\d+) \| .* \| `(Seed_\w+)` \| `(\w+)` \| (\d+) \|$",
        SPECS.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    found = {m.name: m for m in models() if m.module == "Seed"}
    assert {name for _, name, _, _ in rows} == set(found)
    for number, name, violated, states in rows:
        assert name.startswith(f"Seed_{number}_")
        assert found[name].expected == f"violates {violated}"
        assert found[name].counterexample == int(states) > 0


def test_table_of_lookahead() -> None:
    """The table lists each way in which looking past an epoch is broken, and what refuses it."""
    told = {name: violated.strip("`") for name, violated in rows(SPECS, "lookahead")}
    assert told == {name: mutant.violated for name, mutant in LOOKAHEAD.items()}


def test_list_of_actions() -> None:
    """The page names the actions, in order."""
    listed = re.search(r"in Python and in TLA\+:\n(.*?)\.\n", SPECS.read_text("utf-8"), re.DOTALL)
    assert listed is not None
    assert re.findall(r"`(\w+)`", listed[1]) == [action.__name__ for action in ACTIONS]


def test_places_of_variables() -> None:
    """The shell looks for a variable where the machine puts it."""
    assert Variables._fields[run.MARK] == "mark"
    progress = Variables._fields[run.PROGRESS :]
    assert progress == ("fetching", "begun", "count", "yielded")
    assert progress[run.FETCHING] == "fetching"
    assert progress[run.BEGUN] == "begun"
    assert progress[run.COUNT] == "count"


def test_table_of_models() -> None:
    """A row for each module that has models, with their number, and the sum."""
    found = [model.module for model in models()]
    table = {row[0].strip("`"): row for row in rows(MODELS, "models")}
    assert {name: int(row[1]) for name, row in table.items()} == {
        name: found.count(name) for name in found
    }
    assert f"\n{len(found)} models" in part(MODELS, "models")


def test_table_of_obligations() -> None:
    """A row for each kind of property, with the number of these; the sum is that of the rows."""
    table = rows(SPECS, "obligations")
    assert [(row[0], int(row[1])) for row in table] == [(k, len(v)) for k, v in GROUPS.items()]
    assert f"\n{sum(int(row[2]) for row in table)} obligations, all proved" in part(
        SPECS, "obligations"
    )


def test_table_of_files() -> None:
    """The guide of the library lists its files."""
    files = [row[0].split("`")[1] for row in rows(KERNEL, "files")]
    assert sorted(["__init__.py", *files]) == sorted(
        str(path.relative_to(KERNEL.parent)) for path in KERNEL.parent.rglob("*.py")
    )


def test_map_of_folders() -> None:
    """The map lists the folders with code."""
    folders = {row[0].split("`")[1].rstrip("/") for row in rows(README, "map")}
    code = {path.parent.name for kind in ("*/*.py", "*/*.tla") for path in ROOT.glob(kind)}
    assert folders == {name for name in code if not name.startswith(".")}


def test_table_of_checks() -> None:
    """Each technique has a claim, a command, a time and a place."""
    for how, claim, command, time, where in rows(README, "checks"):
        assert all((how, claim, command)), how
        assert re.fullmatch(r"\d+ (s|min)", time), how
        assert (ROOT / where.strip("`")).exists(), where


def test_table_of_the_slowest() -> None:
    """Twenty tests that are there, each with the reason why it is slow."""
    table = rows(TESTS, "slowest")
    assert len(table) == 20
    for test, seconds, why in table:
        file, _, name = test.strip("`").partition("::")
        text = (TESTS.parent / file).read_text(encoding="utf-8")
        assert f"def {name.partition('[')[0]}(" in text, test
        assert int(seconds) >= 0
        assert len(why) > 5, test


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_links(page: Path) -> None:
    """Every link leads to a file, and to a heading in it."""
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if heading:
            text = target.read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            assert heading in {
                re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings
            }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_commands(page: Path) -> None:
    """Every command that a page names is one."""
    text = page.read_text(encoding="utf-8")
    for module in set(re.findall(r"python -m ([\w.]+)", text)):
        assert importlib.util.find_spec(module) is not None, module
    for path in set(re.findall(r"pytest (?:-n auto )?(tests[\w/.:]*)", text)):
        assert (ROOT / path).exists(), path


def test_readme_is_short() -> None:
    """A stranger reads a page, not a book."""
    assert len(README.read_bytes()) <= 9000

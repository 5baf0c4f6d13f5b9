"""The README says what is so: its example runs, and its tables are those of the code."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from kernel import profile, run, stream
from kernel.machine import ACTIONS, Variables
from specs import source
from specs.proof.solve import proved
from specs.source import fingerprint
from specs.tlc import TLA, models

from .machine.test_properties import NAMES
from .support.mutants import MUTANTS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SPECS = ROOT / "specs" / "README.md"


def test_example_runs() -> None:
    """The examples in the pages give what they show."""
    for page, least in ((README, 3), (SPECS, 3)):
        failed, tried = doctest.testfile(
            str(page), module_relative=False, optionflags=doctest.ELLIPSIS
        )
        assert (failed, tried >= least) == (0, True), page


def test_docstrings_run() -> None:
    """The examples in the docstrings give what they show."""
    for module in (profile, stream, fingerprint, source):
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
        assert proof == ("proved" if name in proved() else "")


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


def test_readme_is_short() -> None:
    """Whoever finds the project reads a page, not a book."""
    assert len(README.read_bytes()) <= 9000

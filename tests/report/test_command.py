"""`python -m specs report`, and swimlanes in the terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kernel import StreamWrapper
from specs.conform import Verdict
from specs.conform.rules import RULES
from specs.report import Leaves, Move, from_schedule, terminal
from specs.report.command import in_order, swimlane
from specs.tlc import Model, models

from ..support.processes import python
from .stored import SEEDS, load


def shown(lane: object, width: int = 120) -> str:
    """What is printed."""
    file = io.StringIO()
    Console(file=file, width=width).print(lane)
    return file.getvalue()


@pytest.mark.parametrize("name", SEEDS)
def test_swimlane_in_the_terminal(name: str) -> None:
    """A column for each thread, a line for each step, the property on top."""
    lane = swimlane(SEEDS[name], load()[name])
    text = shown(terminal.swimlane(lane))
    assert text.startswith(f"✗ {lane.broken} is broken. ")
    for row in lane.rows[1:]:
        found = re.search(rf"^ +{row.number} +\b{row.action}\b", text, re.MULTILINE)
        assert found is not None
        assert (len(found[0]) - len(row.action) > 30) == (row.lane > 0), "in its column"
    assert text.count("⇄") == len(lane.preemptions)


def test_narrow_terminal() -> None:
    """Whatever the width, nothing is cut off."""
    lane = from_schedule(
        "t", [Move("a", "reads", {"x": 1}, Leaves("waits", "waits")), ("b", "[red]writes", {})]
    )
    for width in (30, 60, 200):
        text = shown(terminal.swimlane(lane), width)
        assert "reads" in text
        assert "[red]writes" in text.replace("\n", "")


def test_order_of_the_defects() -> None:
    """By number, and not by the letters of their names."""
    names = [model.name for model in in_order(list(SEEDS.values()))]
    assert names.index("Seed_2_ThreadStillLeaving") < names.index("Seed_11_CountKept")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[Model]:
    """Fewer models for the command, so that it does not take half a minute."""
    names = ("Seed_20_UnbufferedEmptyPassSkipped", "Stream_E0_C0", "NonProperties_StopDrains")
    found = [model for model in models() if model.name in names]
    monkeypatch.setattr("specs.report.command.models", lambda: found)
    return found


def test_command_writes_the_page(
    few: list[Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, specs: Any
) -> None:
    """With the graph that was asked for, a violation that was asked for, and the seed's."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    page = tmp_path / "out.html"
    words = "report", "--open", "--model", "E0_C0", "--violation", "NonProperties_*", page
    status, out, _ = specs(*words)
    assert status == 0
    html = page.read_text(encoding="utf-8")
    assert re.findall(r'data-name="(\w+)"', html) == [
        "NonProperties_StopDrains",
        "Seed_20_UnbufferedEmptyPassSkipped",
    ]
    assert "Stream_E0_C0" in html
    assert str(tmp_path) not in html, "where it was written is nobody's business"
    assert opened == [page.as_uri()]
    assert "2 runs" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "E9_C9"], "'Stream_E9_C9' names no model"),
        (["--violation", "Nothing*"], "'Nothing*' names no model"),
        (["--trace", "no.jsonl"], "no.jsonl: cannot be read"),
        (["--violation", "Stream_E0_C0"], "Stream_E0_C0: no run to show, it holds"),
    ],
)
def test_command_says_what_it_cannot_show(
    words: list[str], told: str, few: list[Model], tmp_path: Path, specs: Any
) -> None:
    """What is not there is an error, that names it."""
    few[:] = [model for model in few if model.module != "Seed"]
    model = [] if "--model" in words else ["--model", "E0_C0"]
    status, _, err = specs("report", *model, *words, tmp_path / "out.html")
    assert status == 2
    assert told in err


@pytest.mark.parametrize("words", [("report",), ("conform", "a:B", "--html")])
def test_page_that_cannot_be_written(words: tuple[str, ...], tmp_path: Path, specs: Any) -> None:
    """It is named before the work, and not after it."""
    file, ring = tmp_path / "file", tmp_path / "ring"
    file.touch()
    ring.symlink_to(ring)
    outs = (
        tmp_path,
        tmp_path / "nowhere" / "out.html",
        file / "out.html",
        tmp_path / ("x" * 300),
        ring,
    )
    for out in outs:
        status, _, err = specs(*words, out)
        assert status == 2
        assert f"cannot be written: {str(out)!r}" in err


def test_what_cannot_be_encoded_is_told(few: list[Model], tmp_path: Path, specs: Any) -> None:
    """A name of a thread may be any text, and the terminal's characters few."""
    run, page = tmp_path / "run.jsonl", tmp_path / "out.html"
    record = io.StringIO()
    with StreamWrapper(lambda: range(3), 2, record=record) as stream:
        next(stream)
    first, *rest = record.getvalue().splitlines()
    threads = [re.sub('"thread": "[^"]*"', r'"thread": "gr\\u00f6\\udc80"', line) for line in rest]
    run.write_text("\n".join([first, *threads]), encoding="utf-8")
    few[:] = [model for model in few if model.module != "Seed"]
    status, _, err = specs("report", page, "--model", "E0_C0", "--trace", run)
    assert (status, err) == (0, "")
    assert "gr\xf6&#56448;" in page.read_text(encoding="utf-8")
    done = python("-m", "specs", "trace", "gr\xf6\udc80.jsonl", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith(r"gr\xf6\udc80.jsonl: cannot be read")


def test_conform_writes_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, specs: Any) -> None:
    """`conform --html` writes what it prints."""
    monkeypatch.setattr("specs.conform.verdicts", lambda *_: iter([Verdict(RULES[3], 5)]))
    page = tmp_path / "out.html"
    status, out, _ = specs("conform", "a:B", "--html", page)
    assert status == 0
    html = page.read_text(encoding="utf-8")
    assert "No rule is violated." in html
    assert RULES[3].name in html
    assert RULES[3].name in out

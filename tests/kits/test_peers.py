"""The kit on other packages: the page is written by the command, and says what was found."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specs import pages
from specs.conform.judges import Finding
from specs.conform.peers import PAGE, PART, PEERS, Found, Peer, summary
from specs.conform.programs import Program, Step
from specs.conform.rules import RULES, Verdict

PROGRAM = Program((("batch", "batch"), ("OSError",)), 2, -1, (Step("next", 3),), held=True)
VIOLATED = Verdict(RULES[7], 1, program=PROGRAM, finding=Finding("OSError", "end"), seen=(3, 3))


def test_table() -> None:
    """Rules by peers, and a line for each violation; how often it was seen if not each time."""
    found = [
        Found("A", "1.0", VIOLATED),
        Found("A", "1.0", Verdict(RULES[8], 5)),
        Found("B", "2.0", Verdict(RULES[7], 0, lacking="no gate")),
        Found("B", "2.0", replace(VIOLATED, rule=RULES[8], seen=(1, 3))),
    ]
    part = summary(found, {"C": "not installed"}, 40)
    assert "| rule | A 1.0 | B 2.0 |" in part
    assert "| 7 Errors | **violated** | n/a |" in part
    assert "| 8 Dead worker | holds | in 1 of 3 |" in part
    assert "| A | 7 | [batch x 2] [OSError] held; 2, -1; next x 3 | OSError; end |" in part
    assert "Not run: C (not installed)." in part
    assert "40 programs" in part


def test_the_page_agrees_with_itself() -> None:
    """Each violation in the table has its program; each peer its version; each rule its row."""
    text = pages.part(PAGE, PART)
    head, *rows = re.findall(r"^\| (.*) \|$", text.partition("| peer |")[0], re.MULTILINE)
    heads = [cell.strip().partition(" ")[0] for cell in head.split("|")[1:]]
    assert heads == [peer.name for peer in PEERS]
    violated = set()
    for row, rule in zip(rows, RULES.values(), strict=True):
        name, *cells = (cell.strip() for cell in row.split("|"))
        assert name == f"{rule.number} {rule.name}"
        violated |= {
            (peer, rule.number)
            for peer, cell in zip(heads, cells, strict=True)
            if cell not in ("holds", "n/a")
        }
    listed = re.findall(r"^\| (\S+) \| (\d+) \| .*; .*; .* \| .*; .* \|$", text, re.MULTILINE)
    assert {(peer, int(rule)) for peer, rule in listed} == violated


def test_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, specs: Any) -> None:
    """What is installed is run, what is not is named, and the page is written if asked for."""
    page = tmp_path / "page.md"
    page.write_text(f"<!-- {PART} -->\n<!-- end of {PART} -->", encoding="utf-8")
    monkeypatch.setattr("specs.conform.PAGE", page)
    found = next(peer for peer in PEERS if not peer.package)
    broken = Peer("nobody", "specs.conform.adapters:Nobody")
    absent = Peer("absent", "specs.conform.adapters:Grain", "there-is-no-such-package")
    monkeypatch.setattr("specs.conform.PEERS", (found, broken, absent))
    words = "conform", "--peers", "--write", "--rules", "11", "--examples", "8"
    status, printed, _ = specs(*words)
    assert status == 0
    assert "Not run: absent (not installed)." in printed
    assert re.search(r"Not run: nobody \(.*Nobody", printed)
    assert f"| {found.name} | 11 | [array]; 1, -1; next | batch array; ValueError" in printed
    assert printed.strip() in page.read_text(encoding="utf-8")


def test_a_class_or_peers(specs: Any) -> None:
    """One of the two has to be named."""
    assert specs("conform").status == 2

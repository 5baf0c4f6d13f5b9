"""Parts of pages are found, read and renewed between their markers."""

from __future__ import annotations

from pathlib import Path

import pytest

from specs.pages import NoPage, part, renew, rows, table

from . import figures

PAGE = "# Title\n\n<!-- one -->\n| a | b |\n|---|---:|\n| x | 1 |\n<!-- end of one -->\n\nRest.\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with one part."""
    file = tmp_path / "README.md"
    file.write_text(PAGE, encoding="utf-8")
    return file


def test_a_part_is_renewed_and_the_rest_stays(page: Path) -> None:
    renew(page, "one", table(("a", " b"), [("y", 2)]))
    assert page.read_text(encoding="utf-8") == PAGE.replace("| x | 1 |", "| y | 2 |")


def test_rows_are_those_of_the_table(page: Path) -> None:
    assert rows(page, "one") == [["x", "1"]]
    assert part(page, "one").startswith("| a | b |")


def test_a_part_that_is_not_there_is_named(page: Path) -> None:
    with pytest.raises(NoPage, match="'two'"):
        renew(page, "two", "text")
    with pytest.raises(NoPage, match="checkout"):
        renew(page.with_name("none.md"), "one", "text")


def test_the_slowest_keep_their_reasons(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Times are added up by test, and what was said of a test stays beside it."""
    junit = page.with_name("junit.xml")
    junit.write_text(
        '<testsuites><testsuite time="4.0">'
        '<testcase classname="tests.shell.test_a" name="test_x[1]" time="2.4"/>'
        '<testcase classname="tests.shell.test_a" name="test_y@group" time="9.0"/>'
        "</testsuite></testsuites>"
    )
    why = "| `shell/test_a.py::test_y` | 1 | It waits. |"
    page.write_text(f"<!-- slowest -->\n| a |\n|---|\n{why}\n<!-- end of slowest -->\n")
    monkeypatch.setattr(figures, "TESTS", page)
    monkeypatch.setattr(figures, "ROOT", page.parent)
    assert figures.main(["slowest", "--junit", str(junit), "--write"]) == 0
    assert rows(page, "slowest") == [
        ["`shell/test_a.py::test_y`", "9", "It waits."],
        ["`shell/test_a.py::test_x[1]`", "2", figures.NO_WHY],
    ]
    assert capsys.readouterr().out == "README.md: slowest renewed\n"
    assert "2 tests took 4 s. Their own times add up to 11 s." in part(page, "slowest")

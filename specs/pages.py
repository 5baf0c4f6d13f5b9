"""Tables of the pages, each between two markers, renewed by the command that measures it.

<!-- models -->
| model | states |
...
<!-- end of models -->
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from .arguments import CannotRun

ROOT = Path(__file__).parents[1]
"""The checkout. Only there can pages be renewed."""


class NoPage(CannotRun):
    """There is no such page, or it has no such part."""


def _part(page: Path, name: str) -> re.Match[str]:
    if not page.is_file():
        raise NoPage(f"There is no {page.name} to write: --write needs a checkout.")
    marked = rf"(?s)(<!-- {re.escape(name)} -->\n)(.*?)(<!-- end of {re.escape(name)} -->)"
    found = re.search(marked, page.read_text(encoding="utf-8"))
    if found is None:
        raise NoPage(f"{page.name} has no part between the markers of {name!r}.")
    return found


def part(page: Path, name: str) -> str:
    """What stands between the two markers. Raises NoPage."""
    return _part(page, name)[2]


def renew(page: Path, name: str, text: str) -> None:
    """Put a text between the two markers. Raises NoPage."""
    found = _part(page, name)
    renewed = f"{found[1]}{text.rstrip()}\n{found[3]}"
    page.write_text(found.string.replace(found[0], renewed), encoding="utf-8")


def rows(page: Path, name: str) -> list[list[str]]:
    """The cells of the table between the two markers, its headings left out. Raises NoPage."""
    lines = [line for line in part(page, name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def table(headings: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    """A table in Markdown. A heading that begins with a space has its column to the right."""
    lines = [
        "| " + " | ".join(heading.strip() for heading in headings) + " |",
        "|" + "|".join("---:" if heading.startswith(" ") else "---" for heading in headings) + "|",
    ]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in body]
    return "\n".join(lines) + "\n"

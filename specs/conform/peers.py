"""The rules on the wrappers of other packages, and the page that says what was found.

`python -m specs conform --peers` runs the rules on all that are installed; with `--write` it writes
what is found between the marks of `PEERS.md`.
"""

from __future__ import annotations

import platform
import re
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from .judges import Finding
from .programs import Program
from .rules import RULES

PAGE = Path(__file__).with_name("PEERS.md")
BEGIN, END = "<!-- written by: python -m specs conform --peers --write -->", "<!-- end -->"


class Peer(NamedTuple):
    """A wrapper of another package."""

    name: str
    subject: str  # its adapter
    package: str = ""  # none: the standard library

    def version(self) -> str | None:
        """The version that is installed; None if none is."""
        try:
            return metadata.version(self.package) if self.package else platform.python_version()
        except metadata.PackageNotFoundError:
            return None


PEERS = (
    Peer("queue.Queue", "specs.conform.adapters:Queue"),
    Peer("prefetch_generator", "specs.conform.adapters:PrefetchGenerator", "prefetch_generator"),
    Peer("torchdata", "specs.conform.adapters:TorchdataPrefetcher", "torchdata"),
    Peer("Grain", "specs.conform.adapters:Grain", "grain"),
    Peer("spdl", "specs.conform.adapters:Spdl", "spdl"),
    Peer("keras", "specs.conform.adapters:Keras", "keras"),
)


class Found(NamedTuple):
    """What was found of one rule on one peer."""

    peer: str
    version: str
    rule: int
    word: str  # as `Verdict.word`
    program: Program | None
    finding: Finding | None
    seen: tuple[int, int]  # violations in so many runs of that program

    @property
    def cell(self) -> str:
        """The word in the table; how often, if it was not each time."""
        if self.word != "violated":
            return "n/a" if self.word == "not applicable" else self.word
        return "**violated**" if self.seen[0] == self.seen[1] else "in {} of {}".format(*self.seen)


def table(found: list[Found], lacking: dict[str, str], examples: int) -> str:
    """The page's part, in Markdown: rules by peers, then the programs."""
    peers = list(dict.fromkeys((one.peer, one.version) for one in found))
    cells = {(one.peer, one.rule): one.cell for one in found}
    lines = [
        f"Python {platform.python_version()}; {examples} programs drawn for each rule and peer.",
        *(f"Not run: {name} ({why})." for name, why in lacking.items()),
        "",
        f"| rule | {' | '.join(f'{name} {number}' for name, number in peers)} |",
        f"|---|{'---|' * len(peers)}",
    ]
    for rule in RULES.values():
        judged = (cells.get((name, rule.number), "") for name, _ in peers)
        lines.append(f"| {rule.number} {rule.name} | {' | '.join(judged)} |")
    lines += [
        "",
        "| peer | rule | program: source; sizes; steps | expected; observed |",
        "|---|---|---|---|",
    ]
    for one in found:
        if one.program is not None and one.finding is not None:
            lines.append(
                f"| {one.peer} | {one.rule} | {short(one.program)} | "
                f"{one.finding.expected}; {one.finding.observed} |"
            )
    return "\n".join(lines)


def short(program: Program) -> str:
    """The program in a line."""
    words = dict(re.findall(r"^(\w+): +(.*)$", str(program), re.MULTILINE))
    source = (
        words["source"]
        .replace(", over and over", "")
        .replace(", every pull held until let go", " held")
    )
    return f"{source}; {program.buffer_size}, {program.epoch_size}; {words['steps']}"


def write(part: str, page: Path = PAGE) -> None:
    """Put it between the page's marks. Raises ValueError if there are none."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no marks: {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{part}\n\n{END}{after}", encoding="utf-8")

"""The rules on the wrappers of other packages, and the page that says what was found.

`python -m specs conform --peers` runs the rules on all that are installed; with `--write` it writes
what is found to `PEERS.md`.
"""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from ..pages import table
from .programs import Program
from .rules import RULES, Verdict

PAGE = Path(__file__).with_name("PEERS.md")
PART = "peers"


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
    verdict: Verdict

    @property
    def cell(self) -> str:
        """The word in the table; how often, if it was not each time."""
        word, seen = self.verdict.word, self.verdict.seen
        if word != "violated":
            return "n/a" if word == "not applicable" else word
        return "**violated**" if seen[0] == seen[1] else "in {} of {}".format(*seen)


def summary(found: list[Found], lacking: dict[str, str], examples: int) -> str:
    """The page's part, in Markdown: rules by peers, then the programs."""
    peers = list(dict.fromkeys((one.peer, one.version) for one in found))
    cells = {(one.peer, one.verdict.rule): one.cell for one in found}
    rules = [
        [f"{rule.number} {rule.name}", *(cells.get((name, rule), "") for name, _ in peers)]
        for rule in RULES.values()
    ]
    programs = [
        [peer, verdict.rule.number, short(verdict.program), "; ".join(verdict.finding)]
        for peer, _, verdict in found
        if verdict.program is not None and verdict.finding is not None
    ]
    return "\n".join(
        [
            f"Python {platform.python_version()}; {examples} programs drawn for each rule.",
            *(f"Not run: {name} ({why})." for name, why in lacking.items()),
            "",
            table(["rule", *(f"{name} {number}" for name, number in peers)], rules),
            table(
                ["peer", "rule", "program: source; sizes; steps", "expected; observed"], programs
            ),
        ]
    )


def short(program: Program) -> str:
    """The program in a line."""
    held = " held" if program.held else ""
    steps = ", ".join(map(str, program.steps))
    return f"{program.source}{held}; {program.buffer_size}, {program.epoch_size}; {steps}"

"""`python -m specs trace`: TLC judges whether a recorded run is a behaviour of the protocol.

Lines of different threads may be a little out of order. `lines` reads a file, `ordering` finds
an order of its lines, and `judging` asks TLC.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from specs.arguments import CannotRun
from specs.progress import counted, threads
from specs.tlc import jar, java

from .judging import judged, tla
from .lines import KINDS


@dataclass(frozen=True)
class Report:
    """What is printed of a file."""

    status: int  # 0: a behaviour, 1: none, 2: not known
    lines: list[str]


def report(path: Path, advance: Callable[[int, int], object] = lambda done, total: None) -> Report:
    """Read and judge a file. `advance` gets the number of judged actions, and of all."""
    started = time.perf_counter()
    try:
        trace, verdict, line = judged(path, advance)
    except CannotRun as error:
        return Report(2, [str(error)])
    total = len(trace.lines)
    seconds = time.perf_counter() - started
    begins = "begins" if verdict.initial else "does NOT begin"
    head = f"{path}: {total:,} actions, {seconds:.1f} s: "
    if line == 0:
        lines = [f"{head}a behaviour of the protocol, which {begins} in its initial state"]
    else:
        now = zip(KINDS, verdict.before, strict=True)
        lines = [
            f"{head}no behaviour of the protocol, from line {line} on",
            f"  line {line}: {verdict.why}",
            f"  {'before it' if line > 1 else 'it is'}: "
            + ", ".join(f"{name} = {tla(value)}" for name, value in now),
        ]
    if trace.truncated:
        lines.append(f"  line {total + 2}: truncated, as by a crash; what is before it was judged")
    return Report(max(bool(line), 2 * trace.truncated), lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `python -m specs trace`."""
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="a recorded run")


def run(arguments: argparse.Namespace) -> int:
    """Have TLC judge whether recorded runs are behaviours of the protocol.

    If one stops being one, say at which line. Exit status: 0 if all are, 1 if one is not, 2 if one
    could not be judged to its end.
    """
    java(), jar()
    console = Console(highlight=False)
    progress = counted(console)
    status = 0

    def one(path: Path) -> Report:
        task = progress.add_task(str(path), total=None)
        try:
            return report(
                path, lambda done, total: progress.update(task, advance=done, total=total)
            )
        finally:
            progress.remove_task(task)

    with progress, threads(arguments.jobs) as pool:
        for told in pool.map(one, arguments.files):
            status = max(status, told.status)
            for line in told.lines:
                colour = ("green", "red", "red")[told.status]
                console.print(line, style=colour, markup=False, soft_wrap=True)
    return status

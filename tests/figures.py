"""`python -m tests.figures`: measures the figures of the pages; `--write` renews them there.

`lines` counts lines of code by folder, `slowest` runs all tests and lists the slowest twenty, and
`checks` runs the commands of README's table of checks and takes their processor times. What is said
beside a figure stands in the page, and is kept.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shlex
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

from specs.arguments import CannotRun
from specs.exits import leave_with
from specs.pages import ROOT, part, renew, rows, table

README = ROOT / "README.md"
KERNEL = ROOT / "kernel" / "README.md"
TESTS = ROOT / "tests" / "README.md"

CODE = (".py", ".tla")
COUNT = 20  # slowest tests
NO_WHY = "?"  # beside a test that is new among the slowest

MAP = ("folder", "what is in it", " lines")
FILES = ("file", "what it is", " lines")
CHECKS = ("how", "what is claimed", "command", " time", "where")
SLOWEST = ("test", " seconds", "why it takes them")


def size(path: Path) -> int:
    """Lines of code that are not blank, in a file or a folder."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.suffix in CODE]
    return sum(bool(line.strip()) for file in files for line in file.read_text("utf-8").split("\n"))


def lines(write: bool) -> int:
    """Count lines."""
    body = []
    for linked, what, _ in rows(README, "map"):
        name = linked.partition("`")[2].partition("/")[0]
        body.append((linked, what, f"{size(ROOT / name):,}"))
    kernel, *others = (size(ROOT / name) for name in ("kernel", "tests", "specs", "tla"))
    ratio = (
        f"For each line of code in `kernel/` there are {others[0] / kernel:.0f} of tests, and "
        f"{sum(others[1:]) / kernel:.0f} of specification, proofs and checkers.\n"
    )
    body_of_kernel = []
    for linked, _, _ in rows(KERNEL, "files"):
        file = KERNEL.parent / linked.partition("`")[2].partition("`")[0]
        what = (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").partition("\n")[0]
        body_of_kernel.append((linked, what, size(file)))
    show(write, README, "map", table(MAP, body))
    show(write, KERNEL, "files", table(FILES, body_of_kernel))
    show(write, README, "ratio", ratio)
    return 0


def checks(write: bool, only: list[str] | None) -> int:
    """Run the commands of the table of checks, or those that contain one of these words."""
    status = 0
    body = rows(README, "checks")
    for row in body:
        command = row[2].strip("`")
        if only is not None and not any(word in command for word in only):
            continue
        print(f"{command} ...", flush=True)
        words = [sys.executable if word == "python" else word for word in shlex.split(command)]
        if words[0] == "pytest":
            words[:1] = [sys.executable, "-m", "pytest"]
        before = os.times()
        run = subprocess.run(words, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        after = os.times()
        seconds = after.children_user + after.children_system
        seconds -= before.children_user + before.children_system
        print(f"{command}: exit status {run.returncode}, {seconds:.0f} s", flush=True)
        if run.returncode != 0:
            status = 1
        else:
            row[3] = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    show(write, README, "checks", table(CHECKS, body))
    return status


def slowest(write: bool, junit: Path | None) -> int:
    """Run the tests, or read the file that pytest's --junitxml has left, and list the slowest."""
    status = 0
    with tempfile.TemporaryDirectory() as folder:
        if junit is None:
            junit = Path(folder) / "junit.xml"
            words = [sys.executable, "-m", "pytest", "-q", "-n", "auto", f"--junitxml={junit}"]
            status = subprocess.run(words, cwd=ROOT, check=False).returncode
        try:
            suite = ET.parse(junit).getroot()[0]  # noqa: S314  # our own file
        except (OSError, ET.ParseError, IndexError) as error:
            raise CannotRun(f"--junit {junit}: no file of --junitxml ({error})") from error
    times: dict[str, float] = {}
    for case in suite.iter("testcase"):
        file = case.get("classname", "").split(".")
        where = "/".join(file[file.index("tests") + 1 :]) if "tests" in file else "/".join(file)
        case_name = re.sub(
            "[|`].*|@[a-z]+$", "", case.get("name", "")
        )  # @: a group of pytest-xdist
        name = f"`{where}.py::{case_name}`"
        times[name] = times.get(name, 0.0) + float(case.get("time", 0))
    why = {row[0]: row[2] for row in rows(TESTS, "slowest")}
    most = sorted(times, key=lambda name: -times[name])[:COUNT]
    body = [(name, f"{times[name]:.0f}", why.get(name, NO_WHY)) for name in most]
    said = (
        f"\n{len(times)} tests took {float(suite.get('time', 0)):.0f} s. "
        f"Their own times add up to {sum(times.values()):.0f} s.\n"
    )
    show(write, TESTS, "slowest", table(SLOWEST, body) + said)
    return status


def show(write: bool, page: Path, name: str, text: str) -> None:
    """Print what was measured, or renew that part of the page."""
    if write:
        renew(page, name, text)
        print(f"{page.relative_to(ROOT)}: {name} renewed")
    else:
        print(text if text != part(page, name) else f"{name}: as in the page")


def main(arguments: Iterable[str] | None = None) -> int:
    """Measure what the options say. Returns the exit status."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--write", action="store_true", help="renew the figures in the page")
    parser = argparse.ArgumentParser(
        prog="python -m tests.figures",
        description="Measure the figures of the pages. Exit status: 0, or 1 if a command failed.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="")
    commands.add_parser("lines", parents=[shared], help="count lines of code by folder")
    slow = commands.add_parser("slowest", parents=[shared], help="run all tests, list the slowest")
    slow.add_argument("--junit", type=Path, metavar="FILE", help="of a run with --junitxml=FILE")
    check = commands.add_parser("checks", parents=[shared], help="time the checks of README")
    check.add_argument(
        "--only",
        action="append",
        metavar="WORD",
        help="commands with this word; may be given again",
    )
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    if chosen.command == "lines":
        return lines(chosen.write)
    if chosen.command == "slowest":
        return slowest(chosen.write, chosen.junit)
    return checks(chosen.write, chosen.only)


if __name__ == "__main__":
    leave_with(main)

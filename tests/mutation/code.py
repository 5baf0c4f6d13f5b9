"""Mutation of the code: every mutant of the machine and the shell is killed, or explained.

`python -m tests.mutation.code` runs the tests on each, layer by layer until one kills it, and exits
with 1 if one survives that `equivalent` does not explain, or if an explanation is wrong.
`--layers --out FILE` runs all layers, and writes a line of JSON for each mutant.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from .equivalent import EXPLAINED
from .graph import dump
from .mutants import FILES, MACHINE, ROOT, Mutant, all_mutants

COPIED = ("kernel", "specs", "tests", "tla", "pyproject.toml", "README.md")
KILLED, TIMEOUT, SURVIVED = "killed", "timeout", "survived"


class Layer(NamedTuple):
    """Tests that are to kill mutants."""

    arguments: tuple[str, ...]  # of pytest
    seconds: float  # after which a run is taken for hanging
    files: tuple[str, ...] = FILES  # whose mutants it is asked about


LAYERS = {
    "graph": Layer(("tests/mutation/graph.py",), 60, MACHINE),
    "places": Layer(("tests/machine/test_resumed.py", "-k=not every_place"), 60, MACHINE),
    "pure stateful": Layer(("tests/machine/test_stateful.py::test_pure_machine",), 60, MACHINE),
    "scheduler": Layer(
        ("tests/schedules/test_schedules.py", "-k=every_schedule", "--schedules=50"), 30
    ),
    "contract": Layer(
        (
            "tests/shell/test_contract_reading.py",
            "tests/shell/test_contract_worker.py",
            "tests/shell/test_contract_deaths.py",
            "tests/shell/test_contract_misuse.py",
            "tests/shell/test_messages.py",
            "tests/shell/test_instants.py",
            "tests/seed/test_seed_defects.py",
            "tests/shell/test_handoff.py",
            "--deselect=tests/shell/test_handoff.py::test_hand_off_keeps_up_with_a_queue",
            "tests/shell/test_processes.py",
            "tests/shell/test_forks.py",
            "tests/shell/test_states.py",
            "tests/shell/test_faults.py",
            "tests/shell/test_stop_timeout.py",
            "tests/shell/test_stats.py",
            "tests/shell/test_stall.py",
            "tests/shell/test_options.py",
            "tests/shell/test_record.py",
            "--deselect=tests/shell/test_record.py::test_tlc_says_so_too",
            "tests/shell/test_close.py",
            "tests/shell/test_restart.py",
            "tests/shell/test_resume.py",
            "tests/shell/test_epoch.py",
            "tests/shell/test_lookahead.py",
            "tests/shell/test_broken_off.py",
            "tests/endurance/test_interrupts.py",  # the slowest
        ),
        200,
    ),
    "real threads": Layer(
        ("tests/machine/test_stateful.py::test_real_threads", "--programs=200"), 40
    ),
}
"""In the order in which they are asked."""

OPTIONS = (
    "-x",
    "-v",
    "--timeout=10",
    "--timeout-method=thread",
    "-p",
    "no:cacheprovider",
    "-p",
    "tests.mutation.profile",
)
"""A test that hangs ends the process: what it waits in might wait again on the way out."""


def ask(layer: Layer, folder: Path) -> tuple[str, str]:
    """Run the layer's tests in a copy of the project: the outcome, and the test that failed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *OPTIONS, *layer.arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=layer.seconds)
    except subprocess.TimeoutExpired:
        return TIMEOUT, ""
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with all that its tests started
        process.communicate()
    if process.returncode == 0:
        return SURVIVED, ""
    hung = "+ Timeout +" in output or "it hangs" in output
    last = re.findall(r"^(?:FAILED |ERROR )?(?:tests/)(\S+)", output, re.MULTILINE)
    return TIMEOUT if hung else KILLED, last[-1] if last else output.strip()[-300:]


def judge(mutant: Mutant, folder: Path, every_layer: bool) -> dict[str, Any]:
    """What the layers say of the mutant; unless all are asked, none after the one that kills it."""
    path = folder / mutant.file
    original = path.read_bytes()
    record: dict[str, Any] = {
        "name": mutant.name,
        "file": mutant.file,
        "function": mutant.function,
        "line": mutant.line,
        "layers": {},
        "by": {},
    }
    try:
        path.write_text(mutant.text, encoding="utf-8")
        _age(path)
        for name, layer in LAYERS.items():
            if mutant.file not in layer.files:
                continue
            record["layers"][name], record["by"][name] = ask(layer, folder)
            if not every_layer and record["layers"][name] != SURVIVED:
                break
    finally:
        path.write_bytes(original)
        _age(path)
    return record


_ages = iter(range(1, 2**31))


def _age(path: Path) -> None:
    """A time of change of its own: Python knows compiled files by it, in whole seconds."""
    age = next(_ages)
    os.utime(path, (age, age))


def verdict(record: dict[str, Any]) -> str:
    """The outcome of all layers together."""
    outcomes = set(record["layers"].values())
    return next(o for o in (KILLED, TIMEOUT, SURVIVED) if o in outcomes)


def prepare(folder: Path, files: Iterable[str]) -> None:
    """Copy the project, and see that every layer passes. Raises SystemExit if one does not."""
    folder.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    layers = {name: layer for name, layer in LAYERS.items() if set(layer.files) & set(files)}
    if "graph" in layers:
        dump(folder / "tests" / "mutation" / "graphs")
    for name, layer in layers.items():
        outcome, failed = ask(layer, folder)
        if outcome != SURVIVED:
            raise SystemExit(f"Without any mutation the layer {name!r} fails: {failed}")


def run(chosen: Sequence[Mutant], out: Path | None, jobs: int, every_layer: bool) -> list[Any]:
    """Judge the mutants, but not those that are in the file, to which the others are added."""
    known: dict[str, Any] = {}
    if out is not None and out.exists():
        lines = out.read_text(encoding="utf-8").splitlines()
        known = {record["name"]: record for record in map(json.loads, lines)}
    todo = [mutant for mutant in chosen if mutant.name not in known]
    if not todo:
        return [known[mutant.name] for mutant in chosen]
    folders: queue.SimpleQueue[Path] = queue.SimpleQueue()

    def work(mutant: Mutant) -> dict[str, Any]:
        folder = folders.get()
        try:
            return judge(mutant, folder, every_layer)
        finally:
            folders.put(folder)

    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as scratch,
        ThreadPoolExecutor(jobs) as pool,
    ):
        places = [Path(scratch, str(job)) for job in range(jobs)]
        prepare(places[0], {mutant.file for mutant in todo})
        for place in places[1:]:
            shutil.copytree(places[0], place)
        for place in places:
            folders.put(place)
        for done in as_completed([pool.submit(work, mutant) for mutant in todo]):
            record = done.result()
            known[record["name"]] = record
            if out is not None:
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return [known[mutant.name] for mutant in chosen]


def report(records: Sequence[Any], every: Iterable[str], console: Console) -> bool:
    """Print the totals and what is wrong; returns whether nothing is."""
    explained = {name for names in EXPLAINED.values() for name in names}
    table = Table()
    for heading in ("file", "mutants", "killed", "timed out", "explained", "unexplained"):
        table.add_column(heading, justify="left" if heading == "file" else "right")
    for file in FILES:
        counts = Counter((verdict(r), r["name"] in explained) for r in records if r["file"] == file)
        dead = (counts[outcome, False] + counts[outcome, True] for outcome in (KILLED, TIMEOUT))
        alive = (counts[SURVIVED, True], counts[SURVIVED, False])
        table.add_row(file, *map(str, (counts.total(), *dead, *alive)))
    console.print(table)
    survived = {record["name"] for record in records if verdict(record) == SURVIVED}
    wrong = {
        "survived, and is not explained": sorted(survived - explained),
        "is explained, but does not exist (any more)": sorted(explained - set(every)),
    }
    for what, names in wrong.items():
        for name in names:
            console.print(f"{name}\n    {what}", markup=False, soft_wrap=True)
    return not any(wrong.values())


def layers(records: Sequence[Any], console: Console) -> None:
    """Print what each layer kills."""
    table = Table()
    for heading in ("layer", "mutants", "killed", "timed out", "killed by no other"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for name in LAYERS:
        asked = [record["layers"] for record in records if name in record["layers"]]
        counts = Counter(outcomes[name] for outcomes in asked)
        alone = sum(
            [n for n, outcome in outcomes.items() if outcome != SURVIVED] == [name]
            for outcomes in asked
        )
        table.add_row(name, *map(str, (len(asked), counts[KILLED], counts[TIMEOUT], alone)))
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.code", description=__doc__)
    parser.add_argument("--only", metavar="PART", help="mutants with this in their name")
    parser.add_argument("--sample", type=int, metavar="N", help="so many of them, drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the sample; default: 0")
    parser.add_argument("--layers", action="store_true", help="ask all layers, and compare them")
    parser.add_argument("--out", type=Path, metavar="FILE", help="lines of JSON; resumed if there")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="default: %(default)s")
    parser.add_argument("--list", action="store_true", help="print the names, and end")
    options = parser.parse_args(arguments)
    every = all_mutants()
    chosen = [mutant for mutant in every if options.only is None or options.only in mutant.name]
    if not chosen:
        parser.error(f"--only: {options.only!r} is part of no mutant's name.")
    if options.sample is not None:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
    if options.list:
        print(*(mutant.name for mutant in chosen), sep="\n")
        return 0
    console = Console()
    start = time.perf_counter()
    records = run(chosen, options.out, options.jobs, options.layers)
    if options.layers:
        layers(records, console)
    right = report(records, [mutant.name for mutant in every], console)
    console.print(f"{len(chosen)} of {len(every)} mutants in {time.perf_counter() - start:.0f} s")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())

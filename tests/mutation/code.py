"""Mutation of the code: every mutant of the machine and the shell is killed, or explained.

`python -m tests.mutation.code` first runs all tests on the code as it is, to learn which lines each
runs and how long it takes. Then the tests that run a mutant's line are run on it, the quickest
first, until one fails. Exits with 1 if a mutant survives that `equivalent` does not explain, or if
an explanation is wrong. `--out FILE` gets a line of JSON for each mutant.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import accumulate
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from specs.arguments import positive, writable
from specs.exits import leave_with

from .equivalent import EXPLAINED
from .forks import KILLED, LIMIT, SURVIVED, TIMEOUT
from .graph import dump
from .mutants import FILES, ROOT, Mutant, all_mutants

HERE = "tests/mutation"
COPIED = ("kernel", "specs", "tests", "tla", "pyproject.toml", "README.md")
TESTS = (
    "tests/shell",
    "tests/seed/test_seed_defects.py",
    "tests/schedules/test_schedules.py",
    "tests/schedules/test_search.py::test_no_schedule_fails_with_time_outs",
    "tests/endurance/test_interrupts.py",
    "tests/machine/test_properties.py",
    "tests/machine/test_resumed.py",
    "tests/machine/test_resumes.py",
    "tests/machine/test_stateful.py",
    "tests/mutation/graph.py",
)
"""Not all: the others are slow, or test checkers, models and proofs, not the kernel."""
UNFAIR = "tests/shell/test_handoff.py::test_hand_off_keeps_up_with_a_queue"  # it measures speed
FIRST = 30  # this number of tests runs before the files of the others are imported


class Server:
    """A process in a copy of the project, whose forks run tests."""

    def __init__(self, folder: Path) -> None:
        environment = {"PYTHONPATH": str(folder), "PYTHONHASHSEED": "0"}
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutation.forks"],
            cwd=folder,
            env={**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(
        self, tests: dict[str, float], seconds: float, stop: bool = True, lines: str = ""
    ) -> dict[str, Any]:
        """Run the tests, each in its time and all in `seconds`, and maybe stop at a failure."""
        request = {"tests": tests, "seconds": seconds, "stop": stop, "lines": lines}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


class Known:
    """What is known of the tests: the lines that they run, their times, and whom they killed."""

    def __init__(self, found: dict[str, Any], records: Iterable[Any]) -> None:
        self.seconds: dict[str, float] = found["seconds"]
        self.lines: dict[str, dict[str, list[str]]] = found["lines"]
        self.unknown: list[str] = found["unknown"]
        self.kills: Counter[tuple[str, str]] = Counter()
        for record in records:
            self.learn(record)

    def learn(self, record: dict[str, Any]) -> None:
        """A test that killed a mutant runs early for the next ones of its function."""
        self.kills[record["function"], record["by"]] += record["outcome"] == KILLED

    def tests(self, mutant: Mutant) -> list[str]:
        """Tests that run its line (if only an import does: its file); then those that may."""
        asked = self.seconds.keys()
        lines = self.lines.get(mutant.file, {})
        tests = asked & lines.get(str(mutant.line), ()) or asked & set().union(*lines.values())

        def rank(test: str) -> tuple[bool, float]:
            cost = (0.01 + self.seconds[test]) / (1 + 10 * self.kills[mutant.function, test])
            return test not in tests, cost

        return sorted(tests | (asked & self.unknown), key=rank)

    def sums(self, tests: Sequence[str]) -> Iterable[float]:
        """The time until each of the tests is over, with what pytest adds."""
        return accumulate(self.seconds[test] + 0.005 for test in tests)


def digest(folder: Path) -> str:
    """Of all that a test's lines and time depend on."""
    files = (f for name in ("kernel", "specs", "tests") for f in (folder / name).rglob("*.py"))
    texts = [file.read_bytes() for file in sorted(files) if file.parent != folder / HERE]
    return hashlib.sha256(b"".join(texts)).hexdigest()


def learned(server: Server, cache: Path, console: Console) -> dict[str, Any]:
    """Run the tests on the code as it is; those that fail by themselves are left out."""
    of = digest(server.folder)
    compiled = server.ask({f"{test}::": 0.0 for test in TESTS}, 600, stop=False)
    if compiled["failed"]:
        raise SystemExit((server.folder / "log").read_text(encoding="utf-8")[-2000:])
    if cache.exists():
        found: dict[str, Any] = json.loads(cache.read_text(encoding="utf-8"))
        if found["of"] == of:
            return found
    console.print("The tests are run as they stand, for their lines…")
    traced = server.ask(dict.fromkeys(TESTS, 1e6), 1e6, stop=False, lines="lines.json")
    if not (server.folder / "lines.json").exists():
        log = (server.folder / "log").read_text(encoding="utf-8")[-2000:]
        raise SystemExit(f"They do not end ({traced['outcome']} in {traced['by']}): {log}")
    found = json.loads((server.folder / "lines.json").read_text(encoding="utf-8"))
    named = set(found["unknown"]).union(*(t for f in found["lines"].values() for t in f.values()))
    named = named.difference(found.pop("readers")) & traced["seconds"].keys()
    tests = [test for test in named if not test.startswith(UNFAIR)]
    tests.sort(key=traced["seconds"].__getitem__)
    console.print("… and again, for their times, the quickest first.")
    timed = server.ask(dict.fromkeys(tests, 300.0), 1e6, stop=False)
    if timed["outcome"] == TIMEOUT:
        raise SystemExit(f"Without any mutation it hangs: {timed['by']}")
    failed = {*traced["failed"], *timed["failed"]}
    found["seconds"] = {t: s for t, s in timed["seconds"].items() if t not in failed}
    found |= {"of": of, "failed": sorted(failed)}
    cache.write_text(json.dumps(found), encoding="utf-8")
    return found


def judge(mutant: Mutant, server: Server, known: Known, seconds: float) -> dict[str, Any]:
    """What becomes of the mutant in tests that take so long without it."""
    start = time.monotonic()
    path = server.folder / mutant.file
    original, times = path.read_bytes(), path.stat()
    tests = known.tests(mutant)
    within = [t for t, sum_ in zip(tests, known.sums(tests), strict=True) if sum_ <= seconds]
    answer = {"outcome": SURVIVED, "by": ""}
    try:
        path.write_text(mutant.text, encoding="utf-8")
        os.utime(path, (1, 1))  # Python knows compiled files by it
        for some in (within[:FIRST], within[FIRST:]):
            if some and answer["outcome"] == SURVIVED:
                limits = {test: 3 + 10 * known.seconds[test] for test in some}
                answer = server.ask(limits, 30 + 3 * seconds)
    finally:
        path.write_bytes(original)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    if answer["outcome"] == SURVIVED and len(within) < len(tests):
        answer["outcome"] = LIMIT
    record = {
        "name": mutant.name,
        "file": mutant.file,
        "function": mutant.function,
        "line": mutant.line,
        "outcome": answer["outcome"],
        "by": answer["by"],
        "tests": len(tests),
        "seconds": round(time.monotonic() - start, 2),
        "limit": seconds,
    }
    known.learn(record)
    return record


def copy(folder: Path) -> None:
    """Copy the project, and let TLC write the graphs that tests compare."""
    folder.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    dump(folder / HERE / "graphs")


def run(
    chosen: Sequence[Mutant], out: Path | None, jobs: int, seconds: float, console: Console
) -> list[Any]:
    """Judge the mutants, but not those that are in the file, to which the others are added.

    A mutant undecided for lack of time is judged again if there is more time now.
    """
    records: dict[str, Any] = {}
    if out is not None and out.exists():
        lines = out.read_text(encoding="utf-8").splitlines()
        records = {record["name"]: record for record in map(json.loads, lines)}
    settled = {n for n, r in records.items() if r["outcome"] != LIMIT or r["limit"] >= seconds}
    todo = [mutant for mutant in chosen if mutant.name not in settled]
    if not todo:
        return [records[mutant.name] for mutant in chosen]
    servers: queue.SimpleQueue[Server] = queue.SimpleQueue()

    def work(mutant: Mutant) -> dict[str, Any]:
        server = servers.get()
        try:
            return judge(mutant, server, known, seconds)
        finally:
            servers.put(server)

    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        places = [Path(scratch, str(job)) for job in range(jobs)]
        copy(places[0])
        started = [Server(places[0])]
        pool = ThreadPoolExecutor(jobs)
        try:
            cache = Path(scratch) / "tests.json" if out is None else out.with_suffix(".tests.json")
            found = learned(started[0], cache, console)
            for test in found["failed"]:
                console.print(f"{test}\n    fails by itself, and is not asked", markup=False)
            known = Known(found, records.values())
            for place in places[1:]:
                shutil.copytree(places[0], place)
                started.append(Server(place))
            for server in started:
                servers.put(server)
            judged = as_completed([pool.submit(work, mutant) for mutant in todo])
            for done in track(judged, "Mutants", len(todo), console=console):
                record = done.result()
                records[record["name"]] = record
                if out is not None:
                    with out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(record, ensure_ascii=False) + "\n")
        finally:
            pool.shutdown(cancel_futures=True)
            for server in started:
                server.close()
    return [records[mutant.name] for mutant in chosen]


def alive(record: dict[str, Any]) -> bool:
    """Whether no test has killed it."""
    return record["outcome"] in (SURVIVED, LIMIT)


def report(records: Sequence[Any], every: Iterable[str], console: Console) -> bool:
    """Print the totals and what is wrong; returns whether nothing is."""
    explained = {name for names in EXPLAINED.values() for name in names}
    headings = ("file", "mutants", "killed", "timed out", "explained", "unexplained", "limit")
    table = Table()
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "file" else "right")
    for file in [*FILES, "all"]:
        counts = Counter(
            "explained" if alive(r) and r["name"] in explained else r["outcome"]
            for r in records
            if file in (r["file"], "all")
        )
        shown = (KILLED, TIMEOUT, "explained", SURVIVED, LIMIT)
        table.add_row(file, *map(str, (counts.total(), *(counts[outcome] for outcome in shown))))
    console.print(table)
    survived, limit = (
        {r["name"] for r in records if r["outcome"] == outcome} for outcome in (SURVIVED, LIMIT)
    )
    wrong = {
        "survived, and is not explained": sorted(survived - explained),
        "survived so far, for more --seconds, and is not explained": sorted(limit - explained),
        "is explained, but does not exist (any more)": sorted(explained - set(every)),
    }
    for what, names in wrong.items():
        for name in names:
            console.print(f"{name}\n    {what}", markup=False, soft_wrap=True)
    return not any(wrong.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.code", description=__doc__)
    parser.add_argument("--only", metavar="PART", help="mutants with this in their name")
    parser.add_argument("--sample", type=positive, metavar="N", help="so many of them, drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the sample; default: 0")
    parser.add_argument(
        "--out", type=writable, metavar="FILE", help="lines of JSON; resumed if there"
    )
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count(), help="default: %(default)s"
    )
    parser.add_argument(
        "--seconds", type=float, default=10, help="of tests for a mutant; default: %(default)s"
    )
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
    records = run(chosen, options.out, options.jobs, options.seconds, console)
    right = report(records, [mutant.name for mutant in every], console)
    console.print(f"{len(chosen)} of {len(every)} mutants in {time.perf_counter() - start:.0f} s")
    return 0 if right else 1


if __name__ == "__main__":
    leave_with(main)

"""`python -m tests.benchmarks`: measure our wrapper and what a user would pick instead.

Others are measured where they are installed: pip install --no-deps emloop, and
pip install torch torchdata grain spdl keras. Each subject has a process of its own, and within a
round all are asked in turn, so that ratios can be taken within it; pyperf's and pytest-benchmark's
runners measure one thing after the other, minutes apart, so of these only pyperf's files are used.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

try:
    import numpy  # noqa: F401
    import prefetch_generator  # noqa: F401
    import pyperf  # noqa: F401
    from rich.console import Console
    from rich.progress import Progress
except ModuleNotFoundError as lacking:
    print(f"{lacking.name} is missing: pip install 'stream-kernel[bench]'", file=sys.stderr)
    sys.exit(2)

from specs.arguments import positive, writable
from specs.exits import leave_with

from .measures import MEASURES, Answer, answer, deaf, needs_two
from .report import plot, tables
from .results import Key, Results, missed
from .subjects import SUBJECTS, Ideal
from .work import QUICK, Effort, Work, calibrate

PATIENCE = 300.0  # seconds after which an answer is given up, and with it its subject


class Asked:
    """The subjects, each in a process that is started when it is first asked."""

    def __init__(self, processors: set[int], effort: Effort) -> None:
        self._processors = processors  # to be pinned to; empty: not pinned
        self._all = os.sched_getaffinity(0) if processors else set()
        self._effort = effort
        self._processes: dict[str, tuple[ProcessPoolExecutor, int]] = {}  # and its id
        self._work = Work()

    def __enter__(self) -> Asked:
        self._work = self._process(Ideal.NAME).submit(calibrate).result()
        return self

    def __exit__(self, *_: object) -> None:
        for subject in list(self._processes):
            self._end(subject)

    def _process(self, subject: str) -> ProcessPoolExecutor:
        if subject not in self._processes:
            process = ProcessPoolExecutor(1, get_context("spawn"), deaf)
            self._processes[subject] = process, process.submit(os.getpid).result()
        return self._processes[subject][0]

    def _end(self, subject: str) -> None:
        """End a process, whatever its threads are waiting for."""
        process, number = self._processes.pop(subject)
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
        process.shutdown()

    def __call__(self, measure: str, case: str, subject: str) -> Answer | str:
        """An answer, or the words for why there is none."""
        processors = self._all if needs_two(measure, case) else self._processors
        question = measure, case, subject
        given = self._process(subject).submit(
            answer, question, self._effort, self._work, processors
        )
        try:
            return given.result(PATIENCE)
        except futures.TimeoutError:  # another than the built-in one, up to Python 3.10
            words = f"failed: no answer within {PATIENCE:.0f} s"
        except BrokenProcessPool:
            words = "failed: its process ended"
        self._end(subject)
        return words


def questions(measure: str, subjects: Sequence[str], number: int) -> list[tuple[str, str]]:
    """Case and subject of what a round asks: what is compared is asked one after the other.

    Every other round goes through the subjects backwards.
    """
    asked = MEASURES[measure]
    order = subjects if number % 2 == 0 else subjects[::-1]
    pairs = [(case, subject) for case in asked.cases for subject in order]
    return [(case, subject) for case, subject in pairs if asked.asks(SUBJECTS[subject], case)]


def measure(
    ask: Callable[[str, str, str], Answer | str],
    measures: Sequence[str],
    subjects: Sequence[str],
    rounds: int,
    tick: Callable[[str, float], object] = lambda what, share: None,
) -> Results:
    """Measure every subject in each round; one that cannot measure a case is asked only once."""
    results = Results()
    for number in range(rounds):
        for position, name in enumerate(measures):
            for case, subject in questions(name, subjects, number):
                keys = [Key(name, part, subject) for part in MEASURES[name].names(case)]
                if keys[0] in results.words:
                    continue
                tick(f"{name} {case} {subject}", (number + position / len(measures)) / rounds)
                answered = ask(name, case, subject)
                if isinstance(answered, str):
                    results.words.update(dict.fromkeys(keys, answered))
                    continue
                for key, value in zip(keys, answered, strict=True):
                    if not math.isnan(value):
                        results.values.setdefault(key, []).append(value)
    return results


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure our wrapper and what a user would pick instead. Exit status: 0, or 1 "
        "if --check finds a threshold missed, or 2 if nothing could be measured.",
    )
    parser.add_argument(
        "--only", action="append", choices=MEASURES, help="this measure; may be given again"
    )
    parser.add_argument(
        "--subject",
        action="append",
        choices=SUBJECTS,
        metavar="NAME",
        help="this subject; may be given again; one of: " + "; ".join(SUBJECTS),
    )
    parser.add_argument("--rounds", type=positive, default=5, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="less of everything: a look, no more")
    pinning = parser.add_mutually_exclusive_group()
    pinning.add_argument(
        "--cpu",
        type=_at_least(0),
        help="the processor that all are pinned to, except where two threads work at once "
        "(default: the first)",
    )
    pinning.add_argument("--unpinned", action="store_true", help="leave them where they are put")
    parser.add_argument("--json", metavar="FILE", type=writable, help="save the figures")
    parser.add_argument(
        "--load", metavar="FILE", help="take the figures of --json, measure nothing"
    )
    parser.add_argument("--plot", metavar="FILE", type=writable, help="draw the hand-off")
    parser.add_argument("--check", action="store_true", help="compare with the thresholds")
    chosen = parser.parse_args(arguments)
    if not chosen.unpinned and not chosen.load:
        if not hasattr(os, "sched_setaffinity"):
            parser.error("this system cannot pin a process: use --unpinned")
        if chosen.cpu is None:
            chosen.cpu = min(os.sched_getaffinity(0))
        if chosen.cpu not in os.sched_getaffinity(0):
            parser.error(f"argument --cpu: there is no processor {chosen.cpu} to run on")
    if chosen.plot:
        if chosen.only and "handoff" not in chosen.only:
            parser.error("argument --plot: draws the hand-off, which --only leaves out")
        _drawable(parser, chosen.plot)
    return chosen


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a number from {least} on, not {text!r}")
        return int(text)

    return number


def _drawable(parser: argparse.ArgumentParser, file: Path) -> None:
    try:
        from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415  # slow to import
    except ModuleNotFoundError:
        parser.error("argument --plot: matplotlib is missing: pip install 'stream-kernel[bench]'")
    if file.suffix[1:] not in FigureCanvasBase.filetypes:
        formats = ", ".join(FigureCanvasBase.filetypes)
        parser.error(f"argument --plot: {str(file)!r} is in none of the formats {formats}")


def measured(arguments: argparse.Namespace, measures: Sequence[str], console: Console) -> Results:
    """Measure what the options say, with a bar that shows how far it is."""
    subjects = [name for name in SUBJECTS if name in (arguments.subject or SUBJECTS)]
    processors = set() if arguments.unpinned else {arguments.cpu}
    with (
        Asked(processors, QUICK if arguments.quick else Effort()) as ask,
        Progress(console=console, transient=True) as progress,
    ):
        task = progress.add_task("", total=1)

        def tick(what: str, share: float) -> None:
            progress.update(task, completed=share, description=what)

        return measure(ask, measures, subjects, arguments.rounds, tick)


def main() -> int:
    """Measure, save, print, draw and check, by the options. Returns the exit status."""
    arguments = parse()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    # of what a library has not let go of when its process is ended, which is no news here
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    measures = [name for name in MEASURES if name in (arguments.only or MEASURES)]
    if arguments.load:
        try:
            results = Results.load(arguments.load)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"--load {arguments.load}: not figures of --json ({error})", file=sys.stderr)
            return 2
    else:
        results = measured(arguments, measures, console)
    if not results.values:
        reasons = "; ".join(f"{'/'.join(key)}: {word}" for key, word in results.words.items())
        print(f"nothing was measured: {reasons or 'nobody was asked'}", file=sys.stderr)
        return 2
    if arguments.json:
        results.save(str(arguments.json))
    taken = {key.measure for key in (*results.values, *results.words)}
    for table in tables(results, [name for name in measures if name in taken]):
        console.print(table)
    for key, word in results.words.items():
        if word.startswith("failed"):
            console.print(f"{'/'.join(key)}: {word}")
    if arguments.plot:
        plot(results, str(arguments.plot))
    if not arguments.check:
        return 0
    misses = missed(results, measures)
    for words in misses:
        console.print(f"missed: {words}")
    console.print(f"{len(misses)} of the thresholds are missed.")
    return 1 if misses else 0


if __name__ == "__main__":
    leave_with(main)

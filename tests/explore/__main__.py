"""`python -m tests.explore`: run every schedule of the standard programs on the real shell.

Or of all programs of so many calls, or samples of longer ones, or one schedule again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..control import Races
from ..schedules import PROGRAMS, Program, Wrong, possible
from .reach import differing
from .sample import Pct, Uniform, sample, shrink
from .schedule import (
    Schedule,
    ScheduleError,
    change,
    name_of,
    parse,
    program_of,
    record,
    rows,
    switches,
)
from .search import Bound, explore

SIZES = [(capacity, epoch_size) for capacity in (1, 2) for epoch_size in (0, 1, 2)]

SAMPLED = ("two-consumers",)
"""Standard programs whose executions are too many to be held: 200,000 take 4 GB."""


class Found(NamedTuple):
    """What the search of a program has come to."""

    program: Program
    states: int = 0
    moves: int = 0
    runs: int = 0
    seconds: float = 0.0
    longest: int = 0  # moves of a schedule
    covered: int = 0  # edges of the machine
    reachable: int = 0
    others: int = 0  # edges that the program should not lead to
    failure: tuple[str, str, Schedule] | None = None  # kind, text
    bound: str = ""  # what was not searched to its end

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if self.bound:
            return self.bound
        if self.failure is not None:
            return self.failure[0]
        return "holds" if self.covered == self.reachable and not self.others else "edges differ"


def search(timeouts: bool, most: int, program: Program) -> Found:
    """Search a program."""
    races = Races()
    try:
        graph = explore(program, races, timeouts, most)
    except Bound as bound:
        return Found(program, bound=str(bound))
    failure = graph.failure()
    return Found(
        program,
        len(graph.nodes),
        len(graph.moves),
        graph.runs,
        graph.seconds,
        max(node.depth for node in graph.nodes),
        *differing(program, graph.edges),
        failure
        and (failure[0].kind, str(failure[0]), record(program, failure[1], races, timeouts)),
    )


def table(results: Iterable[Found]) -> Table:
    """The figures, a line for each program."""
    shown = Table(box=None)
    for heading in ("program", "states", "moves", "schedules", "per second", "longest", "edges"):
        shown.add_column(heading, justify="left" if heading == "program" else "right")
    shown.add_column("verdict")
    for found in results:
        edges = f"{found.covered} of {found.reachable}"
        if found.others:
            edges += f", {found.others} others"
        numbers = [found.states, found.moves, found.runs]
        shown.add_row(
            escape(name_of(found.program)),
            *(f"{number:,}" for number in numbers),
            f"{found.runs / (found.seconds or 1):,.0f}",
            f"{found.longest}",
            edges,
            found.verdict,
        )
    return shown


def show(console: Console, schedule: Schedule) -> Wrong | None:
    """Print a schedule as a table; returns what it shows to be wrong."""
    steps, wrong = rows(schedule)
    shown = Table(box=None)
    for heading in ("step", "thread", "operation", "at", "of the machine's state, new"):
        shown.add_column(heading)
    for number, step in enumerate(steps, 1):
        shown.add_row(
            f"{number}",
            step.thread,
            step.operation,
            step.where,
            change(step.before, step.after),
        )
    console.print(shown)
    count = f"{switches(schedule.moves)} context switches, {len(schedule.moves)} moves"
    console.print(f"{wrong or 'nothing is wrong'} ({count})", markup=False, soft_wrap=True)
    console.print(f"--replay '{schedule}'\n", markup=False, soft_wrap=True)
    return wrong


def programs_of(calls: int) -> int:
    """How many sequences of so many calls there are."""

    def sequences(left: int, inside: bool, gate: bool) -> int:
        if left == 0:
            return 1
        return sum(
            sequences(
                left - 1,
                True if call == "Enter" else inside and call not in ("Exit", "Interrupted"),
                True if call == "Allow" else gate and call != "Disallow",
            )
            for call in possible(first=True, inside=inside, gate=gate, alone=False)
        )

    return sequences(calls, inside=False, gate=False)


def search_all(
    console: Console, programs: Sequence[Program], timeouts: bool, most: int, jobs: int
) -> int:
    """Search the programs, and print what was found. Returns the exit status."""
    started = time.perf_counter()
    with ProcessPoolExecutor(jobs) as pool:
        results = []
        for found in pool.map(partial(search, timeouts, most), programs):
            results.append(found)
            console.print(f"{name_of(found.program)}: {found.verdict}", markup=False)
    console.print(table(results))
    for found in results:
        if found.failure is not None:
            console.print(f"\n{name_of(found.program)}, the shortest:", markup=False)
            show(console, found.failure[2])
    total = f"{sum(found.states for found in results):,} states, "
    total += f"{sum(found.runs for found in results):,} schedules"
    console.print(f"{total}, {time.perf_counter() - started:.0f} s on {jobs} processors")
    if any(found.bound for found in results):
        return 2
    return 0 if all(found.verdict == "holds" for found in results) else 1


def sample_all(
    console: Console,
    program: Program,
    *,
    runs: int,
    seed: int,
    timeouts: bool,
    chooser: Callable[[int, int], Callable[[list[str]], str]],
) -> int:
    """Run so many schedules of a program, until one fails. Returns the exit status."""
    races, steps, edges, started = Races(), 100, 0, time.perf_counter()
    for number in range(seed, seed + runs):
        schedule, wrong = sample(program, chooser(number, steps), races, timeouts)
        steps = max(steps, len(schedule.moves))
        edges += len(schedule.moves)
        if wrong is not None:
            console.print(f"{wrong} (seed {number}); shrunk:", markup=False, soft_wrap=True)
            show(console, shrink(schedule, wrong))
            return 1
    rate = runs / (time.perf_counter() - started)
    console.print(
        f"{name_of(program)}: {runs:,} schedules, {edges:,} steps, the longest {steps:,}; "
        f"{rate:,.0f} schedules per second; holds",
        markup=False,
    )
    return 0


def at_least(least: int) -> Callable[[str], int]:
    """A type of arguments."""

    def number(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} on")
        return int(text)

    return number


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.explore",
        description="Run every schedule of programs on the real StreamWrapper, by greenlets in "
        "place of threads. Exit status: 0 if all holds, 1 if a schedule fails, 2 if not all could "
        "be run.",
    )
    parser.add_argument(
        "programs",
        metavar="PROGRAM",
        nargs="*",
        help="a standard program, or CAPACITY/EPOCH_SIZE/CALLS[/ANSWERS[/CALLS OF A SECOND USER]] "
        "with calls and answers separated by commas; a number of calls stands for any, and so do "
        f"answers that are left out; the standard programs are {', '.join(PROGRAMS)} (default: all "
        f"of them but {', '.join(SAMPLED)}, of which memory holds no more than samples)",
    )
    parser.add_argument("--timeouts", action="store_true", help="any time-out may come at any time")
    parser.add_argument(
        "--most",
        metavar="N",
        type=at_least(1),
        default=200_000,
        help="states to search at most (default: %(default)s)",
    )
    parser.add_argument("--jobs", metavar="N", type=at_least(1), default=2, help="(default: 2)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--replay", metavar="SCHEDULE", help="run this one schedule, and show it")
    what.add_argument(
        "--all",
        metavar="N",
        type=at_least(1),
        help="search all programs of N calls, with all answers, at capacities 1 and 2 and epochs "
        "of passes, 1 and 2",
    )
    what.add_argument(
        "--random",
        metavar="N",
        type=at_least(1),
        help="run N random schedules of each program, by default of random programs of 40 calls",
    )
    what.add_argument(
        "--pct",
        metavar="DEPTH",
        type=at_least(1),
        help="the same by priorities that change DEPTH - 1 times",
    )
    parser.add_argument(
        "--runs", metavar="N", type=at_least(1), default=1000, help="of --pct (default: 1000)"
    )
    parser.add_argument("--seed", metavar="S", type=at_least(0), default=0, help="(default: 0)")
    return parser.parse_args()


def main() -> int:
    """Do what the command says. Returns the exit status."""
    arguments = parse_arguments()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    try:
        if arguments.replay:
            return 0 if show(console, parse(arguments.replay)) is None else 1
        programs = [program_of(name) for name in arguments.programs]
    except ScheduleError as error:
        Console(stderr=True, soft_wrap=True).print(error, markup=False, highlight=False)
        return 2
    if arguments.random or arguments.pct:
        long = [program_of(f"{c}/{e}/40") for c, e in product(range(1, 5), range(4))]
        long += [program_of(f"{c}/{e}/20//20") for c, e in SIZES]

        def chooser(seed: int, steps: int) -> Callable[[list[str]], str]:
            return Pct(seed, arguments.pct, steps) if arguments.pct else Uniform(seed)

        runs = arguments.random or arguments.runs
        return max(
            sample_all(
                console,
                program,
                runs=runs,
                seed=arguments.seed,
                timeouts=arguments.timeouts,
                chooser=chooser,
            )
            for program in programs or long
        )
    if arguments.all:
        count = programs_of(arguments.all)
        console.print(f"{count:,} programs of {arguments.all} calls, any answers, at 6 sizes")
        programs = [Program(*sizes, arguments.all) for sizes in SIZES]
    programs = programs or [p for name, p in PROGRAMS.items() if name not in SAMPLED]
    return search_all(console, programs, arguments.timeouts, arguments.most, arguments.jobs)


if __name__ == "__main__":
    sys.exit(main())

"""Every schedule of programs with few preemptions: `python -m tests.schedules --preemptions 2`.

`--replay STRING` shows one schedule, as a table, from the string that comes with a failure.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from specs.arguments import writable, write
from specs.exits import leave_with
from specs.report import Move, from_schedule, page

from .programs import PROGRAMS, Program
from .schedules import shell
from .search import Bound, Result, Search
from .strings import Schedule, ScheduleError, name_of, parse, play, program_of

PATIENCE = 5.0
"""Seconds after which progress is shown."""


def searched(console: Console, program: Program, bound: Bound, recorded: bool) -> Result:
    """All schedules within the bound."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    progress = Progress(*columns, console=console, transient=True)
    started = time.perf_counter()
    with ExitStack() as shown, shell() as stage:
        searching = Search(program, bound, stage, recorded=recorded)
        task = None
        while searching.advance(50):
            if task is None and time.perf_counter() > started + PATIENCE:
                shown.enter_context(progress)
                task = progress.add_task("")
            if task is not None:
                done, todo = searching.result.executions, len(searching.todo)
                text = f"{name_of(program)}: {done:,} executions, {todo:,} begun"
                progress.update(task, description=text)
    return searching.result


def search_all(
    console: Console, programs: list[Program], most: Bound, recorded: bool, html: Path | None
) -> int:
    """Search each program, with more and more preemptions. Returns the exit status."""
    status, executions, seconds = 0, 0, 0.0
    for program in programs:
        for preemptions in range(most.preemptions + 1):
            bound = most._replace(preemptions=preemptions)
            result = searched(console, program, bound, recorded)
            executions += result.executions
            seconds += result.seconds
            console.print(told(program, result), highlight=False, soft_wrap=True, markup=False)
            if result.found is not None:
                status = 1
                schedule = Schedule(program, result.found.turns, recorded)
                console.print(f"  {result.found.wrong}", style="red", markup=False, soft_wrap=True)
                console.print(
                    f"  python -m tests.schedules --replay '{schedule}'",
                    markup=False,
                    soft_wrap=True,
                )
                write_page(html, schedule)
                break
    console.print(f"{executions:,} executions, {seconds:.0f} s", highlight=False)
    return status


def told(program: Program, result: Result) -> str:
    """A line on what was found."""
    bound = result.bound
    what = "fails" if result.found else "holds"
    cut = f", {result.unfair:,} unfair" if result.unfair else ""
    return (
        f"{what} {name_of(program)}: {bound.preemptions} preemptions, {result.executions:,} "
        f"executions ({result.left_out:,} given up as repeated{cut}), {result.seconds:.1f} s"
    )


def write_page(html: Path | None, schedule: Schedule) -> None:
    """Write what a schedule does to a page, if one is wanted: a column for each actor."""
    if html is None:
        return
    rows, wrong = play(schedule)
    moves = [
        Move(
            " ".join(row.actor.split()[:2]),  # and not the call
            " ".join((*row.actor.split()[2:], row.actions)) or "goes on",
            text=f"It stops in front of `{row.then}`, in {row.where}." if row.then else "",
        )
        for row in rows
    ]
    title = f"A schedule of {name_of(schedule.program)}"
    kind, said = (wrong.kind, str(wrong)) if wrong else ("", "Nothing is wrong.")
    lane = from_schedule(title, moves, broken=kind, meaning=said)
    command = f"python -m tests.schedules --replay '{schedule}'"
    write(html, page.report(own=[lane], command=command))


def show(console: Console, schedule: Schedule, html: Path | None) -> int:
    """Show what a schedule does, as a table. Returns the exit status."""
    rows, wrong = play(schedule)
    write_page(html, schedule)
    table = Table("turn", "actor", "actions", "is in front of", "where")
    for row in rows:
        table.add_row(*row)
    console.print(table, markup=False)
    console.print(str(wrong) if wrong else "nothing is wrong", markup=False, highlight=False)
    return 1 if wrong else 0


def counted(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}")
    return int(text)


def main() -> int:
    """Search what was asked for. Returns the exit status: 0 if all holds, 1 if not, 2 misused."""
    parser = argparse.ArgumentParser(prog="python -m tests.schedules", description=__doc__)
    parser.add_argument("--program", action="append", metavar="NAME", help="one of these, or more")
    parser.add_argument("--preemptions", type=counted, default=2, metavar="N", help="at most")
    parser.add_argument("--interrupts", type=counted, default=1, metavar="N", help="at most")
    parser.add_argument("--time-outs", type=counted, default=0, metavar="N", help="at most")
    parser.add_argument("--recorded", action="store_true", help="the way of a stream with a record")
    parser.add_argument("--replay", metavar="STRING", help="show one schedule")
    parser.add_argument(
        "--html",
        metavar="OUT",
        type=writable,
        help="write the schedule that is shown, or the last "
        "that fails, to a page with a column for each thread",
    )
    options = parser.parse_args()
    console = Console()
    try:
        if options.replay is not None:
            return show(console, parse(options.replay), options.html)
        programs = [program_of(name) for name in options.program or PROGRAMS]
    except ScheduleError as error:
        parser.error(str(error))
    bound = Bound(options.preemptions, options.interrupts, options.time_outs)
    return search_all(console, programs, bound, options.recorded, options.html)


if __name__ == "__main__":
    leave_with(main)

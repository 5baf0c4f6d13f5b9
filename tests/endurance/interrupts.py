"""An interrupt before every bytecode of `with`, a gate and `next` (rule 10).

`python -m tests.endurance.interrupts` strikes each in turn, in a forked child of its own. The
child then leaves the wrapper, enters it again and reads on, and the oracle says what must come. The
batch that `next` has taken and not yet returned may be lost: "batch in hand lost" counts these.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kernel import StreamWrapper
from kernel.claims import FREE_THREADED
from specs.arguments import positive
from specs.epochs import END, FAILURE
from specs.exits import leave_with

from ..support import scene
from ..support.scene import Scene, Sweep
from ..support.striker import Place, monitor, place
from .sweeps import CONSUMER, WORKER


class Point(NamedTuple):
    """What became of one strike."""

    outcome: str
    place: Place | None


@lru_cache
def set_up() -> None:
    """What all children have from this process."""
    monitor()
    gc.collect()
    gc.freeze()  # they should not copy what they do not use


def strike(sweep: Sweep, at: int, subject: Any) -> Point:
    """Strike before instruction `at`, in a child of its own."""
    set_up()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        threading.excepthook = sys.unraisablehook = lambda _: None
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, scene.HANG)

        def tell(what: Any) -> None:
            os.write(writing, json.dumps(what).encode() + b"\n")

        try:
            played = Scene(sweep, subject, at, tell)
            played.end(played.plays())
        except BaseException as error:
            tell(f"{type(error).__name__}: {error}")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = [json.loads(line) for line in pipe]
    os.waitpid(child, 0)
    where = next((place(*what) for what in told if isinstance(what, list)), None)
    outcome = next((what for what in told if isinstance(what, str)), "hang")
    return Point(outcome, where)


class Excuse(NamedTuple):
    """A point where CPython leaves no safe way, and why."""

    outcome: str
    match: Callable[[Place], bool]
    reason: str
    call: str = ""  # begins so


REPORTING = {
    ("consumer.py", "report"),
    *(("claims.py", name) for name in ("alone", "hold", "_calls", "_in_role") if FREE_THREADED),
}
"""Where an end or error is raised, and what that passes on its way out."""

EXCUSES = (
    *(
        Excuse(
            f"{kind} lost",
            lambda place: (place.file, place.function) in REPORTING,
            "It was taken, and is on its way out. No signal is taken there.",
        )
        for kind in (FAILURE, END)
    ),
    Excuse(
        "gate open",
        lambda place: (place.file, place.function) == ("scope.py", "__exit__"),
        "`__exit__` has hardly begun, and is not called again. A signal is taken at its begin.",
        "gate __exit__",
    ),
    Excuse(
        "gate open",
        lambda place: (place.file, place.function) == ("scope.py", "__enter__"),
        "`__enter__` has ended, and its `with` not begun. No signal is taken there.",
        "gate __enter__",
    ),
)


def excuse(sweep: Sweep, point: Point) -> Excuse | None:
    """The first that matches."""
    for candidate in EXCUSES:
        if (
            point.place is not None
            and candidate.outcome == point.outcome
            and candidate.match(point.place)
            and sweep.call.startswith(candidate.call)
        ):
            return candidate
    return None


class Swept(NamedTuple):
    """A sweep that was done."""

    sweep: Sweep
    points: int
    outcomes: Counter[str]  # of those that survived: "kept", "lost", "told"
    excused: Counter[Excuse]
    unsafe: list[tuple[int, Point]]


SURVIVED = ("kept", "lost", "told")


def swept(sweep: Sweep, subject: Any = StreamWrapper, stride: int = 1, first: int = 1) -> Swept:
    """Strike before every instruction, or before each `stride`-th; up to 20 unsafe ones."""
    outcomes: Counter[str] = Counter()
    excused: Counter[Excuse] = Counter()
    unsafe: list[tuple[int, Point]] = []
    points = 0
    for at in count(first, stride):
        point = strike(sweep, at, subject)
        if point.outcome == "over":
            break
        points += 1
        if point.outcome in SURVIVED:
            outcomes[point.outcome] += 1
        elif (reason := excuse(sweep, point)) is not None:
            excused[reason] += 1
        else:
            unsafe.append((at, point))
            if len(unsafe) == 20:
                break
    return Swept(sweep, points, outcomes, excused, unsafe)


def table(done: list[Swept]) -> Table:
    """What became of the strikes, a row for each call in a situation."""
    shown = Table("call", "situation")
    for heading in ("points", "survived", "batch in hand lost", "told as an error", "excused"):
        shown.add_column(heading, justify="right")
    shown.add_column("unsafe", justify="right", style="red")
    for row in done:
        outcomes = row.outcomes
        shown.add_row(
            row.sweep.call,
            row.sweep.situation,
            str(row.points),
            str(outcomes.total()),
            str(outcomes["lost"] or ""),
            str(outcomes["told"] or ""),
            str(row.excused.total() or ""),
            str(len(row.unsafe) or ""),
        )
    return shown


def never_hit(done: list[Swept]) -> list[Excuse]:
    """Excuses that nothing needs, where everything was swept: they might hide something new."""
    hit = {entry for row in done for entry in row.excused}
    return [entry for entry in EXCUSES if entry not in hit]


def main() -> int:
    """Sweep what was asked for. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.endurance.interrupts", description=__doc__
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="those with this in their row")
    parser.add_argument(
        "--every", type=positive, default=1, metavar="N", help="strike one instruction of so many"
    )
    options = parser.parse_args()
    chosen = [s for s in CONSUMER + WORKER if options.only in f"{s.call} {s.situation}"]
    if not chosen:
        parser.error(f"argument --only: nothing has {options.only!r} in its row")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    columns = TextColumn("{task.description}"), TimeElapsedColumn()
    done = []
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        task = progress.add_task("")
        for sweep in chosen:
            progress.update(task, description=f"{sweep.call}, {sweep.situation}", refresh=True)
            done.append(swept(sweep, stride=options.every))
    console.print(table(done))
    for row in done:
        for at, point in row.unsafe:
            console.print(f"UNSAFE {row.sweep.call}, {row.sweep.situation}, {at}: {point.outcome}")
            console.print(f"    {tuple(point.place or ())}", markup=False)
    excused = sum((row.excused for row in done), Counter())
    for entry, points in excused.items():
        console.print(f"{points} excused, {entry.outcome}: {entry.reason}")
    idle = never_hit(done) if chosen == [*CONSUMER, *WORKER] and options.every == 1 else []
    for entry in idle:
        console.print(f"NEVER HIT: {entry.reason}")
    points = sum(row.points for row in done)
    survived = sum(row.outcomes.total() for row in done)
    unsafe = sum(len(row.unsafe) for row in done)
    console.print(
        f"Python {sys.version.split()[0]}: {points} points, {survived} survived, "
        f"{excused.total()} excused, {unsafe} unsafe"
    )
    return int(bool(unsafe or idle))


if __name__ == "__main__":
    leave_with(main)

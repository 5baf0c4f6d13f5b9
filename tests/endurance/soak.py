"""Random programs for a while, against the oracle, with memory and threads flat.

`python -m tests.endurance.soak --seconds 120` fails at the first event that the oracle does not
give. Now and then it drops all wrappers but one, which lives as long as the run, and leaves and
drains that one. Then there must be as many threads as at the beginning, and at most `SLACK` bytes
more than after `WARM` of the time, by tracemalloc.
"""

from __future__ import annotations

import argparse
import gc
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kernel import StreamWrapper
from specs.epochs import BATCH, END, FAILURE
from specs.exits import leave_with
from specs.proof import seconds

from ..support.users import Broken, RandomUser

SLACK = 128 * 1024  # bytes
WARM = 0.25  # of the time, until the steps that a wrapper remembers are remembered
LOOKS = 20  # at memory and threads, in one run
LONG = 20.0  # seconds that a thread may take to end


class Look(NamedTuple):
    """What is there between two programs."""

    threads: int
    traced: int  # bytes


def look(threads: int) -> Look:
    """Count, when the threads of what was abandoned have had time to end."""
    end = time.monotonic() + LONG
    gc.collect()
    while threading.active_count() > threads and time.monotonic() < end:
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join(0.01)
    gc.collect()
    return Look(threading.active_count(), tracemalloc.get_traced_memory()[0])


class Figures(NamedTuple):
    """A run that is over."""

    seconds: float
    counts: Counter[str]
    first: Look  # after the time to warm up
    last: Look


def soak(
    seconds: float,
    seed: int,
    subject: Any = StreamWrapper,
    tell: Callable[[float, Counter[str]], Any] = lambda *_: None,
) -> Figures:
    """Run so long. Raises Broken at the first thing that is wrong."""
    random = Random(seed)
    counts: Counter[str] = Counter()
    threads = threading.active_count()
    start = time.monotonic()
    gc.collect()
    gc.freeze()  # what was there before is not looked through at each look
    tracemalloc.start()
    try:
        old = RandomUser(random, counts, subject)
        first = now = None
        for number in range(1, LOOKS + 1):
            while True:
                old.use(50)
                young = RandomUser(random, counts, subject)
                young.use(random.choice((0, 1, 5, 20, 100)))
                if random.random() < 0.5:
                    young.settle()
                else:
                    counts["abandoned"] += 1
                tell(time.monotonic() - start, counts)
                del young
                if time.monotonic() >= start + seconds * number / LOOKS:
                    break
            old.settle()
            now = look(threads)
            if now.threads != threads:
                raise Broken(f"{now.threads} threads, and not {threads}")
            if first is None and number >= LOOKS * WARM:
                first = now
            if first is not None and now.traced > first.traced + SLACK:
                raise Broken(f"{now.traced - first.traced} bytes more than after warming up")
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    assert first is not None
    assert now is not None
    return Figures(time.monotonic() - start, counts, first, now)


def table(figures: Figures) -> Table:
    """What was done."""
    shown = Table("", show_header=False)
    shown.add_column(justify="right")
    counts = figures.counts
    rows = {
        "seconds": f"{figures.seconds:.0f}",
        "batches": f"{counts[BATCH]:,}",
        "ends of epochs": f"{counts[END]:,}",
        "errors": f"{counts[FAILURE]:,}",
        "stops": f"{counts['stops']:,}",
        "restarts": f"{counts['restarts']:,}",
        "gates entered or left": f"{counts['gates']:,}",
        "wrappers": f"{counts['wrappers']:,}",
        "of these abandoned": f"{counts['abandoned']:,}",
        "threads after warming up, at the end": f"{figures.first.threads}, {figures.last.threads}",
        "kB traced after warming up, at the end": (
            f"{figures.first.traced / 1000:,.1f}, {figures.last.traced / 1000:,.1f}"
        ),
    }
    for row in rows.items():
        shown.add_row(*row)
    return shown


def main() -> int:
    """Soak as long as was asked for. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.soak", description=__doc__)
    parser.add_argument("--seconds", type=seconds, default=120.0, metavar="S")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    options = parser.parse_args()
    console = Console(highlight=False)
    columns = BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=options.seconds)

        def tell(seconds: float, counts: Counter[str]) -> None:
            progress.update(task, completed=seconds, description=f"{counts[BATCH]:,} batches")

        progress.start_task(task)
        try:
            figures = soak(options.seconds, options.seed, tell=tell)
        except Broken as error:
            console.print(f"seed {options.seed}: {error}")
            return 1
    console.print(table(figures))
    return 0


if __name__ == "__main__":
    leave_with(main)

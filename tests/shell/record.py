"""Records a random program on real threads: `python -m tests.shell.record --actions 100000 FILE`.

What is read is compared with the oracle's. Beside what a soak does there are interrupts of who
waits, and workers that cannot start. `python -m specs trace FILE` has TLC judge the file.
`python -m tests.shell.record --cost` tells what it costs to record.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random
from typing import TextIO

from rich.console import Console

from kernel import StreamWrapper
from specs.arguments import positive

from ..benchmarks.measures import hand_over
from ..benchmarks.subjects import Source, Wrapper
from ..support.users import Broken, Faulty


class Lines:
    """A text file that counts the actions in it."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.actions = -1  # for the header

    def write(self, text: str) -> None:
        self.actions += text.count("\n")
        self.file.write(text)

    def flush(self) -> None:
        self.file.flush()


def record(file: TextIO, actions: int, seed: int, user: type[Faulty] = Faulty) -> Faulty:
    """Record at least so many actions. Raises Broken at the first event that the oracle denies."""
    lines = Lines(file)
    made = user(Random(seed), Counter(), partial(StreamWrapper, record=lines))
    while lines.actions < actions:
        made.turn()
    made.settle()
    made.counts["actions"] = lines.actions
    return made


class Recorded(Wrapper):
    """Our wrapper, recorded."""

    def __init__(self, source: Source, size: int) -> None:
        file = tempfile.TemporaryFile("w")  # noqa: SIM115  # it lives as long as the stream
        self.stream = StreamWrapper(source, size, record=file)


def cost(batches: int = 50_000, size: int = 16) -> tuple[float, float]:
    """Batches per second without a record, and with one: medians of nine alternate runs."""
    runs = [[hand_over(s, size, batches) for s in (Wrapper, Recorded)] for _ in range(9)]
    plain, recorded = (batches / statistics.median(times) for times in zip(*runs, strict=True))
    return plain, recorded


def main() -> int:
    """Record what was asked for. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.shell.record", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", nargs="?")
    parser.add_argument("--actions", type=positive, default=100_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="chooses sizes, too")
    parser.add_argument("--cost", action="store_true", help="tell what it costs to record")
    options = parser.parse_args()
    console = Console(highlight=False)
    if options.file is None and not options.cost:
        parser.error("one of the arguments FILE, --cost is required")
    if options.file is not None:
        try:
            file = options.file.open("w", encoding="utf-8")
        except OSError as error:
            parser.error(f"argument FILE: cannot write {str(options.file)!r}: {error.strerror}")
        started = time.perf_counter()
        try:
            with file:
                made = record(file, options.actions, options.seed)
        except Broken as error:
            console.print(f"seed {options.seed}: {error}")
            return 1
        counts = ", ".join(f"{n:,} {what}" for what, n in made.counts.most_common())
        console.print(
            f"{options.file}: {counts} in {time.perf_counter() - started:.1f} s, "
            f"buffer of {made.size}, epochs of {made.epoch_size}",
            soft_wrap=True,
        )
    if options.cost:
        plain, recorded = cost()
        console.print(
            f"thousand batches/s at a buffer of 16: {plain / 1000:.0f}, "
            f"recorded {recorded / 1000:.0f}, ratio {plain / recorded:.1f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Records a random program on real threads: `python -m tests.shell.record --actions 100000 FILE`.

What is read is compared with the oracle's. A soak's program also has interrupts of waiting
threads, and workers that cannot start. `python -m specs trace FILE` has TLC judge the file.
`python -m tests.benchmarks` measures what recording costs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random
from typing import TextIO

from rich.console import Console

from kernel import StreamWrapper
from specs.arguments import positive

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
    """Record at least that many actions. Raises Broken at an event that the oracle denies."""
    lines = Lines(file)
    made = user(Random(seed), Counter(), partial(StreamWrapper, record=lines))
    while lines.actions < actions:
        made.turn()
    made.settle()
    made.counts["actions"] = lines.actions
    return made


def main() -> int:
    """Record what was asked for. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.shell.record", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--actions", type=positive, default=100_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="chooses sizes, too")
    options = parser.parse_args()
    console = Console(highlight=False)
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
    return 0


if __name__ == "__main__":
    sys.exit(main())

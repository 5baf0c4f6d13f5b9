"""`python -m tests.benchmarks.boundary`: what the end of an epoch costs a consumer.

The consumer works for a while on each batch, under an open gate, and the source takes as long for
each. Measured is the time from one batch to the next: where an epoch ends between the two, and at
the same places of a stream whose epoch does not end. A ratio is taken within each round, in which
all are measured in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from rich.console import Console
from rich.table import Table

from kernel import StreamWrapper

SIZE = 20  # batches in an epoch
KINDS: dict[str, dict[str, Any]] = {
    "no boundary": {},
    "default": {"epoch_size": SIZE},
    "lookahead": {"epoch_size": SIZE, "lookahead": True},
}


def passes(seconds: float, length: int | None) -> Callable[[], Iterator[int]]:
    """A source whose every batch takes so long."""

    def begin() -> Iterator[int]:
        for number in count() if length is None else range(length):
            time.sleep(seconds)
            yield number

    return begin


def gap(kind: str, buffer_size: int, seconds: float, epochs: int, is_pass: bool = False) -> float:
    """Seconds from a batch to the next, at the ends of epochs; the median of so many."""
    options = dict(KINDS[kind])
    length = SIZE if is_pass and kind != "no boundary" else None
    if length is not None:
        del options["epoch_size"]
    stream = StreamWrapper(passes(seconds, length), buffer_size, **options)
    found, last = [], 0.0
    with stream:
        for number in range(SIZE * (epochs + 1)):
            while True:
                try:
                    next(stream)
                    break
                except StopIteration:  # it is what is measured
                    pass
            now = time.perf_counter()
            if number and number % SIZE == 0:
                found.append(now - last)
            last = now
            with stream.allow_buffering:
                time.sleep(seconds)
    return statistics.median(found)


def ratios(
    buffer_size: int, seconds: float, epochs: int, rounds: int, is_pass: bool = False
) -> dict[str, list[float]]:
    """The gaps by kind, in each round as a ratio to that of no boundary."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        gaps = {kind: gap(kind, buffer_size, seconds, epochs, is_pass) for kind in KINDS}
        for kind, value in gaps.items():
            found[kind].append(value / gaps["no boundary"])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.boundary")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=15, help="of each, in a round")
    parser.add_argument("--milliseconds", type=float, default=2.0, help="of work for a batch")
    chosen = parser.parse_args()
    table = Table("epoch", "buffer", *KINDS, title="From a batch to the next, at an epoch's end")
    for words, is_pass in (("20 batches", False), ("a pass of 20", True)):
        for buffer_size in (4, 16, 64):
            seconds = chosen.milliseconds / 1e3
            found = ratios(buffer_size, seconds, chosen.epochs, chosen.rounds, is_pass)
            cells = (
                f"{statistics.median(of):.3f} ({min(of):.3f} to {max(of):.3f})"
                for of in found.values()
            )
            table.add_row(words, str(buffer_size), *cells)
    Console(highlight=False, width=110).print(table)


if __name__ == "__main__":
    main()

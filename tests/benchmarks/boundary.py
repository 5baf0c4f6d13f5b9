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
from collections.abc import Iterator
from itertools import count, product
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


def gap(kind: str, buffer_size: int, seconds: float, epochs: int, is_pass: bool) -> float:
    """Seconds from a batch to the next, at the ends of epochs; the median."""
    options = dict(KINDS[kind])
    is_pass = is_pass and options.pop("epoch_size", None) is not None

    def source() -> Iterator[int]:
        for number in range(SIZE) if is_pass else count():
            time.sleep(seconds)
            yield number

    stream = StreamWrapper(source, buffer_size, **options)
    found, last = [], 0.0
    with stream:
        for number in range(SIZE * (epochs + 1)):
            while next(stream, None) is None:  # an epoch's end, which is what is measured
                pass
            now = time.perf_counter()
            if number and number % SIZE == 0:
                found.append(now - last)
            last = now
            with stream.allow_buffering:
                time.sleep(seconds)
    return statistics.median(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.boundary")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=15, help="of each, in a round")
    parser.add_argument("--milliseconds", type=float, default=2.0, help="of work for a batch")
    chosen = parser.parse_args()
    table = Table("epoch", "buffer", *KINDS, title="From a batch to the next, at an epoch's end")
    for is_pass, size in product((False, True), (4, 16, 64)):
        asked = size, chosen.milliseconds / 1e3, chosen.epochs, is_pass
        rounds = [[gap(kind, *asked) for kind in KINDS] for _ in range(chosen.rounds)]
        ratios = [[value / gaps[0] for value in gaps] for gaps in rounds]
        cells = (
            f"{statistics.median(of):.3f} ({min(of):.3f} to {max(of):.3f})"
            for of in zip(*ratios, strict=True)
        )
        table.add_row("a pass of 20" if is_pass else "20 batches", str(size), *cells)
    Console(highlight=False, width=110).print(table)


if __name__ == "__main__":
    main()

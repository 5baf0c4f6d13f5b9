"""Hand-off against `queue.Queue` with a hand-written producer thread, and what a stop costs.

Null source, null consumer, gate open; the two in turn in one run, medians. Run it as
`python -m tests.benchmarks.handoff`, pinned to one processor (`taskset -c 0`) where there is a
choice: on several, the processors' waking times are measured more than the code.
"""

from __future__ import annotations

import argparse
import queue
import statistics
import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from kernel import StreamWrapper

BATCHES = {1: 20_000, 16: 100_000, 256: 200_000}  # by the size of the buffer
END = object()


def by_queue(size: int, batches: int) -> float:
    """Seconds to hand over so many batches by a queue, which knows no epochs."""
    channel: queue.Queue[object] = queue.Queue(size)

    def produce() -> None:
        for batch in range(batches):
            channel.put(batch)
        channel.put(END)

    start = time.perf_counter()
    thread = threading.Thread(target=produce)
    thread.start()
    while channel.get() is not END:
        pass
    thread.join()
    return time.perf_counter() - start


def by_stream(size: int, batches: int, epoch_size: int) -> float:
    """Seconds to hand over so many batches, or the epochs that they fill, by a stream."""
    epochs = batches // epoch_size if epoch_size > 0 else 1
    start = time.perf_counter()
    with StreamWrapper(lambda: range(batches), size, epoch_size) as stream, stream.allow_buffering:
        for _ in range(epochs):
            for _ in stream:
                pass
    return time.perf_counter() - start


def stop(size: int) -> float:
    """Seconds that a stop takes, with a full buffer and a parked worker."""
    filled = threading.Event()

    def source() -> object:
        for batch in range(size + 1):
            if batch == size - 1:
                filled.set()
            yield batch

    stream = StreamWrapper(source, size)  # type: ignore[arg-type,var-annotated]
    with stream.allow_buffering:
        stream.__enter__()
        filled.wait()
    while stream._core.worker_bell is None:  # the worker parks in a moment
        time.sleep(0.0001)
    start = time.perf_counter()
    stream.__exit__(None, None, None)
    return time.perf_counter() - start


def compare(size: int, rounds: int, epoch_size: int = -1) -> tuple[float, float, float]:
    """Batches a second by queue and by stream, and the ratio of stream to queue; medians."""
    ways: tuple[Callable[[int, int], float], ...] = (
        by_queue,
        lambda size, batches: by_stream(size, batches, epoch_size),
    )
    rates = [[BATCHES[size] / way(size, BATCHES[size]) for way in ways] for _ in range(rounds)]
    medians = [statistics.median(rate) for rate in zip(*rates, strict=True)]
    return medians[0], medians[1], statistics.median(ours / theirs for theirs, ours in rates)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--epoch-size", type=int, default=-1, help="default: epochs are passes")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    table = Table(title=f"Thousand batches a second, medians of {rounds}")
    for heading in ("buffer", "queue.Queue", "StreamWrapper", "ratio"):
        table.add_column(heading, justify="right")
    for size in BATCHES:
        theirs, ours, ratio = compare(size, rounds, arguments.epoch_size)
        table.add_row(str(size), f"{theirs / 1e3:.0f}", f"{ours / 1e3:.0f}", f"{ratio:.2f}")
    console = Console()
    console.print(table)
    cost = statistics.median(stop(16) for _ in range(100))
    console.print(f"Stop with a full buffer of 16 and a parked worker: {cost * 1e3:.2f} ms")


if __name__ == "__main__":
    main()

"""Signals of a timer at random instants (rules 10 and 13 to 15).

`python -m tests.endurance.strikes` runs each kind in turn: several interrupts in a row, interrupts
beside another consumer, interrupts of polls, and the kinds of `newer`.

A strike may lose the batch that `next` has taken and not yet returned. The numbers of the batches
show whether anything else was lost, doubled or reordered.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

from kernel import StreamWrapper
from specs.arguments import positive
from specs.exits import leave_with

from ..support.sources import Aside
from . import newer

LAST = 200  # batches in a pass of a storm
LONG = 60.0  # seconds that the programs between two strikes may take


def whole(stream: StreamWrapper[Any], seen: list[int], last: int, lost: int) -> str:
    """Drain it by another thread, and say what is wrong, if anything."""
    seen.extend(newer.drained(stream, 1)[0])
    if len(set(seen)) < len(seen):
        return "doubled"
    return "lost" if last - len(seen) > lost else "" if seen == sorted(seen) else "reordered"


def storms(number: int, random: Random) -> str:
    """So many times five interrupts, 20 us apart. Returns what is wrong, if anything."""
    left = 0

    def strike(_: int, frame: Any) -> None:
        nonlocal left
        while frame is not None and frame.f_code is not calls.__code__:
            frame = frame.f_back
        if left:
            left -= frame is not None
            signal.setitimer(signal.ITIMER_REAL, 0.00002 if left else 0)
            if frame is not None:
                raise KeyboardInterrupt

    def calls(stream: StreamWrapper[Any], seen: list[int]) -> None:
        with suppress(RuntimeError):
            stream.__exit__(None, None, None)
        with stream, stream.allow_buffering:
            while left and len(seen) < LAST // 2:
                seen += [next(stream)]

    signal.signal(signal.SIGALRM, strike)
    for _ in range(number):
        stream = StreamWrapper(lambda: iter(range(LAST)), random.choice((1, 2, 8)))
        seen: list[int] = []
        left = 5
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.000001, 0.0006))
        while left:
            with suppress(KeyboardInterrupt):
                calls(stream, seen)
        wrong = whole(stream, seen, LAST, 5)
        if wrong:
            return wrong
    return ""


def consumers(number: int, random: Random) -> str:
    """Two consumers, of which the main thread is interrupted. Returns what is wrong."""
    strikes = newer.Strikes(random)
    last = 200 * number
    stream = StreamWrapper(lambda: iter(range(last)), 4)
    mine: list[int] = []
    others: list[int] = []
    over = threading.Event()

    def read(batches: list[int]) -> None:
        """Read to the end, or until it is over, or struck."""
        while not over.is_set():
            try:
                batches.append(next(stream))
            except RuntimeError:
                time.sleep(0)
            except StopIteration:
                over.set()

    with stream, stream.allow_buffering:
        other = Aside(lambda: read(others))
        end = time.monotonic() + LONG + number / 100
        while strikes.count < number and not over.is_set() and time.monotonic() < end:
            strikes.during(lambda: read(mine))
        over.set()
        other.result()
        if time.monotonic() > end:
            return "hung"
    both = mine + others
    if len(set(both)) < len(both):
        return "doubled"
    if mine != sorted(mine) or others != sorted(others):
        return "reordered"
    return "lost" if max(both) + 1 - len(both) > strikes.count else ""


def polls(number: int, random: Random) -> str:
    """A waiting next that is left again and again leaves nothing behind."""
    ready = threading.Event()

    def source() -> Iterator[int]:
        yield 0
        ready.wait()

    strikes = newer.Strikes(random)
    stream = StreamWrapper(source, 2)
    with stream, stream.allow_buffering:
        assert next(stream) == 0
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        while strikes.count < number:
            strikes.during(lambda: next(stream))
        more = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()  # a fork copies its lock, which a thread may hold: the child hangs
        ready.set()
    return f"{more} bytes more" if more > 40_000 else ""


KINDS: dict[str, Callable[[int, Random], str]] = {
    "storms": storms,
    "consumers": consumers,
    "polls": polls,
    **newer.KINDS,
}


def main() -> int:
    """Strike that number of times in each way. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.strikes", description=__doc__)
    parser.add_argument("--strikes", type=positive, default=3000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--kind", choices=KINDS, help="of strikes; else all")
    options = parser.parse_args()
    failures = 0
    for kind in [options.kind] if options.kind else KINDS:
        wrong = KINDS[kind](options.strikes, Random(options.seed))
        print(f"{options.strikes} {kind}: {wrong or 'whole'}", flush=True)  # noqa: T201
        failures += bool(wrong)
    os._exit(int(failures > 0))


if __name__ == "__main__":
    leave_with(main)

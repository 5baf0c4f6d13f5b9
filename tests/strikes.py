"""Signals of a timer at random instants of random programs (rule 10): `python -m tests.strikes`.

A strike may lose what was in hand, and one in a pull of the caller's own is the source's error;
the numbers of the batches tell whether anything else was lost, doubled or reordered.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

from kernel import StreamWrapper

from .interrupts import positive

STRIKE, END, TOLD = "strike", "end", "told"
EACH = 25  # strikes of one wrapper
LONG = 60.0  # seconds that the programs between two strikes may take


swallowed: list[Any] = []  # interrupts that struck a finaliser, which nobody hears of


def interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def lengths(number: int) -> int:
    """Batches in the pass of this number."""
    return Random(number).choice((0, 1, 2, 3, 30))


class Program:
    """Calls of one wrapper at random, and what they gave, strikes included."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.size = random.choice((0, 1, 2, 5))
        self.passes = 0
        self.seen: list[Any] = []
        self.stream: StreamWrapper[Any] = StreamWrapper(self.source, self.size)

    def source(self) -> Iterator[Any]:
        self.passes += 1
        number = self.passes - 1
        return ((number, batch) for batch in range(lengths(number)))

    def next(self) -> None:
        try:
            self.seen.append(next(self.stream))
        except StopIteration:
            self.seen.append(END)
        except ChildProcessError as error:
            if not isinstance(error.__cause__, KeyboardInterrupt):
                raise
            self.seen.append(TOLD)

    def call(self) -> None:
        """One block of `with`, or reading without one, and gates."""
        with suppress(RuntimeError):  # it was left entered, or not
            self.stream.__exit__(None, None, None)
        with self.stream:
            for _ in range(self.random.randrange(6)):
                if self.random.random() < 0.5:
                    with self.stream.allow_buffering:
                        self.next()
                else:
                    self.next()
        for _ in range(self.random.randrange(3)):
            self.next()

    def strike(self, after: float) -> None:
        """Go on until a signal comes, after so many seconds."""
        try:
            signal.setitimer(signal.ITIMER_REAL, after)
            end = time.monotonic() + LONG
            while not swallowed:
                assert time.monotonic() < end, "a signal was lost"
                self.call()
        except KeyboardInterrupt:
            self.seen.append(STRIKE)
        swallowed.clear()

    def finish(self) -> None:
        """Read on without strikes."""
        for _ in range(3):
            self.call()
        with suppress(RuntimeError):
            self.stream.__exit__(None, None, None)


def follow(number: int, batch: int) -> Any:
    """What comes in this place: a batch or the end of its pass."""
    return (number, batch) if batch < lengths(number) else END


def check(seen: list[Any]) -> None:
    """Raises AssertionError unless the batches go on as they must, but for what strikes may do."""
    number = batch = 0  # of what comes next
    strikes = 0
    for at, event in enumerate(seen):
        if event == STRIKE:
            strikes += 1
            continue
        if event == TOLD:
            strikes += 1  # it struck in a pull of the caller's own, which ended the pass
            continue
        for _ in range(strikes + 1):  # each may have lost what was in hand
            if follow(number, batch) == event:
                break
            number, batch = (number, batch + 1) if batch < lengths(number) else (number + 1, 0)
        else:  # or the pass, if it came in a pull of the caller's own
            fresh = event if event != END else None
            begun = [n for n in range(number, number + strikes + 2) if strikes]
            if fresh is None:
                begun = [n for n in begun if lengths(n) == 0]
            else:
                begun = [n for n in begun if (n, 0) == fresh]
            assert begun, f"{event} after {seen[max(0, at - 9) : at]}"
            number, batch = begun[0], 0
        strikes = 0
        number, batch = (number, batch + 1) if event != END else (number + 1, 0)


def main() -> int:
    """Strike so many times. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.strikes", description=__doc__)
    parser.add_argument("--strikes", type=positive, default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    options = parser.parse_args()
    random = Random(options.seed)
    signal.signal(signal.SIGALRM, interrupt)
    sys.unraisablehook = swallowed.append
    strikes = events = 0
    while strikes < options.strikes:
        program = Program(random)
        for _ in range(min(EACH, options.strikes - strikes)):
            program.strike(random.uniform(0.00002, 0.002))
            strikes += 1
        program.finish()
        check(program.seen)
        events += len(program.seen)
    left = threading.active_count() - 1
    print(f"{strikes} strikes, {events - strikes} events, {left} threads left")  # noqa: T201
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main())

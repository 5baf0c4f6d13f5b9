"""Signals of a timer at random instants of random programs (rule 10).

`python -m tests.endurance.strikes` lets it strike.

A strike may lose what was in hand, and one in a pull of the caller's own is the source's error;
the numbers of the batches tell whether anything else was lost, doubled or reordered.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

from kernel import StreamWrapper

from ..support.arguments import positive

STRIKE, END, TOLD = "strike", "end", "told"
LAST = 200  # batches in a pass of a storm
EACH = 25  # strikes of one wrapper
LONG = 60.0  # seconds that the programs between two strikes may take


arrived: list[Any] = []  # an interrupt that was told as an error, or that a finaliser swallowed


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
            arrived.append(error)

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
            self.go_on(after)
        except KeyboardInterrupt:
            self.seen.append(STRIKE)
        arrived.clear()

    def go_on(self, after: float) -> None:
        """Apart from `strike`, since CPython 3.13 forgets a `try` where the loop in it turns."""
        signal.setitimer(signal.ITIMER_REAL, after)
        end = time.monotonic() + LONG
        while not arrived:
            assert time.monotonic() < end, "a signal was lost"
            self.call()

    def finish(self) -> None:
        """Read on without strikes."""
        for _ in range(3):
            self.call()
        with suppress(RuntimeError):
            self.stream.__exit__(None, None, None)
        assert not arrived, "an error without a strike"


Place = tuple[int, int]
"""Of what comes next: the number of its pass, and of the batch in it."""


def event_at(place: Place) -> Any:
    """The batch in this place, or the end of its pass."""
    number, batch = place
    return place if batch < lengths(number) else END


def after(place: Place) -> Place:
    """The place behind it."""
    number, batch = place
    return (number, batch + 1) if batch < lengths(number) else (number + 1, 0)


def fresh(place: Place) -> set[Place]:
    """Where reading may go on if the pass is dropped, or one that was about to begin."""
    number, batch = place
    return {(number + 1, 0), (number + 2, 0)} | ({place} if batch == 0 else set())


def check(seen: list[Any]) -> None:
    """Raises AssertionError unless all goes on as it must, but for what strikes may do."""
    places: set[Place] = {(0, 0)}
    for at, event in enumerate(seen):
        if event == STRIKE:  # nothing was lost, or what was in hand, or it was in an own pull
            places |= {after(place) for place in places}.union(*map(fresh, places))
            continue
        if event == TOLD:
            places = set().union(*map(fresh, places))
        else:
            places = {after(place) for place in places if event_at(place) == event}
        assert places, f"{event} after {seen[max(0, at - 9) : at]}"


def works(thread: threading.Thread) -> bool:
    """Whether it is in the lines of the worker, and not one whose Thread.start was struck.

    CPython forgets such a thread among those that begin, or leaves it waiting for a lock.
    """
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None and frame.f_code is not threading.Thread.run.__code__:
        frame = frame.f_back
    return frame is not None


def whole(stream: StreamWrapper[Any], seen: list[int], last: int, lost: int) -> str:
    """Leave, enter and drain by another thread, and say what is wrong, if anything."""
    wrong: list[str] = []
    done = threading.Event()

    def finish() -> None:
        try:
            with suppress(RuntimeError):
                stream.__exit__(None, None, None)
            with stream:
                seen.extend(stream)
        except BaseException as error:
            wrong.append(repr(error))
        done.set()

    threading.Thread(target=finish, daemon=True).start()
    if not done.wait(10):
        return "hung"
    if wrong:
        return wrong[0]
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
    struck = [0]

    def strike(*_: object) -> None:
        struck[0] += 1
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, strike)
    last = 200 * number
    stream = StreamWrapper(lambda: iter(range(last)), 4)
    mine: list[int] = []
    others: list[int] = []
    errors: list[BaseException] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                others.append(next(stream))
            except RuntimeError:
                time.sleep(0)
            except StopIteration:
                return
            except BaseException as error:
                errors.append(error)
                return

    with stream, stream.allow_buffering:
        other = threading.Thread(target=read, daemon=True)
        other.start()
        end = time.monotonic() + LONG + number / 100
        while struck[0] < number and time.monotonic() < end:
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00002, 0.0005))
                while True:
                    try:
                        mine.append(next(stream))
                    except RuntimeError:
                        time.sleep(0)
                    except StopIteration:
                        struck[0] = number
                        break
            except KeyboardInterrupt:
                continue
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        over.set()
        other.join(10)
        if other.is_alive() or time.monotonic() > end:
            return "hung"
    if errors:
        return repr(errors[0])
    both = mine + others
    if len(set(both)) < len(both):
        return "doubled"
    if mine != sorted(mine) or others != sorted(others):
        return "reordered"
    return "lost" if max(both) + 1 - len(both) > struck[0] else ""


def polls(number: int, random: Random) -> str:
    """A waiting next that is left again and again leaves nothing behind."""
    ready = threading.Event()

    def source() -> Iterator[int]:
        yield 0
        ready.wait()

    signal.signal(signal.SIGALRM, interrupt)
    stream = StreamWrapper(source, 2)
    with stream, stream.allow_buffering:
        assert next(stream) == 0
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(number):
            with suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0003, 0.0006))
                next(stream)
        more = tracemalloc.get_traced_memory()[0] - before
        ready.set()
    return f"{more} bytes more" if more > 40_000 else ""


KINDS = {"storms": storms, "consumers": consumers, "polls": polls}


def main() -> int:
    """Strike so many times. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.strikes", description=__doc__)
    parser.add_argument("--strikes", type=positive, default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--kind", choices=KINDS, help="of strikes; else random programs are struck")
    options = parser.parse_args()
    random = Random(options.seed)
    if options.kind:
        wrong = KINDS[options.kind](options.strikes, random)
        print(f"{options.strikes} {options.kind}: {wrong or 'whole'}", flush=True)  # noqa: T201
        os._exit(int(bool(wrong)))
    signal.signal(signal.SIGALRM, interrupt)
    sys.unraisablehook = arrived.append
    strikes = events = 0
    while strikes < options.strikes:
        program = Program(random)
        for _ in range(min(EACH, options.strikes - strikes)):
            program.strike(random.uniform(0.00002, 0.002))
            strikes += 1
        program.finish()
        check(program.seen)
        events += len(program.seen)
    left = [thread for thread in threading.enumerate() if works(thread)]
    given_up = threading.active_count() - len(left) - 1
    print(  # noqa: T201
        f"{strikes} strikes, {events} events, {len(left)} workers left, "
        f"{given_up} threads given up by Thread.start"
    )
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())

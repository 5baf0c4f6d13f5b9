"""Signals of a timer in `state_dict`, epochs, time limits, restarts and closes; forks in between.

`strikes` has the command. The batches of a pass are numbered. So each one that is doubled, out of
order or lost (other than the one that a call was about to return) is seen.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import traceback
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, pairwise
from random import Random
from typing import Any

from kernel import StreamWrapper

from ..support.sources import LONG, Aside

LENGTH = 7  # batches of a pass

Wrong = str


class Struck(KeyboardInterrupt):
    """What strikes."""


class Strikes:
    """One interrupt at a time, at a random instant of a call."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.count = 0
        self.armed = False
        self.handle: Callable[[], None] | None = None
        signal.signal(signal.SIGALRM, self.strike)

    def strike(self, *_: object) -> None:
        if self.armed:
            self.armed = False
            if self.handle is not None:
                self.handle()
                return
            self.count += 1
            raise Struck

    def arm(self, longest: float = 3e-4) -> None:
        self.armed = True
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, self.random.random() ** 2 * longest))

    def disarm(self) -> None:
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def during(self, call: Callable[[], Any]) -> tuple[bool, Any]:
        """Whether it was struck, and what it gave."""
        result = None
        try:
            try:
                self.arm()
                result = call()
            finally:
                self.disarm()
        except Struck:
            return True, result
        return False, result


def numbers() -> Generator[int, None, None]:
    yield from range(LENGTH)


def make(random: Random) -> Any:
    return StreamWrapper(numbers, random.choice((1, 2, 8)), random.choice((-1, 3)))


def resumed(stream: Any, state: Any) -> Any:
    """Another stream, that goes on from the state."""
    again: Any = StreamWrapper(numbers, 2, stream._core.limits.epoch_size)
    again.load_state_dict(state)
    return again


def leave(stream: Any) -> None:
    with suppress(RuntimeError):
        stream.__exit__(None, None, None)


@contextmanager
def entered(stream: Any, random: Random) -> Iterator[None]:
    """Inside, with a gate or without one, for whatever another thread does meanwhile."""
    stream.__enter__()
    try:
        if random.random() < 0.5:
            with stream.allow_buffering:
                yield
        else:
            yield
    finally:
        leave(stream)


def drained(stream: Any, epochs: int = 2) -> list[list[int]]:
    """So many epochs, by another thread, which has to come to its end."""

    def drain() -> list[list[int]]:
        leave(stream)
        with stream:
            return [list(stream) for _ in range(epochs)]

    return Aside(drain).result()  # type: ignore[no-any-return]


def jumps(seen: Iterable[int]) -> list[tuple[int, int]]:
    """Where a batch is not the next of a pass."""
    return [(one, other) for one, other in pairwise(seen) if (other - one - 1) % LENGTH]


def lost(seen: list[int], rest: list[list[int]], in_hand: int) -> Wrong:
    """What is wrong if more is missing than the batches that were in hand."""
    read = [*seen, *chain(*rest)]
    missing = sum((after - before - 1) % LENGTH for before, after in jumps(read))
    return "" if missing <= in_hand else f"lost {read}"


def states(strikes: Strikes, random: Random) -> Wrong:
    """A state is said or not, loaded or not, and what is said is where the stream is."""
    stream = make(random)
    with entered(stream, random):
        for _ in range(random.randrange(9)):
            next(stream, None)
        strikes.during(stream.state_dict)
        state = stream.state_dict()
        rest = drained(stream)
    again: Any = StreamWrapper(numbers, 2, stream._core.limits.epoch_size)
    struck, _ = strikes.during(lambda: again.load_state_dict(state))
    if struck:
        with suppress(RuntimeError):  # it was done
            again.load_state_dict(state)
    if again.state_dict() != state:
        return f"{state} became {again.state_dict()}"
    return "" if drained(again) == rest else "the rest differs"


def epochs(strikes: Strikes, random: Random) -> Wrong:
    """Epochs as iterators: nothing is lost but what was in hand; the state says the place."""
    stream = make(random)
    seen: list[int] = []
    before = strikes.count

    def read() -> None:
        for batch in stream.epoch():
            seen.append(batch)  # noqa: PERF402  # what was read before a strike stays

    with entered(stream, random):
        for _ in range(4):
            strikes.during(read)
        state = stream.state_dict()
        rest = drained(stream)
    if drained(resumed(stream, state)) != rest:
        return f"the rest of {state} differs"
    return lost(seen, rest, strikes.count - before)


def limits(strikes: Strikes, random: Random) -> Wrong:
    """Reads with a limit of time, that are struck as well."""
    stream = make(random)
    seen: list[int] = []
    before = strikes.count

    def read() -> None:
        for _ in range(6):
            with suppress(TimeoutError, StopIteration):
                seen.append(stream.get(random.choice((0, 1e-5, 1e-3))))

    with entered(stream, random):
        for _ in range(4):
            strikes.during(read)
        rest = drained(stream)
    return lost(seen, rest, strikes.count - before)


def restarts(strikes: Strikes, random: Random) -> Wrong:
    """A restart is done or not: the next batch is the first of a pass, or the next one."""
    stream = make(random)
    with entered(stream, random):
        for _ in range(random.randrange(5)):
            next(stream, None)
        given = stream._core.run.given()
        struck, _ = strikes.during(stream.restart)
        if not struck and stream.state_dict()["batches_in_pass"]:
            return "not restarted"
        batch = None
        while batch is None:
            batch = next(stream, None)
        if batch not in (0, given % LENGTH):
            return f"{batch} after {given}"
    if wrong := lost([batch], drained(stream), 0):
        return wrong
    stream.restart()
    return "" if drained(stream, 1)[0][:3] == [0, 1, 2] else "no fresh pass"


def closes(strikes: Strikes, random: Random) -> Wrong:
    """However often it is struck, the second close ends it; the generator is closed, too."""
    made: list[weakref.ref[Generator[int, None, None]]] = []

    def source() -> Iterator[int]:
        made.append(weakref.ref(generator := numbers()))
        return generator

    stream = StreamWrapper(source, random.choice((0, 1, 8)))
    with entered(stream, random):
        next(stream)
        strikes.during(stream.close)
        stream.close()
        try:
            next(stream)
        except ValueError:
            pass
        else:
            return "it goes on"
    if lives(stream):
        return "its worker goes on"
    open_ones = [g for ref in made if (g := ref()) is not None and g.gi_frame is not None]
    return "its generator was not closed" if open_ones else ""


def forks(strikes: Strikes, random: Random) -> Wrong:
    """A child that is forked between strikes says the state, starts over and closes."""
    stream = make(random)
    with entered(stream, random):
        next(stream)
        strikes.during(lambda: next(stream.epoch(), None))
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(LONG / 2, exit=True)  # if it hangs, it fails
            try:
                drained(resumed(stream, stream.state_dict()))
                if random.random() < 0.5:
                    stream.restart()
                    drained(stream)
                stream.close()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        strikes.during(stream.state_dict)
        # Aside: a child that hangs in fork itself cannot fail
        if Aside(lambda: os.waitpid(child, 0)[1]).result() != 0:
            return "the child fails"
        drained(stream)
    return ""


def handlers(strikes: Strikes, random: Random) -> Wrong:
    """A handler that uses the stream that it interrupts gets what it asks for, or an error."""
    stream = make(random)
    done: list[Any] = []
    calls = {
        "restart": stream.restart,
        "close": stream.close,
        "state_dict": stream.state_dict,
        "get": lambda: stream.get(0),
        "epoch": lambda: next(stream.epoch()),
    }
    name = random.choice(list(calls))

    def handle() -> None:
        strikes.count += 1
        try:
            done.append(calls[name]())
        except (RuntimeError, TimeoutError, StopIteration, ValueError) as error:
            done.append(error)

    seen: list[int] = []
    strikes.handle = handle
    try:
        with entered(stream, random):
            strikes.arm()
            for _ in range(12):
                with suppress(StopIteration, ValueError):
                    seen.append(next(stream))
                if done:
                    break
            strikes.disarm()
    except RuntimeError as error:  # it was about to be entered, and was closed or restarted
        done.append(error)
    finally:
        strikes.disarm()
        strikes.handle = None
    if name == "close" and done and done[0] is None:
        return "" if stream._core.closed and not lives(stream) else "it goes on"
    if isinstance(done[0] if done else None, int):
        return ""  # which was read in the middle of another's read
    starts = name == "restart"
    read = [*seen, *chain(*drained(stream))]
    wrong = jumps(read)
    return "" if len(wrong) <= starts and all(b == 0 for _, b in wrong) else f"{name}: {read}"


def lives(stream: Any) -> bool:
    entry = stream._core.entry
    return entry is not None and entry.lives()


def others(strikes: Strikes, random: Random) -> Wrong:
    """Another thread says the state, starts over and closes, while this one reads."""
    strikes.count += 1
    stream = make(random)
    seen: list[int] = []

    def use() -> None:
        for _ in range(random.randrange(8)):
            with suppress(RuntimeError):
                stream.restart()
            stream.state_dict()
        while not stream._core.closed:
            with suppress(RuntimeError):  # the other is in a pull of its own
                stream.close()

    with suppress(ValueError), entered(stream, random):  # until it is closed
        other = Aside(use)
        while True:
            with suppress(StopIteration, RuntimeError):
                seen.append(next(stream))
    other.result()
    return f"{seen}" if any(after for _, after in jumps(seen)) else ""


def struck(kind: Callable[[Strikes, Random], Wrong]) -> Callable[[int, Random], Wrong]:
    """Try it until it was struck so often. Returns what is wrong first."""

    def tried(number: int, random: Random) -> Wrong:
        strikes = Strikes(random)
        for _ in range(99 * number):
            said = kind(strikes, random)
            if said or strikes.count >= number:
                return said
        return "hardly struck at all"

    return tried


KINDS = {
    kind.__name__: struck(kind)
    for kind in (states, epochs, limits, restarts, closes, forks, handlers, others)
}

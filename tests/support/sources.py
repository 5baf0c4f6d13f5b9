"""Sources that a test can hold, release and count, and helpers that never wait without a bound."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

import pytest

from specs.epochs import BATCH, END, FAILURE

LONG = 20.0  # seconds; what must come is waited for this long, and comes at once
SHORT = 0.1  # seconds; what must not come is waited for this long

SIZES = [0, 1, 2, 3, 16]
BUFFERS = [1, 2, 3, 16]


class Boom(Exception):
    """What the sources of the tests raise."""


class Source:
    """A `stream_fn` over given passes, repeated for ever.

    An item of a pass that is an exception is raised by its pull; a pass that is an exception is
    raised by `stream_fn`, and one wrapped in `Uniterable` by `iter`. A held source keeps every pull
    until it may `go`.
    """

    def __init__(self, *passes: Any, held: bool = False) -> None:
        self.passes = passes
        self.begun = 0  # passes
        self.pulls = 0  # that have started
        self.active = 0  # pulls in flight
        self.most_active = 0
        self.threads: set[threading.Thread] = set()  # that have pulled
        self._free = not held
        self.renew()

    def renew(self) -> None:
        """Make the locks anew, in a child: a thread that it has not may hold the others."""
        self.started = threading.Semaphore(0)  # released as a pull starts
        self.ended = threading.Semaphore(0)  # released as a pull ends
        self._gate = threading.Semaphore(0)
        self._lock = threading.Lock()

    def one_pass(self, number: int) -> Any:
        """What there is in the pass of this number."""
        return self.passes[number % len(self.passes)]

    def __call__(self) -> Iterable[Any]:
        chosen = self.one_pass(self.begun)
        self.begun += 1
        if isinstance(chosen, BaseException):
            raise chosen
        if isinstance(chosen, Uniterable):
            return chosen
        return _Pass(self, iter(chosen))

    def go(self, pulls: int = 1) -> None:
        """Let that number of pulls of a held source end."""
        for _ in range(pulls):
            self._gate.release()

    def hold(self) -> None:
        """Keep the pulls from here on."""
        self._free = False

    def free(self) -> None:
        """Let all pulls go, those that are held and those that come."""
        self._free = True
        with self._lock:
            held = self.active
        self.go(held)

    def await_start(self, pulls: int = 1) -> None:
        """Wait until that number of pulls more has started."""
        for _ in range(pulls):
            assert self.started.acquire(timeout=LONG), "no pull started"

    def await_end(self, pulls: int = 1) -> None:
        """Wait until that number of pulls more has ended."""
        for _ in range(pulls):
            assert self.ended.acquire(timeout=LONG), "no pull ended"

    def no_start(self) -> bool:
        """Whether no further pull starts, as long as one may watch."""
        return not self.started.acquire(timeout=SHORT)

    def pull(self, items: Iterator[Any]) -> Any:
        """One `next` on a pass."""
        with self._lock:
            self.pulls += 1
            self.active += 1
            self.most_active = max(self.most_active, self.active)
            self.threads.add(threading.current_thread())
        self.started.release()
        try:
            while not self._free and not self._gate.acquire(timeout=LONG):
                raise AssertionError("a pull was held for too long")
            item = next(items)
            if isinstance(item, BaseException):
                raise item
            return item
        finally:
            with self._lock:
                self.active -= 1
            self.ended.release()


class Numbered(Source):
    """Passes of these lengths, again and again; pass 2 gives (2, 0), (2, 1), ...

    A pass of negative length raises Boom where it would end.
    """

    without: Any = None  # a batch that is left out

    def __init__(self, *lengths: int) -> None:
        super().__init__(*lengths)
        self.given: Counter[int] = Counter()  # batches, by the number of their pass

    def one_pass(self, number: int) -> Any:
        length = super().one_pass(number)
        items: list[Any] = [(number, batch) for batch in range(abs(length))]
        return [*(item for item in items if item != self.without), *([Boom()] * (length < 0))]

    def pull(self, items: Iterator[Any]) -> Any:
        batch = super().pull(items)
        self.given[batch[0]] += 1
        return batch


class _Pass:
    """One pass over a source."""

    def __init__(self, source: Source, items: Iterator[Any]) -> None:
        self._source = source
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._source.pull(self._items)


class Finally:
    """A `stream_fn` of generators that say when they are closed."""

    def __init__(self, length: int = 9) -> None:
        self.length = length
        self.begun = 0
        self.closed: list[int] = []

    def __call__(self) -> Iterator[Any]:
        self.begun += 1
        number = self.begun
        try:
            for at in range(self.length):
                yield number, at
        finally:
            self.closed.append(number)


class Uniterable:
    """Something that raises when it is iterated."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __iter__(self) -> Iterator[Any]:
        raise self.error


class Aside:
    """A call in a thread of its own, for what may have to wait."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._outcome: tuple[str, Any] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = "returned", self._call()
        except BaseException as error:
            self._outcome = "raised", error

    @property
    def waits(self) -> bool:
        """Whether it has not ended, as long as one may watch."""
        self._thread.join(SHORT)
        return self._thread.is_alive()

    def result(self) -> Any:
        """What the call returned; raises what it raised."""
        self._thread.join(LONG)
        assert self._outcome is not None, "the call does not end"
        kind, value = self._outcome
        if kind == "raised":
            raise value
        return value


def until(holds: Callable[[], bool]) -> bool:
    """Wait until it does."""
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end, "it never does"
        time.sleep(0.001)
    return True


def pulling(stream: Any, source: Source, pulls: int = 1) -> Any:
    """Enter, open a gate, and wait until that number of pulls has started: the gate."""
    stream.__enter__()
    gate = stream.allow_buffering
    gate.__enter__()
    source.await_start(pulls)
    return gate


def enter_dead(stream: Any) -> Any:
    """Enter with a worker that cannot start."""
    with mock.patch.object(threading.Thread, "start", side_effect=ZeroDivisionError):
        return stream.__enter__()


def give_up(stream: Any, hangs: Callable[[], Any], said: str | None = None) -> threading.Thread:
    """Enter, wait until a pull hangs, and leave, for which that takes too long: its thread."""
    stream.__enter__()
    with stream.allow_buffering:
        hangs()
    thread: threading.Thread = stream._core.entry.thread
    with pytest.raises(TimeoutError, match=said):
        stream.__exit__(None, None, None)
    return thread


def event(stream: Any) -> tuple[str, Any]:
    """One `next`, as the oracle says it; an error as it is raised."""
    try:
        return BATCH, next(stream)
    except StopIteration:
        return END, None
    except (Boom, ChildProcessError, MemoryError) as error:
        return FAILURE, error


def take(stream: Any, count: int) -> list[Any]:
    """So many batches; fails if the epoch ends before."""
    return [next(stream) for _ in range(count)]


def epoch(stream: Any, most: int = 1000) -> list[Any]:
    """The rest of an epoch; fails if it does not end."""
    batches = []
    for batch in stream:
        batches.append(batch)
        assert len(batches) <= most, "the epoch does not end"
    return batches

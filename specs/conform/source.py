"""The source of a program: it follows a script, and counts what is asked of it and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any

from .programs import ERRORS, SETTLE, VALUES

ENTERED: ContextVar[int] = ContextVar("entered", default=0)
"""How often the wrapper had been entered, in the context in which that was done."""


class Source:
    """A `stream_fn` that follows a script, and counts what is asked of it and when."""

    def __init__(self, passes: tuple[tuple[str, ...], ...], held: bool = False) -> None:
        self.passes = passes
        self.begun = 0  # passes
        self.lock = threading.Condition()
        self.held = held
        self.tokens = 0  # pulls of a held source that may end
        self.started = 0  # pulls
        self.ended = 0
        self.active = 0
        self.most_active = 0
        self.batches = 0  # given
        self.taken = 0  # delivered by the wrapper, or about to be
        self.excess = 0  # batches held and being pulled, at most, as far as that is certain
        self.gates = 0  # open
        self.asked = False  # a request waits
        self.excused = False  # a pull may have been on its way when the gate was shut
        self.unasked = 0  # pulls that started although no gate was open and nobody waited
        self.reader = 0  # the only thread that may pull, if there is one
        self.strange = 0  # pulls by others
        self.outlasting = 0  # pulls that went on when `with` had been left
        self.puller = 0  # the thread that pulled last
        self.entered = 0  # how often the wrapper was, or is about to be
        self.elsewhere = 0  # pulls, with what begins a pass, in another context than the last one's
        self.strays = False  # whether a pass was begun in such a context since the last pull
        self.seconds = 0.0  # that pulls of batches took
        self.raised: list[BaseException] = []

    def error(self, item: str) -> BaseException:
        """The error of this name, to be raised: each is one of its own, and says so."""
        self.raised.append(ERRORS[item](f"error {len(self.raised)} of the source"))
        return self.raised[-1]

    def __call__(self) -> Iterator[Any]:
        """Begin a pass."""
        with self.lock:
            items = self.passes[self.begun % len(self.passes)]
            self.begun += 1
            self.strays |= self.is_elsewhere()
        if items and items[0].startswith("stream_fn: "):
            raise self.error(items[0].partition(": ")[2])
        return _Pass(self, items)

    def is_elsewhere(self) -> bool:
        """Whether this is another context than that in which the wrapper was entered last."""
        return ENTERED.get() != self.entered

    def pull(self, items: Iterator[str]) -> Any:
        """One `next` on a pass."""
        began = time.perf_counter()
        with self.lock:
            self.started += 1
            self.active += 1
            self.most_active = max(self.most_active, self.active)
            self.excess = max(self.excess, self.batches + self.active - self.taken)
            if not self.gates and not self.asked and not self.excused:
                self.unasked += 1
            self.excused = False
            self.puller = threading.get_ident()
            self.strange += self.reader not in (0, self.puller)
            self.elsewhere += self.strays or self.is_elsewhere()
            self.strays = False
            self.lock.notify_all()
            try:
                while self.held and not self.tokens:
                    self.lock.wait()
                self.tokens = max(0, self.tokens - 1)
                item = next(items)
                self.asked = False  # whatever it is, it serves the request
                if item in ERRORS:
                    raise self.error(item)
                self.batches += 1
                self.seconds += time.perf_counter() - began
                return VALUES[item] if item in VALUES else self.batches - 1
            finally:
                self.active -= 1
                self.ended += 1
                self.lock.notify_all()

    def let_go(self, pulls: int) -> None:
        """Let that number of pulls end, if as many start; then one more may have started."""
        with self.lock:
            self.tokens = pulls
            self.settle(until=self.ended + pulls)
            self.tokens = 0
            self.lock.wait_for(lambda: self.active > 0, SETTLE)

    def set_held(self, held: bool) -> None:
        """Hold the pulls from here on, or let all of them go."""
        with self.lock:
            self.held = held
            self.lock.notify_all()

    def settle(self, until: float = float("inf")) -> None:
        """Wait until `until` pulls have ended, or nothing happens for a while."""
        limit = time.monotonic() + 16 * SETTLE
        with self.lock:
            self.lock.notify_all()
            before = -1, -1
            while self.ended < until and time.monotonic() < limit:
                if before == (self.started, self.ended):
                    break
                before = self.started, self.ended
                self.lock.wait_for(partial(self.moved, before), SETTLE)

    def moved(self, before: tuple[int, int]) -> bool:
        """Whether a pull started or ended since the counts were these."""
        return before != (self.started, self.ended)


class _Pass:
    def __init__(self, source: Source, items: tuple[str, ...]) -> None:
        self._source = source
        self._broken = items[0].partition(": ")[2] if items and ": " in items[0] else None
        self._items = iter(items)

    def __iter__(self) -> Iterator[Any]:
        if self._broken:
            raise self._source.error(self._broken)
        with self._source.lock:
            self._source.strays |= self._source.is_elsewhere()
        return self

    def __next__(self) -> Any:
        return self._source.pull(self._items)

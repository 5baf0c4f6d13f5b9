"""The buffer: batches, and marks after them, from which `next` takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import compress, repeat, starmap
from operator import length_hint
from sys import maxsize
from threading import get_ident
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .claims import FREE_THREADED
from .machine import Later
from .machine import Mark as MarkWord

T = TypeVar("T")


class Mark:
    """The end of an epoch (a StopIteration), or an error, which `next` will raise.

    It is an object of its own because a source may raise one exception twice.
    """

    __slots__ = ("ended", "error", "number", "part", "said")

    def __init__(self, error: BaseException) -> None:
        self.error: BaseException | None = error  # None once it was reported
        self.ended = type(error) is StopIteration
        self.number: int | None = None  # how many batches were put before it; see `Run.puts`
        self.said: list[object] = []  # threads add to it (`Core.did_once`); the first records it
        self.part: Part[Any] | None = None
        """The part after this mark. None if the mark's own part is used again once it was taken."""


class Part(Generic[T]):
    """A part of the buffer: batches, and the mark after them.

    With lookahead the puller puts what follows an end into a new part. Otherwise there is one part.
    """

    __slots__ = (
        *("_before", "_counters", "_former", "batches", "epoch", "marks"),
        "_takings" if FREE_THREADED else "taking",
    )

    def __init__(
        self,
        taken: int = 0,
        marks: Iterable[Mark] = (),
        epoch: int | None = None,
        former: Part[T] | None = None,
    ) -> None:
        self.batches: deque[T] = deque()
        self._before = taken
        self._former = former
        """The part whose batches were moved here."""
        self._counters: list[repeat[bool]] = []
        if FREE_THREADED:
            self._takings: dict[int, compress[T]] = {}
        else:
            self.taking = self._take_and_count()
        self.marks: deque[Mark] = deque(marks)
        """The mark after the batches, if there is one. It is put after them, so a thread that sees
        the mark, and then no batch, knows that the epoch has no more."""
        self.epoch = epoch
        """The number of its epoch; None where that is the consumer's epoch."""

    if FREE_THREADED and not TYPE_CHECKING:

        @property
        def taking(self) -> compress[T]:
            """One for each thread: on these builds a counter moves in two steps."""
            mine, takings = get_ident(), self._takings
            if mine not in takings:
                takings[mine] = self._take_and_count()
            return takings[mine]

    def _take_and_count(self) -> compress[T]:
        """Takes the oldest batch and counts it, in one step.

        `compress` takes a batch, then one item of the counter, both in C. It raises IndexError
        before the counter moves, and can be used again after that.
        """
        counter = repeat(True, maxsize)
        self._counters.append(counter)
        return compress(starmap(self.batches.popleft, repeat(())), counter)

    def mark(self) -> Mark | None:
        """The mark, if there is one."""
        if not self.marks:
            return None
        try:
            return self.marks[0]
        except IndexError:
            return None  # a caller has just removed it

    def behind(self) -> list[Part[T]]:
        """The parts after this one, oldest first."""
        found: list[Part[T]] = []
        mark = self.mark()
        while mark is not None and mark.part is not None:
            found.append(mark.part)
            mark = mark.part.mark()
        return found

    def taken(self) -> int:
        """How many batches of the stream were taken. All parts before this one have to be empty."""
        taken = self._before if self._former is None else self._former.taken()
        for counter in self._counters:
            taken += maxsize - length_hint(counter)
        return taken


def later(parts: Iterable[Part[Any]]) -> Later:
    """The machine's words for what comes after a mark."""
    found = tuple((len(part.batches), word(part.mark())) for part in parts)
    return found[:-1] if found[-1:] == ((0, "none"),) else found


def word(mark: Mark | None) -> MarkWord:
    """The machine's word for a mark."""
    return "none" if mark is None else "ended" if mark.ended else "failed"

"""The order in which recorded lines took effect, as the machine finds it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kernel.machine import INITIAL, Limits, State

from .lines import ACTION, Line

TRIES_PER_LINE, TRIES = 20, 100_000
"""How many actions are tried for an order: the first for each line, and the second in addition."""


def order(limits: Limits, lines: Sequence[Line], first: State = INITIAL) -> list[int]:
    """The places of the lines in an order that the machine accepts, or else as far as there is one.

    A line is written after its action took effect and before the next action of its thread. So the
    lines of a thread are in order; and a line may have taken effect before one that precedes it in
    the file, unless its thread had written its last line after that one.

    Where there is no order, the longest beginning of one is given, and the rest as in the file.
    Raises RuntimeError if that takes too long (TRIES).
    """
    search = _Search(limits, lines)
    longest: list[int] = []
    stack = [_Node(0, frozenset(), first, search.candidates(0, frozenset()))]
    while stack and len(search.taken) < len(lines):
        then = search.next(stack[-1])
        if then is not None:
            stack.append(then)
        else:
            if len(search.taken) > len(longest):
                longest = search.taken.copy()
            search.back(stack.pop(), stack[-1] if stack else None)
    if stack:
        return search.taken
    known = set(longest)
    return longest + [place for place in range(len(lines)) if place not in known]


class _Node(NamedTuple):
    """Lines that were taken: all before `begin`, and `ahead` of it some others."""

    begin: int
    ahead: frozenset[int]
    state: State
    candidates: Iterator[int]  # lines to try next


class _Search:
    """A walk through the orders of lines, of which it can go back."""

    def __init__(self, limits: Limits, lines: Sequence[Line]) -> None:
        self.limits = limits
        self.lines = lines
        self.tries = TRIES + TRIES_PER_LINE * len(lines)
        self.farthest = 0  # the first line that no beginning of an order has
        self.taken: list[int] = []
        self.failed: set[tuple[int, frozenset[int], State]] = set()  # nodes that lead nowhere
        self.after = [len(lines)] * len(lines)  # the next line of the same thread
        self.open: dict[tuple[object, ...], list[int]] = defaultdict(list)
        """Lines that may be next: of each thread one, by what they say."""
        last: dict[str, int] = {}
        for place, line in enumerate(lines):
            if line.thread in last:
                self.after[last[line.thread]] = place
            else:
                self.open[line.action, line.state].append(place)
            last[line.thread] = place

    def next(self, node: _Node) -> _Node | None:
        """Take the next line that may follow; None if there is none."""
        return next(filter(None, (self.take(node, place) for place in node.candidates)), None)

    def candidates(self, begin: int, ahead: frozenset[int]) -> Iterator[int]:
        """The first line, and then instead of it, of those that say the same only the first.

        Where another of these comes first in an order, the two can change places in it: whatever
        must come after the other must come after this one, too.
        """
        yield begin
        free = (next((p for p in places if p not in ahead), begin) for places in self.open.values())
        yield from sorted(place for place in free if place != begin)

    def take(self, node: _Node, place: int) -> _Node | None:
        """The node after this line; None if it cannot be next, or leads nowhere."""
        self.tries -= 1
        if self.tries < 0:
            raise RuntimeError(
                f"no order of the lines was found in time; see line {self.farthest + 2}"
            )
        line = self.lines[place]
        state = ACTION[line.action](self.limits, node.state)
        if state is None or not line.agrees(state):
            return None
        begin, ahead = node.begin, node.ahead
        if place == begin:
            begin += 1
            while begin in ahead:
                begin += 1
            ahead = frozenset(other for other in ahead if other > begin) if ahead else ahead
        else:
            ahead |= {place}
        if (begin, ahead, state) in self.failed:
            return None
        self.farthest = max(self.farthest, begin)
        for passed in range(node.begin, begin):
            self.shut(passed)
            self.admit(self.after[passed])
        self.taken.append(place)
        return _Node(begin, ahead, state, self.candidates(begin, ahead))

    def back(self, node: _Node, before: _Node | None) -> None:
        """Nothing follows: go back to the node before."""
        self.failed.add((node.begin, node.ahead, node.state))
        if before is None:
            return
        self.taken.pop()
        for passed in reversed(range(before.begin, node.begin)):
            self.shut(self.after[passed])
            self.admit(passed)

    def admit(self, place: int) -> None:
        if place < len(self.lines):
            line = self.lines[place]
            insort(self.open[line.action, line.state], place)

    def shut(self, place: int) -> None:
        if place < len(self.lines):
            line = self.lines[place]
            places = self.open[line.action, line.state]
            places.pop(bisect_left(places, place))
            if not places:
                del self.open[line.action, line.state]

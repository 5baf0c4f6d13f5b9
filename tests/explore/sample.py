"""Samples of the schedules of programs too long to search: at random, or by priorities.

Whatever fails is shrunk: to fewer context switches first, and then to fewer steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from random import Random

from ..control import Everywhere, Races
from ..schedules import ANSWERS, Program, Wrong, running
from .schedule import Schedule, spread, switches

LIKELY = {"Next": 6, "batch": 6}
"""How likely a choice is, if not 1."""


class Uniform:
    """Each thread that can go on is as likely as any other to."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def __call__(self, moves: list[str]) -> str:
        """One of the moves."""
        return choice(self.random, moves, self.random.choice(threads(self.random, moves)))


class Pct:
    """Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010).

    The thread of the highest priority goes on. Priorities are random; at `depth` - 1 random of so
    many `steps`, whoever goes on falls below all others. That finds any bug of this depth with a
    probability of at least 1 / (threads * steps ** (depth - 1)).
    """

    def __init__(self, seed: int, depth: int, steps: int) -> None:
        self.random = Random(seed)
        self.priorities: dict[str, float] = {}
        self.changes = {self.random.randrange(steps): -n for n in range(1, depth)}
        self.made = 0

    def __call__(self, moves: list[str]) -> str:
        """One of the moves."""
        for thread in (able := threads(self.random, moves)):
            self.priorities.setdefault(thread, self.random.random())
        first = max(able, key=lambda thread: self.priorities[thread])
        if self.made in self.changes:
            self.priorities[first] = self.changes[self.made]
            first = max(able, key=lambda thread: self.priorities[thread])
        self.made += 1
        return choice(self.random, moves, first)


def threads(random: Random, moves: list[str]) -> list[str]:
    """Who can go on. Interrupts and time-outs are rare, and stand for threads of their own."""
    rare = {move for move in moves if move[-1] in "!~"}
    if random.random() > 0.05 and len(rare) < len(moves):
        moves = [move for move in moves if move not in rare]
    return sorted({move.partition("=")[0] for move in moves})


def choice(random: Random, moves: list[str], thread: str) -> str:
    """A move of the thread."""
    able = [move for move in moves if move.partition("=")[0] == thread]
    return random.choices(able, [LIKELY.get(m.partition("=")[2], 1) for m in able])[0]


def sample(
    program: Program,
    choose: Callable[[list[str]], str],
    races: Races,
    timeouts: bool = False,
    most: int = 20_000,
) -> tuple[Schedule, Wrong | None]:
    """Run the program once by moves of choice; returns them, and what is wrong, if anything is.

    What has not ended after so many moves goes on by fair ones for as many, which should end it.
    """
    made: list[str] = []
    fair = Uniform(0)
    wrong: Wrong | None = None
    with running(program, races) as run:
        try:
            while moves := run.moves(timeouts):
                if len(made) > 2 * most:
                    raise Wrong("livelock", f"no end after {2 * most} steps")
                move = (fair if len(made) > most else choose)(moves)
                try:
                    run.move(move)
                finally:
                    made += spread(run, move)
        except Wrong as caught:
            wrong = caught
    return Schedule(program, tuple(made), timeouts), wrong


def blocks(moves: Sequence[str]) -> list[list[str]]:
    """The moves between context switches."""

    def thread(move: str) -> str:
        return move if move[-1] in "!~" else move.partition("=")[0]

    return [list(block) for _, block in groupby(moves, thread)]


def mend(schedule: Schedule, wanted: Sequence[str], most: int) -> tuple[Schedule, Wrong | None]:
    """Run the moves that can be made, and then on, with as few switches as it takes."""
    todo = iter(wanted)

    def choose(moves: list[str]) -> str:
        nonlocal last
        move = next((move for move in todo if move in moves), None)
        if move is None:
            same = [m for m in moves if m.partition("=")[0] == last]
            plain = [m for m in moves if m[-1] not in "!~"]
            move = (same or plain or moves)[0]
        last = move.partition("=")[0]
        return move

    last = ""
    return sample(schedule.program, choose, Everywhere(), schedule.timeouts, most)


def simpler(parts: list[list[str]], at: int) -> Iterator[list[str]]:
    """Schedules that may be simpler: one block left out, put later or cut; a call left out."""
    before, block, rest = parts[:at], parts[at], parts[at + 1 :]
    yield [*chain(*before, *rest)]
    for later in range(1, min(4, len(rest)) + 1):
        yield [*chain(*before, *rest[:later], block, *rest[later:])]
    calls = [n for n, move in enumerate(block) if "=" in move]
    for begin, end in zip(calls, [*calls, len(block)][1:], strict=True):
        yield [*chain(*before, block[:begin], block[end:], *rest)]
    if len(block) > 1:
        yield [*chain(*before, block[: len(block) // 2], *rest)]
        yield [*chain(*before, block[:-1], *rest)]


def weight(schedule: Schedule) -> tuple[int, int]:
    """The less, the simpler."""
    return switches(schedule.moves), len(schedule.moves)


def shrink(schedule: Schedule, wrong: Wrong, tries: int = 3000) -> Schedule:
    """A simpler schedule that fails in the same kind, by greedy passes until none is found."""
    best, before = schedule, None
    while before != weight(best):
        before = weight(best)
        at = len(blocks(best.moves)) - 1
        while at >= 0:
            for wanted in simpler(blocks(best.moves), at):
                tries -= 1
                if tries < 0:
                    break
                found, shown = mend(best, wanted, 2 * len(best.moves) + 100)
                if shown is not None and shown.kind == wrong.kind and weight(found) < weight(best):
                    best = found
                    break
            else:
                at -= 1
            if tries < 0:
                break
            at = min(at, len(blocks(best.moves)) - 1)
        if tries < 0:
            break
    if isinstance(best.program.calls, int):
        chosen = [m.partition("=")[2] for m in best.moves if m.startswith("1=")]
        calls = sum(call not in ANSWERS for call in chosen)
        best = best._replace(program=best.program._replace(calls=max(1, calls)))
    return best

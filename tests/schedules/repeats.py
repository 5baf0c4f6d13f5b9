"""Schedules that show the same as others, which the search leaves out.

One kind of schedule is left out. Actor A is preempted before a step, others go on, then A does it:

    left out:  A | others ... | A: step          run instead:  A: step | others ... | A

1. The condition: nothing that the others did conflicts with the step. Two accesses conflict if they
   are of the same thing and one of them is a write.
2. Then A may do the step first and be preempted after it. All that happens is the same, in the same
   order for each thing.
3. There are no more preemptions. A had one before the step, and now has at most one after it (none
   if A has to wait there). The others are preempted, or wait, where they did before: an actor that
   waits has looked at what it waits for. That look is an access, so the step did not end the wait.
4. Preemptions only move to later places, so repeating this ends. Of all schedules that show the
   same, one with the fewest preemptions is run.

This needs every access of what actors share: `shared` notes the shell's, `Control.note` those of
users and their source. The check whether a consumer sleeps beside a batch looks at all actors; it
finds nothing while one can go on, unless that one is in a pull. So a preemption in a pull, or
before a step that looks at all actors, is never left out.

Often a preemption need not even be tried. The accesses of a step are known from the execution that
went on with it. Say the last allowed preemption was tried after that step, the preempting actor had
to wait with only the preempted one able to go on, and nothing that was done conflicts with the
step. Then the preemption before the step shows the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Accesses: TypeAlias = Sequence[tuple[str, bool]]
"""What was looked at, and (True) written."""


def conflict(some: Accesses, others: Accesses) -> bool:
    """Whether there are accesses of the same thing among both, one of them a write."""
    writes = {place for place, write in some if write}
    looks = {place for place, write in some if not write}
    return any(place in writes or (write and place in looks) for place, write in others)


class Sleeper:
    """An actor that was preempted: whether its step might as well have been before that."""

    def __init__(self, accesses: list[tuple[str, bool]], step: Accesses | None) -> None:
        self.accesses = accesses
        self.since = self.seen = len(accesses)
        self.until = 0  # where those of the step begin, if it was made
        self.step = step  # what it accesses, if that is known

    def sleeps(self) -> bool:
        """Whether that is so, as far as others have come; False if it is not known."""
        if self.step is None or conflict(self.accesses[self.seen :], self.step):
            self.step = None
            return False
        self.seen = len(self.accesses)
        return True

    def slept(self) -> bool:
        """Whether it was so: the actor has made its step."""
        return not conflict(self.accesses[self.since : self.until], self.accesses[self.until :])


@dataclass
class Chain:
    """Steps that an actor has made in a row, in front of each of which it could be preempted."""

    accesses: list[tuple[str, bool]]  # all in that execution
    begins: list[int] = field(default_factory=list)  # where those of each step begin
    seen: dict[str, tuple[int, Accesses]] = field(default_factory=dict)
    """By whose move the actor was preempted, in front of which step, and what was accessed until
    it went on, if nobody else could: of those that were tried the last."""

    def step(self, place: int) -> Accesses | None:
        """What the step accesses, if that is known."""
        if place + 1 >= len(self.begins):
            return None
        return self.accesses[self.begins[place] : self.begins[place + 1]]

    def is_idle(self, place: int, move: str) -> bool:
        """Whether the preemption shows the same as the one after that step, which was tried."""
        behind, accesses = self.seen.get(move, (-1, []))
        step = self.step(place)
        if behind != place + 1 or step is None or conflict(accesses, step):
            return False
        self.seen[move] = place, accesses
        return True

"""Schedules that show the same as others, which the search leaves out.

One kind of schedule is left out, as another shows the same. Say an actor is preempted in front of
a step, others go on, and then it does that step, and nothing that they did in between conflicts
with the step: no two of the accesses are of the same thing, one of them a write. Then the step may
as well be done first, and the actor be preempted behind it. All that happens is the same, in the
same order for each thing. Nor are there more preemptions. There was one in front of the step, and
now there is one behind it at most, none if the actor has to wait there. The others were preempted
or waited where they do now: who waits has looked at what it waits for, which counts as an access,
so the step is not what it waited for. Done again and again this comes to an end, as preemptions
only get later; so of all schedules that show the same, one with the fewest preemptions is run.

That asks for every access of what actors share to be known. It is: the shell's by `shared`, those
of users and their source by `Control.note`. The check whether a consumer sleeps beside a batch
looks at all actors, and finds nothing while one can go on, unless that is in a pull; so to be
preempted in a pull, or in front of what looks at all actors as well, is never left out.

Often that is known before. What a step accesses is known from the execution that went on with it.
And if the last preemption that is allowed was tried behind a step, and whoever preempted came to
wait, with nobody but the preempted to go on, and nothing that was done conflicts with the step,
then the preemption in front of it need not be tried.
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
        """Whether the preemption shows the same as the one behind that step, which was tried."""
        behind, accesses = self.seen.get(move, (-1, []))
        step = self.step(place)
        if behind != place + 1 or step is None or conflict(accesses, step):
            return False
        self.seen[move] = place, accesses
        return True

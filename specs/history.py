"""A state of the stream with its history: what the shell carries beside the machine's variables.

`advance` does what the actions of `tla/Stream.tla` do. Batch numbers grow without bound here; the
model takes them modulo a number. The functions below it read such a state.
"""

from __future__ import annotations

from typing import NamedTuple

from kernel.machine import Later, Limits, State, Variables, in_later


class Now(NamedTuple):
    """A state of Stream: the variables of Protocol, and what the shell carries beside them."""

    state: State
    batches: tuple[int, ...] = ()  # numbers of the batches in the buffer, oldest first
    pulled: int = 0  # the number of the batch that the source gave last
    taken: int = 0  # the number of the batch that the consumer took last
    pulls: tuple[str, ...] = ()  # the puller: "worker" or "caller", once for each pull
    seen: str = "nothing"  # what `next` did last: "nothing" yet, "batch", "end", "failure"

    @property
    def vars(self) -> Variables:
        """The variables of Protocol, by names."""
        return Variables(*self.state)


def advance(now: Now, action: str, state: State) -> Now:  # noqa: PLR0911  # a case an action
    """The history beside a step of the protocol: what the actions of Stream do."""
    then = now._replace(state=state)
    if action == "Fetch":
        return then._replace(
            pulls=(*now.pulls, "worker" if now.vars.worker == "running" else "caller")
        )
    if action == "Enqueue":
        pulled = now.pulled + 1
        return then._replace(pulled=pulled, batches=(*now.batches, pulled), pulls=now.pulls[1:])
    if action in ("Exhaust", "Fail"):
        return then._replace(pulls=now.pulls[1:])
    if action == "Dequeue":
        return then._replace(taken=now.batches[0], batches=now.batches[1:], seen="batch")
    if action == "EndEpoch":
        return then._replace(seen="end")
    if action == "Raise":
        return then._replace(seen="failure")
    if action == "Drop":
        return then._replace(seen="failure", pulls=())
    if action == "Die":
        return then._replace(pulls=())
    return then


def slots(limits: Limits) -> int:
    """Batches that there is room for; a caller that pulls without a buffer needs room for one."""
    return limits.capacity or 1


def low_water(limits: Limits) -> int:
    """A worker that found the buffer full may sleep until no more batches than this are held."""
    room = slots(limits)
    return room - (room // 4 or 1)


def held(now: Now) -> int:
    """Batches held, of all epochs."""
    return now.vars.buffered + in_later(now.vars.later)


def is_open(later: Later) -> bool:
    """Whether the last of the later epochs goes on with the next batch."""
    return bool(later) and later[-1][1] == "none"


def marks(now: Now) -> int:
    """Marks held: ends of epochs, and errors."""
    s = now.vars
    return (s.mark != "none") + size(s.later) - is_open(s.later)


def last_mark(now: Now) -> str:
    """The mark of the last epoch held."""
    later = now.vars.later
    return later[-1][1] if later else now.vars.mark


def size(later: Later) -> int:
    """How many later epochs there are."""
    return len(later)


def are_epochs(later: Later, limits: Limits) -> bool:
    """Each has a number of batches and a mark."""
    return all(
        0 <= batches <= slots(limits) and mark in ("none", "ended", "failed")
        for batches, mark in later
    )


def are_whole(later: Later) -> bool:
    """All but the last went on to their end, and have a batch."""
    return all(batches > 0 and mark == "ended" for batches, mark in later[:-1])


def unserved(now: Now) -> bool:
    """A request waits for something."""
    s = now.vars
    return s.consumer == "waiting" and s.buffered == 0 and s.mark == "none"


def halting(now: Now) -> bool:
    """A worker should halt."""
    return now.vars.worker == "running" and now.vars.scope != "inside"

"""Resume: at any instant a wrapper is abandoned, and another one goes on with exactly the rest.

This is what `tla/Resume.tla` adds to the stream, under the same names: the consumer's place, beside
the history that `history` adds. The state that is handed on says what the consumer was given, not
what was prefetched.
"""

from __future__ import annotations

from typing import NamedTuple

from kernel.machine import Limits, resumed

from .history import Now


class Place(NamedTuple):
    """Where the consumer is: how many batches of its epoch, and of a pass, were given to it."""

    in_epoch: int = 0  # at most an epoch's size, until the end is reported
    in_pass: int = 0
    before: int = 0  # the number of the batch before that pass
    firsts: tuple[int, ...] = ()  # batches in the buffer that are the first of a pass


def given(place: Place, taken: int, first: bool) -> Place:
    """The place after the batch that follows `taken`, which may be the first of a pass."""
    in_pass, before = (0, taken) if first else (place.in_pass, place.before)
    return place._replace(in_epoch=place.in_epoch + 1, in_pass=in_pass + 1, before=before)


def told(limits: Limits, place: Place, taken: int, seen: str) -> Place:
    """The place after an end or an error: an epoch of full size ends within the pass."""
    if seen == "end" and 0 < limits.epoch_size == place.in_epoch:
        return place._replace(in_epoch=0)
    return Place(before=taken, firsts=place.firsts)


def follow(limits: Limits, place: Place, now: Now, action: str, then: Now) -> Place:
    """The place beside a step of the stream."""
    if action == "Enqueue" and not now.vars.yielded:
        return place._replace(firsts=(*place.firsts, then.pulled))
    if action == "Dequeue":
        first = place.firsts[:1] == (then.taken,)
        place = place._replace(firsts=place.firsts[first:])
        return given(place, now.taken, first)
    if action in ("EndEpoch", "Raise", "Drop"):
        return told(limits, place, now.taken, then.seen)
    return place


def handed_on(now: Now, place: Place) -> tuple[int, int]:
    """What is handed on."""
    return place.in_epoch, place.in_pass


def Resume(limits: Limits, now: Now, place: Place) -> tuple[Now, Place] | None:
    """Another wrapper goes on: the source stands after the skipped batches of the pass."""
    in_epoch, in_pass = handed_on(now, place)
    first = resumed(limits, in_epoch, in_pass)
    if first is None:
        return None
    then = Now(first, pulled=place.before + in_pass, taken=now.taken, seen=now.seen)
    return then, place._replace(firsts=())


def Resumable(now: Now, place: Place, limits: Limits) -> bool:
    """At every instant another wrapper can go on, and skips what the consumer was given."""
    in_epoch, in_pass = handed_on(now, place)
    return resumed(limits, in_epoch, in_pass) is not None and now.taken == place.before + in_pass

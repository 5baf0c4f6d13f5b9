"""What the proof adds to the properties: the lemmas that make them inductive, and the measures.

They are plain predicates and functions on states, like those of `specs/properties.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from kernel.machine import Limits
from specs.history import Now, halting, is_open
from specs.properties import FAIR

from .moments import Moment

# Lemmas: each is proved like a property. The docstring says why it holds.


def OwnPullIsFirst(now: Now, limits: Limits) -> bool:
    """A caller pulls for itself only while nothing is buffered, and nobody else adds anything."""
    s = now.vars
    nothing = s.buffered == 0 and s.mark == "none"
    return s.worker != "absent" or not s.fetching or nothing


def PassGoesOn(now: Now, limits: Limits) -> bool:
    """A pass that is an epoch and has yielded has its batch in the last epoch, which is open."""
    s = now.vars
    return limits.epoch_size > 0 or not s.yielded or s.mark == "none" or is_open(s.later)


LEMMAS = {p.__name__: p for p in (OwnPullIsFirst, PassGoesOn)}


def Refines(moment: Moment, limits: Limits) -> bool:
    """The consumer saw what was due, and what is due is what is buffered and marked.

    What an unbuffered reading of the same answers (`specs.epochs`) gives is due, in its order. The
    reading comes as far as the machine: it has the machine's count.
    """
    s, reading = moment.now.vars, moment.reading
    return bool(
        reading.agrees
        and reading.due == moment.now.batches
        and (reading.ready, reading.mark, reading.later) == (s.buffered, s.mark, s.later)
        and reading.yielded == s.yielded
        and (limits.epoch_size == 0 or reading.count == s.count)
    )


class Measure(NamedTuple):
    """Why a property of `specs.properties.LIVENESS` holds.

    It is pending while its premise has held, and its conclusion not since. Meanwhile the number is
    not negative, and no step raises it. The helper is an action: its step lowers the number or
    reaches the conclusion. It can be taken, and stays the helper, until the number falls; because
    it is fair, it is taken. So the conclusion is reached in the end.
    """

    number: Callable[[Now], Any]
    helper: Callable[[Now], str]  # one of HELPERS
    english: str  # the number in words, and why it falls


def _wait(now: Now) -> Any:
    """How much can go before a request that waits; at most 15."""
    s = now.vars
    lives = 2 if halting(now) else {"running": 3, "absent": 1, "dead": 0}[s.worker]
    return 4 * lives + (2 if s.yielded else 0) + (0 if s.fetching else 1)


def _server(now: Now) -> str:
    s = now.vars
    if s.worker == "dead":
        return "Bury"
    if s.fetching:
        return "Source"
    return "Halt" if halting(now) else "Fetch"


MEASURES = {
    "Served": Measure(
        _wait,
        _server,
        "4 (3 running inside, 2 running outside, 1 absent, 0 dead) + 2 (the pass has yielded) + 1 "
        "(no pull): a pass that has yielded ends at most once without an answer, and a worker ends",
    ),
    "StopEnds": Measure(
        lambda now: 1 if now.vars.fetching else 0,
        lambda now: "Source" if now.vars.fetching else "Halt",
        "1 (a pull in flight): no other starts, and then the worker halts",
    ),
    "DeathNoticed": Measure(lambda now: 0, lambda now: "Bury", "0: the first step concludes"),
    "Prefetches": Measure(lambda now: 0, lambda now: "Fetch", "0: the first step concludes"),
}

SOURCE = ("Enqueue", "Exhaust", "Fail")
"""Answers of the source: which of them comes is its own affair, but one comes."""

FAIRNESS = (
    "Halt, Fetch (with the buffer down to its low water), Bury and some answer of the source come "
    "if they stay possible; which answer is the source's affair, and all others may act or not, "
    "but Enter, Start and Drop do not come for ever while a request waits"
)

HELPERS = (*(action for action in FAIR if action not in SOURCE), "Source")


def helps(helper: str) -> tuple[str, ...]:
    """The actions that a helper may take."""
    return SOURCE if helper == "Source" else (helper,)

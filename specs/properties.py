"""The properties of the protocol as predicates, each under its name in `tla/`.

Predicates take states with their history (`history`): INVARIANTS one state, STEPS the two states of
a step. LIVENESS has pairs of predicates, a premise and a conclusion. `Refines` takes what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from kernel.machine import ACTIONS, Action, Limits

from .epochs import epochs
from .history import (
    Now,
    are_epochs,
    are_whole,
    halting,
    held,
    is_open,
    last_mark,
    low_water,
    marks,
    slots,
    unserved,
)

# On states.


def TypeOK(now: Now, limits: Limits) -> bool:
    """Every variable has a value of its kind."""
    s = now.vars
    return (
        s.scope in ("new", "inside", "outside")
        and s.permits >= 0
        and s.consumer in ("idle", "waiting")
        and 0 <= s.buffered <= slots(limits)
        and s.mark in ("none", "ended", "failed")
        and are_epochs(s.later, limits)
        and s.worker in ("absent", "running", "dead")
        and isinstance(s.fetching, bool)
        and isinstance(s.begun, bool)
        and 0 <= s.count <= limits.epoch_size
        and isinstance(s.yielded, bool)
    )


def Bounded(now: Now, limits: Limits) -> bool:
    """Batches held and being pulled are no more than there are slots."""
    return held(now) + now.vars.fetching <= slots(limits)


def EpochBounded(now: Now, limits: Limits) -> bool:
    """No epoch outgrows its size, and the batch that completes one ends it in the same step."""
    s = now.vars
    return (
        (s.count < limits.epoch_size or s.count == 0)
        and (s.mark == "none" or not s.begun or limits.lookahead)
        and (s.begun or s.count == 0)
    )


def MarksRespected(now: Now, limits: Limits) -> bool:
    """Every pull is for an epoch that was begun; nothing is pulled after an error.

    Without lookahead nothing is pulled after the end of an epoch either. An epoch that is open is
    the last, and it is the one begun. No epoch is begun after one without a batch, so at most two
    more marks than batches are held.
    """
    s = now.vars
    return (
        (not s.fetching or (s.begun and (s.mark == "none" or limits.lookahead)))
        and (not s.later or (limits.lookahead and s.mark == "ended"))
        and (not s.begun or last_mark(now) != "failed")
        and (not is_open(s.later) or s.begun)
        and (not s.begun or not s.later or s.later[-1][0] > 0)
        and are_whole(s.later)
    )


def UnbufferedAlone(now: Now, limits: Limits) -> bool:
    """An unbuffered stream has no worker, living or dead."""
    return limits.capacity > 0 or now.vars.worker == "absent"


def ReadAfterEntry(now: Now, limits: Limits) -> bool:
    """A buffered stream is read only after it was entered."""
    return now.vars.consumer == "idle" or limits.capacity == 0 or now.vars.scope != "new"


def InputEnabled(now: Now, limits: Limits, actions: Iterable[Action] = ACTIONS) -> bool:
    """Actions of callers, the source and death are possible when due, and change something."""
    s = now.vars
    ignored = (None, now.state)
    enabled = {a.__name__ for a in actions if a(limits, now.state) not in ignored}
    buffered = limits.capacity > 0
    idle, outside = s.consumer == "idle", s.scope != "inside"
    startable = s.worker == "absent" and not s.fetching and outside and buffered
    enterable = outside and not (buffered and s.worker == "absent")
    readable = idle and not (buffered and s.scope == "new")
    marked = s.buffered == 0 and s.mark != "none" and not (buffered and s.scope == "new")
    pulled = s.fetching and s.worker != "dead"
    return (
        (not enterable or "Enter" in enabled)
        and (outside or "Leave" in enabled)
        and "Allow" in enabled
        and (s.permits == 0 or "Disallow" in enabled)
        and (not readable or "Request" in enabled)
        and (idle or "Withdraw" in enabled)
        and (s.buffered == 0 or "Dequeue" in enabled)
        and (not marked or bool({"EndEpoch", "Raise"} & enabled))
        and (not startable or {"Start", "Die"} <= enabled)
        and (not pulled or {"Enqueue", "Exhaust", "Fail"} <= enabled)
        and (not s.fetching or s.worker != "absent" or "Drop" in enabled)
        and (s.worker != "running" or "Die" in enabled)
    )


def NeverStuck(now: Now, limits: Limits, actions: Iterable[Action] = ACTIONS) -> bool:
    """The system or the source can move for a request that waits, and for a worker to halt."""
    if not unserved(now) and not halting(now):
        return True
    return any(action(limits, now.state) for action in actions if action.__name__ in FAIR)


def Conservation(now: Now, limits: Limits) -> bool:
    """What was taken, is buffered and was pulled is adjacent: none lost, doubled or swapped."""
    return now.batches == tuple(
        range(now.taken + 1, now.taken + held(now) + 1)
    ) and now.pulled == now.taken + held(now)


def OnePuller(now: Now, limits: Limits) -> bool:
    """At most one thread pulls, and a living one does while the protocol says so."""
    worker = now.vars.worker
    return (
        len(now.pulls) <= 1
        and (worker == "dead" or now.vars.fetching == bool(now.pulls))
        and (now.pulls != ("worker",) or worker == "running")
        and (now.pulls != ("caller",) or worker == "absent")
    )


# On steps.


def adds(now: Now, then: Now) -> bool:
    """The step adds a batch or a mark."""
    return held(then) > held(now) or marks(then) > marks(now)


def SingleWriter(now: Now, then: Now, limits: Limits) -> bool:
    """A step writes for callers, or for the puller. Callers take from the buffer, it adds."""
    s, t = now.vars, then.vars
    calls = (s.scope, s.permits, s.consumer) != (t.scope, t.permits, t.consumer)
    pulls = (s.worker, s.fetching, s.begun, s.count, s.yielded) != (
        t.worker,
        t.fetching,
        t.begun,
        t.count,
        t.yielded,
    )
    takes, puts = held(then) < held(now) or marks(then) < marks(now), adds(now, then)
    return (
        not (calls and pulls)
        and not (takes and pulls)
        and not (takes and puts)
        and (not puts or pulls)
    )


def LifeCycle(now: Now, then: Now, limits: Limits) -> bool:
    """`with` is entered with a worker, and left; a worker starts and halts outside, or dies.

    The dead are buried for a request that waits.
    """
    s, t = now.vars, then.vars
    buried = unserved(now) and t.mark == "failed"
    entered = t.scope == "inside" != s.scope
    idle_outside = s.scope != "inside" and not s.fetching
    return (
        (s.scope == t.scope or (s.scope, t.scope) in SCOPES)
        and (
            s.worker == t.worker
            or (s.worker, t.worker) == ("running", "dead")
            or (buried and (s.worker, t.worker) == ("dead", "absent"))
            or (idle_outside and (s.worker, t.worker) in STARTS_AND_HALTS)
        )
        and not (entered and limits.capacity > 0 and s.worker == "absent")
    )


SCOPES = {("new", "inside"), ("inside", "outside"), ("outside", "inside")}
STARTS_AND_HALTS = {("absent", "running"), ("running", "absent"), ("absent", "dead")}


def pull_starts(now: Now, then: Now) -> bool:
    """The step is the start of a pull."""
    return not now.vars.fetching and then.vars.fetching


def worker_starts(now: Now, then: Now) -> bool:
    """The step is the start of a worker."""
    return now.vars.worker != "running" and then.vars.worker == "running"


def EpochBegins(now: Now, then: Now, limits: Limits) -> bool:
    """A worker begins an epoch when it starts, unless a mark is left; later only a request does.

    With lookahead one begins with the end of the one before, unless that is of an empty pass.
    """
    s, t = now.vars, then.vars
    starts = worker_starts(now, then)
    asked = pull_starts(now, then) and s.consumer == "waiting"
    begins = not s.begun and t.begun
    goes_on = limits.lookahead and marks(then) > marks(now) and last_mark(then) == "ended"
    return (
        (not begins or (starts and s.mark == "none") or asked)
        and (not starts or t.begun or s.mark != "none")
        and (not goes_on or not (s.yielded or t.yielded) or t.begun)
    )


def AnswersAPull(now: Now, then: Now, limits: Limits) -> bool:
    """What is buffered or marked answers a pull of a living thread, or reports a death."""
    s, t = now.vars, then.vars
    if not adds(now, then):
        return True
    return (s.worker, t.worker) == ("dead", "absent") or (s.fetching and s.worker != "dead")


def GateRespected(now: Now, then: Now, limits: Limits) -> bool:
    """A pull starts for an open gate, or for a request that was not served, and not otherwise."""
    s = now.vars
    gate = s.permits > 0 and s.begun and s.worker == "running"
    request = unserved(now)
    return not pull_starts(now, then) or gate or request


def StopPullsNothing(now: Now, then: Now, limits: Limits) -> bool:
    """A worker starts no pull outside `with`, nor after its death."""
    s = now.vars
    inside = s.worker == "running" and s.scope == "inside"
    return not pull_starts(now, then) or s.worker == "absent" or inside


def StopPreserves(now: Now, then: Now, limits: Limits) -> bool:
    """Entering, leaving, starting, halting and dying leave what is buffered, pulled and counted."""
    s, t = now.vars, then.vars
    if (s.scope, s.worker) == (t.scope, t.worker) or (s.worker, t.worker) == ("dead", "absent"):
        return True
    return (s.buffered, s.mark, s.later, s.fetching, s.count, s.yielded) == (
        t.buffered,
        t.mark,
        t.later,
        t.fetching,
        t.count,
        t.yielded,
    ) and (s.begun == t.begun or worker_starts(now, then))


def ErrorIsNotAnEnd(now: Now, then: Now, limits: Limits) -> bool:
    """An error is raised as an error, which ends the epoch, and the end of one is an end."""
    if then.seen == "failure" != now.seen and then.vars.begun:
        return False
    due = "failure" if now.vars.mark == "failed" else "end"
    return marks(then) >= marks(now) or then.seen == due


def Implements(now: Now, then: Now, limits: Limits) -> bool:
    """Every step is one of the machine's actions, or changes nothing that it knows."""
    return now.state == then.state or any(
        action(limits, now.state) == then.state for action in ACTIONS
    )


# On behaviours.


class LeadsTo(NamedTuple):
    """Wherever the premise holds, the conclusion holds then or later, if the fair are fair.

    `undisturbed` names actions that are assumed not to come for ever.
    """

    premise: Callable[[Now, Limits], bool]
    conclusion: Callable[[Now, Limits], bool]
    undisturbed: tuple[str, ...] = ()


FAIR = ("Halt", "Fetch", "Bury", "Enqueue", "Exhaust", "Fail")
"""Actions of the worker and of the source, which do not wait for ever. The others need not come."""


def is_fair(action: str, now: Now, limits: Limits) -> bool:
    """Whether an action that is enabled comes in the end: a worker sleeps while much is left."""
    return action in FAIR and (action != "Fetch" or held(now) <= low_water(limits))


Served = LeadsTo(
    lambda now, limits: unserved(now),
    lambda now, limits: not unserved(now),
    undisturbed=("Enter", "Start", "Drop"),
)
StopEnds = LeadsTo(
    lambda now, limits: halting(now),
    lambda now, limits: not halting(now),
)
DeathNoticed = LeadsTo(
    lambda now, limits: now.vars.worker == "dead" and unserved(now),
    lambda now, limits: now.vars.worker != "dead" or now.vars.consumer == "idle",
)
Prefetches = LeadsTo(
    lambda now, limits: (
        now.vars.worker == "running"
        and now.vars.scope == "inside"
        and now.vars.begun
        and now.vars.permits > 0
        and held(now) <= low_water(limits)
    ),
    lambda now, limits: (
        now.vars.fetching
        or now.vars.worker != "running"
        or now.vars.scope != "inside"
        or not now.vars.begun
        or now.vars.permits == 0
    ),
)


def Refines(seen: Sequence[Any], passes: Iterable[Iterable[Any]], limits: Limits) -> bool:
    """What was seen is how an unbuffered reading of the same passes begins."""
    source = iter(passes)
    reading = epochs(lambda: next(source), limits.epoch_size)  # type: ignore[no-untyped-call]
    return all(event == next(reading) for event in seen)


_P = TypeVar("_P", bound=Callable[..., bool])


def named(*predicates: _P) -> dict[str, _P]:
    """The predicates by their names."""
    return {predicate.__name__: predicate for predicate in predicates}


INVARIANTS: dict[str, Callable[[Now, Limits], bool]] = named(
    *(TypeOK, Bounded, EpochBounded, MarksRespected, UnbufferedAlone, ReadAfterEntry),
    *(InputEnabled, NeverStuck, Conservation, OnePuller),
)
ENABLEDNESS = named(InputEnabled, NeverStuck)
"""Those of them that ask what can be done: of the machine, or of other actions given as a third."""

STEPS: dict[str, Callable[[Now, Now, Limits], bool]] = named(
    *(SingleWriter, LifeCycle, EpochBegins, AnswersAPull, GateRespected),
    *(StopPullsNothing, StopPreserves, ErrorIsNotAnEnd, Implements),
)
REFINEMENTS = {"Refines": Refines}
LIVENESS = {
    "Served": Served,
    "StopEnds": StopEnds,
    "DeathNoticed": DeathNoticed,
    "Prefetches": Prefetches,
}

"""The properties of the protocol as predicates, each under its name in `tla/`.

A predicate takes the state, by names, with the history that `tla/Stream.tla` adds: on one state
(INVARIANTS), on a step (STEPS), or as a pair of what leads to what (LIVENESS). Numbers of batches
are counted on here, where the model wraps them around.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from kernel.machine import ACTIONS, Action, Limits, State, Variables

from .epochs import epochs


class Now(NamedTuple):
    """A state of Stream: the variables of Protocol, and what the shell carries beside them."""

    state: State
    batches: tuple[int, ...] = ()  # numbers of the batches in the buffer, oldest first
    pulled: int = 0  # the number of the batch that the source gave last
    taken: int = 0  # the number of the batch that the consumer took last
    pulls: tuple[str, ...] = ()  # who is pulling: "worker" or "caller", once for each pull
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
    if action == "Die" or (action == "Withdraw" and now.vars.worker == "absent"):
        return then._replace(pulls=())
    return then


def slots(limits: Limits) -> int:
    """Batches that there is room for; a caller who pulls without a buffer needs room for one."""
    return limits.capacity or 1


# On states.


def TypeOK(now: Now, limits: Limits) -> bool:
    """Every variable has a value of its kind."""
    s = now.vars
    return (
        s.scope in ("new", "inside", "outside")
        and s.worker in ("absent", "running", "stopping", "dead")
        and s.epoch in ("between", "begun", "ended", "failed")
        and 0 <= s.buffered <= slots(limits)
        and isinstance(s.fetching, bool)
        and 0 <= s.count <= limits.epoch_size
        and isinstance(s.yielded, bool)
        and s.permits >= 0
        and s.consumer in ("idle", "waiting")
    )


def Bounded(now: Now, limits: Limits) -> bool:
    """Batches held and being pulled are no more than there are slots."""
    return now.vars.buffered + now.vars.fetching <= slots(limits)


def EpochBounded(now: Now, limits: Limits) -> bool:
    """No epoch outgrows its size, and the batch that completes one ends it in the same step."""
    s = now.vars
    if limits.epoch_size == 0:
        return s.count == 0
    return (
        s.buffered <= s.count
        and (s.count < limits.epoch_size or s.epoch == "ended")
        and (s.epoch != "between" or s.count == 0)
    )


def WaitsForNothing(now: Now, limits: Limits) -> bool:
    """A request that still waits was served nothing."""
    s = now.vars
    return s.consumer == "idle" or (s.buffered == 0 and s.epoch == "begun")


def MarkIsLast(now: Now, limits: Limits) -> bool:
    """Nothing is pulled behind an epoch's end or an error."""
    return not now.vars.fetching or now.vars.epoch == "begun"


def NoWorkerOutside(now: Now, limits: Limits) -> bool:
    """A thread lives inside `with` only, and only for a buffer."""
    s = now.vars
    inside = s.worker not in ("running", "stopping") or s.scope == "inside"
    return inside and (limits.capacity > 0 or s.worker == "absent")


def ReadAfterEntry(now: Now, limits: Limits) -> bool:
    """A buffered stream is read only after it was entered."""
    return now.vars.consumer == "idle" or limits.capacity == 0 or now.vars.scope != "new"


def InputEnabled(now: Now, limits: Limits, actions: Iterable[Action] = ACTIONS) -> bool:
    """What consumer, source and fate may do is never refused, nor ignored; `next` has an answer."""
    s = now.vars
    ignored = (None, now.state)
    enabled = {a.__name__ for a in actions if a(limits, now.state) not in ignored}
    answer = {"Dequeue", "EndEpoch", "Raise", "Request"}
    return (
        (s.scope == "inside" or s.consumer == "waiting" or "Enter" in enabled)
        and (s.scope != "inside" or s.worker == "stopping" or "Stop" in enabled)
        and (
            s.consumer == "waiting"
            or (s.scope == "new" and limits.capacity > 0)
            or bool(answer & enabled)
        )
        and (s.consumer == "idle" or "Withdraw" in enabled)
        and "Allow" in enabled
        and (s.permits == 0 or "Disallow" in enabled)
        and (not s.fetching or s.worker == "dead" or {"Enqueue", "Exhaust", "Fail"} <= enabled)
        and (s.worker not in ("running", "stopping") or "Die" in enabled)
    )


def NeverStuck(now: Now, limits: Limits, actions: Iterable[Action] = ACTIONS) -> bool:
    """Somebody can always move for a request that waits, and for a stop."""
    s = now.vars
    if s.consumer == "idle" and s.worker != "stopping":
        return True
    return any(action(limits, now.state) for action in actions if action.__name__ in FAIR)


def Conservation(now: Now, limits: Limits) -> bool:
    """What was taken, is buffered and was pulled is adjacent: none lost, doubled or swapped."""
    buffered = now.vars.buffered
    return (
        now.batches == tuple(range(now.taken + 1, now.taken + buffered + 1))
        and now.pulled == now.taken + buffered
    )


def OnePuller(now: Now, limits: Limits) -> bool:
    """At most one thread pulls, and somebody living does while the protocol says so."""
    worker = now.vars.worker
    return (
        len(now.pulls) <= 1
        and (worker == "dead" or now.vars.fetching == bool(now.pulls))
        and (now.pulls != ("worker",) or worker in ("running", "stopping"))
        and (now.pulls != ("caller",) or worker == "absent")
    )


# On steps.


def LifeCycle(now: Now, then: Now, limits: Limits) -> bool:
    """`with` is left once it was entered; a worker lives from an entry to a stop's end, or dies."""
    s, t = now.vars, then.vars
    entered = t.scope == "inside" != s.scope
    return (
        (s.scope == t.scope or (s.scope, t.scope) in SCOPES)
        and (s.worker == t.worker or (s.worker, t.worker) in WORKERS)
        and not (entered and limits.capacity > 0 and t.worker == "absent")
        and not (t.worker == "running" != s.worker and s.scope == "inside")
        and not (s.worker == "stopping" != t.worker and t.scope != "outside")
        and not (s.worker == "running" != t.worker and t.scope != "inside")
    )


SCOPES = {("new", "inside"), ("inside", "outside"), ("outside", "inside")}
WORKERS = {
    ("absent", "running"),
    ("running", "stopping"),
    ("stopping", "absent"),
    ("running", "dead"),
    ("stopping", "dead"),
    ("dead", "absent"),
}


def EpochBegins(now: Now, then: Now, limits: Limits) -> bool:
    """An epoch begins with a request, or by entering, which begins one unless a mark is unseen."""
    s, t = now.vars, then.vars
    begins = s.epoch == "between" != t.epoch
    asked = t.consumer == "waiting" or s.scope != t.scope
    entered = t.scope == "inside" != s.scope
    return (not begins or (t.epoch == "begun" and asked)) and not (entered and t.epoch == "between")


def AnswersAPull(now: Now, then: Now, limits: Limits) -> bool:
    """What is buffered or marked answers a pull of somebody living, or tells of a death."""
    s, t = now.vars, then.vars
    marked = s.epoch == "begun" and t.epoch in ("ended", "failed")
    if t.buffered <= s.buffered and not marked:
        return True
    return (s.worker, t.worker) == ("dead", "absent") or (s.fetching and s.worker != "dead")


def pull_starts(now: Now, then: Now) -> bool:
    """The step is the start of a pull."""
    return not now.vars.fetching and then.vars.fetching


def GateRespected(now: Now, then: Now, limits: Limits) -> bool:
    """A pull starts while a gate is open or a request waits, and not otherwise."""
    s = now.vars
    return not pull_starts(now, then) or s.permits > 0 or s.consumer == "waiting"


def StopPullsNothing(now: Now, then: Now, limits: Limits) -> bool:
    """A worker that was told to go pulls nothing more."""
    return not pull_starts(now, then) or now.vars.worker in ("running", "absent")


def StopPreserves(now: Now, then: Now, limits: Limits) -> bool:
    """Entering, stopping, halting and dying leave what is buffered, pulled and counted."""
    s, t = now.vars, then.vars
    if (s.scope, s.worker) == (t.scope, t.worker) or (s.worker, t.worker) == ("dead", "absent"):
        return True
    return (s.buffered, s.fetching, s.count, s.yielded, s.consumer) == (
        t.buffered,
        t.fetching,
        t.count,
        t.yielded,
        t.consumer,
    ) and (s.epoch == t.epoch or (s.epoch, t.epoch) == ("between", "begun"))


def ErrorIsNotAnEnd(now: Now, then: Now, limits: Limits) -> bool:
    """An error is told as an error, and the end of an epoch as an end."""
    told = {"failed": "failure", "ended": "end"}.get(now.vars.epoch)
    return told is None or then.vars.epoch == now.vars.epoch or then.seen == told


def Implements(now: Now, then: Now, limits: Limits) -> bool:
    """Every step is one of the machine's actions, or changes nothing that it knows."""
    return now.state == then.state or any(
        action(limits, now.state) == then.state for action in ACTIONS
    )


# On behaviours.


class LeadsTo(NamedTuple):
    """Wherever the premise holds, the conclusion holds then or later, if the fair are fair."""

    premise: Callable[[Now, Limits], bool]
    conclusion: Callable[[Now, Limits], bool]


FAIR = ("Halt", "Fetch", "Bury", "Enqueue", "Exhaust", "Fail")
"""Actions of the worker and of the source, which do not wait for ever. The others need not come."""

Served = LeadsTo(
    lambda now, limits: now.vars.consumer == "waiting",
    lambda now, limits: now.vars.consumer == "idle",
)
StopEnds = LeadsTo(
    lambda now, limits: now.vars.worker == "stopping",
    lambda now, limits: now.vars.worker != "stopping",
)
DeathNoticed = LeadsTo(
    lambda now, limits: now.vars.worker == "dead" and now.vars.consumer == "waiting",
    lambda now, limits: now.vars.worker != "dead" or now.vars.consumer == "idle",
)
Prefetches = LeadsTo(
    lambda now, limits: (
        now.vars.worker == "running"
        and now.vars.epoch == "begun"
        and now.vars.permits > 0
        and now.vars.buffered < slots(limits)
    ),
    lambda now, limits: (
        now.vars.fetching
        or now.vars.worker != "running"
        or now.vars.epoch != "begun"
        or now.vars.permits == 0
    ),
)


def Refines(seen: Sequence[Any], passes: Iterable[Iterable[Any]], limits: Limits) -> bool:
    """What was seen is how an unbuffered reading of the same passes begins."""
    source = iter(passes)
    reading = epochs(lambda: next(source), limits.epoch_size)  # type: ignore[no-untyped-call]
    return all(event == next(reading) for event in seen)


INVARIANTS = {
    p.__name__: p
    for p in (
        TypeOK,
        Bounded,
        EpochBounded,
        WaitsForNothing,
        MarkIsLast,
        NoWorkerOutside,
        ReadAfterEntry,
        InputEnabled,
        NeverStuck,
        Conservation,
        OnePuller,
    )
}
ENABLEDNESS = {p.__name__: p for p in (InputEnabled, NeverStuck)}
"""Those of them that ask what can be done: of the machine, or of other actions given as a third."""

STEPS = {
    p.__name__: p
    for p in (
        LifeCycle,
        EpochBegins,
        AnswersAPull,
        GateRespected,
        StopPullsNothing,
        StopPreserves,
        ErrorIsNotAnEnd,
        Implements,
    )
}
LIVENESS = {
    "Served": Served,
    "StopEnds": StopEnds,
    "DeathNoticed": DeathNoticed,
    "Prefetches": Prefetches,
}
REFINEMENTS = {"Refines": Refines}

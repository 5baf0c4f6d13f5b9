"""What the puller does: the worker or, where there is none, a waiting caller. And its death."""

from __future__ import annotations

from .state import Limits, State, in_later, put

# The worker: from its start to its end.


def Start(limits: Limits, state: State) -> State | None:
    """A worker starts, for a thread about to enter. It begins an epoch unless a mark is left."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if worker != "absent" or fetching or scope == "inside" or limits.capacity == 0:
        return None
    worker = "running"
    if mark == "none":
        begun = True
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Halt(limits: Limits, state: State) -> State | None:
    """A worker outside `with` ends once no pull is in flight. Everything else stays."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if worker != "running" or fetching or scope == "inside":
        return None
    worker = "absent"
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


# The pull, by the worker, or by a waiting caller where the worker is absent.


def Fetch(limits: Limits, state: State) -> State | None:
    """A pull starts, if a slot is free for its batch and a gate or a request permits it."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if fetching or buffered + in_later(later) >= (limits.capacity or 1):
        return None
    requested = consumer == "waiting" and buffered == 0 and mark == "none"
    if worker == "running":
        if scope != "inside" or not (requested or (begun and permits > 0)):
            return None
    elif worker != "absent" or not requested:
        return None
    fetching, begun = True, True
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Enqueue(limits: Limits, state: State) -> State | None:
    """The pull yields a batch. The last batch of an epoch ends the epoch in the same step."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if not fetching or worker == "dead":
        return None
    fetching, yielded = False, True
    ends = count + 1 == limits.epoch_size
    buffered, mark, later = put(1, "ended" if ends else "none", buffered, mark, later)
    if ends:
        begun, count = limits.lookahead, 0
    elif limits.epoch_size > 0:
        count += 1
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Exhaust(limits: Limits, state: State) -> State | None:
    """The pass is over. So is the epoch if epochs are passes, or if the pass yielded nothing.

    A pass that yielded nothing is not looked past: the next one might be as empty, and so on.
    """
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if not fetching or worker == "dead":
        return None
    if limits.epoch_size == 0 or not yielded:
        buffered, mark, later = put(0, "ended", buffered, mark, later)
        begun, count = limits.lookahead and yielded, 0
    fetching, yielded = False, False
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Fail(limits: Limits, state: State) -> State | None:
    """The source raises. The error stands after the buffered batches; the pass is dropped."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if not fetching or worker == "dead":
        return None
    buffered, mark, later = put(0, "failed", buffered, mark, later)
    begun, count = False, 0
    fetching, yielded = False, False
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Drop(limits: Limits, state: State) -> State | None:
    """A caller's own pull is interrupted. That counts as an error that was raised already.

    An interrupt while the source is asked is a `Fail`. This one strikes just before or after that.
    """
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if not fetching or worker != "absent":
        return None
    fetching, begun, count, yielded = False, False, 0, False
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


# Death, which nobody chooses.


def Die(limits: Limits, state: State) -> State | None:
    """The worker ends without halting, or cannot start. The batch that it was pulling is lost.

    A worker whose pull outlasts the time limit of a stop counts as dead, whatever it still does.
    """
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if worker == "absent":
        if fetching or scope == "inside" or limits.capacity == 0:
            return None
    elif worker != "running":
        return None
    worker = "dead"
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Bury(limits: Limits, state: State) -> State | None:
    """A request finds the worker dead and nothing buffered: an error, which ends the epoch."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if worker != "dead" or consumer == "idle" or buffered > 0 or mark != "none":
        return None
    worker, mark, begun, count = "absent", "failed", False, 0
    fetching, yielded = False, False
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded

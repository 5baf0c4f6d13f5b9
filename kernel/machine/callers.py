"""What callers do: they enter and leave `with` and gates, request, and take what is buffered."""

from __future__ import annotations

from .state import Limits, State

# Callers: the scope, entering and leaving `with`.


def Enter(limits: Limits, state: State) -> State | None:
    """`with` is entered. Before that its worker has started, or has failed to."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if scope == "inside":
        return None
    if limits.capacity > 0 and worker == "absent":
        return None
    scope = "inside"
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Leave(limits: Limits, state: State) -> State | None:
    """`with` is left. That tells the worker to halt, and the leaving thread waits until it has."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if scope != "inside":
        return None
    scope = "outside"
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


# Callers: the gate.


def Allow(limits: Limits, state: State) -> State | None:
    """A gate is entered. Gates nest."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    permits += 1
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Disallow(limits: Limits, state: State) -> State | None:
    """A gate is left. A pull in flight goes on."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if permits == 0:
        return None
    permits -= 1
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


# Callers: the consumer.


def Request(limits: Limits, state: State) -> State | None:
    """`next` found nothing, and waits. That permits pulls while nothing is buffered."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if consumer == "waiting" or (scope == "new" and limits.capacity > 0):
        return None
    consumer = "waiting"
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Withdraw(limits: Limits, state: State) -> State | None:
    """A waiting `next` waits no longer: it was served, or is interrupted."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if consumer == "idle":
        return None
    consumer = "idle"
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Dequeue(limits: Limits, state: State) -> State | None:
    """`next` takes the oldest batch, which frees its slot."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if buffered == 0:
        return None
    buffered -= 1
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def EndEpoch(limits: Limits, state: State) -> State | None:
    """`next` reports the end of the epoch. The next one begins with a request, or by entering.

    With lookahead it may have begun already.
    """
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if mark != "ended" or buffered > 0 or (scope == "new" and limits.capacity > 0):
        return None
    mark = "none"
    if later:
        (buffered, mark), later = later[0], later[1:]
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Raise(limits: Limits, state: State) -> State | None:
    """`next` raises the error. The next epoch begins with a request, or by entering."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if mark != "failed" or buffered > 0:
        return None
    mark = "none"
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded

"""The protocol of `StreamWrapper`: pure functions on one small immutable state.

One function per action. An action takes the limits and the state and returns the next state, or
None when it is not enabled. Nothing here knows of threads, locks, waiting or payloads: a shell
applies the actions, and turns None into waiting. Read it beside `tla/Protocol.tla`: variables,
actions and their order are the same there, and a test compares the two state graphs edge by edge.
A state is a plain tuple, because building a named one costs as much as the hand-off of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

Scope: TypeAlias = Literal["new", "inside", "outside"]
Worker: TypeAlias = Literal["absent", "running", "stopping", "dead"]
Epoch: TypeAlias = Literal["between", "begun", "ended", "failed"]
Consumer: TypeAlias = Literal["idle", "waiting"]


class Variables(NamedTuple):
    """The variables of the protocol, by name: `Variables(*state)` reads a state."""

    scope: Scope  # of the `with`: never entered, inside, left
    worker: Worker  # the enqueueing thread; absent also means that callers pull for themselves
    epoch: Epoch  # being read; ended and failed are the mark behind what is buffered
    buffered: int  # batches held
    fetching: bool  # a pull is in flight: the worker's, or a caller's if the worker is absent
    count: int  # type: ignore[assignment]  # hides tuple.count; batches enqueued in this epoch; stays 0 where an epoch is a pass
    yielded: bool  # the current pass has yielded a batch
    permits: int  # gates entered and not left
    consumer: Consumer  # waiting: a request that nothing has served yet


State: TypeAlias = tuple[Scope, Worker, Epoch, int, bool, int, bool, int, Consumer]


class Limits(NamedTuple):
    """The constants of one wrapper."""

    capacity: int  # batches held and being pulled, at most; 0: unbuffered, never a worker
    epoch_size: int  # batches in an epoch; 0: an epoch is a pass


Action: TypeAlias = Callable[[Limits, State], State | None]

INITIAL: State = Variables(
    scope="new",
    worker="absent",
    epoch="between",
    buffered=0,
    fetching=False,
    count=0,
    yielded=False,
    permits=0,
    consumer="idle",
)

# The scope: entering and leaving `with`.


def Enter(limits: Limits, state: State) -> State | None:
    """`with` is entered: a worker starts, and begins an epoch unless a mark is still to be seen."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if scope == "inside" or consumer == "waiting":
        return None
    if worker == "absent" and limits.capacity > 0:
        worker = "running"
    if epoch == "between":
        epoch = "begun"
    return "inside", worker, epoch, buffered, fetching, count, yielded, permits, consumer


def Stop(limits: Limits, state: State) -> State | None:
    """`with` is left: the worker is told to go; with none to tell, it is left at once."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if scope != "inside" or worker == "stopping":
        return None
    if worker == "running":
        worker = "stopping"
    else:
        scope = "outside"
    return scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer


def Halt(limits: Limits, state: State) -> State | None:
    """A worker told to go has no pull in flight: it goes, and everything else stays."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if worker != "stopping" or fetching:
        return None
    return "outside", "absent", epoch, buffered, fetching, count, yielded, permits, consumer


# The pull, taken by the worker, or by a waiting caller where the worker is absent.


def Fetch(limits: Limits, state: State) -> State | None:
    """A pull starts, if a slot is free for its batch and a gate or a request permits it."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if fetching or epoch != "begun" or buffered >= (limits.capacity or 1):
        return None
    if worker == "running":
        if permits == 0 and consumer == "idle":
            return None
    elif worker != "absent" or consumer == "idle":
        return None
    return scope, worker, epoch, buffered, True, count, yielded, permits, consumer


def Enqueue(limits: Limits, state: State) -> State | None:
    """The pull yields a batch, which serves the request; the last of an epoch ends it at once."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if not fetching or worker == "dead":
        return None
    if limits.epoch_size > 0:
        count += 1
        if count == limits.epoch_size:
            epoch = "ended"
    return scope, worker, epoch, buffered + 1, False, count, True, permits, "idle"


def Exhaust(limits: Limits, state: State) -> State | None:
    """The pass is over: so is the epoch if epochs are passes, or if the pass yielded nothing."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if not fetching or worker == "dead":
        return None
    if limits.epoch_size == 0 or not yielded:
        epoch, consumer = "ended", "idle"
    return scope, worker, epoch, buffered, False, count, False, permits, consumer


def Fail(limits: Limits, state: State) -> State | None:
    """The source raises: the error stands behind what is buffered, and its pass is dropped."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if not fetching or worker == "dead":
        return None
    return scope, worker, "failed", buffered, False, count, False, permits, "idle"


# The consumer.


def Request(limits: Limits, state: State) -> State | None:
    """`next` finds nothing: it waits, which permits pulls until served, and begins an epoch."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if consumer == "waiting" or buffered > 0 or epoch in ("ended", "failed"):
        return None
    if scope == "new" and limits.capacity > 0:
        return None
    return scope, worker, "begun", buffered, fetching, count, yielded, permits, "waiting"


def Withdraw(limits: Limits, state: State) -> State | None:
    """A waiting `next` is interrupted; its own pull, if it is in one, is given up with it."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if consumer == "idle":
        return None
    if worker == "absent":
        fetching = False
    return scope, worker, epoch, buffered, fetching, count, yielded, permits, "idle"


def Dequeue(limits: Limits, state: State) -> State | None:
    """`next` takes the oldest batch, which frees its slot."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if buffered == 0:
        return None
    return scope, worker, epoch, buffered - 1, fetching, count, yielded, permits, consumer


def EndEpoch(limits: Limits, state: State) -> State | None:
    """`next` tells the end of the epoch; nobody begins another until asked."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if epoch != "ended" or buffered > 0:
        return None
    return scope, worker, "between", buffered, fetching, 0, yielded, permits, consumer


def Raise(limits: Limits, state: State) -> State | None:
    """`next` raises the error; nobody begins another epoch until asked."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if epoch != "failed" or buffered > 0:
        return None
    return scope, worker, "between", buffered, fetching, 0, yielded, permits, consumer


# The gate.


def Allow(limits: Limits, state: State) -> State | None:
    """A gate is entered; gates nest."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    return scope, worker, epoch, buffered, fetching, count, yielded, permits + 1, consumer


def Disallow(limits: Limits, state: State) -> State | None:
    """A gate is left; a pull in flight goes on."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if permits == 0:
        return None
    return scope, worker, epoch, buffered, fetching, count, yielded, permits - 1, consumer


# Death, which nobody chooses.


def Die(limits: Limits, state: State) -> State | None:
    """The worker is gone without a word, and with it the batch in its hand; a stop ends there.

    So is one whose pull outlasts the patience of a stop: what it still does is nobody's.
    """
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if worker not in ("running", "stopping"):
        return None
    if worker == "stopping":
        scope = "outside"
    return scope, "dead", epoch, buffered, fetching, count, yielded, permits, consumer


def Bury(limits: Limits, state: State) -> State | None:
    """A request finds the worker dead: that is an error like one of the source."""
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer = state
    if worker != "dead" or consumer == "idle":
        return None
    return scope, "absent", "failed", buffered, False, count, False, permits, "idle"


ACTIONS: tuple[Action, ...] = (
    Enter,
    Stop,
    Halt,
    Fetch,
    Enqueue,
    Exhaust,
    Fail,
    Request,
    Withdraw,
    Dequeue,
    EndEpoch,
    Raise,
    Allow,
    Disallow,
    Die,
    Bury,
)

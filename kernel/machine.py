"""The protocol of `StreamWrapper`: pure functions on one small immutable state.

One function per action. An action takes the limits and the state and returns the next state, or
None when it is not enabled. Nothing here knows of threads, waiting or payloads: the shell applies
the actions, and waits where one returns None. Read this beside `tla/Protocol.tla`: variables,
actions and their order are the same there, and a test compares the two state graphs edge by edge.

Every variable has one writer. Callers write what may be done, the puller writes what was done,
and between them stands the buffer, to which the puller adds and from which callers take. So an
action changes its own side only, and the two sides need no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

Scope: TypeAlias = Literal["new", "inside", "outside"]
Consumer: TypeAlias = Literal["idle", "waiting"]
Mark: TypeAlias = Literal["none", "ended", "failed"]
Later: TypeAlias = tuple[tuple[int, Mark], ...]
Worker: TypeAlias = Literal["absent", "running", "dead"]


class Variables(NamedTuple):
    """The variables of the protocol, by name: `Variables(*state)` reads a state."""

    # Written by callers.
    scope: Scope  # of the `with`: never entered, inside, left
    permits: int  # gates entered and not left
    consumer: Consumer  # waiting: a request, which permits pulls while nothing is buffered
    # The buffer: the puller adds, callers take.
    buffered: int  # batches held, of the epoch that the consumer is in
    mark: Mark  # behind them: the end of that epoch, or an error
    later: Later  # for each later epoch a pair: its batches and its mark, none while it is open
    # Written by the puller: the worker or, where that is absent, a waiting caller.
    worker: Worker  # the prefetching thread; where it is absent, callers pull for themselves
    fetching: bool  # a pull is in flight
    begun: bool  # an epoch is being pulled for
    count: int  # type: ignore[assignment]  # hides tuple.count; batches put in this epoch; stays 0 where an epoch is a pass
    yielded: bool  # the current pass has yielded a batch


State: TypeAlias = tuple[Scope, int, Consumer, int, Mark, Later, Worker, bool, bool, int, bool]


class Limits(NamedTuple):
    """The constants of one wrapper."""

    capacity: int  # batches held and being pulled, at most; 0: unbuffered, never a worker
    epoch_size: int  # batches in an epoch; 0: an epoch is a pass
    lookahead: bool = False  # the worker goes on behind the end of an epoch


Action: TypeAlias = Callable[[Limits, State], State | None]

INITIAL: State = Variables(
    scope="new",
    permits=0,
    consumer="idle",
    buffered=0,
    mark="none",
    later=(),
    worker="absent",
    fetching=False,
    begun=False,
    count=0,
    yielded=False,
)


def resumed(limits: Limits, in_epoch: int, in_pass: int) -> State | None:
    """The first state of a wrapper that goes on from the place of another's consumer.

    :param in_epoch: batches of its epoch that the consumer was given; the end was not reported yet
    :param in_pass: batches of its pass that the consumer was given, which are skipped
    :return: None if no consumer can be there; INITIAL for (0, 0)

    It is the state of an unbuffered wrapper at that place: nothing is pulled or begun ahead.
    """
    state = INITIAL
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if in_epoch < 0 or in_pass < 0 or (in_epoch > 0 and in_pass == 0):
        return None
    if limits.epoch_size == 0:
        if in_epoch != in_pass:
            return None
    elif in_epoch > limits.epoch_size:
        return None
    begun, yielded = in_epoch > 0, in_pass > 0
    if limits.epoch_size > 0:
        count = in_epoch
        if count == limits.epoch_size:
            mark, begun, count = "ended", limits.lookahead, 0
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


# The epochs behind the mark. Without lookahead there are none.


def in_later(later: Later) -> int:
    """How many batches are held there."""
    return sum(size for size, _ in later)


def with_batch(later: Later) -> Later:
    """One more batch there, of the last epoch if that is open."""
    if not later or later[-1][1] != "none":
        return (*later, (1, "none"))
    return (*later[:-1], (later[-1][0] + 1, "none"))


def with_mark(word: Mark, mark: Mark, later: Later) -> tuple[Mark, Later]:
    """One more mark behind all batches."""
    if mark == "none":
        return word, later
    if not later or later[-1][1] != "none":
        return mark, (*later, (0, word))
    return mark, (*later[:-1], (later[-1][0], word))


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
    if mark == "none":
        buffered += 1
    else:
        later = with_batch(later)
    if limits.epoch_size > 0:
        count += 1
        if count == limits.epoch_size:
            mark, later = with_mark("ended", mark, later)
            begun, count = limits.lookahead, 0
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Exhaust(limits: Limits, state: State) -> State | None:
    """The pass is over. So is the epoch if epochs are passes, or if the pass yielded nothing.

    A pass that yielded nothing is not looked past: the next one might be as empty, and so on.
    """
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if not fetching or worker == "dead":
        return None
    if limits.epoch_size == 0 or not yielded:
        mark, later = with_mark("ended", mark, later)
        begun, count = limits.lookahead and yielded, 0
    fetching, yielded = False, False
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Fail(limits: Limits, state: State) -> State | None:
    """The source raises. The error stands behind the buffered batches; its pass is dropped."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if not fetching or worker == "dead":
        return None
    mark, later = with_mark("failed", mark, later)
    begun, count = False, 0
    fetching, yielded = False, False
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


def Drop(limits: Limits, state: State) -> State | None:
    """A caller's own pull is interrupted. That counts as an error that was raised already."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if not fetching or worker != "absent":
        return None
    fetching, begun, count, yielded = False, False, 0, False
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


# Death, which nobody chooses.


def Die(limits: Limits, state: State) -> State | None:
    """The worker is gone without a word, or cannot start. The batch that it was pulling is lost.

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
    """A request finds the worker dead and nothing buffered. The consumer gets an error."""
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded = state
    if worker != "dead" or consumer == "idle" or buffered > 0 or mark != "none":
        return None
    worker, mark, begun, count = "absent", "failed", False, 0
    fetching, yielded = False, False
    return scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded


CALLERS: tuple[Action, ...] = (
    Enter,
    Leave,
    Allow,
    Disallow,
    Request,
    Withdraw,
    Dequeue,
    EndEpoch,
    Raise,
)
PULLER: tuple[Action, ...] = (Start, Halt, Fetch, Enqueue, Exhaust, Fail, Drop, Die, Bury)
ACTIONS: tuple[Action, ...] = CALLERS + PULLER

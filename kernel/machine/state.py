"""The state of the protocol: its variables, its limits, and its first states."""

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
    mark: Mark  # after them: the end of that epoch, or an error
    later: Later  # for each later epoch: number of batches held, and the mark, "none" if open
    # Written by the puller: the worker or, where that is absent, a waiting caller.
    worker: Worker  # the prefetching thread; where it is absent, callers pull for themselves
    fetching: bool  # a pull is in flight
    begun: bool  # the puller has begun an epoch and not ended it: an open gate permits pulls
    count: int  # type: ignore[assignment]  # hides tuple.count; batches put in this epoch; stays 0 where an epoch is a pass
    yielded: bool  # the current pass has yielded a batch


State: TypeAlias = tuple[Scope, int, Consumer, int, Mark, Later, Worker, bool, bool, int, bool]


class Limits(NamedTuple):
    """The constants of one stream."""

    capacity: int  # batches held and being pulled, at most; 0: unbuffered, never a worker
    epoch_size: int  # batches in an epoch; 0: an epoch is a pass
    lookahead: bool = False  # the worker goes on after the end of an epoch


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
    """The first state of a stream that goes on from the place of another's consumer.

    :param in_epoch: batches of its epoch that the consumer was given; the end was not reported yet
    :param in_pass: batches of its pass that the consumer was given, which are skipped
    :return: None if no consumer can be there; INITIAL for (0, 0)

    It is the state of an unbuffered stream at that place: nothing is pulled ahead.
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


# The epochs after the mark. Without lookahead there are none.


def in_later(later: Later) -> int:
    """How many batches are held in these epochs."""
    return sum(size for size, _ in later)


def put(
    batches: int, word: Mark, buffered: int, mark: Mark, later: Later
) -> tuple[int, Mark, Later]:
    """Put this number of batches (0 or 1), then the mark, or "none", at the end of the buffer."""
    if mark == "none":
        return buffered + batches, word, later
    if not later or later[-1][1] != "none":
        return buffered, mark, (*later, (batches, word))
    return buffered, mark, (*later[:-1], (later[-1][0] + batches, word))

"""What a wrapper and its worker share, and the state of the protocol that it amounts to.

Each attribute has one writer: callers, or whoever pulls. What a call changes, it changes by one
atomic operation, which finds the call done or not done, whatever interrupts it. No lock is shared
by two threads.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from .claims import Claim, holder
from .machine import Limits, State
from .place import Place, Told
from .record import Record
from .run import Run

T = TypeVar("T")


class Entry:
    """One `with`, and its worker if it has one."""

    def __init__(self) -> None:
        self.over: list[object] = []
        """Not empty once the `with` is left: who stands first has left it."""
        self.bell: SimpleQueue[str | None] = SimpleQueue()
        self.leavers: list[SimpleQueue[None]] = []
        self.thread: threading.Thread | None = None
        self.claim: Claim | None = None
        self.death: BaseException | None = None
        self.light = False
        """The worker sleeps so shortly that the opening of a gate need not ring."""

    def halted_as_garbage(self) -> bool:
        """Whether its wrapper was garbage; a finaliser may use it all the same."""
        alarmed = bool(self.over) and type(self.over[0]) is weakref.ReferenceType
        return alarmed and self.death is None

    def lives(self) -> bool:
        """Whether its worker does."""
        return self.claim is not None and self.claim.in_force()


class Core(Generic[T]):
    """What a wrapper and its worker share. The worker holds it only while it is at work."""

    glance = 0.5
    """Seconds after which a thread that waits looks around by itself: CPython misses a signal that
    comes just before a thread sleeps, and a worker that is gone without a word rings for nobody."""

    def __init__(
        self,
        stream_fn: Callable[..., Iterable[T]],
        limits: Limits,
        *,
        label: str,
        stop_timeout: float | None,
        record: Record | None,
        numbered: bool,
        snapshot_every: int,
    ) -> None:
        self.stream_fn = stream_fn
        self.limits = limits
        self.label = label
        self.stop_timeout = stop_timeout
        self.record = record
        self.numbered = numbered  # the source is told of the epoch
        self.snapshot_every = snapshot_every
        self.low_water = limits.capacity - max(1, limits.capacity // 4)
        """A worker that found the buffer full is woken when no more than this is left."""
        self.entry: Entry | None = None  # the last `with`
        self.entering: list[Claim] = []  # the role of who enters
        self.requests: list[Claim] = []  # the role of the consumer that waits
        self.resets: list[Claim] = []  # the role of who closes or starts over
        self.gates: list[object] = []  # one for each gate that is open
        self.sleeps = 0  # of consumers so far: the last may go on, or be about to begin
        self.bell: SimpleQueue[None] = SimpleQueue()  # the consumer's
        self.told = Told(None, Place(), Place())  # the last mark, and where the consumer is since
        self.loaded: Any = None  # a source that was, and how its pass went on
        self.closed = False
        self.waiting: object = None  # for an event loop: the last thread that did
        self.run: Run[T] = Run()  # the puller's side

    def state(self, run: Run[T]) -> State:
        """The state of the protocol, as this thread sees it.

        The buffer is read before the request: who was served withdraws before it takes, so what
        looks empty with a request waits for something. The scope is read last: a gate or a request
        that comes after a stop permits nothing.
        """
        held, mark = len(run.batches), run.mark()
        permits, waits = len(self.gates), holder(self.requests) is not None
        entry, entered = run.worker, self.entry
        return (
            "new" if entered is None else "outside" if entered.over else "inside",
            permits,
            "waiting" if waits else "idle",
            held,
            mark,
            "absent" if entry is None else "running" if entry.lives() else "dead",
            *run.progress,
        )

    def did(self, action: str, run: Run[T] | None = None) -> None:
        """An action has taken effect, unless it was in a run that was given up."""
        if self.record is not None and (run is None or run is self.run):
            self.record.write(action)

    def is_inside(self) -> bool:
        """Whether a `with` is entered and not left."""
        return self.entry is not None and not self.entry.over

    def is_source(self) -> bool:
        """Whether this thread is in a pull of this stream: its source calls back."""
        puller = holder(self.run.pullers)
        return puller is not None and puller.is_mine()

"""The core: what a wrapper and its worker share, read as a state of the protocol.

Each attribute is written by callers or by the puller. (`gone` finishes what a puller has left.)
Callers write in a role that one thread has at a time, or by one atomic operation. A call takes
effect by such an operation, so an interrupt finds it done or not done. No lock guards data; a bell
is one in which a thread sleeps. `claims` says where CPython lets a signal or another thread in.
"""

from __future__ import annotations

import contextvars
import threading
import weakref
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any, Final, Generic, TextIO, TypeVar

from .bell import Bell
from .buffer import later, word
from .claims import Claim, holder
from .machine import Limits, State
from .meter import Meter
from .place import Place, Reported
from .record import Record
from .run import Run

T = TypeVar("T")

LIGHT: Final = 0.005
"""Seconds of a light sleep, by a consumer or a worker: CPython's switch interval."""


class Entry:
    """One `with`, and its worker if it has one.

    `before`: the entry that a restart replaces. The source goes on in the context of its `with`.
    """

    def __init__(self, before: Entry | None = None) -> None:
        found = contextvars.copy_context() if before is None else before.context
        self.context: contextvars.Context = found
        self.over: list[object] = []
        """Not empty once the `with` is left. The first object says by which call."""
        self.said: list[object] = []  # threads add to it (`did_once`); the first records `Leave`
        self.bell: SimpleQueue[str | None] = SimpleQueue()  # the worker's
        self.leavers: list[Bell] = []  # bells of the threads that wait for its end
        self.thread: threading.Thread | None = None
        self.claim: Claim | None = None  # the worker's, to pull; None until it runs, or if given up
        self.death: BaseException | None = None  # why the worker died, until that is reported
        self.light = False
        """The worker sleeps so briefly that the opening of a gate need not ring (see `worker`)."""

    def halted_as_garbage(self) -> bool:
        """Whether its worker stopped as the wrapper was garbage. A finaliser may still read."""
        alarmed = bool(self.over) and type(self.over[0]) is weakref.ReferenceType
        return alarmed and self.death is None

    def lives(self) -> bool:
        """Whether its worker lives."""
        claim = self.claim  # once: the worker may be given up
        return claim is not None and claim.in_force()


class Core(Generic[T]):
    """What a wrapper and its worker share. The worker holds it only while it is at work."""

    glance = 0.5
    """Seconds after which a sleeping caller looks again: CPython misses a signal that comes just
    before a thread sleeps, and a worker that died may not ring. A worker sleeps so only until
    its `with` is entered."""

    def __init__(
        self,
        stream_fn: Callable[..., Iterable[T]],
        capacity: int,
        epoch_size: int,
        label: str,
        *,
        stop_timeout: float | None,
        numbered: bool,
        snapshot_every: int,
        lookahead: bool,
        record: TextIO | None,
        stats: bool,
        stall_after: float | None,
    ) -> None:
        self.stream_fn = stream_fn
        self.limits = Limits(capacity, epoch_size, lookahead)
        self.label = label
        self.stop_timeout = stop_timeout
        self.numbered = numbered  # the source gets the number of the epoch
        self.snapshot_every = snapshot_every
        self.record = None if record is None else Record(record, self.limits, label)
        self.meter = Meter(self.limits) if stats else None
        self.observed = record is not None or stats
        self.stall_after = stall_after
        self.low_water = capacity - max(1, capacity // 4)
        """A worker that found the buffer full is woken once no more batches than this are held, or
        once a gate is opened and there is room."""
        self.entry: Entry | None = None  # the last `with`
        self.entering: list[Claim] = []  # the role of the entering thread
        self.turns: list[Claim] = []  # the role of the one consumer, where it has to wait
        self.requests: list[Claim] = []  # the role of the consumer whose request permits pulls
        self.resets: list[Claim] = []  # the role of the thread that closes or restarts
        self.reporting: list[Claim] = []  # the role of the one that reports (free-threaded builds)
        self.gates: list[object] = []  # one object for each open gate
        self.sleep: object = None  # a new object for each sleep of a consumer, before it begins
        self.bell = Bell()  # the consumer's
        self.reported = Reported(None, Place(), Place())  # the last mark that was reported
        self.loaded: Any = None  # a resumed source, and its state after the first batch there
        self.closed = False
        self.waiting: object = None  # the last `Waiting`: a thread that waits for an event loop
        self.run: Run[T] = Run()  # the puller's side

    def state(self, run: Run[T]) -> State:
        """The state of the protocol, as this thread sees it.

        The buffer is read before the request. A consumer withdraws its request before it takes a
        batch, so a request that is seen after an empty buffer is really unserved. The scope is
        read last: if it is still inside then, gates and request were read before the stop.
        """
        first = run.first
        held, mark = len(first.batches), word(first.mark())
        behind = later(first.behind()) if self.limits.lookahead else ()
        permits, waits = len(self.gates), holder(self.requests) is not None
        entry, entered = run.worker, self.entry
        return (
            "new" if entered is None else "outside" if entered.over else "inside",
            permits,
            "waiting" if waits else "idle",
            held,
            mark,
            behind,
            "absent" if entry is None else "running" if entry.lives() else "dead",
            *run.progress,
        )

    def did(self, action: str, run: Run[T] | None = None) -> None:
        """An action has taken effect. In a run that was given up it does not count."""
        if self.observed and (run is None or run is self.run):
            if self.meter is not None:
                self.meter.did(action, self.run)
            if self.record is not None:
                self.record.write(action)

    def did_once(self, action: str, said: list[object]) -> None:
        """An action has taken effect that several threads may find done: one of them records it."""
        mine = object()
        said.append(mine)
        if said[0] is mine:
            self.did(action)

    def broke_off(self) -> None:
        """The request of this thread, if there is one, was interrupted or has failed."""
        if self.meter is not None:
            self.meter.withdraw()
        if self.record is not None:
            self.record.withdraw()

    def check_open(self) -> None:
        """Raise ValueError if the stream was closed."""
        if self.closed:
            raise ValueError(f"{self.label} is closed.")

    def is_inside(self) -> bool:
        """Whether a `with` is entered and not left."""
        return self.entry is not None and not self.entry.over

    def epoch(self, run: Run[T]) -> int:
        """The number of the epoch for which the puller pulls."""
        number = run.last.epoch
        return self.reported.after.epoch if number is None else number

    def is_source(self) -> bool:
        """Whether this thread is in a pull of this stream: then the source is the caller."""
        puller = holder(self.run.pullers)
        return puller is not None and puller.is_mine()

"""The callers' side: entering, leaving, gates, and `next`.

What a call changes, it changes by one atomic operation, which finds the call done or not done,
whatever interrupts it. No lock is shared by two threads. One handler puts something right, by one
such operation: a gate that was interrupted as it opened, which its `with` would leave open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from . import worker
from .claims import Claim, holder
from .machine import Bury, Drop, Enter, Fetch, Leave, Limits, Request, State
from .pull import BEGUN, FETCHING, PROGRESS, Run
from .record import Record
from .worker import GATE, Entry

T = TypeVar("T")


class Core(Generic[T]):
    """What a wrapper and its worker share. The worker holds it only while it is at work."""

    def __init__(
        self,
        stream_fn: Callable[[], Iterable[T]],
        limits: Limits,
        label: str,
        stop_timeout: float | None,
        record: Record | None,
    ) -> None:
        self.stream_fn = stream_fn
        self.limits = limits
        self.label = label
        self.stop_timeout = stop_timeout
        self.record = record
        self.low_water = limits.capacity - max(1, limits.capacity // 4)
        """A worker that found the buffer full is woken when no more than this is left."""
        self.entry: Entry | None = None  # the last `with`
        self.entering: list[Claim] = []  # the role of who enters
        self.requests: list[Claim] = []  # the role of the consumer that waits
        self.gates: list[object] = []  # one for each gate that is open
        self.sleeps = 0  # of consumers so far: the last may go on, or be about to begin
        self.bell: SimpleQueue[None] = SimpleQueue()  # the consumer's
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

    def is_source(self) -> bool:
        """Whether this thread is in a pull of this stream: its source calls back."""
        puller = holder(self.run.pullers)
        return puller is not None and puller.is_mine()

    # The scope.

    def enter(self, wrapper: object) -> None:
        """Enter, once the worker has started if there is a buffer to fill."""
        claim = Claim()
        claim.hold(self._enter, claim, wrapper)

    def _enter(self, claim: Claim, wrapper: object) -> None:
        if self.is_source():
            raise RuntimeError(f"{self.label} was entered by its own source.")
        last, entry = self.entry, Entry()
        if claim.take(self.entering) is not None or (last is not None and not last.over):
            raise RuntimeError(f"{self.label} was entered twice.")
        self.let_go()
        if holder(self.requests) is None:
            try:
                while self.limits.capacity and self.run.worker is None:
                    if worker.start(self, entry, claim, wrapper):
                        break
                    if holder(self.requests) is not None:
                        break
                    self.let_go()  # it was refused by one that has halted, or was about to begin
                if Enter(self.limits, self.state(self.run)) is not None:
                    self.entry = entry  # last: until then the worker waits, and halts if this ends
                    self.did("Enter")
                    claim.give_back(self.entering)
                    return
            finally:
                entry.bell.put(None)
        raise RuntimeError(f"{self.label} was entered while another thread reads it.")

    def let_go(self) -> None:
        """Wait for workers whose stop, or whose entering, was interrupted; to their last line."""
        for entry in {self.run.worker, self.entry}:
            if entry is not None and entry.claim is not None:
                entry.over.append(None)
                self.join(entry, None)

    def leave(self, failure: object) -> None:
        """Leave, and wait until the worker has halted."""
        if self.is_source():
            raise RuntimeError(f"{self.label} was left by its own source.")
        entry = self.entry
        if entry is not None:
            left = object()
            if Leave(self.limits, self.state(self.run)) is not None:
                entry.over.append(left)
            if entry.over[0] is left or entry.halted_as_garbage() or entry.lives():
                self.did("Leave")
                self.join(entry, failure)
                return
        raise RuntimeError(f"{self.label} was left without having been entered.")

    def join(self, entry: Entry, failure: object) -> None:
        """Wait until the worker has halted. May be interrupted, and called again."""
        bell: SimpleQueue[None] = SimpleQueue()
        end = inf if self.stop_timeout is None else time.monotonic() + self.stop_timeout
        entry.leavers.append(bell)
        entry.bell.put(None)
        while entry.lives():
            left = end - time.monotonic()
            if left <= 0 and self.run.progress[FETCHING]:
                self.give_up(entry, failure)
                return
            with suppress(Empty):
                bell.get(True, min(left, worker.GLANCE) if left > 0 else worker.GLANCE)
        thread = entry.thread
        if thread is not None and entry.claim is not None and not entry.claim.is_foreign():
            with suppress(RuntimeError):  # at exit; from 3.14 on it cannot be joined there
                thread.join(worker.GLANCE)

    def give_up(self, entry: Entry, failure: object) -> None:
        """Leave the worker, in a pull that does not return, to itself, with all that it writes.

        Raises TimeoutError, unless the body of `with` has failed already.
        """
        run = self.run
        rest: Run[T] = Run()
        error = entry.death = TimeoutError(
            f"A pull from the source of {self.label} has not returned for "
            f"{self.stop_timeout} seconds after the worker was told to go."
        )
        rest.worker, rest.progress = entry, run.progress
        while True:  # until nothing was put meanwhile: a mark comes behind its batches
            rest.marks, rest.batches = run.marks.copy(), run.batches.copy()
            if len(run.marks) == len(rest.marks):
                break
        entry.claim = None
        self.run = rest
        self.did("Die")
        self.bell.put(None)
        if failure is None:
            raise error  # who buries the worker clears its death

    # The gate.

    def opened(self) -> None:
        """A gate was opened: wake the worker, if it has something to do and sleeps deeply."""
        run = self.run
        entry = run.worker
        room = len(run.batches) < self.limits.capacity
        if room and run.progress[BEGUN] and entry is not None and not entry.light:
            run.ring(GATE)

    # The consumer.

    def read(self) -> T:
        """One `next`: a batch, or StopIteration at the end of an epoch, or an error."""
        while True:
            run = self.run
            if run.batches:
                try:
                    batch = run.batches.popleft()
                except IndexError:
                    continue  # another thread took it
                self.did("Dequeue")
                if run.parked > run.rung:
                    self.took(run)
                return batch
            if not run.marks:
                self.ask()
            else:
                self.tell(run)

    def took(self, run: Run[T]) -> None:
        """A batch was taken while the worker sleeps: wake it if enough room is there."""
        if self.gates and len(run.batches) <= self.low_water:
            run.ring()

    def tell(self, run: Run[T]) -> None:
        """Raise what the mark stands for, unless a batch was put before it, and take it away."""
        marks = run.marks
        if self.record is not None and marks and not run.batches:
            self.did("EndEpoch" if run.mark() == "ended" else "Raise")
        # No call from here on: CPython lets neither a signal nor another thread in.
        if run.batches or not marks:
            return
        mark = marks[0]
        try:
            raise mark
        finally:
            mark = None  # type: ignore[assignment]  # its traceback holds this frame
            del marks[0]

    def ask(self) -> None:
        """Wait until something is buffered, or pull."""
        if self.limits.capacity and self.entry is None:
            raise ValueError(
                f"{self.label} has a buffer of size {self.limits.capacity}: "
                "enter it by `with` before reading it."
            )
        claim = Claim()
        try:
            claim.hold(self._wait, claim)
        finally:  # for a record that an interrupt, too, ends the request
            self.did("Withdraw")

    def _wait(self, claim: Claim) -> None:
        """The request: it waits for as long as this runs."""
        first = claim.take(self.requests)
        if first is not None and not first.is_mine():  # mine: a handler that struck in a `next`
            if self.is_source():
                raise RuntimeError(f"{self.label} is read by its own source.")
            raise RuntimeError(f"{self.label} is being read by another thread.")
        self.did(Request.__name__)
        while not (run := self.run).batches and not run.marks:
            puller = holder(run.pullers)
            if puller is not None:
                self.sleep(run, puller)
            elif not run.batches and not run.marks:  # it may have put something, and be gone
                self.pull(claim, run)
        claim.give_back(self.requests)

    def pull(self, claim: Claim, run: Run[T]) -> None:
        """Pull until something is put, unless another thread came first. Or bury who pulled."""
        entry = run.worker
        if entry is not None and not entry.lives() and entry.halted_as_garbage():
            run.worker = None  # a finaliser reads on
        elif entry is not None or (run.pullers and run.pullers[0].is_foreign()):
            # A worker may have claimed, or halted, since it was looked for.
            if entry is None or (not entry.lives() and run.worker is entry):
                self.bury(run)
        elif claim.take(run.pullers) is None and run is self.run:
            self.drop(run)
            while not run.batches and not run.marks:
                run.hand = None
                run.advance(Fetch(self.limits, self.state(run)))
                self.did("Fetch")
                worker.pull(self, run)
            claim.give_back(run.pullers)

    def drop(self, run: Run[T]) -> None:
        """End a caller's own pull that was interrupted and left behind. For the next puller."""
        if run.progress[FETCHING] and run.hand is not None:  # its batch was put, or is lost
            run.progress, mark = run.hand
            if mark is not None and mark.__traceback__ is None and not run.marks:
                run.marks.append(mark)  # it was not told yet
            run.hand = None
            self.did("Enqueue", run)
        elif run.progress[FETCHING]:
            run.iterator = None
            run.advance(Drop(self.limits, self.state(run)))
            self.did("Drop")

    def sleep(self, run: Run[T], puller: Claim) -> None:
        """Sleep until something was put, or the puller is gone, or for a while."""
        if puller.is_mine():
            raise RuntimeError(f"{self.label} is read by its own source.")
        if (entering := holder(self.entering)) is not None and entering.is_mine():
            # a handler that struck there: the worker waits for the thread that it interrupts
            raise RuntimeError(f"{self.label} is read while it is entered.")
        self.sleeps += 1
        run.ring()
        if not run.batches and not run.marks and puller.in_force():
            with suppress(Empty):
                self.bell.get(True, worker.GLANCE)

    def bury(self, run: Run[T]) -> None:
        """Whoever pulled is gone: that is an error like one of the source, which drops the pass."""
        entry = run.worker
        rest: Run[T] = Run()
        if entry is None:
            error = ChildProcessError(f"The thread that read {self.label} is not in this process.")
        else:
            error = ChildProcessError(f"The worker of {self.label} ended unexpectedly.")
            error.__cause__ = entry.death
            buried = Bury(self.limits, self.state(run))
            if buried is not None:
                rest.progress = buried[PROGRESS:]
        rest.marks.append(error)
        self.run = rest
        run.iterator = None  # the error's traceback may hold the run
        if entry is not None:
            entry.death = None  # an interrupt before this leaves the error to be told
        self.did("Bury")


class Gate:
    """What `allow_buffering` gives: while it is entered, the worker may pull."""

    def __init__(self, core: Core[Any]) -> None:
        self._core = core
        self._token = object()

    def __enter__(self) -> None:
        core, token = self._core, self._token
        before = core.gates.count(token)
        try:
            core.gates.append(token)
            core.did("Allow")
            if core.run.parked > core.run.rung:
                core.opened()
        except BaseException:  # interrupted: `__exit__` will not be called
            if core.gates.count(token) > before:
                core.gates.remove(token)
            raise

    def __exit__(self, *args: object) -> None:
        """Shut the gate. Raises RuntimeError if it was not entered."""
        try:
            self._core.gates.remove(self._token)
        except ValueError:
            raise RuntimeError(
                f"A gate of {self._core.label} was left without being entered."
            ) from None
        self._core.did("Disallow")

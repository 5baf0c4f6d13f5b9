"""`StreamWrapper`: the protocol of `machine`, run by one lock and at most one worker thread.

The machine decides, this shell waits. `_Core` is what the wrapper and its worker share: it makes
every change of state through an action, under the lock, and carries the payloads beside the state.
Batches alone are put and taken without the lock: `tla/Handoff.tla` says why that is enough. It
leans on the interpreter in this: `append`, `popleft` and a look at an attribute are atomic.
User code (`stream_fn`, `iter`, `next`) never runs under the lock.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import AbstractContextManager
from functools import partial
from math import inf
from numbers import Real
from operator import index
from queue import Empty, SimpleQueue
from sys import maxsize
from typing import Any, Final, Generic, NoReturn, SupportsIndex, TextIO, TypeVar

from .machine import (
    INITIAL,
    Action,
    Allow,
    Bury,
    Die,
    Disallow,
    EndEpoch,
    Enqueue,
    Enter,
    Exhaust,
    Fail,
    Fetch,
    Halt,
    Limits,
    Raise,
    Request,
    State,
    Stop,
    Withdraw,
)
from .profile import Timer
from .record import Record, RecordedBatches, records
from .types import TimeProfile

T = TypeVar("T")

# Places of variables in a state; a test compares them with `Variables`.
SCOPE: Final = 0
WORKER: Final = 1
EPOCH: Final = 2
BUFFERED: Final = 3
FETCHING: Final = 4
COUNT: Final = 5
YIELDED: Final = 6
PERMITS: Final = 7
CONSUMER: Final = 8


GLANCE = 0.5
"""Seconds after which a thread that waits looks around by itself. See `_Core.wait`."""


class _Core(Generic[T]):
    """The state, its payloads and the threads that wait for it.

    The worker holds this only while it is at work, and never the wrapper: a wrapper that nobody
    holds is garbage, and its worker ends. A thread that waits leaves a bell (a queue) and sleeps
    on it; whoever makes a change that matters to it takes the bell and rings. A ring too many
    costs a look at the state.
    """

    def __init__(
        self,
        stream_fn: Callable[[], Iterable[T]],
        limits: Limits,
        label: str,
        stop_timeout: float | None,
    ) -> None:
        self.stream_fn = stream_fn
        self.stop_timeout = stop_timeout
        self.limits = limits
        self.label = label
        self.lock = threading.Lock()
        self.state: State = INITIAL
        self.batches: deque[T] = deque()
        self.error: BaseException | None = None  # what Raise will raise
        self.death: BaseException | None = None  # what killed the worker, if anything told
        self.opened: list[Iterator[T]] = []  # the pass, if it has begun; of whoever is pulling
        self.thread: threading.Thread | None = None  # of the worker, until it was joined
        self.worker_id = 0  # of that thread, from its start to its end: who else is no worker
        self.bell: SimpleQueue[None] = SimpleQueue()  # of all workers, one after the other
        self.worker_bell: SimpleQueue[None] | None = None  # the same, if a ring is wanted
        self.ticket: State | None = None  # the state as it was when the worker began to run ahead
        self.ahead = 0  # batches that it has put since, and not told of
        self.consumer_bell: SimpleQueue[None] | None = None  # of the request, if it sleeps
        self.waiters: deque[SimpleQueue[None]] = deque()  # bells of requests that are not told of
        self.leaver_bells: list[SimpleQueue[None]] = []  # of those who wait for a stop to end
        self.asker: SimpleQueue[None] | None = None  # whose request it is that waits: its bell
        self.asker_id = 0  # and its thread
        self.abandoned = False
        with _forking:
            _cores.add(self)

    def step(self, action: Action) -> bool:
        """Take the action if it is enabled, with the lock held."""
        state = action(self.limits, self.state)
        if state is None:
            return False
        self.commit(action, state)
        return True

    def commit(self, action: Action, state: State) -> None:
        """Take the action, which leads to this state: every change of the protocol goes by here."""
        self.state = state
        if self.waiters and action is not Fetch:
            self.wake_waiters()

    def sync(self) -> None:
        """With the lock held, tell the state what was put and taken without it.

        A request was made when nothing was buffered: if something is, it was served.
        """
        held = len(self.batches)
        if held != self.state[BUFFERED]:
            scope, worker, epoch, _, fetching, count, yielded, permits, consumer = self.state
            if held:
                consumer = "idle"
            self.state = scope, worker, epoch, held, fetching, count, yielded, permits, consumer

    # Waiting.

    def wait(self, bell: SimpleQueue[None], most: float = inf) -> None:
        """Sleep until the bell rings, or for a while. So does `ask`, where a gate is open.

        Waking now and then serves two ends. CPython misses a signal that comes just before a
        thread sleeps, and would raise KeyboardInterrupt only after the next ring. And a worker that
        is gone without a word rings for nobody. (A worker sleeps in `_work`, until it is wanted.)
        """
        try:
            bell.get(True, min(GLANCE, most))
        except Empty:
            with self.lock:
                thread = self.thread
                if thread is not None and (sys.is_finalizing() or not thread.is_alive()):
                    self.gone()

    def wake_worker(self, surely: bool = False) -> None:
        """With the lock held, ring for a sleeping worker if it has something to do.

        `surely` rings although nobody seems to sleep: an interrupt may have come between the two
        lines of somebody's ring.
        """
        if surely or self.worker_bell is not None:
            self.sync()
            if Fetch(self.limits, self.state) or Halt(self.limits, self.state):
                self.worker_bell = None
                self.bell.put(None)

    def wake_consumer(self) -> None:
        """With the lock held, ring for a sleeping request that was served."""
        bell = self.consumer_bell
        if bell is not None and self.state[CONSUMER] == "idle":
            bell.put(None)
            self.consumer_bell = None

    def wake_waiters(self) -> None:
        """Ring for all who wait without having told."""
        try:
            for _ in range(len(self.waiters)):  # who comes meanwhile sees what has happened
                self.waiters.popleft().put(None)
        except IndexError:
            pass  # another thread did

    # The pull.

    def pull(self, opened: list[Iterator[T]]) -> tuple[Action, Any]:
        """Ask the source once, outside the lock: the action that answers, and what it carries.

        `opened` is the caller's to change, even if it was given up meanwhile. The pass is taken out
        of it for as long as it may turn out to be over.
        """
        iterator: Iterator[T] | None = None
        try:
            iterator = opened.pop() if opened else iter(self.stream_fn())
            batch = next(iterator)
            opened.append(iterator)
            return Enqueue, batch
        except StopIteration as error:
            if iterator is None:  # it came from `stream_fn` or `iter`
                return Fail, self.told(error)
            return Exhaust, None
        except BaseException as error:
            opened.clear()  # if it had not been taken out yet, or had been put back
            return Fail, self.told(error)

    def is_pulling(self) -> bool:
        """Whether the caller is in a pull of this stream: its source calls back."""
        caller = threading.get_ident()
        state = self.state  # once: a worker may be about to halt
        own = self.asker_id == caller and state[FETCHING] and state[WORKER] == "absent"
        return own or self.worker_id == caller

    def told(self, error: BaseException) -> BaseException:
        """The exception by which the consumer learns of an error of the source."""
        if self.limits.capacity > 0:
            told: Exception = ChildProcessError(
                f"The source of {self.label} raised {type(error).__name__}."
            )
        elif isinstance(error, StopIteration):  # would look like the end of an epoch (PEP 479)
            told = RuntimeError(f"The source of {self.label} raised StopIteration.")
        else:
            return error
        told.__cause__ = error
        return told

    def settle(self, action: Action, payload: Any) -> None:
        """Keep what the source answered with, and take the step: what is not kept is not told."""
        if action is Enqueue:
            self.batches.append(payload)
        elif action is Fail:
            self.error = payload
        self.step(action)

    # The worker.

    def work(self) -> bool:
        """What the worker does until it has to sleep (True) or to go (False)."""
        answer: tuple[Action, Any] | None = None
        opened = self.opened  # for as long as this worker lives
        worker_id = threading.get_ident()
        fetched = False
        while True:
            ticket = self.ticket
            if ticket and (fetched or (self.state is ticket and not self.abandoned)):
                asleep, answer = self.run_ahead(ticket, opened, fetched)
                if asleep:
                    return True
            if answer is not None:
                with self.lock:
                    if self.worker_id != worker_id:
                        return False  # a stop has given it up
                    self.fold(fetching=True)
                    self.settle(*answer)
                    answer = None
                    self.wake_consumer()
            with self.lock:
                if self.worker_id != worker_id:
                    return False
                self.fold(fetching=False)
                self.wake_consumer()
                if self.abandoned:
                    self.step(Stop)
                if self.may_run_ahead():
                    self.ticket = self.state
                    fetched = self.fetch_untold()
                    continue
                self.ticket = None
                if not self.step(Fetch):
                    if self.step(Halt):
                        self.gone()
                        return False
                    self.worker_bell = self.bell
                    if len(self.batches) == self.state[BUFFERED]:
                        return True
                    continue  # who took one meanwhile may not have seen the bell
            answer = self.pull(opened)

    def fetch_untold(self) -> bool:
        """Take a Fetch if it is enabled, which the state is not told of until it is answered."""
        return Fetch(self.limits, self.state) is not None

    def may_run_ahead(self) -> bool:
        """Whether the next batch can be pulled and put without telling anybody.

        Not if a request waits that was told of, and not if it is the first of its pass or the last
        of its epoch: these change the state. A worker that may be given up asks before it puts.
        """
        _, worker, epoch, _, _, count, yielded, permits, consumer = self.state
        return (
            (worker, epoch, consumer) == ("running", "begun", "idle")
            and yielded
            and permits > 0
            and count + 1 != self.limits.epoch_size
            and self.stop_timeout is None
        )

    def run_ahead(
        self, ticket: State, opened: list[Iterator[T]], fetched: bool
    ) -> tuple[bool, tuple[Action, Any] | None]:
        """Pull and put without the lock, for as long as there is room and the state stays as it is.

        A look that finds it so is a Fetch, and a batch that is put is an Enqueue. Returns whether
        the worker has to sleep, and the answer to a pull if that has to be told.
        """
        batches, waiters, capacity = self.batches, self.waiters, self.limits.capacity
        most = self.limits.epoch_size - ticket[COUNT] - 1 if self.limits.epoch_size else maxsize
        put, iterator = batches.append, opened[0]
        ahead = self.ahead
        try:
            if fetched:
                put(next(iterator))
                ahead += 1
                if waiters:
                    self.wake_waiters()
            while ahead < most:
                stop = min(ahead + capacity - len(batches), most)
                for done in range(ahead, stop):  # slots that nobody else can fill
                    ahead = done
                    if self.state is not ticket:
                        return False, None
                    put(next(iterator))
                    if waiters:
                        self.wake_waiters()
                ahead = stop
                if ahead < most and len(batches) >= capacity:
                    self.worker_bell = self.bell
                    if self.state is not ticket:
                        return False, None
                    if len(batches) >= capacity:  # who took one before may not have seen the bell
                        return True, None
        except StopIteration:
            opened.clear()
            return False, (Exhaust, None)
        except BaseException as error:
            opened.clear()
            return False, (Fail, self.told(error))
        finally:
            self.ahead = ahead
        return False, None

    def fold(self, fetching: bool) -> None:
        """With the lock held, tell the state what the worker has put, and if it is in a pull."""
        scope, worker, epoch, _, _, count, yielded, permits, consumer = self.state
        held = len(self.batches)
        if self.limits.epoch_size > 0:
            count += self.ahead
        if held:
            consumer = "idle"
        self.state = scope, worker, epoch, held, fetching, count, yielded, permits, consumer
        self.ahead = 0

    def gone(self, death: BaseException | None = None) -> None:
        """Note, with the lock held, that the worker is gone: by Halt, or by this death."""
        if self.state[WORKER] in ("running", "stopping"):
            self.death = death
            self.step(Die)
        self.worker_id = 0
        for bell in (self.consumer_bell, *self.leaver_bells):
            if bell is not None:
                bell.put(None)
        self.consumer_bell = None

    # The scope.

    def enter(self) -> None:
        """Take Enter, and start the worker if there is a buffer to fill.

        A thread that cannot start is a worker that died. The lock is held until the thread has
        started, so that nobody can find a worker without one.
        """
        if self.is_pulling():
            raise RuntimeError(f"{self.label} was entered by its own source.")
        self.join()  # a worker whose stop was interrupted
        handled = sys.exc_info()[1]
        with self.lock:
            inside = self.state[SCOPE] == "inside"
            try:
                entered = self.step(Enter)
                if entered and self.state[WORKER] == "running":
                    self.thread = threading.Thread(
                        target=_work,
                        args=(weakref.ref(self), self.bell),
                        name=self.label,
                        daemon=True,
                    )
                    self.thread.start()
            except BaseException as error:
                interrupt = _interrupt(error, handled)
                if interrupt is None:
                    self.death = error
                    self.step(Die)
                else:
                    if not inside:  # take it back for the worker, which cannot have looked yet
                        self.step(Stop)
                        self.step(Halt)
                        self.thread = None
                    raise interrupt from None
            if not entered:
                if inside:
                    raise RuntimeError(f"{self.label} was entered twice.")
                raise RuntimeError(f"{self.label} was entered while another thread reads it.")

    def leave(self) -> None:
        """Take Stop, and wait until the worker has gone."""
        if self.is_pulling():
            raise RuntimeError(f"{self.label} was left by its own source.")
        with self.lock:
            if not self.step(Stop) and self.state[WORKER] != "stopping":
                raise RuntimeError(f"{self.label} was left without having been entered.")
        self.join()

    def join(self) -> None:
        """Wait until a stop that has begun has ended. May be interrupted, and called again.

        The thread itself is joined only after it took its last step: a join that is interrupted
        takes the thread for gone, up to Python 3.12.
        """
        bell: SimpleQueue[None] = SimpleQueue()
        end = inf if self.stop_timeout is None else time.monotonic() + self.stop_timeout
        try:
            self.leaver_bells.append(bell)
            with self.lock:
                self.wake_worker(surely=True)
            while self.state[WORKER] == "stopping":
                left = inf if end == inf else end - time.monotonic()
                if left <= 0 and self.state[FETCHING]:
                    self.give_up()
                else:  # a worker that is in no pull is on its way
                    self.wait(bell, left if left > 0 else inf)
        finally:
            if bell in self.leaver_bells:  # not if an interrupt came first
                self.leaver_bells.remove(bell)
        with self.lock:
            ended = self.state[WORKER] in ("absent", "dead")
            thread, self.thread = (self.thread, None) if ended else (None, self.thread)
        if thread is not None and thread.ident is not None and not sys.is_finalizing():
            thread.join()

    def give_up(self) -> None:
        """Let go of a worker that does not come back from a pull. Raises TimeoutError.

        To the protocol it died. Its thread, whenever the pull returns, finds that it is no worker
        any more, and ends.
        """
        with self.lock:
            if self.state[WORKER] != "stopping" or not self.state[FETCHING]:
                return
            death = TimeoutError(
                f"A pull from the source of {self.label} has not returned for "
                f"{self.stop_timeout} seconds after the worker was told to go."
            )
            self.worker_id, self.thread = 0, None
            self.gone(death)
        raise death

    # The consumer.

    def read(self) -> T:
        """One `next`: a batch, or StopIteration at the end of an epoch, or an error."""
        if self.batches:
            try:
                batch = self.batches.popleft()
            except IndexError:
                pass  # another thread took it
            else:
                return batch if self.worker_bell is None else self.took(batch)
        return self.ask()

    def took(self, batch: T) -> T:
        """A batch was taken while the worker sleeps, or is about to: ring if it may pull."""
        state, bell = self.state, self.worker_bell
        if bell is not None and state[PERMITS] > 0 and state[EPOCH] == "begun":
            self.worker_bell = None
            bell.put(None)
        return batch

    def ask(self) -> T:
        """The same where nothing is buffered: wait for it, or pull, or tell what stands there."""
        bell: SimpleQueue[None] | None = None  # of this request, once it was told of
        answer: tuple[Action, Any] | None = None  # of its own pull
        error: BaseException | None = None
        glanced = served = False
        try:
            while True:
                if served:
                    try:
                        batch = self.batches.popleft()
                    except IndexError:
                        pass  # another thread took it
                    else:
                        return batch if self.worker_bell is None else self.took(batch)
                state = self.state
                if (
                    bell is None  # a request that was told of has to be served by telling
                    and not glanced
                    and state[PERMITS] > 0
                    and state[EPOCH] == "begun"
                    and state[WORKER] == "running"
                ):  # the gate permits what a request would: nobody needs to be told
                    waiter: SimpleQueue[None] = SimpleQueue()
                    self.waiters.append(waiter)  # and leave it there: a ring too many does no harm
                    try:
                        if not self.batches and self.state is state:
                            waiter.get(True, GLANCE)
                    except Empty:
                        glanced = True
                    served = True  # or else it is seen that it was not
                    continue
                spent = None  # a pass that is dropped: let go outside the lock
                with self.lock:
                    if answer is not None:
                        self.settle(*answer)
                        answer = None
                    self.sync()
                    served = self.state[BUFFERED] > 0
                    if not served:
                        caller = threading.get_ident()
                        if self.worker_id == caller:
                            raise RuntimeError(f"{self.label} is read by its own source.")
                        requested = Request(self.limits, self.state)
                        if requested is not None:
                            self.wake_consumer()  # another's, whose batch was taken from him
                            self.asker = bell = SimpleQueue()
                            self.asker_id = caller
                            self.commit(Request, requested)  # last: it must be known whose it is
                            if self.batches:
                                continue  # it was put when the state did not say so yet
                        elif self.step(EndEpoch):
                            raise StopIteration
                        elif self.step(Raise):
                            error, self.error = self.error, None
                            raise error  # type: ignore[misc]  # where it failed there is one
                        elif bell is None or self.asker is not bell:
                            raise self.refusal()
                        worker = self.state[WORKER]
                        if worker == "dead":
                            spent = self.bury()  # noqa: F841  # held until the lock is released
                            continue
                        pulls = worker == "absent" and self.step(Fetch)
                        if not pulls:
                            self.consumer_bell = bell
                            self.wake_worker(surely=True)
                if served:
                    continue
                if pulls:
                    answer = self.pull(self.opened)
                elif bell is not None:
                    self.wait(bell)
        except BaseException:
            with self.lock:
                if self.asker is bell:
                    self.consumer_bell = None
                    try:
                        if answer is not None and self.batches:
                            self.step(Enqueue)  # it was kept already
                        elif answer is not None:
                            self.settle(*answer)  # the pull was answered: keep it
                    finally:
                        self.step(Withdraw)
            error = answer = None  # an error would hold this frame, and the frame the error
            raise

    def refusal(self) -> Exception:
        """Why nothing can be asked for: it was never entered, or somebody else is asking."""
        if self.state[SCOPE] == "new" and self.limits.capacity > 0:
            return ValueError(
                f"{self.label} has a buffer of size {self.limits.capacity}: "
                "enter it by `with` before reading it."
            )
        if self.asker_id == threading.get_ident():
            return RuntimeError(f"{self.label} is read by its own source.")
        return RuntimeError(f"{self.label} is being read by another thread.")

    def bury(self) -> list[Iterator[T]]:
        """Take Bury, whose error is the worker's death; returns the pass to let go of."""
        error = ChildProcessError(f"The worker of {self.label} ended unexpectedly.")
        error.__cause__ = self.death
        self.error = error
        spent, self.opened = self.opened, []
        self.step(Bury)  # after all that an interrupt must not come between
        self.death = None
        return spent

    def orphan(self) -> None:
        """End a request whose thread a forked child does not have, and the pull it was in."""
        if self.state[WORKER] == "absent" and self.state[FETCHING]:
            lost = ChildProcessError(f"The thread that read {self.label} is not in this process.")
            self.settle(Fail, lost)
            self.opened = []
        self.consumer_bell = None
        self.step(Withdraw)


class _RecordedCore(_Core[T]):
    """A core whose every action is recorded.

    The record's lock is the core's, so that what is done without the lock elsewhere, to batches and
    by looks at the state, comes between steps that are taken with it.
    """

    def __init__(self, *arguments: Any, record: Record) -> None:
        self.record = record
        self.runner = 0  # the thread that runs ahead
        super().__init__(*arguments)
        with _forking:  # a fork lets go of the lock that it took
            self.lock = record.lock  # type: ignore[assignment]  # it is used in the same way
            records.add(record)
        self.batches = RecordedBatches(record)

    def commit(self, action: Action, state: State) -> None:
        """Record the action, unless it was before.

        An Enqueue was when the batch was put. A request that a batch has served before the state
        was told of it is none.
        """
        commit = partial(super().commit, action, state)
        if action is Enqueue or (action in (Request, Withdraw) and self.batches):
            commit()
        else:
            self.record.take(action.__name__, commit)

    def fetch_untold(self) -> bool:
        """Record the Fetch, if there is one."""
        return super().fetch_untold() and self.record.take(Fetch.__name__, lambda: True)

    def run_ahead(self, *arguments: Any) -> tuple[bool, tuple[Action, Any] | None]:
        """The same, where each look at the state may be a Fetch."""
        answer = None
        self.runner = threading.get_ident()
        try:
            asleep, answer = super().run_ahead(*arguments)
        finally:
            self.runner = 0
            self.record.looked(pulls=answer is not None)
        return asleep, answer

    @property
    def state(self) -> State:
        """The state. A worker that runs ahead and finds it unchanged may take it for a Fetch."""
        if self.runner != threading.get_ident():
            return self.record.state
        with self.lock:
            if self.record.state is self.ticket:
                self.record.look()
            return self.record.state

    @state.setter
    def state(self, state: State) -> None:
        self.record.state = state


def _interrupt(error: BaseException, handled: BaseException | None) -> BaseException | None:
    """The interrupt that an error is, or that it hides, beside what was being handled before.

    One that strikes between the locks of `Thread.start` comes out as a RuntimeError about them.
    """
    hidden = error.__context__ if isinstance(error, Exception) else error
    return None if hidden is handled or isinstance(hidden, Exception) else hidden


def _work(core_ref: weakref.ref[_Core[Any]], bell: SimpleQueue[None]) -> None:
    """A worker thread, from its start to its end. Asleep, it holds nothing but its bell."""
    core = core_ref()
    if core is None:
        return
    worker_id = threading.get_ident()
    with core.lock:
        if core.thread is not threading.current_thread():
            return  # its start was interrupted, and it was given up
        core.worker_id = worker_id
        core.ticket, core.ahead = None, 0
    try:
        while core.work():
            core = None
            bell.get()
            core = core_ref()
            if core is None:
                return
    except BaseException as error:
        if core is not None:
            with core.lock:
                if core.worker_id == worker_id:
                    core.gone(error)


def _abandon(core_ref: weakref.ref[_Core[Any]], bell: SimpleQueue[None]) -> None:
    """Let the worker of a wrapper that is garbage go. Runs in any thread, even one in the lock."""
    core = core_ref()
    if core is not None:
        core.abandoned = True
    bell.put(None)


# A fork takes a copy of every core as it stands: no thread may be half way through a change.

_cores: weakref.WeakSet[_Core[Any]] = weakref.WeakSet()
_forking = threading.Lock()
_held: list[_Core[Any]] = []


def _before_fork() -> None:
    _forking.acquire()
    for core in _cores:
        # Not for ever: the lock may be this thread's, if a signal's handler forks. Then this
        # thread goes on with its change, in the parent and in the child.
        if core.lock.acquire(timeout=1):
            _held.append(core)  # noqa: PERF401  # one by one: what is locked is held


def _after_fork() -> None:
    while _held:
        _held.pop().lock.release()
    _forking.release()


def _after_fork_in_child() -> None:
    for core in _held:  # which has no other thread than this
        if core.thread is not threading.current_thread():
            core.gone()
        if core.asker_id != threading.get_ident():
            core.orphan()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork,
        after_in_child=_after_fork_in_child,
    )


class _Gate(Generic[T]):
    """What `allow_buffering` gives: while it is entered, the worker may pull."""

    def __init__(self, core: _Core[T]) -> None:
        self._core = core
        self._entered = 0

    def __enter__(self) -> None:
        before = self._entered
        try:
            self._turn(Allow, 1)
        except BaseException:  # interrupted: `__exit__` will not be called
            if self._entered > before:
                self._turn(Disallow, -1)
            raise

    def __exit__(self, *args: object) -> None:
        """Shut the gate. Raises RuntimeError if it was not entered."""
        before = self._entered
        if before == 0:
            raise RuntimeError(f"A gate of {self._core.label} was left without being entered.")
        try:
            self._turn(Disallow, -1)
        except BaseException:  # interrupted: it will not be called again
            if self._entered == before:
                self._turn(Disallow, -1)
            raise

    def _turn(self, action: Action, by: int) -> None:
        """Take the action and count it: an interrupt finds both done or neither."""
        core = self._core
        with core.lock:
            state, entered = core.state, self._entered
            try:
                core.step(action)
                self._entered = entered + by
                core.wake_worker()
            except BaseException:
                if core.state is not state:
                    self._entered = entered + by
                raise


class StreamWrapper(Generic[T]):
    """Reads a source epoch by epoch, and in a buffered one prefetches batches in a thread.

    A pass over the source is one iterator, `iter(stream_fn())`; a new one is begun when the last
    is exhausted. `for batch in stream` reads one epoch. Whatever the thread does, the batches,
    their order, the ends of epochs and the errors are those of reading without one.

    :param stream_fn: callable without arguments that returns the iterable of a pass
    :param buffer_size: batches held and being pulled, at most; less than 1 means no buffer and
        no thread
    :param epoch_size: batches in an epoch, across as many passes as it takes; less than 1 means
        that an epoch is a pass. A pass that yields nothing always ends the epoch
    :param name: name of the stream, for messages and for the profile
    :param profile: mapping to which `read_batch_<name>` adds the seconds that each batch took
    :param stop_timeout: seconds for which leaving waits for a pull in flight; None means for ever
    :param record: text file to which each action of the protocol is written, as a line of JSON;
        `python -m specs trace FILE` checks it. None means no record, at no cost
    :raises TypeError: if `stream_fn` is not callable, a size is not an integer, `profile` is
        not a mutable mapping, `stop_timeout` is not a number, or `record` is not a text file
    :raises ValueError: if `stop_timeout` is negative or no number

    A buffered stream is read in a `with` block, which starts the thread and stops it. Stopping
    keeps everything: entering again goes on from there, and reading outside goes on without a
    thread. The thread pulls while `allow_buffering` is open or while `next` waits.

    >>> stream = StreamWrapper(lambda: range(3), buffer_size=2, epoch_size=2)
    >>> with stream:
    ...     print(list(stream), list(stream))
    [0, 1] [2, 0]
    """

    def __init__(
        self,
        stream_fn: Callable[[], Iterable[T]],
        buffer_size: SupportsIndex = 0,
        epoch_size: SupportsIndex = -1,
        name: str | None = None,
        profile: TimeProfile | None = None,
        *,
        stop_timeout: float | None = None,
        record: TextIO | None = None,
    ) -> None:
        if not callable(stream_fn):
            raise TypeError(f"stream_fn must be callable, not {stream_fn!r}.")
        if profile is not None and not isinstance(profile, MutableMapping):
            raise TypeError(f"profile must be a mutable mapping or None, not {profile!r}.")
        limits = Limits(
            capacity=max(0, _integer("buffer_size", buffer_size)),
            epoch_size=max(0, _integer("epoch_size", epoch_size)),
        )
        self._name = name
        self._event = f"read_batch_{name}"
        self._profile = profile
        label = f"StreamWrapper {name!r}"
        arguments = stream_fn, limits, label, _seconds(stop_timeout)
        if record is None:
            self._core = _Core[T](*arguments)
        else:
            self._core = _RecordedCore[T](*arguments, record=Record(record, limits, label))
        core = weakref.ref(self._core)
        weakref.finalize(self, _abandon, core, self._core.bell).atexit = False

    @property
    def name(self) -> str | None:
        """The name of the stream."""
        return self._name

    def empty(self) -> bool:
        """Whether `next` would have to wait: no batch, end or error is buffered."""
        state = self._core.state
        marked = state[EPOCH] in ("ended", "failed") and self._core.limits.capacity > 0
        return not self._core.batches and not marked

    @property
    def allow_buffering(self) -> AbstractContextManager[None]:
        """A gate: the worker may pull while any `with stream.allow_buffering` is active.

        Put it around work that leaves the interpreter's lock to others (native code, I/O), and the
        worker does not compete with your own Python code. Gates nest. Leaving one does not wait for
        a pull in flight.
        """
        return _Gate(self._core)

    def __reduce__(self) -> NoReturn:
        """A thread and its lock cannot be copied. Raises TypeError."""
        raise TypeError(f"{self._core.label} can be neither copied nor pickled.")

    def __enter__(self) -> StreamWrapper[T]:
        """Start the worker of a buffered stream. Raises RuntimeError if entered twice.

        A stop that was interrupted is ended first, which may raise TimeoutError as leaving does.
        """
        self._core.enter()
        return self

    def __exit__(self, *args: object) -> None:
        """Stop the worker, after the pull that it is in, and keep everything for later.

        A source that hangs in that pull hangs this too, unless there is a `stop_timeout`. What is
        buffered is kept then, and read first; the next thing read is a ChildProcessError with the
        TimeoutError as its cause, and the next a fresh pass. The thread is let go of: it ends when
        its pull returns, which changes nothing; but until then the source may be asked for the
        fresh pass while it is still in the old one.

        :raises RuntimeError: if the stream was not entered, or its own source leaves it
        :raises TimeoutError: if a pull takes longer than `stop_timeout`; the stream is left
        """
        self._core.leave()

    def __iter__(self) -> Iterator[T]:
        """The stream itself."""
        return self

    def __next__(self) -> T:
        """The next batch.

        :raises StopIteration: at the end of the epoch; the next call begins another
        :raises ValueError: if the stream is buffered and was never entered
        :raises ChildProcessError: in a buffered stream, if the source raised (the error is the
            `__cause__`) or the worker is gone; without a buffer the source's error comes as it is
        :raises RuntimeError: if another thread is waiting for a batch of this stream
        """
        core = self._core
        if self._profile is not None:
            timer = Timer(self._event, self._profile)
            timer.__enter__()
            batch = core.read()
            timer.__exit__()  # not reached at the end of an epoch or an error: these have no time
            return batch
        if core.batches:  # what `read` does, for speed without a call
            try:
                batch = core.batches.popleft()
            except IndexError:
                pass
            else:
                return batch if core.worker_bell is None else core.took(batch)
        return core.ask()


def _integer(argument: str, value: SupportsIndex) -> int:
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"{argument} must be an integer, not {value!r}.") from None


def _seconds(stop_timeout: float | None) -> float | None:
    if stop_timeout is None:
        return None
    if not isinstance(stop_timeout, Real):
        raise TypeError(f"stop_timeout must be a number or None, not {stop_timeout!r}.")
    if not stop_timeout >= 0:
        raise ValueError(f"stop_timeout must be at least 0, not {stop_timeout!r}.")
    return float(stop_timeout)

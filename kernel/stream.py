"""`StreamWrapper`: the protocol of `machine`, run by one lock and at most one worker thread.

The machine decides, this shell waits. `_Core` is what the wrapper and its worker share: it makes
every change of state through an action, under the lock, and carries the payloads beside the state.
User code (`stream_fn`, `iter`, `next`) never runs under the lock. Threads, locks and queues are
reached through `threading` and `SimpleQueue` below, the one place where a test puts its own.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from operator import index
from queue import SimpleQueue
from timeit import default_timer
from typing import Any, Generic, SupportsIndex, TypeVar

from .machine import (
    INITIAL,
    Action,
    Allow,
    Bury,
    Dequeue,
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
    Variables,
    Withdraw,
)
from .types import TimeProfile

T = TypeVar("T")


class _Core(Generic[T]):
    """The state, its payloads and the threads that wait for it.

    The worker holds this and never the wrapper: a wrapper that nobody holds is garbage, and its
    worker ends. A thread that waits leaves a bell (a queue) and sleeps on it; whoever makes a change
    that matters to it takes the bell and rings. A ring too many costs a look at the state, no more.
    """

    def __init__(self, stream_fn: Callable[[], Iterable[T]], limits: Limits, label: str) -> None:
        self.stream_fn = stream_fn
        self.limits = limits
        self.label = label
        self.lock = threading.Lock()
        self.state: State = INITIAL
        self.batches: deque[T] = deque()
        self.error: BaseException | None = None  # of the mark, or what killed the worker
        self.iterator: Iterator[T] | None = None  # of the pass; belongs to whoever is pulling
        self.thread: threading.Thread | None = None
        self.worker_bell: SimpleQueue[None] | None = None  # of the worker, if it sleeps
        self.consumer_bell: SimpleQueue[None] | None = None  # of the request, if it sleeps
        self.abandoned = False

    def step(self, action: Action) -> bool:
        """Take the action if it is enabled. All changes of state are made here, under the lock."""
        state = action(self.state, self.limits)
        if state is None:
            return False
        self.state = state
        return True

    def now(self) -> Variables:
        """The state by names."""
        return Variables(*self.state)

    # Waiting.

    def sleep(self, bell: SimpleQueue[None]) -> None:
        """Wait for a ring. The one place that blocks, but for the join of a stopped thread."""
        bell.get()

    def wake_worker(self) -> None:
        """Ring for a sleeping worker, if it has something to do."""
        bell = self.worker_bell
        if bell is not None and (Fetch(self.state, self.limits) or Halt(self.state, self.limits)):
            self.worker_bell = None
            bell.put(None)

    def wake_consumer(self) -> None:
        """Ring for a sleeping request, if it was served or has to see to itself."""
        bell = self.consumer_bell
        if bell is not None:
            now = self.now()
            if now.consumer == "idle" or now.worker in ("absent", "dead"):
                self.consumer_bell = None
                bell.put(None)

    # The pull.

    def pull(self) -> tuple[Action, Any]:
        """Ask the source once, outside the lock: the action that answers, and what it carries."""
        try:
            iterator = self.iterator
            if iterator is None:
                iterator = self.iterator = iter(self.stream_fn())
        except BaseException as error:
            return Fail, error
        try:
            return Enqueue, next(iterator)
        except StopIteration:
            answer: tuple[Action, Any] = Exhaust, None
        except BaseException as error:
            answer = Fail, error
        del iterator
        self.iterator = None  # which may run the last lines of a generator
        return answer

    def settle(self, action: Action, payload: Any) -> None:
        """Take the step that the source answered with, and keep what it carries."""
        self.step(action)
        if action is Enqueue:
            self.batches.append(payload)
        elif action is Fail:
            self.error = payload

    # The worker.

    def work(self) -> None:
        """What the worker thread does, from its start to its end."""
        bell: SimpleQueue[None] = SimpleQueue()
        answer: tuple[Action, Any] | None = None
        try:
            while True:
                with self.lock:
                    self.worker_bell = None
                    if answer is not None:
                        self.settle(*answer)
                        answer = None
                        if self.consumer_bell is not None:
                            self.wake_consumer()
                    if self.abandoned:
                        self.step(Stop)
                    fetches = self.step(Fetch)
                    if not fetches:
                        if self.step(Halt):
                            return
                        self.worker_bell = bell
                if fetches:
                    answer = self.pull()
                elif not self.abandoned:  # looked at again: `abandon` may have missed the bell
                    self.sleep(bell)
        finally:
            with self.lock:
                self.step(Die)  # not enabled after Halt
                self.wake_consumer()

    def abandon(self) -> None:
        """Let the worker go: called when the wrapper is garbage, in any thread, lock held or not."""
        self.abandoned = True
        bell = self.worker_bell
        if bell is not None:
            bell.put(None)

    # The scope.

    def enter(self) -> None:
        """Start a worker if there is a buffer to fill."""
        self.join()  # a stop that was interrupted still has to end
        with self.lock:
            if not self.step(Enter):
                if self.now().scope == "inside":
                    raise RuntimeError(f"{self.label} was entered twice.")
                raise RuntimeError(f"{self.label} was entered while another thread reads it.")
            if self.now().worker != "running":
                return
            thread = self.thread = threading.Thread(target=self.work, name=self.label, daemon=True)
        try:
            thread.start()
        except Exception as error:  # no such thread: the consumer will be told
            with self.lock:
                self.step(Die)
                self.error = self.error or error
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Tell the worker to go and wait until it has gone."""
        with self.lock:
            if self.thread is threading.current_thread():
                raise RuntimeError(f"{self.label} was left by its own source.")
            if not self.step(Stop) and self.now().worker != "stopping":
                raise RuntimeError(f"{self.label} was left without having been entered.")
            self.wake_worker()
        self.join()

    def join(self) -> None:
        """Wait for the thread of a stop that has begun. May be interrupted and called again."""
        if self.now().worker == "stopping" and self.thread is not None:
            self.thread.join()
            with self.lock:
                if self.now().worker == "stopping":
                    self.step(Die)

    # The consumer.

    def read(self) -> T:
        """One `next`: a batch, StopIteration at an epoch's end, or the error of the source."""
        with self.lock:
            if self.step(Dequeue):
                batch = self.batches.popleft()
                if self.worker_bell is not None:
                    self.wake_worker()
                return batch
        return self.request()

    def request(self) -> T:
        """A `next` that found no batch: ask for one and wait for the answer."""
        bell: SimpleQueue[None] = SimpleQueue()
        try:
            while True:
                with self.lock:
                    ...
        finally:
            ...

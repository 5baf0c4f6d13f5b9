"""Controlled execution: the threads of the code under test, one at a time, in an order of choice.

A thread is a greenlet, which parks in front of every operation at which threads meet. Whoever
holds the `Control` chooses who goes on. The primitives below stand in for those of `threading` and
`queue`; code under test gets them in place of the real ones.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from queue import Empty
from types import SimpleNamespace
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet


class Actor:
    """A thread, and the operation that it is parked in front of."""

    def __init__(self, control: Control, function: Callable[[], Any], ident: int) -> None:
        self.ident = ident
        self.operation = "begin"
        self.target: Any = None  # what the operation is on
        self.timeout: float | None = None  # of the operation, in seconds
        self.locks = 0  # held
        self.works = False  # it was started by the code under test
        self.handling: BaseException | None = None  # the exception that it is handling
        self.options: tuple[str, ...] = ()  # what the operation may give, if that is open
        self.chosen = ""  # one of them
        self.skipped = 0  # points that it has passed since it parked
        self.ready: Callable[[], bool] = lambda: True
        self.ended = False
        self.error: BaseException | None = None
        self.greenlet = greenlet(partial(self._run, control, function))

    def _run(self, control: Control, function: Callable[[], Any], _: bool) -> None:
        try:
            function()
        except GreenletExit:
            pass
        except BaseException as error:
            self.error = error
        if not control.closing:
            control.point("end")
        self.ended = True


class Control:
    """One run of some actors."""

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self.threads: dict[Actor | None, Thread] = {}
        self.running: Actor | None = None
        self.closing = False

    def spawn(self, function: Callable[[], Any]) -> Actor:
        """A new actor, parked before its first operation."""
        actor = Actor(self, function, len(self.actors) + 1)
        self.actors.append(actor)
        return actor

    def point(
        self,
        operation: str,
        ready: Callable[[], bool] = lambda: True,
        target: Any = None,
        timeout: float | None = None,
        options: tuple[str, ...] = (),
    ) -> bool:
        """Park in front of the operation; whether it may be done, or else has timed out.

        Where it has `options`, whoever lets the actor go on chooses one.
        """
        actor = self.running
        if self.closing:
            raise GreenletExit
        if actor is None:  # set-up and inspection, from outside
            assert ready(), f"{operation} would wait, and nobody is running"
            return True
        actor.operation, actor.ready, actor.target = operation, ready, target
        actor.timeout, actor.options = timeout, options
        actor.handling = sys.exc_info()[1]
        try:
            expired: bool = actor.greenlet.parent.switch()
        finally:
            actor.handling = None  # whose traceback has this frame
        return not expired

    def choices(self) -> list[Actor]:
        """Those whose operation can be done now."""
        return [actor for actor in self.actors if not actor.ended and actor.ready()]

    def step(
        self, actor: Actor, expire: bool = False, interrupt: bool = False, chosen: str = ""
    ) -> None:
        """Let the actor do its operation, or time out, or be interrupted, and go to its next."""
        assert self.running is None
        assert expire or interrupt or actor.ready(), f"{actor.operation} has to wait"
        actor.greenlet.parent = getcurrent()
        actor.chosen = chosen
        actor.skipped = 0
        self.running = actor
        try:
            if interrupt:
                actor.greenlet.throw(KeyboardInterrupt)
            else:
                actor.greenlet.switch(expire)
        finally:
            self.running = None

    def close(self) -> None:
        """End the actors that have not ended."""
        self.closing = True
        for actor in self.actors:
            actor.greenlet.throw(GreenletExit)

    def threading(self) -> SimpleNamespace:
        """What stands in for the module `threading`."""
        return SimpleNamespace(
            Lock=partial(Lock, self),
            Thread=partial(Thread, self),
            Semaphore=partial(Semaphore, self),
            Event=partial(Event, self),
            get_ident=lambda: self.running.ident if self.running else 0,
            current_thread=lambda: self.threads.get(self.running),
        )


class Races:
    """What threads have been seen to touch without holding a lock (Eraser's rule, Savage 1997).

    All else is touched by one thread at a time, so that its order among other things makes no
    difference. What is learned holds for the runs to come: a search repeats until nothing is new.
    """

    def __init__(self) -> None:
        self.changing = {"batches", "waiters"}  # attributes that are not set once and for all
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.touched: set[tuple[str, int]] = set()  # attributes, and by whom: 0 for the workers,
        # of whom there is one at a time
        self.shared: set[str] = set()  # attributes touched by more than one

    def __len__(self) -> int:
        return len(self.changing) + len(self.read) + len(self.written) + len(self.shared)

    def needed(self, actor: Actor, name: str, write: bool) -> bool:
        """Whether another thread may touch the same at the same time, as far as is known."""
        if write:
            self.changing.add(name)
        elif name not in self.changing:
            return False
        who = 0 if actor.works else actor.ident
        if (name, who) not in self.touched:
            self.touched.add((name, who))
            if any(other != who for known, other in self.touched if known == name):
                self.shared.add(name)
        if name not in self.shared:
            return False
        if actor.locks == 0:
            (self.written if write else self.read).add(name)
            return True
        return name in self.written or (write and name in self.read)

    def touch(self, control: Control, name: str, write: bool) -> None:
        """A point of the schedule, where it is needed."""
        actor = control.running
        if actor is None:
            return
        if self.needed(actor, name, write):
            control.point(f"{'write' if write else 'read'} {name}")
        else:
            actor.skipped += 1


class Everywhere(Races):
    """Whatever is touched is a point: a schedule means the same, whatever has been learned."""

    def needed(self, actor: Actor, name: str, write: bool) -> bool:
        return True


class Nowhere(Races):
    """Nothing is a point but locks, queues, threads and pulls."""

    def needed(self, actor: Actor, name: str, write: bool) -> bool:
        return False


FIXED = {"stream_fn", "stop_timeout", "limits", "label", "lock", "batches", "waiters", "bell"}
"""Attributes of a core that are never set again. To look at them is no point."""


def watch(core: Any, control: Control, races: Races, witness: Any) -> None:
    """Put points in front of the core's attributes; `witness` sees what becomes of the state."""
    core.__class__ = type(type(core).__name__, (type(core),), {})
    for name in vars(core).keys() - FIXED:
        setattr(core.__class__, name, watched(name, control, races, witness))


def watched(name: str, control: Control, races: Races, witness: Any) -> property:
    """An attribute with points in front of it."""

    def get(core: Any) -> Any:
        races.touch(control, name, write=type(core.__dict__[name]) is list)  # in place
        return core.__dict__[name]

    def put(core: Any, value: Any) -> None:
        races.touch(control, name, write=True)
        core.__dict__[name] = value
        if control.running is not None:
            if name == "state":
                witness.changed(value)
            elif name == "ticket":
                witness.runs_ahead(value)

    return property(get, put)


class Deque(deque[Any]):
    """`deque`, whose every operation is one step; `witness` sees what becomes of it.

    A core has two, made in this order: its batches, and the bells of who waits.
    """

    def __init__(self, control: Control, races: Races, witness: Any, names: Iterator[str]) -> None:
        super().__init__()
        self.name = next(names)
        self.touch = partial(races.touch, control, self.name)
        self.witness = witness

    def append(self, item: Any) -> None:
        self.touch(write=True)
        super().append(item)
        self.witness.appended(self.name, item)

    def popleft(self) -> Any:
        self.touch(write=True)
        self.witness.pops(self.name)
        item = super().popleft()
        self.witness.popped(self.name)
        return item

    def __len__(self) -> int:
        self.touch(write=False)
        return super().__len__()


class Lock:
    """`threading.Lock`. Only taking it is a point: to let go of it hands nothing over."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.locked = False
        self.owner: Actor | None = None

    def acquire(self, timeout: float = -1) -> bool:
        self.locked = self.control.point("acquire", lambda: not self.locked, self)
        self.owner = self.control.running
        if self.owner is not None:
            self.owner.locks += 1
        return self.locked

    def release(self) -> None:
        assert self.locked
        if self.owner is not None:
            self.owner.locks -= 1
        self.locked, self.owner = False, None

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *args: object) -> None:
        self.release()


class Semaphore:
    """`threading.Semaphore`, whose `with` is one point."""

    def __init__(self, control: Control, value: int = 1) -> None:
        self.control = control
        self.value = value

    def acquire(self) -> None:
        self.control.point("semaphore.acquire", lambda: self.value > 0)
        self.value -= 1

    def release(self) -> None:
        self.control.point("semaphore.release")
        self.value += 1

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *args: object) -> None:
        self.value += 1


class Event:
    """`threading.Event`."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.value = False

    def is_set(self) -> bool:
        self.control.point("event.is_set")
        return self.value

    def set(self) -> None:
        self.control.point("event.set")
        self.value = True


class Unstartable(RuntimeError):
    """What the system says when it has no thread to give."""


class Thread:
    """`threading.Thread`. It is alive until it has passed its end."""

    def __init__(
        self,
        control: Control,
        target: Callable[..., Any],
        args: tuple[Any, ...] = (),
        name: str = "",
        daemon: bool = False,
        refused: Callable[[], bool] = lambda: False,
    ) -> None:
        self.control = control
        self.refused = refused
        self.function = partial(target, *args)
        self.actor: Actor | None = None

    @property
    def ident(self) -> int | None:
        return self.actor.ident if self.actor else None

    def start(self) -> None:
        self.control.point("thread.start", target=self)
        if self.refused():
            raise Unstartable
        self.actor = self.control.spawn(self.function)
        self.actor.works = True
        self.control.threads[self.actor] = self

    def is_alive(self) -> bool:
        self.control.point("thread.is_alive", target=self)
        return self.actor is not None and not self.actor.ended

    def join(self) -> None:
        self.control.point("thread.join", lambda: self.actor is not None and self.actor.ended, self)


class SimpleQueue:
    """`queue.SimpleQueue`. To put into it is no point: nobody can be kept from it."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        self.items.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self.control.point("queue.get", lambda: bool(self.items), self, timeout):
            raise Empty
        return self.items.popleft()


class Queue(SimpleQueue):
    """`queue.Queue`."""

    def __init__(self, control: Control, maxsize: int = 0) -> None:
        super().__init__(control)
        self.maxsize = maxsize

    def empty(self) -> bool:
        self.control.point("queue.empty")
        return not self.items

    def put(self, item: Any) -> None:
        self.control.point("queue.put", lambda: not self.maxsize or len(self.items) < self.maxsize)
        self.items.append(item)

    def get_nowait(self) -> Any:
        self.control.point("queue.get_nowait")
        if not self.items:
            raise Empty
        return self.items.popleft()

    def task_done(self) -> None:
        """Nobody joins these queues."""

"""Controlled execution: the threads of the code under test, one at a time, in an order of choice.

A thread is a greenlet, which parks in front of every operation at which threads meet. Whoever
holds the `Control` chooses who goes on. The primitives below stand in for those of `threading` and
`queue`; code under test gets them in place of the real ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
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
        self.timeout: float | None = None  # of the operation, in seconds
        self.options: tuple[str, ...] = ()  # what the operation may give, if that is open
        self.chosen = ""  # one of them
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
        actor.operation, actor.ready = operation, ready
        actor.timeout, actor.options = timeout, options
        expired: bool = actor.greenlet.parent.switch()
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
            Thread=partial(Thread, self),
            Semaphore=partial(Semaphore, self),
            Event=partial(Event, self),
            get_ident=lambda: self.running.ident if self.running else 0,
            current_thread=lambda: self.threads.get(self.running),
        )


class Races:
    """Which places are points of the schedule: all that threads can share."""

    def touch(self, control: Control, name: str, write: bool) -> None:
        """A point of the schedule, where it is needed."""
        if control.running is not None:
            control.point(f"{'write' if write else 'read'} {name}")


class Nowhere(Races):
    """Nothing is a point but queues, threads and pulls."""

    def touch(self, control: Control, name: str, write: bool) -> None:
        pass


WATCHED = {
    "Core": ("entry", "run", "sleeps"),
    "Run": ("worker", "progress", "parked", "rung", "answered", "iterator"),
    "Entry": ("claim", "light", "death"),
}
"""Attributes of the shell that threads share: to touch one is a point of the schedule."""


def watched(name: str, control: Control, races: Races) -> property:
    """An attribute with points in front of it."""

    def get(holder: Any) -> Any:
        races.touch(control, name, write=False)
        return holder.__dict__[name]

    def put(holder: Any, value: Any) -> None:
        races.touch(control, name, write=True)
        holder.__dict__[name] = value

    return property(get, put)


class Deque(deque[Any]):
    """`deque`, whose every operation is one step. To read its first is none."""

    def __init__(self, control: Control, races: Races, items: Iterable[Any] = ()) -> None:
        super().__init__(items)
        self.touch = partial(races.touch, control, "deque")

    def copy(self) -> Any:
        self.touch(write=False)
        return deque(self)

    def append(self, item: Any) -> None:
        self.touch(write=True)
        super().append(item)

    def popleft(self) -> Any:
        self.touch(write=True)
        return super().popleft()

    def __len__(self) -> int:
        self.touch(write=False)
        return super().__len__()


class List(list[Any]):
    """`list`, whose every operation is one step."""

    def __init__(self, control: Control, races: Races) -> None:
        super().__init__()
        self.touch = partial(races.touch, control, "list")

    def append(self, item: Any) -> None:
        self.touch(write=True)
        super().append(item)

    def remove(self, item: Any) -> None:
        self.touch(write=True)
        super().remove(item)

    def __getitem__(self, place: Any) -> Any:
        self.touch(write=False)
        return super().__getitem__(place)

    def __len__(self) -> int:
        self.touch(write=False)
        return super().__len__()


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
        self.control.point("thread.start")
        if self.refused():
            raise Unstartable
        self.actor = self.control.spawn(self.function)
        self.control.threads[self.actor] = self

    def is_alive(self) -> bool:
        self.control.point("thread.is_alive")
        return self.actor is not None and not self.actor.ended

    def join(self, timeout: float | None = None) -> None:
        self.control.point("thread.join", lambda: self.actor is not None and self.actor.ended)


class SimpleQueue:
    """`queue.SimpleQueue`. To put into it is no point: nobody can be kept from it."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        self.items.append(item)

    def empty(self) -> bool:
        return not self.items

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self.control.point("queue.get", lambda: bool(self.items), timeout):
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

"""Controlled execution: the threads of the code under test, one at a time, in an order of choice.

A thread is a greenlet, which parks before every operation at which threads meet. The holder of the
`Control` chooses the next one. The primitives below stand in for those of `threading` and
`queue`; code under test gets them in place of the real ones. `shared` has what stands in for the
shell's own attributes and containers.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from queue import Empty
from types import SimpleNamespace
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

LIGHT = 0.1
"""Seconds: an actor that waits for less wakes by itself."""


class Actor:
    """A thread, and the operation that it is parked in front of."""

    def __init__(self, control: Control, function: Callable[[], Any], ident: int) -> None:
        self.ident = ident
        self.operation = "begin"
        self.place = ""  # what the operation looks at, to see whether it can be done
        self.timeout: float | None = None  # of the operation, in seconds
        self.options: tuple[str, ...] = ()  # what the operation may give, if that is open
        self.chosen = ""  # one of them
        self.ready: Callable[[], bool] = lambda: True
        self.ended = False
        self.error: BaseException | None = None
        self.greenlet = greenlet(partial(self._run, control, function))

    @property
    def sleeps_lightly(self) -> bool:
        """Whether it waits so shortly that nobody has to wake it."""
        return self.timeout is not None and self.timeout < LIGHT and self.operation == "queue.get"

    def _run(self, control: Control, function: Callable[[], Any], _: bool) -> None:
        try:
            function()
        except GreenletExit:
            pass
        except BaseException as error:
            self.error = error
        if not control.closing:
            control.note("threads", write=True)  # for actors that wait for a user: it is at its end
            control.point("end")
        self.ended = True
        control.note("threads", write=True)


def always() -> bool:
    """An operation for which nobody waits."""
    return True


class Control:
    """One run of some actors. With `everywhere`, each touch of what they share is a point."""

    def __init__(self, everywhere: bool = False) -> None:
        self.actors: list[Actor] = []
        self.threads: dict[Actor | None, Thread] = {}
        self.running: Actor | None = None
        self.closing = False
        self.everywhere = everywhere
        self.goes_on: Callable[[Actor], bool] = lambda actor: False
        """Whether the actor may do its operation at once, without parking."""
        self.at_once = 0
        """So many touches the running actor may make at once, and `goes_on` is not asked."""
        self.accesses: list[tuple[str, bool]] = []
        """What was looked at and (True) written so far, by name."""
        self.turns: list[tuple[int, int, int]] = []
        """Whose steps they were: the actor's number, and where its accesses begin and end."""
        self.made: Counter[str] = Counter()  # objects with a name

    def name(self, kind: str) -> str:
        """A name for an object of a kind."""
        self.made[kind] += 1
        return f"{kind} {self.made[kind]}"

    def spawn(self, function: Callable[[], Any]) -> Actor:
        """A new actor, parked before its first operation."""
        actor = Actor(self, function, len(self.actors) + 1)
        self.actors.append(actor)
        self.note("threads", write=True)
        return actor

    def note(self, place: str, write: bool) -> None:
        """The running actor accesses this, in one step with what it does before."""
        self.accesses.append((place, write))

    def touch(self, place: str, write: bool) -> None:
        """The running actor accesses this, which is a point if all accesses are."""
        if self.running is not None and self.everywhere:
            if self.at_once:
                self.at_once -= 1
            else:
                self.point(place)
            self.accesses.append((place, write))

    def point(
        self,
        operation: str,
        ready: Callable[[], bool] = always,
        timeout: float | None = None,
        options: tuple[str, ...] = (),
        place: str = "",
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
        actor.timeout, actor.options, actor.place = timeout, options, place
        if self.goes_on(actor):
            return True
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
        begin = len(self.accesses)
        try:
            if interrupt:
                actor.greenlet.throw(KeyboardInterrupt)
            else:
                actor.greenlet.switch(expire)
        finally:
            self.running = None
            self.turns.append((actor.ident, begin, len(self.accesses)))

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
        self.control.note("threads", write=False)
        return self.actor is not None and not self.actor.ended

    def join(self, timeout: float | None = None) -> None:
        self.control.point(
            "thread.join",
            lambda: self.actor is not None and self.actor.ended,
            place="threads",
        )
        self.control.note("threads", write=False)


class SimpleQueue:
    """`queue.SimpleQueue`. To put into it is a point only where all touches are."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.items: deque[Any] = deque()
        self.name = control.name("queue")

    def put(self, item: Any) -> None:
        self.control.touch(self.name, write=True)
        self.items.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self.control.point("queue.get", lambda: bool(self.items), timeout, place=self.name):
            raise Empty
        self.control.note(self.name, write=True)
        return self.items.popleft()


class Bell(SimpleQueue):
    """The kernel's bell: one ring at a time."""

    def put(self) -> None:  # type: ignore[override]
        self.control.touch(self.name, write=True)
        if not self.items:
            self.items.append(None)


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

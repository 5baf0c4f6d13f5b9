"""Runs a program on the real `StreamWrapper` under a schedule of choice, against the oracle."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from typing import Any, NamedTuple

import pytest

from kernel import StreamWrapper, stream
from kernel.machine import ACTIONS, INITIAL, Limits, State, Variables
from specs.epochs import BATCH, END, FAILURE, epochs
from specs.properties import INVARIANTS, Now

from .control import Actor, Control, Deque, Races, SimpleQueue, Thread, Unstartable, watched


class Boom(Exception):
    """What the sources raise."""


class Wrong(AssertionError):
    """What a schedule has shown, of one of these kinds.

    observation: something else than the oracle's; leaked thread: one that outlives `with`; lost
    wake-up: only a time-out could go on; deadlock: not even that; livelock: no way to the end;
    outside the lock: a step that is taken by who does not hold it; not an action: one that the
    machine does not have; invariant: a state that is none of the machine's.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Program(NamedTuple):
    """What the user calls, and what the source answers."""

    capacity: int
    epoch_size: int
    calls: tuple[str, ...]  # "Enter", "Exit", "Allow", "Disallow", "Next"; "Interrupted", an Exit
    # at which Ctrl-C may strike; "EnterDead", an Enter whose thread cannot start;
    # "Prefetched": wait until nobody else can go on, and find the buffer full
    answers: tuple[Any, ...]  # batches, "exhausted", "raised"; from the first again when used up

    @property
    def script(self) -> tuple[str, ...]:
        """The calls, with two that show what is left."""
        return (*self.calls, "Next", "Next")


class Script:
    """What a source answers, again and again, and how far that has come."""

    def __init__(self, answers: tuple[Any, ...]) -> None:
        self.answers = answers
        self.given = 0

    def __iter__(self) -> Script:
        return self

    def __next__(self) -> Any:
        self.given += 1
        return self.answers[(self.given - 1) % len(self.answers)]


class Source:
    """A source whose pulls are points of the schedule. All its passes go on in one script."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.script = Script(run.program.answers)

    def __call__(self) -> Pass:
        return Pass(self)


class Pass:
    """One pass of it."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __iter__(self) -> Pass:
        return self

    def __next__(self) -> Any:
        run = self.source.run
        if run.pulls:
            raise Wrong("observation", "two pulls at once")
        if run.held >= max(1, run.program.capacity):
            raise Wrong("observation", "a pull without a slot")
        run.pulls += 1
        try:
            run.control.point("pull")
        finally:
            run.pulls -= 1
        return answered(next(self.source.script))


def answered(answer: Any) -> Any:
    """What `next` gives for an answer of the script."""
    if answer == "raised":
        raise Boom
    if answer == "exhausted":
        raise StopIteration
    return answer


def one_pass(script: Iterator[Any]) -> Iterator[Any]:
    """A pass of the same source, as the oracle reads it."""
    for answer in script:
        try:
            batch = answered(answer)
        except StopIteration:
            return
        yield batch


class Run:
    """One run of a program, by threads under control.

    Beside it goes the protocol: each thing that the shell does, with its lock or without, is seen
    as the step of the machine that it means, or as none. With `races`, whatever threads may touch
    at the same time is a point of the schedule; without, only locks, bells, threads and pulls are.
    """

    def __init__(
        self, program: Program, patch: pytest.MonkeyPatch, races: Races | None = None
    ) -> None:
        self.program = program
        self.control = Control()
        self.refused = False  # whether threads can start
        self.pulls = 0  # in flight
        self.gates: list[Any] = []  # that the user has entered
        self.wants = False  # the user is in `next`
        self.at = 0  # the call that the user is in
        self.inside = False
        self.now: State = INITIAL  # of the protocol
        self.edges: list[tuple[State, State]] = []  # the steps that it took
        self.ahead = 0  # batches that the worker has put, and not told of
        self.put_last = False  # and it has not asked for the next yet
        self.ticket: State | None = None  # what it looks for before it does
        races = Races(points=False) if races is None else races
        threading = self.control.threading()
        threading.Thread = partial(Thread, self.control, refused=lambda: self.refused)
        patch.setattr(stream, "threading", threading)
        patch.setattr(stream, "SimpleQueue", partial(SimpleQueue, self.control))
        patch.setattr(stream, "_cores", weakref.WeakSet())  # no fork should look for its lock
        patch.setattr(stream, "deque", partial(Deque, self.control, races, self))
        patch.setattr(stream, "_Core", watched(stream._Core, self.control, races, self))
        self.wrapper = StreamWrapper(Source(self), program.capacity, program.epoch_size or -1)
        self.core = self.wrapper._core
        self.script = Script(program.answers)
        self.read_from_here()
        self.user = self.control.spawn(self.use)

    def read_from_here(self) -> None:
        """Let the oracle begin an epoch, with a pass of its own."""
        self.expected = epochs(partial(one_pass, self.script), self.program.epoch_size)  # type: ignore[no-untyped-call]

    def use(self) -> None:
        """The user's thread."""
        script = self.program.script
        while self.at < len(script):
            getattr(self, f"call_{script[self.at]}")()
            self.at += 1

    def call_Allow(self) -> None:
        """Open a gate."""
        self.gates.append(self.wrapper.allow_buffering)
        self.gates[-1].__enter__()

    def call_Disallow(self) -> None:
        """Shut the gate that was opened last."""
        self.gates[-1].__exit__(None, None, None)
        self.gates.pop()

    def call_Prefetched(self) -> None:
        """Wait until nobody else can go on, and find the buffer full."""
        others = [actor for actor in self.control.actors if actor is not self.user]
        self.control.point("rest", lambda: not any(a.ready() and not a.ended for a in others))
        if self.held != self.program.capacity:
            raise Wrong("observation", "nothing was prefetched, although the gate is open")

    def call_EnterDead(self) -> None:
        """Enter, with a thread that cannot start."""
        self.refused = True
        self.call_Enter()
        self.refused = False

    def call_Enter(self) -> None:
        """Enter, which is refused inside."""
        if self.inside:
            with pytest.raises(RuntimeError, match="twice"):
                self.wrapper.__enter__()
        else:
            self.wrapper.__enter__()
        self.inside = True

    def call_Interrupted(self) -> None:
        """Leave, unless Ctrl-C strikes meanwhile."""
        with suppress(KeyboardInterrupt):
            self.call_Exit()

    def call_Exit(self) -> None:
        """Leave, after which no thread lives."""
        self.inside = False
        self.wrapper.__exit__(None, None, None)
        if any(actor is not self.user and not actor.ended for actor in self.control.actors):
            raise Wrong("leaked thread", "a thread outlives `with`")

    def call_Next(self) -> None:
        """One `next`, which must give what the oracle gives."""
        if self.program.capacity and self.now[stream.SCOPE] == "new":
            return
        self.wants = True
        try:
            got = BATCH, next(self.wrapper)
        except StopIteration:
            got = END, None
        except (ChildProcessError, Boom) as error:
            got = FAILURE, error
        self.wants = False
        if got[0] == FAILURE and isinstance(got[1].__cause__, Unstartable):
            self.read_from_here()  # a death is not the source's doing, but an error like its own
            return
        kind, value = next(self.expected)
        if got[0] != kind or (kind == BATCH and got[1] is not value):
            raise Wrong("observation", f"{got}, where an unbuffered reading gives {(kind, value)}")

    # The protocol beside the shell.

    def hidden(self, name: str) -> Any:
        """An attribute of the core. To look at it is no point of the schedule."""
        return object.__getattribute__(self.core, name)

    @property
    def held(self) -> int:
        """Batches that are buffered."""
        return deque.__len__(self.hidden("batches"))

    def meant(self, state: State) -> State:
        """The state of the protocol that the shell's means, with what is not in it yet."""
        now = Variables(*state)
        return now._replace(
            buffered=self.held,
            fetching=now.fetching and not self.put_last,
            count=now.count + (self.ahead if self.program.epoch_size else 0),
            consumer="idle" if self.held else now.consumer,  # it was served
        )

    def take(self, action: str) -> None:
        """Something meant this action."""
        then = getattr(stream, action)(self.core.limits, self.now)
        if then is None:
            raise Wrong("not an action", f"{action} in {self.now}")
        self.edges.append((self.now, then))
        self.now = then

    def put(self) -> None:
        """A batch was appended: an Enqueue, by who holds the lock or by a worker that runs ahead."""
        if self.running.locks == 0:
            self.ahead += 1
            self.put_last = True
        self.take("Enqueue")

    def taken(self) -> None:
        """A batch was taken: a Dequeue."""
        self.take("Dequeue")

    def looked(self, state: State) -> None:
        """The state was read: a Fetch, if a worker that runs ahead finds it as it was."""
        if self.put_last and self.running is not self.user and self.running.locks == 0:
            if state is self.ticket:
                self.put_last = False
                self.permitted()
                self.take("Fetch")

    def changed(self, state: State) -> None:
        """The state was replaced: by an action, or to say what has been done without the lock."""
        if self.running.locks == 0:
            raise Wrong("outside the lock", f"{self.now} becomes {self.meant(state)}")
        if self.running is not self.user:
            self.ahead, self.put_last = 0, False
        then = self.meant(state)
        if then == self.now:
            return
        for action in ACTIONS:
            if getattr(stream, action.__name__)(self.core.limits, self.now) == then:
                break
        else:
            raise Wrong("not an action", f"{self.now} becomes {then}")
        if action.__name__ == "Fetch":
            self.permitted()
            self.ticket = state
        self.take(action.__name__)

    def permitted(self) -> None:
        """A pull starts: there is a gate open, or a request that was not served."""
        if not self.gates and not (self.wants and self.held == 0):
            raise Wrong("observation", "a pull starts, shut as the gate is, and unasked for")

    @property
    def running(self) -> Actor:
        """Who does all this."""
        assert self.control.running is not None
        return self.control.running

    @property
    def ended(self) -> bool:
        """Whether the user has come to the end."""
        return self.user.operation == "end"

    def moves(self, timeouts: bool = False) -> list[str]:
        """Who can go on: actors by number; with `!` by an interrupt, with `~` by a time-out.

        Time-outs are no way out: where nothing else can go on, somebody was not woken.
        """
        if self.ended:
            return []
        moves = [str(actor.ident) for actor in self.control.choices()]
        waiting = [a for a in self.control.actors if a.timeout is not None and not a.ended]
        waiting = [actor for actor in waiting if not actor.ready()]
        if not moves:
            what = ", ".join(f"{a.ident}: {a.operation}" for a in self.control.actors)
            raise Wrong("lost wake-up" if waiting else "deadlock", f"nobody can go on ({what})")
        if timeouts:
            moves += [f"{actor.ident}~" for actor in waiting]
        call = self.program.script[self.at]
        if call == "Interrupted" and self.user.operation == "queue.get":
            moves.append(f"{self.user.ident}!")
        return moves

    def move(self, move: str) -> None:
        """Let somebody go on. Raises `Wrong` if anything is."""
        actor = self.control.actors[int(move.rstrip("!~")) - 1]
        self.control.step(actor, expire=move.endswith("~"), interrupt=move.endswith("!"))
        for actor in self.control.actors:
            if isinstance(actor.error, Wrong):
                raise actor.error
            if actor.error is not None:
                raise Wrong("observation", f"{actor.error!r} in {actor.ident}") from actor.error
        self.check()

    def check(self) -> None:
        """The invariants of the machine, and that the shell means what it should."""
        if (name := violated(self.now, self.core.limits)) is not None:
            raise Wrong("invariant", f"{name} in {self.now}")
        if not self.hidden("lock").locked:
            if self.meant(self.hidden("state")) != self.now:
                raise Wrong("invariant", f"the shell means {self.hidden('state')}, not {self.now}")
            if (self.hidden("error") is None) != (self.now[stream.EPOCH] != "failed"):
                raise Wrong("invariant", "an error beside the machine")


@lru_cache(maxsize=None)
def violated(state: State, limits: Limits) -> str | None:
    """An invariant that the state violates, of those that ask for no history; if there is one."""
    invariants = INVARIANTS.items()
    asked = ((n, holds) for n, holds in invariants if n not in ("Conservation", "OnePuller"))
    return next((n for n, holds in asked if not holds(Now(state), limits)), None)


@contextmanager
def running(program: Program, races: Races | None = None) -> Iterator[Run]:
    """A run of the program, to be moved. Its threads end with the context."""
    with pytest.MonkeyPatch.context() as patch:
        run = Run(program, patch, races)
        try:
            yield run
        finally:
            run.control.close()


def run(
    program: Program,
    choose: Callable[[list[str]], str],
    races: Races | None = None,
    most: int = 5000,
) -> list[str]:
    """Run the program once, by moves of choice. Returns the moves; raises `Wrong`."""
    schedule: list[str] = []
    with running(program, races) as going:
        while moves := going.moves():
            if len(schedule) == most:
                raise Wrong("livelock", f"no end after {most} moves")
            schedule.append(choose(moves))
            going.move(schedule[-1])
    return schedule


PROGRAMS = {
    "restart": Program(
        2,
        0,
        ("Enter", "Allow", "Next", "Exit", "Enter", "Next", "Next", "Disallow", "Exit", "Next"),
        (1, 2, "exhausted"),
    ),
    "stop at a boundary": Program(
        3,
        2,
        ("Enter", "Allow", "Exit", "Enter", "Next", "Next", "Next", "Exit", "Enter", "Next"),
        (1, 2, 3, "exhausted"),
    ),
    "gate": Program(
        1,
        3,
        ("Enter", "Allow", "Allow", "Disallow", "Next", "Disallow", "Next", "Next", "Next", "Exit"),
        (1, "exhausted", 2, 3, 4, "exhausted"),
    ),
    "errors": Program(
        2,
        2,
        ("Enter", "Next", "Allow", "Next", "Next", "Exit", "Next", "Enter", "Next", "Next", "Exit"),
        (1, "raised", 2, "raised", "exhausted", 3, "exhausted"),
    ),
    "prefetch": Program(
        2, 0, ("Enter", "Allow", "Prefetched", "Next", "Prefetched", "Exit", "Next"), (1, 2, 3, 4)
    ),
    "epochs of one": Program(
        2, 1, ("Enter", "Allow", "Next", "Next", "Exit", "Enter", "Next", "Next"), (1, "exhausted")
    ),
    "empty passes": Program(
        2,
        3,
        ("Enter", "Allow", "Next", "Next", "Next", "Exit", "Next"),
        ("exhausted", 1, "exhausted"),
    ),
    "interrupted stop": Program(
        2, 2, ("Enter", "Allow", "Next", "Interrupted", "Enter", "Next", "Next", "Exit"), (1, 2, 3)
    ),
    "death": Program(
        2,
        2,
        ("Enter", "Allow", "Next", "Exit", "EnterDead", "Next", "Next", "Next", "Exit", "Next"),
        (1, 2, 3, "exhausted"),
    ),
    "misuse": Program(
        1,
        0,
        ("Enter", "Enter", "Allow", "Next", "Next", "Exit", "Next", "Next"),
        (None, 1, "exhausted"),
    ),
    "unbuffered": Program(
        0,
        2,
        ("Next", "Next", "Next", "Enter", "Next", "Exit", "Next"),
        (1, "exhausted", "raised", 2),
    ),
}

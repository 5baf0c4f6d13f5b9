"""Runs a program on the real `StreamWrapper` under a schedule of choice, against the oracle."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn

import pytest

from kernel import StreamWrapper, claims, core, launch, scope
from kernel import run as side
from specs.epochs import BATCH, END, FAILURE, epochs

from .control import (
    WATCHED,
    Actor,
    Control,
    Deque,
    List,
    Nowhere,
    Races,
    SimpleQueue,
    Thread,
    Unstartable,
    watched,
)


class Boom(Exception):
    """What the sources raise."""


class Wrong(AssertionError):
    """What a schedule has shown, of one of these kinds.

    observation: something else than the oracle's; leaked thread: one that outlives `with`; lost
    wake-up: only a time-out could go on; deadlock: not even that; livelock: no way to the end.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


ANSWERS = ("batch", "exhausted", "raised")


class Program(NamedTuple):
    """What the users call, and what the source answers.

    Calls are "Enter", "Exit", "Allow", "Disallow", "Next"; "Interrupted" and "NextInterrupted": an
    Exit or a Next at which Ctrl-C may strike while it waits; "EnterDead": an Enter whose thread
    cannot start; "Prefetched": wait until nobody else can go on, and find the buffer full; "Start"
    the second user, and "Join" it. A number stands for so many calls, whichever they are.
    """

    capacity: int
    epoch_size: int
    calls: tuple[str, ...] | int
    answers: tuple[Any, ...] = ()  # batches, "exhausted", "raised"; from the first again when used
    # up. None at all stands for any of `ANSWERS`, each time
    other: tuple[str, ...] | int = ()  # calls of a second user

    @property
    def script(self) -> tuple[str, ...] | int:
        """The calls, with two that show what is left."""
        return self.calls if isinstance(self.calls, int) else (*self.calls, "Next", "Next")


class Local:
    """`threading.local` with one attribute: a thread's own object, also of whoever is no actor."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.threads: dict[Actor | None, claims.Thread] = {}

    @property
    def thread(self) -> claims.Thread:
        return self.threads.setdefault(self.control.running, claims.Thread())


class Batch:
    """A batch, which is itself and no other."""


class Source:
    """A source whose pulls are points of the schedule. All its passes go on in one script."""

    def __init__(self, answers: tuple[Any, ...], run: Run) -> None:
        self.answers = answers
        self.run = run
        self.given = 0  # place in the answers
        self.untold: deque[Any] = deque()  # what the oracle has not read yet

    def __call__(self) -> Pass:
        return Pass(self)

    def answer(self, chosen: str) -> Any:
        """The next answer."""
        answer: Any = chosen
        if self.answers:
            answer = self.answers[self.given]
            self.given = (self.given + 1) % len(self.answers)
        if answer not in ("exhausted", "raised", None):
            answer = Batch()
        self.untold.append(answer)
        return answer

    def one_pass(self) -> Iterator[Any]:
        """A pass of the same source, as the oracle reads it."""
        while True:
            if not self.untold:
                self.run.fail("observation", "what is told was never pulled")
            try:
                batch = answered(self.untold.popleft())
            except StopIteration:
                return
            yield batch


class Pass:
    """One pass of it."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __iter__(self) -> Pass:
        return self

    def __next__(self) -> Any:
        run = self.source.run
        if run.pulls:
            run.fail("observation", "two pulls at once")
        if run.held >= max(1, run.program.capacity):
            run.fail("observation", "a pull without a slot")
        run.pulls += 1
        run.pull_starts()
        try:
            run.control.point("pull", options=() if self.source.answers else ANSWERS)
        finally:
            run.pulls -= 1
        return answered(self.source.answer(run.running.chosen))


def answered(answer: Any) -> Any:
    """What `next` gives for an answer of the script."""
    if answer == "raised":
        raise Boom
    if answer == "exhausted":
        raise StopIteration
    return answer


@cache
def possible(first: bool, inside: bool, gate: bool, alone: bool) -> tuple[str, ...]:
    """The calls that make sense, where any may be made; a second user reads, and may leave."""
    calls = ["Next"]
    if inside:
        calls += ["Exit"]
    if first:
        calls += ["NextInterrupted", "Interrupted" if inside else "Enter"]
        calls += ["Disallow" if gate else "Allow"]
    if alone:
        calls += ["Start"]
    return tuple(calls)


class User:
    """A thread that makes the calls, and what it is to be told."""

    def __init__(self, run: Run, calls: tuple[str, ...] | int) -> None:
        self.run = run
        self.calls = calls
        self.at = 0  # the call that it is in
        self.call = ""
        self.wants = False  # it is in `next`
        self.together = False  # and so was another, meanwhile
        self.actor = run.control.spawn(self.use)
        run.users_by_actor[self.actor] = self

    @property
    def ended(self) -> bool:
        """Whether it has come to the end."""
        return self.actor.ended or self.actor.operation == "end"

    @property
    def possible(self) -> tuple[str, ...]:
        """The calls that it may make here."""
        run = self.run
        alone = bool(run.program.other) and len(run.users) == 1
        return possible(self is run.users[0], run.inside, bool(run.gates), alone)

    def use(self) -> None:
        """Make the calls."""
        calls = self.calls
        while self.at < (calls if isinstance(calls, int) else len(calls)):
            if isinstance(calls, int):
                self.run.control.point("call", options=self.possible)
                self.call = self.actor.chosen
            else:
                self.call = calls[self.at]
            getattr(self, f"call_{self.call}")()
            self.call = ""
            self.at += 1

    def call_Allow(self) -> None:
        """Open a gate."""
        self.run.gates.append(self.run.wrapper.allow_buffering)
        self.run.gates[-1].__enter__()

    def call_Disallow(self) -> None:
        """Shut the gate that was opened last."""
        self.run.gates[-1].__exit__(None, None, None)
        self.run.gates.pop()

    def call_Prefetched(self) -> None:
        """Wait until nobody else can go on, and find the buffer full."""
        others = [actor for actor in self.run.control.actors if actor is not self.actor]
        self.run.control.point("rest", lambda: not any(a.ready() and not a.ended for a in others))
        if self.run.held != self.run.program.capacity:
            self.run.fail("observation", "nothing was prefetched, although the gate is open")

    def call_Start(self) -> None:
        """Let the second user begin."""
        self.run.users.append(User(self.run, self.run.program.other))

    def call_Join(self) -> None:
        """Wait for the second user."""
        other = self.run.users[1]
        self.run.control.point("join", lambda: other.ended)

    def call_EnterDead(self) -> None:
        """Enter, with a thread that cannot start."""
        self.run.refused = True
        self.call_Enter()
        self.run.refused = False

    def call_Enter(self) -> None:
        """Enter, which is refused inside; and while another reads."""
        if self.run.inside:
            with pytest.raises(RuntimeError, match="twice"):
                self.run.wrapper.__enter__()
            return
        with self.refusable("was entered "):
            self.run.wrapper.__enter__()
            self.run.inside = True

    @contextmanager
    def refusable(self, why: str) -> Iterator[None]:
        """What may be refused, with a clear word, for what another user does."""
        try:
            yield
        except RuntimeError as error:
            if len(self.run.users) == 1 or why not in str(error):
                raise

    def call_Interrupted(self) -> None:
        """Leave, unless Ctrl-C strikes meanwhile."""
        with suppress(KeyboardInterrupt):
            self.call_Exit()

    def call_Exit(self) -> None:
        """Leave, after which no thread lives of those that did."""
        run = self.run
        run.inside = False
        users = [user.actor for user in run.users]
        workers = [actor for actor in run.control.actors if actor not in users]
        with self.refusable("was left without"):
            run.wrapper.__exit__(None, None, None)
        if not all(actor.ended for actor in workers) and not self.helped:
            run.fail("leaked thread", "a thread outlives `with`")

    @property
    def helped(self) -> bool:
        """Whether another user waits for the same stop: one of the two joins the thread."""
        others = [user.call for user in self.run.users if user is not self]
        return any(call in ("Enter", "Exit", "Interrupted") for call in others)

    def call_NextInterrupted(self) -> None:
        """One `next`, unless Ctrl-C strikes while it waits."""
        with suppress(KeyboardInterrupt):
            self.call_Next()
        self.wants = False

    def call_Next(self) -> None:
        """One `next`, which must give what the oracle gives."""
        run = self.run
        new = run.core.__dict__["entry"] is None and run.program.capacity > 0
        others = [user for user in run.users if user.wants]
        self.wants, self.together = True, bool(others)
        for user in others:
            user.together = True
        try:
            got: tuple[str, Any] | None = (BATCH, next(run.wrapper))
        except StopIteration:
            got = END, None
        except (ChildProcessError, Boom) as error:
            got = FAILURE, (error.__cause__ if run.program.capacity else error)
        except ValueError:  # it was not entered
            if not new:
                raise
            got = None
        except RuntimeError:  # the other is waiting: nothing is told
            if not self.together:
                raise
            got = None
        self.wants = False
        if got is not None:
            run.got(got)


def same(got: tuple[str, Any], due: tuple[str, Any]) -> bool:
    """Whether both are the same batch, an end, or an error of the same kind."""
    if got[0] == FAILURE:
        return due[0] == FAILURE and type(got[1]) is type(due[1])
    return got[0] == due[0] and got[1] is due[1]


class Run:
    """One run of a program, by threads under control. `races` says what is a point of it."""

    def __init__(self, program: Program, patch: pytest.MonkeyPatch, races: Races) -> None:
        self.program = program
        self.control = control = Control()
        self.refused = False  # whether threads can start
        self.pulls = 0  # in flight
        self.gates: list[Any] = []  # that a user has entered
        self.inside = False
        self.wrong: Wrong | None = None
        self.given: list[Any] = []  # batches
        threading = control.threading()
        threading.Thread = partial(Thread, control, refused=lambda: self.refused)
        started = SimpleNamespace(start_new_thread=lambda call, arguments: call(*arguments))
        here = SimpleNamespace(run=lambda call, *arguments: call(*arguments))
        patch.setattr(launch, "threading", threading)
        patch.setattr(launch, "_thread", started)
        patch.setattr(launch, "contextvars", SimpleNamespace(copy_context=lambda: here))
        patch.setattr(claims._this_thread, "__defaults__", (Local(control), claims.Thread))
        for module in (core, launch, scope):
            patch.setattr(module, "SimpleQueue", partial(SimpleQueue, control))
        patch.setattr(side, "deque", partial(Deque, control, races))
        for kind in (core.Core, side.Run, core.Entry):
            for name in WATCHED[kind.__name__]:
                patch.setattr(kind, name, watched(name, control, races), raising=False)
        self.source = Source(program.answers, self)
        listed = partial(List, control, races)
        made: Any = core.Entry.__init__

        def entry(self: Any) -> None:
            made(self)
            self.over = listed()

        patch.setattr(core.Entry, "__init__", entry)
        begun: Any = side.Run.__init__

        def run(self: Any, *arguments: Any) -> None:
            begun(self, *arguments)
            self.pullers = listed()

        patch.setattr(side.Run, "__init__", run)
        self.wrapper = StreamWrapper(self.source, program.capacity, program.epoch_size or -1)
        self.core: Any = self.wrapper._core
        for name in ("entering", "requests", "gates"):
            setattr(self.core, name, listed())
        self.read_from_here()
        self.users_by_actor: dict[Actor, User] = {}
        self.users = [User(self, program.script)]

    def fail(self, kind: str, text: str) -> NoReturn:
        """Something is wrong; the code under test may swallow what is raised, not what is kept."""
        self.wrong = self.wrong or Wrong(kind, text)
        raise self.wrong

    def read_from_here(self) -> None:
        """Let the oracle begin an epoch, with a pass of its own."""
        self.expected = epochs(self.source.one_pass, self.program.epoch_size)  # type: ignore[no-untyped-call]

    @property
    def held(self) -> int:
        """Batches that are buffered."""
        return deque.__len__(self.core.__dict__["run"].batches)

    def pull_starts(self) -> None:
        """A pull starts: there is a gate open, or a request that was not served."""
        gated = isinstance(self.program.calls, int) or "Allow" in self.program.calls
        asked = self.held == 0 and any(user.wants for user in self.users)
        if not gated and not asked:  # where there is a gate, one pull may be on its way
            self.fail("observation", "a pull starts, shut as the gate is, and unasked for")

    def got(self, got: tuple[str, Any]) -> None:
        """A user was given this. Where there are two, each batch goes to one of them."""
        if got[0] == BATCH:
            if got[1] is not None and any(got[1] is given for given in self.given):
                self.fail("observation", "a batch is given twice")
            self.given.append(got[1])
        if got[0] == FAILURE and type(got[1]) is Unstartable:
            self.read_from_here()
        elif not self.program.other:
            due = next(self.expected)
            if not same(got, due):
                self.fail("observation", f"{got}, where an unbuffered reading gives {due}")

    @property
    def running(self) -> Actor:
        """Who does all this."""
        assert self.control.running is not None
        return self.control.running

    @property
    def ended(self) -> bool:
        """Whether all users have come to the end."""
        return all(user.ended for user in self.users)

    def moves(self, timeouts: bool = False) -> list[str]:
        """Who can go on, workers to the last: actors by number, and how.

        With `=` and what they choose where that is open, `!` by an interrupt, `~` by a time-out.

        Time-outs are no way out: where nothing else can go on, somebody was not woken.
        """
        moves = []
        for actor in self.control.choices():
            if actor.options:
                moves += [f"{actor.ident}={option}" for option in actor.options]
            elif actor not in self.users_by_actor or actor.operation != "end":
                moves.append(str(actor.ident))
        if self.ended:
            return moves
        waiting = [a for a in self.control.actors if a.timeout is not None and not a.ended]
        waiting = [actor for actor in waiting if not actor.ready()]
        if not moves:
            what = ", ".join(f"{a.ident}: {a.operation}" for a in self.control.actors)
            raise Wrong("lost wake-up" if waiting else "deadlock", f"nobody can go on ({what})")
        if timeouts:
            moves += [f"{actor.ident}~" for actor in waiting]
        for user in self.users:
            if "Interrupted" in user.call and user.actor.operation == "queue.get":
                moves.append(f"{user.actor.ident}!")
        return moves

    def move(self, move: str) -> None:
        """Let somebody go on. Raises `Wrong` if anything is."""
        who, _, chosen = move.rstrip("!~").partition("=")
        actor = self.control.actors[int(who) - 1]
        self.control.step(actor, move[-1] == "~", move[-1] == "!", chosen)
        if self.wrong is not None:
            raise self.wrong
        if actor.error is not None:
            raise Wrong("observation", f"{actor.error!r} in {actor.ident}") from actor.error
        sleeps = any(user.wants and user.actor.operation == "queue.get" for user in self.users)
        if sleeps and self.held and all(map(self.rests, self.control.actors)):
            raise Wrong("lost wake-up", "a consumer sleeps beside a batch")

    def rests(self, actor: Actor) -> bool:
        """Whether the actor may go on late or never: it waits, or is in a pull."""
        return actor.ended or actor.operation in ("pull", "end") or not actor.ready()


@contextmanager
def running(program: Program, races: Races) -> Iterator[Run]:
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
    most: int = 20_000,
) -> list[str]:
    """Run the program once, by moves of choice. Returns the moves; raises `Wrong`.

    Without `races`, nothing is a point of the schedule but queues, threads and pulls.
    """
    schedule: list[str] = []
    with running(program, Nowhere() if races is None else races) as going:
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
    "stop-at-a-boundary": Program(
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
    "epochs-of-one": Program(
        2, 1, ("Enter", "Allow", "Next", "Next", "Exit", "Enter", "Next", "Next"), (1, "exhausted")
    ),
    "empty-passes": Program(
        2,
        3,
        ("Enter", "Allow", "Next", "Next", "Next", "Exit", "Next"),
        ("exhausted", 1, "exhausted"),
    ),
    "interrupted-stop": Program(
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
    "interrupted-next": Program(
        1,
        2,
        ("Enter", "NextInterrupted", "Allow", "NextInterrupted", "Exit", "NextInterrupted"),
        (1, "exhausted", 2, "raised"),
    ),
    "two-consumers": Program(
        1,
        2,
        ("Enter", "Allow", "Start", "Next", "Join", "Exit"),
        (1, 2, "exhausted"),
        ("Next", "Next"),
    ),
    "two-consumers-shut": Program(
        1, 0, ("Enter", "Start", "Next", "Join"), (1, "raised"), ("Next",)
    ),
    "two-consumers-outside": Program(
        1, 0, ("Enter", "Exit", "Start", "Next", "Join"), (1, "exhausted"), ("Next", "Next")
    ),
    "closed-by-another": Program(
        1,
        0,
        ("Enter", "Allow", "Start", "Next", "Join", "Enter"),
        (1, "exhausted"),
        ("Exit",),
    ),
    "left-by-two": Program(
        1, 0, ("Enter", "Start", "Exit", "Enter", "Next", "Join"), (1, "raised"), ("Exit",)
    ),
    "closed-while-waiting": Program(
        1, 0, ("Enter", "Start", "Next", "Next", "Join"), (1, "raised"), ("Exit",)
    ),
}

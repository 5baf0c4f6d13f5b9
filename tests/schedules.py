"""Runs a program on the real `StreamWrapper` under a schedule of choice, against the oracle."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import Any, NamedTuple, NoReturn

import pytest

from kernel import StreamWrapper, machine, stream
from kernel.machine import ACTIONS, INITIAL, Action, Limits, State, Variables
from specs.epochs import BATCH, END, FAILURE, epochs
from specs.properties import INVARIANTS, Now

from .control import (
    FIXED,
    Actor,
    Control,
    Deque,
    Nowhere,
    Races,
    SimpleQueue,
    Thread,
    Unstartable,
    watch,
)


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
        self.quiet: Any = None  # the bell by which it waits there, if it has not told
        self.together = False  # and so was another, meanwhile
        self.due: tuple[str, Any] | None = None  # what the machine has told it, by the oracle
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
        new = run.now[stream.SCOPE] == "new" and run.program.capacity > 0
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
        due, self.due = self.due, None
        if got is None and due is None:
            return
        if got is None or due is None or not same(got, due):
            run.fail("observation", f"{got}, where an unbuffered reading gives {due}")


def same(got: tuple[str, Any], due: tuple[str, Any]) -> bool:
    """Whether both are the same batch, an end, or an error of the same kind."""
    if got[0] == FAILURE:
        return due[0] == FAILURE and type(got[1]) is type(due[1])
    return got[0] == due[0] and got[1] is due[1]


class Run:
    """One run of a program, by threads under control.

    Beside it goes the protocol: each thing that the shell does, with its lock or without, is seen
    as the step of the machine that it means, or as none. `races` says which places are points of
    the schedule beside locks, bells, threads and pulls.
    """

    def __init__(self, program: Program, patch: pytest.MonkeyPatch, races: Races) -> None:
        self.program = program
        self.control = Control()
        self.refused = False  # whether threads can start
        self.pulls = 0  # in flight
        self.gates: list[Any] = []  # that a user has entered
        self.inside = False
        self.now: State = INITIAL  # of the protocol
        self.edges: list[tuple[State, State]] = []  # the steps that it took
        self.ahead = 0  # batches that the worker has put, and not told of
        self.untold = False  # and it is in a pull that it has not told of
        self.settling = False  # a batch was put with the lock, and the state does not say so yet
        self.buried = False  # the next error is about a dead worker
        self.wrong: Wrong | None = None
        threading = self.control.threading()
        threading.Thread = partial(Thread, self.control, refused=lambda: self.refused)
        patch.setattr(stream, "threading", threading)
        patch.setattr(stream, "SimpleQueue", partial(SimpleQueue, self.control))
        patch.setattr(stream, "_cores", weakref.WeakSet())  # no fork should look for its lock
        names = iter(("batches", "waiters"))
        patch.setattr(stream, "deque", partial(Deque, self.control, races, self, names))
        self.source = Source(program.answers, self)
        self.wrapper = StreamWrapper(self.source, program.capacity, program.epoch_size or -1)
        self.core = self.wrapper._core
        watch(self.core, self.control, races, self)
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

    # The protocol beside the shell.

    def hidden(self, name: str) -> Any:
        """An attribute of the core. To look at it is no point of the schedule."""
        return self.core.__dict__[name]

    @property
    def held(self) -> int:
        """Batches that are buffered."""
        return deque.__len__(self.core.__dict__["batches"])

    def meant(self, state: State) -> State:
        """The state of the protocol that the shell's means, with what is not in it yet."""
        scope, worker, epoch, _, fetching, count, yielded, permits, consumer = state
        held = self.held
        if held:
            consumer = "idle"  # it was served
        elif epoch == "begun" and any(user.quiet for user in self.users):
            consumer = "waiting"
        if self.program.epoch_size:
            count += self.ahead
        fetching = fetching or self.untold
        return scope, worker, epoch, held, fetching, count, yielded, permits, consumer

    def take(self, action: str) -> None:
        """Something meant this action."""
        then = used(action)(self.core.limits, self.now)
        if then is None:
            self.fail("not an action", f"{action} in {self.now}")
        self.edges.append((self.now, then))
        self.now = then
        if action == "Bury":
            self.buried = True
            self.read_from_here()
        elif action in ("Dequeue", "EndEpoch", "Raise"):
            self.tell()

    def tell(self) -> None:
        """Who is running is told the next that the oracle tells."""
        user = self.user
        if user is None or user.due is not None:
            self.fail("observation", f"nobody gets {user.due if user else 'what is taken'}")
        if self.buried:
            self.buried, user.due = False, (FAILURE, Unstartable())
        else:
            user.due = next(self.expected)

    def appended(self, name: str, item: Any) -> None:
        """A batch was put: an Enqueue. Or a bell, which is a request where nothing is buffered."""
        if name == "waiters":
            if self.user is not None:
                self.user.quiet = item
            self.ask(self.user)
            return
        if self.running.locks == 0:
            self.ahead += 1
            self.untold = False
        else:
            self.settling = True
        self.take("Enqueue")

    def popped(self, name: str) -> None:
        """A batch was taken: a Dequeue; if it would have served another's request, that goes on."""
        if name == "batches":
            self.take("Dequeue")
            self.ask(self.user)

    def pops(self, name: str) -> None:
        """Somebody is to take a batch: he no longer waits, if he had left a bell."""
        if name == "batches" and self.user is not None:
            self.goes_on(self.user)

    def goes_on(self, user: User) -> None:
        """The user no longer waits, if he had left a bell."""
        if user.quiet:
            user.quiet = None
            self.ask(user)

    def ask(self, who: User | None) -> None:
        """Somebody waits without having told: a Request. Or nobody does any more: a Withdraw."""
        now = Variables(*self.now)
        if now.buffered or now.epoch != "begun":
            return
        told = self.hidden("state")[stream.CONSUMER] == "waiting" and not self.settling
        others = [user for user in self.users if user is not who]
        waits = any(user.quiet for user in self.users) or (told and any(u.wants for u in others))
        if waits and now.consumer == "idle":
            self.take("Request")
        elif not waits and not told and now.consumer == "waiting":
            self.take("Withdraw")

    def runs_ahead(self, ticket: State | None) -> None:
        """The worker is to run ahead: if there is a slot, that is a Fetch which nobody is told."""
        if ticket is not None and stream.Fetch(self.core.limits, ticket) is not None:
            self.pull_starts()

    def pull_starts(self) -> None:
        """A pull starts: a Fetch, unless that was taken before."""
        if not self.now[stream.FETCHING]:
            self.untold = True
            self.permitted()
            self.take("Fetch")

    def changed(self, state: State) -> None:
        """The state was replaced: by an action, or to say what has been done without the lock."""
        if self.running.locks == 0:
            self.fail("outside the lock", f"{self.now} becomes {self.meant(state)}")
        self.settling = False
        if self.user is None:
            self.ahead = 0
            self.untold = self.untold and not state[stream.FETCHING]
        then = self.meant(state)
        if then == self.now:
            return
        quiet = then[stream.CONSUMER] == "waiting" and any(user.quiet for user in self.users)
        for action in ACTIONS:
            taken = used(action.__name__)(self.core.limits, self.now)
            if taken == then:
                break
            if quiet and taken and stream.Request(self.core.limits, taken) == then:
                break  # whoever waits without having told goes on in another epoch
        else:
            rung = [u for u in self.users if u.quiet and u.quiet not in self.hidden("waiters")]
            if not rung:
                self.fail("not an action", f"{self.now} becomes {then}")
            for user in rung:  # it does not wait any more, although it has not looked yet
                user.quiet = None
            self.ask(self.user)
            self.changed(state)
            return
        if action.__name__ == "Fetch":
            self.permitted()
        self.take(action.__name__)
        if taken != then:
            self.take("Request")

    def permitted(self) -> None:
        """A pull starts: there is a gate open, or a request that was not served."""
        asked = self.held == 0 and any(user.wants for user in self.users)
        if not self.gates and not asked:
            self.fail("observation", "a pull starts, shut as the gate is, and unasked for")

    @property
    def running(self) -> Actor:
        """Who does all this."""
        assert self.control.running is not None
        return self.control.running

    @property
    def user(self) -> User | None:
        """Which user that is, if it is not a worker."""
        return self.users_by_actor.get(self.running)

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

    def move(self, move: str, checked: bool = True) -> int:
        """Let somebody go on; returns how many points that is. Raises `Wrong` if anything is."""
        who, _, chosen = move.rstrip("!~").partition("=")
        actor = self.control.actors[int(who) - 1]
        if move[-1] == "!":
            self.goes_on(self.users_by_actor[actor])
        self.control.step(actor, move[-1] == "~", move[-1] == "!", chosen)
        if self.wrong is not None:
            raise self.wrong
        if actor.error is not None:
            raise Wrong("observation", f"{actor.error!r} in {actor.ident}") from actor.error
        if checked:
            self.check()
        return 1 + actor.skipped

    def check(self) -> None:
        """The invariants of the machine, and that the shell means what it should."""
        if (name := violated(self.now, self.core.limits)) is not None:
            raise Wrong("invariant", f"{name} in {self.now}")
        if not self.hidden("lock").locked:
            if self.meant(self.hidden("state")) != self.now:
                raise Wrong("invariant", f"the shell means {self.hidden('state')}, not {self.now}")
            if (self.hidden("error") is None) != (self.now[stream.EPOCH] != "failed"):
                raise Wrong("invariant", "an error beside the machine")
        sleeps = any(user.wants and user.actor.operation == "queue.get" for user in self.users)
        if sleeps and self.held and all(map(self.rests, self.control.actors)):
            raise Wrong("lost wake-up", "a consumer sleeps beside a batch")

    def rests(self, actor: Actor) -> bool:
        """Whether the actor may go on late or never: it waits, or is in a pull."""
        return actor.ended or actor.operation in ("pull", "end") or not actor.ready()


def used(name: str) -> Action:
    """The action as the shell has it, which may be a broken one; Dequeue it takes by `popleft`."""
    action: Action = getattr(stream, name, None) or getattr(machine, name)
    return action


@cache
def violated(state: State, limits: Limits) -> str | None:
    """An invariant that the state violates, of those that ask for no history; if there is one."""
    invariants = INVARIANTS.items()
    asked = ((n, holds) for n, holds in invariants if n not in ("Conservation", "OnePuller"))
    return next((n for n, holds in asked if not holds(Now(state), limits)), None)


@contextmanager
def running(program: Program, races: Races) -> Iterator[Run]:
    """A run of the program, to be moved. Its threads end with the context."""
    with pytest.MonkeyPatch.context() as patch:
        run = Run(program, patch, races)
        before = {name: run.hidden(name) for name in FIXED}
        try:
            yield run
        finally:
            run.control.close()
        assert all(run.hidden(name) is before[name] for name in FIXED), "points are missing"


def run(
    program: Program,
    choose: Callable[[list[str]], str],
    races: Races | None = None,
    most: int = 5000,
) -> list[str]:
    """Run the program once, by moves of choice. Returns the moves; raises `Wrong`.

    Without `races`, nothing is a point of the schedule but locks, bells, threads and pulls.
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

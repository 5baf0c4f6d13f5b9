"""Runs a program on the real `StreamWrapper` under a schedule of choice, against the oracle."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from kernel import StreamWrapper
from specs.epochs import BATCH, FAILURE, epochs
from specs.trace.lines import Line, read_line

from .control import Actor, Control, Unstartable
from .programs import Program
from .shell import Shell
from .steps import DROP_ALL, Steps, after
from .users import Source, User, Wrong

TRIES = 3
"""Threads that one entering starts, at most, if each actor that can go on does so now and then."""


def same(got: tuple[str, Any], due: tuple[str, Any]) -> bool:
    """Whether both are the same batch, an end, or an error of the same kind."""
    if got[0] == FAILURE:
        return due[0] == FAILURE and type(got[1]) is type(due[1])
    return got[0] == due[0] and got[1] is due[1]


class File:
    """A file to which a record is written, whose every operation is one step."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.text = ""

    def write(self, text: str) -> None:
        self.control.touch("file", write=True)
        self.text += text

    def flush(self) -> None:
        self.control.touch("file", write=True)

    def lines(self) -> list[Line]:
        """The lines of actions."""
        return [read_line(json.loads(line)) for line in self.text.splitlines()[1:]]


class Run:
    """One run of a program, by threads under control. With `everywhere`, each touch is a point.

    With `recorded` the stream takes the way of one that has a record: each action by its name.
    With `written` it has one.
    """

    def __init__(
        self,
        program: Program,
        shell: Shell,
        everywhere: bool = False,
        recorded: bool = False,
        written: bool = False,
    ) -> None:
        self.program = program
        self.shell = shell
        self.recorded = recorded
        self.control = Control(everywhere)
        shell.begin(self.control)
        shell.did, shell.changed, shell.refuses = self.did, self.changed, self.refuses
        shell.dropping = self.dropping
        self.dropped: tuple[Any, int] = None, 0
        """A `Run` whose buffer and pass are about to be dropped, and by whom."""
        self.refused = False  # whether threads can start
        self.unfair = False
        """Somebody has gone on trying for too long, while the one it waits for could go on."""
        self.pulls: list[Any] = []  # those in flight: for which `Run` of the shell
        self.workers: dict[Actor, Any] = {}  # for which they pull
        self.gates: list[Any] = []  # that a user has entered
        self.inside = False
        self.wrong: Wrong | None = None
        self.given: list[Any] = []  # batches
        self.in_hand: Any = None  # the source's last answer, until it was put
        self.interrupted = False
        self.late = False  # a pull may start that a request has permitted which is given up since
        self.source = Source(program.answers, self)
        self.file: Any = File(self.control) if written else None
        self.recorded |= written
        self.wrapper = StreamWrapper(
            self.source,
            program.capacity,
            program.epoch_size or -1,
            lookahead=program.lookahead,
            stop_timeout=0 if program.impatient else None,
            record=self.file,
        )
        self.core: Any = self.wrapper._core
        if recorded and not written:
            self.core.record, self.wrapper._plain = SimpleNamespace(withdraw=self.withdrawn), False
            self.core.record.end = lambda why: None
            self.core.observed = True
        self.steps = Steps(self.core.limits)
        self.read_from_here()
        self.users_by_actor: dict[Actor, User] = {}
        self.users = [User(self, program.script)]

    def refuses(self) -> bool:
        """A thread is started, by somebody who enters: whether it cannot be."""
        user = self.users_by_actor[self.running]
        user.started += 1
        if user.started > TRIES:
            older = self.control.actors[:-TRIES]
            if not any(actor in older and actor.ready() for actor in self.able()):
                self.fail("livelock", "entering goes round and round")
            self.unfair = True
        return self.refused

    # The steps of the machine.

    def dropping(self) -> None:
        """The running user is about to drop buffer and pass, or has done so."""
        self.begin_anew()
        self.dropped = self.core.__dict__["run"], self.running.ident

    def begin_anew(self) -> None:
        """If that has taken effect, forget what was pulled before."""
        before, user = self.dropped
        if before in (None, self.core.__dict__["run"]):
            return
        self.dropped = None, 0
        self.steps.note(DROP_ALL, user)
        self.source.pulled.clear()
        self.source.untold.clear()
        self.read_from_here()

    def note(self, action: str) -> None:
        """The running actor has taken an action."""
        self.begin_anew()
        self.steps.note(action, self.running.ident)
        self.control.note("steps", write=True)

    def did(self, action: str) -> None:
        """The shell says so. Without a record it does not say all, and `changed` tells."""
        if action in ("Enqueue", "Exhaust", "Fail"):
            self.in_hand = None
        if self.recorded or action not in ("Fetch", "Enqueue", "Dequeue", "EndEpoch", "Raise"):
            self.note(action)
        if action == "Start":
            self.workers[self.running] = self.core.__dict__["run"]
        if action == "Die" and self.program.impatient:
            self.lose()

    def lose(self) -> None:
        """A worker was given up. What it has got, and not put, is lost."""
        lost, self.in_hand = self.in_hand, None
        if lost is None:
            return
        pulled, untold = self.source.pulled, self.source.untold
        if pulled and pulled[-1] is lost:
            pulled.pop()
        if untold and untold[-1] is lost:
            untold.pop()

    def kept(self) -> list[Any]:
        """Batches that were given, and those that are buffered."""
        return [*self.given, *(b for part in self.parts() for b in deque.__iter__(part.batches))]

    def withdrawn(self) -> None:
        """The running user was interrupted: its request is over, if it had one."""
        if self.running.ident in self.steps.waiting:
            self.note("Withdraw")

    def changed(self, where: deque[Any], change: str, item: Any) -> None:
        """A batch or a mark was put or taken, if it is there where that was."""
        parts = self.parts()
        is_batch = any(where is part.batches for part in parts)
        is_mark = any(where is part.marks for part in parts)
        if change == "put" and (is_batch or is_mark):
            self.in_hand = None
        if self.recorded or self.control.running is None:
            return
        if is_batch:
            self.note("Enqueue" if change == "put" else "Dequeue")
        elif is_mark and change == "taken":
            self.note("EndEpoch" if item.ended else "Raise")

    def judge(self) -> None:
        """At the end: what was done is a behaviour of the machine, which is where the shell is."""
        state = self.steps.state()
        if state is None:
            lines = " ".join(str(line) for line in self.steps.lines)
            raise Wrong("step", f"no behaviour of the machine: {lines}")
        if self.file is not None and after(self.core.limits, self.file.lines()) is None:
            raise Wrong("step", f"the record is no behaviour of the machine: {self.file.text}")
        real = self.core.state(self.core.__dict__["run"])
        if state != real:
            raise Wrong("step", f"the machine is in {state}, the shell in {real}")
        started_over = not isinstance(self.program.other, int) and "Restart" in self.program.other
        if started_over and self.core.is_inside() != self.inside:
            raise Wrong("observation", f"inside is {self.core.is_inside()}, not {self.inside}")
        kept = self.kept()
        if any(all(batch is not other for other in kept) for batch in self.source.pulled):
            raise Wrong("observation", "a batch is lost")

    # What users see.

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
        return sum(deque.__len__(part.batches) for part in self.parts())

    def parts(self) -> list[Any]:
        """The parts of the buffer, read without a point."""
        found = [self.core.__dict__["run"].__dict__["first"]]
        for part in found:
            marks = list(deque.__iter__(part.marks))
            found += [mark.part for mark in marks if mark.part is not None]
        return found

    def pull_starts(self) -> None:
        """A pull starts: there is a gate open, or a request that was not served."""
        gated = isinstance(self.program.calls, int) or "Allow" in self.program.calls
        asked = self.late or (self.held == 0 and any(user.wants for user in self.users))
        self.late = False
        if not gated and not asked:  # where there is a gate, one pull may be on its way
            self.fail("observation", "a pull starts, shut as the gate is, and unasked for")

    def got(self, got: tuple[str, Any]) -> None:
        """A user was given this. Where there are two, each batch goes to one of them."""
        if got[0] == BATCH:
            if got[1] is not None and any(got[1] is given for given in self.given):
                self.fail("observation", "a batch is given twice")
            self.given.append(got[1])
        if got[0] == FAILURE and isinstance(got[1], (Unstartable, TimeoutError)):
            self.read_from_here()
        elif not self.program.other:
            due = next(self.expected)
            if not same(got, due):
                self.fail("observation", f"{got}, where an unbuffered reading gives {due}")

    @property
    def running(self) -> Actor:
        """The actors that do all this."""
        assert self.control.running is not None
        return self.control.running

    @property
    def ended(self) -> bool:
        """Whether all users have come to the end."""
        return all(user.ended for user in self.users)

    def moves(self) -> list[str]:
        """Actors that can go on, workers last if chance decides: by number, and how."""
        moves = [move for actor in self.able() for move in self.ways(actor)]
        if not moves and not self.ended:
            moves = self.time_outs(light=True) or self.stuck()
        return moves if self.ended else moves + self.interrupts()

    def able(self) -> list[Actor]:
        """Actors whose operation can be done now."""
        users = self.users_by_actor
        return [a for a in self.control.choices() if a.operation != "end" or a not in users]

    def ways(self, actor: Actor) -> list[str]:
        """How an actor can do its operation: its number, and with `=` what it chooses."""
        return [f"{actor.ident}={option}" for option in actor.options] or [str(actor.ident)]

    def interrupts(self) -> list[str]:
        """With `!`, interrupts of users that wait."""
        return [f"{user.actor.ident}!" for user in self.users if user.may_be_interrupted]

    def time_outs(self, light: bool) -> list[str]:
        """With `~`, ends of waiting by a time-out.

        Those of light sleeps come for sure, where nothing else can go on. The others are no way
        out: somebody was not woken.
        """
        waiting = [a for a in self.control.actors if a.timeout is not None and not a.ended]
        return [
            f"{actor.ident}~"
            for actor in waiting
            if not actor.ready() and (actor.sleeps_lightly or not light)
        ]

    def stuck(self) -> NoReturn:
        """Nobody can go on."""
        what = ", ".join(f"{a.ident}: {a.operation}" for a in self.control.actors)
        kind = "lost wake-up" if self.time_outs(light=False) else "deadlock"
        raise Wrong(kind, f"nobody can go on ({what})")

    def move(self, move: str) -> None:
        """Let somebody go on. Raises `Wrong` if anything is."""
        who, _, chosen = move.rstrip("!~").partition("=")
        actor = self.control.actors[int(who) - 1]
        if move[-1] in "!~":
            self.interrupted |= move[-1] == "!"
            self.control.note(actor.place, write=False)  # which it found empty
        self.control.step(actor, move[-1] == "~", move[-1] == "!", chosen)
        if self.wrong is not None:
            raise self.wrong
        if actor.error is not None:
            raise Wrong("observation", f"{actor.error!r} in {actor.ident}") from actor.error
        if (
            any(map(self.sleeps, self.users))
            and self.held
            and all(map(self.rests, self.control.actors))
        ):
            raise Wrong("lost wake-up", "a consumer sleeps beside a batch")

    def sleeps(self, user: User) -> bool:
        """Whether the user waits for a batch, and has to be woken for it.

        A light sleeper need not be, if there is another consumer, which may take the ring.
        """
        light = user.actor.sleeps_lightly and len(self.users) > 1
        return user.wants and user.actor.operation == "queue.get" and not light

    def rests(self, actor: Actor) -> bool:
        """Whether the actor may go on late or never: it waits, or is in a pull."""
        return actor.ended or actor.operation in ("pull", "end") or not actor.ready()


@contextmanager
def shell() -> Iterator[Shell]:
    """The shell, ready for runs."""
    with pytest.MonkeyPatch.context() as patch:
        yield Shell(patch)


def run(
    program: Program,
    choose: Callable[[list[str]], str],
    everywhere: bool = False,
    most: int = 20_000,
) -> list[str]:
    """Run the program once, by moves of choice. Returns the moves; raises `Wrong`.

    Unless points are everywhere, nothing is a point but queues, threads and pulls.
    """
    schedule: list[str] = []
    with shell() as stage:
        going = Run(program, stage, everywhere)
        try:
            while moves := going.moves():
                if len(schedule) == most:
                    raise Wrong("livelock", f"no end after {most} moves")
                schedule.append(choose(moves))
                going.move(schedule[-1])
            going.judge()
        finally:
            going.control.close()
    return schedule

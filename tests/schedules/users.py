"""Users of the real `StreamWrapper` and its source, under control, and what they should get."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from specs.epochs import BATCH, END, FAILURE

from .programs import ANSWERS

if TYPE_CHECKING:
    from .schedules import Run


class Boom(Exception):
    """What the sources raise."""


class Wrong(AssertionError):
    """What a schedule has shown, of one of these kinds.

    observation: something else than the oracle's; step: something that the machine does not do;
    leaked thread: one that outlives `with`; lost wake-up: only a time-out could go on; deadlock:
    not even that; livelock: no way to the end.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Batch:
    """A batch, which is itself and no other."""


class Source:
    """A source whose pulls are points of the schedule. All its passes go on in one script."""

    def __init__(self, answers: tuple[Any, ...], run: Run) -> None:
        self.answers = answers
        self.run = run
        self.given = 0  # place in the answers
        self.pulled: list[Any] = []  # batches
        self.untold: deque[Any] = deque()  # what the oracle has not read yet

    def __call__(self) -> Pass:
        return Pass(self)

    def answer(self, chosen: str, kept: bool) -> Any:
        """The next answer. It is not kept if its worker was given up."""
        answer: Any = chosen
        if self.answers:
            answer = self.answers[self.given]
            self.given = (self.given + 1) % len(self.answers)
        if answer not in ("exhausted", "raised", None):
            answer = Batch()
        if kept:
            self.run.in_hand = answer
            self.untold.append(answer)
            if answer not in ("exhausted", "raised"):
                self.pulled.append(answer)
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
        puller = run.workers.get(run.running, run.core.__dict__["run"])
        if puller is run.core.__dict__["run"]:  # else its worker was given up as it began this
            if puller in run.pulls or (run.pulls and not run.program.impatient):
                run.fail("observation", "two pulls at once")
            if run.held >= max(1, run.program.capacity):
                run.fail("observation", "a pull without a slot")
            run.pull_starts()
            if not run.recorded:
                run.note("Fetch")
        run.pulls.append(puller)
        run.control.note("source", write=True)
        try:
            run.control.point("pull", options=() if self.source.answers else ANSWERS)
        finally:
            run.pulls.remove(puller)
            run.control.note("source", write=True)
        kept = puller is run.core.__dict__["run"]
        return answered(self.source.answer(run.running.chosen, kept))


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
    """A thread that makes the calls, and what it should get."""

    def __init__(self, run: Run, calls: tuple[str, ...] | int) -> None:
        self.run = run
        self.calls = calls
        self.at = 0  # the call that it is in
        self.call = ""
        self.started = 0  # threads, by the call
        self.wants = False  # it is in `next`
        self.together = False  # and so was another, meanwhile
        self.actor = run.control.spawn(self.use)
        run.users_by_actor[self.actor] = self

    @property
    def ended(self) -> bool:
        """Whether it has come to the end."""
        return self.actor.ended or self.actor.operation == "end"

    @property
    def may_be_interrupted(self) -> bool:
        """Whether Ctrl-C may strike it now."""
        return "Interrupted" in self.call and self.actor.operation == "queue.get"

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
            self.run.control.note("users", write=True)
            getattr(self, f"call_{self.call}")()
            self.run.control.note("users", write=True)
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
        self.run.control.point(
            "rest",
            lambda: not any((a.ready() or a.sleeps_lightly) and not a.ended for a in others),
        )
        if self.run.held != self.run.program.capacity:
            self.run.fail("observation", "nothing was prefetched, although the gate is open")

    def call_Start(self) -> None:
        """Let the second user begin."""
        self.run.users.append(User(self.run, self.run.program.other))

    def call_Join(self) -> None:
        """Wait for the second user."""
        other = self.run.users[1]
        self.run.control.point("join", lambda: other.ended, place="threads")

    def call_EnterDead(self) -> None:
        """Enter, with a thread that cannot start."""
        self.run.refused = True
        self.call_Enter()
        self.run.refused = False

    def call_Enter(self) -> None:
        """Enter, which is refused inside; and while another reads."""
        self.started = 0
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
        except (RuntimeError, ValueError) as error:
            is_closed = self.run.core.closed and type(error) is ValueError
            if len(self.run.users) == 1 or not (is_closed or re.search(why, str(error))):
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
            try:
                run.wrapper.__exit__(None, None, None)
            except TimeoutError:
                if not run.program.impatient:
                    raise
                return
            if self.helped:
                return
            if run.interrupted:  # those whose stop was interrupted may be about to end
                workers = workers[-1:]
            if not all(actor.ended for actor in workers):
                run.fail("leaked thread", "a thread outlives `with`")

    @property
    def helped(self) -> bool:
        """Whether another user waits for the same stop: one of the two joins the thread."""
        others = [user.call for user in self.run.users if user is not self]
        return any(call in ("Enter", "Exit", "Interrupted", "Restart") for call in others)

    def call_NextInterrupted(self) -> None:
        """One `next`, unless Ctrl-C strikes while it waits."""
        try:
            self.call_Next()
        except KeyboardInterrupt:
            self.run.withdrawn()
        self.wants = False

    def call_Restart(self) -> None:
        """Start over, which may be refused while another reads."""
        for user in self.run.users:
            user.together |= user is not self
        with self.refusable("was restarted while|is being read"):
            self.run.wrapper.restart()

    def call_Close(self) -> None:
        """Close, which a pull in another thread refuses."""
        self.run.inside = False
        with self.refusable("is being read by another"):
            self.run.wrapper.close()

    def call_Get(self) -> None:
        """What there is now, or nothing."""
        self.call_Next(now=True)

    def call_Next(self, now: bool = False) -> None:
        """One `next`, which must give what the oracle gives."""
        run = self.run
        new = run.core.__dict__["entry"] is None and run.program.capacity > 0
        others = [user for user in run.users if user.wants or user.call == "Restart"]
        self.wants, self.together = True, bool(others)
        for user in others:
            user.together = True
        try:
            wrapper = run.wrapper
            got: tuple[str, Any] | None = BATCH, wrapper.get(0) if now else next(wrapper)
        except StopIteration:
            got = END, None
        except (ChildProcessError, Boom) as error:
            got = FAILURE, (error.__cause__ if run.program.capacity else error)
        except ValueError:  # it was not entered, or is closed
            if not (new or run.core.closed):
                raise
            got = None
        except TimeoutError:
            if not now:
                raise
            got = None
            run.late = not run.pulls
        except RuntimeError:  # the other is waiting: nothing is reported
            if not self.together:
                raise
            got = None
        self.wants = False
        if got is None:
            run.withdrawn()
        else:
            run.got(got)

"""Runs a program on the real `StreamWrapper` under a schedule of choice, against the oracle."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest

from kernel import StreamWrapper, stream
from specs.epochs import BATCH, END, epochs
from specs.properties import INVARIANTS, Now

from .control import Actor, Control, SimpleQueue


class Boom(Exception):
    """What the sources raise."""


class Program(NamedTuple):
    """What the user calls, and what the source answers."""

    capacity: int
    epoch_size: int
    calls: tuple[str, ...]  # "Enter", "Exit", "Allow", "Disallow", "Next"; "Interrupted", an Exit;
    # "Prefetched": wait until nobody else can go on, and find the buffer full
    answers: tuple[Any, ...]  # batches, "exhausted", "raised"; from the first again when used up


class Run:
    """One run of a program, by threads under control."""

    def __init__(self, program: Program, patch: pytest.MonkeyPatch) -> None:
        self.program = program
        self.control = Control()
        patch.setattr(stream, "threading", self.control.threading())
        patch.setattr(stream, "SimpleQueue", partial(SimpleQueue, self.control))
        patch.setattr(stream, "_cores", weakref.WeakSet())  # no fork should look for its lock
        self.pulls = 0  # in flight
        self.given = 0  # batches that the source has given
        self.batches = 0  # batches that the user has got
        self.inside = False
        self.schedule: list[int] = []  # who took each step
        answers = self.answers()
        self.wrapper = StreamWrapper(
            lambda: self.one_pass(answers), program.capacity, program.epoch_size or -1
        )
        plain = self.answers()
        self.expected = epochs(lambda: self.plain_pass(plain), program.epoch_size)  # type: ignore[no-untyped-call]
        self.user = self.control.spawn(self.use)

    def answers(self) -> Iterator[Any]:
        """What the source answers: the script, again and again."""
        while True:
            yield from self.program.answers

    def one_pass(self, answers: Iterator[Any]) -> Iterator[Any]:
        """A pass whose pulls are points of the schedule."""
        plain = self.plain_pass(answers)
        while True:
            assert self.pulls == 0, "two pulls at once"
            held = self.given - self.batches
            assert held < max(1, self.program.capacity), "a pull without a slot"
            self.pulls += 1
            self.control.point("pull")
            self.pulls -= 1
            try:
                answer = next(plain)
            except StopIteration:
                return
            self.given += 1
            yield answer

    def plain_pass(self, answers: Iterator[Any]) -> Iterator[Any]:
        """A pass of the same source, as the oracle reads it."""
        for answer in answers:
            if answer == "raised":
                raise Boom
            if answer == "exhausted":
                return
            yield answer

    def use(self) -> None:
        """The user's thread."""
        gates: list[Any] = []
        for call in (*self.program.calls, "Next", "Next"):
            if call == "Next":
                self.read()
            elif call == "Allow":
                gates.append(self.wrapper.allow_buffering)
                gates[-1].__enter__()
            elif call == "Disallow":
                gates.pop().__exit__(None, None, None)
            elif call == "Enter":
                self.enter()
            elif call == "Prefetched":
                self.await_rest()
                assert self.given - self.batches == self.program.capacity, "no prefetch"
            else:
                self.leave()

    def await_rest(self) -> None:
        """Wait until nobody else can go on."""
        others = [actor for actor in self.control.actors if actor is not self.user]
        self.control.point("rest", lambda: not any(a.ready() and not a.ended for a in others))

    def enter(self) -> None:
        """Enter, which is refused inside."""
        if self.inside:
            with pytest.raises(RuntimeError, match="twice"):
                self.wrapper.__enter__()
        else:
            self.wrapper.__enter__()
        self.inside = True

    def leave(self) -> None:
        """Leave, after which no thread lives, unless Ctrl-C has struck meanwhile."""
        self.inside = False
        try:
            self.wrapper.__exit__(None, None, None)
        except KeyboardInterrupt:
            return
        workers = [a for a in self.control.actors if a is not self.user and not a.ended]
        assert workers == [], "a thread outlives `with`"

    def read(self) -> None:
        """One `next`, which must give what the oracle gives."""
        if self.program.capacity and not self.entered:
            return
        kind, value = next(self.expected)
        if kind == BATCH:
            assert next(self.wrapper, END) is value
            self.batches += 1
        elif kind == END:
            with pytest.raises(StopIteration):
                next(self.wrapper)
        else:
            with pytest.raises(ChildProcessError if self.program.capacity else Boom):
                next(self.wrapper)

    @property
    def entered(self) -> bool:
        """Whether a buffered stream may be read."""
        return self.wrapper._core.state[stream.SCOPE] != "new"

    def go(self, choose: Callable[[list[Actor]], Actor], most: int = 5000) -> None:
        """Run to the end of the program. Raises AssertionError if anything is wrong.

        No thread has to look around by itself: where a time-out is all that is left, somebody was
        not woken.
        """
        strikes = self.program.calls.count("Interrupted")
        for _ in range(most):
            ready = self.control.choices()
            if strikes and not self.inside and self.user.operation == "queue.get":
                strikes -= 1
                self.control.step(self.user, interrupt=True)
                continue
            assert ready, f"nobody can go on: {[a.operation for a in self.control.actors]}"
            actor = choose(ready)
            self.schedule.append(actor.ident)
            self.control.step(actor)
            self.check()
            if self.user.operation == "end":
                break
        else:
            raise AssertionError(f"no end after {most} steps")
        if self.user.error is not None:
            raise self.user.error

    def check(self) -> None:
        """The invariants of the machine, and that the payloads beside it agree with it."""
        core = self.wrapper._core
        now = Now(core.state)
        for name, holds in INVARIANTS.items():
            if name not in ("Conservation", "OnePuller"):  # which need the history
                assert holds(now, core.limits), name
        if not core.lock.locked:  # type: ignore[attr-defined]  # it is ours
            assert len(core.batches) == now.vars.buffered, "batches beside the machine"
            assert (core.error is None) == (now.vars.epoch != "failed"), (
                "an error beside the machine"
            )


def run(program: Program, choose: Callable[[list[Actor]], Actor]) -> Run:
    """Run the program once; raises AssertionError if anything is wrong."""
    with pytest.MonkeyPatch.context() as patch:
        done = Run(program, patch)
        try:
            done.go(choose)
        finally:
            done.control.close()
    return done


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

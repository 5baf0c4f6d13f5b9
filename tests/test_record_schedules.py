"""Records made under controlled schedules: whoever goes first, the machine accepts them."""

from __future__ import annotations

import io
import json
from collections import deque
from contextlib import suppress
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from kernel import StreamWrapper, stream
from kernel import record as recording
from kernel.record import RecordedBatches

from . import schedules, traces
from .control import Lock, Nowhere
from .schedules import PROGRAMS, Boom, Program, Run, User

SETTER: Any = vars(stream._RecordedCore)["state"].fset


class RLock(Lock):
    """`threading.RLock`."""

    depth = 0

    def acquire(self, timeout: float = -1) -> bool:
        if not self.depth or self.owner is not self.control.running:
            super().acquire(timeout)
        self.depth += 1
        return True

    def release(self) -> None:
        self.depth -= 1
        if not self.depth:
            super().release()


class Reader(User):
    """A user whose `next` is judged by the record."""

    def call_Next(self) -> None:
        with suppress(StopIteration, ChildProcessError, Boom, ValueError, RuntimeError):
            next(self.run.wrapper)


class Recorded(Run):
    """A run that is judged by its record, and not as it goes on."""

    def __init__(self, program: Program, patch: pytest.MonkeyPatch) -> None:
        self.file = io.StringIO()
        patch.setattr(schedules, "User", Reader)
        patch.setattr(schedules, "watch", lambda *_: None)
        patch.setattr(schedules, "StreamWrapper", self.wrapped)
        super().__init__(program, patch, Nowhere())

    def wrapped(self, *arguments: Any) -> StreamWrapper[Any]:
        with pytest.MonkeyPatch.context() as patch:
            names = SimpleNamespace(RLock=partial(RLock, self.control))
            patch.setattr(recording, "threading", names)
            return StreamWrapper(*arguments, record=self.file)

    def nothing(self, *_: Any) -> None:
        """What is seen is in the record."""

    appended = pops = popped = pull_starts = check = nothing


def run(program: Program, random: Random) -> list[dict[str, Any]]:
    """The record of the program under a random schedule, in which time-outs are rare."""
    with pytest.MonkeyPatch.context() as patch:
        going = Recorded(program, patch)
        try:
            while moves := going.moves(timeouts=bool(program.other)):
                likely = [move for move in moves if move[-1] != "~"]
                going.move(random.choice(moves if random.random() < 0.1 else likely or moves))
        finally:
            going.control.close()
    return [json.loads(line) for line in going.file.getvalue().splitlines()]


STOLEN = Program(
    2,
    0,
    ("Enter", "Allow", "Next", "Start", "Next", "Next", "Join", "Exit"),
    (1, 2, 3, 4, 5, 6, 7, 8),
    ("Next", "Next", "Disallow"),
)
"""A request may have to go on, since another takes its batch, behind a gate that is shut."""


def refused(program: Program, schedules: int) -> list[int]:
    """The schedules whose record the machine refuses."""
    return [seed for seed in range(schedules) if traces.judge(run(program, Random(seed)))[0]]


@pytest.mark.parametrize("name", PROGRAMS)
def test_record_of_every_schedule_is_accepted(name: str, request: pytest.FixtureRequest) -> None:
    """Whoever goes first, the record is a behaviour of the protocol."""
    assert refused(PROGRAMS[name], request.config.getoption("--schedules") // 4) == []


def test_two_users_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose batch another took is made again, without which some record is refused."""
    assert refused(STOLEN, 400) == []
    monkeypatch.setattr(RecordedBatches, "popleft", forgetful)
    assert refused(STOLEN, 1000) != []


def forgetful(batches: RecordedBatches) -> Any:
    """One that takes no notice of who waits."""
    if not batches:
        raise IndexError
    return batches._record.take("Dequeue", lambda: deque.popleft(batches))


def test_a_look_without_the_lock_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that is recorded later than it was taken lets a pull stand behind a stop."""

    def state(core: Any) -> Any:
        found = core.record.state
        looks = core.runner == stream.threading.get_ident() and found is core.ticket
        with core.record.lock:
            if looks:
                core.record.look()
            return found

    monkeypatch.setattr(stream._RecordedCore, "state", property(state, SETTER))
    assert refused(PROGRAMS["restart"], 200) != []

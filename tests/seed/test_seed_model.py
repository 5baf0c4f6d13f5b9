"""`tla/Seed.tla` is the protocol of the published emloop: its code is driven along the model.

Each step of the model is one operation of the real code, run under control, and after it the state
of the code is compared with that of the model. So every counterexample is replayed on the published
emloop. Its program also runs on our class, under many schedules, where nothing may go wrong. The
tests of emloop need `pip install --no-deps emloop`, and are not collected without it.
"""

from __future__ import annotations

import importlib
import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from specs import tlc
from specs.report import values
from specs.tlc import TLA, Step, jar, read_step, runtime

from ..conftest import find_emloop, load
from ..report.stored import load as stored
from ..schedules.control import Actor, Control, Queue
from ..schedules.programs import Program
from ..schedules.schedules import run
from ..support.sources import Boom

MODELS = {model.name: model for model in tlc.models() if model.module == "Seed"}
COUNTEREXAMPLES = stored()

_OPERATIONS = """
begin: GetStream
semaphore.acquire: PassGate Disallow Shut
sleep: Wake
next: Yield YieldNone Exhaust Fail OwnYield OwnExhaust OwnFail
queue.put: Put PutMark Refill
count: Count Reset
event.is_set: CheckStop
end: Leave
semaphore.release: Allow Exit
thread.start: Enter
event.set: SetStop
queue.get_nowait: Drain Last GetNowait
thread.join: Join Interrupt
queue.empty: Call IsEmpty
thread.is_alive: IsAlive Doubt
queue.get: Get TimeOut
user: OwnCall OwnReturn
"""
OPERATIONS = {
    action: operation
    for operation, actions in (row.split(": ") for row in _OPERATIONS.split("\n")[1:-1])
    for action in actions.split()
}
"""What the code is parked in front of when the model takes the action."""

USER = {"Allow", "Disallow", "Enter", "Exit", "Call", "OwnCall"}
"""Actions with which the user calls something."""


class Pass:
    """One pass of a source whose every answer is given from outside."""

    def __init__(self, code: Emloop) -> None:
        self.code = code
        self.ended = False

    def __iter__(self) -> Pass:
        return self

    def __next__(self) -> int | None:
        self.code.control.point("next")
        answer = self.code.answer
        if self.ended or answer in ("Exhaust", "OwnExhaust"):
            self.ended = True
            raise StopIteration
        if answer in ("Fail", "OwnFail"):
            self.ended = True
            raise Boom
        self.code.numbers += 1
        return None if answer == "YieldNone" else self.code.numbers


class Emloop:
    """The published class under control."""

    def __init__(self, capacity: int, epoch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.control = Control()
        self.answer = ""
        self.numbers = 0  # of batches given
        self.calls: list[str] = []  # what the user calls next
        self.seen = "nothing"
        self.taken: Any = 0
        published = load("emloop")
        module = importlib.import_module(published.__module__)
        threading = self.control.threading()
        for name in ("Thread", "Semaphore", "Event"):
            monkeypatch.setattr(module, name, getattr(threading, name))
        monkeypatch.setattr(module, "Queue", lambda size: Queue(self.control, size))
        nap = SimpleNamespace(sleep=lambda seconds: self.control.point("sleep"))
        monkeypatch.setattr(module, "time", nap)
        control = self.control

        class Watched(published):  # type: ignore[misc]
            """The shared count is where threads meet, too."""

            @property
            def _batch_count(self) -> int:
                return int(self.__dict__["count"])

            @_batch_count.setter
            def _batch_count(self, count: int) -> None:
                if control.running is not None and control.running is not user.user:
                    control.point("count")
                self.__dict__["count"] = count

            def _get_stream(self) -> Any:
                actor = control.running
                if actor is not user.user and actor is not None and actor.operation != "begin":
                    control.point("begin")
                return super()._get_stream()

        user = self
        self.stream = Watched(lambda: Pass(self), capacity, epoch_size or -1)
        self.gates: list[Any] = []
        self.user = control.spawn(self.run)
        control.step(self.user)

    def run(self) -> None:
        """The user's thread."""
        while True:
            self.control.point("user")
            call = self.calls.pop()
            try:
                if call == "Enter":
                    self.stream.__enter__()
                elif call == "Exit":
                    self.stream.__exit__(None, None, None)
                elif call == "Allow":
                    self.gates.append(self.stream.allow_buffering)
                    self.gates[-1].__enter__()
                elif call == "Disallow":
                    self.gates.pop().__exit__(None, None, None)
                else:
                    self.taken = next(self.stream)
                    self.seen = "batch"
            except StopIteration:
                self.seen = "end"
            except (Boom, ChildProcessError):
                self.seen = "failure"
            except KeyboardInterrupt:
                pass

    def take(self, action: str, actor: Actor) -> None:
        """One step of the model on the code."""
        control = self.control
        if action in USER:
            assert actor.operation == "user", actor.operation
            self.calls.append(action)
            control.step(actor)
        if action == "Enter" and actor.operation == "user":
            return  # unbuffered: there is no thread to start
        if action not in ("OwnCall", "OwnReturn"):
            assert actor.operation == OPERATIONS[action], (action, actor.operation)
            self.answer = action
            control.step(actor, expire=action == "TimeOut", interrupt=action == "Interrupt")
        if action == "Call" and actor.operation == "semaphore.release":
            control.step(actor)  # the gate of `next`, opened in the same step
        if action == "IsEmpty" and actor.operation == "thread.start":
            control.step(actor)

    def compare(self, expected: dict[str, Any]) -> None:
        """Whether the code is where the model is."""
        stream = self.stream
        if stream._buffer_size:
            items = [None if item[0] != "batch" else item[1] for item in expected["queue"]]
            assert list(stream._queue.items) == items
            assert stream._queue.maxsize == expected["size"]
        assert stream._semaphore.value == expected["semaphore"]
        assert stream._batch_count == expected["count"]
        assert (stream._stream is None) == (expected["stream"] == "none")
        assert (self.user.operation == "user") == (expected["main"] in ("user", "return"))
        if expected["main"] == "user":
            assert self.seen == expected["seen"]
            assert self.taken in (expected["taken"], None)


def replay(steps: list[tuple[str, dict[str, Any]]], code: Emloop) -> None:
    """Drive the code along a behaviour of the model, comparing their states after each step."""
    before = steps[0][1]
    workers: dict[int, Actor] = {}
    for action, after in steps[1:]:
        changed = [t for t, place in enumerate(after["pc"]) if place != before["pc"][t]]
        starting = [t for t in changed if before["pc"][t] == "dead"]
        actor = code.user if starting or not changed else workers[changed[0]]
        code.take(action, actor)
        for thread in starting:
            workers[thread] = code.control.actors[-1]
        code.compare(after)
        before = after


def behaviour(steps: list[Step]) -> list[tuple[str, dict[str, Any]]]:
    """A counterexample with the values of its states."""
    return [(s.action, {name: values.read(text) for name, text in s.state.items()}) for s in steps]


def program(name: str, steps: list[tuple[str, dict[str, Any]]]) -> Program:
    """What the user called in a behaviour, and what the source answered."""
    calls: list[str] = []
    answers: list[Any] = []
    for (_, before), (action, after) in itertools.pairwise(steps):
        if action in USER:
            calls.append(action.replace("OwnCall", "Next").replace("Call", "Next"))
        elif action == "Interrupt":
            calls[-1] = "Interrupted"
        elif action in ("Yield", "OwnYield"):
            answers.append(after["pulled"])
        elif action == "YieldNone":
            answers.append(None)
        elif action in ("Exhaust", "OwnExhaust") and before["stream"] != "spent":
            answers.append("exhausted")
        elif action in ("Fail", "OwnFail"):
            answers.append("raised")
    constants = MODELS[name].constants
    return Program(
        constants["Capacity"], constants["EpochSize"], tuple(calls), tuple(answers) or (1, 2)
    )


@pytest.mark.parametrize("name", MODELS)
def test_program_of_the_counterexample_on_ours(name: str) -> None:
    """What breaks the seed does not break ours, under any of many schedules."""
    steps = behaviour(COUNTEREXAMPLES[name].steps)
    for seed in range(200):
        run(program(name, steps), Random(seed).choice)


WALKS = """CONSTANTS
    Capacity = {}
    EpochSize = {}
    MaxPermits = 1
    MaxBatches = 9
    MaxThreads = 1
    May = {{"raise", "none", "empty", "stop", "again", "interrupt", "outside"}}

INIT WalkInit
NEXT WalkNext
"""


def walks(
    capacity: int, epoch_size: int, folder: Path, edit: tuple[str, str] = ("", "")
) -> Iterator[list[tuple[str, Any]]]:
    """Random behaviours of the model, of one user and one thread at a time, by TLC."""
    text = ""
    for module in ("Epochs", "SeedThread", "Seed"):
        edited = (TLA / f"{module}.tla").read_text(encoding="utf-8").replace(*edit)
        (folder / f"{module}.tla").write_text(edited, encoding="utf-8")
        text += edited
    named = [
        f'\\E t \\in Threads : {name}(t) /\\ last\' = "{name}"'
        if f"\n{name}(t) ==" in text
        else f'{name} /\\ last\' = "{name}"'
        for name in OPERATIONS
    ]
    (folder / "SeedWalks.tla").write_text(
        "---- MODULE SeedWalks ----\nEXTENDS Seed\nVARIABLE last\n"
        'WalkInit == Init /\\ last = ""\nWalkNext ==\n    \\/ '
        + "\n    \\/ ".join(named)
        + "\n====\n",
        encoding="utf-8",
    )
    (folder / "SeedWalks.cfg").write_text(WALKS.format(capacity, epoch_size), encoding="utf-8")
    words = [*runtime(), f"-Djava.io.tmpdir={folder}", "-cp", jar(), "tlc2.TLC"]
    words += ["-simulate", "file=walk,num=100", "-depth", "80", "-seed", "1", "-deadlock"]
    done = subprocess.run(
        [*words, "SeedWalks"], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout
    for walk in sorted(folder.glob("walk_*")):
        text = walk.read_text(encoding="utf-8").rstrip("\n=")
        states = re.split(r"^STATE_\d+ ==", text, flags=re.MULTILINE)
        steps = []
        for state in states[1:]:
            ((_, found),) = behaviour([read_step(f"\n{state.strip()}")])
            steps.append((found.pop("last"), found))
        yield steps


if find_emloop():

    @pytest.mark.parametrize("name", MODELS)
    def test_counterexample_on_emloop(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The published code takes each step of the counterexample, and is where the model is."""
        constants = MODELS[name].constants
        code = Emloop(constants["Capacity"], constants["EpochSize"], monkeypatch)
        replay(behaviour(COUNTEREXAMPLES[name].steps), code)
        code.control.close()

    @pytest.mark.parametrize(("capacity", "epoch_size"), [(0, 0), (0, 2), (1, 0), (1, 2), (2, 1)])
    def test_random_walks_on_emloop(
        capacity: int, epoch_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever the model does, the published code can do, and is where the model is."""
        taken = set()
        for steps in walks(capacity, epoch_size, tmp_path):
            code = Emloop(capacity, epoch_size, monkeypatch)
            replay(steps, code)
            code.control.close()
            taken |= {action for action, _ in steps[1:]}
        assert len(taken) >= (8 if capacity == 0 else 28), taken

    @pytest.mark.parametrize(
        "edit",
        [
            ('THEN "leaving"\n', 'THEN "gate"\n'),
            ("count' = 0", "count' = count"),
            ("gated' = (queue = <<>>)", "gated' = TRUE"),
            ('main\' = "doubt"', 'main\' = "eager"'),
        ],
    )
    def test_walks_refuse_a_model_of_something_else(
        edit: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A model that says what the published code does not do is found out."""
        behaviours = list(walks(1, 2, tmp_path, edit))
        with pytest.raises(AssertionError):
            [replay(steps, Emloop(1, 2, monkeypatch)) for steps in behaviours]

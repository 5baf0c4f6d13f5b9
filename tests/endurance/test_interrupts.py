"""An interrupt before any bytecode, and at random instants, is survived (rule 10)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kernel import StreamWrapper
from kernel.claims import Claim
from kernel.core import Core

from ..support import scene
from ..support.processes import needs_fork, python
from ..support.scene import Sweep
from ..support.striker import Place
from . import interrupts, newer, strikes
from .interrupts import Excuse, never_hit, strike
from .sweeps import CONSUMER, WORKER

pytestmark = needs_fork

GLANCE = Core.glance  # which a fixture makes longer

STRIDE = 59
"""Here every 59th instruction is struck, and all by `python -m tests.endurance.interrupts`."""


def named(sweep: Sweep) -> str:
    return f"{sweep.call}, {sweep.situation}"


@pytest.mark.parametrize("sweep", CONSUMER + WORKER, ids=named)
def test_rule_10_interrupt_before_an_instruction(sweep: Sweep) -> None:
    """Rule 10: nothing hangs, no batch is doubled or moved, at most the one in hand is lost."""
    first = 1 + (CONSUMER + WORKER).index(sweep) * 7 % STRIDE  # not the same line in each
    done = interrupts.swept(sweep, stride=STRIDE, first=first)
    assert done.unsafe == []
    assert done.points or sweep.call in ("empty", "iter, name")


@pytest.mark.timeout(60)  # where the mutants' tests have 10 s each: it has many to strike
def test_rule_10_every_instruction_of_a_gate() -> None:
    """Rules 5 and 10: the excuses for a gate are needed, and a gate is safe but for them."""
    done = [interrupts.swept(sweep) for sweep in CONSUMER if sweep.situation == "another open"]
    assert [row.unsafe for row in done] == [[], []]
    assert not [entry for entry in never_hit(done) if entry.outcome == "gate open"]


def find(situation: str) -> Sweep:
    return next(sweep for sweep in CONSUMER if sweep.situation == situation)


class NeverWithdraws(StreamWrapper[Any]):
    """An interrupted request goes on waiting."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except KeyboardInterrupt:
            started = threading.Event()
            threading.Thread(target=self.stay, args=(started,), daemon=True).start()
            started.wait()
            raise

    def stay(self, started: threading.Event) -> None:
        claim = Claim()

        def waits() -> None:
            claim.take(self._core.turns)
            started.set()
            threading.Event().wait()

        claim.hold(waits)


class LosesTwo(StreamWrapper[Any]):
    """An interrupted `next` loses a second batch."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except KeyboardInterrupt:
            super().__next__()
            super().__next__()
            raise


class Hangs(StreamWrapper[Any]):
    """After an interrupt every call waits for ever."""

    struck = False

    def __next__(self) -> Any:
        while self.struck:
            pass
        try:
            return super().__next__()
        except KeyboardInterrupt:
            self.struck = True
            raise


@pytest.mark.parametrize(
    ("broken", "situation", "outcome"),
    [
        (NeverWithdraws, "waits, worker asleep", "RuntimeError"),
        (LosesTwo, "takes, gate shut", "wrong"),
        (Hangs, "takes, gate shut", "hang"),
    ],
)
def test_a_broken_wrapper_is_found(
    broken: Any, situation: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrapper that does not survive is seen not to."""
    monkeypatch.setattr(scene, "HANG", 1)
    sweep = find(situation)
    found = {strike(sweep, at, broken).outcome.partition(":")[0] for at in (60, 250)}
    assert outcome in found


def test_an_excuse_that_nothing_needs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An excuse that was never hit might hide a new unsafe point."""
    idle = Excuse("hang", lambda place: place == Place("", "", "", 0), "none")
    monkeypatch.setattr(interrupts, "EXCUSES", (idle,))
    assert never_hit([]) == [idle]


def test_rule_10_interrupts_are_prompt() -> None:
    """Rule 10: one that CPython misses, since it came just before a sleep, comes a moment later."""
    assert 0 < GLANCE <= 0.5


@pytest.mark.parametrize("kind", strikes.KINDS)
def test_rule_10_strikes(kind: str) -> None:
    """Rules 10, 13 to 15: a call is done or not, loses at most what was in hand, can be redone."""
    number = "100" if kind in newer.KINDS else "300"
    done = python("-m", "tests.endurance.strikes", "--kind", kind, "--strikes", number)
    assert (done.returncode, done.stdout) == (0, f"{number} {kind}: whole\n"), done.stderr

"""The real `StreamWrapper` under random schedules: a choice at each point where threads meet."""

from __future__ import annotations

from random import Random

import pytest

from kernel import stream

from .mutants import MUTANTS, broken_actions
from .schedules import PROGRAMS, run


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_schedule_is_right(name: str, request: pytest.FixtureRequest) -> None:
    """Whoever goes first, the user sees what the oracle sees, and somebody can always go on."""
    schedules = request.config.getoption("--schedules")
    seen = set()
    for seed in range(schedules):
        seen.add(tuple(run(PROGRAMS[name], Random(seed).choice)))
    assert len(seen) >= (1 if name == "unbuffered" else 10)


def found(schedules: int = 300) -> bool:
    """Whether some schedule of some program shows that something is wrong."""
    for seed in range(schedules):
        for program in PROGRAMS.values():
            try:
                run(program, Random(seed).choice)
            except AssertionError:
                return True
            except Exception:  # a broken shell may raise anything
                return True
    return False


@pytest.mark.parametrize("name", ["Bounded", "NoWorkerOutside", "Served", "StopEnds", "Refines"])
def test_broken_machine_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that runs a broken machine is found out."""
    for action in broken_actions(MUTANTS[name]):
        monkeypatch.setattr(stream, action.__name__, action, raising=False)
    assert found()


def test_lost_wake_up_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer that nobody wakes is found out, although it would look around by itself."""
    monkeypatch.setattr(stream._Core, "wake_consumer", lambda core: None)
    assert found()


def test_stop_that_does_not_wait_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that returns before its worker has gone is found out."""
    monkeypatch.setattr(stream._Core, "join", lambda core: None)
    assert found()

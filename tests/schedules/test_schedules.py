"""The real `StreamWrapper` under random schedules: a choice at each point where threads meet.

Such a point is each look at, and each change of, whatever two threads share. These are samples.
"""

from __future__ import annotations

from random import Random

import pytest

from .control import Races
from .planted import PLANTED, plant
from .schedules import PROGRAMS, Program, Wrong, run


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_schedule_is_right(name: str, request: pytest.FixtureRequest) -> None:
    """Whoever goes first, the user sees what the oracle sees, and somebody can always go on."""
    schedules = request.config.getoption("--schedules")
    seen = set()
    for seed in range(schedules):
        run(PROGRAMS[name], Random(seed).choice)
        seen.add(tuple(run(PROGRAMS[name], Random(seed).choice, Races())))
    assert len(seen) > (0 if name == "unbuffered" else schedules // 2)


def shown(program: str | Program, schedules: int) -> Wrong | None:
    """What the first of so many schedules that is not right shows, at all points or the fewest."""
    played = PROGRAMS[program] if isinstance(program, str) else program
    for seed in range(schedules):
        for races in (Races(), None):
            try:
                run(played, Random(seed).choice, races)
            except Wrong as wrong:
                return wrong
    return None


@pytest.mark.parametrize("name", PLANTED)
def test_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug shows itself under some schedule, as what it is; without it all of these hold."""
    function, old, new, program, kind = PLANTED[name]
    plant(monkeypatch, function, old, new)
    wrong = shown(program, 2000)
    assert wrong is not None
    assert wrong.kind == kind


def test_planting_needs_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that fits nowhere is an error."""
    with pytest.raises(ValueError, match="occurs 0 times"):
        plant(monkeypatch, "core.Core.join", "no such text", "")

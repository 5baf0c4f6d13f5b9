"""The real `StreamWrapper` under random schedules: a choice at each point where threads meet.

Such a point is each look at, and each change of, whatever two threads share. These are samples,
with as many preemptions as chance has it; `test_search` has every schedule with few.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import pytest

from .programs import PROGRAMS
from .schedules import Run, run, shell
from .shared import WATCHED, Deque, List, Writers


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_schedule_is_right(name: str, request: pytest.FixtureRequest) -> None:
    """Whoever goes first, the user sees what the oracle sees, and somebody can always go on."""
    schedules = request.config.getoption("--schedules")
    seen = set()
    for seed in range(schedules):
        run(PROGRAMS[name], Random(seed).choice)
        seen.add(tuple(run(PROGRAMS[name], Random(seed).choice, everywhere=True)))
    assert len(seen) > (0 if name == "unbuffered" else schedules // 2)


def test_all_that_is_written_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No attribute of what threads share is written again that is not known to be, nor a list."""
    written, holders = set(), []
    for kind in WATCHED:
        made: Any = kind.__init__

        def init(holder: Any, *arguments: Any, made: Any = made, **named: Any) -> None:
            made(holder, *arguments, **named)
            holders.append(holder)

        def put(holder: Any, name: str, value: Any, kind: type = kind) -> None:
            if name in holder.__dict__:
                written.add((kind, name))
            object.__setattr__(holder, name, value)

        monkeypatch.setattr(kind, "__init__", init)
        monkeypatch.setattr(kind, "__setattr__", put, raising=False)
    with shell() as stage:
        for program in PROGRAMS.values():
            going = Run(program, stage, everywhere=True, written=True)
            choose = Random(0).choice
            while moves := going.moves():
                going.move(choose(moves))
            going.control.close()
    known = {(kind, name) for kind, names in WATCHED.items() for name in names}
    assert written <= known
    assert len(written) > len(known) / 2
    values = [value for holder in holders for value in vars(holder).values()]
    shared = [value for value in values if isinstance(value, (list, deque, dict, set))]
    assert {type(value) for value in shared} == {List, Writers, Deque}

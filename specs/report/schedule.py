"""Runs that were not found by TLC: a recorded run, and a schedule of an explorer.

>>> lane = from_schedule(
...     "two wrote at once",
...     [("main", "read", {"x": 0}), ("other", "read", {}), ("main", "write", {"x": 1})],
... )
>>> lane.lanes, [row.action for row in lane.rows]
(('main', 'other'), ['read', 'read', 'write'])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kernel.machine import Variables
from specs.trace.judging import judged
from specs.trace.lines import ACTION, Line, Trace

from .lanes import Leaves, Row, Swimlane, linked, sentence, sizes
from .protocol import CALLERS, SAY, lane_of, leaves
from .values import words

SHOWN = 300
"""Rows of a recorded run that are shown at most: the last ones before it stops."""


class Move(NamedTuple):
    """A step of a schedule. A tuple of the first three serves as well."""

    thread: str
    operation: str
    changes: Mapping[str, object] = {}  # what the step changed, and to what
    leaves: Leaves | None = None  # why the thread is left after it, if it is
    text: str = ""  # what the step does, in English; code stands between backticks


def from_schedule(  # noqa: PLR0913  # a caller names all but the first two
    title: str,
    moves: Iterable[Move | tuple[str, str, Mapping[str, object]]],
    *,
    broken: str = "",
    meaning: str = "",
    first: Mapping[str, object] | None = None,
    name: str = "schedule",
) -> Swimlane:
    """A schedule, as the explorer gives it.

    :param title: what fails in it
    :param broken: the name of what was violated, with `meaning` in English
    :param first: the variables before the first step
    """
    steps = [Move(*move) for move in moves]
    lanes = tuple(dict.fromkeys(step.thread for step in steps))
    before = {key: words(value) for key, value in (first or {}).items()}
    last = {step.thread: place for place, step in enumerate(steps)}
    state = before
    rows = []
    for place, step in enumerate(steps):
        state = state | {key: words(value) for key, value in step.changes.items()}
        left = step.leaves or Leaves("unknown", "is left here")
        if step.leaves is None and last[step.thread] == place:
            left = Leaves("ended", "takes no further step")
        lane = lanes.index(step.thread)
        rows.append(Row(place + 1, lane, step.operation, step.text, state=state, leaves=left))
    return Swimlane(name, title, lanes, linked(rows, before), broken, meaning)


def from_trace(path: Path) -> Swimlane:
    """A recorded run, up to where it stops being a behaviour of the protocol, by TLC.

    Raises CannotRun if it cannot be read or judged.
    """
    found, verdict, line = judged(path)
    taken = found.lines if verdict.line == 0 else found.lines[: max(0, verdict.line - 2)]
    rows, lanes = recorded(found, taken)
    lane = Swimlane(
        name=path.name,
        title=f"Recorded run {path.name}",
        lanes=tuple(lanes),
        rows=rows[-SHOWN:],
        settings=sizes(*found.limits),
        left_out=max(0, len(rows) - SHOWN),
    )
    if verdict.line == 0:
        end = "; the last line is cut off, as by a crash" if found.truncated else ""
        return replace(lane, then=f"TLC says: a behaviour of the protocol, to its end{end}")
    if verdict.line >= 2:
        wrong = found.lines[verdict.line - 2]
        where = tuple(dict.fromkeys((*lane.lanes, wrong.thread)))
        row = Row(
            *(len(rows) + 1, where.index(wrong.thread), wrong.action),
            f"line {line} of the file: {verdict.why}",
            state=lane.rows[-1].state if lane.rows else {},
        )
        lane = replace(lane, lanes=where, rows=(*lane.rows, row))
    return replace(
        lane,
        broken="Protocol",
        meaning="A recorded run is a behaviour of the protocol.",
        breaks=f"{sentence(verdict.why)}.",
    )


def recorded(found: Trace, lines: Sequence[Line]) -> tuple[tuple[Row, ...], list[str]]:
    """The rows of lines that the machine accepts, and the threads in them."""

    def shown(state: Variables) -> dict[str, str]:
        return {name: words(value) for name, value in state._asdict().items()}

    called = {line.thread for line in lines if line.action in CALLERS}
    threads = dict.fromkeys(line.thread for line in lines)
    lanes = sorted(threads, key=lambda thread: thread not in called)  # callers on the left
    state = Variables(*found.first)  # type: ignore[arg-type]
    rows = [Row(1, -1, "at first", "", state=shown(state))]
    for number, (action, thread, _) in enumerate(lines, 2):
        then = ACTION[action](found.limits, state)
        if then is None:
            break
        lane = lane_of(action, state.worker)
        state = Variables(*then)
        why, text = leaves(lane, state._asdict())
        left = Leaves(why, text.replace("are in", "is in").replace("wait ", "waits "))
        of_thread = lanes.index(thread)
        rows.append(Row(number, of_thread, action, SAY[action], state=shown(state), leaves=left))
    return linked(rows), lanes

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
from specs.trace.judging import judge
from specs.trace.lines import ACTION, Line, Trace, read_trace
from specs.trace.ordering import order

from .lanes import Leaves, Row, Swimlane, changes, sentence, sizes
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
    state = {key: words(value) for key, value in (first or {}).items()}
    last = {step.thread: place for place, step in enumerate(steps)}
    rows = []
    for place, step in enumerate(steps):
        after = state | {key: words(value) for key, value in step.changes.items()}
        left = None
        if place + 1 < len(steps) and steps[place + 1].thread != step.thread:
            over = Leaves("ended" if last[step.thread] == place else "unknown", "is left here")
            if over.why == "ended":
                over = Leaves("ended", "takes no further step")
            left = step.leaves or over
        rows.append(
            Row(
                place + 1,
                lanes.index(step.thread),
                step.operation,
                step.text,
                changes(state, after),
                tuple(after.items()),
                left,
            )
        )
        state = after
    return Swimlane(name, title, lanes, tuple(rows), broken, meaning)


def from_trace(path: Path) -> Swimlane:
    """A recorded run, up to where it stops being a behaviour of the protocol, by TLC.

    Raises Malformed, OSError, or RuntimeError if TLC comes to no verdict.
    """
    found = read_trace(path)
    places = order(found.limits, found.lines, found.first)  # type: ignore[arg-type]
    lines = [found.lines[place] for place in places]
    verdict = judge(replace(found, lines=lines))
    taken = lines if verdict.line == 0 else lines[: max(0, verdict.line - 2)]
    rows, lanes = recorded(found, taken)
    lane = Swimlane(
        name=path.name,
        title=f"Recorded run {path.name}",
        lanes=tuple(lanes),
        rows=tuple(rows[-SHOWN:]),
        settings=sizes(*found.limits),
        left_out=max(0, len(rows) - SHOWN),
    )
    if verdict.line == 0:
        end = "; the last line is cut off, as by a crash" if found.truncated else ""
        return replace(lane, then=f"TLC says: a behaviour of the protocol, to its end{end}")
    if verdict.line >= 2:
        line = places[verdict.line - 2] + 2
        wrong = lines[verdict.line - 2]
        where = (*lane.lanes, wrong.thread) if wrong.thread not in lane.lanes else lane.lanes
        row = Row(
            len(rows) + 1,
            where.index(wrong.thread),
            wrong.action,
            f"line {line} of the file: {verdict.why}",
            state=lane.rows[-1].state if lane.rows else (),
        )
        lane = replace(lane, lanes=where, rows=(*lane.rows, row))
    return replace(
        lane,
        broken="Protocol",
        meaning="A recorded run is a behaviour of the protocol.",
        breaks=f"{sentence(verdict.why)}.",
    )


def recorded(found: Trace, lines: Sequence[Line]) -> tuple[list[Row], list[str]]:
    """The rows of lines that the machine accepts, and the threads in them."""
    first = Variables(*found.first)  # type: ignore[arg-type]
    shown = {name: words(value) for name, value in zip(Variables._fields, first, strict=True)}
    rows = [Row(1, -1, "at first", "", state=tuple(shown.items()))]
    called = {line.thread for line in lines if line.action in CALLERS}
    threads = dict.fromkeys(line.thread for line in lines)
    lanes = sorted(threads, key=lambda thread: thread not in called)  # callers on the left
    state = first
    for place, line in enumerate(lines):
        then = ACTION[line.action](found.limits, state)
        if then is None:
            break
        worker = state.worker
        state = Variables(*then)
        after = {name: words(value) for name, value in zip(Variables._fields, state, strict=True)}
        left = None
        if place + 1 < len(lines) and lines[place + 1].thread != line.thread:
            left = leaves(lane_of(line.action, worker), state._asdict())
            left = left._replace(
                text=left.text.replace("are in", "is in").replace("wait ", "waits ")
            )
        rows.append(
            Row(
                place + 2,
                lanes.index(line.thread),
                line.action,
                SAY[line.action],
                changes(shown, after),
                tuple(after.items()),
                left,
            )
        )
        shown = after
    return rows, lanes

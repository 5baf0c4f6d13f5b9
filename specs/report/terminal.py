"""A swimlane in the terminal: text columns, by rich."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .lanes import Row, Swimlane, sentence, summary
from .page import plain

COLOURS = ("cyan", "yellow", "green", "magenta")
SIGNS = {"waits": "‖", "preempted": "⇄", "ended": "■", "over": "○", "unknown": "·"}


def swimlane(lane: Swimlane) -> RenderableType:
    """A column for each thread, a row for each step."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    table.add_column("", justify="right", style="dim")
    for number, name in enumerate(lane.lanes):
        colour = COLOURS[number % len(COLOURS)]
        table.add_column(name, style=colour, header_style=f"bold {colour}", ratio=1)
    for row in lane.rows:
        if row.lane < 0:
            first = plain(row.text) or ", ".join(
                f"{name} = {value}" for name, value in row.state.items()
            )
            table.add_row(str(row.number), Text(first, style="dim"))
            continue
        cells = ["" for _ in lane.lanes]
        table.add_row(str(row.number), *cells[: row.lane], cell(row), *cells[row.lane + 1 :])
    return Group(*head(lane), table, *foot(lane))


def cell(row: Row) -> Text:
    """What a step does, what it changes, and why its thread is left."""
    said = Text(row.action, style="bold")
    if row.text:
        said.append(f"  {plain(row.text)}", style="not bold")
    for change in row.told:
        was = f"{change.before} → " if change.before else ""
        said.append(f"\n{plain(change.name)}: {was}{change.after}", style="not bold dim")
    if row.leaves is not None:
        style = "not bold red" if row.leaves.why == "preempted" else "not bold dim italic"
        said.append(f"\n{SIGNS[row.leaves.why]} {row.leaves.text}", style=style)
    return said


def head(lane: Swimlane) -> Iterator[Text]:
    """The property that breaks, and what goes wrong."""
    if lane.broken:
        yield Text.assemble((f"✗ {lane.broken} is broken. ", "bold red"), plain(lane.meaning))
    if lane.story is not None:
        yield Text(plain(lane.story.user))
    yield Text(summary(lane), style="dim")


def foot(lane: Swimlane) -> Iterator[Text]:
    """How the run ends, or goes on."""
    if lane.then:
        yield Text(sentence(lane.then))
    if lane.broken and lane.wrong != lane.meaning:
        yield Text(plain(lane.wrong), style="red")

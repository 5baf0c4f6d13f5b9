"""The model of a swimlane: a column for each thread, a row for each step.

This knows neither TLC nor HTML. `seed`, `protocol` and `schedule` make swimlanes; `page` and
`terminal` show them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeAlias

Why: TypeAlias = Literal["waits", "preempted", "ended", "over", "unknown"]
"""Why a thread is switched away from. "over": its call has returned, and other code runs."""


class Leaves(NamedTuple):
    """Why the next step is another thread's."""

    why: Why
    text: str  # goes on where "thread 1" begins: "waits for the gate"


class Change(NamedTuple):
    """What a step does to one variable."""

    name: str
    before: str
    after: str
    minor: bool = False  # a place in the code, or bookkeeping of the model


@dataclass(frozen=True)
class Row:
    """One step."""

    number: int
    lane: int  # of the thread that takes it; -1 for the state in which the run begins
    action: str
    text: str  # what the thread does, in English; code stands between backticks
    changes: tuple[Change, ...] = ()
    state: Mapping[str, str] = field(default_factory=dict)  # every variable after the step
    leaves: Leaves | None = None  # only where the next step is another thread's
    gone: tuple[int, ...] = ()  # lanes whose thread does not run after the step

    @property
    def told(self) -> tuple[Change, ...]:
        """The changes worth showing in the row: the minor ones only where no words say it."""
        large = tuple(change for change in self.changes if not change.minor)
        return large or (() if self.text else self.changes)


class Story(NamedTuple):
    """What a reader who does not know the protocol should know of a failing run."""

    headline: str
    user: str  # what goes wrong for the user of the wrapper
    why: str  # the order of steps that leads to it
    breaks: str  # what is wrong with the last step
    instead: str  # what our protocol does instead


@dataclass(frozen=True)
class Swimlane:
    """A run, step by step."""

    name: str  # of the model or the file; unique on a page
    title: str
    lanes: tuple[str, ...]
    rows: tuple[Row, ...]
    broken: str = ""  # the property that the run breaks
    meaning: str = ""  # the property, in English
    breaks: str = ""  # what is wrong with the last step, where no story says it
    story: Story | None = None
    then: str = ""  # how the run goes on for ever
    settings: str = ""  # the sizes of the wrapper
    left_out: int = 0  # steps before the first row

    @property
    def back(self) -> int:
        """The row to whose state it goes back, and from which on it repeats; 0 if it does not."""
        found = re.search(r"back to step (\d+)", self.then)
        return int(found[1]) if found else 0

    @property
    def wrong(self) -> str:
        """What is wrong with the last step."""
        return self.story.breaks if self.story else self.breaks or self.meaning

    @property
    def switches(self) -> int:
        """How often another thread goes on."""
        return sum(row.leaves is not None for row in self.rows)

    @property
    def preemptions(self) -> tuple[int, ...]:
        """The rows after which a thread could have gone on, and another did."""
        return tuple(r.number for r in self.rows if r.leaves and r.leaves.why == "preempted")


def changes(
    before: Mapping[str, str], after: Mapping[str, str], minor: Iterable[str] = ()
) -> tuple[Change, ...]:
    """What differs between two states."""
    small = set(minor)
    return tuple(
        Change(name, before.get(name, ""), value, name in small)
        for name, value in after.items()
        if before.get(name, "") != value
    )


def linked(
    rows: Sequence[Row], first: Mapping[str, str] | None = None, minor: Iterable[str] = ()
) -> tuple[Row, ...]:
    """The rows with what each changes, and why its thread is left only where another goes on.

    :param rows: each with the reason why its thread would be left
    :param first: the state before them
    """
    found = []
    before = first or {}
    for row, then in zip(rows, [*rows[1:], None], strict=True):
        switched = row.lane >= 0 and then is not None and then.lane != row.lane
        changed = changes(before, row.state, minor) if row.lane >= 0 else ()
        found.append(replace(row, changes=changed, leaves=row.leaves if switched else None))
        before = row.state
    return tuple(found)


def sizes(capacity: int, epoch_size: int, lookahead: bool = False) -> str:
    """The sizes of a wrapper, in words."""
    buffer = f"a buffer of {capacity}" if capacity else "no buffer"
    epochs = f"epochs of {epoch_size}" if epoch_size else "an epoch is a pass"
    return ", ".join([buffer, epochs, *(["with lookahead"] if lookahead else [])])


def sentence(text: str) -> str:
    """Text with a capital at its beginning, if that is a word."""
    return text[:1].upper() + text[1:]


def numbers(found: Iterable[int]) -> str:
    """Numbers in a sentence: "3, 5 and 9"."""
    words = [str(number) for number in found]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def summary(lane: Swimlane) -> str:
    """The order of the steps, in a sentence."""
    forced = lane.preemptions
    if not lane.switches:
        return "One thread takes every step."
    if any(row.leaves and row.leaves.why == "unknown" for row in lane.rows):
        return f"{lane.switches} switches between threads."
    if not forced:
        return (
            "Nobody is preempted: a thread is left only where it waits, or where its call is over."
        )
    if len(forced) == 1:
        return (
            "Threads run until they wait or their call is over, except at one switch: "
            f"after step {forced[0]}."
        )
    return (
        f"Threads run until they wait or their call is over, except at {len(forced)} switches: "
        f"after steps {numbers(forced)}."
    )

"""The lines of a trace, a file of JSON, of which this reads FORMAT."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args, get_origin, get_type_hints

from kernel.machine import ACTIONS, Later, Limits, Mark, State, Variables

FORMAT = "stream-kernel trace 1"
"""What the first line of a file must call its format."""

GREATEST = 2**31 - 1
"""The greatest number that TLC can hold."""

Value: TypeAlias = str | int | bool | Later

ACTION = {action.__name__: action for action in ACTIONS}
KINDS: dict[str, Any] = {
    name: get_args(kind) if get_origin(kind) is Literal else get_origin(kind) or kind
    for name, kind in get_type_hints(Variables).items()
}
"""What each variable may be: one of some words, a number, a truth value, or `tuple` (`Later`)."""

SIZES = tuple(name for name in Limits._fields if name not in Limits._field_defaults)


class Malformed(Exception):
    """A file is no trace. The text says in which line, and what is wrong with it."""


class Line(NamedTuple):
    """An action that was recorded, and what was recorded of the state after it."""

    action: str
    thread: str
    state: tuple[Value | None, ...]  # of `Variables`, None for those that were not recorded

    def __str__(self) -> str:
        return f"{self.action} ({self.thread})"

    def agrees(self, state: State) -> bool:
        """Whether the state is what was recorded."""
        recorded = self.state
        return recorded == _UNRECORDED or all(
            value is None or value == real for value, real in zip(recorded, state, strict=True)
        )


_UNRECORDED = (None,) * len(KINDS)


@dataclass(frozen=True)
class Trace:
    """A recorded run. Its first action is in line 2 of the file."""

    limits: Limits
    first: tuple[Value, ...]  # the state in which it begins
    lines: Sequence[Line]
    truncated: bool = False  # the last line of the file was cut off, and is not among these


# Reading a file.


def read_trace(path: Path) -> Trace:
    """Read a trace. Raises Malformed if it is none, and OSError if it cannot be read."""
    header: Trace | None = None
    known: dict[bytes, Line] = {}  # most lines are equal to one before
    lines: list[Line] = []
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            line = known.get(text)
            if line is None:
                try:
                    if header is None:
                        header = read_header(parse(text))
                        continue
                    line = known[text] = read_line(parse(text))
                except ValueError as error:
                    if header is None or text.endswith(b"\n") or not is_cut(text):
                        raise Malformed(f"line {number}: {error}") from None
                    return Trace(header.limits, header.first, lines, truncated=True)
            lines.append(line)
    if header is None:
        raise Malformed("line 1: there is no header, since the file is empty")
    return Trace(header.limits, header.first, lines)


def is_cut(text: bytes) -> bool:
    """Whether a line that has no end is no whole object either."""
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


def parse(text: bytes) -> dict[str, Any]:
    """The JSON object in a line. Raises ValueError if there is none."""
    try:
        found = json.loads(text, object_pairs_hook=distinct)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at column {error.colno}: {error.msg}") from None
    if not isinstance(found, dict):
        raise ValueError(f"must be a JSON object, not {found!r}")
    return found


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises ValueError if it says something twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"says something twice: {', '.join(name for name, _ in pairs)}")
    return found


def must(right: bool, name: str, what: str, value: object) -> None:
    """Raises ValueError, which says what must be what, unless it is right."""
    if not right:
        raise ValueError(f'"{name}" must be {what}, not {value!r}')


def is_number(value: object, least: int = -GREATEST) -> bool:
    """Whether it is a number that TLC can hold."""
    return type(value) is int and least <= value <= GREATEST


def read_header(found: dict[str, Any]) -> Trace:
    """Read the first line. Raises ValueError."""
    if found.get("format") != FORMAT:
        raise ValueError(f'the header must say "format": "{FORMAT}", not {found.get("format")!r}')
    expect(found, ("format", *SIZES, "state"), Limits._field_defaults)
    for name in SIZES:
        must(is_number(found[name], 0), name, f"a number from 0 to {GREATEST}", found[name])
    limits = Limits(**{name: found[name] for name in Limits._fields if name in found})
    must(type(limits.lookahead) is bool, "lookahead", "true or false", limits.lookahead)
    state = read_state(found["state"], later=())
    missing = [name for name, value in zip(KINDS, state, strict=True) if value is None]
    if missing:
        raise ValueError(f'"state" must have all variables, and lacks {", ".join(missing)}')
    return Trace(limits, tuple(value for value in state if value is not None), ())


def read_line(found: dict[str, Any]) -> Line:
    """Read a line of an action. Raises ValueError."""
    expect(found, ("action", "thread"), ("state",))
    action, thread = found["action"], found["thread"]
    must(action in [*ACTION], "action", "an action of the protocol", action)
    must(isinstance(thread, str), "thread", "a string", thread)
    return Line(action, thread, read_state(found.get("state", {})))


def expect(found: dict[str, Any], names: Iterable[str], others: Iterable[str] = ()) -> None:
    """Raises ValueError unless the object has all these names, and none but these and `others`."""
    for name in names:
        if name not in found:
            raise ValueError(f'lacks "{name}"')
    for name in found:
        if name not in {*names, *others}:
            raise ValueError(f'"{name}" is unknown')


def read_state(found: Any, **otherwise: Value) -> tuple[Value | None, ...]:
    """The variables that were recorded, or have a value otherwise. Raises ValueError."""
    must(isinstance(found, dict), "state", "an object", found)
    expect(found, (), KINDS)
    known = {**otherwise, **{name: read_value(name, value) for name, value in found.items()}}
    return tuple(known.get(name) for name in KINDS)


def read_value(name: str, value: Any) -> Value:
    """The value of a variable. Raises ValueError."""
    kind = KINDS[name]
    if kind is int:
        must(is_number(value), name, "a number", value)
    elif kind is bool:
        must(type(value) is bool, name, "true or false", value)
    elif kind is tuple:
        right = isinstance(value, list) and all(map(is_epoch, value))
        marks = ", ".join(get_args(Mark))
        must(right, name, f"a list of pairs, a number and one of {marks}", value)
        return tuple((batches, mark) for batches, mark in value)
    else:
        must(value in kind, name, f"one of {', '.join(kind)}", value)
    known: Value = value
    return known


def is_epoch(pair: Any) -> bool:
    """Whether it is an epoch after the mark: its number of batches, and its mark."""
    known = isinstance(pair, list) and len(pair) == 2
    return known and is_number(pair[0]) and pair[1] in get_args(Mark)

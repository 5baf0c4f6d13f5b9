"""The values that TLC writes, as Python's, and in words.

>>> read('<<<<"batch", 1>>, <<"mark">>>>')
(('batch', 1), ('mark',))
>>> words(read('<<<<"batch", 1>>, <<"mark">>>>'))
'batch 1, end mark'
>>> words(read('<<<<2, "ended">>>>'))
'a later epoch: 2 batches, ended'
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from specs.tlc import Result

_TOKEN = re.compile(r'\s*(<<|>>|\|->|:>|@@|[{}\[\](),]|"(?:[^"\\]|\\.)*"|-?\d+|\w+)')


def read(text: str) -> Any:
    """A value of TLA+: a tuple for a sequence, a frozenset for a set, a dict for a function.

    Raises ValueError if the text is none.
    """
    tokens = []
    place = 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"no value of TLA+: {text!r}")
        tokens.append(found[1])
        place = found.end()
    tokens.reverse()
    try:
        value = _value(tokens)
    except IndexError:
        tokens = [""]
    if tokens:
        raise ValueError(f"no value of TLA+: {text!r}")
    return value


def values(result: Result) -> list[dict[str, Any]]:
    """The states of a counterexample."""
    return [{name: read(text) for name, text in step.state.items()} for step in result.steps]


_BRACKETS: dict[str, tuple[str, str, str, Callable[[Any], Any]]] = {
    "<<": (">>", ",", "", tuple),
    "{": ("}", ",", "", frozenset),
    "[": ("]", ",", "|->", dict),
    "(": (")", "@@", ":>", dict),
}
"""By what opens a value: what shuts it, what stands between its parts, and within each."""


def _value(tokens: list[str]) -> Any:
    token = tokens.pop()
    if token.startswith('"'):
        return token[1:-1]
    if token not in _BRACKETS:
        known = {"TRUE": True, "FALSE": False}.get(token, token)
        return int(token) if token.lstrip("-").isdecimal() else known
    end, comma, arrow, kind = _BRACKETS[token]
    found = []
    while tokens[-1] != end:
        part = _value(tokens)
        if arrow:
            if tokens.pop() != arrow:
                raise IndexError
            part = (part, _value(tokens))
        found.append(part)
        if tokens[-1] == comma:
            tokens.pop()
    tokens.pop()
    return kind(found)


ITEMS = {
    "mark": "end mark",
    "failure": "error",
    "exhausted": "end of a pass",
    "raised": "error",
}
"""What stands in the seed's queue, or is an answer of the source, by its first word."""


def item(value: tuple[Any, ...]) -> str:
    """An item of the queue, or an answer of the source."""
    if not value:
        return "nothing"
    if value[0] == "batch":
        return f"batch {value[1]}"
    if value[0] == "none":
        return f"None (batch {value[1]})"
    return ITEMS.get(value[0], words(value))


MARKS = {"none": "open", "ended": "ended", "failed": "then an error"}


def epoch(value: tuple[int, str]) -> str:
    """An epoch after the mark: its batches, and how it ends."""
    batches, mark = value
    held = "1 batch" if batches == 1 else f"{batches} batches"
    return f"{held}, {MARKS.get(mark, mark)}"


def the(value: tuple[Any, ...]) -> str:
    """An item, in a sentence."""
    named = item(value)
    return {"end mark": "the end mark", "error": "the error"}.get(named, named)


def words(value: Any) -> str:  # noqa: PLR0911  # a case for each kind
    """Any value, to be read by a person."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        if not value:
            return "empty"
        if isinstance(value[0], tuple) and len(value[0]) == 2 and isinstance(value[0][0], int):
            several = "a later epoch" if len(value) == 1 else "later epochs"
            return f"{several}: {'; '.join(map(epoch, value))}"
        if all(isinstance(part, tuple) for part in value):
            return ", ".join(item(part) for part in value)
        return ", ".join(words(part) for part in value)
    if isinstance(value, frozenset):
        return ", ".join(sorted(words(part) for part in value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{words(name)}: {words(part)}" for name, part in value.items())
    return str(value)

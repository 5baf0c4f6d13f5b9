"""State graphs: the machine's, explored here, and the protocol's, as TLC dumps it.

A graph is a set of edges (state, action, state). Two graphs that are equal, and begin alike, have
the same states, since in both every state but the first is reached by an edge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from kernel.machine import ACTIONS, INITIAL, Action, Limits, State, Variables

from .tlc import Model, read_value

Edge: TypeAlias = tuple[State, str, State]


def limits_of(model: Model) -> Limits:
    """The limits of the wrapper that a model is of."""
    constants = model.constants
    lookahead = bool(constants.get("Lookahead", False))
    return Limits(constants["Capacity"], constants["EpochSize"], lookahead)


def explore(
    limits: Limits,
    max_permits: int,
    actions: Iterable[Action] = ACTIONS,
    max_states: int = 1_000_000,
    begin: State = INITIAL,
) -> frozenset[Edge]:
    """All steps of the machine from its initial state, with nested gates up to a bound.

    A machine that has no end of states (a broken one) is left after `max_states`.
    """
    chosen = tuple(actions)
    edges: set[Edge] = set()
    found = {begin}
    todo = [begin]
    while todo and len(found) <= max_states:
        state = todo.pop()
        for action in chosen:
            then = action(limits, state)
            if then is None or Variables(*then).permits > max_permits:
                continue
            edges.add((state, action.__name__, then))
            if then not in found:
                found.add(then)
                todo.append(then)
    return frozenset(edges)


_NODE = re.compile(r'^(-?\d+) \[label="((?:[^"\\]|\\.)*)"', re.MULTILINE)
_INITIAL = re.compile(_NODE.pattern + r",style = filled\]", re.MULTILINE)
_EDGE = re.compile(r'^(-?\d+) -> (-?\d+) \[label="(\w+)"', re.MULTILINE)
_VALUE = re.compile(r"(\w+) = (.*?)(?:\\n|$)")


def as_it_is(values: Mapping[str, str]) -> State:
    """Of the variables, as TLC writes their values, those of the machine."""
    return tuple(read_value(values[name]) for name in Variables._fields)


def read_dump(dump: Path) -> frozenset[Edge]:
    """The edges of a graph dumped by TLC, between states of the machine."""
    text = dump.read_text(encoding="utf-8")
    states = {found[1]: as_it_is(dict(_VALUE.findall(found[2]))) for found in _NODE.finditer(text)}
    return frozenset(
        (states[found[1]], found[3], states[found[2]]) for found in _EDGE.finditer(text)
    )


def read_initial(dump: Path) -> frozenset[State]:
    """The initial states of a graph dumped by TLC."""
    text = dump.read_text(encoding="utf-8")
    return frozenset(as_it_is(dict(_VALUE.findall(found[2]))) for found in _INITIAL.finditer(text))

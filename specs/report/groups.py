"""The state graph of the machine, in groups that a person can read.

A model of the smallest sizes has hundreds of states. Drawn whole they are a hairball; so states
that are alike in what a view looks at are one box, and the box knows all its states.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from kernel.machine import INITIAL, Limits, State, Variables
from specs.graph import explore, limits_of
from specs.tlc import Model

from .protocol import CALLERS

Key: TypeAlias = tuple[str, ...]


def writer(action: str) -> str:
    """Which group writes in a step: callers, or the puller; nobody chooses a death."""
    if action == "Die":
        return "fate"
    return "callers" if action in CALLERS and action != "Bury" else "puller"


WORKERS = {"absent": "no worker", "running": "a worker runs", "dead": "the worker has died"}
MARKS = {"none": "", "ended": ", then the end", "failed": ", then an error"}
SCOPES = {"new": "never entered", "inside": "inside `with`", "outside": "`with` was left"}


def _buffer(now: Variables) -> str:
    if now.later:
        return f"{_buffer(now._replace(later=()))}, then more of later epochs"
    if now.mark != "none" and not now.buffered:
        return {"ended": "an end is buffered", "failed": "an error is buffered"}[now.mark]
    held = {0: "nothing", 1: "1 batch"}.get(now.buffered, f"{now.buffered} batches")
    return f"{held} buffered{MARKS[now.mark]}"


def _pulling(now: Variables) -> Key:
    doing = "between epochs"
    if now.fetching:
        doing = "a pull is in flight"
    elif now.begun:
        doing = f"epoch begun, {now.count} in it" if now.count else "epoch begun"
    elif now.mark != "none":
        doing = "epoch over"
    return (WORKERS[now.worker], doing, _buffer(now))


def _calling(now: Variables) -> Key:
    asks = "`next` waits" if now.consumer == "waiting" else "nobody waits"
    return (SCOPES[now.scope], WORKERS[now.worker], asks)


class View(NamedTuple):
    """A way to look at the states. The first word of a key names the frame around a box."""

    title: str
    about: str
    key: Callable[[Variables], Key]


VIEWS = {
    "pulling": View(
        "Pulling and taking",
        "What the worker does, and what is buffered. Scope, gates and requests, which permit the "
        "steps, are looked at in the other view.",
        _pulling,
    ),
    "calling": View(
        "Entering and asking",
        "Where the callers are, and whether there is a worker. What is pulled and buffered is "
        "looked at in the other view.",
        _calling,
    ),
}


@dataclass(frozen=True)
class Edge:
    """Steps between two boxes that are written by the same side."""

    begin: int
    end: int
    writer: str
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Boxes, and steps between them. States are numbered, the initial one first."""

    view: View
    boxes: tuple[Key, ...]
    members: tuple[tuple[int, ...], ...]  # the states in each box
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Space:
    """All states and steps of one model."""

    name: str
    limits: Limits
    permits: int
    states: tuple[Variables, ...]
    steps: tuple[tuple[int, str, int], ...]


def space(model: Model) -> Space:
    """The states of a model of Stream, which are the machine's: a test compares the two."""
    limits = limits_of(model)
    permits = model.constants["MaxPermits"]
    edges = explore(limits, permits)
    after: defaultdict[State, list[State]] = defaultdict(list)
    for state, _, then in sorted(edges):
        after[state].append(then)
    number = {INITIAL: 0}  # equal to the tuple of its values
    todo = [INITIAL]
    for state in todo:  # breadth first, so that what is near the beginning has a low number
        for then in after[state]:
            if then not in number:
                number[then] = len(number)
                todo.append(then)
    steps = sorted((number[state], action, number[then]) for state, action, then in edges)
    return Space(model.name, limits, permits, tuple(Variables(*s) for s in number), tuple(steps))


def grouped(found: Space, view: View) -> Graph:
    """The graph of a view: a box for each key, an edge for each side that steps between two."""
    keys = [view.key(state) for state in found.states]
    boxes = tuple(dict.fromkeys(keys))
    place = {key: number for number, key in enumerate(boxes)}
    members: list[list[int]] = [[] for _ in boxes]
    for state, key in enumerate(keys):
        members[place[key]].append(state)
    edges: defaultdict[tuple[int, int, str], set[str]] = defaultdict(set)
    for begin, action, end in found.steps:
        if keys[begin] != keys[end]:
            edges[place[keys[begin]], place[keys[end]], writer(action)].add(action)
    return Graph(
        view=view,
        boxes=boxes,
        members=tuple(map(tuple, members)),
        edges=tuple(Edge(*ends, tuple(sorted(actions))) for ends, actions in edges.items()),
    )

"""Every schedule of a program on the real `StreamWrapper`, by its real code.

Threads cannot be copied, so a schedule is run from its beginning, and goes on for as long as it
comes to executions that were not seen before. Two executions are the same if all that can matter
from there on is: where each thread is, with its locals, what waits, and the machine's state.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import marshal
import re
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, islice
from random import Random
from types import CodeType, FrameType, FunctionType, GeneratorType, MethodType
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from kernel import stream
from kernel.machine import INITIAL, Limits, State, Variables
from kernel import machine

from . import schedules
from .control import Actor, Control, Lock, Races, SimpleQueue, Thread
from .schedules import PROGRAMS, Program, Run, Wrong, running

# Telling executions apart.

PLAIN = (type(None), bool, int, float, str)
CODE = (stream.__file__, schedules.__file__)


class Canon:
    """Values of one execution as plain ones, objects by the order in which they are met."""

    def __init__(self) -> None:
        self.met: dict[int, int] = {}

    def of(self, value: Any) -> Any:
        """The value, as what is equal in another execution if it is the same there."""
        kind = type(value)
        if kind in PLAIN:
            return value
        if isinstance(value, tuple):
            return tuple(map(self.of, value))
        if isinstance(value, (FunctionType, MethodType, type)) or inspect.isbuiltin(value):
            return value.__qualname__
        if kind is weakref.ref:
            return self.of(value())
        if id(value) in self.met:
            return "met", self.met[id(value)]
        self.met[id(value)] = len(self.met)
        if kind is GeneratorType:
            frame = value.gi_frame
            where = frame and (place(frame.f_code, frame.f_lasti), *self.locals(frame))
            return "generator", where
        if isinstance(value, BaseException):
            return kind.__name__, str(value), self.of(value.__cause__)
        if isinstance(value, (list, deque)):
            return kind.__name__, *map(self.of, list(kind.__iter__(value)))
        if isinstance(value, SimpleQueue):
            return "queue", *map(self.of, value.items)
        if isinstance(value, Lock):
            return "lock", value.owner.ident if value.owner else 0
        if isinstance(value, Thread):
            return "thread", value.ident or 0
        if isinstance(value, Actor):
            return "actor", value.ident
        if isinstance(value, (Control, Run)):
            return kind.__name__
        return kind.__qualname__, *(
            (name, self.of(held)) for name, held in sorted(attributes(value)) if name not in STEPS
        )

    def locals(self, frame: FrameType) -> Iterator[tuple[str, Any]]:
        """The names of a frame."""
        return ((name, self.of(value)) for name, value in sorted(frame.f_locals.items()))


STEPS = {"fetch", "enqueue", "dequeue", "request"}
"""What a core remembers for speed, and no more."""


def attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of an object, looked at behind its back."""
    yield from object.__getattribute__(value, "__dict__").items()


def frames(actor: Actor) -> Iterator[FrameType]:
    """The frames of the code under test in which an actor is, and of its user or source."""
    frame = actor.greenlet.gr_frame
    while frame is not None:
        if frame.f_code.co_filename in CODE:
            yield frame
        frame = frame.f_back


@lru_cache(maxsize=None)
def place(code: CodeType, at: int) -> Any:
    """Where an instruction is in the source: a line may have several that are points."""
    if sys.version_info < (3, 11):
        return at  # there instructions stay where they are
    return next(islice(code.co_positions(), at // 2, None))


def digest(run: Run) -> bytes:
    """What tells this execution from others."""
    canon = Canon()
    whole: list[Any] = [
        run.at,
        run.pulls,
        run.wants,
        run.inside,
        run.refused,
        tuple(run.now),
        run.ahead,
        run.put_last,
        run.ticket is run.hidden("state"),
        *map(canon.of, (run.core, run.gates, run.script, run.expected)),
    ]
    for actor in run.control.actors:
        if actor.ended:
            whole.append("ended")
            continue
        handling = canon.of(actor.handling)
        whole.append((actor.operation, actor.timeout, canon.of(actor.target), handling))
        for frame in frames(actor):
            here = place(frame.f_code, frame.f_lasti)
            whole.append((frame.f_code.co_name, here, *canon.locals(frame)))
    return hashlib.blake2b(marshal.dumps(whole, 2), digest_size=16).digest()


# Searching.


class Bound(Exception):
    """There are more executions than the search was allowed."""


@dataclass
class Node:
    """An execution, as it was met first."""

    parent: int
    move: str  # from there to here
    depth: int


@dataclass
class Graph:
    """All executions of a program, and what leads from one to another."""

    nodes: list[Node] = field(default_factory=list)  # the first is the beginning
    moves: list[tuple[int, str, int]] = field(default_factory=list)
    ends: set[int] = field(default_factory=set)
    failures: list[tuple[int, str, Wrong]] = field(default_factory=list)  # from where, by what
    edges: set[tuple[State, State]] = field(default_factory=set)  # of the machine
    runs: int = 0
    seconds: float = 0.0

    def path(self, node: int) -> list[str]:
        """The moves by which a node was met first."""
        moves = []
        while node:
            moves.append(self.nodes[node].move)
            node = self.nodes[node].parent
        return moves[::-1]

    def shortest(self, targets: Iterable[int]) -> dict[int, list[str]]:
        """The fewest moves to each of these nodes, by breadth-first search."""
        wanted = set(targets)
        then: dict[int, list[tuple[str, int]]] = {}
        for source, move, target in self.moves:
            then.setdefault(source, []).append((move, target))
        back: dict[int, tuple[int, str] | None] = {0: None}
        todo = deque([0])
        while todo:
            node = todo.popleft()
            for move, target in then.get(node, ()):
                if target not in back:
                    back[target] = node, move
                    todo.append(target)
        paths = {}
        for node in wanted:
            moves, here = [], node
            while (link := back[here]) is not None:
                here = link[0]
                moves.append(link[1])
            paths[node] = moves[::-1]
        return paths

    def stuck(self) -> set[int]:
        """Executions from which there is no way to the end, nor to a failure: livelocks."""
        before: dict[int, list[int]] = {}
        for source, _, target in self.moves:
            before.setdefault(target, []).append(source)
        good = set(self.ends) | {node for node, _, _ in self.failures}
        todo = list(good)
        while todo:
            for node in before.get(todo.pop(), ()):
                if node not in good:
                    good.add(node)
                    todo.append(node)
        return set(range(len(self.nodes))) - good

    def failure(self) -> tuple[Wrong, list[str]] | None:
        """A failure with the shortest schedule that shows one, if there is any."""
        paths = self.shortest(node for node, _, _ in self.failures)
        found = [
            ([*paths[node], move] if move else paths[node], w) for node, move, w in self.failures
        ]
        if not found:
            stuck = self.stuck()
            text = "from here nobody ever comes to the end"
            found = [(path, Wrong("livelock", text)) for path in self.shortest(stuck).values()]
        if not found:
            return None
        schedule, wrong = min(found, key=lambda f: len(f[0]))
        return wrong, schedule


def explore(
    program: Program, races: Races | None = None, timeouts: bool = False, most: int = 200_000
) -> Graph:
    """All executions of the program, whoever goes on when.

    With `timeouts`, any wait that has a time-out may end by it at any time. Raises `Bound` where
    there are more than `most`.
    """
    races = Races() if races is None else races
    while (graph := _explore(program, races, timeouts, most)) is None:
        pass
    return graph


def _explore(program: Program, races: Races, timeouts: bool, most: int) -> Graph | None:
    """The same with points where they are known to be needed; None if more have become known."""
    known = len(races)
    graph, met = Graph(), {}
    started = time.perf_counter()
    todo: list[tuple[int, str]] = [(0, "")]  # moves that were not made yet
    while todo:
        node, move = todo.pop()
        graph.runs += 1
        with running(program, races) as run:
            for step in graph.path(node) if graph.nodes else ():
                run.move(step)
            run.edges.clear()
            while True:
                try:
                    if move:
                        run.move(move)
                    moves = run.moves(timeouts)
                except Wrong as wrong:
                    graph.failures.append((node, move, wrong))
                    break
                finally:
                    graph.edges.update(run.edges)
                key = digest(run)
                new = key not in met
                if new:
                    depth = graph.nodes[node].depth + 1 if graph.nodes else 0
                    met[key] = len(graph.nodes)
                    graph.nodes.append(Node(node, move, depth))
                    if len(graph.nodes) > most:
                        raise Bound(f"more than {most} executions")
                if move:
                    graph.moves.append((node, move, met[key]))
                if not new:
                    break
                node = met[key]
                if not moves:
                    graph.ends.add(node)
                    break
                todo += [(node, other) for other in moves[1:]]
                move = moves[0]
        if len(races) > known:
            return None
    graph.seconds = time.perf_counter() - started
    return graph


# What the machine alone can do under the same program.


class Point(NamedTuple):
    """A state of the machine, and how far user and source have come."""

    state: State
    at: int  # the call that the user is in
    begun: bool  # it has taken its first step
    answered: int  # pulls


def reachable(program: Program) -> set[tuple[State, State]]:
    """The machine's steps that the program can lead to, if everybody goes on when he likes."""
    edges, found = set(), {Point(INITIAL, 0, False, 0)}
    todo = list(found)
    while todo:
        point = todo.pop()
        for then in after(program, point):
            if then.state != point.state:
                edges.add((point.state, then.state))
            if then not in found:
                found.add(then)
                todo.append(then)
    return edges


def after(program: Program, point: Point) -> Iterator[Point]:
    """What can come next: a step of the worker, of the source, or of the user."""
    limits = Limits(program.capacity, program.epoch_size)
    now = Variables(*point.state)

    def step(name: str) -> Iterator[Point]:
        state = getattr(machine, name)(limits, point.state)
        if state is not None:
            yield point._replace(state=state)

    call = program.script[point.at] if point.at < len(program.script) else ""
    returned = point._replace(at=point.at + 1, begun=False)
    if call == "EnterDead" and now.worker == "running":  # it never was
        yield from (returned._replace(state=then.state) for then in step("Die"))
        return
    if now.fetching and now.worker != "dead":
        answer = program.answers[point.answered % len(program.answers)]
        name = {"exhausted": "Exhaust", "raised": "Fail"}.get(answer, "Enqueue")
        yield from (then._replace(answered=point.answered + 1) for then in step(name))
    yield from step("Fetch")
    yield from step("Halt")
    if not call:
        return
    if call == "Next":
        if now.scope == "new" and program.capacity > 0:
            yield returned
        elif now.consumer == "waiting":
            yield from step("Bury")
        else:
            for name in ("Dequeue", "EndEpoch", "Raise"):
                yield from (returned._replace(state=then.state) for then in step(name))
            yield from step("Request")
    elif call in ("Allow", "Disallow"):
        yield from (returned._replace(state=then.state) for then in step(call))
    elif call == "Prefetched":
        if not now.fetching and not any(step("Fetch")):
            yield returned
    elif now.worker == "stopping":
        if call == "Interrupted" and point.begun:
            yield returned
    elif point.begun:
        yield returned
    elif call in ("Exit", "Interrupted"):
        yield from (then._replace(begun=True) for then in step("Stop"))
    elif now.scope == "inside":
        yield returned
    elif call == "Enter":
        yield from (returned._replace(state=then.state) for then in step("Enter"))
    elif call == "EnterDead":
        yield from step("Enter")

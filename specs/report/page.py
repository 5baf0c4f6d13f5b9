"""The pages: what is known goes into templates of `assets`, and one file comes out.

The templates escape all text, and the data for the script is JSON in which no tag can begin; so
whatever stands in a record or a program is text. A page loads nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from kernel.machine import ACTIONS, Variables
from specs.conform.rules import Verdict

from . import known
from .groups import VIEWS, Space, grouped, writer
from .lanes import Swimlane, sentence, sizes, summary
from .layout import EngineMissing, draw, words
from .protocol import SAY
from .values import words as told

ASSETS = Path(__file__).parent / "assets"


def ticks(text: str) -> Markup:
    """Text in which backticks stand around code."""
    parts = str(text).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def plain(text: str) -> str:
    """The same without the backticks."""
    return str(text).replace("`", "")


def anchor(name: str) -> str:
    """The name as an identifier in the page."""
    return "run-" + re.sub(r"[^\w.-]+", "-", name)


def headline(lane: Swimlane) -> str:
    """What a run is called in a list."""
    return lane.story.headline if lane.story else lane.title.rstrip(".")


def defect(lane: Swimlane) -> str:
    """The number of the seed's defect that a run shows."""
    found = re.match(r"Seed_(\d+)_", lane.name)
    return found[1] if found else ""


def spans(lane: Swimlane) -> list[tuple[int, int]]:
    """From which row to which a lane has a line, if nothing is known of when its thread runs."""
    found = []
    known = any(row.gone for row in lane.rows)
    for number in range(len(lane.lanes)):
        rows = [row.number for row in lane.rows if row.lane == number]
        ends = (rows[0], rows[-1]) if rows else (0, -1)
        found.append((1, lane.rows[-1].number) if known or number == 0 else ends)
    return found


def data(value: object) -> Markup:
    """JSON for a script element, in which no tag can begin."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def states(lane: Swimlane) -> Markup:
    """The states of a run, each as what it changes."""
    found = []
    before: Mapping[str, str] = {}
    for row in lane.rows:
        found.append({k: v for k, v in row.state.items() if before.get(k) != v})
        before = row.state
    return data(found)


def arrow(head: tuple[tuple[float, float], tuple[float, float]]) -> str:
    """The path of an arrow's head, from where it begins to its tip."""
    (x, y), (u, v) = head
    across = (y - v) * 0.38, (u - x) * 0.38
    return (
        f"M{u:.1f},{v:.1f}L{x + across[0]:.1f},{y + across[1]:.1f} "
        f"{x - across[0]:.1f},{y - across[1]:.1f}Z"
    )


def render(template: str, **values: object) -> str:
    """A page."""
    made = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (ticks, plain, sentence, anchor, headline, defect, spans, states, arrow, summary)
    made.filters |= {each.__name__: each for each in filters}
    css, js = (Markup((ASSETS / f"page.{kind}").read_text("utf-8")) for kind in ("css", "js"))
    return made.get_template(template).render(css=css, js=js, **values)


def graph(space: Space) -> dict[str, object]:
    """The state graph of a model, as the template needs it."""
    graphs = {name: grouped(space, view) for name, view in VIEWS.items()}
    views: list[dict[str, Any]] = []
    missing = ""
    for name, found in graphs.items():
        view = {"name": name, "graph": found, "lines": [words(key) for key in found.boxes]}
        try:
            drawing = draw(found)
            edges = list(zip(found.edges, drawing.curves, strict=True))
            views.append({**view, "drawing": drawing, "edges": edges})
        except EngineMissing as error:
            missing = str(error)
            views.append({**view, "drawing": None})
    return {
        "name": space.name,
        "states": f"{len(space.states):,}",
        "steps": f"{len(space.steps):,}",
        "settings": f"{sizes(*space.limits)}, at most {space.permits} nested gates",
        "views": views,
        "missing": missing,
        "data": data(
            {
                "variables": Variables._fields,
                "states": [
                    [told(value) if isinstance(value, tuple) else value for value in state]
                    for state in space.states
                ],
                "steps": space.steps,
                "views": [{"boxes": g.boxes, "members": g.members} for g in graphs.values()],
                "writers": {a.__name__: writer(a.__name__) for a in ACTIONS},
                "says": SAY,
            }
        ),
    }


def report(
    seeds: Iterable[Swimlane] = (),
    own: Iterable[Swimlane] = (),
    space: Space | None = None,
    command: str = "python -m specs report",
) -> str:
    """The page of the protocol: its graph, its properties, the seed's defects, and your runs."""
    seed, mine = list(seeds), list(own)
    sections = [
        ("runs", "Your runs", bool(mine)),
        ("graph", "State graph", space is not None),
        ("properties", "Properties", True),
        ("counterexamples", "Counterexamples", bool(seed)),
    ]
    return render(
        "report.html",
        title="The protocol, step by step",
        command=command,
        sections=[(name, text) for name, text, there in sections if there],
        seeds=seed,
        own=mine,
        graph=graph(space) if space is not None else None,
        properties=known.table(),
    )


def findings(subject: str, verdicts: Iterable[Verdict], command: str) -> str:
    """The page of what the rules of the contract found in a class."""
    found = list(verdicts)
    violated = [verdict for verdict in found if verdict.finding is not None]
    return render(
        "conform.html",
        title=f"The contract, on {subject}",
        command=command,
        sections=[("rules", "Rules")] + ([("findings", "Findings")] if violated else []),
        subject=subject,
        verdicts=found,
        violated=violated,
    )

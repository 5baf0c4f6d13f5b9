"""Trace validation: TLC judges whether a recorded run is a behaviour of the protocol.

A trace is a file of JSON lines, of which this reads FORMAT. Lines of different threads may be a
little out of order, so `linearize` first finds an order. `tla/Trace.tla` takes the actions that the
lines name in this order, as `tla/Protocol.tla` defines them; what is done here is to write the
lines as a module, and to read where TLC stopped. The machine in Python finds the order, and has no
say in the verdict.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args, get_type_hints

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kernel.machine import ACTIONS, INITIAL, Limits, State, Variables
from specs import tlc
from specs.tlc import Result, Step, ToolsMissing, jar, java, read_value

FORMAT = "stream-kernel trace 1"
"""What the first line of a file must call its format."""

LINES = 100_000
"""Actions that one run of TLC judges; it starts in the state where the run before it ended."""

GREATEST = 2**31 - 1
"""The greatest number that TLC can hold."""

Value: TypeAlias = str | int | bool

ACTION = {action.__name__: action for action in ACTIONS}
KINDS = {name: get_args(kind) or kind for name, kind in get_type_hints(Variables).items()}
"""What each variable may be: one of some words, or a number, or a truth value."""


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


@dataclass(frozen=True)
class Verdict:
    """What TLC said of a trace."""

    initial: bool  # it begins in the initial state of the protocol
    line: int = 0  # of the file: where it stops being a behaviour; 0 if it is one to its end
    why: str = ""
    before: tuple[Value, ...] = ()  # the state before that line


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


def read_header(found: dict[str, Any]) -> Trace:
    """Read the first line. Raises ValueError."""
    if found.get("format") != FORMAT:
        raise ValueError(f'the header must say "format": "{FORMAT}", not {found.get("format")!r}')
    expect(found, ("format", *Limits._fields, "state"))
    for name in Limits._fields:
        if type(found[name]) is not int or not 0 <= found[name] <= GREATEST:
            raise ValueError(f'"{name}" must be a number from 0 to {GREATEST}, not {found[name]!r}')
    state = read_state(found["state"])
    missing = [name for name, value in zip(KINDS, state, strict=True) if value is None]
    if missing:
        raise ValueError(f'"state" must have all variables, and lacks {", ".join(missing)}')
    limits = Limits(found["capacity"], found["epoch_size"])
    return Trace(limits, tuple(value for value in state if value is not None), ())


def read_line(found: dict[str, Any]) -> Line:
    """Read a line of an action. Raises ValueError."""
    expect(found, ("action", "thread"), ("state",))
    action, thread = found["action"], found["thread"]
    if not isinstance(action, str) or action not in ACTION:
        raise ValueError(f'"action" must be an action of the protocol, not {action!r}')
    if not isinstance(thread, str):
        raise ValueError(f'"thread" must be a string, not {thread!r}')
    return Line(action, thread, read_state(found.get("state", {})))


def expect(found: dict[str, Any], names: Iterable[str], others: Iterable[str] = ()) -> None:
    """Raises ValueError unless the object has all these names, and none but these and `others`."""
    for name in names:
        if name not in found:
            raise ValueError(f'lacks "{name}"')
    for name in found:
        if name not in {*names, *others}:
            raise ValueError(f'"{name}" is unknown')


def read_state(found: object) -> tuple[Value | None, ...]:
    """The variables that were recorded. Raises ValueError."""
    if not isinstance(found, dict):
        raise ValueError(f'"state" must be an object, not {found!r}')
    expect(found, (), KINDS)
    for name, value in found.items():
        kind = KINDS[name]
        if isinstance(kind, tuple):
            if value not in kind:
                raise ValueError(f'"{name}" must be one of {", ".join(kind)}, not {value!r}')
        elif type(value) is not kind or not -GREATEST <= value <= GREATEST:
            meant = "a number" if kind is int else "true or false"
            raise ValueError(f'"{name}" must be {meant}, not {value!r}')
    return tuple(found.get(name) for name in KINDS)


# The order of the lines.


def linearize(limits: Limits, lines: Sequence[Line], first: State = INITIAL) -> list[Line]:
    """The lines in an order that the machine accepts, or else as far as there is one.

    A line is written after its action took effect and before the next action of its thread. So the
    lines of a thread are in order; and a line may have taken effect before one that precedes it in
    the file, unless its thread had written its last line after that one.

    Where there is no order, the longest beginning of one is given, and the rest as in the file.
    Raises RuntimeError if that takes too long (TRIES).
    """
    return [lines[place] for place in order(limits, lines, first)]


TRIES_PER_LINE, TRIES = 20, 100_000
"""How many actions are tried for an order: so many for each line, and so many more."""


def order(limits: Limits, lines: Sequence[Line], first: State = INITIAL) -> list[int]:
    """The places of the lines in the order of `linearize`: depth first, and those that precede."""
    search = _Search(limits, lines)
    longest: list[int] = []
    stack = [_Node(0, frozenset(), first)]
    while stack and len(search.taken) < len(lines):
        then = search.next(stack[-1])
        if then is not None:
            stack.append(then)
        else:
            if len(search.taken) > len(longest):
                longest = search.taken.copy()
            search.back(stack.pop(), stack[-1] if stack else None)
    if stack:
        return search.taken
    known = set(longest)
    return longest + [place for place in range(len(lines)) if place not in known]


@dataclass
class _Node:
    """Lines that were taken: all before `begin`, and `ahead` of it some others."""

    begin: int
    ahead: frozenset[int]
    state: State
    tried: bool = False  # `begin` was
    others: list[int] | None = None  # lines to try instead of it, the first one last


class _Search:
    """A walk through the orders of lines, of which it can go back."""

    def __init__(self, limits: Limits, lines: Sequence[Line]) -> None:
        self.limits = limits
        self.lines = lines
        self.tries = TRIES + TRIES_PER_LINE * len(lines)
        self.farthest = 0  # the first line that no beginning of an order has
        self.taken: list[int] = []
        self.failed: set[tuple[int, frozenset[int], State]] = set()  # nodes that lead nowhere
        self.after = [len(lines)] * len(lines)  # the next line of the same thread
        self.open: dict[tuple[object, ...], list[int]] = defaultdict(list)
        """Lines that may be next: of each thread one, by what they say."""
        last: dict[str, int] = {}
        for place, line in enumerate(lines):
            if line.thread in last:
                self.after[last[line.thread]] = place
            else:
                self.open[line.action, line.state].append(place)
            last[line.thread] = place

    def next(self, node: _Node) -> _Node | None:
        """Take the next line that may follow; None if there is none."""
        if not node.tried:
            node.tried = True
            then = self.take(node, node.begin)
            if then is not None:
                return then
        if node.others is None:
            node.others = self.alternatives(node)
        while node.others:
            then = self.take(node, node.others.pop())
            if then is not None:
                return then
        return None

    def alternatives(self, node: _Node) -> list[int]:
        """Lines to try instead of the first, of those that say the same only the first.

        Where another of these comes first in an order, the two can change places in it: whatever
        must come after the other must come after this one, too.
        """
        found = []
        for places in self.open.values():
            place = next((place for place in places if place not in node.ahead), node.begin)
            if place != node.begin:
                found.append(place)
        return sorted(found, reverse=True)

    def take(self, node: _Node, place: int) -> _Node | None:
        """The node after this line; None if it cannot be next, or leads nowhere."""
        self.tries -= 1
        if self.tries < 0:
            raise RuntimeError(
                f"no order of the lines was found in time; see line {self.farthest + 2}"
            )
        line = self.lines[place]
        state = ACTION[line.action](self.limits, node.state)
        if state is None or not line.agrees(state):
            return None
        begin, ahead = node.begin, node.ahead
        if place == begin:
            begin += 1
            while begin in ahead:
                begin += 1
            ahead = frozenset(other for other in ahead if other > begin) if ahead else ahead
        else:
            ahead |= {place}
        if (begin, ahead, state) in self.failed:
            return None
        self.farthest = max(self.farthest, begin)
        for passed in range(node.begin, begin):
            self.shut(passed)
            self.admit(self.after[passed])
        self.taken.append(place)
        return _Node(begin, ahead, state)

    def back(self, node: _Node, before: _Node | None) -> None:
        """Nothing follows: go back to the node before."""
        self.failed.add((node.begin, node.ahead, node.state))
        if before is None:
            return
        self.taken.pop()
        for passed in reversed(range(before.begin, node.begin)):
            self.shut(self.after[passed])
            self.admit(passed)

    def admit(self, place: int) -> None:
        if place < len(self.lines):
            line = self.lines[place]
            insort(self.open[line.action, line.state], place)

    def shut(self, place: int) -> None:
        if place < len(self.lines):
            line = self.lines[place]
            places = self.open[line.action, line.state]
            places.pop(bisect_left(places, place))
            if not places:
                del self.open[line.action, line.state]


# Judging a trace.


def judge(trace: Trace, advance: Callable[[int], object] = lambda lines: None) -> Verdict:
    """Have TLC judge a trace. `advance` is told of lines that were judged.

    Raises RuntimeError if TLC comes to no verdict.
    """
    first, initial = trace.first, None
    allowed = sum(line.action == "Allow" for line in trace.lines)
    entered = int(first[Variables._fields.index("permits")])
    constants = {
        "Capacity": trace.limits.capacity,
        "EpochSize": trace.limits.epoch_size,
        "MaxPermits": max(0, entered) + allowed,  # there are never more
    }
    with tempfile.TemporaryDirectory(prefix="trace-") as folder:
        shutil.copytree(tlc.TLA, folder, dirs_exist_ok=True)
        config = Path(folder) / "trace" / "Trace_Example.cfg"
        text = config.read_text(encoding="utf-8")
        for name, value in constants.items():
            text = re.sub(rf"^ +{name} = .*", f"    {name} = {value}", text, flags=re.MULTILINE)
        config.write_text(text, encoding="utf-8")
        for begin in range(0, len(trace.lines) or 1, LINES):
            lines = trace.lines[begin : begin + LINES]
            (Path(folder) / "TraceData.tla").write_text(module(first, lines), encoding="utf-8")
            result = tlc.check(tlc.read_model(config))
            if not understood(result, lines):
                raise RuntimeError(f"TLC came to no verdict: it {result.verdict}")
            last = result.steps[-1]
            if initial is None:
                initial = last.state["initial"] == "TRUE"
            if result.verdict != "violates Unfinished":
                return refusal(result, lines, begin, initial)
            first = state(last)
            advance(len(lines))
    return Verdict(bool(initial))


def understood(result: Result, lines: Sequence[Line]) -> bool:
    """Whether TLC stopped in one of the ways that `Trace.tla` tells of."""
    if not result.steps:
        return False
    finished = int(result.steps[-1].state["place"]) == len(lines)
    if result.verdict == "deadlocks":
        return not finished
    return result.verdict.startswith("violates ") and (
        finished or result.verdict != "violates Unfinished"
    )


def refusal(result: Result, lines: Sequence[Line], begin: int, initial: bool) -> Verdict:
    """Why TLC stopped; `begin` is how many lines of actions were judged before these."""
    place = int(result.steps[-1].state["place"])  # lines that were taken
    last = state(result.steps[-1])
    if result.verdict == "deadlocks":
        return Verdict(initial, begin + place + 2, f"{lines[place]} is not enabled", last)
    broken = result.verdict.removeprefix("violates ")
    if place == 0:
        return Verdict(initial, begin + 1, f"the first state violates {broken}", last)
    line = lines[place - 1]
    why = f"the state after {line} violates {broken}"
    if broken == "AsRecorded":
        found = zip(KINDS, last, line.state, strict=True)
        told = (
            f"{name} is {tla(recorded)}, and must be {tla(after)}"
            for name, after, recorded in found
            if recorded not in (None, after)
        )
        why = f"the state recorded after {line} is wrong: {'; '.join(told)}"
    return Verdict(initial, begin + place + 1, why, state(result.steps[-2]))


def state(step: Step) -> tuple[Value, ...]:
    """The variables of the protocol in a state of TLC."""
    return tuple(read_value(step.state[name]) for name in KINDS)


def tla(value: Value | None) -> str:
    """A value as TLA+ writes it."""
    if value is None:
        return "Unrecorded"
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).upper()


def module(first: Sequence[Value], lines: Sequence[Line]) -> str:
    """The module TraceData of these lines.

    It has every kind of line once, since TLC reads numbers faster than tuples, and those faster
    than records.
    """
    numbers: dict[tuple[Value | None, ...], int] = {}
    run = [numbers.setdefault((line.action, *line.state), len(numbers) + 1) for line in lines]
    begin = [f"{name} |-> {tla(value)}" for name, value in zip(KINDS, first, strict=True)]
    kinds = [f"<<{', '.join(map(tla, kind))}>>" for kind in numbers]
    rows = [", ".join(map(str, run[i : i + 20])) for i in range(0, len(run), 20)]
    gap = ",\n    "
    return f"""\
{" MODULE TraceData ":-^77}
\\* A run that was recorded, as `python -m specs trace` writes it.
EXTENDS Integers

CONSTANT Unrecorded

\\* The state in which it begins.
First == [
    {gap.join(begin)}
]

\\* The kinds of lines in it: an action, and the variables of the state after it.
Kinds == <<
    {gap.join(kinds)}
>>

\\* The lines, each by the number of its kind.
Lines == <<
    {gap.join(rows)}
>>
{"":=^77}
"""


# The command.


@dataclass(frozen=True)
class Report:
    """What is printed of a file."""

    status: int  # 0: a behaviour, 1: none, 2: not known
    lines: list[str]


def report(path: Path, advance: Callable[[int, int], object] = lambda done, total: None) -> Report:
    """Read and judge a file. `advance` is told how many actions were judged, and of how many."""
    started = time.perf_counter()
    try:
        trace = read_trace(path)
        total = len(trace.lines)
        advance(0, total)
        places = order(trace.limits, trace.lines, trace.first)  # type: ignore[arg-type]
        ordered = replace(trace, lines=[trace.lines[place] for place in places])
        verdict = judge(ordered, lambda lines: advance(lines, total))
        if verdict.line > 1:
            verdict = replace(verdict, line=places[verdict.line - 2] + 2)
    except OSError as error:
        return Report(2, [f"{path}: cannot be read: {error.strerror}"])
    except (Malformed, RuntimeError) as error:
        return Report(2, [f"{path}: {error}"])
    seconds = time.perf_counter() - started
    begins = "begins" if verdict.initial else "does NOT begin"
    head = f"{path}: {total:,} actions, {seconds:.1f} s: "
    if verdict.line == 0:
        lines = [f"{head}a behaviour of the protocol, which {begins} in its initial state"]
    else:
        now = zip(KINDS, verdict.before, strict=True)
        lines = [
            f"{head}no behaviour of the protocol, from line {verdict.line} on",
            f"  line {verdict.line}: {verdict.why}",
            f"  {'before it' if verdict.line > 1 else 'it is'}: "
            + ", ".join(f"{name} = {tla(value)}" for name, value in now),
        ]
    if trace.truncated:
        lines.append(f"  line {total + 2}: truncated, as by a crash; what is before it was judged")
    return Report(max(bool(verdict.line), 2 * trace.truncated), lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `python -m specs trace`."""
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="a recorded run")


def run(arguments: argparse.Namespace) -> int:
    """Judge the files, and print what was found. Returns the exit status, the highest of all."""
    try:
        java(), jar()
    except ToolsMissing as error:
        print(error, file=sys.stderr)
        return 2
    console = Console(highlight=False)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    status = 0

    def judged(path: Path) -> Report:
        task = progress.add_task(str(path), total=None)
        try:
            return report(
                path, lambda done, total: progress.update(task, advance=done, total=total)
            )
        finally:
            progress.remove_task(task)

    with progress, ThreadPoolExecutor(arguments.jobs) as pool:
        try:
            for told in pool.map(judged, arguments.files):
                status = max(status, told.status)
                for line in told.lines:
                    colour = ("green", "red", "red")[told.status]
                    console.print(line, style=colour, markup=False, soft_wrap=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return status

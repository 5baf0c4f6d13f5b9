"""TLC judges whether recorded lines, in their order, are a behaviour of the protocol.

`tla/Trace.tla` takes the actions that the lines name, as `tla/Protocol.tla` defines them; what is
done here is to write the lines as a module, and to read where TLC stopped. The machine in Python
has no say in the verdict.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kernel.machine import Variables
from specs import tlc
from specs.arguments import CannotRun
from specs.graph import as_it_is
from specs.tlc import Result

from .lines import KINDS, Line, Malformed, Trace, Value, read_trace
from .ordering import order

LINES = 100_000
"""Actions that one run of TLC judges; it starts in the state where the run before it ended."""


@dataclass(frozen=True)
class Verdict:
    """What TLC said of a trace."""

    initial: bool  # it begins in the initial state of the protocol
    line: int = 0  # of the file: where it stops being a behaviour; 0 if it is one to its end
    why: str = ""
    before: tuple[Value, ...] = ()  # the state before that line


# Judging a trace.


def judged(
    path: Path, advance: Callable[[int, int], object] = lambda lines, total: None
) -> tuple[Trace, Verdict, int]:
    """A trace in order, what TLC says of it, and the line of the file of which it says that.

    `advance` gets the number of judged actions, and of all. Raises CannotRun.
    """
    try:
        trace = read_trace(path)
        total = len(trace.lines)
        advance(0, total)
        places = order(trace.limits, trace.lines, trace.first)  # type: ignore[arg-type]
        trace = replace(trace, lines=[trace.lines[place] for place in places])
        verdict = judge(trace, lambda lines: advance(lines, total))
    except OSError as error:
        raise CannotRun(f"{path}: cannot be read: {error.strerror}") from error
    except (Malformed, RuntimeError) as error:
        raise CannotRun(f"{path}: {error}") from error
    line = verdict.line
    return trace, verdict, places[line - 2] + 2 if line > 1 else line


def judge(trace: Trace, advance: Callable[[int], object] = lambda lines: None) -> Verdict:
    """Have TLC judge a trace. `advance` gets the number of judged lines.

    Raises RuntimeError if TLC comes to no verdict.
    """
    first, initial = trace.first, None
    allowed = sum(line.action == "Allow" for line in trace.lines)
    entered = Variables(*first).permits  # type: ignore[arg-type]
    constants: dict[str, Value] = {
        "Capacity": trace.limits.capacity,
        "EpochSize": trace.limits.epoch_size,
        "MaxPermits": max(0, entered) + allowed,  # there are never more
        "Lookahead": trace.limits.lookahead,
    }
    with tempfile.TemporaryDirectory(prefix="trace-") as folder:
        shutil.copytree(tlc.TLA, folder, dirs_exist_ok=True)
        config = Path(folder) / "trace" / "Trace_Example.cfg"
        text = config.read_text(encoding="utf-8")
        for name, value in constants.items():
            text = re.sub(
                rf"^ +{name} = .*", f"    {name} = {tla(value)}", text, flags=re.MULTILINE
            )
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
            first = as_it_is(last.state)
            advance(len(lines))
    return Verdict(bool(initial))


def understood(result: Result, lines: Sequence[Line]) -> bool:
    """Whether TLC stopped in one of the ways that `Trace.tla` describes."""
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
    last = as_it_is(result.steps[-1].state)
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
    return Verdict(initial, begin + place + 1, why, as_it_is(result.steps[-2].state))


def tla(value: Value | tuple[Value, ...] | None) -> str:
    """A value as TLA+ writes it."""
    if value is None:
        return "Unrecorded"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"<<{', '.join(map(tla, value))}>>"
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

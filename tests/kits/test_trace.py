"""TLC judges recorded runs: sound ones, forged ones at the right line, and unreadable ones."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from kernel.machine import INITIAL, Die, Disallow, Fail, Leave, Limits, Variables
from specs import tlc, trace
from specs.trace import judging, ordering
from specs.trace.judging import Verdict, module
from specs.trace.lines import read_trace

from ..conftest import Once
from ..support import models, traces
from ..support.mutants import MUTANTS

Lines: TypeAlias = list[dict[str, Any]]

START = ["Start", "Enter", "Allow", "Fetch", "Enqueue", "Disallow", "Leave", "Halt", "Dequeue"]
AGAIN = ["Start", "Enter", "Request", "Fetch", "Enqueue", "Withdraw", "Dequeue"]
EXAMPLE = traces.script(Limits(2, 3), [*START, *AGAIN])
for _line in EXAMPLE[10:]:
    del _line["state"]

STOP = traces.script(Limits(2, 0), ["Start", "Enter", "Allow", "Leave", "Halt"], recorded=False)
PULL = {"action": "Fetch", "thread": "worker 1"}
OTHER = {"buffered": 2, "yielded": False, "consumer": "idle"}
FIRST = Variables(*INITIAL)
BROKEN = FIRST._replace(scope="inside", buffered=2, fetching=True)
SIZES = (Limits(2, 3), Limits(0, 0), Limits(1, 1), Limits(3, 0), Limits(0, 2))
AHEAD = traces.walk(Limits(4, 2, True), 400, seed=95, rare=(Die, Leave, Disallow, Fail))
FAR: Any = tuple(AHEAD[250]["state"].values())

CASES: dict[str, Lines] = {
    "pull after a stop": [*STOP[:5], PULL, *STOP[5:]],
    "wrong state": [*EXAMPLE[:5], {**EXAMPLE[5], "state": OTHER}, *EXAMPLE[6:]],
    "no value": [traces.header(Limits(2, 0), FIRST._replace(count=-1)), *STOP[1:]],
    "no state": [traces.header(Limits(2, 0), BROKEN), *STOP[1:]],
    "not from the start": [traces.header(Limits(2, 0), FIRST._replace(permits=7))],
    "all recorded": traces.walk(Limits(2, 3), 300, seed=0),
    "some recorded": traces.walk(Limits(3, 0), 300, seed=1, recorded=0.3),
    "lookahead": AHEAD,
    "lookahead, a line missing": traces.forge(AHEAD, traces.drop, seed=2),
    "begins ahead": [traces.header(Limits(4, 2, True), FAR)],
    "later is no value": [
        traces.header(Limits(2, 0, True), FIRST._replace(mark="ended", later=((-1, "ended"),)))
    ],
}
CASES |= {
    forgery.__name__: traces.forge(traces.walk(limits, 300, seed, recorded), forgery, seed)
    for seed, (forgery, limits, recorded) in enumerate(
        zip(traces.FORGERIES, SIZES, (1.0, 0.0, 0.3, 0.0, 0.3), strict=True)
    )
}


def write(path: Path, lines: Lines) -> Path:
    """The file of a trace."""
    path.write_text(traces.text(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory, once: Once) -> dict[str, Verdict]:
    """What TLC says of each case."""

    def ask() -> dict[str, Verdict]:
        folder = tmp_path_factory.mktemp("traces")
        paths = [write(folder / f"{name}.jsonl", lines) for name, lines in CASES.items()]
        with ThreadPoolExecutor(2) as pool:
            found = pool.map(lambda path: judging.judge(read_trace(path)), paths)
            return dict(zip(CASES, found, strict=True))

    return once("verdicts of traces", ask)


def test_example_is_what_the_command_writes(tmp_path: Path) -> None:
    """The module that lies beside `Trace.tla` is written by the same function as all others."""
    read = read_trace(write(tmp_path / "example.jsonl", EXAMPLE))
    assert (tlc.TLA / "TraceData.tla").read_text(encoding="utf-8") == module(read.first, read.lines)


@pytest.mark.parametrize("name", ["all recorded", "some recorded", "lookahead"])
def test_run_is_accepted(name: str, verdicts: dict[str, Verdict]) -> None:
    """A walk of the machine is a behaviour of the protocol, from its initial state on."""
    assert verdicts[name] == Verdict(initial=True)


def test_walk_looks_ahead() -> None:
    """The epochs after a mark are among what is recorded: several, open ones and whole ones."""
    recorded = {step["state"]["later"] for step in AHEAD[1:]}
    assert len(FAR[5]) == 2
    assert {len(later) for later in recorded} >= {0, 1, 2}
    assert {later[-1][1] for later in recorded if later} == {"none", "ended", "failed"}


@pytest.mark.parametrize(
    "name", [*(forgery.__name__ for forgery in traces.FORGERIES), "lookahead, a line missing"]
)
def test_forged_run_is_refused_where_the_machine_does(
    name: str, verdicts: dict[str, Verdict]
) -> None:
    """TLC and the machine agree on where a forged run goes wrong, and in which state."""
    line, before = traces.judge(CASES[name])
    assert line > 2
    assert (verdicts[name].line, verdicts[name].before) == (line, before)


def test_pull_after_a_stop_is_refused(verdicts: dict[str, Verdict]) -> None:
    """The seed's own error is refused where it happens, with the state before it."""
    verdict = verdicts["pull after a stop"]
    assert (verdict.line, verdict.why) == (6, "Fetch (worker 1) is not enabled")
    assert verdict.before == FIRST._replace(
        scope="outside", worker="running", begun=True, permits=1
    )


def test_wrong_state_is_told_by_its_variables(verdicts: dict[str, Verdict]) -> None:
    """Where the recorded state is wrong it is said what is wrong with it."""
    verdict = verdicts["wrong state"]
    assert verdict.line == 6
    assert verdict.why == (
        "the state recorded after Enqueue (source) is wrong: "
        "buffered is 2, and must be 1; yielded is FALSE, and must be TRUE"
    )
    assert verdict.before == tuple(EXAMPLE[4]["state"].values())


def test_wrong_first_state_is_refused(verdicts: dict[str, Verdict]) -> None:
    """A run begins in a state of the protocol, which need not be the initial one."""
    first = FIRST._replace(count=-1)
    why = "the first state violates TypeOK"
    assert verdicts["no value"] == Verdict(False, line=1, why=why, before=first)
    why = "the first state violates Bounded"
    assert verdicts["no state"] == Verdict(False, line=1, why=why, before=BROKEN)
    assert verdicts["not from the start"] == Verdict(initial=False)
    assert verdicts["begins ahead"] == Verdict(initial=False)
    why = "the first state violates TypeOK"
    assert (verdicts["later is no value"].line, verdicts["later is no value"].why) == (1, why)


def test_long_run_is_judged_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of TLC starts where the one before ended; lines are counted from the file's first."""
    monkeypatch.setattr(judging, "LINES", 7)
    judged: list[int] = []
    forged = write(tmp_path / "forged.jsonl", [*EXAMPLE[:14], *EXAMPLE[13:]])
    verdict = judging.judge(read_trace(forged), judged.append)
    assert (verdict.initial, verdict.line, judged) == (True, 15, [7])
    assert verdict.before[:4] == ("inside", 0, "waiting", 0)


@pytest.mark.parametrize(
    ("mutant", "lines", "expected"),
    [
        ("InputEnabled", [*EXAMPLE[:11], {**EXAMPLE[11], "thread": "main"}], 12),
        ("StopPullsNothing", CASES["pull after a stop"][:6], 0),
    ],
)
def test_module_is_what_judges(
    mutant: str, lines: Lines, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A protocol that is broken in TLA+ refuses a sound run, or accepts a forged one."""
    monkeypatch.setattr(tlc, "TLA", models.plant(tmp_path / "tla", "Protocol", MUTANTS[mutant]))
    assert (traces.judge(lines)[0] == 0) is (expected > 0)
    assert judging.judge(read_trace(write(tmp_path / "run.jsonl", lines))).line == expected


def test_no_verdict_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TLC that says nothing, or nothing that is known, is an error."""
    read = read_trace(write(tmp_path / "run.jsonl", EXAMPLE))
    for result in (
        tlc.Result("is in error: no memory"),
        tlc.Result("holds"),
        tlc.Result("violates Unfinished", steps=[tlc.Step("Next", {"place": "3"})]),
    ):
        monkeypatch.setattr(tlc, "check", lambda model, result=result: result)
        with pytest.raises(RuntimeError, match=f"TLC came to no verdict: it {result.verdict}"):
            judging.judge(read)


# The order of the lines.


def test_order_of_a_sound_file_stays() -> None:
    """What the machine accepts as it is stays as it is."""
    lines = traces.actions(CASES["all recorded"])
    assert ordering.order(Limits(2, 3), lines) == list(range(len(lines)))


@pytest.mark.parametrize("seed", range(15))
def test_late_lines_are_put_in_order(seed: int) -> None:
    """Lines that are late by a little come where the machine accepts them, each thread's in order.

    As they stand in the file it refuses most.
    """
    limits = SIZES[seed % len(SIZES)]
    walk = traces.late(traces.walk(limits, 300, seed, recorded=0.0), seed)
    found = traces.ordered(walk)
    assert traces.judge(walk)[0] > 0
    assert traces.judge(found)[0] == 0
    for thread in {step["thread"] for step in walk[1:]}:
        assert [step for step in found[1:] if step["thread"] == thread] == [
            step for step in walk[1:] if step["thread"] == thread
        ]


def thread(name: str, *actions: str) -> Lines:
    """Lines of one thread."""
    return [{"action": action, "thread": name} for action in actions]


def test_line_comes_no_earlier_than_its_thread_allows() -> None:
    """Where a thread wrote a line after another's, its next action came after that, too."""
    enter, pull = thread("main", "Allow", "Enter"), thread("worker", "Start", "Fetch")
    head = traces.header(Limits(2, 3))
    late = [head, pull[0], enter[0], pull[1], enter[1]]
    found = [step["action"] for step in traces.ordered(late)[1:]]
    assert found == ["Start", "Allow", "Enter", "Fetch"]
    never = [head, pull[0], pull[1], *enter]
    found = [step["action"] for step in traces.ordered(never)[1:]]
    assert found == ["Start", "Allow", "Fetch", "Enter"]
    assert traces.judge(traces.ordered(never))[0] == 4


@pytest.mark.parametrize("seed", range(10))
def test_no_order_is_found_for_a_forged_file(seed: int) -> None:
    """A run in which `with` is left and never entered is refused in any order, and stays whole."""
    walk = traces.late(traces.walk(Limits(2, 3), 200, seed, recorded=0.0), seed)
    forged = [step for step in walk if step.get("action") != "Enter"]
    found = traces.ordered(forged)
    assert sorted(map(str, found)) == sorted(map(str, forged))
    assert traces.judge(found)[0] > 0


def test_search_for_an_order_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A search that takes too long is no verdict."""
    monkeypatch.setattr(ordering, "TRIES", 5)
    monkeypatch.setattr(ordering, "TRIES_PER_LINE", 0)
    told = trace.report(write(tmp_path / "run.jsonl", EXAMPLE))
    assert told.status == 2
    assert "no order of the lines was found in time; see line 7" in told.lines[0]


def test_long_file_is_put_in_order_in_linear_time() -> None:
    """Eight times as many lines, of which many are late, take about eight times as long."""
    limits = Limits(3, 7)

    def seconds(number: int) -> float:
        """Of processor time, in the best of three tries."""
        lines = traces.late(traces.walk(limits, number, 7, recorded=0.0), 7)
        times = []
        for _ in range(3):
            began = time.process_time()
            found = traces.ordered(lines)
            times.append(time.process_time() - began)
        assert traces.judge(found)[0] == 0
        return min(times)

    assert seconds(16_000) < 24 * seconds(2000)  # the square would be 64 times


def test_refusal_names_the_line_of_the_file(tmp_path: Path) -> None:
    """Lines are counted as they stand in the file, and not in the order that was found."""
    enter, pull = thread("main", "Allow", "Enter"), thread("worker", "Start", "Fetch", "Halt")
    lines = [traces.header(Limits(2, 3)), pull[0], enter[0], pull[1], enter[1], pull[2]]
    told = trace.report(write(tmp_path / "run.jsonl", lines))
    assert told.status == 1
    assert told.lines[1].strip() == "line 6: Halt (worker) is not enabled"
    told = trace.report(write(tmp_path / "run.jsonl", lines[:-1]))
    assert told.status == 0


# The command.


def test_command_tells_of_each_file(tmp_path: Path, specs: Any) -> None:
    """Each file has a summary, in the order in which they are named; the worst is the status."""
    sound = write(tmp_path / "sound.jsonl", EXAMPLE)
    forged = write(tmp_path / "forged.jsonl", EXAMPLE[:3] + EXAMPLE[4:])
    cut = tmp_path / "cut.jsonl"
    cut.write_text(traces.text(EXAMPLE)[:-5])
    some = specs("--jobs", 2, "trace", sound, forged)
    others = specs("--jobs", 2, "trace", cut, tmp_path / "none.jsonl")
    assert (some.status, others.status) == (1, 2)
    shown = (some.out + others.out).replace(f"{tmp_path}/", "")
    assert re.sub(r"\d+\.\d s", "1.0 s", shown) == TOLD


TOLD = """\
sound.jsonl: 16 actions, 1.0 s: a behaviour of the protocol, which begins in its initial state
forged.jsonl: 15 actions, 1.0 s: no behaviour of the protocol, from line 4 on
  line 4: Fetch (worker) is not enabled
  before it: scope = "inside", permits = 0, consumer = "idle", buffered = 0, mark = "none", \
later = <<>>, worker = "running", fetching = FALSE, begun = TRUE, count = 0, yielded = FALSE
cut.jsonl: 15 actions, 1.0 s: a behaviour of the protocol, which begins in its initial state
  line 17: truncated, as by a crash; what is before it was judged
none.jsonl: cannot be read: No such file or directory
"""


def test_malformed_bytes_are_refused(tmp_path: Path, specs: Any) -> None:
    """A file that is no text is reported as that, with the exit status of unreadable files."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(json.dumps(EXAMPLE[0]).encode() + b'\n{"action": "\xff"}\n')
    status, out, _ = specs("trace", path)
    assert status == 2
    assert out.endswith("run.jsonl: line 2: not UTF-8 at byte 13\n")

"""TLC judges recorded runs: sound ones, forged ones at the right line, and unreadable ones."""

from __future__ import annotations

import json
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from kernel.machine import INITIAL, Limits, Variables
from specs import tlc, trace
from specs.__main__ import main
from specs.trace import FORMAT, Malformed, Verdict, module, read_trace

from . import traces
from .mutants import MUTANTS, broken_module

Lines: TypeAlias = list[dict[str, Any]]

START = ["Enter", "Allow", "Fetch", "Enqueue", "Disallow", "Stop", "Halt", "Dequeue", "Enter"]
EXAMPLE = traces.script(Limits(2, 3), [*START, "Request", "Fetch", "Enqueue", "Dequeue"])
for _line in EXAMPLE[9:]:
    del _line["state"]

STOP = traces.script(Limits(2, 0), ["Enter", "Allow", "Stop", "Halt"], recorded=False)
PULL = {"action": "Fetch", "thread": "worker 1"}
OTHER = {"buffered": 2, "yielded": False, "consumer": "idle"}
FIRST = Variables(*INITIAL)
BROKEN = FIRST._replace(scope="inside", buffered=2, fetching=True)
SIZES = (Limits(2, 3), Limits(0, 0), Limits(1, 1), Limits(3, 0), Limits(0, 2))

CASES: dict[str, Lines] = {
    "pull after a stop": [*STOP[:4], PULL, *STOP[4:]],
    "wrong state": [*EXAMPLE[:4], {**EXAMPLE[4], "state": OTHER}, *EXAMPLE[5:]],
    "no value": [traces.header(Limits(2, 0), FIRST._replace(count=-1)), *STOP[1:]],
    "no state": [traces.header(Limits(2, 0), BROKEN), *STOP[1:]],
    "not from the start": [traces.header(Limits(2, 0), FIRST._replace(permits=7))],
    "all recorded": traces.walk(Limits(2, 3), 300, seed=0),
    "some recorded": traces.walk(Limits(3, 0), 300, seed=1, recorded=0.3),
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
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """What TLC says of each case."""
    folder = tmp_path_factory.mktemp("traces")
    paths = [write(folder / f"{name}.jsonl", lines) for name, lines in CASES.items()]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda path: trace.judge(read_trace(path)), paths)
        return dict(zip(CASES, found, strict=True))


def test_example_is_what_the_command_writes(tmp_path: Path) -> None:
    """The module that lies beside `Trace.tla` is written by the same function as all others."""
    read = read_trace(write(tmp_path / "example.jsonl", EXAMPLE))
    assert (tlc.TLA / "TraceData.tla").read_text(encoding="utf-8") == module(read.first, read.lines)


@pytest.mark.parametrize("name", ["all recorded", "some recorded"])
def test_run_is_accepted(name: str, verdicts: dict[str, Verdict]) -> None:
    """A walk of the machine is a behaviour of the protocol, from its initial state on."""
    assert verdicts[name] == Verdict(initial=True)


@pytest.mark.parametrize("name", [forgery.__name__ for forgery in traces.FORGERIES])
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
    assert (verdict.line, verdict.why) == (5, "Fetch (worker 1) is not enabled")
    assert verdict.before == FIRST._replace(
        scope="inside", worker="stopping", epoch="begun", permits=1
    )


def test_wrong_state_is_told_by_its_variables(verdicts: dict[str, Verdict]) -> None:
    """Where the recorded state is wrong it is said what is wrong with it."""
    verdict = verdicts["wrong state"]
    assert verdict.line == 5
    assert verdict.why == (
        "the state recorded after Enqueue (source) is wrong: "
        "buffered is 2, and must be 1; yielded is FALSE, and must be TRUE"
    )
    assert verdict.before == tuple(EXAMPLE[3]["state"].values())


def test_wrong_first_state_is_refused(verdicts: dict[str, Verdict]) -> None:
    """A run begins in a state of the protocol, which need not be the initial one."""
    first = FIRST._replace(count=-1)
    why = "the first state violates TypeOK"
    assert verdicts["no value"] == Verdict(False, line=1, why=why, before=first)
    why = "the first state violates Bounded"
    assert verdicts["no state"] == Verdict(False, line=1, why=why, before=BROKEN)
    assert verdicts["not from the start"] == Verdict(initial=False)


def test_long_run_is_judged_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of TLC starts where the one before ended; lines are counted from the file's first."""
    monkeypatch.setattr(trace, "LINES", 7)
    judged: list[int] = []
    forged = write(tmp_path / "forged.jsonl", [*EXAMPLE[:13], *EXAMPLE[12:]])
    verdict = trace.judge(read_trace(forged), judged.append)
    assert (verdict.initial, verdict.line, judged) == (True, 14, [7])
    assert verdict.before[:4] == ("inside", "running", "begun", 1)


@pytest.mark.parametrize(
    ("mutant", "lines", "expected"),
    [
        ("InputEnabled", [*EXAMPLE[:9], {**EXAMPLE[9], "thread": "main"}], 10),
        ("StopPullsNothing", CASES["pull after a stop"][:5], 0),
    ],
)
def test_module_is_what_judges(
    mutant: str, lines: Lines, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A protocol that is broken in TLA+ refuses a sound run, or accepts a forged one."""
    shutil.copytree(tlc.TLA, tmp_path / "tla")
    protocol = tmp_path / "tla" / "Protocol.tla"
    broken = broken_module(protocol.read_text(encoding="utf-8"), MUTANTS[mutant])
    protocol.write_text(broken, encoding="utf-8")
    monkeypatch.setattr(tlc, "TLA", tmp_path / "tla")
    assert (traces.judge(lines)[0] == 0) is (expected > 0)
    assert trace.judge(read_trace(write(tmp_path / "run.jsonl", lines))).line == expected


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
            trace.judge(read)


# The command.


def command(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> int:
    """The exit status of `python -m specs --jobs 2 trace` with these files."""
    monkeypatch.setattr(sys, "argv", ["specs", "--jobs", "2", "trace", *map(str, paths)])
    return main()


def test_command_tells_of_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file has a summary, in the order in which they are named; the worst is the status."""
    sound = write(tmp_path / "sound.jsonl", EXAMPLE)
    forged = write(tmp_path / "forged.jsonl", EXAMPLE[:2] + EXAMPLE[3:])
    cut = tmp_path / "cut.jsonl"
    cut.write_text(traces.text(EXAMPLE)[:-5])
    assert command(monkeypatch, sound, forged) == 1
    assert command(monkeypatch, cut, tmp_path / "none.jsonl") == 2
    shown = capsys.readouterr().out.replace(f"{tmp_path}/", "")
    assert re.sub(r"\d+\.\d s", "1.0 s", shown) == TOLD


TOLD = """\
sound.jsonl: 13 actions, 1.0 s: a behaviour of the protocol, which begins in its initial state
forged.jsonl: 12 actions, 1.0 s: no behaviour of the protocol, from line 3 on
  line 3: Fetch (worker) is not enabled
  before it: scope = "inside", worker = "running", epoch = "begun", buffered = 0, \
fetching = FALSE, count = 0, yielded = FALSE, permits = 0, consumer = "idle"
cut.jsonl: 12 actions, 1.0 s: a behaviour of the protocol, which begins in its initial state
  line 14: truncated, as by a crash; what is before it was judged
none.jsonl: cannot be read: No such file or directory
"""

RANGE = "must be a number from 0 to 2147483647, not"
HEADER = json.dumps(EXAMPLE[0])
ENTER = '{"action": "Enter", "thread": "consumer"}'


def changed(**changes: Any) -> str:
    """A header that is changed."""
    return json.dumps({**EXAMPLE[0], **changes})


MALFORMED = {
    "": "line 1: there is no header, since the file is empty",
    "hello\n": "line 1: not JSON at column 1: Expecting value",
    HEADER[:-3]: "line 1: not JSON at column ",
    f"{ENTER}\n": f'line 1: the header must say "format": "{FORMAT}", not None',
    changed(format="a trace"): f'line 1: the header must say "format": "{FORMAT}", not \'a trace\'',
    changed(capacity=-1): f'line 1: "capacity" {RANGE} -1',
    changed(epoch_size=True): f'line 1: "epoch_size" {RANGE} True',
    changed(epoch_size=2**31): f'line 1: "epoch_size" {RANGE} 2147483648',
    changed(size=3): 'line 1: "size" is unknown',
    changed(state=[]): 'line 1: "state" must be an object, not []',
    changed(state={}): 'line 1: "state" must have all variables, and lacks scope, worker, epoch,',
    f'{{"format": "{FORMAT}"}}\n': 'line 1: lacks "capacity"',
    f"{HEADER}\n{ENTER}\n\n{ENTER}\n": "line 3: not JSON at column 1: Expecting value",
    f"{HEADER}\n{ENTER}\n{ENTER[:-5]}\n": "line 3: not JSON at column ",
    f"{HEADER}\n[]": "line 2: must be a JSON object, not []",
    f"{HEADER}\n" + ENTER.replace("Enter", "Exit"): (
        "line 2: \"action\" must be an action of the protocol, not 'Exit'"
    ),
    f"{HEADER}\n" + ENTER.replace('"Enter"', "[1]"): (
        'line 2: "action" must be an action of the protocol, not [1]'
    ),
    f"{HEADER}\n" + ENTER.replace('"consumer"', "1"): 'line 2: "thread" must be a string, not 1',
    f'{HEADER}\n{{"thread": "consumer"}}\n': 'line 2: lacks "action"',
    f'{HEADER}\n{{"action": "Enter"}}\n': 'line 2: lacks "thread"',
    f"{HEADER}\n" + ENTER.replace("}", ', "stat": {}}'): 'line 2: "stat" is unknown',
    f"{HEADER}\n" + ENTER.replace("}", ', "action": "Stop"}'): "line 2: says something twice",
    f"{HEADER}\n" + ENTER.replace("}", ', "state": {"size": 1}}'): 'line 2: "size" is unknown',
    f"{HEADER}\n" + ENTER.replace("}", ', "state": {"scope": "in"}}'): (
        "line 2: \"scope\" must be one of new, inside, outside, not 'in'"
    ),
    f"{HEADER}\n" + ENTER.replace("}", ', "state": {"scope": null}}'): (
        'line 2: "scope" must be one of new, inside, outside, not None'
    ),
    f"{HEADER}\n" + ENTER.replace("}", ', "state": {"count": false}}'): (
        'line 2: "count" must be a number, not False'
    ),
    f"{HEADER}\n" + ENTER.replace("}", ', "state": {"fetching": 1}}'): (
        'line 2: "fetching" must be true or false, not 1'
    ),
}


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_file_is_refused(text: str, tmp_path: Path) -> None:
    """It is said in which line a file is no trace, and why."""
    path = tmp_path / "run.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Malformed) as caught:
        read_trace(path)
    assert str(caught.value).startswith(MALFORMED[text])


def test_malformed_bytes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no text is told as such, with the exit status of what cannot be read."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(HEADER.encode() + b'\n{"action": "\xff"}\n')
    assert command(monkeypatch, path) == 2
    assert capsys.readouterr().out.endswith("run.jsonl: line 2: not UTF-8 at byte 13\n")


def test_truncated_line_is_no_action(tmp_path: Path) -> None:
    """A last line that was cut off anywhere is named as such; one without its end is whole."""
    whole = f"{HEADER}\n{ENTER}\n{ENTER}"
    path = tmp_path / "run.jsonl"
    for cut in range(len(ENTER) + 1):
        path.write_text(whole[: len(whole) - cut], encoding="utf-8")
        read = read_trace(path)
        assert len(read.lines) == (1 if cut else 2)
        assert read.truncated is (0 < cut < len(ENTER))

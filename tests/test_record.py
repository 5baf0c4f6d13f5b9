"""What real threads do is recorded as it is, and judged; what a record must not do to a stream."""

from __future__ import annotations

import inspect
import io
import itertools
import json
import os
import subprocess
import sys
import textwrap
import threading
import warnings
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from kernel import StreamWrapper, stream
from kernel.machine import Stop
from kernel.record import Record
from specs import trace
from specs.trace import Verdict, read_trace

from . import traces
from .mutants import MUTANTS, broken_actions
from .record import record
from .sources import Source, epoch, take

Lines: TypeAlias = list[dict[str, Any]]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which POSIX has")


def lines(file: io.StringIO) -> Lines:
    """What is in the file."""
    return [json.loads(line) for line in file.getvalue().splitlines()]


def names(found: Lines) -> list[str]:
    """The actions."""
    return [line["action"] for line in found[1:]]


# Programs.

RANDOM = {"unbuffered": 2, "buffer of 1": 25, "buffer of 2": 5, "buffer of 8": 19}
"""Seeds that give these sizes, with epochs of 2, 2, 7 and passes."""


def random_run(seed: int) -> Lines:
    """Thousands of actions, with all faults that a soak has and more, against the oracle."""
    file = io.StringIO()
    record(file, 2000, seed)
    return lines(file)


def given_up() -> Lines:
    """A pull that outlasts the patience of a stop, and returns when nobody wants it."""
    file, source = io.StringIO(), Source(range(9), held=True)
    wrapper = StreamWrapper(source, 2, stop_timeout=0, record=file)
    wrapper.__enter__()
    with wrapper.allow_buffering:
        source.await_start()
    with pytest.raises(TimeoutError):
        wrapper.__exit__(None, None, None)
    source.free()
    with pytest.raises(ChildProcessError):
        next(wrapper)
    assert take(wrapper, 2) == [0, 1]
    source.await_end()
    return lines(file)


def ahead(pulls: int = 4) -> Lines:
    """A worker that runs ahead to the end of an epoch, while nobody reads."""
    file, source = io.StringIO(), Source(range(50))
    with StreamWrapper(source, 8, 4, record=file) as wrapper, wrapper.allow_buffering:
        for _ in range(pulls):
            source.await_end()
    return lines(file)


def stopped() -> Lines:
    """A worker that is told to go as it pulls, behind an open gate."""
    file, source = io.StringIO(), Source(range(50), held=True)
    wrapper = StreamWrapper(source, 3, record=file).__enter__()
    with wrapper.allow_buffering:
        source.await_start()
        with wrapper._core.lock:
            wrapper._core.step(Stop)
        source.free()
        wrapper.__exit__(None, None, None)
    return lines(file)


# Shells that are broken.

Break: TypeAlias = Callable[[pytest.MonkeyPatch], None]


def edited(name: str, old: str, new: str) -> Break:
    """A method of the core, with an edit in its source."""

    def edit(patch: pytest.MonkeyPatch) -> None:
        source = textwrap.dedent(inspect.getsource(getattr(stream._Core, name)))
        assert source.count(old) == 1
        found: dict[str, Any] = {}
        text = "from __future__ import annotations\n" + source.replace(old, new)
        exec(text, vars(stream), found)  # noqa: S102  # our own source
        patch.setattr(stream._Core, name, found[name])

    return edit


def pulls_on(patch: pytest.MonkeyPatch) -> None:
    """A worker that was told to go pulls on."""
    for action in broken_actions(MUTANTS["StopPullsNothing"]):
        patch.setattr(stream, action.__name__, action, raising=False)


LOOK = """\
            if self.state is not ticket:
                    return False, None
                put"""

BROKEN: dict[str, tuple[Break, Callable[[], Lines], list[str]]] = {
    "no look before a pull": (
        edited("run_ahead", LOOK, "            put"),
        ahead,
        ["Enter", "Allow", "Fetch", "Enqueue", "Fetch", "Enqueue", "Enqueue"],
    ),
    "count forgotten": (
        edited("fold", "count += self.ahead", "pass"),
        partial(ahead, 6),
        ["Enter", "Allow", *["Fetch", "Enqueue"] * 4, "Fetch"],
    ),
    "stop pulls on": (
        pulls_on,
        stopped,
        ["Enter", "Allow", "Fetch", "Stop", "Enqueue", "Fetch"],
    ),
}
"""How it is broken, what shows it, and the record up to the line that is refused."""


def broken_run(name: str) -> Lines:
    """The record of a broken shell."""
    broken, program, _ = BROKEN[name]
    with pytest.MonkeyPatch.context() as patch:
        broken(patch)
        return program()


@pytest.fixture(scope="module")
def records() -> dict[str, Lines]:
    """Records of real threads, sound and broken and forged."""
    made = {name: random_run(seed) for name, seed in RANDOM.items()}
    made |= {"given up": given_up(), "ahead": ahead(), "stopped": stopped()}
    forgeries = traces.drop, traces.double, traces.rename
    for seed, (forgery, name) in enumerate(zip(forgeries, RANDOM, strict=False)):
        made[forgery.__name__] = traces.forge(made[name], forgery, seed)
    return made | {name: broken_run(name) for name in BROKEN}


JUDGED = [*RANDOM, "given up", "drop", "rename", "no look before a pull", "stop pulls on"]


@pytest.fixture(scope="module")
def verdicts(
    records: dict[str, Lines], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Verdict]:
    """What TLC says of these."""
    folder = tmp_path_factory.mktemp("records")
    for name in JUDGED:
        (folder / name).write_text(traces.text(records[name]), encoding="utf-8")
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda name: trace.judge(read_trace(folder / name)), JUDGED)
        return dict(zip(JUDGED, found, strict=True))


# What is recorded.


@pytest.mark.parametrize("name", [*RANDOM, "given up"])
def test_run_is_accepted(
    name: str, records: dict[str, Lines], verdicts: dict[str, Verdict]
) -> None:
    """What real threads do is a behaviour of the protocol, from its initial state on."""
    assert verdicts[name] == Verdict(initial=True)
    assert traces.judge(records[name])[0] == 0


def test_runs_have_all_sizes_and_actions(records: dict[str, Lines]) -> None:
    """The runs that are accepted have every action, with a buffer and without."""
    runs = [records[name] for name in (*RANDOM, "given up")]
    assert {run[0]["capacity"] for run in runs} == {0, 1, 2, 8}
    assert {run[0]["epoch_size"] for run in runs} == {0, 2, 7}
    assert {action for run in runs for action in names(run)} == set(traces.ACTION)
    assert {line["thread"] for run in runs for line in run[1:]} == {
        "MainThread",
        "StreamWrapper None",
    }


@pytest.mark.parametrize("name", ["drop", "double", "rename"])
def test_forged_run_is_refused(
    name: str, records: dict[str, Lines], verdicts: dict[str, Verdict]
) -> None:
    """A real record with a line missing, doubled or changed is refused where it goes wrong."""
    line, before = traces.judge(records[name])
    assert line > 2
    if name in verdicts:
        assert (verdicts[name].line, verdicts[name].before) == (line, before)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_shell_is_refused(
    name: str, records: dict[str, Lines], verdicts: dict[str, Verdict]
) -> None:
    """A shell that is broken is told by its record, at the first step that the protocol has not."""
    expected = BROKEN[name][2]
    assert names(records[name])[: len(expected)] == expected
    assert traces.judge(records[name])[0] == len(expected) + 1
    if name in verdicts:
        assert verdicts[name].line == len(expected) + 1


def test_sound_shell_is_accepted(records: dict[str, Lines]) -> None:
    """The same programs with the shell as it is."""
    pulls = ["Fetch", "Enqueue"] * 4
    assert names(records["ahead"]) == ["Enter", "Allow", *pulls, "Disallow", "Stop", "Halt"]
    assert names(records["stopped"]) == [
        *("Enter", "Allow", "Fetch", "Stop", "Enqueue", "Halt", "Disallow")
    ]


def test_lines_wait_for_a_look_and_no_longer() -> None:
    """A look in which a worker runs ahead is a Fetch where it was taken, if it turns out to be."""
    file, source = io.StringIO(), Source(range(9), held=True)
    wrapper = StreamWrapper(source, 2, record=file).__enter__()
    with wrapper.allow_buffering:
        source.go(2)
        assert take(wrapper, 2) == [0, 1]
        for _ in range(3):
            source.await_start()
        source.go()
        source.await_start()  # another look was taken, and a pull is in flight
        known = names(lines(file))
        assert known[-1] == "Enqueue"
        assert take(wrapper, 1) == [2]
        assert names(lines(file)) == known
        source.go()
        assert take(wrapper, 1) == [3]
        assert names(lines(file))[len(known) :][:2] == ["Fetch", "Dequeue"]
    source.free()
    wrapper.__exit__(None, None, None)
    assert names(lines(file))[-1] == "Halt"
    assert traces.judge(lines(file))[1][0] == "outside"


def test_record_is_complete_after_exit() -> None:
    """When a stream was left, its record ends in the state that it is in."""
    file = io.StringIO()
    with StreamWrapper(itertools.count, 8, record=file) as wrapper, wrapper.allow_buffering:
        take(wrapper, 100)
    wrong, state = traces.judge(lines(file))
    assert (wrong, state[:2]) == (0, ("outside", "absent"))
    assert state[stream.BUFFERED] == len(wrapper._core.batches)
    assert names(lines(file)).count("Dequeue") == 100


def test_each_stream_has_its_file() -> None:
    """Two streams that are read by turns are recorded apart."""
    files = io.StringIO(), io.StringIO()
    first, second = (
        StreamWrapper(lambda: range(9), size, name=name, record=file)
        for size, name, file in zip((2, 3), "ab", files, strict=True)
    )
    with first, second, first.allow_buffering:
        assert list(zip(first, second, strict=True)) == [(n, n) for n in range(9)]
    found = [lines(file) for file in files]
    assert [traces.judge(run)[0] for run in found] == [0, 0]
    assert [run[0]["capacity"] for run in found] == [2, 3]
    assert ["Allow" in names(run) for run in found] == [True, False]


# What a record does to a stream.


@pytest.mark.parametrize("size", [0, 1, 8])
def test_recorded_stream_gives_the_same(size: int) -> None:
    """A stream that is recorded gives what it gives otherwise."""

    def read(file: io.StringIO | None) -> list[Any]:
        source = Source(range(5), (), range(7), [1, OSError("x")])
        wrapper = StreamWrapper(source, size, 4, record=file)
        seen: list[Any] = []
        with wrapper, wrapper.allow_buffering:
            for _ in range(20):
                try:
                    seen.append(epoch(wrapper))
                except (OSError, ChildProcessError) as error:
                    seen.append(str(error))
        return seen

    assert read(io.StringIO()) == read(None)


def test_no_record_costs_nothing() -> None:
    """Without a record the code that runs is the plain one."""
    wrapper = StreamWrapper(range, 2)
    core: Any = wrapper._core
    assert type(core) is stream._Core
    assert type(core.batches) is deque
    assert type(core.lock) is type(threading.Lock())
    assert not vars(core).keys() & {"record", "runner"}
    recorded = StreamWrapper(range, 2, record=io.StringIO())
    assert type(recorded._core) is stream._RecordedCore
    assert not isinstance(inspect.getattr_static(core, "state"), property)
    for name in ("run_ahead", "commit", "fetch_untold", "read", "ask"):
        assert getattr(core, name).__func__ is getattr(stream._Core, name)


@pytest.mark.parametrize("value", ["name", 3, Path("name"), io.BytesIO(), sys])
def test_bad_file_is_refused(value: Any) -> None:
    """What is no text file is named."""
    with pytest.raises(TypeError) as told:
        StreamWrapper(range, record=value)
    assert str(told.value) == f"record must be a text file or None, not {value!r}."


def test_closed_file_is_refused() -> None:
    """A file that is closed from the beginning is an error at once."""
    file = io.StringIO()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        StreamWrapper(range, record=file)


class Full(io.StringIO):
    """A file on a disk that is full after so many lines."""

    left = 9

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")
        return super().write(text)


def read_on(file: io.StringIO) -> list[int]:
    """Read a few batches, and more when the file is closed."""
    wrapper = StreamWrapper(itertools.count, 3, 7, "numbers", record=file)
    with wrapper, wrapper.allow_buffering:
        seen = epoch(wrapper)
        if not isinstance(file, Full):
            file.close()
        for _ in range(3):
            seen += epoch(wrapper)
    return seen + epoch(wrapper)


@pytest.mark.parametrize(("file", "why"), [(Full, "No space left"), (io.StringIO, "closed")])
def test_record_that_cannot_be_written_ends(file: Callable[[], io.StringIO], why: str) -> None:
    """The record ends with one warning, and the stream goes on."""
    made = file()
    with pytest.warns(RuntimeWarning, match=why) as told:
        assert read_on(made) == list(range(35))
    assert [str(warning.message) for warning in told] == [str(told[0].message)]
    assert str(told[0].message).startswith("The record of StreamWrapper 'numbers' ends early: ")
    if not made.closed:
        assert len(lines(made)) == 9
        assert traces.judge(lines(made))[0] == 0


def test_warning_that_is_an_error_loses_nothing() -> None:
    """Where warnings are errors, a record that ends is no error of the source, nor of `next`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_on(Full()) == list(range(35))


class Interrupting(io.StringIO):
    """A file at whose n-th line Ctrl-C strikes, before it is written or after."""

    def __init__(self, at: int, after: bool) -> None:
        super().__init__()
        self.left, self.after = at, after

    def write(self, text: str) -> int:
        self.left -= text.count("\n")
        if self.after:
            super().write(text)
        if self.left == 0:
            raise KeyboardInterrupt
        return 0 if self.after else super().write(text)


@pytest.mark.parametrize("after", [False, True])
def test_rule_10_interrupt_in_a_record(after: bool) -> None:
    """Rule 10: Ctrl-C between an action and its line loses the batch in hand at most."""
    ended = 0
    for at in range(2, 30):
        wrapper = StreamWrapper(lambda: range(9), record=(file := Interrupting(at, after)))
        seen: list[int] = []
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            while True:
                try:
                    batch = next(wrapper)
                except KeyboardInterrupt:
                    continue
                seen.append(batch)
                if batch == 8:
                    break
        ended += len(told)
        missing = [batch for batch in range(9) if batch not in seen]
        assert seen == sorted(set(seen)), at
        assert len(missing) <= 1, at
        assert traces.judge(lines(file))[0] == 0, at
    assert ended > 20


# Forks.


@needs_fork
def test_forked_child_writes_nothing(tmp_path: Path) -> None:
    """A child has no lines, neither its own nor those that its parent had not written yet."""
    path = tmp_path / "run.jsonl"
    with path.open("w") as file:
        wrapper = StreamWrapper(itertools.count, 4, record=file)
        with wrapper, wrapper.allow_buffering:
            for number in range(20):
                assert next(wrapper) == number
                child = os.fork()
                if not child:
                    try:
                        with pytest.raises(ChildProcessError):
                            take(wrapper, 9)
                        next(wrapper)
                        file.close()
                        os._exit(0)
                    finally:
                        os._exit(1)
                assert os.waitpid(child, 0)[1] == 0
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert traces.judge(found)[0] == 0
    assert names(found).count("Dequeue") == 20


@needs_fork
def test_file_that_is_not_flushed_would_be_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the flush before a fork, a child's copy of what was not written is written too."""
    monkeypatch.setattr(Record, "flush", lambda record: None)
    path = tmp_path / "run.jsonl"
    with path.open("w") as file:
        wrapper = StreamWrapper(itertools.count, record=file)
        next(wrapper)
        child = os.fork()
        if not child:
            file.close()
            os._exit(0)
        os.waitpid(child, 0)
    assert path.read_text().count("Dequeue") == 2


# The command.


def test_command_records(tmp_path: Path) -> None:
    """`python -m tests.record` records so many actions at least."""
    path = tmp_path / "run.jsonl"
    command = [sys.executable, "-m", "tests.record", "--actions", "500", "--seed", "5", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(found) > 500
    assert f"{len(found) - 1} actions" in done.stdout
    assert traces.judge(found)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--actions", "0", "x"], "argument --actions: must be a positive integer, not '0'"),
        ([], "one of the arguments FILE, --cost is required"),
        (["no/such/folder"], "argument FILE: cannot write 'no/such/folder': No such file"),
    ],
)
def test_bad_arguments(arguments: list[str], told: str) -> None:
    """A bad argument is named, with its value."""
    command = [sys.executable, "-m", "tests.record", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert told in done.stderr

"""What real threads do is recorded as it is, and judged."""

from __future__ import annotations

import io
import itertools
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from kernel import StreamWrapper, consumer, worker
from kernel.core import Core
from kernel.machine import State, Variables
from specs.trace import judging
from specs.trace.judging import Verdict

from ..conftest import Once
from ..schedules.planted import plant
from ..support import traces
from ..support.mutants import MUTANTS, broken_actions
from ..support.sources import Source, give_up, take
from .record import record

Lines: TypeAlias = list[dict[str, Any]]


def lines(file: io.StringIO) -> Lines:
    """What is in the file."""
    return [json.loads(line) for line in file.getvalue().splitlines()]


def names(found: Lines) -> list[str]:
    """The actions."""
    return [line["action"] for line in found[1:]]


def of_thread(found: Lines, thread: str) -> list[str]:
    """The actions of a thread."""
    return [line["action"] for line in found[1:] if line["thread"] == thread]


def judge(found: Lines) -> tuple[int, State]:
    """The machine's own verdict on the lines in the order that is found."""
    return traces.judge(traces.ordered(found))


MAIN, WORKER = "MainThread", "StreamWrapper None"

# Programs.

RANDOM = {"unbuffered": 2, "buffer of 1": 25, "buffer of 2": 5, "buffer of 8": 19}
"""Seeds that give these sizes, with epochs of 2, 2, 7 and passes."""


def random_run(seed: int, actions: int = 2000) -> Lines:
    """Thousands of actions, with all faults that a soak has and more, against the oracle."""
    file = io.StringIO()
    record(file, actions, seed)
    return lines(file)


def given_up() -> Lines:
    """A pull that outlasts the patience of a stop, and returns when nobody wants it."""
    file, source = io.StringIO(), Source(range(9), held=True)
    wrapper = StreamWrapper(source, 2, stop_timeout=0, record=file)
    give_up(wrapper, source.await_start)
    source.free()
    with pytest.raises(ChildProcessError):
        next(wrapper)
    assert take(wrapper, 2) == [0, 1]
    source.await_end()
    return lines(file)


def ahead(pulls: int = 4, epoch_size: int = 4) -> Lines:
    """A worker that runs ahead to the end of an epoch, while nobody reads."""
    file, source = io.StringIO(), Source(range(50))
    with StreamWrapper(source, 8, epoch_size, record=file) as wrapper, wrapper.allow_buffering:
        source.await_end(pulls)
    return lines(file)


def stopped() -> Lines:
    """A worker that is stopped while it pulls, with a gate open."""
    file, source = io.StringIO(), Source(range(50), held=True)
    wrapper = StreamWrapper(source, 3, record=file).__enter__()
    with wrapper.allow_buffering:
        source.await_start()
        leave = threading.Thread(target=wrapper.__exit__, args=(None,) * 3, name="leaves")
        leave.start()
        entry = wrapper._core.entry
        while entry is None or not entry.over:
            time.sleep(0)
        source.free()
        leave.join()
    return lines(file)


# Shells that are broken.

Break: TypeAlias = Callable[[pytest.MonkeyPatch], None]


def edited(name: str, old: str, new: str) -> Break:
    """A function of the worker, with an edit in its source."""
    return partial(plant, function=f"pull.{name}", old=old, new=new)


def fetches(mutant: str) -> Break:
    """A worker that goes by a broken Fetch."""

    def edit(patch: pytest.MonkeyPatch) -> None:
        (fetch,) = (a for a in broken_actions(MUTANTS[mutant]) if a.__name__ == "Fetch")
        patch.setattr(worker, "Fetch", fetch)

    return edit


BROKEN: dict[str, tuple[Break, Callable[[], Lines], int]] = {
    "no look at the room": (fetches("Bounded"), partial(ahead, 9, 50), 8),
    "count forgotten": (
        edited("put", "progress_after(put)", "progress_after((*put[:9], 0, put[10]))"),
        partial(ahead, 5),
        4,
    ),
}
"""How it is broken, what shows it, and how many pulls there are before the one that is refused."""


def broken_run(name: str) -> Lines:
    """The record of a broken shell."""
    broken, program, _ = BROKEN[name]
    with pytest.MonkeyPatch.context() as patch:
        broken(patch)
        return program()


@pytest.fixture(scope="module")
def records(once: Once) -> dict[str, Lines]:
    """Records of real threads, sound and broken."""
    return once("records", record_all)


def record_all() -> dict[str, Lines]:
    """Record these."""
    made = {name: random_run(seed) for name, seed in RANDOM.items()}
    made |= {"given up": given_up(), "ahead": ahead(), "stopped": stopped()}
    return made | {name: broken_run(name) for name in BROKEN}


# What is recorded.


@pytest.mark.parametrize("name", [*RANDOM, "given up"])
def test_run_is_accepted(name: str, records: dict[str, Lines]) -> None:
    """What real threads do is a behaviour of the protocol, from its initial state on."""
    assert judge(records[name])[0] == 0


@pytest.mark.parametrize("name", ["buffer of 8", "given up", *BROKEN])
def test_tlc_says_so_too(name: str, records: dict[str, Lines], tmp_path: Path) -> None:
    """TLC accepts what the machine accepts, and refuses what it refuses."""
    file = tmp_path / "run.jsonl"
    file.write_text(traces.text(records[name]), encoding="utf-8")
    _, verdict, _ = judging.judged(file)
    if judge(records[name])[0] == 0:
        assert verdict == Verdict(initial=True)
    else:
        assert verdict.line > 2


def test_runs_have_all_sizes_and_actions(records: dict[str, Lines]) -> None:
    """The runs that are accepted have every action, with a buffer and without."""
    runs = [records[name] for name in (*RANDOM, "given up")]
    assert {run[0]["capacity"] for run in runs} == {0, 1, 2, 8}
    assert {run[0]["epoch_size"] for run in runs} == {0, 2, 7}
    assert {action for run in runs for action in names(run)} == set(traces.ACTION)
    assert {line["thread"] for run in runs for line in run[1:]} == {MAIN, WORKER}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_shell_is_refused(name: str, records: dict[str, Lines]) -> None:
    """The record of a broken shell is refuted at the first step that the protocol does not have."""
    run = traces.ordered(records[name])
    line, _ = judge(records[name])
    assert (run[line - 1]["action"], run[line - 1]["thread"]) == ("Fetch", WORKER)
    assert of_thread(run[: line - 1], WORKER) == ["Start", *["Fetch", "Enqueue"] * BROKEN[name][2]]


def test_sound_shell_is_accepted(records: dict[str, Lines]) -> None:
    """The same programs with the shell as it is."""
    run = records["ahead"]
    assert of_thread(run, MAIN) == ["Enter", "Allow", "Disallow", "Leave"]
    assert of_thread(run, WORKER) == ["Start", *["Fetch", "Enqueue"] * 4, "Halt"]
    assert judge(run)[0] == 0
    run = records["stopped"]
    assert of_thread(run, MAIN) == ["Enter", "Allow", "Disallow"]
    assert of_thread(run, "leaves") == ["Leave"]
    assert of_thread(run, WORKER) == ["Start", "Fetch", "Enqueue", "Halt"]
    assert judge(run)[0] == 0


def test_record_is_complete_after_exit() -> None:
    """When a stream was left, its record ends in the state that it is in."""
    file = io.StringIO()
    with StreamWrapper(itertools.count, 8, record=file) as wrapper, wrapper.allow_buffering:
        take(wrapper, 100)
    wrong, state = judge(lines(file))
    core = wrapper._core
    now = Variables(*core.state(core.run))
    assert (wrong, state) == (0, now._replace(later=[]))  # as JSON has it
    assert names(lines(file)).count("Dequeue") == 100


def test_requests_that_ended_without_a_word() -> None:
    """A request that was interrupted is withdrawn in the record before its thread does more."""
    file, source = io.StringIO(), Source(range(9), held=True)
    wrapper = StreamWrapper(source, 2, record=file)
    with pytest.MonkeyPatch.context() as patch, wrapper:
        patch.setattr(consumer, "sleep", lambda *_: 1 / 0)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                next(wrapper)
        patch.undo()
        source.free()
        assert next(wrapper) == 0
        patch.setattr(consumer, "sleep", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            take(wrapper, 2)
        patch.undo()
    wrapper.__enter__()
    assert take(wrapper, 2) == [1, 2]
    wrapper.__exit__(None, None, None)
    assert judge(lines(file))[0] == 0


def test_stop_that_is_interrupted_before_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker says that its `with` was left, before it says that it halts."""
    strikes, says = [KeyboardInterrupt], Core.did_once

    def struck(core: Core[Any], *action: Any) -> None:
        for strike in strikes:
            strikes.clear()
            raise strike
        says(core, *action)

    file = io.StringIO()
    wrapper = StreamWrapper(itertools.count, 2, record=file)
    wrapper.__enter__()
    monkeypatch.setattr(Core, "did_once", struck)
    with pytest.raises(KeyboardInterrupt):
        wrapper.__exit__(None, None, None)
    with wrapper:
        assert take(wrapper, 2) == [0, 1]
    found = lines(file)
    assert judge(found)[0] == 0
    assert of_thread(found, WORKER).count("Leave") == 1
    assert names(found).count("Leave") == 2


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
    assert [judge(run)[0] for run in found] == [0, 0]
    assert [run[0]["capacity"] for run in found] == [2, 3]
    assert ["Allow" in names(run) for run in found] == [True, False]

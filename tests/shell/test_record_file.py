"""What a record must not do to a stream, whatever becomes of its file."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernel import StreamWrapper

from ..support.processes import needs_fork, python
from ..support.sources import epoch, take
from ..support.states import alone
from .test_record import judge, lines, names

# What a record does to a stream.


def test_no_record_costs_nothing() -> None:
    """Without a record the short way is taken, and with one it is not."""
    wrapper, recorded = StreamWrapper(range, 2), StreamWrapper(range, 2, record=io.StringIO())
    assert (wrapper._plain, recorded._plain) == (True, False)
    assert wrapper._core.record is None


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
    """A file on a disk that is full after that number of lines."""

    left = 9
    error: Exception = OSError(28, "No space left on device")

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().write(text)


class Remote(Full):
    """A file whose class has errors of its own."""

    error = EOFError("the backend is gone")


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


@pytest.mark.parametrize(
    ("file", "why"),
    [(Full, "No space left"), (Remote, "the backend is gone"), (io.StringIO, "closed")],
)
def test_record_that_cannot_be_written_ends(file: Callable[[], io.StringIO], why: str) -> None:
    """The record ends with one warning, and the stream goes on."""
    made = file()
    with pytest.warns(RuntimeWarning, match=why) as told:
        assert read_on(made) == list(range(35))
    assert [str(warning.message) for warning in told] == [str(told[0].message)]
    assert str(told[0].message).startswith("The record of StreamWrapper 'numbers' ends early: ")
    if not made.closed:
        assert len(lines(made)) == 9
        assert judge(lines(made))[0] == 0


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
    """Rule 10: Ctrl-C between an action and its line loses the batch in hand, or ends the pass."""
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
        again = max((n for n in range(1, len(seen)) if seen[n] == 0), default=0)  # a fresh pass
        first, last = seen[:again], seen[again:]
        assert first == list(range(len(first))), at
        assert last == sorted(set(last)), at
        assert len(last) >= 8, at
        assert judge(lines(file))[0] == 0, at
    assert ended > 20


# Forks.


@needs_fork
def test_forked_child_writes_nothing(tmp_path: Path) -> None:
    """A child has no lines, neither its own nor those that its parent had not written yet."""
    path = tmp_path / "run.jsonl"
    with path.open("w") as file:
        wrapper = StreamWrapper(itertools.count, 4, record=file)

        def read() -> None:
            with pytest.raises(ChildProcessError):
                take(wrapper, 9)
            next(wrapper)  # the file is not closed: its lock may be another thread's

        with wrapper, wrapper.allow_buffering:
            for number in range(20):
                assert next(wrapper) == number
                assert alone(read) == 0
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert judge(found)[0] == 0
    assert names(found).count("Dequeue") == 20


class Slow(io.StringIO):
    """A file in whose lines of this action somebody waits, or something happens."""

    def __init__(self, action: str, act: Callable[[], Any]) -> None:
        super().__init__()
        self.action, self.act = action, act

    def write(self, text: str) -> int:
        written = super().write(text)
        if f'"{self.action}"' in text:
            self.act()
        return written


@needs_fork
def test_slow_file_does_not_hold_a_child() -> None:
    """A child that is forked while another thread writes reads on."""
    writes, go = threading.Event(), threading.Event()
    file = Slow("Enqueue", lambda: (writes.set(), go.wait()))
    wrapper = StreamWrapper(itertools.count, 4, record=file).__enter__()

    def read() -> None:
        with contextlib.suppress(ChildProcessError):
            take(wrapper, 9)
        assert next(wrapper) == 0

    with wrapper.allow_buffering:
        writes.wait()
        assert alone(read) == 0
        go.set()
    wrapper.__exit__(None, None, None)
    assert judge(lines(file))[0] == 0


def test_handler_that_strikes_in_a_write() -> None:
    """What a handler does while a line is written comes after it; no thread waits for itself."""

    def handler() -> None:
        with wrapper.allow_buffering:
            pass

    file = Slow("Dequeue", handler)
    wrapper = StreamWrapper(lambda: range(9), record=file)
    assert take(wrapper, 9) == list(range(9))
    pull = ["Request", "Fetch", "Enqueue", "Withdraw", "Dequeue", "Allow", "Disallow"]
    assert names(lines(file)) == pull * 9


# The command.


def test_command_records(tmp_path: Path) -> None:
    """`python -m tests.shell.record` records at least that number of actions."""
    path = tmp_path / "run.jsonl"
    words = ["--actions", "500", "--seed", "5", str(path)]
    done = python("-m", "tests.shell.record", *words)
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(found) > 500
    assert f"{len(found) - 1} actions" in done.stdout
    assert judge(found)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--actions", "0", "x"], "argument --actions: must be a number from 1 on, not '0'"),
        ([], "the following arguments are required: FILE"),
        (["no/such/folder"], "argument FILE: cannot write 'no/such/folder': No such file"),
    ],
)
def test_bad_arguments(arguments: list[str], told: str) -> None:
    """A bad argument is named, with its value."""
    done = python("-m", "tests.shell.record", *arguments)
    assert done.returncode == 2
    assert told in done.stderr

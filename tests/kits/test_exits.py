"""How commands end: with a status, with what was printed, and without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ENDS = {
    "return None": 0,
    "return 3": 3,
    "raise KeyboardInterrupt": 130,
    "raise CannotRun('no such thing')": 2,
}


def command(body: str) -> list[str]:
    """A command whose function does that."""
    text = "from specs.arguments import CannotRun\nfrom specs.exits import leave_with\n"
    return [sys.executable, "-c", f"{text}def main():\n    {body}\nleave_with(main)"]


@pytest.mark.parametrize("body", ENDS)
def test_status(body: str) -> None:
    """What is printed before the end comes out, and what cannot run is said."""
    done = subprocess.run(
        command(f"print('said'); {body}"), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (ENDS[body], "said\n")
    assert done.stderr == ("no such thing\n" if "CannotRun" in body else "")


@pytest.mark.parametrize("length", [1, 10**6])
def test_reader_that_has_left(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no error worth a traceback, whether the text fits in the buffer or not."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            command(f"print('x' * {length})"), stdout=writer, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_closed_output() -> None:
    """What is printed goes nowhere."""
    program = command("import sys; print(sys.stdout.isatty(), flush=True)")
    closed = "import os, sys; os.close(1); os.execv(sys.executable, sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", closed, *program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")

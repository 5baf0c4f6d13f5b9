"""Python in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which POSIX has")

HEADER = """
import os, signal, sys, threading
from kernel import StreamWrapper

def kill_if_it_hangs(number, frame):
    import faulthandler; faulthandler.dump_traceback()
    os.write(2, b"it hangs")
    os._exit(99)

signal.signal(signal.SIGALRM, kill_if_it_hangs)
signal.alarm(20)
"""


def python(
    *words: str, timeout: float = 110, folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with these words, to its end, whatever that is."""
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        cwd=folder,
        env={**os.environ, **environment},
        check=False,
    )


def run(program: str) -> str:
    """Run the program and return what it printed; it must end by itself, with status 0."""
    warnings = ("-W", "error", "-W", "ignore::DeprecationWarning")
    done = python(*warnings, "-c", HEADER + textwrap.dedent(program), timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()

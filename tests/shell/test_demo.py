"""`python -m kernel` runs where its packages are, and says what is missing where they are not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from ..support.processes import python

ROOT = Path(__file__).parents[2]
EXTRA = ("numpy", "sklearn", "rich")


def demo(*options: str, without: str = "") -> subprocess.CompletedProcess[str]:
    """Run the demo in a process of its own, where one module cannot be imported."""
    return python("-c", program(*options, without=without), folder=ROOT)


def program(*options: str, without: str = "") -> str:
    """A program that runs it."""
    return (
        "import runpy, sys\n"
        f"sys.argv[1:] = {list(options)!r}\n"
        f"sys.modules.update(dict.fromkeys({without.split()!r}))\n"
        "runpy.run_module('kernel', run_name='__main__', alter_sys=True)\n"
    )


def test_demo_runs() -> None:
    """It trains: the loss falls, and a share of the reading is hidden."""
    pytest.importorskip("sklearn")
    run = demo("--epochs", "2")
    assert (run.returncode, run.stderr) == (0, "")
    first, second, last = run.stdout.splitlines()
    losses = [float(re.search(r"loss (\d\.\d\d)", line)[1]) for line in (first, second)]  # type: ignore[index]
    assert losses[0] > losses[1]
    assert re.fullmatch(
        r"Reading took .* s, and the training waited .* s for it: \d+% was .*", last
    )


def test_demo_without_a_buffer_hides_nothing() -> None:
    """Without a worker the training waits for each batch."""
    pytest.importorskip("sklearn")
    assert "loss" in (run := demo("--epochs", "1", "--buffer", "0")).stdout
    assert run.stdout.endswith(" 0% was hidden.\n")


def test_demo_whose_reader_leaves() -> None:
    """Any number of epochs may be asked for, and the demo ends with who reads what it says."""
    pytest.importorskip("sklearn")
    command = [sys.executable, "-c", program("--epochs", str(10**12))]
    with subprocess.Popen(command, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline().startswith("epoch 1: loss ")
        run.stdout.close()
        assert run.stderr.read() == ""
    assert run.returncode == 1


@pytest.mark.parametrize("module", EXTRA)
def test_demo_says_what_to_install(module: str) -> None:
    """One missing package, and it names that and the command that brings all; the library works."""
    run = demo(without=module)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"{module} is missing: pip install numpy scikit-learn rich\n"


def test_the_extra_is_what_the_demo_says() -> None:
    """The command that it names installs what the extra `demo` does."""
    extra = re.search(
        r"^demo = \[(.*)\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE
    )
    assert extra is not None
    assert set(re.findall(r'"([\w-]+)', extra[1])) == {"numpy", "scikit-learn", "rich"}


def test_demo_refuses_nonsense() -> None:
    """A number that cannot be is named."""
    pytest.importorskip("sklearn")
    options = ("--epochs", "0"), ("--buffer", "-1"), ("--epochs", "x")
    tries = [f"exec({program(*o)!r})\nexcept SystemExit as e: print(e.code)" for o in options]
    run = python("-c", "".join(f"try: {each}\n" for each in tries), folder=ROOT)
    assert run.stdout == "2\n2\n2\n"
    told = [line for line in run.stderr.splitlines() if "error: " in line]
    assert [option in line for (option, _), line in zip(options, told, strict=True)] == [True] * 3

"""What all tests share: the class under test, and a look for threads that are left."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SUBJECTS = {
    "kernel": "kernel:StreamWrapper",
    "emloop": "emloop.datasets.stream_wrapper:StreamWrapper",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--subject", choices=SUBJECTS, default="kernel", help="class under test")
    parser.addoption(
        "--programs", type=int, default=2000, help="random programs on real threads to run"
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leave without waiting for the threads that a broken subject leaves behind."""
    if session.config.getoption("--subject") != "kernel":
        os._exit(exitstatus)


def find_emloop() -> Path | None:
    """The folder of the published emloop, if it is installed."""
    spec = importlib.util.find_spec("emloop")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def load(subject: str) -> Any:
    """The class. Of emloop only what it needs: its packages import far more than that."""
    if subject == "emloop":
        root = find_emloop()
        assert root is not None, "emloop is not installed: pip install --no-deps emloop"
        for name in ("emloop", "emloop.datasets", "emloop.utils"):
            package = types.ModuleType(name)
            package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
            sys.modules[name] = package
    module, _, name = SUBJECTS[subject].partition(":")
    return getattr(importlib.import_module(module), name)


def pytest_report_header(config: pytest.Config) -> str:
    compared = "installed, compared" if find_emloop() else "not installed, not compared"
    return f"subject: {config.getoption('--subject')}; emloop: {compared}"


@pytest.fixture(scope="session")
def wrapper(request: pytest.FixtureRequest) -> Any:
    """The class under test."""
    return load(request.config.getoption("--subject"))


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """No test leaves a worker behind."""
    before = set(threading.enumerate())
    yield
    new = [t for t in threading.enumerate() if t not in before and "Thread-" not in t.name]
    assert [t for t in new if t.ident is not None] == []  # one may be left that never started


@pytest.fixture(autouse=True)
def no_glance(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that was not woken goes on by itself after a while; here it hangs, and is seen."""
    monkeypatch.setattr("kernel.stream.GLANCE", 1000.0)

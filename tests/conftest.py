"""What all tests share: the class under test, and a look for threads that are left."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kernel import StreamWrapper
from specs.conform.adapters import emloop, find_emloop

SUBJECTS = ("kernel", "emloop")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--subject", choices=SUBJECTS, default="kernel", help="class under test")
    parser.addoption(
        "--programs", type=int, default=2000, help="random programs on real threads to run"
    )
    parser.addoption("--resumes", type=int, default=300, help="random programs with resumes to run")
    parser.addoption(
        "--schedules", type=int, default=50, help="random schedules of each standard program"
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leave without waiting for the threads that a broken subject leaves behind."""
    if session.config.getoption("--subject") != "kernel":
        os._exit(exitstatus)


def load(subject: str) -> Any:
    """The class."""
    return emloop() if subject == "emloop" else StreamWrapper


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
    monkeypatch.setattr("kernel.core.Core.glance", 1000.0)

"""What all tests share: the class under test, and a look for threads that are left."""

from __future__ import annotations

import fcntl
import os
import pickle
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

import pytest

from kernel import StreamWrapper
from specs.conform.adapters import emloop, find_emloop

T = TypeVar("T")

SUBJECTS = ("kernel", "lookahead", "emloop")


LONG = {
    "test_all_is_proved_by": 2,
    "test_broken_resume_is_refuted": 5,
    "test_distributed": 3,
    "test_formulas_are_the_properties_of_steps": 9,
    "test_formulas_are_the_properties_of_what_can_be_done": 2,
    "test_graph_differs_from_broken_lookahead": 8,
    "test_graph_is_the_machines": 6,
    "test_history_is_that_of_the_machine": 3,
    "test_holds_of_the_machine": 7,
    "test_layers_refuse_a_mutant_and_not_the_protocol": 2,
    "test_mutant_is_refuted": 9,
    "test_mutants_of_the_text": 4,
    "test_no_schedule_fails": 4,
    "test_paths_are_the_machines": 2,
    "test_paths_are_the_machines_in_large_states": 0,
    "test_property_fails_on_its_mutant": 7,
    "test_random_walks_on_emloop": 5,
    "test_refuted_on_its_mutant": 6,
    "test_rule_10_interrupt_before_an_instruction": 5,
    "test_rule_refuses": 12,
    "test_sample_is_refused_by_tlc": 3,
    "test_stored_run_is_what_tlc_finds": 10,
    "test_walks_refuse_a_model_of_something_else": 4,
    "test_what_is_left_out_is_repeated": 5,
}
"""Tests that are `long`: all cases (0), or all but every n-th. `pytest -m ''` runs them too."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is long."""
    seen = Counter[str]()
    for item in items:
        name = getattr(item, "originalname", item.name)
        if name in LONG:
            if not LONG[name] or seen[name] % LONG[name]:
                item.add_marker(pytest.mark.long)
            seen[name] += 1


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--subject", choices=SUBJECTS, default="kernel", help="class under test")
    parser.addoption(
        "--programs", type=int, default=500, help="random programs on real threads to run"
    )
    parser.addoption("--resumes", type=int, default=300, help="random programs with resumes to run")
    parser.addoption(
        "--schedules", type=int, default=50, help="random schedules of each standard program"
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leave without waiting for the threads that a broken subject leaves behind."""
    if session.config.getoption("--subject") == "emloop":
        os._exit(exitstatus)


def load(subject: str) -> Any:
    """The class; with lookahead, of which the consumer notices nothing, it is the same one."""
    if subject == "lookahead":
        return partial(StreamWrapper, lookahead=True)
    return emloop() if subject == "emloop" else StreamWrapper


def pytest_report_header(config: pytest.Config) -> str:
    compared = "installed, compared" if find_emloop() else "not installed, not compared"
    return f"subject: {config.getoption('--subject')}; emloop: {compared}"


@pytest.fixture(scope="session")
def wrapper(request: pytest.FixtureRequest) -> Any:
    """The class under test."""
    return load(getattr(request, "param", request.config.getoption("--subject")))


BY_DEFAULT = {
    "test_rule_6_worker_stays_in_the_epoch",
    "test_rule_6_entering_begins_an_epoch",
    "test_empty_tells_whether_next_would_wait",
}
"""Tests of the contract that lookahead changes. `test_lookahead.py` has their counterparts."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The contract holds with lookahead, too."""
    chosen = metafunc.config.getoption("--subject")
    is_contract = metafunc.module.__name__.rpartition(".")[2].startswith("test_contract")
    if "wrapper" in metafunc.fixturenames and is_contract and chosen == "kernel":
        subjects = ["kernel"] if metafunc.function.__name__ in BY_DEFAULT else SUBJECTS[:2]
        metafunc.parametrize("wrapper", subjects, indirect=True, scope="session")


class Once(Protocol):
    """Makes something once per test run, in whichever process asks first."""

    def __call__(self, name: str, make: Callable[[], T]) -> T: ...


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Once:
    """Slow preparations are made in one process of a test run, and read in the others."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # of pytest-xdist
        folder = folder.parent  # which they share; another run has another
    known: dict[str, Any] = {}

    def made(name: str, make: Callable[[], T]) -> T:
        if name not in known:
            file = folder / f"{name}.pickle"
            with file.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not file.exists():
                    file.write_bytes(pickle.dumps(make()))
            known[name] = pickle.loads(file.read_bytes())  # noqa: S301  # our own
        found: T = known[name]
        return found

    return made


class Said(NamedTuple):
    """The status and the output of a command."""

    status: int
    out: str
    err: str


@pytest.fixture
def specs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """`python -m specs` with these words, in this process."""

    def run(*words: object) -> Said:
        from specs.__main__ import main  # noqa: PLC0415  # not every test run has its packages

        monkeypatch.setattr(sys, "argv", ["specs", *map(str, words)])
        try:
            status = main()
        except SystemExit as exited:
            status = int(exited.code or 0)
        return Said(status, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """No test leaves a worker behind."""
    before = set(threading.enumerate())
    yield
    new = [t for t in threading.enumerate() if t not in before and "Thread-" not in t.name]
    assert [t for t in new if t.ident is not None] == []  # a thread that never started may be left


@pytest.fixture(autouse=True)
def no_glance(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sleeper that nobody woke looks again after a while; here it hangs, and is seen."""
    monkeypatch.setattr("kernel.core.Core.glance", 1000.0)

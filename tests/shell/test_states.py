"""In every state of a wrapper: fork, garbage collection, exit of the interpreter (rules 8, 10)."""

from __future__ import annotations

import os
import weakref
from ast import literal_eval
from types import SimpleNamespace

import pytest

from kernel import launch
from kernel.claims import Claim
from kernel.machine import Limits, Variables
from specs.graph import explore

from ..support.processes import needs_fork, python
from ..support.states import STATES, State, alone

pytestmark = needs_fork


@pytest.mark.parametrize("name", STATES)
def test_rule_8_fork(name: str) -> None:
    """Rule 8: a fork in any state leaves two wrappers that can be read, as far as threads live."""
    assert alone(lambda: State(name).fork()) == 0


@pytest.mark.parametrize("name", [n for n, s in STATES.items() if "aside" not in s.before])
def test_rule_10_garbage(name: str) -> None:
    """Rule 10: a wrapper that is garbage, in any state, leaves no thread."""
    assert alone(lambda: State(name).collect()) == 0


def test_rule_10_exit() -> None:
    """Rule 10: a process ends promptly, and without a word, in any state of a wrapper."""
    done = python("-W", "error", "-m", "tests.support.states")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def kind(now: Variables) -> tuple[str, str]:
    """The scope and the worker."""
    return now.scope, now.worker


def test_states_are_all_kinds() -> None:
    """Every scope with every worker, if it lasts longer than `__enter__`, is among the states."""
    kinds = {kind(Variables(*after)) for _, _, after in explore(Limits(2, 0), 1)}
    kinds -= {("new", "running"), ("new", "dead")}
    reading, writing = os.pipe()
    for name in STATES:
        alone(lambda name=name: os.write(writing, f"{kind(State(name).now())}\n".encode()))  # type: ignore[misc]
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert {literal_eval(line) for line in pipe} == kinds


def test_a_fork_that_is_not_noticed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper whose child waits for a worker that it does not have."""
    monkeypatch.setattr(
        Claim, "in_force", lambda claim, *_: claim._body is not None and claim._body.gi_running
    )
    monkeypatch.setattr("tests.support.states.HANG", 1)
    assert alone(lambda: State("buffer full").fork()) != 0


def test_a_thread_that_is_left_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper whose worker does not hear that nobody wants it."""
    unheard = SimpleNamespace(
        ref=lambda thing, _=None: weakref.ref(thing), ReferenceType=weakref.ReferenceType
    )
    monkeypatch.setattr(launch, "weakref", unheard)
    monkeypatch.setattr("tests.support.scene.HANG", 0.1)
    assert alone(lambda: State("worker asleep").collect()) != 0

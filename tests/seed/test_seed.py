"""The published emloop under the same contract tests: which of them it fails.

These tests show that the contract tests can fail. They need `pip install --no-deps emloop`. Without
it pytest does not collect the tests that run emloop, and its first lines say so.
"""

from __future__ import annotations

import inspect
import os

import pytest

from specs.conform.adapters import find_emloop

from ..shell import (
    test_contract_deaths,
    test_contract_misuse,
    test_contract_reading,
    test_contract_worker,
)
from . import test_seed_defects

TESTS = [
    f"{module.__name__.replace('.', '/')}.py::{name}"
    for module in (
        test_contract_reading,
        test_contract_worker,
        test_contract_deaths,
        test_contract_misuse,
        test_seed_defects,
    )
    for name, _ in inspect.getmembers(module, inspect.isfunction)
    if name.startswith("test_") and name != "test_rule_1_same_as_unbuffered"
]
"""All but one: emloop takes long for it, and fails it now and then, as its defect 2 has it."""

HOLDS = {
    "test_rule_10_interrupt_of_a_start_that_handles_an_error",
    "test_empty_tells_whether_next_would_wait",
    "test_integers_of_numpy_are_integers",
    "test_interface",
    "test_rule_11_arrays",
    "test_rule_12_empty_epoch_has_no_time",
    "test_rule_2_fixed_size",
    "test_rule_2_passes",
    "test_rule_3_stop_keeps_the_batch_being_pulled",
    "test_rule_3_stop_keeps_what_is_buffered",
    "test_rule_4_before_the_first_with",
    "test_rule_4_no_thread_outside",
    "test_rule_5_leaving_does_not_wait",
    "test_rule_6_worker_stays_in_the_epoch",
    "test_rule_7_error_of_a_pass_that_cannot_begin",
    "test_rule_8_a_slow_worker_is_not_dead",
    "test_rule_8_waiting_is_sleeping",
    "test_rule_9_closed_by_another_thread",
    "test_rule_9_left_by_two",
    "test_rule_9_thread_with_the_number_of_a_worker",
}
"""Contract tests that emloop passes in all their cases; of each other it fails at least one."""


def test_every_rule_can_be_failed() -> None:
    """Each rule of the contract has a test that emloop, as recorded, fails."""
    failed = {name.partition("::")[2] for name in TESTS} - HOLDS
    for rule in range(1, 13):
        assert any(name.startswith(f"test_rule_{rule}_") for name in failed), rule
    for defect in range(1, 22):
        told = test_seed_defects.BY_RULES.get(defect, f"test_defect_{defect}_")
        assert any(name.startswith(told) for name in failed), defect


WORDS = ["--subject=emloop", "-x", "-q", "-n0", "-pno:cacheprovider", "-Wdefault"]
LIMIT = ["--timeout=8", "--timeout-method=thread"]  # one that hangs ends its process, and fails
TOGETHER = 8  # most of the time they wait


def start(name: str) -> int:
    """Have a child run the test: a fork, which need not import what it runs."""
    child = os.fork()
    if not child:
        status = 2
        try:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(1, 2)
            status = pytest.main([name, *WORDS, *LIMIT])
        finally:
            os._exit(status)
    return child


def held(names: list[str]) -> set[str]:
    """Which of the tests emloop passes."""
    left, running, found = list(names), dict[int, str](), set[str]()
    while left or running:
        while left and len(running) < TOGETHER:
            name = left.pop()
            running[start(name)] = name
        child, status = os.wait()
        if child in running:  # else it is one that another test has left behind
            name = running.pop(child)
            assert status in (0, 1 << 8), (name, status)
            found |= {name} if status == 0 else set()
    return found


if find_emloop():

    @pytest.mark.timeout(400)
    def test_contract_on_emloop() -> None:
        """Emloop breaks the rules that it is recorded to break, and keeps the others."""
        assert len(TESTS) > 30
        assert {name.partition("::")[2] for name in held(TESTS)} == HOLDS

"""The published emloop under the same contract tests: which it fails, and that it does.

These show that the contract tests can fail. Where emloop is not installed (it is not needed for
anything else) there is nothing to compare, and the tests are not collected.
"""

from __future__ import annotations

import inspect
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from specs.conform.adapters import find_emloop

from ..shell import (
    test_contract_deaths,
    test_contract_misuse,
    test_contract_reading,
    test_contract_worker,
)
from ..support.processes import python
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
    if name.startswith("test_")
]

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
        assert any(name.startswith(f"test_defect_{defect}_") for name in failed), defect


def holds(name: str) -> bool:
    """Whether emloop passes the test, in a process of its own; one that hangs does not."""
    words = ["--subject", "emloop", "-x", "-q", "-p", "no:cacheprovider", "-W", "default"]
    try:
        done = python("-m", "pytest", name, *words, timeout=12)
    except subprocess.TimeoutExpired:
        return False
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 0


if find_emloop():

    @pytest.mark.timeout(400)
    def test_contract_on_emloop() -> None:
        """Emloop breaks the rules that it is recorded to break, and keeps the others."""
        with ThreadPoolExecutor(4) as pool:
            found = dict(zip(TESTS, pool.map(holds, TESTS), strict=True))
        assert len(found) > 30
        assert {name.partition("::")[2] for name, held in found.items() if held} == HOLDS

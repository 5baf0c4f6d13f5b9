"""The published emloop under the same contract tests: which it fails, and that it does.

These show that the contract tests can fail. Where emloop is not installed (it is not needed for
anything else) there is nothing to compare, and the tests are not collected.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import test_contract
from .conftest import find_emloop

TESTS = [name for name, _ in inspect.getmembers(test_contract, inspect.isfunction) if "test_" in name]

HOLDS: set[str] = {"test_integers_of_numpy_are_integers"}
"""Contract tests that emloop passes in all their cases; of each other it fails at least one."""


def holds(name: str) -> bool:
    """Whether emloop passes the test, in a process of its own; one that hangs does not."""
    words = ["--subject", "emloop", "-x", "-q", "-p", "no:cacheprovider", "-W", "default"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", f"tests/test_contract.py::{name}", *words],
            capture_output=True,
            text=True,
            timeout=15,
            check=False,
        )
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
        assert {name for name, held in found.items() if held} == HOLDS

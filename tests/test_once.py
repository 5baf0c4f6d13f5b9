"""What takes long is made once in a test run."""

from __future__ import annotations

import pytest

from .conftest import Once


def test_made_once(once: Once) -> None:
    """Who asks again is given the same."""
    made: list[int] = []

    def make() -> list[int]:
        made.append(1)
        return [len(made)]

    assert once("numbers of a test", make) == once("numbers of a test", make) == [1]
    assert once("other numbers of a test", make) == [2]


def test_what_failed_is_made_again(once: Once) -> None:
    """An error is nobody's answer."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            once("a quotient of a test", lambda: 1 / 0)
    assert once("a quotient of a test", lambda: 1 / 1) == 1

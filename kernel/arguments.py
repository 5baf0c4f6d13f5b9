"""Bad arguments get an error that names the argument and the value."""

from __future__ import annotations

from collections.abc import MutableMapping
from numbers import Real
from operator import index
from typing import SupportsIndex


def function(argument: str, value: object) -> None:
    """Raise TypeError unless the value can be called."""
    if not callable(value):
        raise TypeError(f"{argument} must be callable, not {value!r}.")


def mapping(argument: str, value: object) -> None:
    """Raise TypeError unless the value is a mutable mapping or None."""
    if value is not None and not isinstance(value, MutableMapping):
        raise TypeError(f"{argument} must be a mutable mapping or None, not {value!r}.")


def size(argument: str, value: SupportsIndex) -> int:
    """The value as an int of at least 0. Raises TypeError if it is no integer."""
    try:
        return max(0, index(value))
    except TypeError:
        raise TypeError(f"{argument} must be an integer, not {value!r}.") from None


def seconds(argument: str, value: float | None) -> float | None:
    """The value as a float, or None. Raises TypeError or ValueError if it is no time span."""
    if value is None:
        return None
    if not isinstance(value, Real):
        raise TypeError(f"{argument} must be a number or None, not {value!r}.")
    if not value >= 0:
        raise ValueError(f"{argument} must be at least 0, not {value!r}.")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{argument} must be at most 1e308, not {value!r}.") from None

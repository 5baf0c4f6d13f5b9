"""Bad arguments get an error that names the argument and the value."""

from __future__ import annotations

from collections.abc import MutableMapping
from numbers import Real
from operator import index
from typing import SupportsIndex


def shown(value: object) -> str:
    """The value as Python writes it, or as any object if that fails (an int of 5,000 digits)."""
    try:
        return repr(value)
    except Exception:
        return object.__repr__(value)


def function(argument: str, value: object) -> None:
    """Raise TypeError unless the value can be called."""
    if not callable(value):
        raise TypeError(f"{argument} must be callable, not {shown(value)}.")


def mapping(argument: str, value: object) -> None:
    """Raise TypeError unless the value is a mutable mapping or None."""
    if value is not None and not isinstance(value, MutableMapping):
        raise TypeError(f"{argument} must be a mutable mapping or None, not {shown(value)}.")


def size(argument: str, value: SupportsIndex) -> int:
    """The value as an int of at least 0. Raises TypeError if it is no integer."""
    try:
        return max(0, index(value))
    except TypeError:
        raise TypeError(f"{argument} must be an integer, not {shown(value)}.") from None


def seconds(argument: str, value: float | None) -> float | None:
    """The value as a float, or None. Raises TypeError or ValueError if it is no time span."""
    if value is None:
        return None
    if not isinstance(value, Real):
        raise TypeError(f"{argument} must be a number or None, not {shown(value)}.")
    if not value >= 0:
        raise ValueError(f"{argument} must be at least 0, not {shown(value)}.")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{argument} must be at most 1e308, not {shown(value)}.") from None

"""What the arguments of commands name: models and properties, classes and functions, numbers."""

from __future__ import annotations

import argparse
import os
import pkgutil
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any


class CannotRun(Exception):
    """A command cannot do what its arguments ask for. The text names the argument and its value."""


def resolve(argument: str, value: str, form: str) -> Any:
    """What the value of an argument names, as MODULE:NAME. Raises CannotRun if there is none."""
    if not all(value.partition(":")):
        raise CannotRun(f"the {argument} must be {form}, not {value!r}")
    try:
        return pkgutil.resolve_name(value)
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"
        raise CannotRun(f"the {argument} {value!r} cannot be imported: {why}") from error


def pick(option: str, patterns: list[str] | None, names: Sequence[str], kind: str) -> list[str]:
    """The names that match a pattern, which may have wildcards; all if there are no patterns.

    Raises CannotRun if a pattern matches none.
    """
    if patterns is None:
        return [*names]
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            known = ", ".join(names)
            raise CannotRun(f"{option} {pattern!r} names no {kind}. There are: {known}")
    return [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]


def writable(text: str) -> Path:
    """A file that is written at the end, on a command line. That it can be is found out first."""
    path = Path(text)
    try:
        folder = path.resolve().parent  # of what a link leads to
        right = os.access(path if path.exists() else folder, os.W_OK)
        right = right and folder.is_dir() and not path.is_dir()
    except (OSError, RuntimeError):  # a name that is too long, links that lead in a circle
        right = False
    if not right:
        raise argparse.ArgumentTypeError(f"cannot be written: {text!r}")
    return path


def write(path: Path, html: str) -> None:
    """Write a page. What UTF-8 does not have, such as half of a surrogate pair, stays readable."""
    try:
        path.write_text(html, encoding="utf-8", errors="xmlcharrefreplace")
    except OSError as error:  # a full disk, say
        raise CannotRun(f"{path}: cannot be written: {error.strerror}") from error


def positive(text: str) -> int:
    """A number of something, on a command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not {text!r}")
    return int(text)

"""What the commands have in common: names that are asked for, threads, and live progress."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatch

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import CannotRun


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


def positive(text: str) -> int:
    """A number of something, on a command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not {text!r}")
    return int(text)


@contextmanager
def threads(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """So many threads, which begin nothing more where something is raised: Ctrl-C, say."""
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def counted(console: Console, text: str = "{task.description}") -> Progress:
    """So many of so many, with a bar and the time. Nothing is left of it, nor shown in a file."""
    return Progress(
        TextColumn(text),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )

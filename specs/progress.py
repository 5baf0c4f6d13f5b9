"""Work of the commands in threads, and live progress where somebody looks at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


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
    """A bar with counts and the time. It vanishes at the end, and is not shown in a file."""
    return Progress(
        TextColumn(text),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )

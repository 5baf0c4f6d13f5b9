"""Live progress of the commands, where somebody looks at a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


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

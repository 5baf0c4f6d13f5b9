"""The errors of a buffered stream, and the texts in which an error of the source is told."""

from __future__ import annotations

from typing import Any


class SourceError(ChildProcessError):
    """The source of a buffered stream raised: its error is the `__cause__`."""


class WorkerDied(ChildProcessError):
    """The worker of a stream is gone without a word, did not start, or was given up."""


class NotAnEnd(Exception):
    """Carries a StopIteration that is no end of a pass, as its cause."""


def reported(error: BaseException, label: str, buffered: bool) -> BaseException:
    """The exception by which the consumer learns of an error of the source."""
    if isinstance(error, NotAnEnd):
        assert error.__cause__ is not None
        error = error.__cause__
    elif not buffered:
        return error
    kind = SourceError if buffered else RuntimeError
    told = kind(f"The source of {label} raised {described(error)}.")
    told.__cause__ = error
    return told


def described(error: BaseException) -> str:
    """The error's class and message, whatever its class makes of these."""
    name: Any = type.__dict__["__name__"].__get__(type(error))
    try:
        text = str(error)
    except BaseException:  # an error of the source's, in which nothing else must get lost
        text = "(its message cannot be told)"
    return f"{name}: {text}" if text else name

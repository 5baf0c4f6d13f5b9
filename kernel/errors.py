"""The errors of a buffered stream, and how an error of the source is reported."""

from __future__ import annotations

from typing import Any


class SourceError(ChildProcessError):
    """The source of a buffered stream raised: its error is the `__cause__`."""


class WorkerDied(ChildProcessError):
    """The worker of a stream has died, could not start, was given up, or was lost in a fork."""


class NotAnEnd(Exception):
    """A StopIteration that is no end of a pass. It is the cause of this error."""


def as_reported(error: BaseException, label: str, buffered: bool) -> BaseException:
    """The exception that reports an error of the source to the consumer."""
    if type(error) is NotAnEnd:
        assert error.__cause__ is not None
        error = error.__cause__
    elif not buffered:
        return error
    kind = SourceError if buffered else RuntimeError
    report = kind(f"The source of {label} raised {described(error)}.")
    report.__cause__ = error
    return report


def described(error: BaseException) -> str:
    """The error's class and message, even if the class hides them."""
    name: Any = type.__dict__["__name__"].__get__(type(error))
    try:
        text = str.__str__(str(error))  # no subclass, whose methods may do anything
    except BaseException:  # the source's error has to be reported all the same
        text = "(its message cannot be told)"
    return f"{name}: {text}" if text else name

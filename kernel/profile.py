"""Timing of events, by name, into a profile."""

from __future__ import annotations

from timeit import default_timer

from .types import TimeProfile


class Timer:
    """Appends the time spent in its `with` block, in seconds, to `profile[name]`.

    A missing list is made. The time is taken however the block ends.

    >>> profile: TimeProfile = {}
    >>> with Timer("work", profile):
    ...     pass
    >>> len(profile["work"])
    1
    """

    def __init__(self, name: str, profile: TimeProfile) -> None:
        self._name = name
        self._profile = profile
        self._start: float | None = None

    def __enter__(self) -> None:
        self._start = default_timer()

    def __exit__(self, *args: object) -> None:
        """Take the time. Raises ValueError if the timer was not started."""
        if self._start is None:
            raise ValueError(f"Timer {self._name!r} was ended but not started.")
        elapsed = default_timer() - self._start
        self._start = None
        self._profile.setdefault(self._name, []).append(elapsed)

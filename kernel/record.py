"""Records of runs: the actions of a stream, in the order of each thread.

A record is a file of JSON lines: sizes and first state, then an action and its thread a line. A
line is written after its action took effect and before the next of its thread, without a lock; so
lines of different threads may be a little out of order, and `python -m specs trace FILE` puts them
right before TLC judges whether they are a behaviour of `tla/Protocol.tla`.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections import deque
from collections.abc import Generator
from contextlib import suppress
from functools import lru_cache
from typing import TextIO

from .claims import Claim
from .machine import INITIAL, Limits, Variables

FORMAT = "stream-kernel trace 1"


class Record:
    """Writes the actions of one stream.

    Where a line cannot be written the record ends with a RuntimeWarning, and the stream goes on. A
    forked child writes nothing.

    :raises TypeError: if the file is none for text
    :raises OSError: if the first line cannot be written; ValueError if the file is closed
    """

    def __init__(self, file: TextIO, limits: Limits, label: str) -> None:
        self._file = file
        self._label = label
        self._process = os.getpid()
        self._lines: deque[str] = deque()
        self._writers: list[Claim] = []
        self._waits = False  # by the record, a request does
        header = {"format": FORMAT, **limits._asdict(), "state": Variables(*INITIAL)._asdict()}
        try:
            file.write(json.dumps(header) + "\n")
            file.flush()
        except (AttributeError, TypeError):
            raise TypeError(f"record must be a text file or None, not {file!r}.") from None

    def write(self, action: str) -> None:
        """Add the line of an action that this thread has taken. One thread at a time writes."""
        if self._process != os.getpid():
            return
        thread = threading.current_thread().name
        if action in ("Request", "Withdraw"):
            if self._waits is (action == "Request"):  # the request that was interrupted is over
                self._lines.append(_line("Withdraw", thread))
            self._waits = action == "Request"
        self._lines.append(_line(action, thread))
        claim = Claim()
        claim.hold(self._write(claim))

    def _write(self, claim: Claim) -> Generator[None, None, None]:
        if claim.take(self._writers) is None:
            while self._lines and self._process:
                try:
                    self._file.write(self._lines[0])
                except (OSError, ValueError) as error:  # a full disk, a closed file
                    self._end(str(error))
                with suppress(IndexError):
                    self._lines.popleft()
            self._file.flush()
        return
        yield

    def _end(self, why: str) -> None:
        self._process = 0
        with suppress(RuntimeWarning):  # where it is made an error: nothing should be lost
            message = f"The record of {self._label} ends early: {why}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)


@lru_cache
def _line(action: str, thread: str) -> str:
    return json.dumps({"action": action, "thread": thread}) + "\n"

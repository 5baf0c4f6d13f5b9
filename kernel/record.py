"""Records of runs: the actions of a stream, in the order of each thread.

A record is a file of JSON lines. The first line has sizes and state, each further line an action
and its thread. A line is added after its action took effect and before the thread's next action,
without a lock. So lines of different threads may be a little out of order. `python -m specs trace
FILE` puts them right, and TLC judges whether they are a behaviour of `tla/Protocol.tla`.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections import deque
from contextlib import suppress
from functools import lru_cache
from typing import TextIO

from .arguments import shown
from .claims import Claim, holder
from .errors import described
from .machine import CALLERS, INITIAL, Limits, Variables

FORMAT = "stream-kernel trace 1"

BY_CALLERS = {action.__name__ for action in CALLERS}


class Record:
    """Writes the actions of one stream.

    If a line cannot be written, the record ends with a RuntimeWarning, and the stream goes on. A
    forked child writes nothing.

    :raises TypeError: if it is no text file
    :raises OSError: if the first line cannot be written; ValueError if the file is closed
    """

    def __init__(self, file: TextIO, limits: Limits, label: str) -> None:
        self._file = file
        self._label = label
        self._process = os.getpid()
        self._lines: deque[str] = deque()
        self._writers: list[Claim] = []  # the role of the thread that writes to the file
        self._waits: list[int] = []  # threads whose request waits, by the lines so far
        self._withdrawn: list[int] = []  # threads whose Withdraw another thread has written
        header = {"format": FORMAT, **limits._asdict(), "state": Variables(*INITIAL)._asdict()}
        try:
            file.write(json.dumps(header) + "\n")
            file.flush()
        except (AttributeError, TypeError):
            raise TypeError(f"record must be a text file or None, not {shown(file)}.") from None

    def write(self, action: str) -> None:
        """Add the line of an action of this thread. One thread at a time writes to the file."""
        if self._process != os.getpid():
            return
        try:
            self._add(action, threading.current_thread().name, threading.get_ident())
            while self._lines and self._process:
                claim = Claim.of_this_thread()
                claim.hold(self._write, claim)
                first = self._writers[:1]
                if first and first[0] is not claim and holder(self._writers) is not None:
                    break  # that thread looks for lines once more at its end
        except BaseException:  # a line may be missing, or half of it
            self.end("it was interrupted")
            raise

    def withdraw(self) -> None:
        """Add that the request of this thread, if there is one, was broken off."""
        if threading.get_ident() in self._waits:
            self.write("Withdraw")

    def _add(self, action: str, thread: str, number: int) -> None:
        """Add the line of the action, and before it those that interrupted requests still owe."""
        lines = self._lines
        if action == "Withdraw":
            if _removed(self._withdrawn, number):
                return
            if not _removed(self._waits, number):  # a handler in it has made a request of its own
                lines.append(_line("Request", thread))
        elif action in BY_CALLERS:
            # A new request means that every earlier one is over: only one thread waits.
            for waiter in self._waits[:] if action == "Request" else [number]:
                if _removed(self._waits, waiter):
                    if waiter != number:
                        self._withdrawn.append(waiter)
                    lines.append(_line("Withdraw", thread))
            if action == "Request":
                self._waits.append(number)
        lines.append(_line(action, thread))

    def _write(self, claim: Claim) -> None:
        if claim.take(self._writers) is None:
            try:
                while self._lines and self._process:
                    self._file.write(self._lines.popleft())
                self._file.flush()
            except Exception as error:  # a full disk, a closed file, or what its class raises
                self.end(described(error))
            claim.give_back(self._writers)

    def end(self, why: str) -> None:
        """End the record here, with a RuntimeWarning."""
        ended, self._process = self._process == 0, 0
        self._lines.clear()
        with suppress(RuntimeWarning):  # where warnings are errors: the stream goes on
            if not ended:
                message = f"The record of {self._label} ends early: {why}"
                warnings.warn(message, RuntimeWarning, stacklevel=2)


def _removed(numbers: list[int], number: int) -> bool:
    """Remove the number. Returns whether it was there."""
    try:
        numbers.remove(number)
    except ValueError:
        return False
    return True


@lru_cache
def _line(action: str, thread: str) -> str:
    return json.dumps({"action": action, "thread": thread}) + "\n"

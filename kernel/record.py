"""Records of runs: the actions of a stream, in the order in which they were taken.

A record is a file of JSON lines: sizes and first state, then an action and its thread a line.
`python -m specs trace FILE` has TLC judge whether that is a behaviour of `tla/Protocol.tla`.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, TextIO, TypeVar

from .machine import INITIAL, Limits, State, Variables

FORMAT = "stream-kernel trace 1"

R = TypeVar("R")


class Record:
    """Writes the actions of one stream. What is done and its line are one step under `lock`.

    Where a line cannot be written, or an interrupt strikes between an action and its line, the
    record ends with a RuntimeWarning, and the stream goes on. A forked child writes nothing.

    :raises TypeError: if the file is none for text
    :raises OSError: if the first line cannot be written; ValueError if the file is closed
    """

    def __init__(self, file: TextIO, limits: Limits, label: str) -> None:
        self.lock = threading.RLock()
        self.state: State = INITIAL
        self._file = file
        self._label = label
        self._process = os.getpid()
        self._whole = True  # all that was done has its line
        self._behind: list[str] | None = None  # a look that may be a Fetch, and what came after it
        header = {"format": FORMAT, **limits._asdict(), "state": Variables(*INITIAL)._asdict()}
        try:
            file.write(json.dumps(header) + "\n")
        except (AttributeError, TypeError):
            raise TypeError(f"record must be a text file or None, not {file!r}.") from None

    def take(self, action: str, do: Callable[[], R]) -> R:
        """Do what the action does, in this thread, and add its line."""
        with self.lock:
            if not self._whole:
                self._end("an action was interrupted")
            self._whole = False
            done = do()
            self._add(_line(action, threading.current_thread().name))
            self._whole = True
            return done

    def look(self) -> None:
        """The worker has looked whether it may pull: a Fetch here, if it turns out that it does."""
        with self.lock:
            self.looked(pulls=False)
            self._behind = [_line("Fetch", threading.current_thread().name)]

    def looked(self, pulls: bool) -> None:
        """It has turned out whether it does; until then all lines have to wait."""
        with self.lock:
            lines, self._behind = self._behind, None
            if lines is not None:
                self._add("".join(lines if pulls else lines[1:]))

    def flush(self) -> None:
        """Let go of what the file holds, which a forked child would write a second time."""
        self._do(self._file.flush)

    def _add(self, lines: str) -> None:
        if self._behind is None:
            self._do(self._file.write, lines)
        elif os.getpid() == self._process:
            self._behind.append(lines)

    def _do(self, do: Callable[..., object], *arguments: str) -> None:
        if os.getpid() == self._process:
            try:
                do(*arguments)
            except (OSError, ValueError) as error:  # a full disk, a closed file
                self._end(str(error))

    def _end(self, why: str) -> None:
        if self._process == os.getpid():
            self._process = 0
            with suppress(RuntimeWarning):  # where it is made an error: nothing should be lost
                message = f"The record of {self._label} ends early: {why}"
                warnings.warn(message, RuntimeWarning, stacklevel=2)


@lru_cache
def _line(action: str, thread: str) -> str:
    return json.dumps({"action": action, "thread": thread}) + "\n"


records: weakref.WeakSet[Record] = weakref.WeakSet()
"""Those in use. A fork finds no thread half way through a line: `stream` sees to that."""


def _before_fork() -> None:
    for record in records:
        record.flush()


if hasattr(os, "register_at_fork"):  # before `stream` does: of these, the first comes last
    os.register_at_fork(before=_before_fork)


class RecordedBatches(deque[Any]):
    """The buffer of a stream that is recorded."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self._record = record

    def append(self, batch: Any) -> None:
        """Put a batch: an Enqueue, and the look before it was a Fetch."""
        with self._record.lock:
            self._record.looked(pulls=True)
            self._record.take("Enqueue", lambda: super(RecordedBatches, self).append(batch))

    def popleft(self) -> Any:
        """Take a batch: a Dequeue. Another's request that it would have served is made again."""
        with self._record.lock:
            if not self:
                raise IndexError
            batch = self._record.take("Dequeue", super().popleft)
            if not self and Variables(*self._record.state).consumer == "waiting":
                self._record.take("Request", lambda: None)
            return batch

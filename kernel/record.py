"""Records of runs: the actions of a stream, in the order in which they were taken.

A record is a file of JSON lines: sizes and first state, then an action and its thread a line.
`python -m specs trace FILE` has TLC judge whether that is a behaviour of `tla/Protocol.tla`.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections import deque
from typing import Any, TextIO

from .machine import INITIAL, Limits, Variables

FORMAT = "stream-kernel trace 1"


class Record:
    """Writes the actions of one stream. What is done and its line are one step under `lock`.

    If a line cannot be written the record ends there with a RuntimeWarning, and the stream goes
    on. A forked child writes nothing.
    """

    def __init__(self, file: TextIO, limits: Limits) -> None:
        self.lock = threading.RLock()
        self._file = file
        self._process = os.getpid()
        self._lines: deque[str] = deque()  # that may have to wait for a look
        self._look: int | None = None  # the place among them of a look that may prove to be a Fetch
        state = Variables(*INITIAL)._asdict()
        self._put({"format": FORMAT, **limits._asdict(), "state": state})

    def write(self, action: str) -> None:
        """Add an action, taken by this thread."""
        with self.lock:
            self._put({"action": action, "thread": threading.current_thread().name})

    def look(self) -> None:
        """The worker has looked whether it may pull: a Fetch here, if it turns out that it does."""
        with self.lock:
            self.looked(False)
            self._look = len(self._lines)
            self.write("Fetch")

    def looked(self, pulls: bool) -> None:
        """Whether it does."""
        with self.lock:
            if self._look is not None and not pulls:
                del self._lines[self._look]
            self._look = None
            self._flush()

    def _put(self, line: dict[str, Any]) -> None:
        self._lines.append(json.dumps(line) + "\n")
        if self._look is None:
            self._flush()

    def _flush(self) -> None:
        lines = "".join(self._lines)
        self._lines.clear()
        if os.getpid() != self._process or not lines:
            return
        try:
            self._file.write(lines)
        except (OSError, ValueError) as error:  # a full disk, a closed file
            self._process = -1
            warnings.warn(f"A record of a stream ends here: {error}", RuntimeWarning, stacklevel=2)


class RecordedBatches(deque[Any]):
    """The buffer of a stream that is recorded."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self._record = record

    def append(self, batch: Any) -> None:
        """Put a batch: an Enqueue, and the look before it was a Fetch."""
        with self._record.lock:
            super().append(batch)
            self._record.looked(True)
            self._record.write("Enqueue")

    def popleft(self) -> Any:
        """Take a batch: a Dequeue."""
        with self._record.lock:
            batch = super().popleft()
            self._record.write("Dequeue")
            return batch

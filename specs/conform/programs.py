"""The language of programs that exercise a wrapper, and their runner.

A program is plain data: a source, the wrapper's sizes, and steps. `Runner` starts a server
(`python -m specs.conform.serve`) that imports the wrapper once, and plays every program in a fresh
copy of itself: a hang, a crash or a thread that is left is something observed, and not the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from ..arguments import CannotRun

NAME = "conform"
"""The name of every wrapper under test."""

PATIENCE = 1.5
"""Seconds within which a step must do something; the sources of programs answer at once."""

SETTLE = 0.05
"""Seconds without a pull after which a worker is taken to be asleep. No judgement rests on it."""

GRACE = 1.0
"""Seconds that a thread has for its end; less than PATIENCE."""


# The language.


class Step(NamedTuple):
    """Something that is done with the wrapper, `times` times."""

    do: str
    times: int = 1

    def __str__(self) -> str:
        return self.do if self.times == 1 else f"{self.do} x {self.times}"


class Awkward:
    """A value that refuses to be compared, as arrays do."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("it is not compared")

    def __bool__(self) -> bool:
        raise ValueError("it is neither true nor false")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "array"


VALUES: dict[str, Any] = {
    "None": None,
    "False": False,
    "()": (),
    "StopIteration()": StopIteration(),
    "Ellipsis": Ellipsis,
    "array": Awkward(),
}
"""Items of a pass that are batches of their own; the item `batch` is numbered instead."""

ERRORS: dict[str, type[BaseException]] = {
    e.__name__: e
    for e in (OSError, StopIteration, KeyboardInterrupt, SystemExit, GeneratorExit, TimeoutError)
}
"""Items of a pass that are raised: by `next`, or if so prefixed by `iter` or `stream_fn`."""


@dataclass(frozen=True)
class Program:
    """A source, a wrapper and what is done with it. Its text is what a user sees."""

    passes: tuple[tuple[str, ...], ...]  # of items, repeated for ever
    buffer_size: int
    epoch_size: int
    steps: tuple[Step, ...]
    held: bool = False  # a pull waits until a step lets it go
    profiled: bool = False

    @property
    def source(self) -> str:
        """The passes, in words."""
        return " ".join(
            f"[{', '.join(str(Step(item, len([*same]))) for item, same in groupby(items))}]"
            for items in self.passes
        )

    def __str__(self) -> str:
        held = ", every pull held until let go" if self.held else ""
        return (
            f"source:  {self.source}, over and over{held}\n"
            f"wrapper: buffer_size={self.buffer_size}, epoch_size={self.epoch_size}\n"
            f"steps:   {', '.join(map(str, self.steps))}"
        )


@dataclass
class Observed:
    """What came of one step."""

    outcomes: list[str] = field(default_factory=list)  # of each call that gave or raised something
    counters: dict[str, int] = field(default_factory=dict)  # afterwards; empty if it did not end


@dataclass
class Run:
    """What came of a program: its steps so far, and how it ended: `done`, `hang` or a crash."""

    steps: list[Observed]
    ending: str


class Runner:
    """Plays programs with a wrapper. Raises CannotRun if MODULE:CLASS does not name one."""

    def __init__(self, subject: str) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "specs.conform.serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self.subject = subject
        self.lacks: frozenset[str] = frozenset()
        try:
            self.lacks = frozenset(self._ask(subject)["lacks"])
        except BaseException:
            self.close()
            raise

    def _ask(self, request: Any) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        try:
            print(json.dumps(request), file=self._server.stdin, flush=True)
            answer = self._server.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            status = self._server.wait(PATIENCE)
            raise CannotRun(
                f"the process that runs {self.subject!r} has died, with exit status {status}"
            )
        reply = json.loads(answer)
        if "error" in reply:
            raise CannotRun(reply["error"])
        return reply

    def run(self, program: Program, patience: float = PATIENCE) -> Run:
        """Play one program; a step that does nothing for `patience` seconds hangs."""
        reply = self._ask({**asdict(program), "patience": patience})
        return Run([Observed(**step) for step in reply["steps"]], reply["ending"])

    def close(self) -> None:
        """End the server, when it has ended the program that it plays."""
        with contextlib.suppress(BrokenPipeError), self._server:
            if self._server.stdin is not None:
                self._server.stdin.close()
            try:
                self._server.wait(10 * PATIENCE)
            except subprocess.TimeoutExpired:
                self._server.kill()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

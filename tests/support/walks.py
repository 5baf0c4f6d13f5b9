"""What a walk of the machine has asked of its source, and has shown its consumer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kernel.machine import INITIAL, Limits
from specs.epochs import BATCH, END, FAILURE
from specs.history import Now
from specs.properties import Refines

from .sources import Boom

SELDOM = {"Leave", "Allow", "Disallow", "Request", "Halt", "Die", "Drop"}
"""Steps that lead nowhere if there are many of them."""
SELDOM_AHEAD = SELDOM - {"Allow"} | {"Withdraw", "Dequeue", "Raise", "Exhaust", "Fail"}
"""Those that do not lead far past the end of an epoch."""


class Walk:
    """A walk, step by step."""

    def __init__(self) -> None:
        self.before = self.now = Now(INITIAL)
        self.passes: list[list[Any]] = [[]]  # what the source has answered; an exception is raised
        self.errors: list[Exception] = []  # that were not reported yet
        self.seen: list[Any] = []

    def take(self, name: str, then: Now) -> None:
        """One step."""
        self.before, self.now = self.now, then
        if name == "Enqueue":
            self.passes[-1].append(then.pulled)
        elif name in ("Fail", "Bury"):
            self.errors.append(Boom())
            self.passes[-1].append(self.errors[-1])
        elif name == "Dequeue":
            self.seen.append((BATCH, then.taken))
        elif name == "EndEpoch":
            self.seen.append((END, None))
        elif name == "Raise":
            self.seen.append((FAILURE, self.errors.pop(0)))
        elif name == "Drop":  # an error that the caller has seen already
            self.passes[-1].append(Boom())
            self.seen.append((FAILURE, self.passes[-1][-1]))
        if name in ("Exhaust", "Fail", "Bury", "Drop"):
            self.passes.append([])

    def refines(self, limits: Limits) -> bool:
        """Whether the consumer has seen what the oracle shows."""
        return Refines(self.seen, [replay(answers) for answers in self.passes], limits)


def replay(answers: list[Any]) -> Iterator[Any]:
    """A pass that gives these, and raises those that are exceptions."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
        yield answer

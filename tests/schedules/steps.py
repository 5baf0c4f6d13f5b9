"""What the shell does in a run, step by step, held against the machine.

The lines are those of a record, and `linearize` puts them in an order as it does there: an action
is noted after it took effect and before the next of its thread.
"""

from __future__ import annotations

import json
from functools import cache
from io import StringIO

from kernel.machine import ACTIONS, INITIAL, Limits, State
from kernel.record import Record
from specs.trace import Line, order, read_line

ACTION = {action.__name__: action for action in ACTIONS}


@cache
def parsed(text: str) -> Line:
    """The line of an action."""
    return read_line(json.loads(text))


class Steps(Record):
    """A record that is kept in memory, and written without a step of its own."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(StringIO(), limits, "")
        self.limits = limits

    def note(self, action: str, actor: int) -> None:
        """The actor has taken an action."""
        self._add(action, str(actor), actor)

    def waits(self, actor: int) -> bool:
        """Whether a request of the actor goes on, as far as was noted."""
        return actor in self._waits

    def state(self) -> State | None:
        """Where the machine is after all this; None if no order of the lines is a behaviour."""
        return after(self.limits, self.lines())

    def lines(self) -> list[Line]:
        """The lines so far."""
        return [parsed(text) for text in self._lines]


def after(limits: Limits, lines: list[Line]) -> State | None:
    """Where the machine is after these lines; None if no order of them is a behaviour."""
    state: State | None = INITIAL
    for line in lines:
        state = ACTION[line.action](limits, state)
        if state is None:
            break
    else:
        return state
    state = INITIAL
    for place in order(limits, lines):
        state = ACTION[lines[place].action](limits, state)
        if state is None:
            return None
    return state

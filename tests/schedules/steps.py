"""What the shell does in a run, step by step, held against the machine.

The actions are those of a record, and `order` puts them in an order as it does there: an action
is noted after it took effect and before the next of its thread.
"""

from __future__ import annotations

from kernel.machine import INITIAL, Limits, State, Variables
from specs.trace import ordering
from specs.trace.lines import ACTION, Line

NOTHING = (None,) * len(Variables._fields)

DROP_ALL = "DropAll"
"""What `restart` and `close` do to the buffer and to the puller's side. A record ends there."""


def drop_all(limits: Limits, state: State) -> State | None:
    """All but what callers write is as at first. No worker lives meanwhile."""
    scope, permits, consumer, *_ = state
    if Variables(*state).worker == "running":
        return None
    return Variables(scope, permits, consumer, *INITIAL[3:])


class Steps:
    """The actions of a run."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.lines: list[Line] = []
        self.waiting: set[int] = set()  # actors whose request goes on

    def note(self, action: str, actor: int) -> None:
        """The actor has taken an action."""
        if action == "Request":
            self.waiting.add(actor)
        elif action == "Withdraw":
            self.waiting.discard(actor)
        self.lines.append(Line(action, str(actor), NOTHING))

    def state(self) -> State | None:
        """Where the machine is after all this; None if no order of the lines is a behaviour."""
        return after(self.limits, self.lines)


def after(limits: Limits, lines: list[Line]) -> State | None:
    """Where the machine is after these lines; None if no order of them is a behaviour."""
    state = straight(limits, lines)
    if state is None:
        state = straight(limits, [lines[place] for place in ordering.order(limits, lines)])
    return state


def straight(limits: Limits, lines: list[Line]) -> State | None:
    """Where the machine is after these lines in this order."""
    state = INITIAL
    for line in lines:
        then = ACTION[line.action](limits, state)
        if then is None:
            return None
        state = then
    return state

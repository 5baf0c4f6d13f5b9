"""The protocol of `StreamWrapper`: pure functions on one small immutable state.

One function per action. An action takes the limits and the state and returns the next state, or
None when it is not enabled. Nothing here knows of threads, waiting or payloads. Read this beside
`tla/Protocol.tla`: variables, actions and their order are the same there, and a test compares the
two state graphs edge by edge.

Callers are the threads that use the stream. The puller is the worker or, where there is none, a
caller that waits in `next`. Callers write what may be done, and the puller writes what was done.
Between them stands the buffer: the puller adds to it, callers take from it. So an action changes
its own side and the buffer only, and the two sides need no lock.

The shell (all other files) calls the puller's actions, but for `Die` and for pulls in `run_ahead`,
and asks whether `Enter` and `Leave` are enabled. It does the rest without a call. Where a record is
kept, each action is named to `Core.did` once it has taken effect, and TLC judges the record.
"""

from __future__ import annotations

from .callers import Allow, Dequeue, Disallow, EndEpoch, Enter, Leave, Raise, Request, Withdraw
from .puller import Bury, Die, Drop, Enqueue, Exhaust, Fail, Fetch, Halt, Start
from .state import (
    INITIAL,
    Action,
    Consumer,
    Later,
    Limits,
    Mark,
    Scope,
    State,
    Variables,
    Worker,
    in_later,
    put,
    resumed,
)

__all__ = [
    "ACTIONS",
    "CALLERS",
    "INITIAL",
    "PULLER",
    "Action",
    "Allow",
    "Bury",
    "Consumer",
    "Dequeue",
    "Die",
    "Disallow",
    "Drop",
    "EndEpoch",
    "Enqueue",
    "Enter",
    "Exhaust",
    "Fail",
    "Fetch",
    "Halt",
    "Later",
    "Leave",
    "Limits",
    "Mark",
    "Raise",
    "Request",
    "Scope",
    "Start",
    "State",
    "Variables",
    "Withdraw",
    "Worker",
    "in_later",
    "put",
    "resumed",
]

CALLERS: tuple[Action, ...] = (
    Enter,
    Leave,
    Allow,
    Disallow,
    Request,
    Withdraw,
    Dequeue,
    EndEpoch,
    Raise,
)
PULLER: tuple[Action, ...] = (Start, Halt, Fetch, Enqueue, Exhaust, Fail, Drop, Die, Bury)
ACTIONS: tuple[Action, ...] = CALLERS + PULLER

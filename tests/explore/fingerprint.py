"""Tells executions apart: by all that can matter from there on.

That is where each thread is, with its locals, what waits, the payloads and the machine's state.
What a thread has on its value stack cannot be seen: the code under test must hold nothing there,
at a point of the schedule, that the place does not tell. Tests compare executions that look alike.
"""

from __future__ import annotations

import hashlib
import marshal
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, GeneratorType, MethodType
from typing import Any

from kernel import stream
from kernel.machine import State

from .. import schedules
from ..control import FIXED, Actor, Control, Deque, Lock, SimpleQueue, Thread
from ..schedules import Run

PLAIN = frozenset({type(None), bool, int, float, str})
CODE = frozenset({stream.__file__, schedules.__file__})
LEFT_OUT = FIXED | {"run", "calls", "answers", "__orig_class__"}
"""Attributes that are the same in all executions of a program."""


def digest(run: Run) -> bytes:
    """What tells this execution from others of the program: 16 bytes."""
    values = Values(run.hidden("state"))
    of = values.of
    whole: list[Any] = [
        (run.pulls, run.inside, run.refused, run.ahead, run.untold, run.settling, run.buried),
        tuple(run.now),
        tuple(run.hidden("state")),
        *map(of, (run.core, run.hidden("batches"), run.hidden("waiters"))),
        *map(of, (run.gates, run.source, run.expected)),
        *map(of, run.users),
    ]
    for actor in run.control.actors:
        if actor.ended:
            whole.append("ended")
            continue
        waits = actor.operation, actor.timeout, of(actor.target), of(actor.handling)
        whole.append((*waits, *[values.frame(frame) for frame in frames(actor)]))
    return hashlib.blake2b(marshal.dumps(whole, 2), digest_size=16).digest()


def frames(actor: Actor) -> Iterator[FrameType]:
    """The frames of the code under test in which an actor is, and of its user or source."""
    frame = actor.greenlet.gr_frame
    while frame is not None:
        if frame.f_code.co_filename in CODE:
            yield frame
        frame = frame.f_back


@cache
def place(code: CodeType, at: int) -> Any:
    """Where an instruction is in the source: a line may have several that are points."""
    if sys.version_info < (3, 11):
        return at  # there instructions stay where they are
    return next(islice(code.co_positions(), at // 2, None))


@cache
def names(code: CodeType) -> tuple[str, ...]:
    """The local names of a function."""
    return code.co_varnames + code.co_cellvars + code.co_freevars


class Values:
    """The values of one execution as plain ones, objects by the order in which they are met."""

    def __init__(self, state: State) -> None:
        self.state = state  # code asks whether a state that it has is this very one
        self.met: dict[int, int] = {}

    def of(self, value: Any) -> Any:
        """The value, as what is equal in another execution if it is the same there."""
        kind = type(value)
        if kind in PLAIN:
            return value
        if value is self.state:
            return "state"
        if isinstance(value, tuple):
            return tuple([v if type(v) in PLAIN else self.of(v) for v in value])
        if kind in NAMED or isinstance(value, type):
            return value.__qualname__
        if kind is weakref.ref:
            return self.of(value())
        before = self.met.get(id(value))
        if before is not None:
            return "met", before
        self.met[id(value)] = len(self.met)
        if kind in PARTS:
            return PARTS[kind](self, value)
        if isinstance(value, BaseException):
            return kind.__name__, str(value), self.of(value.__cause__)
        held = vars(value).items()
        return kind.__name__, *[self.of(part) for name, part in held if name not in LEFT_OUT]

    def frame(self, frame: FrameType) -> Any:
        """A place in a function, with the locals there."""
        code, held = frame.f_code, frame.f_locals
        found = [(name, self.of(held[name])) for name in names(code) if name in held]
        return code.co_name, place(code, frame.f_lasti), found

    def items(self, value: Any) -> Any:
        """A list or a deque."""
        kind = type(value)
        return kind.__name__, [self.of(item) for item in kind.__mro__[-2].__iter__(value)]


NAMED = frozenset({FunctionType, MethodType, BuiltinFunctionType})

PARTS: dict[type, Callable[[Values, Any], Any]] = {
    list: Values.items,
    deque: Values.items,
    Deque: Values.items,
    GeneratorType: lambda values, g: ("generator", g.gi_frame and values.frame(g.gi_frame)),
    SimpleQueue: lambda values, queue: ("queue", len(queue.items)),
    Lock: lambda values, lock: ("lock", lock.owner.ident if lock.owner else 0),
    Thread: lambda values, thread: ("thread", thread.ident or 0),
    Actor: lambda values, actor: ("actor", actor.ident),
    Control: lambda values, control: "control",
    Run: lambda values, run: "run",
}
"""What matters of a value of the kind. A bell's rings are all alike."""

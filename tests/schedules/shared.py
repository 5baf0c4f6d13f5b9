"""What stands in for the shell's attributes and containers, so that its threads meet at points.

To touch one of these is a step of its own, as it is for the interpreter.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from kernel.core import Core, Entry
from kernel.record import Record
from kernel.run import Run

from .control import Control

WATCHED: dict[type, tuple[str, ...]] = {
    Core: ("entry", "run", "sleep", "reported", "closed", "waiting", "loaded"),
    Run: (
        *("worker", "progress", "parked", "rung", "rung_for", "iterator", "hand"),
        *("puts", "lost", "resumes", "stateful", "starts", "snapshots", "last", "first"),
    ),
    Entry: ("claim", "light", "death", "thread"),
    Record: ("_process",),
}
"""Attributes that are written after their holder was made. A test says that these are all."""


QUIET, QUIET_IN = ("reported",), ("give_up",)
"""Attributes that are written with others, and functions that do so: no thread comes between."""


def watched(kind: type, name: str, control: Callable[[], Control]) -> property:
    """An attribute with points in front of it."""
    place = f"{kind.__name__}.{name}"

    def get(holder: Any) -> Any:
        quiet = sys._getframe(1).f_code.co_name in QUIET_IN
        (control().note if quiet else control().touch)(place, write=False)
        return holder.__dict__[name]

    def put(holder: Any, value: Any) -> None:
        if name in holder.__dict__:  # else it is being made, and nobody else has it
            quiet = name in QUIET or sys._getframe(1).f_code.co_name in QUIET_IN
            (control().note if quiet else control().touch)(place, write=True)
        holder.__dict__[name] = value

    return property(get, put)


def moved(
    control: Callable[[], Control], changed: Callable[[], Callable[[Any, str, Any], None]]
) -> property:
    """`Run.first`, with no points: it is read to read its deques, and written with the mark's read.

    To leave a part is to take its mark. CPython runs no other thread between that and the test
    whether the mark is there. `consumer.report` relies on this.
    """

    def get(run: Any) -> Any:
        control().note("Run.first", write=False)
        return run.__dict__["first"]

    def put(run: Any, part: Any) -> None:
        if "first" in run.__dict__:
            control().note("Run.first", write=True)
            left = run.__dict__["first"]
            if part is not left and deque.__len__(left.marks):  # none where a run is being made
                changed()(left.marks, "taken", deque.__getitem__(left.marks, 0))
        run.__dict__["first"] = part

    return property(get, put)


LOOKS = ("__contains__", "__iter__", "__len__", "count", "index")
CHANGES = ("append", "clear", "extend", "insert", "pop", "remove", "reverse", "__setitem__")


def steps(base: Any, names: Iterable[str], write: bool) -> dict[str, Any]:
    """The operations of a container of that class, each with a point in front of it."""

    def step(name: str) -> Any:
        operation = getattr(base, name)

        def touched(self: Any, *arguments: Any) -> Any:
            self.control.touch(self.name, write)
            return operation(self, *arguments)

        return touched

    return {name: step(name) for name in names}


class List(list[Any]):
    """`list`, whose every operation is one step."""

    vars().update(steps(list, (*LOOKS, "__getitem__"), write=False))
    vars().update(steps(list, (*CHANGES, "__delitem__", "sort"), write=True))

    def __init__(self, control: Control, name: str, items: Iterable[Any] = ()) -> None:
        super().__init__(items)
        self.control = control
        self.name = name

    def copy(self) -> Any:
        self.control.touch(self.name, write=False)
        return List(self.control, self.control.name("list"), list.__iter__(self))


class Writers(List):
    """The lists of a record: it looks whether there is one, and reads it, as `Deque` is read."""

    def __getitem__(self, place: Any) -> Any:
        self.control.note(self.name, write=False)
        return list.__getitem__(self, place)


class Deque(deque[Any]):
    """`deque`, whose every operation is one step.

    Reading or deleting its first item is not a step of its own: between the test whether there is
    one and that, CPython lets no other thread run. `consumer.report` relies on this.
    """

    vars().update(steps(deque, LOOKS, write=False))
    vars().update(steps(deque, (*CHANGES, "appendleft", "extendleft", "rotate"), write=True))

    def __init__(
        self,
        control: Control,
        name: str,
        items: Iterable[Any] = (),
        changed: Callable[[Any, str, Any], None] = lambda deque, change, item: None,
    ) -> None:
        super().__init__(items)
        self.control = control
        self.name = name
        self.changed = changed

    def __bool__(self) -> bool:  # on Python 3.10 a deque does not ask for its length
        return len(self) > 0

    def copy(self) -> Any:
        self.control.touch(self.name, write=False)
        items = list(super().__iter__())
        return Deque(self.control, self.control.name("deque"), items, self.changed)

    def __getitem__(self, place: Any) -> Any:
        self.control.note(self.name, write=False)
        return super().__getitem__(place)

    def __delitem__(self, place: Any) -> None:
        self.control.note(self.name, write=True)
        item = super().__getitem__(place)
        super().__delitem__(place)
        self.changed(self, "taken", item)

    def extend(self, items: Iterable[Any]) -> None:
        """As giving up does it: one step with what it writes then."""
        self.control.note(self.name, write=True)
        super().extend(items)

    def append(self, item: Any) -> None:
        self.control.touch(self.name, write=True)
        super().append(item)
        self.changed(self, "put", item)

    def popleft(self) -> Any:
        self.control.touch(self.name, write=True)
        item = super().popleft()
        self.changed(self, "taken", item)
        return item

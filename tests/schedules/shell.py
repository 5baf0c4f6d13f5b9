"""The shell with what stands in for its primitives, ready for one run after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from kernel import buffer, claims, core, launch, record, reset, run, scope
from kernel.claims import Claim
from specs.trace.lines import ACTION

from .control import Actor, Bell, Control, SimpleQueue, Thread
from .shared import WATCHED, Deque, List, Writers, moved, watched
from .steps import DROP_ALL, drop_all


class Local:
    """`threading.local` with one attribute: a thread's own object, also of whoever is no actor."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.threads: dict[Actor | None, claims.Thread] = {}

    @property
    def thread(self) -> claims.Thread:
        return self.threads.setdefault(self.shell.control.running, claims.Thread())


class Frames:
    """Attribute `calls` of a `Claim`, with points in front of it: each looks whether it runs."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.slot: Any = vars(Claim)["calls"]
        self.names: dict[int, str] = {}
        self.fresh: Any = None  # it is being made, and nobody else has it

    def __get__(self, claim: Any, kind: Any) -> Any:
        if claim is not self.fresh:
            self.shell.control.touch(self.names[id(claim)], write=False)
        self.fresh = None
        return self.slot.__get__(claim)

    def __set__(self, claim: Any, value: Any) -> None:
        self.names[id(claim)] = self.shell.control.name("claims")
        self.fresh = claim
        self.slot.__set__(claim, value)

    def held(self, claim: Claim, call: Callable[..., None], *arguments: Any) -> None:
        """A call that a claim makes: its beginning and its end are noticed by others."""
        place = self.names[id(claim)]
        self.shell.control.note(place, write=True)
        try:
            call(*arguments)
        finally:
            self.shell.control.touch(place, write=True)


class Shell:
    """Patches of the shell, which serve whichever run goes on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.control = Control()
        self.refuses: Callable[[], bool] = lambda: False
        """Asked whether a thread that is started cannot be."""
        self.did: Callable[[str], None] = lambda action: None
        """Told of each action that the shell says it has taken."""
        self.changed: Callable[[Any, str, Any], None] = lambda deque, change, item: None
        """Told of each change of a buffer, or of marks."""
        self.dropping: Callable[[], None] = lambda: None
        """Told that buffer and pass are about to be dropped, and that they are."""
        threads = SimpleNamespace(Thread=self.thread, Event=None)
        launched = SimpleNamespace(start_new_thread=lambda call, arguments: call(*arguments))
        here = SimpleNamespace(run=lambda call, *arguments: call(*arguments), copy=lambda: here)
        patch.setattr(launch, "threading", threads)
        patch.setattr(launch, "_thread", launched)
        patch.setattr(core, "contextvars", SimpleNamespace(copy_context=lambda: here))
        self.local = Local(self)
        patch.setattr(claims._this_thread, "__defaults__", (self.local, claims.Thread))
        frames, hold = Frames(self), vars(Claim)["hold"]
        patch.setattr(Claim, "calls", frames)
        patch.setattr(
            Claim,
            "hold",
            lambda claim, *call, **again: hold(claim, frames.held, claim, *call, **again),
        )
        for module in (core, launch):
            patch.setattr(module, "SimpleQueue", lambda: SimpleQueue(self.control))
        for module in (core, scope):
            patch.setattr(module, "Bell", lambda: Bell(self.control))
        for module in (buffer, record):
            patch.setattr(module, "deque", self.deque)
        patch.setattr(
            record, "threading", SimpleNamespace(current_thread=self, get_ident=self.ident)
        )
        patch.setattr(run.Run, "given", self.counting(run.Run.given))
        for kind in (core.Core, run.Run, core.Entry, record.Record):
            patch.setattr(kind, "__init__", self.with_lists(kind))
        for kind, names in WATCHED.items():
            for name in names:
                attribute = watched(kind, name, lambda: self.control)
                patch.setattr(kind, name, attribute, raising=False)
        patch.setattr(buffer.Mark, "__init__", self.with_list(buffer.Mark.__init__))
        first = moved(lambda: self.control, lambda: self.changed)
        patch.setattr(run.Run, "first", first, raising=False)
        patch.setattr(core.Core, "did", self.hook())
        patch.setitem(ACTION, DROP_ALL, drop_all)
        patch.setattr(scope, "starmap", self.moved)
        patch.setattr(reset, "_drop_all", self.around(reset._drop_all))

    def begin(self, control: Control) -> None:
        """Serve another run."""
        self.control = control
        self.local.threads.clear()

    def thread(self, **arguments: Any) -> Thread:
        """What stands in for `threading.Thread`."""
        return Thread(self.control, refused=self.refuses, **arguments)

    def deque(self, items: Iterable[Any] = ()) -> Deque:
        """What stands in for `deque`."""
        return Deque(self.control, self.control.name("deque"), items, self.changed)

    def counting(self, given: Callable[[Any], int]) -> Callable[[Any], int]:
        """What stands in for `Run.given`, which counts what was taken from the buffer."""

        def counted(run: Any) -> int:
            self.control.touch(run.first.batches.name, write=False)
            return given(run)

        return counted

    def with_lists(self, kind: Any) -> Callable[..., None]:
        """An `__init__` whose lists are ours."""
        made, container = kind.__init__, Writers if kind is record.Record else List

        def init(holder: Any, *arguments: Any, **named: Any) -> None:
            made(holder, *arguments, **named)
            for name, value in list(vars(holder).items()):
                if type(value) is list:
                    place = self.control.name(f"{kind.__name__}.{name}")
                    holder.__dict__[name] = container(self.control, place, value)

        return init

    def moved(self, popleft: Any, _: object) -> Iterator[Any]:
        """The batches of a buffer, which are moved to another in one step."""
        self.control.note(popleft.__self__.name, write=True)
        while True:
            yield deque.popleft(popleft.__self__)

    def around(self, drop: Callable[..., None]) -> Callable[..., None]:
        """What stands in for dropping all."""

        def dropped(*arguments: Any) -> None:
            self.dropping()
            drop(*arguments)
            self.dropping()

        return dropped

    def with_list(self, made: Callable[..., None]) -> Callable[..., None]:
        """A mark's `__init__`, whose list is ours."""

        def init(mark: Any, error: BaseException) -> None:
            made(mark, error)
            mark.said = List(self.control, self.control.name("Mark.said"))

        return init

    def ident(self) -> int:
        """What stands in for `threading.get_ident`."""
        return self.control.running.ident if self.control.running else 0

    def __call__(self) -> SimpleNamespace:
        """What stands in for `threading.current_thread`."""
        return SimpleNamespace(name=str(self.ident()))

    def hook(self) -> Callable[..., None]:
        """What stands in for `Core.did`."""
        says = core.Core.did

        def did(core: Any, action: str, run: Any = None) -> None:
            if isinstance(core.record, record.Record):
                says(core, action, run)
            if run is None or run is core.__dict__["run"]:
                self.did(action)

        return did

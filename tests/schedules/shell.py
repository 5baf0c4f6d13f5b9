"""The shell with what stands in for its primitives, ready for one run after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from kernel import claims, core, pull, worker
from kernel.claims import Claim

from .control import Control, SimpleQueue, Thread
from .shared import WATCHED, Deque, List, watched


class Shell:
    """Patches of the shell, which serve whichever run goes on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.control = Control()
        self.refuses: Callable[[], bool] = lambda: False
        """Asked whether a thread that is started cannot be."""
        self.did: Callable[[str], None] = lambda action: None
        """Told of each action that the shell says it has taken."""
        self.changed: Callable[[str, str, Any], None] = lambda name, change, item: None
        """Told of each change of a buffer or of marks."""
        threads = SimpleNamespace(Thread=self.thread, Event=None)
        launched = SimpleNamespace(start_new_thread=lambda call, arguments: call(*arguments))
        here = SimpleNamespace(run=lambda call, *arguments: call(*arguments))
        outside = object()
        patch.setattr(worker, "threading", threads)
        patch.setattr(worker, "_thread", launched)
        patch.setattr(worker, "contextvars", SimpleNamespace(copy_context=lambda: here))
        patch.setattr(claims, "_this_thread", lambda: self.control.running or outside)
        for module in (core, worker):
            patch.setattr(module, "SimpleQueue", lambda: SimpleQueue(self.control))
        for kind in (core.Core, pull.Run, worker.Entry):
            patch.setattr(kind, "__init__", self.with_containers(kind))
        for kind, names in WATCHED.items():
            for name in names:
                attribute = watched(kind, name, lambda: self.control)
                patch.setattr(kind, name, attribute, raising=False)
        patch.setattr(core.Core, "did", self.hook())
        hold: Any = Claim.hold
        patch.setattr(Claim, "hold", lambda claim, body: hold(claim, self.ending(body)))

    def thread(self, **arguments: Any) -> Thread:
        """What stands in for `threading.Thread`."""
        return Thread(self.control, refused=self.refuses, **arguments)

    def with_containers(self, kind: Any) -> Callable[..., None]:
        """An `__init__` whose lists and deques are ours."""
        made = kind.__init__

        def init(holder: Any, *arguments: Any) -> None:
            made(holder, *arguments)
            for name, value in list(vars(holder).items()):
                place = f"{kind.__name__}.{name}"
                if type(value) is list:
                    holder.__dict__[name] = List(self.control, place, value)
                elif type(value) is deque:
                    changed = partial(self.changed, name)
                    holder.__dict__[name] = Deque(self.control, place, value, changed)

        return init

    def hook(self) -> Callable[..., None]:
        """What stands in for `Core.did`."""

        def did(core: Any, action: str, run: Any = None) -> None:
            if run is None or run is core.__dict__["run"]:
                self.did(action)

        return did

    def ending(self, body: Generator[None, None, None]) -> Generator[None, None, None]:
        """The generator of a claim, with a point in front of its end, which others notice."""
        try:
            yield from body
        finally:
            self.control.touch("Claim._body", write=True)

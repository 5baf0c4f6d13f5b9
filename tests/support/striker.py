"""Raises in front of the n-th instruction that runs in the lines of `kernel`.

It also strikes in lines of `threading` that these call. On the consumer's thread it raises
KeyboardInterrupt, on the worker's another exception. CPython itself takes a signal at a few of
these instants only.
"""

from __future__ import annotations

import gc
import linecache
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import get_ident
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import kernel

HERE = str(Path(kernel.__file__).parent)


def ours(frame: FrameType | None) -> bool:
    """Whether it is a line of `kernel`, or of `threading` for one."""
    while frame is not None and frame.f_code.co_filename == threading.__file__:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(HERE)


NEW = sys.version_info >= (3, 12)
"""Whether `sys.monitoring` shows the instructions; from 3.12 on a trace function misses some."""

watching: dict[int, Striker] = {}  # by thread


def monitor() -> None:
    """Have every instruction of `kernel` and `threading` shown to the thread's striker."""
    if not NEW:
        return
    monitoring = sys.monitoring  # type: ignore[attr-defined,unused-ignore]

    def show(code: CodeType, offset: int) -> None:
        striker = watching.get(get_ident())
        if striker is not None:
            frame = sys._getframe(1)
            if ours(frame):
                striker.instruction(frame, offset)

    monitoring.use_tool_id(3, "interrupts")
    monitoring.register_callback(3, monitoring.events.INSTRUCTION, show)
    for name, module in list(sys.modules.items()):
        if name == "threading" or name.partition(".")[0] == "kernel":
            for code in live(module):
                monitoring.set_local_events(3, code, monitoring.events.INSTRUCTION)


def live(holder: Any) -> Iterator[CodeType]:
    """The code of the functions that a module or a class has, and of those inside them.

    The collector does not know them all on a free-threaded build.
    """
    for value in list(vars(holder).values()):
        if isinstance(value, type) and value.__module__ == getattr(holder, "__name__", None):
            yield from live(value)
        for function in (value, getattr(value, "fget", None), getattr(value, "__func__", None)):
            left = [function.__code__] if isinstance(function, FunctionType) else []
            while left:
                code = left.pop()
                yield code
                left += [constant for constant in code.co_consts if isinstance(constant, CodeType)]


BELL = "get", "acquire"
"""How a bell is slept in: the function, and what it calls."""


class Striker:
    """Raises before the n-th instruction of `kernel` that runs in its thread."""

    def __init__(
        self,
        at: int,
        error: type[BaseException],
        asleep: Callable[[], Any],
        tell: Callable[[Any], Any] = print,
    ) -> None:
        self.left = at
        self.error = error
        self.asleep = asleep
        self.tell = tell
        self.struck = False
        self.naps = False

    def run(self, call: Callable[[], Any]) -> Any:
        gc.disable()  # no finaliser of others should be struck
        sys.setprofile(self.profile)
        if self.left and NEW:
            watching[threading.get_ident()] = self
        elif self.left:
            sys.settrace(self.trace)
        try:
            return call()
        finally:
            watching.pop(threading.get_ident(), None)
            sys.settrace(None)
            sys.setprofile(None)

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not ours(frame):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self.opcode

    def opcode(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode" and self.left:
            self.instruction(frame, frame.f_lasti)
        return self.opcode

    def instruction(self, frame: FrameType, offset: int) -> None:
        self.left -= 1
        if not self.left:
            watching.pop(threading.get_ident(), None)
            code = frame.f_code
            function = code.co_filename, code.co_name, code.co_firstlineno
            self.tell([*function, frame.f_lineno, offset])
            self.struck = True
            raise self.error

    def profile(self, frame: FrameType, event: str, argument: Any) -> None:
        """Tell when the thread is about to park."""
        is_call, function = event.startswith("c_"), frame.f_code.co_name
        gets = is_call and (argument.__name__ == "get" or (function, argument.__name__) == BELL)
        if gets and frame.f_code.co_filename.startswith(HERE):
            self.naps = event == "c_call"
            if self.naps:
                self.asleep()


class Place(NamedTuple):
    """An instruction."""

    file: str
    function: str
    line: str  # its text
    offset: int


def place(file: str, function: str, first: int, line: int | None, offset: int) -> Place:
    text = linecache.getline(file, line or first).strip()
    return Place(Path(file).name, function, text, offset)

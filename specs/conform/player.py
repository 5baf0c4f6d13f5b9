"""The player of a program, in a process of its own."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any
from unittest import mock

from .programs import GRACE, NAME, SETTLE, Program
from .source import ENTERED, Source

FAILURES = ("OSError", "SystemExit", "GeneratorExit")
"""What nothing but the source raises in `next`."""


def outcome(call: Callable[[], Any], source: Source, buffered: bool) -> str:
    """What a call to `next` gave, in words."""
    try:
        value = call()
    except StopIteration:
        return "end"
    except BaseException as error:
        kin = isinstance(error, ChildProcessError)  # also one of a class of its own
        told = "ChildProcessError" if kin else type(error).__name__
        if isinstance(error, ValueError) and NAME not in str(error):
            told += " without the stream's name"
        cause = error.__cause__ if kin else None
        if cause is not None:
            told += f" from {type(cause).__name__}"
            if cause.__traceback__ is None:
                told += " without a traceback"
            if type(cause).__name__ not in str(error) or str(cause) not in str(error):
                told += ", which its text does not name"
        came = error if cause is None and not buffered else cause
        known = any(came is raised for raised in source.raised)
        if type(came).__name__ in FAILURES and not known:
            told += " that the source did not raise"
        return told
    return f"batch {value!r}"


def microseconds(times: Iterable[Any]) -> int:
    """The sum of times in seconds; -1 if these are none."""
    try:
        return int(1e6 * sum(times)) if min(times, default=0) >= 0 else -1
    except (TypeError, ValueError, OverflowError):
        return -1


class Aside(threading.Thread):
    """A thread of the player's, which is none of the wrapper's. It has the context of its maker."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call, self._context = call, copy_context()
        self.result: Any = None
        self._original_start()

    _original_start = threading.Thread.start  # which a step may replace

    def run(self) -> None:
        """Make the call."""
        self.result = self._context.run(self._call)


class Player:
    """Does the steps of a program, and reports what it sees."""

    def __init__(self, wrapper: Any, program: Program, tell: Callable[[Any], None]) -> None:
        self.tell = tell
        self.program = program
        self.source = Source(program.passes, program.held)
        self.profile: dict[str, list[float]] | None = {} if program.profiled else None
        self.stream = wrapper(
            self.source, program.buffer_size, program.epoch_size, NAME, self.profile
        )
        self.gates: list[Any] = []
        self.waiting = False  # in a call that Ctrl-C may strike
        self.leaked = 0  # threads that did not end when they should
        self.refused = 0  # threads that were not allowed to start
        self.leaves = False  # the process is to end by itself
        self.seconds = 0.0  # that reads took

    def play(self) -> None:
        """Do all steps."""
        for step in self.program.steps:
            for _ in range(1 if step.do == "let go" else step.times):
                if step.do == "let go":
                    self.source.let_go(step.times)
                else:
                    getattr(self, step.do.replace(" ", "_").replace("-", "_"))()
            self.tell(self.counters())

    def counters(self) -> dict[str, int]:
        """What the source has counted, and what else can be seen from outside."""
        source = self.source
        names = (
            "started",
            "most_active",
            "excess",
            "unasked",
            "strange",
            "outlasting",
            "elsewhere",
        )
        counted = {name: getattr(source, name) for name in names}
        counted["threads"] = len(self.strangers())
        counted["refused"] = self.refused
        times = (self.profile or {}).get(f"read_batch_{NAME}", ())
        counted["times"] = len(times)
        counted["told"], counted["pulled"], counted["read"] = map(
            microseconds, (times, [source.seconds], [self.seconds])
        )
        return counted

    def strangers(self) -> list[threading.Thread]:
        """The threads that are not the player's."""
        return [
            t
            for t in threading.enumerate()
            if t is not threading.main_thread() and not isinstance(t, Aside)
        ]

    def await_no_strangers(self) -> None:
        """Give the wrapper's threads the time to end, once."""
        limit = time.monotonic() + GRACE
        while len(self.strangers()) > self.leaked and time.monotonic() < limit:
            gc.collect()
            time.sleep(0.01)
        self.leaked = len(self.strangers())

    def control(self, call: Callable[[], Any]) -> None:
        """Call something that should just return."""
        try:
            call()
        except BaseException as error:
            self.tell(type(error).__name__)

    # The steps, by their names.

    def enter(self) -> None:
        """Enter, as `with` does."""
        with self.source.lock:
            self.source.reader = 0
            self.source.entered += 1
        ENTERED.set(self.source.entered)
        self.control(self.entered)
        if self.program.buffer_size:
            ENTERED.set(0)  # what the caller sets later, the worker does not see

    def entered(self) -> None:
        """Enter, and see to it that `as` gives something to read."""
        entered = self.stream.__enter__()
        if not hasattr(entered, "__next__"):
            self.tell(f"gives {entered!r}")

    def enter_without_a_thread(self) -> None:
        """Enter while no thread can be started."""

        def refuse(thread: threading.Thread) -> None:
            self.refused += 1
            raise RuntimeError("can't start new thread")

        with mock.patch.object(threading.Thread, "start", refuse):
            self.enter()

    def exit(self, *told: Any) -> None:
        """Leave; a pull that is held is let go while somebody waits for it."""
        freed = Aside(self.free_soon) if self.program.held else None  # a pull may start even now
        self.control(lambda: self.left(*told))
        with self.source.lock:
            self.source.outlasting += self.source.active
        if freed is not None:
            freed.join()
            self.source.set_held(True)
        self.await_no_strangers()
        ENTERED.set(self.source.entered)  # the caller may pull from here on
        with self.source.lock:
            self.source.excused = False
            self.source.reader = threading.get_ident()

    def exit_by_an_error(self) -> None:
        """Leave as `with` does when its body raises."""
        error = LookupError("of the body")
        self.exit(type(error), error, None)

    def left(self, *told: Any) -> None:
        """Leave, and see to it that errors of the body go on."""
        if self.stream.__exit__(*(told or (None, None, None))):
            self.tell("swallows the error of the body, if there is one")

    def free_soon(self) -> None:
        """Let the pull in flight end when somebody waits for it."""
        time.sleep(SETTLE / 2)
        self.source.set_held(False)

    def read(self, call: Callable[[], Any] | None = None) -> str:
        """One `next`, and what the source should know of it."""
        with self.source.lock:
            self.source.asked = True
            self.source.taken += 1
        began = time.perf_counter()
        asked = call or (lambda: next(iter(self.stream)))  # as `for` begins
        told = outcome(asked, self.source, self.program.buffer_size > 0)
        self.seconds += time.perf_counter() - began
        with self.source.lock:
            self.source.asked = False
            if not told.startswith("batch "):
                self.source.taken -= 1
        return told

    def next(self) -> None:
        """Read one batch, end or error; the source answers at once meanwhile."""
        self.source.set_held(False)
        self.tell(self.read())
        self.source.set_held(self.program.held)

    def open(self) -> None:
        """Enter a gate."""
        with self.source.lock:
            self.source.gates += 1
        self.control(lambda: self.gates.append(self.stream.allow_buffering))
        self.control(lambda: self.gates[-1].__enter__())  # noqa: PLW0108  # as above

    def close(self) -> None:
        """Leave the gate that was entered last."""
        self.control(lambda: self.gates.pop().__exit__(None, None, None))
        with self.source.lock:
            self.source.gates -= 1
            self.source.excused = not self.source.active

    def pause(self) -> None:
        """Give the worker time to do what it may."""
        self.source.settle()

    def next_under_Ctrl_C(self) -> None:
        """Read, and press Ctrl-C while it waits for a pull."""
        self.source.set_held(True)
        striker = Aside(lambda: self.strike(pull=True))
        told = self.read(lambda: self.wait_in(lambda: next(self.stream)))
        striker.join()
        self.tell(told)
        self.source.set_held(self.program.held)

    def exit_under_Ctrl_C(self) -> None:
        """Leave, and press Ctrl-C while it waits for a pull."""
        striker = Aside(lambda: self.strike(pull=False))
        try:
            self.wait_in(lambda: self.stream.__exit__(None, None, None))
        except BaseException as error:
            self.tell(type(error).__name__)
            striker.join()
            with contextlib.suppress(RuntimeError):  # if it has been left after all
                self.stream.__exit__(None, None, None)
        striker.join()
        self.source.set_held(self.program.held)

    def wait_in(self, call: Callable[[], Any]) -> Any:
        """A call that Ctrl-C may strike."""
        self.waiting = True
        try:
            return call()
        finally:
            self.waiting = False

    def strike(self, pull: bool) -> None:
        """Press Ctrl-C when the main thread waits, with `pull` when it waits for a pull.

        Not while the main thread itself pulls: there Ctrl-C is an error of the source.
        """
        main = threading.main_thread().ident or 0
        with self.source.lock:
            self.source.lock.wait_for(lambda: not pull or self.source.active > 0, 5 * SETTLE)
            own = self.source.active > 0 and self.source.puller == main
        time.sleep(SETTLE / 2)
        if own:
            self.source.set_held(False)
        elif self.waiting:
            signal.pthread_kill(main, signal.SIGINT)
        if not pull:
            self.free_soon()
            with self.source.lock:
                self.source.lock.wait_for(lambda: self.source.active == 0, GRACE)

    def interrupt(self, *_: Any) -> None:
        """What Ctrl-C does: as always, but never outside of the call that it is meant for."""
        if self.waiting:
            raise KeyboardInterrupt

    def two_consumers(self) -> None:
        """One waits for a pull while another asks."""
        self.source.set_held(True)
        first = Aside(self.read)
        with self.source.lock:
            self.source.lock.wait_for(lambda: self.source.active > 0, 3 * SETTLE)
        second = Aside(self.read)
        second.join(SETTLE)
        self.source.set_held(False)
        for consumer in (first, second):
            consumer.join()
            self.tell(consumer.result)
        self.source.set_held(self.program.held)

    def fork(self) -> None:
        """The steps that follow are done in a forked child."""
        with self.source.lock:  # the child shall find it in order
            child = os.fork()
        if child:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)

    def abandon(self) -> None:
        """Drop the wrapper and collect garbage."""
        self.gates.clear()
        self.stream = None
        self.source.set_held(False)
        self.await_no_strangers()

    def leave_the_process(self) -> None:
        """End the process as it stands."""
        self.leaves = True

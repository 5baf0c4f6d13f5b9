"""Every kind of state that a wrapper can be in, and a way to each.

`python -m tests.support.states` brings a child process into each state, and lets it exit.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

from kernel import StreamWrapper
from kernel.core import Core
from kernel.machine import Variables
from specs.epochs import FAILURE
from specs.history import Now, held, marks

from .scene import HANG, Scene, rows, sweep
from .sources import LONG, Numbered, enter_dead
from .striker import Striker

_STATES = """
new | 2 -1 4 3 |
new, unbuffered | 0 -1 4 3 |
in a pass, unbuffered | 0 -1 4 3 | next
worker asleep | 2 -1 4 3 | enter park
worker pulls | 2 -1 4 3 | hold enter park open pulling
buffer full | 2 -1 4 3 | enter park open park
ended | 3 -1 1 3 | enter park open park shut
failed | 3 -1 -1 3 | enter park open park shut
worker dead | 2 -1 4 3 | dead
worker dead, batches left | 2 -1 4 3 | enter park open park shut exit dead
worker buried | 2 -1 4 3 | dead next
stopping | 2 -1 4 3 | hold enter park open pulling shut leave_aside
asked by another thread | 2 -1 4 3 | hold enter park next_aside
asked by another thread, unbuffered | 0 -1 4 3 | hold next_aside
given up | 2 -1 4 3 | impatient hold enter park open pulling shut late_exit
left, batches buffered | 2 -1 4 3 | enter park open park shut exit
ahead | 3+ -1 1 1 3 | enter park open park shut
ahead of an error | 3+ -1 1 -1 3 | enter park open park shut
ahead, left | 3+ 1 4 3 | enter park open park shut exit
ahead, worker dead | 3+ 2 4 3 | enter park open park shut exit dead
left, nothing buffered | 2 -1 4 3 | enter park next park exit
"""
STATES = {row[0]: sweep("", *row, "") for row in rows(_STATES)}
"""The steps of `scene.Scene` that lead there."""


class State(Scene):
    """A wrapper that was led to one of the states."""

    def __init__(self, name: str, subject: Any = StreamWrapper) -> None:
        self.sweep = STATES[name]
        size, self.epoch_size, *lengths = self.sweep.wrapper
        self.source = Numbered(*lengths)
        self.subject, self.striker = subject, Striker(0, KeyboardInterrupt, lambda: None)
        self.gates: list[Any] = []
        self.seen: list[Any] = []
        self.asides: list[threading.Thread] = []
        self.entered = 0
        Core.glance = 1000.0
        options = {"lookahead": True} if self.sweep.lookahead else {}
        self.stream = subject(self.source, size, self.epoch_size, "swept", {}, **options)
        self.do(self.sweep.before)

    @property
    def workers(self) -> list[threading.Thread]:  # type: ignore[override]
        """The other threads."""
        return [thread for thread in threading.enumerate() if thread is not threading.main_thread()]

    def do_enter(self) -> None:
        self.entered = self.stream._core.run.parked + 1
        self.stream.__enter__()

    def do_park(self) -> None:
        """Wait until the worker sleeps, or has ended.

        A worker hears that it was entered after its first parking, and then it parks once more.
        """
        while True:
            run = self.stream._core.run
            if run.worker is None or not run.worker.lives():
                return
            if run.parked > max(run.rung, self.entered) and run.worker.bell.empty():
                return
            time.sleep(0.001)

    def do_dead(self) -> None:
        enter_dead(self.stream)

    def end(self, outcome: str) -> None:
        os.write(2, f"{outcome}\n".encode())
        os._exit(1)

    def now(self) -> Variables:
        core = self.stream._core
        return Variables(*core.state(core.run))

    def do_next_aside(self) -> None:
        self.aside(self.do_next)
        while self.now().consumer != "waiting":
            pass
        self.wait(self.source.started)

    def do_leave_aside(self) -> None:
        self.aside(self.do_exit)
        while self.now().scope != "outside":
            pass

    def aside(self, call: Callable[[], Any]) -> None:
        thread = threading.Thread(target=call, daemon=True)
        self.asides.append(thread)
        thread.start()

    def expected(self, gone: bool) -> list[Any]:
        """What is to be read from here on, if the threads beside this one are `gone`."""
        now = self.now()
        read = sum(event != (FAILURE, "ZeroDivisionError") for event in self.seen)
        plain = [*islice(self.plain(), 30)][read:]
        behind = Now(now)
        buffered = plain[: held(behind) + marks(behind)]
        fresh = [*islice(self.plain(self.source.begun), 30)]
        if now.worker == "dead":
            cause = "TimeoutError" if "late" in self.sweep.before else "ZeroDivisionError"
            return [*buffered, (FAILURE, cause), *fresh]
        if gone and (now.worker != "absent" or now.fetching):
            return [*buffered, (FAILURE, "NoneType"), *fresh]
        return plain

    def reads(self, expected: list[Any]) -> None:
        """Read on, and leave, enter and read again."""
        if self.now().scope == "new" and self.stream._core.limits.capacity:
            self.stream.__enter__()
        seen = len(self.seen)
        for _ in range(8):
            self.do_next()
        with suppress(RuntimeError):
            self.stream.__exit__(None, None, None)
        with self.stream:
            for _ in range(4):
                self.do_next()
        read = self.seen[seen:]
        assert read == expected[: len(read)], f"{read}, and not {expected}"

    def fork(self) -> None:
        """Fork here, and read on in both processes."""
        alone, together = self.expected(gone=True), self.expected(gone=False)
        child = os.fork()
        if not child:
            signal.alarm(HANG)
            self.source.renew()
            self.source.free()
            self.reads(alone)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, "the forked child"
        self.source.free()
        for thread in self.asides:
            thread.join(LONG)
        self.reads(together[len(self.seen) - self.before() :])

    def before(self) -> int:
        """Events that were read on the way here, and not aside."""
        return self.sweep.before.split().count("next")

    def collect(self) -> None:
        """Let go of the wrapper here: its threads end."""
        self.do_abandon()
        self.await_threads()


def alone(act: Callable[[], Any]) -> int:
    """The exit status of a child that does this, or minus the signal that has killed it."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(2 * HANG)
        status = 1
        try:
            act()
            status = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> int:
    """Lead to each state in a child that then ends as any program. Returns the exit status."""
    failed = 0
    for name in STATES:
        child = os.fork()
        if not child:
            signal.alarm(HANG)
            globals()["state"] = State(name)  # as a module's variable would, it lives to the end
            return 0
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            os.write(2, f"{name}: status {status}\n".encode())
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())

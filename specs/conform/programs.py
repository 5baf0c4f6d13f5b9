"""Programs that exercise a wrapper, and their runner: each in a process of its own.

A program is plain data: a source, the wrapper's sizes, and steps. `Runner` starts a server
(`python -m specs.conform.serve`) that imports the wrapper once, and plays every program in a fresh
copy of itself: a hang, a crash or a thread that is left is something observed, and not the end.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from multiprocessing.connection import Connection
from typing import Any, NamedTuple
from unittest import mock

NAME = "conform"
"""The name of every wrapper under test."""

PATIENCE = 1.5
"""Seconds within which a step must do something; the sources of programs answer at once."""

SETTLE = 0.05
"""Seconds without a pull after which a worker is taken to be asleep. No judgement rests on it."""

GRACE = 1.0
"""Seconds that a thread has for its end; less than PATIENCE."""


class CannotRun(Exception):
    """There is no such wrapper, or it cannot be constructed."""


# The language.


class Step(NamedTuple):
    """Something that is done with the wrapper, so many times."""

    do: str
    times: int = 1

    def __str__(self) -> str:
        return self.do if self.times == 1 else f"{self.do} x {self.times}"


class Awkward:
    """A value that refuses to be compared, as arrays do."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("it is not compared")

    def __bool__(self) -> bool:
        raise ValueError("it is neither true nor false")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "array"


VALUES: dict[str, Any] = {
    "None": None,
    "False": False,
    "()": (),
    "StopIteration()": StopIteration(),
    "Ellipsis": Ellipsis,
    "array": Awkward(),
}
"""Items of a pass that are batches of their own; the item `batch` is numbered instead."""

ERRORS: dict[str, type[BaseException]] = {
    e.__name__: e
    for e in (OSError, StopIteration, KeyboardInterrupt, SystemExit, GeneratorExit, TimeoutError)
}
"""Items of a pass that are raised: by `next`, or if so prefixed by `iter` or `stream_fn`."""


@dataclass(frozen=True)
class Program:
    """A source, a wrapper and what is done with it. Its text is what a user sees."""

    passes: tuple[tuple[str, ...], ...]  # of items, repeated for ever
    buffer_size: int
    epoch_size: int
    steps: tuple[Step, ...]
    held: bool = False  # a pull waits until a step lets it go
    profiled: bool = False

    def __str__(self) -> str:
        passes = " ".join(
            f"[{', '.join(str(Step(item, len([*same]))) for item, same in groupby(items))}]"
            for items in self.passes
        )
        held = ", every pull held until let go" if self.held else ""
        return (
            f"source:  {passes}, over and over{held}\n"
            f"wrapper: buffer_size={self.buffer_size}, epoch_size={self.epoch_size}\n"
            f"steps:   {', '.join(map(str, self.steps))}"
        )


@dataclass
class Observed:
    """What came of one step."""

    outcomes: list[str] = field(default_factory=list)  # of each call that gave or raised something
    counters: dict[str, int] = field(default_factory=dict)  # afterwards; empty if it did not end


@dataclass
class Run:
    """What came of a program: its steps so far, and how it ended: `done`, `hang` or a crash."""

    steps: list[Observed]
    ending: str


# The source.


class Source:
    """A `stream_fn` that follows a script, and counts what is asked of it and when."""

    def __init__(self, passes: tuple[tuple[str, ...], ...], held: bool = False) -> None:
        self.passes = passes
        self.begun = 0  # passes
        self.lock = threading.Condition()
        self.held = held
        self.tokens = 0  # pulls of a held source that may end
        self.started = 0  # pulls
        self.ended = 0
        self.active = 0
        self.most_active = 0
        self.batches = 0  # given
        self.taken = 0  # delivered by the wrapper, or about to be
        self.excess = 0  # batches held and being pulled, at most, as far as that is certain
        self.gates = 0  # open
        self.asked = False  # a request waits
        self.excused = False  # a pull may have been on its way when the gate was shut
        self.unasked = 0  # pulls that started although no gate was open and nobody waited
        self.reader = 0  # the only thread that may pull, if there is one
        self.strange = 0  # pulls by others
        self.outlasting = 0  # pulls that went on when `with` had been left
        self.puller = 0  # the thread that pulled last

    def __call__(self) -> Iterator[Any]:
        """Begin a pass."""
        with self.lock:
            items = self.passes[self.begun % len(self.passes)]
            self.begun += 1
        if items and items[0].startswith("stream_fn: "):
            raise ERRORS[items[0].partition(": ")[2]]
        return _Pass(self, items)

    def pull(self, items: Iterator[str]) -> Any:
        """One `next` on a pass."""
        with self.lock:
            self.started += 1
            self.active += 1
            self.most_active = max(self.most_active, self.active)
            self.excess = max(self.excess, self.batches + self.active - self.taken)
            if not self.gates and not self.asked and not self.excused:
                self.unasked += 1
            self.excused = False
            self.puller = threading.get_ident()
            self.strange += self.reader not in (0, self.puller)
            self.lock.notify_all()
            try:
                while self.held and not self.tokens:
                    self.lock.wait()
                self.tokens = max(0, self.tokens - 1)
                item = next(items)
                self.asked = False  # whatever it is, it serves the request
                if item in ERRORS:
                    raise ERRORS[item]
                self.batches += 1
                return VALUES[item] if item in VALUES else self.batches - 1
            finally:
                self.active -= 1
                self.ended += 1
                self.lock.notify_all()

    def let_go(self, pulls: int) -> None:
        """Let so many pulls end, if as many start; then one more may have started."""
        with self.lock:
            self.tokens = pulls
            self.settle(until=self.ended + pulls)
            self.tokens = 0
            self.lock.wait_for(lambda: self.active > 0, SETTLE)

    def set_held(self, held: bool) -> None:
        """Hold the pulls from here on, or let all of them go."""
        with self.lock:
            self.held = held
            self.lock.notify_all()

    def settle(self, until: float = float("inf")) -> None:
        """Wait until so many pulls have ended, or nothing happens for a while."""
        limit = time.monotonic() + 16 * SETTLE
        with self.lock:
            self.lock.notify_all()
            before = -1, -1
            while self.ended < until and time.monotonic() < limit:
                if before == (self.started, self.ended):
                    break
                before = self.started, self.ended
                self.lock.wait_for(partial(self.moved, before), SETTLE)

    def moved(self, before: tuple[int, int]) -> bool:
        """Whether a pull started or ended since there were so many."""
        return before != (self.started, self.ended)


class _Pass:
    def __init__(self, source: Source, items: tuple[str, ...]) -> None:
        self._source = source
        self._broken = items[0].partition(": ")[2] if items and ": " in items[0] else None
        self._items = iter(items)

    def __iter__(self) -> Iterator[Any]:
        if self._broken:
            raise ERRORS[self._broken]
        return self

    def __next__(self) -> Any:
        return self._source.pull(self._items)


# The player, in a process of its own.


def outcome(call: Callable[[], Any]) -> str:
    """What a call to `next` gave, in words."""
    try:
        value = call()
    except StopIteration:
        return "end"
    except BaseException as error:
        told = type(error).__name__
        if isinstance(error, ValueError) and NAME not in str(error):
            told += " without the stream's name"
        if isinstance(error, ChildProcessError) and error.__cause__ is not None:
            told += f" from {type(error.__cause__).__name__}"
            if error.__cause__.__traceback__ is None:
                told += " without a traceback"
        return told
    return f"batch {value!r}"


class Aside(threading.Thread):
    """A thread of the player's, which is none of the wrapper's."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.result: Any = None
        self._original_start()

    _original_start = threading.Thread.start  # which a step may replace

    def run(self) -> None:
        """Make the call."""
        self.result = self._call()


class Player:
    """Does the steps of a program, and tells what it sees."""

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
        names = ("started", "most_active", "excess", "unasked", "strange", "outlasting")
        counted = {name: getattr(source, name) for name in names}
        counted["threads"] = len(self.strangers())
        counted["refused"] = self.refused
        counted["times"] = len((self.profile or {}).get(f"read_batch_{NAME}", ()))
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
        self.control(self.entered)

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
        told = outcome(call or (lambda: next(iter(self.stream))))  # as `for` begins
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
        """Press Ctrl-C when the main thread has come to wait, for a pull if so told.

        Not in a pull of its own: there Ctrl-C is an error of the source.
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


def play(subject: str, program: Program, sender: Connection) -> None:
    """The whole life of a process that plays a program."""
    if hasattr(os, "setsid"):
        os.setsid()  # to be killed with its children, and not to get the terminal's Ctrl-C
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        player = Player(find(subject), program, sender.send)
        signal.signal(signal.SIGINT, player.interrupt)
        player.play()
    except BaseException as error:
        sender.send(["crash", f"{type(error).__name__}: {error}"])
        os._exit(1)
    if not player.leaves:
        sender.send("done")
        os._exit(0)


# The server.


def find(subject: str) -> Any:
    """The class that MODULE:CLASS names. Raises CannotRun if there is none."""
    module, colon, name = subject.partition(":")
    if not module or not colon or not name:
        raise CannotRun(f"the subject must be MODULE:CLASS, not {subject!r}")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        raise CannotRun(
            f"the subject {subject!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return found


def observe(subject: str, program: Program, patience: float, context: Any) -> Run:
    """Play a program in a process of its own, and watch it."""
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=play, args=(subject, program, sender), daemon=False)
    child.start()
    sender.close()
    observed = [Observed()]
    leaves = any(step.do == "leave the process" for step in program.steps)
    try:
        while receiver.poll(patience):
            message = receiver.recv()
            if message == "done":
                return Run(observed[:-1], "done")
            if isinstance(message, list):
                return Run(observed, ": ".join(message))
            if isinstance(message, str):
                observed[-1].outcomes.append(message)
            else:
                observed[-1].counters = message
                observed.append(Observed())
        if leaves and len(observed) > len(program.steps):
            observed.pop()
        return Run(observed, "hang")
    except EOFError:
        child.join()
        if leaves and child.exitcode == 0:
            return Run(observed[:-1], "done")
        return Run(observed, f"crash with exit status {child.exitcode}")
    finally:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        child.kill()
        child.join()
        receiver.close()


def serve() -> None:
    """Answer the requests of a `Runner`, a line each, until there are none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the subject prints is no reply

    def reply(value: Any) -> None:
        print(json.dumps(value), file=replies, flush=True)

    subject = json.loads(sys.stdin.readline())
    try:
        wrapper = find(subject)
        try:
            wrapper(lambda: iter(()), 1, -1, NAME, None)
        except (Exception, SystemExit) as error:
            raise CannotRun(
                f"the subject {subject!r} cannot be constructed as "
                f"cls(stream_fn, 1, -1, {NAME!r}, None): {type(error).__name__}: {error}"
            ) from error
        lacks = getattr(wrapper, "LACKS", ())
        if not isinstance(lacks, (set, frozenset, list, tuple)):
            raise CannotRun(f"LACKS of {subject!r} must be a set of names, not {lacks!r}")
    except CannotRun as error:
        reply({"error": str(error)})
        return
    reply({"lacks": sorted(map(str, lacks))})
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    for line in sys.stdin:
        words = json.loads(line)
        patience = words.pop("patience")
        words["passes"] = tuple(map(tuple, words["passes"]))
        words["steps"] = tuple(Step(*step) for step in words["steps"])
        reply(asdict(observe(subject, Program(**words), patience, context)))


class Runner:
    """Plays programs with a wrapper. Raises CannotRun if MODULE:CLASS does not name one."""

    def __init__(self, subject: str) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "specs.conform.serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self.subject = subject
        self.lacks: frozenset[str] = frozenset()
        try:
            self.lacks = frozenset(self._ask(subject)["lacks"])
        except BaseException:
            self.close()
            raise

    def _ask(self, request: Any) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        try:
            print(json.dumps(request), file=self._server.stdin, flush=True)
            answer = self._server.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            status = self._server.wait(PATIENCE)
            raise CannotRun(
                f"the process that runs {self.subject!r} has died, with exit status {status}"
            )
        reply = json.loads(answer)
        if "error" in reply:
            raise CannotRun(reply["error"])
        return reply

    def run(self, program: Program, patience: float = PATIENCE) -> Run:
        """Play one program; a step that does nothing for `patience` seconds hangs."""
        reply = self._ask({**asdict(program), "patience": patience})
        return Run([Observed(**step) for step in reply["steps"]], reply["ending"])

    def close(self) -> None:
        """End the server, when it has ended the program that it plays."""
        with contextlib.suppress(BrokenPipeError), self._server:
            if self._server.stdin is not None:
                self._server.stdin.close()
            try:
                self._server.wait(10 * PATIENCE)
            except subprocess.TimeoutExpired:
                self._server.kill()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

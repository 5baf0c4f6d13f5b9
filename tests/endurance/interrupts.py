"""An interrupt before every bytecode of every public call (rule 10).

`python -m tests.endurance.interrupts` strikes each in turn.

A trace function raises in front of the n-th instruction that runs in the lines of `kernel`, or of
`threading` for them: KeyboardInterrupt on the consumer's thread, something else on the worker's.
Each n has a forked child of its own, which then leaves the wrapper, enters it again and reads on,
and the oracle says what must come. CPython itself takes a signal at a few of these instants only.
"""

from __future__ import annotations

import argparse
import dis
import gc
import json
import linecache
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import count, islice, takewhile
from pathlib import Path
from threading import get_ident
from types import CodeType, FrameType, FunctionType, SimpleNamespace
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import kernel
from kernel import StreamWrapper, launch
from kernel import worker as at_work
from kernel.core import Core
from specs.epochs import BATCH, END, FAILURE, epochs

HANG = 10  # seconds after which a child hangs
LONG = 20.0  # seconds; what must come is waited for this long
MORE = 10  # events that are read after the strike
HERE = str(Path(kernel.__file__).parent)


class Boom(Exception):
    """What the sources raise."""


class Struck(BaseException):
    """What strikes a worker."""


class Source:
    """Passes of these lengths, again and again; pass 2 gives (2, 0), (2, 1), ...

    A pass of negative length raises Boom where it would end. A pull is held while `go` is clear.
    """

    def __init__(self, *lengths: int) -> None:
        self.lengths = lengths
        self.without: Any = None  # a batch that is left out
        self.begun = 0
        self.given: Counter[int] = Counter()  # batches, by the number of their pass
        self.active = self.most_active = 0
        self.started = threading.Semaphore(0)  # released as a pull begins
        self.go = threading.Event()
        self.go.set()

    def __call__(self) -> Iterator[Any]:
        self.begun += 1
        return self.one_pass(self.begun - 1)

    def one_pass(self, number: int) -> Iterator[Any]:
        length = self.lengths[number % len(self.lengths)]
        for batch in range(abs(length)):
            if (number, batch) == self.without:
                continue
            self.pull()
            self.given[number] += 1
            yield number, batch
        self.pull()
        if length < 0:
            raise Boom

    def pull(self) -> None:
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        self.started.release()
        assert self.go.wait(LONG), "a pull is held for too long"
        self.active -= 1


class Sweep(NamedTuple):
    """A call in a situation: one step of a scene, struck, after others that lead to it."""

    call: str
    situation: str
    wrapper: tuple[int, ...]  # buffer size, epoch size, lengths of passes
    before: str  # steps
    struck: str  # a step; of a worker all steps, since it lives along them
    worker: bool = False


CONSUMER = (
    Sweep("__init__", "buffered", (2, -1, 4), "", "construct"),
    Sweep("__enter__", "unbuffered", (0, -1, 4, 3), "", "enter"),
    Sweep("__enter__", "first", (2, -1, 4, 3), "", "enter"),
    Sweep(
        "__enter__", "again, batches left", (2, -1, 4, 3), "enter park open park shut exit", "enter"
    ),
    Sweep(
        "__enter__", "again, an end left", (2, -1, 1, 3), "enter park open park shut exit", "enter"
    ),
    Sweep(
        "__enter__",
        "stop was interrupted",
        (2, -1, 4, 3),
        "hold enter park open pulling shut halfexit",
        "enter",
    ),
    Sweep("__enter__", "refused: twice", (2, -1, 4, 3), "enter park", "refused_enter"),
    Sweep("__exit__", "unbuffered", (0, -1, 4, 3), "enter", "exit"),
    Sweep("__exit__", "worker asleep", (2, -1, 4, 3), "enter park", "exit"),
    Sweep("__exit__", "buffer full", (2, -1, 4, 3), "enter park open park shut", "exit"),
    Sweep(
        "__exit__", "waits for a pull", (2, -1, 4, 3), "hold enter park open pulling shut", "exit"
    ),
    Sweep(
        "__exit__",
        "gives up a pull",
        (2, -1, 4, 3),
        "impatient hold enter park open pulling shut",
        "late_exit",
    ),
    Sweep("__exit__", "worker dead", (2, -1, 4, 3), "dead", "exit"),
    Sweep("__next__", "takes, worker has room", (2, -1, 4, 3), "enter park open park", "next"),
    Sweep("__next__", "takes, gate shut", (2, -1, 4, 3), "enter park open park shut", "next"),
    Sweep("__next__", "takes, outside", (2, -1, 4, 3), "enter park open park shut exit", "next"),
    Sweep("__next__", "waits, worker asleep", (2, -1, 4, 3), "hold enter park", "next"),
    Sweep(
        "__next__",
        "waits, worker pulls",
        (2, -1, 4, 3),
        "hold enter park open pulling shut",
        "next",
    ),
    Sweep("__next__", "waits, gate open", (2, -1, 4, 3), "hold enter park open pulling", "next"),
    Sweep(
        "__next__",
        "waits, worker runs ahead",
        (2, -1, 9, 3),
        "enter park open park next next hold pulling",
        "next",
    ),
    Sweep("__next__", "waits for an end", (2, -1, 1, 3), "enter park next park hold", "next"),
    Sweep("__next__", "waits, between passes", (2, 3, 1, 4), "enter park next park hold", "next"),
    Sweep("__next__", "pulls, unbuffered", (0, -1, 4, 3), "", "next"),
    Sweep("__next__", "pulls, outside", (2, -1, 4, 3), "enter park next park exit", "next"),
    Sweep("__next__", "pulls, between passes", (0, 3, 1, 4), "next", "next"),
    Sweep("__next__", "pulls an end", (0, -1, 1, 4), "next", "next"),
    Sweep("__next__", "pulls an error", (0, -1, -1, 4), "next", "next"),
    Sweep("__next__", "ends an epoch", (3, -1, 1, 3), "enter park open park shut next", "next"),
    Sweep("__next__", "raises an error", (3, -1, -1, 3), "enter park open park shut next", "next"),
    Sweep("__next__", "buries a worker", (2, -1, 4, 3), "dead", "next"),
    Sweep("__next__", "refused: never entered", (2, -1, 4, 3), "", "refused_next"),
    Sweep("for", "two batches", (3, -1, 4, 3), "enter park open park shut", "loop"),
    Sweep("gate __enter__", "worker asleep", (2, -1, 4, 3), "enter park", "open"),
    Sweep("gate __enter__", "another open", (2, -1, 4, 3), "enter park open park", "open"),
    Sweep("gate __exit__", "the last", (2, -1, 4, 3), "enter park open park", "shut"),
    Sweep("gate __exit__", "another open", (2, -1, 4, 3), "enter park open park open", "shut"),
    Sweep("gate __exit__", "refused: not entered", (2, -1, 4, 3), "", "refused_shut"),
    Sweep("empty", "buffer full", (2, -1, 4, 3), "enter park open park shut", "empty"),
    Sweep("iter, name", "", (0, -1, 4, 3), "", "others"),
)
"""Every public call in each of its situations, on the consumer's thread."""

WORKER = tuple(
    Sweep("worker", situation, wrapper, "", steps, worker=True)
    for situation, wrapper, steps in (
        (
            "fills the buffer, goes on",
            (2, -1, 4, 3),
            "enter park open park next park next park shut",
        ),
        ("is asked, gate shut", (2, -1, 4, 3), "enter park next park next park"),
        ("ends epochs", (2, 2, 3, 1), "enter park open park next next next next park next shut"),
        ("meets an error", (3, -1, -2, 3), "enter park open park shut next next next next"),
        (
            "is stopped in a pull",
            (2, -1, 4, 3),
            "hold enter park open pulling shut exit enter park",
        ),
        (
            "is stopped asleep, again",
            (2, -1, 4, 3),
            "enter park exit enter park open park shut exit",
        ),
        ("is abandoned asleep", (2, -1, 4, 3), "enter park abandon"),
        ("is abandoned in a pull", (2, -1, 4, 3), "hold enter park open pulling abandon"),
        (
            "is given up in a pull",
            (2, -1, 4, 3),
            "impatient hold enter park open pulling shut late_exit",
        ),
    )
)
"""Whole programs, in which the worker is struck."""


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
    for function in gc.get_objects():
        if isinstance(function, FunctionType):
            code = function.__code__
            if code.co_filename == threading.__file__ or code.co_filename.startswith(HERE):
                monitoring.set_local_events(3, code, monitoring.events.INSTRUCTION)


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
        gets = event.startswith("c_") and argument.__name__ == "get"
        if gets and frame.f_code.co_filename.startswith(HERE):
            self.naps = event == "c_call"
            if self.naps:
                self.asleep()


class Place(NamedTuple):
    """An instruction."""

    file: str
    function: str
    line: str  # its text
    opcode: str


@lru_cache
def codes(file: str) -> dict[tuple[str, int], CodeType]:
    """The code of each function of a file, by its name and first line."""
    found = {}
    left = [compile(Path(file).read_text("utf-8"), file, "exec")]
    while left:
        code = left.pop()
        found[code.co_name, code.co_firstlineno] = code
        left += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return found


def place(file: str, function: str, first: int, line: int | None, offset: int) -> Place:
    code = codes(file)[function, first]
    text = linecache.getline(file, line or first).strip()
    return Place(Path(file).name, function, text, opcodes(code)[offset])


@lru_cache
def opcodes(code: CodeType) -> dict[int, str]:
    """The instructions by their offset."""
    return {instruction.offset: instruction.opname for instruction in dis.get_instructions(code)}


class Scene:
    """A wrapper, its source, and what was read."""

    def __init__(self, sweep: Sweep, subject: Any, at: int, tell: Callable[[Any], Any]) -> None:
        size, epoch_size, *lengths = sweep.wrapper
        self.sweep = sweep
        self.tell = tell
        self.source = Source(*lengths)
        self.epoch_size = epoch_size
        self.gates: list[Any] = []
        self.seen: list[Any] = []
        self.workers: list[threading.Thread] = []
        self.watch = Striker(0, Struck, lambda: None)
        """The last worker's."""
        if sweep.worker:
            self.striker = Striker(at, Struck, lambda: None, tell)
        else:
            self.striker = Striker(at, KeyboardInterrupt, self.source.go.set, tell)
        scene = self

        class Worker(threading.Thread):
            """A worker that tells when it goes to sleep, and is struck if that is wanted."""

            def run(self) -> None:
                scene.workers.append(self)
                watch = scene.striker if sweep.worker else Striker(0, Struck, lambda: None)
                scene.watch = watch
                watch.run(super().run)

        names: Any = {**vars(threading), "Thread": Worker}
        modules: Any = launch, at_work
        modules[0].threading = SimpleNamespace(**names)
        Core.glance = 0.05 if sweep.worker else 1000.0  # a strike may be a death without a word
        modules[1].GATE = object()  # no ring is one of these, so no sleep is light
        self.subject = subject
        self.stream = subject(self.source, size, epoch_size, "swept", {})

    def end(self, outcome: str) -> None:
        self.tell(outcome)
        os._exit(0)

    def do(self, steps: str) -> None:
        for step in steps.split():
            getattr(self, f"do_{step}")()

    def do_construct(self) -> None:
        self.subject(self.source, 2, 3, "constructed", {}, stop_timeout=1.5)

    def do_enter(self) -> None:
        self.stream.__enter__()

    def do_park(self) -> None:
        """Wait until the worker sleeps and was not rung for, or has ended."""
        quiet = 0
        while (
            quiet < 2 and not self.striker.struck and self.workers and self.workers[-1].is_alive()
        ):
            threading.Event().wait(0.001)
            bell, run = self.stream._core.entry.bell, self.stream._core.run
            heard = bell.empty() and run.parked > run.rung  # it has parked since the last ring
            quiet = quiet + 1 if self.watch.naps and heard else 0

    def do_pulling(self) -> None:
        """Wait until one more pull has begun."""
        self.wait(self.source.started)

    def wait(self, semaphore: threading.Semaphore) -> None:
        """Wait for it, unless the worker was struck: then nothing is sure to come."""
        while not self.striker.struck and not semaphore.acquire(timeout=0.02):
            pass

    def do_exit(self) -> None:
        if self.sweep.worker:  # it may wait for a pull
            watch = Striker(0, Struck, self.source.go.set)
            watch.run(lambda: self.stream.__exit__(None, None, None))
        else:
            self.stream.__exit__(None, None, None)

    def do_next(self) -> None:
        self.seen.append(self.event())

    def do_loop(self) -> None:
        for batch in self.stream:
            self.seen.append((BATCH, batch))
            if len(self.seen) == 2:
                break

    def do_open(self) -> None:
        gate = self.stream.allow_buffering
        gate.__enter__()
        self.gates.append(gate)

    def do_shut(self) -> None:
        self.gates[-1].__exit__(None, None, None)
        self.gates.pop()

    def do_hold(self) -> None:
        self.source.go.clear()

    def do_empty(self) -> None:
        self.stream.empty()

    def do_others(self) -> None:
        assert iter(self.stream) is self.stream
        assert self.stream.name == "swept"

    def do_abandon(self) -> None:
        self.gates.clear()
        del self.stream
        gc.collect()
        self.source.go.set()

    def do_impatient(self) -> None:
        size, epoch_size, *_ = self.sweep.wrapper
        self.stream = self.subject(self.source, size, epoch_size, "swept", {}, stop_timeout=0)

    def do_late_exit(self) -> None:
        if self.sweep.worker:
            with suppress(TimeoutError):  # not if it was struck before
                self.do_exit()
        else:
            self.refuse(TimeoutError, self.do_exit)

    def do_refused_enter(self) -> None:
        self.refuse(RuntimeError, self.do_enter)

    def do_refused_next(self) -> None:
        self.refuse(ValueError, self.do_next)

    def do_refused_shut(self) -> None:
        gate = self.stream.allow_buffering
        self.refuse(RuntimeError, lambda: gate.__exit__(None, None, None))

    def do_dead(self) -> None:
        """Enter with a worker that cannot start."""
        names: Any = launch.threading
        thread, names.Thread = names.Thread, lambda *_, **__: 1 / 0
        self.stream.__enter__()
        names.Thread = thread

    def do_halfexit(self) -> None:
        """A stop that is interrupted as it waits."""

        def strike() -> None:
            raise KeyboardInterrupt

        striker = Striker(0, KeyboardInterrupt, strike)
        self.refuse(KeyboardInterrupt, lambda: striker.run(self.do_exit))

    def refuse(self, error: type[BaseException], call: Callable[[], Any]) -> None:
        """The call, which must raise the error."""
        try:
            call()
        except error:
            return
        raise AssertionError(f"no {error.__name__}")

    def event(self) -> Any:
        """One `next`, as the oracle tells it; an error by the name of its cause."""
        try:
            return BATCH, next(self.stream)
        except StopIteration:
            return END, None
        except ChildProcessError as error:
            return FAILURE, type(error.__cause__).__name__
        except Boom:
            return FAILURE, "Boom"

    def plain(self, begun: int = 0, without: Any = None) -> Iterator[Any]:
        """The events of an unbuffered reading, from the pass of this number on."""
        source = Source(*self.source.lengths)
        source.begun, source.without = begun, without
        for kind, value in epochs(source, self.epoch_size):  # type: ignore[no-untyped-call]
            yield kind, "Boom" if kind == FAILURE else value

    def plays(self) -> str:
        """Strike, go on, and say what became of it: "over" if it did not come to a strike."""
        sweep = self.sweep
        self.do(sweep.before)
        permits, seen = self.permits(), len(self.seen)
        interrupted = False
        if sweep.worker:
            self.do(sweep.struck)
            self.striker.left = 0
        else:
            try:
                self.striker.run(lambda: self.do(sweep.struck))
            except KeyboardInterrupt:
                interrupted = True
            permits += (sweep.struck == "open" and not interrupted) - (sweep.struck == "shut")
            if self.permits() != permits:
                return "gate open"
        before = len(self.seen)
        self.seen += self.drain()
        verdict = self.judge(seen if sweep.worker else before)
        if self.striker.struck:
            return verdict
        assert verdict == "kept" or sweep.struck.endswith("late_exit"), (
            f"{verdict} without a strike"
        )
        return "over"

    def permits(self) -> int:
        return len(self.stream._core.gates) if hasattr(self, "stream") else 0

    def drain(self) -> list[Any]:
        """Leave if need be, enter again, read on, and see that no thread is left."""
        self.source.go.set()
        events = []
        if hasattr(self, "stream"):
            with suppress(RuntimeError, TimeoutError):
                self.stream.__exit__(None, None, None)
            self.stream.__enter__()
            events = [self.event() for _ in range(MORE)]
            with suppress(TimeoutError):
                self.stream.__exit__(None, None, None)
        self.await_threads()
        return events

    def await_threads(self) -> None:
        """See that no thread is left."""
        for worker in self.workers:
            worker.join(HANG)
        for _ in range(1000):
            if len(os.listdir("/proc/self/task")) == 1:
                break
            threading.Event().wait(0.001)
        else:
            self.end("thread left")

    def judge(self, struck: int) -> str:
        """Which of the ways in which the events may go on after a strike is theirs.

        `struck` is the number of events before it; a worker's strike may show later.
        """
        sweep, seen = self.sweep, self.seen
        patient = "impatient" not in sweep.before + sweep.struck
        if patient and self.source.most_active > 1:
            return "two pulls at once"
        first = [(FAILURE, "ZeroDivisionError")] if "dead" in sweep.before else []
        expected = [*first, *islice(self.plain(), len(seen) + 1)]
        same = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(seen, expected, strict=False))
        )
        if same == len(seen):
            return "kept"
        if sweep.worker or not patient:  # it shows where the events differ
            struck = same
        else:
            assert same >= struck - 1, "wrong before the strike"
            in_hand = expected.pop(struck)
            without = [*first, *islice(self.plain(without=in_hand[1]), len(seen))]
            if seen in (expected[: len(seen)], without):
                # in a pull of the caller's own, the KeyboardInterrupt was the source's error
                told = sweep.situation.startswith("pulls") and seen != without
                lost = "lost" if in_hand[0] == BATCH else f"{in_hand[0]} lost"
                return "told" if told and in_hand[0] != BATCH else lost
        # it was told as an error, after which a fresh pass begins
        told = ["Struck", "NoneType"] if sweep.worker else ["KeyboardInterrupt"]
        told += [] if patient else ["TimeoutError"]
        if told[0] == "KeyboardInterrupt" and struck and seen[struck - 1] == (FAILURE, told[0]):
            struck -= 1
        fresh = seen[struck:]
        if fresh[0] in [(FAILURE, name) for name in told]:
            fresh.pop(0)
        elif not sweep.situation.startswith("pulls"):
            return "wrong"  # but in a pull of the caller's own it was the KeyboardInterrupt itself
        read = [value for kind, value in seen[:struck] if kind == BATCH]
        for begun in range(self.source.begun + 1):
            if fresh == list(islice(self.plain(begun), len(fresh))):
                if any(number >= begun for number, _ in read):
                    return "doubled"
                given = sum(self.source.given[number] for number in range(begun))
                # a hand each: of the worker, and of one that was given up
                return "told" if given - len(read) <= 2 - patient else "more than one lost"
        return "wrong"


class Point(NamedTuple):
    """What became of one strike."""

    outcome: str
    place: Place | None


@lru_cache
def set_up() -> None:
    """What all children have from this process."""
    monitor()
    gc.collect()
    gc.freeze()  # they should not copy what they do not use


def strike(sweep: Sweep, at: int, subject: Any) -> Point:
    """Strike before instruction `at`, in a child of its own."""
    set_up()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        threading.excepthook = sys.unraisablehook = lambda _: None
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, HANG)

        def tell(what: Any) -> None:
            os.write(writing, json.dumps(what).encode() + b"\n")

        try:
            scene = Scene(sweep, subject, at, tell)
            scene.end(scene.plays())
        except BaseException as error:
            tell(f"{type(error).__name__}: {error}")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = [json.loads(line) for line in pipe]
    os.waitpid(child, 0)
    where = next((place(*what) for what in told if isinstance(what, list)), None)
    outcome = next((what for what in told if isinstance(what, str)), "hang")
    return Point(outcome, where)


class Excuse(NamedTuple):
    """A point that CPython makes unsafe, and why."""

    outcome: str
    match: Callable[[Place], bool]
    reason: str
    call: str = ""  # begins so
    versions: tuple[tuple[int, int], ...] = ((3, 10), (3, 11), (3, 12), (3, 13))  # that need it


EXCUSES = (
    Excuse(
        f"{FAILURE} lost",
        lambda place: (place.file, place.function) == ("consumer.py", "tell"),
        "It was taken, and is on its way out. No signal is taken there.",
    ),
    Excuse(
        f"{END} lost",
        lambda place: (place.file, place.function) == ("consumer.py", "tell"),
        "It was taken, and is on its way out. No signal is taken there.",
    ),
    Excuse(
        "gate open",
        lambda place: (place.file, place.function) == ("scope.py", "__exit__"),
        "`__exit__` has hardly begun, and is not called again. A signal is taken at its begin.",
        "gate __exit__",
    ),
    Excuse(
        "gate open",
        lambda place: (place.file, place.function) == ("scope.py", "__enter__"),
        "`__enter__` has ended, and its `with` not begun. No signal is taken there.",
        "gate __enter__",
    ),
)


def excuse(sweep: Sweep, point: Point) -> Excuse | None:
    """The first that matches."""
    for candidate in EXCUSES:
        if (
            point.place is not None
            and candidate.outcome == point.outcome
            and candidate.match(point.place)
            and sweep.call.startswith(candidate.call)
        ):
            return candidate
    return None


class Swept(NamedTuple):
    """A sweep that was done."""

    sweep: Sweep
    points: int
    outcomes: Counter[str]  # of those that survived: "kept", "lost", "told"
    excused: Counter[Excuse]
    unsafe: list[tuple[int, Point]]


SURVIVED = ("kept", "lost", "told")


def swept(sweep: Sweep, subject: Any = StreamWrapper, stride: int = 1, first: int = 1) -> Swept:
    """Strike before every instruction, or before one of so many; up to 20 unsafe ones."""
    outcomes: Counter[str] = Counter()
    excused: Counter[Excuse] = Counter()
    unsafe: list[tuple[int, Point]] = []
    points = 0
    for at in count(first, stride):
        point = strike(sweep, at, subject)
        if point.outcome == "over":
            break
        points += 1
        if point.outcome in SURVIVED:
            outcomes[point.outcome] += 1
        elif (reason := excuse(sweep, point)) is not None:
            excused[reason] += 1
        else:
            unsafe.append((at, point))
            if len(unsafe) == 20:
                break
    return Swept(sweep, points, outcomes, excused, unsafe)


def table(done: list[Swept]) -> Table:
    """What became of the strikes, a row for each call in a situation."""
    shown = Table("call", "situation")
    for heading in ("points", "survived", "batch in hand lost", "told as an error", "excused"):
        shown.add_column(heading, justify="right")
    shown.add_column("unsafe", justify="right", style="red")
    for row in done:
        outcomes = row.outcomes
        shown.add_row(
            row.sweep.call,
            row.sweep.situation,
            str(row.points),
            str(outcomes.total()),
            str(outcomes["lost"] or ""),
            str(outcomes["told"] or ""),
            str(row.excused.total() or ""),
            str(len(row.unsafe) or ""),
        )
    return shown


def never_hit(done: list[Swept]) -> list[Excuse]:
    """Excuses that nothing needs, where everything was swept: they might hide something new."""
    hit = {entry for row in done for entry in row.excused}
    return [
        entry for entry in EXCUSES if entry not in hit and sys.version_info[:2] in entry.versions
    ]


def positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, not {text!r}")
    return number


def main() -> int:
    """Sweep what was asked for. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.endurance.interrupts", description=__doc__
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="those with this in their row")
    parser.add_argument(
        "--every", type=positive, default=1, metavar="N", help="strike one instruction of so many"
    )
    options = parser.parse_args()
    chosen = [s for s in CONSUMER + WORKER if options.only in f"{s.call} {s.situation}"]
    if not chosen:
        parser.error(f"argument --only: nothing has {options.only!r} in its row")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    columns = TextColumn("{task.description}"), TimeElapsedColumn()
    done = []
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        task = progress.add_task("")
        for sweep in chosen:
            progress.update(task, description=f"{sweep.call}, {sweep.situation}", refresh=True)
            done.append(swept(sweep, stride=options.every))
    console.print(table(done))
    for row in done:
        for at, point in row.unsafe:
            console.print(f"UNSAFE {row.sweep.call}, {row.sweep.situation}, {at}: {point.outcome}")
            console.print(f"    {tuple(point.place or ())}", markup=False)
    excused = sum((row.excused for row in done), Counter())
    for entry, points in excused.items():
        console.print(f"{points} excused, {entry.outcome}: {entry.reason}")
    idle = never_hit(done) if chosen == [*CONSUMER, *WORKER] and options.every == 1 else []
    for entry in idle:
        console.print(f"NEVER HIT: {entry.reason}")
    points = sum(row.points for row in done)
    survived = sum(row.outcomes.total() for row in done)
    unsafe = sum(len(row.unsafe) for row in done)
    console.print(
        f"Python {sys.version.split()[0]}: {points} points, {survived} survived, "
        f"{excused.total()} excused, {unsafe} unsafe"
    )
    return int(bool(unsafe or idle))


if __name__ == "__main__":
    sys.exit(main())

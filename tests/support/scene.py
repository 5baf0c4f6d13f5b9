"""A wrapper in a situation, its source, and what was read; a way to strike it on its way."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice, takewhile
from types import SimpleNamespace
from typing import Any, NamedTuple

from kernel import launch
from kernel import worker as at_work
from kernel.core import Core
from specs.epochs import BATCH, FAILURE, epochs

from .sources import Boom, Numbered, event
from .striker import Striker

HANG = 10  # seconds after which a child hangs
MORE = 10  # events that are read after the strike


class Struck(BaseException):
    """What strikes a worker."""


class Sweep(NamedTuple):
    """A call in a situation: one step of a scene, struck, after others that lead to it."""

    call: str
    situation: str
    wrapper: tuple[int, ...]  # buffer size, epoch size, lengths of passes
    before: str  # steps
    struck: str  # a step; of a worker all steps, since it lives along them
    worker: bool = False
    lookahead: bool = False


def rows(table: str, *before: str) -> list[list[str]]:
    """The cells of a table."""
    lines = table.strip().splitlines()
    return [[*before, *(cell.strip() for cell in line.split("|"))] for line in lines]


def sweep(call: str, situation: str, wrapper: str, *steps: str, worker: bool = False) -> Sweep:
    """The sweep of a row. A buffer size that ends in + is with lookahead."""
    before, struck = ("", *steps)[-2:]
    sizes = tuple(int(size.removesuffix("+")) for size in wrapper.split())
    return Sweep(call, situation, sizes, before, struck, worker, "+" in wrapper)


class Scene:
    """A wrapper, its source, and what was read."""

    def __init__(self, sweep: Sweep, subject: Any, at: int, tell: Callable[[Any], Any]) -> None:
        size, epoch_size, *lengths = sweep.wrapper
        self.sweep = sweep
        self.tell = tell
        self.source = Numbered(*lengths)
        self.epoch_size = epoch_size
        self.gates: list[Any] = []
        self.seen: list[Any] = []
        self.workers: list[threading.Thread] = []
        self.watch = Striker(0, Struck, lambda: None)
        """The last worker's."""
        if sweep.worker:
            self.striker = Striker(at, Struck, lambda: None, tell)
        else:
            self.striker = Striker(at, KeyboardInterrupt, self.source.free, tell)
        scene = self

        class Worker(threading.Thread):
            """A worker that reports when it goes to sleep, and is struck then if wanted."""

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
        options = {"lookahead": True} if sweep.lookahead else {}
        self.stream = subject(self.source, size, epoch_size, "swept", {}, **options)

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
            watch = Striker(0, Struck, self.source.free)
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
        self.source.hold()

    def do_empty(self) -> None:
        self.stream.empty()

    def do_others(self) -> None:
        assert iter(self.stream) is self.stream
        assert self.stream.name == "swept"

    def do_abandon(self) -> None:
        self.gates.clear()
        del self.stream
        gc.collect()
        self.source.free()

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
        """One `next`, as the oracle says it; an error by the name of its cause."""
        kind, value = event(self.stream)
        if kind == FAILURE:
            value = type(value if isinstance(value, Boom) else value.__cause__).__name__
        return kind, value

    def plain(self, begun: int = 0, without: Any = None) -> Iterator[Any]:
        """The events of an unbuffered reading, from the pass of this number on."""
        source = Numbered(*self.source.passes)
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
        self.source.free()
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
        # it was reported as an error, after which a fresh pass begins
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

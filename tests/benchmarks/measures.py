"""What is measured of one subject, in a process of its own: each measure answers one case."""

from __future__ import annotations

import functools
import math
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import islice, repeat
from typing import Any, NamedTuple

from .subjects import SUBJECTS, Ideal, NoPrefetch, PrefetchGenerator, Subject
from .work import IDLE, Effort, Work, calibrate, spin, timed, works

PIECES = 5  # of a consumer's Python work

Answer = tuple[float, ...]
"""Seconds, one for each part of the measure, or no number."""


# Hand-off: null source, null consumer.

_loops: dict[tuple[str, int], int] = {}  # batches that take so long, by subject and buffer


def hand_over(subject: type[Subject], size: int, batches: int) -> float:
    """Seconds from the first batch in hand to the last of all the others."""
    with subject(lambda: repeat(0, batches + 1), size).reading() as iterator:
        next(iterator)
        start = time.perf_counter()
        for _ in islice(iterator, batches):
            pass
        return time.perf_counter() - start


def handoff(subject: type[Subject], size: int, effort: Effort, _: Work) -> Answer:
    """Seconds a batch."""
    key = subject.NAME, size
    batches = _loops.get(key, 0)
    if batches == 0:
        batches = 2
        while (took := hand_over(subject, size, batches)) < effort.seconds / 5:
            batches *= 4
        batches = _loops[key] = max(2, int(batches * effort.seconds / took))
    return (hand_over(subject, size, batches) / batches,)


# Overlap: source and consumer take their time.


class Times(NamedTuple):
    """Milliseconds that a batch takes its source and its consumer, and how."""

    source: float
    consumer: float
    kind: str  # "sleep" or "numpy"


def overlap(subject: type[Subject], times: Times, effort: Effort, work: Work) -> Answer:
    """Seconds a batch, from start to the last batch consumed.

    The ideal is measured too, since a sleep lasts longer than it should, and two processors
    do not always do twice the work of one: both sides in threads, with nothing handed over.
    """
    batches = effort.batches // 5 if subject.SLOW else effort.batches
    pull = works(times.kind, times.source, work)
    consume = works(times.kind, times.consumer, work)
    if subject is Ideal:
        threads = [
            threading.Thread(target=lambda side=side: [side() for _ in range(batches)])
            for side in (pull, consume)
        ]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ((time.perf_counter() - start) / batches,)

    def source() -> Iterator[int]:
        for batch in range(batches):
            pull()
            yield batch

    buffered = subject(source, 4)
    start = time.perf_counter()
    with buffered.reading() as iterator:
        for _ in islice(iterator, batches):
            consume()
        took = time.perf_counter() - start
    return (took / batches,)


# Interference: a consumer with work in Python, and a source with as much.


class Mode(NamedTuple):
    """How a source is read beside a consumer's work."""

    gated: bool  # the gate is open around the native work only, else all the time
    null: bool  # the source gives its batches for nothing


MODES = {"null": Mode(False, True), "free": Mode(False, False), "gated": Mode(True, False)}


def modes(subject: type[Subject]) -> list[str]:
    """Those that make a difference to the subject."""
    if subject is NoPrefetch:
        return ["free"]
    return [name for name, mode in MODES.items() if not mode.gated or "gate" in subject.CAN]


def interference(subject: type[Subject], kind: str, effort: Effort, _: Work) -> Answer:
    """For each mode, seconds that a step in Python takes, and a step with native work and batch.

    A step is 2 ms of Python in pieces, between which short native calls let go of the GIL, and
    then 2 ms of native work, around which the gate is open; a pull is 2 ms of Python. The modes
    take turns, block by block, and the median is of the blocks.
    """
    work = calibrate()
    short = works("numpy", 0.02, work)
    long = works(kind, 2, work)
    blocks = 1 if subject.SLOW else effort.blocks

    def source(null: bool) -> Iterator[int]:
        for batch in range(blocks * effort.steps + 1):
            if not null:
                spin(2)
            yield batch

    def block(
        iterator: Iterator[int], gate: Callable[[], AbstractContextManager[object]]
    ) -> Answer:
        in_python = 0.0
        start = time.perf_counter()
        for _ in range(effort.steps):
            begun = time.perf_counter()
            for _ in range(PIECES):
                spin(2 / PIECES)
                short()
            in_python += time.perf_counter() - begun
            with gate():
                long()
            next(iterator)
        return in_python / effort.steps, (time.perf_counter() - start) / effort.steps

    figures: dict[str, list[Answer]] = {name: [] for name in modes(subject)}
    with ExitStack() as stack:
        turns = {}
        for name in figures:
            buffered = subject(lambda null=MODES[name].null: source(null), 4)
            iterator = stack.enter_context(buffered.reading(MODES[name].gated))
            next(iterator)
            turns[name] = iterator, buffered.gate if MODES[name].gated else nullcontext
        for _ in range(blocks):
            for name, turn in turns.items():
                time.sleep(IDLE)  # what another mode has left in flight is done by then
                figures[name].append(block(*turn))
    medians: list[float] = []
    for name in MODES:
        measured = figures.get(name, [(math.nan, math.nan)])
        medians += (statistics.median(part) for part in zip(*measured, strict=True))
    return tuple(medians)


# Stop and restart.


class Watched:
    """A source without an end that notes when it was asked."""

    def __init__(self) -> None:
        self.pulls = 0
        self.asked = threading.Event()
        self.when = 0.0  # it was asked first since `asked` was cleared

    def __call__(self) -> Iterator[int]:
        while True:
            self.pulls += 1
            if not self.asked.is_set():
                self.when = time.perf_counter()
                self.asked.set()
            yield 0  # of which there is one: it weighs nothing

    def settle(self) -> None:
        """Wait until nobody has asked for a while."""
        seen = -1
        while seen != self.pulls:
            seen = self.pulls
            time.sleep(IDLE)


def stop(subject: type[Subject], size: int, effort: Effort, _: Work) -> Answer:
    """Seconds of a stop with a full buffer and an idle worker, and of a restart after it.

    A restart goes until the source is asked for a new batch, once one was taken; with what cannot
    be started again, it is the start of a new one.
    """
    source = Watched()
    reader = subject(source, size)
    stops: list[float] = []
    restarts: list[float] = []
    for cycle in range(effort.cycles + 1):
        if cycle and "restart" not in subject.CAN:
            reader = subject(source, size)
        source.asked.clear()
        start = time.perf_counter()
        iterator = reader.start()
        with reader.gate():
            next(iterator)
            if not source.asked.wait(10):
                raise TimeoutError("The source is not asked again after a restart.")
            if cycle:
                restarts.append(source.when - start)
            source.settle()
        stops.append(timed(reader.stop))
    return statistics.median(stops), statistics.median(restarts)


# All of them.

SIZES = (1, 4, 16, 64, 256)
TIMES = ((2, 2), (1, 4), (4, 1))
KINDS = ("sleep", "numpy")


class Measure(NamedTuple):
    """A measure, its cases by name, which subjects are asked for one, and the parts of an answer.

    A figure goes by the name of its case and its part, as in "sleep gated wall".
    """

    answer: Callable[[type[Subject], Any, Effort, Work], Answer]
    cases: dict[str, Any]
    asks: Callable[[type[Subject], str], bool]
    parts: tuple[str, ...] = ("",)

    def names(self, case: str) -> list[str]:
        """The names of a case's figures."""
        return [f"{case} {part}".strip() for part in self.parts]


def _real(subject: type[Subject], _: str) -> bool:
    return subject not in (Ideal, NoPrefetch)


def _interferes(subject: type[Subject], _: str) -> bool:
    """Those with a gate; of those without, which are alike, one; and what is without prefetch."""
    return "gate" in subject.CAN or subject in (PrefetchGenerator, NoPrefetch)


MEASURES: dict[str, Measure] = {
    "handoff": Measure(handoff, {str(size): size for size in SIZES}, _real),
    "overlap": Measure(
        overlap,
        {f"{kind} {p},{c}": Times(p, c, kind) for kind in KINDS for p, c in TIMES},
        lambda subject, case: True,
    ),
    "interference": Measure(
        interference,
        {kind: kind for kind in KINDS},
        _interferes,
        tuple(f"{mode} {part}" for mode in MODES for part in ("step", "wall")),
    ),
    "stop": Measure(
        stop, {"": 16}, lambda subject, case: "stop" in subject.CAN, ("stop", "restart")
    ),
}


def needs_two(measure: str, case: str) -> bool:
    """Whether two threads are at work that one processor would keep apart."""
    return measure == "interference" or "numpy" in case


def deaf() -> None:
    """Leave Ctrl-C to the command, which ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@functools.cache
def warm_up(subject: str) -> None:
    """Have the package imported, and what it makes once made."""
    hand_over(SUBJECTS[subject], 4, 16)


def answer(
    question: tuple[str, str, str], effort: Effort, work: Work, processors: set[int]
) -> Answer | str:
    """The answer to a measure, a case and a subject, or the words for why there is none.

    Runs in a process of the subject's own, on these processors, or where it is if there are none.
    """
    measure, case, subject = question
    if processors:
        os.sched_setaffinity(0, processors)
    try:
        warm_up(subject)
        asked = MEASURES[measure]
        return asked.answer(SUBJECTS[subject], asked.cases[case], effort, work)
    except ModuleNotFoundError:
        return "not installed"
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"

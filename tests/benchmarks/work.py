"""How much is measured at a time, and the work of sources and consumers.

Python work runs for a given CPU time of its thread. With wall-clock time, work that another thread
delays would end no later than work that is not. A number of iterations would do on a machine whose
speed does not double and halve from one second to the next. Native work is a number of elements,
calibrated.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

IDLE = 0.06  # seconds without a pull after which a worker counts as idle; emloop's sleep is 0.02


class Effort(NamedTuple):
    """How much is measured at a time."""

    seconds: float = 0.25  # of one hand-off
    batches: int = 200  # of an overlap
    blocks: int = 8  # of an interference
    steps: int = 25  # of each of them
    cycles: int = 10  # of stop and restart


QUICK = Effort(seconds=0.05, batches=40, blocks=2, steps=20, cycles=3)


class Work(NamedTuple):
    """What takes a millisecond, alone on a processor."""

    elements: int = 10_000  # of an array, raised to a power by numpy, which lets go of the GIL


def spin(milliseconds: float) -> None:
    """Python work, which keeps the GIL, for so long on the thread's own clock."""
    end = time.thread_time() + milliseconds / 1e3
    while time.thread_time() < end:
        for _ in range(20):
            pass


class Native:
    """Native work of some milliseconds, in one call of numpy."""

    def __init__(self, elements: int) -> None:
        self.inputs = np.linspace(1.0, 2.0, max(elements, 1024))  # numpy keeps the GIL for few
        self.outputs = np.empty_like(self.inputs)

    def __call__(self) -> None:
        np.power(self.inputs, 1.7, out=self.outputs)


def calibrate() -> Work:
    """How much native work takes a millisecond, by the median of many tries."""
    elements = 500_000
    native = Native(elements)
    return Work(int(elements * 1e-3 / statistics.median(timed(native) for _ in range(100))))


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def works(kind: str, milliseconds: float, work: Work) -> Callable[[], object]:
    """Work that releases the GIL: a sleep, as if for a device, or numpy's."""
    if kind == "sleep":
        return lambda: time.sleep(milliseconds / 1e3)
    return Native(int(work.elements * milliseconds))

"""Speed and memory, as ratios and counts: alarms, not measurements (see tests/benchmarks)."""

from __future__ import annotations

import gc
import statistics
import weakref
from typing import Any

import pytest

from kernel import StreamWrapper

from ..benchmarks.measures import hand_over
from ..benchmarks.subjects import Queue, Wrapper
from ..support.sources import Boom, enter_dead


class Batch:
    """Something that can be watched."""


@pytest.mark.parametrize(("size", "batches"), [(1, 10_000), (16, 50_000), (256, 100_000)])
def test_hand_off_keeps_up_with_a_queue(size: int, batches: int) -> None:
    """The hand-off is not several times slower than a queue, in one run, on a machine with others.

    `python -m tests.benchmarks --check` has the thresholds for a quiet one.
    """
    ratios = [hand_over(Queue, size, batches) / hand_over(Wrapper, size, batches) for _ in range(5)]
    assert statistics.median(ratios) > 0.3 * (1 if size == 1 else 1.5)


@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_batch_that_was_taken_is_not_kept(size: int) -> None:
    """No part of the stream keeps a batch that the consumer has taken and let go."""
    alive: list[weakref.ref[Batch]] = []

    def source() -> Any:
        while True:
            batch = Batch()
            alive.append(weakref.ref(batch))
            yield batch
            del batch

    gc.disable()
    try:
        with StreamWrapper(source, size) as stream, stream.allow_buffering:
            for _ in range(20):
                next(stream)
        held = sum(ref() is not None for ref in alive)
    finally:
        gc.enable()
    assert held <= size + (size == 0)  # unbuffered, the source's own frame holds its last


def test_an_error_that_was_told_is_not_kept() -> None:
    """An error lives no longer than its consumer holds it: nothing refers to it in a cycle."""

    def source() -> Any:
        raise Boom
        yield

    for size in (0, 2):
        stream = StreamWrapper(source, size)
        gc.collect()
        gc.disable()
        try:
            stream.__enter__()
            try:
                next(stream)
            except (Boom, ChildProcessError) as error:
                told = weakref.ref(error.__cause__ or error)
            stream.__exit__(None, None, None)
            assert told() is None, "kept in a cycle"
        finally:
            gc.enable()


def test_a_pass_that_was_dropped_is_not_kept() -> None:
    """The error of a dead worker does not keep the pass that it was reading."""
    passes: list[weakref.ref[Any]] = []

    def source() -> Any:
        items = (batch for batch in range(3))
        passes.append(weakref.ref(items))
        return items

    stream = StreamWrapper(source, 2)
    with stream:
        next(stream)
    enter_dead(stream)
    with pytest.raises(ChildProcessError) as told:
        next(stream)
    assert [kept() for kept in passes] == [None], told
    stream.__exit__(None, None, None)

"""The bell: a sleep with a time limit ends in time, whoever else sleeps, on each Python."""

from __future__ import annotations

import threading
from queue import Empty
from random import Random
from typing import Any

import pytest

from kernel import StreamWrapper
from kernel.bell import Bell

from ..support.sources import LONG, Aside, Source


def heard(bell: Any, timeout: float) -> bool:
    try:
        bell.get(True, timeout)
    except Empty:
        return False
    return True


def test_a_ring_is_heard_once() -> None:
    """Several rings are one: who is woken looks at everything."""
    bell = Bell()
    assert not heard(bell, 0.001)
    bell.put()
    bell.put()
    assert heard(bell, LONG)
    assert not heard(bell, 0.001)


def test_rule_8_short_sleeps_end() -> None:
    """Rule 8: also where the time is over before the sleep begins."""

    def sleeps() -> None:
        bell = Bell()
        for _ in range(4000):
            for timeout in (1e-9, 1e-7, 1e-6, 3e-6):
                heard(bell, timeout)
            bell.put()
            heard(bell, 1e-6)

    Aside(sleeps).result()


def test_rule_8_sleepers_whose_ring_is_taken_wake() -> None:
    """Rule 8: of several threads that sleep for 5 ms, one hears a ring near their end."""
    random = Random(1)
    for _ in range(100):
        bell = Bell()
        sleepers = [Aside(lambda b=bell: heard(b, 0.005)) for _ in range(3)]  # type: ignore[misc]
        threading.Event().wait(random.uniform(0.004, 0.0055))
        bell.put()
        for sleeper in sleepers:
            sleeper.result()


def test_rule_8_reads_with_a_short_limit_end() -> None:
    """Rule 8: `get` with a time limit that is over before it sleeps."""
    source = Source(range(3), held=True)

    def polls(stream: Any) -> None:
        for at in range(5000):
            stream._core.bell.put()  # of two sleeps the second begins as the time is over
            with pytest.raises(TimeoutError):
                stream.get(timeout=1e-6 * (at % 100))

    with StreamWrapper(source, 2) as stream:
        Aside(lambda: polls(stream)).result()
        source.free()
        assert list(stream) == [0, 1, 2]


def test_rule_9_readers_beside_a_gate_end() -> None:
    """Rule 9: of threads that read at once, each gets a batch, an end or an error."""
    random = Random(1)

    def reads(stream: Any, number: int, pause: float) -> None:
        threading.Event().wait(pause)
        for _ in range(number):
            try:
                with stream.allow_buffering:
                    next(stream)
            except (RuntimeError, StopIteration):
                pass

    for _ in range(150):
        with StreamWrapper(lambda: iter(range(20)), 1, lookahead=True) as stream:
            pauses = random.uniform(0, 0.003), random.uniform(0, 0.003)
            readers = [Aside(lambda p=p: reads(stream, 1, p)) for p in pauses]  # type: ignore[misc]
            readers.append(Aside(lambda: reads(stream, 30, 0)))
            for reader in readers:
                reader.result()

"""Defects of the seed, numbered as in specs/README.md: each has a test, here or in the contract."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest

from ..support.processes import needs_fork
from ..support.sources import LONG, Aside, Source, epoch, pulling
from ..support.states import alone

BY_RULES = {
    3: "test_rule_7_error_survives_a_stop",
    4: "test_rule_2_empty_source",
    5: "test_rule_4_after_with",
    6: "test_rule_9_entering_twice",
    7: "test_rule_11_any_value_is_a_batch",
    8: "test_rule_7_buffered_error_comes_last_and_once",
    11: "test_rule_2_empty_pass_ends_the_epoch",
    13: "test_rule_3_parked_worker_pulls_nothing_more",
    15: "test_rule_9_leaving_what_was_not_entered",
    16: "test_rule_3_bound",
    17: "test_rule_5_a_request_permits_until_it_is_served",
    18: "test_rule_6_entering_begins_an_epoch",
    19: "test_rule_7_error_ends_the_epoch_and_the_pass",
    20: "test_rule_2_empty_pass_ends_the_epoch",
    21: "test_rule_7_unbuffered_error_is_itself",
}
"""Tests of the contract that show a defect. TLC found those from 16 on, in `tla/Seed.tla`."""


def test_defect_1_stop_at_an_epoch_boundary(wrapper: Any) -> None:
    """Rules 2 and 3: a stop while the last batch of an epoch is pulled does not add one to it."""
    source = Source(range(10), held=True)
    stream = wrapper(source, 4, 2)
    source.go()
    gate = pulling(stream, source, 2)
    leaving = Aside(lambda: stream.__exit__(None, None, None))
    assert leaving.waits
    source.free()
    leaving.result()
    with stream:
        assert epoch(stream) == [0, 1]
        assert epoch(stream) == [2, 3]
    gate.__exit__(None, None, None)


class Lingering:
    """An object of a thread whose finaliser keeps the thread from ending."""

    def __init__(self, go: threading.Event) -> None:
        self._go = go

    def __del__(self) -> None:
        self._go.wait(5)


def test_defect_2_thread_that_is_still_leaving(wrapper: Any) -> None:
    """Rule 1: the next epoch does not depend on how fast the last one's thread is gone."""
    local, go = threading.local(), threading.Event()

    def source() -> Any:
        if not hasattr(local, "lingering"):
            local.lingering = Lingering(go)
        yield 1

    with wrapper(source, 2) as stream:
        assert epoch(stream) == [1]
        start = time.perf_counter()
        assert Aside(lambda: next(stream)).result() == 1
        assert time.perf_counter() - start < 2, "stalled as long as the old thread is alive"
        go.set()


@needs_fork
def test_defect_9_forked_child(wrapper: Any) -> None:
    """Rule 8: a forked child does not wait for a thread that it does not have."""
    with wrapper(Source(range(3)), 2) as stream:
        assert next(stream) == 0

        def read() -> None:
            with pytest.raises(ChildProcessError):
                next(stream)

        assert alone(read) == 0


def test_defect_10_no_sleep(wrapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed: no batch costs a sleep."""
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    with wrapper(Source(range(20)), 2) as stream, stream.allow_buffering:
        assert epoch(stream) == list(range(20))
    assert naps == []


def test_defect_12_pull_after_the_gate_was_shut(
    wrapper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 5: nothing stands between the look at the gate and the pull, so that it could shut."""
    source = Source(range(9))
    shut: list[int] = []

    def nap(seconds: float) -> None:
        gate.__exit__(None, None, None)
        shut.append(source.pulls)

    monkeypatch.setattr(time, "sleep", nap)
    stream = wrapper(source, 1)
    gate = stream.allow_buffering
    with stream:
        gate.__enter__()
        source.await_end()
        if not shut:
            gate.__exit__(None, None, None)
            shut.append(source.pulls)
        assert source.pulls == shut[0], "a pull started after the gate was shut"


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs pthread_kill")
def test_defect_14_interrupt_inside_exit(wrapper: Any) -> None:
    """Rule 10: Ctrl-C while a stop waits for the pull in flight loses nothing."""
    leaving, interrupted = threading.Event(), threading.Event()

    def source() -> Any:
        yield 1
        yield 2
        assert leaving.wait(LONG)
        interrupted.wait(0.1)  # the other thread is on its way into the join
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert interrupted.wait(LONG)
        yield 3
        yield 4

    stream = wrapper(source, 3)

    def read_and_leave() -> None:
        with stream, stream.allow_buffering:
            assert next(stream) == 1
            leaving.set()

    with pytest.raises(KeyboardInterrupt):
        read_and_leave()
    interrupted.set()
    with stream:
        assert epoch(stream) == [2, 3, 4]

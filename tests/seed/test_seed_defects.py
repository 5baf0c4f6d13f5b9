"""One test for each known defect of the seed, numbered as in the README, with its rule."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest

from ..shell import test_contract_worker as contract
from ..support.sources import LONG, SHORT, Aside, Boom, Source, epoch, take


def test_defect_1_stop_at_an_epoch_boundary(wrapper: Any) -> None:
    """Rules 2 and 3: a stop while the last batch of an epoch is pulled does not add one to it."""
    source = Source(range(10), held=True)
    stream = wrapper(source, 4, 2)
    stream.__enter__()
    gate = stream.allow_buffering
    gate.__enter__()
    source.go()
    source.await_end()
    source.await_start()
    source.await_start()
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


def test_defect_3_error_while_the_consumer_was_away(wrapper: Any) -> None:
    """Rule 7: an error raised while nobody waits is delivered, behind what is buffered."""
    source = Source([1, 2, Boom()])
    with wrapper(source, 8) as stream, stream.allow_buffering:
        for _ in range(3):
            source.await_end()
        for thread in source.threads:
            thread.join(SHORT)  # the seed's ends here, by the error
        assert take(stream, 2) == [1, 2]
        with pytest.raises(ChildProcessError):
            next(stream)


def test_defect_4_empty_source_in_fixed_epochs(wrapper: Any) -> None:
    """Rule 2: an empty source ends epochs of fixed size instead of spinning."""
    with wrapper(Source([]), 2, 3) as stream:
        assert Aside(lambda: epoch(stream)).result() == []


def test_defect_5_reading_outside_starts_no_thread(wrapper: Any) -> None:
    """Rule 4: reading after `with` starts no thread."""
    stream = wrapper(Source(range(9)), 2)
    with stream:
        assert next(stream) == 0
    threads = set(threading.enumerate())
    assert take(stream, 3) == [1, 2, 3]
    assert set(threading.enumerate()) <= threads


def test_defect_6_two_threads_on_one_iterator(wrapper: Any) -> None:
    """Rule 9: entering twice does not start a second thread."""
    source = Source(range(9), held=True)
    with wrapper(source, 4) as stream, stream.allow_buffering:
        source.await_start()
        with pytest.raises(RuntimeError):
            stream.__enter__()
        assert source.no_start()
        source.free()
        assert epoch(stream) == list(range(9))
    assert source.most_active == 1


def test_defect_7_none_is_no_end(wrapper: Any) -> None:
    """Rule 11: None is a batch."""
    with wrapper(Source([1, None, 2]), 2) as stream:
        assert epoch(stream) == [1, None, 2]


def test_defect_8_cause_of_an_error(wrapper: Any) -> None:
    """Rule 7: the error comes promptly, and with the source's own as its cause."""
    error = Boom()
    start = time.perf_counter()
    with wrapper(Source([error]), 2) as stream, pytest.raises(ChildProcessError) as caught:
        next(stream)
    assert caught.value.__cause__ is error
    assert time.perf_counter() - start < 2, "came by a time-out"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which POSIX has")
def test_defect_9_forked_child(wrapper: Any) -> None:
    """Rule 8: a forked child does not wait for a thread that it does not have."""
    with wrapper(Source(range(3)), 2) as stream:
        assert next(stream) == 0
        child = os.fork()
        if not child:
            signal.alarm(5)
            try:
                next(stream)
            except ChildProcessError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0


def test_defect_10_no_sleep(wrapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed: no batch costs a sleep."""
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    with wrapper(Source(range(20)), 2) as stream, stream.allow_buffering:
        assert epoch(stream) == list(range(20))
    assert naps == []


def test_defect_11_count_after_an_empty_pass(wrapper: Any) -> None:
    """Rule 2: unbuffered too, the epoch after an empty pass counts from zero."""
    stream = wrapper(Source([1], [], [2, 3, 4]), 0, 2)
    assert [epoch(stream) for _ in range(2)] == [[1], [2, 3]]


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


def test_defect_13_a_stop_pulls_nothing(wrapper: Any) -> None:
    """Rule 3: a stop with a parked worker pulls no further batch."""
    contract.test_rule_3_parked_worker_pulls_nothing_more(wrapper)


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


def test_defect_15_leaving_without_entering(wrapper: Any) -> None:
    """Rule 9: leaving what was not entered is a RuntimeError."""
    with pytest.raises(RuntimeError):
        wrapper(Source([1]), 2).__exit__(None, None, None)


# Found by TLC in the model of the seed, tla/Seed.tla, and not known before.


def test_defect_16_one_more_than_the_buffer(wrapper: Any) -> None:
    """Rule 3: a batch is pulled when there is a slot for it, not before."""
    contract.test_rule_3_bound(wrapper, 1)


def test_defect_17_served_request_permits(wrapper: Any) -> None:
    """Rule 5: a request that was served permits no further pull."""
    contract.test_rule_5_a_request_permits_until_it_is_served(wrapper)


def test_defect_18_entry_runs_past_an_end(wrapper: Any) -> None:
    """Rule 6: entering while the end of an epoch is buffered begins no other."""
    contract.test_rule_6_entering_begins_an_epoch(wrapper)


def test_defect_19_count_after_an_error(wrapper: Any) -> None:
    """Rule 7: the epoch after an error counts from zero."""
    stream = wrapper(Source([1, Boom()], [2, 3, 4]), 0, 2)
    assert next(stream) == 1
    with pytest.raises(Boom):
        next(stream)
    assert epoch(stream) == [2, 3]


def test_defect_20_empty_pass_is_skipped(wrapper: Any) -> None:
    """Rule 2: an empty pass ends an epoch of fixed size, although others follow."""
    with wrapper(Source([1], [], [2, 3, 4]), 2, 3) as stream:
        assert [epoch(stream) for _ in range(2)] == [[1], [2, 3, 4]]


def test_defect_21_pass_that_raised_is_asked_again(wrapper: Any) -> None:
    """Rule 7: after an error a fresh pass begins, and not an empty epoch."""
    stream = wrapper(Source([Boom()], [1]), 0)
    with pytest.raises(Boom):
        next(stream)
    assert epoch(stream) == [1]

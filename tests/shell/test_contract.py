"""The twelve rules of the contract, each with tests that name it.

They use nothing but the public interface, so that they run on any class that has it
(`--subject emloop`), and fail on one that breaks the rule.
"""

from __future__ import annotations

import contextvars
import copy
import decimal
import gc
import pickle
import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest

from ..support.sources import LONG, SHORT, Aside, Source, Uniterable, epoch, take

SIZES = [0, 1, 2, 3, 16]
BUFFERS = [1, 2, 3, 16]


class Boom(Exception):
    """What the sources of these tests raise."""


# Rule 1: transparency.


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("epoch_size", [-1, 1, 2, 3, 7])
def test_rule_1_same_as_unbuffered(wrapper: Any, size: int, epoch_size: int) -> None:
    """Rule 1: the same batches and the same ends of epochs, whatever the buffer."""
    source, plain = Source(range(5), range(5, 7), [7]), Source(range(5), range(5, 7), [7])
    expected = wrapper(plain, 0, epoch_size)
    with wrapper(source, size, epoch_size) as stream, stream.allow_buffering:
        assert [epoch(stream) for _ in range(8)] == [epoch(expected) for _ in range(8)]


@pytest.mark.parametrize("size", BUFFERS)
def test_rule_1_any_mix(wrapper: Any, size: int) -> None:
    """Rule 1: entering, leaving and gates between batches change nothing of what is read."""
    stream = wrapper(Source(range(4), range(4, 9)), size, 3)
    read = []
    for turn in range(9):
        with stream:
            read.append(next(stream, "end"))
            with stream.allow_buffering:
                read.append(next(stream, "end"))
        if turn % 2:
            read.append(next(stream, "end"))
    expected = wrapper(Source(range(4), range(4, 9)), 0, 3)
    assert read == [next(expected, "end") for _ in read]


# Rule 2: epochs.


@pytest.mark.parametrize("size", SIZES)
def test_rule_2_passes(wrapper: Any, size: int) -> None:
    """Rule 2: without an epoch size an epoch is a pass, an empty one too."""
    with wrapper(Source([1, 2], [], [3]), size) as stream:
        assert [epoch(stream) for _ in range(4)] == [[1, 2], [], [3], [1, 2]]


@pytest.mark.parametrize("size", SIZES)
def test_rule_2_fixed_size(wrapper: Any, size: int) -> None:
    """Rule 2: an epoch of fixed size takes as many passes as it needs; the next goes on in it."""
    with wrapper(Source([1, 2, 3], [4]), size, 2) as stream:
        assert [epoch(stream) for _ in range(4)] == [[1, 2], [3, 4], [1, 2], [3, 4]]


@pytest.mark.parametrize("size", SIZES)
def test_rule_2_empty_pass_ends_the_epoch(wrapper: Any, size: int) -> None:
    """Rule 2: an empty pass ends the epoch, and the next one counts from zero."""
    with wrapper(Source([1, 2], [], [3, 4, 5, 6]), size, 3) as stream:
        assert [epoch(stream) for _ in range(4)] == [[1, 2], [3, 4, 5], [6, 1, 2], []]


@pytest.mark.parametrize("size", SIZES)
def test_rule_2_empty_source(wrapper: Any, size: int) -> None:
    """Rule 2: an empty source ends epochs instead of spinning."""
    with wrapper(Source([]), size, 3) as stream:
        assert [epoch(stream) for _ in range(3)] == [[], [], []]


# Rule 3: stop preserves.


@pytest.mark.parametrize("size", BUFFERS)
def test_rule_3_stop_keeps_what_is_buffered(wrapper: Any, size: int) -> None:
    """Rule 3: what is buffered stays, in order, and reading goes on from there."""
    source = Source(range(100))
    stream = wrapper(source, size)
    for first in range(0, 40, 2):
        with stream, stream.allow_buffering:
            assert take(stream, 2) == [first, first + 1]
    with stream:
        assert epoch(stream) == list(range(40, 100))


def test_rule_3_stop_keeps_the_batch_being_pulled(wrapper: Any) -> None:
    """Rule 3: a pull in flight is waited for, and its batch kept."""
    source = Source(range(10), held=True)
    stream = wrapper(source, 2)
    stream.__enter__()
    gate = stream.allow_buffering
    gate.__enter__()
    source.await_start()
    leaving = Aside(lambda: stream.__exit__(None, None, None))
    assert leaving.waits
    source.go()
    leaving.result()
    gate.__exit__(None, None, None)
    assert source.pulls == 1
    source.free()
    assert epoch(stream) == list(range(10))


@pytest.mark.parametrize("size", BUFFERS)
def test_rule_3_bound(wrapper: Any, size: int) -> None:
    """Rule 3: batches held and being pulled are never more than the buffer's size."""
    source = Source(range(100))
    stream = wrapper(source, size)
    with stream, stream.allow_buffering:
        for _ in range(size):
            source.await_start()
        assert source.no_start()
    assert source.pulls == size


def test_rule_3_parked_worker_pulls_nothing_more(wrapper: Any) -> None:
    """Rule 3: stopping an idle worker pulls nothing, however often."""
    source = Source(range(100))
    stream = wrapper(source, 1)
    with stream, stream.allow_buffering:
        source.await_end()
    for _ in range(20):
        with stream:
            pass
    assert source.pulls == 1


def test_rule_3_stop_keeps_the_epoch_count(wrapper: Any) -> None:
    """Rule 3: a stop inside or at the end of an epoch does not change its size."""
    stream = wrapper(Source(range(100)), 1, 2)
    read = []
    for _ in range(12):
        with stream:
            read.append(next(stream, "end"))
    assert read == [0, 1, "end", 2, 3, "end", 4, 5, "end", 6, 7, "end"]


# Rule 4: outside `with`.


def test_rule_4_before_the_first_with(wrapper: Any) -> None:
    """Rule 4: a buffered stream that was never entered refuses to be read, by its name."""
    source = Source([1])
    stream = wrapper(source, 1, name="my_stream")
    with pytest.raises(ValueError, match="my_stream"):
        next(stream)
    assert source.pulls == 0
    with stream:
        assert epoch(stream) == [1]


def test_rule_4_after_with(wrapper: Any) -> None:
    """Rule 4: outside, what is buffered comes first, and then the caller pulls for itself."""
    source = Source(range(6))
    stream = wrapper(source, 2)
    with stream, stream.allow_buffering:
        source.await_end()
        source.await_end()
    threads = threading.active_count()
    pulled = source.pulls
    assert take(stream, 2) == [0, 1]
    assert source.pulls == pulled
    assert take(stream, 1) == [2]
    assert threading.current_thread() in source.threads
    assert epoch(stream) == [3, 4, 5]
    assert threading.active_count() == threads


def test_rule_4_no_thread_outside(wrapper: Any) -> None:
    """Rule 4: the thread is gone when `with` is left."""
    threads = set(threading.enumerate())
    stream = wrapper(Source(range(9)), 2)
    for _ in range(50):
        with stream:
            next(stream, None)
        assert set(threading.enumerate()) == threads


# Rule 5: gate.


def test_rule_5_nothing_is_pulled_unasked(wrapper: Any) -> None:
    """Rule 5: with the gate shut and nobody waiting, nothing is pulled, not even begun."""
    source = Source(range(9))
    with wrapper(source, 4):
        assert source.no_start()
        assert source.begun == 0
    assert source.pulls == 0


def test_rule_5_a_request_permits_until_it_is_served(wrapper: Any) -> None:
    """Rule 5: with the gate shut one request leads to one batch."""
    source = Source(range(9))
    with wrapper(source, 4) as stream:
        assert next(stream) == 0
        source.await_start()
        assert source.no_start()
        assert source.pulls == 1


def test_rule_5_gates_nest(wrapper: Any) -> None:
    """Rule 5: the gate is open until the last of nested gates is left."""
    source = Source(range(9), held=True)
    stream = wrapper(source, 1)
    with stream:
        with stream.allow_buffering:
            with stream.allow_buffering:
                source.await_start()
            source.go()
            assert next(stream) == 0
            source.await_start()
            source.go()
        assert next(stream) == 1
        assert source.no_start()


def test_rule_5_leaving_does_not_wait(wrapper: Any) -> None:
    """Rule 5: leaving a gate does not wait for the pull in flight."""
    source = Source(range(9), held=True)
    with wrapper(source, 2) as stream:
        gate = stream.allow_buffering
        gate.__enter__()
        source.await_start()
        Aside(lambda: gate.__exit__(None, None, None)).result()
        source.free()
        assert next(stream) == 0


# Rule 6: epoch boundary.


@pytest.mark.parametrize("epoch_size", [-1, 3])
def test_rule_6_worker_stays_in_the_epoch(wrapper: Any, epoch_size: int) -> None:
    """Rule 6: the worker does not run past the end of an epoch, however open the gate."""
    source = Source(range(3))
    with wrapper(source, 16, epoch_size) as stream, stream.allow_buffering:
        for _ in range(3 if epoch_size == 3 else 4):
            source.await_start()
        assert source.no_start()
        assert epoch(stream) == [0, 1, 2]
        assert source.no_start()
        assert next(stream) == 0


def test_rule_6_entering_begins_an_epoch(wrapper: Any) -> None:
    """Rule 6: after an end that was seen, entering begins the next epoch; before, it does not."""
    source = Source(range(2))
    stream = wrapper(source, 8, 2)
    with stream, stream.allow_buffering:
        assert epoch(stream) == [0, 1]
        assert source.pulls == 2
    with stream, stream.allow_buffering:
        for _ in range(5):
            source.await_start()
    with stream, stream.allow_buffering:  # the end is buffered: nothing begins
        assert source.no_start()
        assert epoch(stream) == [0, 1]


# Rule 7: errors.


@pytest.mark.parametrize("error", [Boom("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_rule_7_unbuffered_error_is_itself(wrapper: Any, error: BaseException) -> None:
    """Rule 7: without a buffer the consumer gets the exception itself, once."""
    stream = wrapper(Source([1, error], [2]), 0)
    assert next(stream) == 1
    with pytest.raises(type(error)) as caught:
        next(stream)
    assert caught.value is error
    assert epoch(stream) == [2]


@pytest.mark.parametrize("size", BUFFERS)
@pytest.mark.parametrize("error", [Boom("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_rule_7_buffered_error_comes_last_and_once(
    wrapper: Any, error: BaseException, size: int
) -> None:
    """Rule 7: with a buffer it is the cause of a ChildProcessError, behind the batches."""
    with wrapper(Source([1, 2, error], [3, 4]), size) as stream, stream.allow_buffering:
        assert take(stream, 2) == [1, 2]
        with pytest.raises(ChildProcessError) as caught:
            next(stream)
        assert caught.value.__cause__ is error
        assert error.__traceback__ is not None
        assert epoch(stream) == [3, 4]


@pytest.mark.parametrize("size", [0, 2])
@pytest.mark.parametrize("broken", [Boom("x"), Uniterable(Boom("x"))], ids=["stream_fn", "iter"])
def test_rule_7_error_of_a_pass_that_cannot_begin(wrapper: Any, broken: Any, size: int) -> None:
    """Rule 7: errors of `stream_fn` and of `iter` come like those of `next`."""
    with wrapper(Source([1], broken, [2]), size) as stream:
        assert epoch(stream) == [1]
        with pytest.raises(ChildProcessError if size else Boom):
            next(stream)
        assert epoch(stream) == [2]


@pytest.mark.parametrize("size", [0, 2])
def test_rule_7_stop_iteration_of_stream_fn_is_an_error(wrapper: Any, size: int) -> None:
    """Rule 7: a StopIteration that does not come from `next` is no end of an epoch."""
    with wrapper(Source(StopIteration(), [1]), size) as stream:
        with pytest.raises(ChildProcessError if size else RuntimeError) as caught:
            next(stream)
        assert isinstance(caught.value.__cause__, StopIteration)
        assert epoch(stream) == [1]


@pytest.mark.parametrize("size", [0, 2])
def test_rule_7_error_ends_the_epoch_and_the_pass(wrapper: Any, size: int) -> None:
    """Rule 7: after an error a fresh pass and a fresh epoch begin."""
    with wrapper(Source([1, Boom()], [2, 3, 4, 5]), size, 3) as stream:
        assert next(stream) == 1
        with pytest.raises((Boom, ChildProcessError)):
            next(stream)
        assert epoch(stream) == [2, 3, 4]


def test_rule_7_error_survives_a_stop(wrapper: Any) -> None:
    """Rule 7: an error that was not delivered survives stop and restart, behind its batches."""
    source = Source([1, Boom()])
    stream = wrapper(source, 4)
    with stream, stream.allow_buffering:
        source.await_end()
        source.await_end()
    with stream:
        assert next(stream) == 1
    with pytest.raises(ChildProcessError):
        next(stream)


# Rule 8: dead worker.


def test_rule_8_thread_that_cannot_start(wrapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 8: a worker that never came is noticed; nobody waits for ever, and reading can go on."""

    def refuse(thread: threading.Thread) -> None:
        try:
            raise OSError
        except OSError:
            raise RuntimeError("can't start new thread")  # noqa: B904  # no interrupt hides here

    stream = wrapper(Source([1, 2]), 2, name="orphan")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        stream.__enter__()
    with pytest.raises(ChildProcessError, match="orphan") as caught:
        next(stream)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert epoch(stream) == [1, 2]
    stream.__exit__(None, None, None)
    with stream:
        assert epoch(stream) == [1, 2]


def test_rule_8_thread_that_cannot_start_after_an_interrupt(
    wrapper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 8: it is no interrupt if one is being handled when a thread cannot start."""
    stream = wrapper(Source([1, 2]), 2)
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", lambda thread: 1 / 0)
            stream.__enter__()
    with pytest.raises(ChildProcessError) as caught:
        next(stream)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    stream.__exit__(None, None, None)


def test_rule_10_interrupt_of_a_start_that_handles_an_error(
    wrapper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 10: an interrupt is one, whatever was being handled when it struck."""

    def start(thread: threading.Thread) -> None:
        try:
            raise ValueError
        except ValueError:
            raise KeyboardInterrupt  # noqa: B904  # as a signal's handler does

    stream = wrapper(Source([1, 2]), 2)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(KeyboardInterrupt):
            stream.__enter__()
    with stream:
        assert epoch(stream) == [1, 2]


def test_rule_8_what_is_buffered_comes_first(wrapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 8: what was buffered before the worker died is delivered before the error."""
    source = Source(range(9))
    stream = wrapper(source, 2)
    with stream, stream.allow_buffering:
        source.await_end()
        source.await_end()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: 1 / 0)
        stream.__enter__()
    assert take(stream, 2) == [0, 1]
    with pytest.raises(ChildProcessError):
        next(stream)
    stream.__exit__(None, None, None)


def test_rule_8_gone_without_a_word(wrapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 8: a worker that ended without a sign is noticed by a look at its thread."""
    monkeypatch.setattr("kernel.core.Core.glance", 0.01)
    stream = wrapper(Source([1, 2]), 2, name="lost")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: None)
        stream.__enter__()
    with pytest.raises(ChildProcessError, match="lost") as caught:
        Aside(lambda: next(stream)).result()
    assert caught.value.__cause__ is None
    stream.__exit__(None, None, None)
    with stream:
        assert epoch(stream) == [1, 2]


def test_rule_8_a_slow_worker_is_not_dead(wrapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 8: many looks at a worker that is long in a pull do no harm."""
    monkeypatch.setattr("kernel.core.Core.glance", 0.01)
    source = Source(range(3), held=True)
    with wrapper(source, 2) as stream:
        reader = Aside(lambda: next(stream))
        assert reader.waits
        source.free()
        assert reader.result() == 0
        assert epoch(stream) == [1, 2]


def test_rule_8_waiting_is_sleeping(wrapper: Any) -> None:
    """Rule 8: who waits, a consumer or a stop, spends no time of the processor."""
    source = Source(range(3), held=True)
    stream = wrapper(source, 2)
    stream.__enter__()
    for call in (lambda: next(stream), lambda: stream.__exit__(None, None, None)):
        stream.allow_buffering.__enter__()
        source.await_start()
        spent = time.process_time()
        waiting = Aside(call)
        assert waiting.waits
        assert time.process_time() - spent < SHORT / 4
        source.go()
        waiting.result()


# Rule 9: misuse.


@pytest.mark.parametrize("size", [0, 2])
def test_rule_9_entering_twice(wrapper: Any, size: int) -> None:
    """Rule 9: the second entry is refused, and the first goes on."""
    source = Source(range(5))
    with wrapper(source, size) as stream:
        assert next(stream) == 0
        with pytest.raises(RuntimeError, match="twice"):
            stream.__enter__()
        assert epoch(stream) == [1, 2, 3, 4]
    assert source.most_active == 1


@pytest.mark.parametrize("size", [0, 2])
def test_rule_9_leaving_what_was_not_entered(wrapper: Any, size: int) -> None:
    """Rule 9: leaving before entering, or twice, is refused."""
    stream = wrapper(Source([1]), size)
    with pytest.raises(RuntimeError, match="without having been entered"):
        stream.__exit__(None, None, None)
    with stream:
        assert epoch(stream) == [1]
    with pytest.raises(RuntimeError, match="without having been entered"):
        stream.__exit__(None, None, None)


@pytest.mark.parametrize("size", [0, 1, 4])
def test_rule_9_two_consumers(wrapper: Any, size: int) -> None:
    """Rule 9: each batch goes to one of two consumers, or one gets a RuntimeError."""
    source = Source(range(500))
    read: list[int] = []

    def consume() -> None:
        while len(read) < 500:
            try:
                read.append(next(stream))
            except RuntimeError:
                continue
            except StopIteration:
                return

    with wrapper(source, size) as stream, stream.allow_buffering:
        other = Aside(consume)
        consume()
        while other.waits and len(read) < 500:
            consume()
        assert sorted(read) == list(range(500))
        source.free()
    assert source.most_active == 1


def test_rule_9_second_request_is_refused(wrapper: Any) -> None:
    """Rule 9: while one consumer waits, another gets a RuntimeError, and the first its batch."""
    source = Source(range(3), held=True)
    with wrapper(source, 2) as stream:
        first = Aside(lambda: next(stream))
        source.await_start()
        with pytest.raises(RuntimeError, match="another thread"):
            next(stream)
        source.free()
        assert first.result() == 0
        assert epoch(stream) == [1, 2]


def test_rule_9_second_request_is_refused_without_a_buffer(wrapper: Any) -> None:
    """Rule 9: while one consumer pulls for itself, another gets a RuntimeError."""
    source = Source(range(3), held=True)
    stream = wrapper(source)
    first = Aside(lambda: next(stream))
    source.await_start()
    with pytest.raises(RuntimeError, match="another thread"):
        Aside(lambda: next(stream)).result()
    source.free()
    assert first.result() == 0
    assert epoch(stream) == [1, 2]


def test_rule_9_gate_left_without_entry(wrapper: Any) -> None:
    """Rule 9: a gate that was not entered cannot be left, and shuts no other."""
    source = Source(range(5))
    with wrapper(source, 1) as stream, stream.allow_buffering:
        source.await_end()
        with pytest.raises(RuntimeError, match="gate"):
            stream.allow_buffering.__exit__(None, None, None)
        assert next(stream) == 0
        source.await_end()


def test_rule_9_gate_left_more_often_than_entered(wrapper: Any) -> None:
    """Rules 5 and 9: one gate may be entered twice, and is then left twice, but not again."""
    gate = wrapper(Source([1]), 2).allow_buffering
    with gate, gate:
        pass
    with pytest.raises(RuntimeError, match="gate"):
        gate.__exit__(None, None, None)


def test_rule_9_source_reads_its_own_stream(wrapper: Any) -> None:
    """Rule 9: a source that reads the stream it feeds gets an error instead of waiting for ever."""

    def own() -> Any:
        yield next(stream)

    stream = wrapper(own, 2)
    with stream, pytest.raises(ChildProcessError) as caught:
        next(stream)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_rule_9_source_enters_or_leaves_its_own_stream(wrapper: Any) -> None:
    """Rule 9: a source that enters or leaves the stream it feeds gets an error, stopping or not."""
    refused = []
    stopping = threading.Event()

    def own() -> Any:
        for turn in range(2):
            for call in (stream.__enter__, stream.__exit__):
                with pytest.raises(RuntimeError) as caught:
                    call()
                refused.append(caught.value)
            yield turn
            assert stopping.wait(LONG)

    stream = wrapper(own, 2)
    with stream, stream.allow_buffering:
        assert next(stream) == 0
        stopping.set()
    assert epoch(stream) == [1]
    assert len(refused) == 4


def test_a_stream_cannot_be_copied(wrapper: Any) -> None:
    """A copy would share thread and lock: it is refused, by the stream's name."""
    for make in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="unique"):
            make(wrapper(Source([1]), 2, name="unique"))


def test_rule_9_closed_by_another_thread(wrapper: Any) -> None:
    """Rules 4 and 9: a stop by another thread lets a waiting consumer go on by itself."""
    source = Source(range(3), held=True)
    stream = wrapper(source, 2)
    stream.__enter__()
    reader = Aside(lambda: next(stream))
    source.await_start()
    leaving = Aside(lambda: stream.__exit__(None, None, None))
    source.free()
    leaving.result()
    assert reader.result() == 0
    assert epoch(stream) == [1, 2]


def test_rule_9_left_by_two(wrapper: Any) -> None:
    """Rules 3 and 9: who leaves while a stop waits for a pull waits for it too."""
    source = Source(range(3), held=True)
    stream = wrapper(source, 2)
    stream.__enter__()
    gate = stream.allow_buffering
    gate.__enter__()
    source.await_start()
    leavers = []
    for _ in range(2):
        leavers.append(Aside(lambda: stream.__exit__(None, None, None)))
        assert leavers[-1].waits
    gate.__exit__(None, None, None)
    source.free()
    for leaver in leavers:
        leaver.result()
    assert epoch(stream) == [0, 1, 2]


def test_rule_9_thread_with_the_number_of_a_worker(
    wrapper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 9: a thread that was given the number of a worker that has ended is no source."""
    numbers = []

    def source() -> Any:
        for batch in range(3):
            numbers.append(threading.get_ident())
            yield batch

    stream = wrapper(source, 2)
    with stream:
        assert next(stream) == 0
    with monkeypatch.context() as patch:
        patch.setattr(threading, "get_ident", lambda: numbers[0])
        assert take(stream, 2) == [1, 2]


# Rule 10: interrupts, and abandoned wrappers. See also test_processes.


def test_rule_10_abandoned_wrapper_ends_its_worker(wrapper: Any) -> None:
    """Rule 10: once a wrapper is garbage, its worker ends."""
    source = Source(range(9))
    before = set(threading.enumerate())
    stream = wrapper(source, 2)
    stream.__enter__()
    with stream.allow_buffering:
        source.await_end()
    (worker,) = set(threading.enumerate()) - before
    gone = weakref.ref(stream)
    del stream
    gc.collect()
    assert gone() is None
    worker.join(20)
    assert not worker.is_alive()


def test_rule_10_abandoned_in_the_middle_of_a_pull(wrapper: Any) -> None:
    """Rule 10: a wrapper that becomes garbage while its worker pulls ends it after the pull."""
    source = Source(range(9), held=True)
    before = set(threading.enumerate())
    stream = wrapper(source, 2)
    stream.__enter__()
    stream.allow_buffering.__enter__()
    source.await_start()
    (worker,) = set(threading.enumerate()) - before
    del stream
    gc.collect()
    source.free()
    worker.join(20)
    assert not worker.is_alive()
    assert source.pulls == 1


@pytest.mark.parametrize("size", [0, 2])
def test_rule_10_abandoned_with_a_source_that_refers_to_it(wrapper: Any, size: int) -> None:
    """Rule 10: a data set that owns its wrapper is garbage with it; its worker ends."""

    class Dataset:
        def __init__(self) -> None:
            self.stream = wrapper(self.train, size)

        def train(self) -> Any:
            return iter(range(9))

    before = set(threading.enumerate())
    dataset = Dataset()
    dataset.stream.__enter__()
    assert next(dataset.stream) == 0
    gone = weakref.ref(dataset)
    del dataset
    for _ in range(100):  # the worker may be on its way to sleep
        gc.collect()
        if gone() is None:
            break
        threading.Event().wait(0.01)
    assert gone() is None
    for worker in set(threading.enumerate()) - before:
        worker.join(20)
        assert not worker.is_alive()


# Rule 11: None.


@pytest.mark.parametrize("size", SIZES)
def test_rule_11_any_value_is_a_batch(wrapper: Any, size: int) -> None:
    """Rule 11: None, and whatever else, is a batch like any other."""
    values = [None, StopIteration, (), False, NotImplemented, None, Ellipsis]
    with wrapper(Source(values), size) as stream:
        assert epoch(stream) == values


@pytest.mark.parametrize("size", SIZES)
def test_rule_11_arrays(wrapper: Any, size: int) -> None:
    """Rule 11: values that cannot be compared are handed on untouched."""
    arrays = [np.full(3, n) for n in range(5)]
    with wrapper(lambda: iter(arrays), size, 4) as stream:
        read = epoch(stream) + epoch(stream)
    assert [id(array) for array in read] == [id(arrays[n % 5]) for n in range(8)]


# Rule 12: profile.


@pytest.mark.parametrize("size", [0, 2])
def test_rule_12_one_time_per_batch(wrapper: Any, size: int) -> None:
    """Rule 12: one time for each batch that was delivered, none for an end or an error."""
    profile: dict[str, list[float]] = {}
    source = Source([1, 2], [None, Boom()])
    with wrapper(source, size, name="train", profile=profile) as stream:
        assert epoch(stream) == [1, 2]
        assert list(profile) == ["read_batch_train"]
        assert len(profile["read_batch_train"]) == 2
        assert next(stream) is None
        with pytest.raises((Boom, ChildProcessError)):
            next(stream)
    assert len(profile["read_batch_train"]) == 3
    assert all(seconds >= 0 for seconds in profile["read_batch_train"])


def test_rule_12_empty_epoch_has_no_time(wrapper: Any) -> None:
    """Rule 12: an epoch without a batch leaves no time."""
    profile: dict[str, list[float]] = {}
    with wrapper(Source([]), 2, name="void", profile=profile) as stream:
        assert epoch(stream) == []
    assert profile.get("read_batch_void", []) == []


# The interface of the seed.


def test_interface(wrapper: Any) -> None:
    """The seed's callers change the import only."""
    stream = wrapper(Source([1]), 2, -1, "name", {})
    assert stream.name == "name"
    assert iter(stream) is stream
    assert wrapper(Source([1])).name is None
    assert stream.empty()
    with stream as entered:
        assert entered is stream


def test_empty_tells_whether_next_would_wait(wrapper: Any) -> None:
    """`empty` is false as long as a batch or an end is buffered; without a buffer it is true."""
    source = Source([1])
    stream = wrapper(source, 4)
    with stream, stream.allow_buffering:
        source.await_end()
        source.await_end()
    assert not stream.empty()
    assert next(stream) == 1
    assert not stream.empty()
    assert next(stream, "end") == "end"
    assert stream.empty()
    unbuffered = wrapper(Source([1, 2]), 0, 1)
    assert next(unbuffered) == 1
    assert unbuffered.empty()


@pytest.mark.parametrize("passes", [[1, 2], [Boom()], []], ids=["batch", "error", "end"])
def test_empty_is_false_whatever_is_buffered(wrapper: Any, passes: list[Any]) -> None:
    """A batch alone, an error alone and an end alone are something to read."""
    source = Source(passes)
    stream = wrapper(source, 1)
    with stream, stream.allow_buffering:
        source.await_end()
    assert not stream.empty()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"stream_fn": [1, 2]}, r"stream_fn .* \[1, 2\]"),
        ({"stream_fn": None}, "stream_fn .* None"),
        ({"buffer_size": 1.5}, "buffer_size .* 1.5"),
        ({"buffer_size": "train"}, "buffer_size .* 'train'"),
        ({"buffer_size": None}, "buffer_size .* None"),
        ({"epoch_size": 2.0}, "epoch_size .* 2.0"),
        ({"profile": []}, r"profile .* \[\]"),
    ],
)
def test_bad_arguments_are_named(wrapper: Any, arguments: dict[str, Any], named: str) -> None:
    """A bad argument is refused at once, by its name and value."""
    with pytest.raises(TypeError, match=named):
        wrapper(**{"stream_fn": Source([1]), **arguments})


def test_integers_of_numpy_are_integers(wrapper: Any) -> None:
    """Sizes may be of any type that stands for an integer."""
    with wrapper(Source(range(3)), np.int64(2), np.int32(2)) as stream:
        assert epoch(stream) == [0, 1]


@pytest.mark.parametrize("size", [0, 2])
def test_rule_1_context_reaches_the_source(size: int, wrapper: Any) -> None:
    """Rule 1: the source runs in a copy of the context in which the `with` was entered."""
    variable = contextvars.ContextVar("variable", default="outside")

    def source() -> Any:
        for _ in range(2):
            yield variable.get(), str(decimal.Decimal(1) / 7)

    with decimal.localcontext() as context:
        context.prec = 5
        token = variable.set("inside")
        with wrapper(source, size) as stream:
            read = list(stream)
        variable.reset(token)
    assert read == [("inside", "0.14286")] * 2


def test_rule_10_abandoned_with_an_open_gate(wrapper: Any) -> None:
    """Rule 10: the worker of a garbage wrapper ends before its next pull, a gate open or not."""
    source = Source(range(10**6), held=True)

    def use() -> Any:
        stream = wrapper(source, 10**9)
        stream.__enter__()
        stream.allow_buffering.__enter__()
        source.await_start()
        source.go()
        assert next(stream) == 0
        source.await_start()
        return weakref.ref(stream), stream._core.entry

    garbage, entry = use()
    gc.collect()
    assert garbage() is None
    source.free()
    entry.thread.join(20)
    assert not entry.thread.is_alive()
    assert source.pulls == 2

"""What is read, by the rules of the contract: 1, 2, 7, 11 and 12, and the interface.

The tests of the contract use nothing but the public interface, so that they run on any class that
has it (`--subject emloop`), and fail on one that breaks the rule.
"""

from __future__ import annotations

import contextvars
import decimal
from typing import Any

import numpy as np
import pytest

from ..support.sources import BUFFERS, SIZES, Boom, Source, Uniterable, epoch, take

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
    """Rule 7: with a buffer it is the cause of a ChildProcessError, after the batches."""
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
    """Rule 7: an error that was not delivered survives stop and restart, after its batches."""
    source = Source([1, Boom()])
    stream = wrapper(source, 4)
    with stream, stream.allow_buffering:
        source.await_end(2)
    with stream:
        assert next(stream) == 1
    with pytest.raises(ChildProcessError):
        next(stream)


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
        source.await_end(2)
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

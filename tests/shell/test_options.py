"""A time limit for one read, a source that gets the epoch, and errors that differ in type."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import re
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest

from kernel import SourceError, StreamWrapper, WorkerDied

from ..support.sources import LONG, Boom, Source, epoch
from ..support.walks import replay

SIZES = [0, 1, 4]


# The epoch's number.


@pytest.mark.parametrize("size", SIZES)
def test_with_epoch(size: int) -> None:
    """The source gets the number of the epoch in which its pass begins: errors end epochs, too."""
    told: list[int] = []

    def source(number: int) -> Any:
        told.append(number)
        return replay(script[number])

    script: list[list[Any]] = [[0, 1], [], [2, Boom()], [3, 4]]
    with StreamWrapper(source, size, with_epoch=True) as stream, stream.allow_buffering:
        assert [epoch(stream), epoch(stream), next(stream)] == [[0, 1], [], 2]
        with pytest.raises((Boom, SourceError)):
            next(stream)
        assert epoch(stream) == [3, 4]
        assert told[:4] == [0, 1, 2, 3]


def test_with_epoch_is_no_guess() -> None:
    """Without `with_epoch` a function that could take a number gets none."""
    assert epoch(StreamWrapper(lambda start=7: [start])) == [7]
    with pytest.raises(TypeError):
        next(StreamWrapper(lambda number: [number]))


# A limit for one read.


def test_get_within_its_time() -> None:
    source = Source(range(4), held=True)
    with StreamWrapper(source, 2, name="named") as stream:
        for timeout in 0, 0.01, Fraction(1, 100):
            with pytest.raises(TimeoutError) as caught:
                stream.get(timeout=timeout)  # type: ignore[arg-type]
            text = f"StreamWrapper 'named' has given no batch for {float(timeout)} seconds."
            assert str(caught.value) == text
        source.free()
        assert stream.get(timeout=LONG) == 0
        assert stream.get(timeout=math.inf) == 1
        assert stream.get() == 2
        assert stream.get(timeout=None) == 3
        with pytest.raises(StopIteration):
            stream.get(timeout=LONG)


@pytest.mark.parametrize("size", [0, 3])
def test_get_zero_takes_what_is_there(size: int) -> None:
    with StreamWrapper(Source(range(2)), size) as stream:
        with stream.allow_buffering:
            while size and not stream._core.run.marks:
                time.sleep(0)
        assert stream.get(timeout=0) == 0
        assert stream.get(0) == 1
        with pytest.raises(StopIteration):
            stream.get(0)


def test_get_of_bad_arguments() -> None:
    stream = StreamWrapper(Source(range(2)))
    for wrong in "1", [], {}, object():
        with pytest.raises(TypeError, match="timeout must be a number or None"):
            stream.get(wrong)  # type: ignore[arg-type]
    for wrong in -1, -0.1, math.nan, -math.inf:
        with pytest.raises(ValueError, match="timeout must be at least 0"):
            stream.get(wrong)  # type: ignore[arg-type]
    assert stream.get() == 0


def test_get_has_a_time_in_the_profile_if_it_has_a_batch() -> None:
    profile: dict[str, list[float]] = {}
    source = Source([0], held=True)
    with StreamWrapper(source, 2, name="named", profile=profile) as stream:
        with pytest.raises(TimeoutError):
            stream.get(timeout=0.01)
        assert profile == {}
        source.free()
        assert stream.get(timeout=LONG) == 0
    assert len(profile["read_batch_named"]) == 1


def test_get_again_and_again_grows_nothing() -> None:
    source = Source(range(3), held=True)
    with StreamWrapper(source, 2) as stream:

        def polls(number: int) -> None:
            for _ in range(number):
                with suppress(TimeoutError):
                    stream.get(timeout=1e-5)

        polls(50)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        polls(2000)
        gc.collect()
        more = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert more < 20_000
        assert len(stream._core.turns) <= 1
        assert len(stream._core.requests) <= 1
        source.free()
        assert epoch(stream) == [0, 1, 2]


@pytest.mark.parametrize("name", ["stall_after", "stop_timeout"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("1", TypeError),
        (1j, TypeError),
        (-1, ValueError),
        (math.nan, ValueError),
        pytest.param(10**400, ValueError, id="huge"),
    ],
)
def test_a_bad_time_is_named(name: str, value: Any, error: type[Exception]) -> None:
    """A bad argument is refused at once, by its name and value."""
    with pytest.raises(error, match=f"^{name} must be .*, not {re.escape(repr(value))}"):
        StreamWrapper(list, 2, **{name: value})  # type: ignore[arg-type]


class Untold:
    """A value that cannot be written."""

    def __repr__(self) -> str:
        raise OSError("no text")


@pytest.mark.parametrize("value", [10**5000, -(10**5000), Untold()], ids=["huge", "low", "untold"])
@pytest.mark.parametrize("name", ["stream_fn", "profile", "stop_timeout", "stall_after", "record"])
def test_a_value_that_cannot_be_written_is_named(name: str, value: Any) -> None:
    """The error is the argument's own and names the type: 5,000 digits have no text."""
    with pytest.raises(
        (TypeError, ValueError), match=f"^{name} must be .*, not <.*{type(value).__name__} object"
    ):
        StreamWrapper(**{"stream_fn": list, name: value})


# Errors that differ in type.


def fails(size: int = 2) -> Any:
    def source() -> Iterator[int]:
        yield 0
        raise FileNotFoundError(2, "No such file", "a.npy")

    return StreamWrapper(source, size, name="named")


def test_rule_7_user_code_that_retries() -> None:
    """Rule 7: both are OSErrors, as the seed's are; user code leaves them out by name."""
    tries = 0
    with fails() as stream:
        assert next(stream) == 0
        while True:
            try:
                tries += 1
                next(stream)
            except (SourceError, WorkerDied) as error:
                told = error
                break
            except OSError:
                continue
    assert tries == 1
    assert isinstance(told, ChildProcessError)
    assert issubclass(WorkerDied, OSError)
    assert not issubclass(WorkerDied, SourceError)
    assert not issubclass(SourceError, WorkerDied)


def test_rule_7_errors_cross_processes() -> None:
    """Rule 7: pickled and copied, they are what they were, with the text that names the cause."""
    with fails() as stream:
        assert next(stream) == 0
        with pytest.raises(SourceError) as caught:
            next(stream)
    assert type(caught.value.__cause__) is FileNotFoundError
    assert caught.value.__cause__.__traceback__ is not None
    for error in caught.value, WorkerDied("The worker of StreamWrapper 'named' is gone."):
        for again in pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error):  # noqa: S301  # ours
            assert (type(again), str(again)) == (type(error), str(error))
            assert again.errno is None
    assert "FileNotFoundError: [Errno 2] No such file: 'a.npy'" in str(caught.value)

"""What the errors say: what happened, and to which stream."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from kernel import SourceError, StreamWrapper

from ..support.sources import Aside, Boom, Source, enter_dead


def own_source(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What a stream gives whose source makes this call on it."""

    def read(wrapper: Any) -> None:
        def own() -> Any:
            yield call(stream)

        stream = wrapper(own, 2, name="s")
        with stream:
            try:
                next(stream)
            except ChildProcessError as error:
                raise error.__cause__ from None

    return read


def dead(wrapper: Any) -> None:
    """Read a stream whose worker cannot start."""
    next(enter_dead(wrapper(Source([1]), 2, name="s")))


def entered_while_read(wrapper: Any) -> None:
    """Enter a stream while another thread waits in `next`."""
    source = Source([1], held=True)
    stream = wrapper(source, name="s")
    reader = Aside(lambda: next(stream))
    source.await_start()
    try:
        stream.__enter__()
    finally:
        source.free()
        reader.result()


def fails(wrapper: Any) -> None:
    """Read a stream whose source raises."""
    with wrapper(Source([Boom()]), 2, name="s") as stream:
        next(stream)


MESSAGES = {
    "StreamWrapper 's' was entered twice.": lambda wrapper: (
        wrapper(Source([1]), name="s").__enter__().__enter__()
    ),
    "StreamWrapper 's' was entered while another thread reads it.": entered_while_read,
    "StreamWrapper 's' was entered by its own source.": own_source(lambda s: s.__enter__()),
    "StreamWrapper 's' was left by its own source.": own_source(lambda s: s.__exit__()),
    "StreamWrapper 's' is read by its own source.": own_source(next),
    "StreamWrapper 's' was left without having been entered.": lambda wrapper: wrapper(
        Source([1]), name="s"
    ).__exit__(),
    "StreamWrapper 's' has a buffer of size 3: enter it by `with` before reading it.": (
        lambda wrapper: next(wrapper(Source([1]), 3, name="s"))
    ),
    "A gate of StreamWrapper 's' was left without being entered.": lambda wrapper: wrapper(
        Source([1]), name="s"
    ).allow_buffering.__exit__(),
    "The source of StreamWrapper 's' raised Boom.": fails,
    "The source of StreamWrapper 's' raised StopIteration.": lambda wrapper: next(
        wrapper(Source(StopIteration()), name="s")
    ),
    "The worker of StreamWrapper 's' ended unexpectedly.": dead,
    "StreamWrapper 's' can be neither copied nor pickled.": lambda wrapper: copy.copy(
        wrapper(Source([1]), name="s")
    ),
}


@pytest.mark.parametrize("message", MESSAGES)
def test_message(message: str) -> None:
    """Every error says what happened to which stream."""
    with pytest.raises((RuntimeError, ValueError, TypeError, ChildProcessError)) as caught:
        MESSAGES[message](StreamWrapper)
    assert str(caught.value) == message


def test_thread_bears_the_name() -> None:
    """A worker is known by its stream's name wherever threads are listed."""
    with StreamWrapper(Source([1]), 2, name="s"):
        assert "StreamWrapper 's'" in {thread.name for thread in threading.enumerate()}


class Hostile(Exception):
    """An error whose message cannot be had."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


class Unnamed(type):
    """A class whose name cannot be had."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise KeyboardInterrupt


class Hidden(Exception, metaclass=Unnamed):
    """An error whose class hides its name."""


class Text(str):
    """A text that cannot be used."""

    def __format__(self, spec: str) -> str:
        raise OverflowError

    def __bool__(self) -> bool:
        raise OverflowError


class Textual(Exception):
    def __str__(self) -> str:
        return Text("told")


class Liar(Exception):
    """It says that it is an end."""

    __class__ = StopIteration  # type: ignore[assignment]


class Cross(Exception):
    """It does not say what it is."""

    @property
    def __class__(self) -> Any:
        raise OverflowError


@pytest.mark.parametrize("error", [Textual, Liar, Cross])
@pytest.mark.parametrize("has_gate", [False, True])
@pytest.mark.parametrize("size", [0, 3])
def test_rule_7_odd_errors(error: Any, size: int, has_gate: bool) -> None:
    """Rule 7: an error is an error, and is told, whatever its class says of it."""

    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise error

    stream = StreamWrapper(source, size)
    with stream, stream.allow_buffering if has_gate else nullcontext():
        assert [next(stream), next(stream)] == [1, 2]
        try:
            next(stream)
        except BaseException as told:
            caught = told
        if size:
            assert type(caught) is SourceError
            assert f"raised {error.__name__}" in str(caught)
            caught = caught.__cause__  # type: ignore[assignment]
        assert type(caught) is error
        assert next(stream) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileNotFoundError(2, "No such file", "a.npy"), "[Errno 2] No such file: 'a.npy'."),
        (KeyError("b"), "KeyError: 'b'."),
        (Hostile(), "Hostile: (its message cannot be told)."),
        (Hidden("why"), "Hidden: why."),
    ],
)
def test_rule_7_the_error_names_its_cause(error: Exception, told: str) -> None:
    """Rule 7: the ChildProcessError says what the source raised, whatever its class does."""
    with StreamWrapper(Source([error]), 2) as stream, pytest.raises(ChildProcessError) as caught:
        next(stream)
    assert str(caught.value).endswith(told)
    assert caught.value.__cause__ is error

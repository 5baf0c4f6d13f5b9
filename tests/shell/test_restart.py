"""Starting over: a fresh pass of the same epoch."""

from __future__ import annotations

import contextvars
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kernel import StreamWrapper
from kernel.core import LIGHT

from ..support.sources import Aside, Finally, Source, epoch, take, until
from .resume_programs import Bell, Boom

SIZES = [0, 1, 4]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("given", [0, 1, 3])
def test_restart(size: int, given: int) -> None:
    """A fresh pass and a fresh epoch, inside and outside, at its beginning, middle and end."""
    source = Finally(3)
    stream = StreamWrapper(source, size, 3)
    with stream, stream.allow_buffering:
        first = [batch for _, batch in take(stream, given)]
        stream.restart()
        assert stream._core.is_inside()
        assert [batch for _, batch in epoch(stream)] == [0, 1, 2]
    assert first == list(range(given))
    assert [batch for _, batch in take(stream, 1)] == [0]
    stream.restart()
    assert [batch for _, batch in epoch(stream)] == [0, 1, 2]
    assert {*range(1, source.begun + 1)} - {*source.closed} <= {source.begun}


def test_restart_counts_the_epoch_from_its_beginning() -> None:
    """The epoch is the same one, by its number too; its first batches count no more."""
    told: list[int] = []

    def source(number: int) -> Any:
        told.append(number)
        return range(5)

    stream = StreamWrapper(source, 0, 3, with_epoch=True)
    assert epoch(stream) == [0, 1, 2]
    assert take(stream, 1) == [3]
    stream.restart()
    state = stream.state_dict()
    assert (state["epoch"], state["batches_in_epoch"], state["batches_in_pass"]) == (1, 0, 0)
    assert epoch(stream) == [0, 1, 2]
    assert told == [0, 1]
    again = StreamWrapper(source, 2, 3, with_epoch=True)
    again.load_state_dict(stream.state_dict())
    with again:
        assert epoch(again) == [3, 4, 0]


@pytest.mark.parametrize("size", SIZES)
def test_restart_outside_leaves_nothing_behind(size: int) -> None:
    """Again and again: no ring and no leaver is kept."""
    stream = StreamWrapper(lambda: range(3), size)
    with stream:
        assert next(stream) == 0
    for _ in range(50):
        stream.restart()
        assert next(stream) == 0
    core = stream._core
    assert core.entry is not None
    assert core.entry.bell.qsize() <= 4
    assert len(core.entry.leavers) + len(core.entry.over) <= 4


@pytest.mark.parametrize("size", SIZES)
def test_restart_drops_an_error(size: int) -> None:
    """An error that is pending is given up with what is buffered."""
    stream = StreamWrapper(Source([0, Boom()], [1, 2]), size)
    with stream, stream.allow_buffering:
        assert next(stream) == 0
        while size and not stream._core.run.marks:
            time.sleep(0)
        stream.restart()
        assert epoch(stream) == [1, 2]


def test_restart_while_another_thread_reads() -> None:
    """It is refused, and changes nothing."""
    source = Source(range(3), held=True)
    with StreamWrapper(source, 2) as stream:
        reader = Aside(lambda: epoch(stream))
        source.await_start()
        with pytest.raises(RuntimeError, match="being read by another thread"):
            stream.restart()
        source.free()
        assert reader.result() == [0, 1, 2]


class Lightly(Bell):
    """The bell of a consumer, in whose first light sleep something happens."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self.acts = [act]

    def get(self, block: bool, timeout: float) -> None:
        if timeout == LIGHT and self.acts:
            self.acts.pop()()
        super().get(block, timeout)


def test_restart_beside_a_light_sleep() -> None:
    """A light sleeper reads on in the fresh pass, as if it had called `next` a little later."""
    source = Source(range(3), range(10, 13), held=True)

    def restarts() -> None:
        restarting = Aside(stream.restart)
        until(lambda: stream._core.entry.over)  # type: ignore[union-attr]
        source.free()
        restarting.result()

    with StreamWrapper(source, 2) as stream, stream.allow_buffering:
        source.await_start()
        stream._core.bell = bell = Lightly(restarts)
        assert epoch(stream) == [10, 11, 12]
    assert not bell.acts


def test_restart_refuses_who_ends_a_light_sleep() -> None:
    """While the restart waits for the worker, nobody else gets a turn; the restart is done."""
    source = Source(range(3), range(10, 13), held=True)
    restarting: list[Aside] = []

    def restarts() -> None:
        restarting.append(Aside(stream.restart))
        until(lambda: stream._core.entry.over)  # type: ignore[union-attr]

    with StreamWrapper(source, 2) as stream, stream.allow_buffering:
        source.await_start()
        stream._core.bell = Lightly(restarts)
        with pytest.raises(RuntimeError, match="being read by another thread"):
            next(stream)
        source.free()
        restarting[0].result()
        assert epoch(stream) == [10, 11, 12]


def test_restart_that_is_interrupted() -> None:
    """It can be done again, and `with` can be left."""
    source = Source(range(3), held=True)
    with StreamWrapper(source, 2) as stream:
        with stream.allow_buffering:
            source.await_start()
        real = stream._core.glance
        stream._core.__dict__["glance"] = Strikes()
        with pytest.raises(KeyboardInterrupt):
            stream.restart()
        stream._core.__dict__["glance"] = real
        source.free()
    with stream:
        stream.restart()
        assert epoch(stream) == [0, 1, 2]


class Strikes(float):
    """Seconds that raise when compared: an interrupt of a thread that is about to sleep."""

    def __lt__(self, other: object) -> bool:
        raise KeyboardInterrupt

    __gt__ = __lt__


def test_restart_in_a_handler_of_a_waiting_next() -> None:
    """Rule 13: a handler may not take the epoch from a thread that waits; nothing changes."""
    source = Source(range(3), held=True)
    said: list[str] = []

    class Handles(Bell):
        def get(self, block: bool, timeout: float) -> None:
            if not said:
                with pytest.raises(RuntimeError) as caught:
                    stream.restart()
                said.append(str(caught.value))
                source.free()
            super().get(block, timeout)

    with StreamWrapper(source, 2) as stream:
        stream._core.bell = Handles()
        assert epoch(stream) == [0, 1, 2]
    assert said == ["StreamWrapper None was restarted while it is read, closed or restarted."]


def test_restart_of_a_record() -> None:
    """A record ends where the stream is restarted, and is a whole one where it is closed."""
    file = io.StringIO()
    with StreamWrapper(Source(range(3)), 2, record=file) as stream:
        assert next(stream) == 0
        stream.close()
    text = file.getvalue()
    assert '"Leave"' in text
    assert '"Halt"' in text
    with StreamWrapper(Source(range(3)), 2, record=io.StringIO()) as stream:
        with pytest.warns(RuntimeWarning, match="ends early: the stream was restarted"):
            stream.restart()
        assert epoch(stream) == [0, 1, 2]


@pytest.mark.parametrize("size", SIZES)
def test_rule_1_restart_keeps_the_context(size: int) -> None:
    """Rule 1: the source goes on in the context in which `with` was entered."""
    variable = contextvars.ContextVar("variable", default="none")

    def source() -> Iterator[str]:
        while True:
            yield variable.get()

    stream = StreamWrapper(source, size)
    variable.set("entered")
    with stream:
        assert next(stream) == "entered"
        stream.restart()
        assert contextvars.Context().run(stream.restart) is None
        if size:
            variable.set("later")
        assert next(stream) == "entered"
    with stream:
        stream.restart()
        assert next(stream) == ("later" if size else "entered")

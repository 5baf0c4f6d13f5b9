"""A source that hangs: stop_timeout."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kernel import StreamWrapper, pull, scope

from ..support.sources import LONG, Aside, Source, epoch, give_up, take
from ..support.traces import judge


class Stuck:
    """A source whose pass hangs in a given pull, until it is let go; pass 1 gives (1, 0), ..."""

    def __init__(self, pulls: int, at: str = "next") -> None:
        self.pulls = pulls
        self.at = at
        self.begun = 0
        self.hangs = threading.Event()
        self.go = threading.Event()
        self.thread: threading.Thread | None = None

    def wait(self) -> None:
        self.thread = threading.current_thread()
        self.hangs.set()
        assert self.go.wait(LONG)

    def __call__(self) -> Iterator[Any]:
        self.begun += 1
        number = self.begun
        if number == 1 and self.at == "stream_fn":
            self.wait()
        return self.one_pass(number)

    def one_pass(self, number: int) -> Iterator[Any]:
        for batch in range(4):
            if number == 1 and batch == self.pulls and self.at != "stream_fn":
                self.wait()
                if self.at == "end":
                    return
                if self.at == "error":
                    raise OSError
            yield number, batch

    def let_go(self) -> None:
        """Let the hanging pull return, and wait until its thread has ended."""
        self.go.set()
        assert self.thread is not None
        self.thread.join(LONG)
        assert not self.thread.is_alive()


FRESH = [(2, 0), (2, 1), (2, 2), (2, 3)]


def given_up(source: Stuck, size: int = 4, **options: Any) -> Any:
    """A stream that was left while the source hung."""
    wrapped = StreamWrapper(source, size, name="stuck", stop_timeout=0.01, **options)
    give_up(wrapped, lambda: source.hangs.wait(LONG), r"'stuck'.* 0\.01 seconds")
    return wrapped


def buried(wrapped: Any) -> None:
    """The next event is a ChildProcessError because of the TimeoutError."""
    with pytest.raises(ChildProcessError) as caught:
        next(wrapped)
    assert isinstance(caught.value.__cause__, TimeoutError)


def test_a_pull_that_hangs_is_given_up() -> None:
    """Rules 3 and 8: what is buffered is kept, then comes the error, and then a fresh pass."""
    source = Stuck(2)
    wrapped = given_up(source)
    assert take(wrapped, 2) == [(1, 0), (1, 1)]
    buried(wrapped)
    assert epoch(wrapped) == FRESH
    source.let_go()


@pytest.mark.parametrize("at", ["stream_fn", "next", "end", "error"])
@pytest.mark.parametrize("when", ["before", "buried", "in the fresh pass", "with a new worker"])
def test_a_thread_that_was_given_up_changes_nothing(at: str, when: str) -> None:
    """Rule 1: whatever its pull answers at last, and whenever, nobody sees it."""
    source = Stuck(0, at)
    wrapped = given_up(source)

    def let_go(now: str) -> None:
        if now == when:
            run = wrapped._core.run
            held = lambda: ([*run.batches], [*run.marks], run.progress, run.iterator)  # noqa: E731
            before = held()
            source.let_go()
            assert wrapped._core.run is run
            assert held() == before

    let_go("before")
    buried(wrapped)
    let_go("buried")
    assert next(wrapped) == FRESH[0]
    let_go("in the fresh pass")
    with wrapped:
        assert next(wrapped) == FRESH[1]
        let_go("with a new worker")
        assert epoch(wrapped) == FRESH[2:]
        with wrapped.allow_buffering:
            assert next(wrapped) == (3, 0)
    assert take(wrapped, 3) == [(3, 1), (3, 2), (3, 3)]


def test_a_thread_that_was_given_up_may_die(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 1: nor does it matter to the next worker if that thread ends by an error of its own."""
    source = Stuck(0, "error")
    wrapped = given_up(source)
    reported = pull.as_reported

    def fails(error: BaseException, label: str, buffered: bool) -> BaseException:
        if threading.current_thread() is source.thread:
            raise MemoryError
        return reported(error, label, buffered)

    monkeypatch.setattr(pull, "as_reported", fails)
    buried(wrapped)
    with wrapped:
        assert next(wrapped) == FRESH[0]
        source.let_go()
        assert epoch(wrapped) == FRESH[1:]


def test_a_pull_that_returns_at_the_last_moment_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 1 and 3: a worker that has ended is not given up. Its pass goes on."""
    source = Stuck(0)
    give_up = scope.give_up

    def late(core: Any, *arguments: Any) -> bool:
        source.let_go()
        return give_up(core, *arguments)

    monkeypatch.setattr(scope, "give_up", late)
    with StreamWrapper(source, 4, stop_timeout=0.01) as wrapped, wrapped.allow_buffering:
        assert source.hangs.wait(LONG)
    assert epoch(wrapped) == [(1, 0), (1, 1), (1, 2), (1, 3)]


def test_a_batch_that_was_not_put_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 8: a worker that is given up with a batch in hand, which it has not put, took none."""
    source, file = Stuck(1), io.StringIO()
    give_up = scope.give_up

    def stuck(core: Any, *arguments: Any) -> bool:
        core.run.hand = "Enqueue", core.run.progress, core.run.puts + 1, None
        return give_up(core, *arguments)

    monkeypatch.setattr(scope, "give_up", stuck)
    wrapped = given_up(source, record=file)
    assert next(wrapped) == (1, 0)
    buried(wrapped)
    assert judge([json.loads(line) for line in file.getvalue().splitlines()])[0] == 0
    source.let_go()


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_rule_10_the_error_of_the_body_is_not_hidden(kind: type[BaseException]) -> None:
    """Rule 10: a stop that takes too long lets the error pass that the body raised."""
    source = Stuck(0)
    body = kind()

    def use() -> None:
        with StreamWrapper(source, 2, stop_timeout=0) as wrapped, wrapped.allow_buffering:
            assert source.hangs.wait(LONG)
            raise body

    with pytest.raises(kind) as caught:
        use()
    assert caught.value is body
    source.let_go()


def test_a_stop_that_was_interrupted_is_given_up_by_the_next_entry() -> None:
    """Rule 10: entering ends a stop first, and not for longer either."""
    source = Stuck(0)
    wrapped = StreamWrapper(source, 2, stop_timeout=0)
    wrapped.__enter__()
    with wrapped.allow_buffering:
        assert source.hangs.wait(LONG)
    wrapped._core.entry.over.append(None)  # as an interrupt leaves it
    with pytest.raises(TimeoutError):
        wrapped.__enter__()
    with wrapped:
        buried(wrapped)
    source.let_go()
    with wrapped:
        assert epoch(wrapped) == FRESH


def test_who_waits_hears_of_it() -> None:
    """Rules 8 and 9: a consumer in another thread gets an error, and so does one that leaves."""
    source = Stuck(0)
    wrapped = StreamWrapper(source, 2, stop_timeout=0.01)
    wrapped.__enter__()
    reader = Aside(lambda: next(wrapped))
    assert source.hangs.wait(LONG)
    leavers = [Aside(lambda: wrapped.__exit__(None, None, None)) for _ in range(2)]
    with pytest.raises(ChildProcessError) as caught:
        reader.result()
    assert isinstance(caught.value.__cause__, TimeoutError)
    outcomes = []
    for leaver in leavers:
        try:
            outcomes.append(leaver.result())
        except (TimeoutError, RuntimeError) as error:
            outcomes.append(type(error))
    assert TimeoutError in outcomes
    source.let_go()


def test_an_idle_worker_is_never_given_up() -> None:
    """Rule 3: the time is for a pull; a worker that is in none has only to go."""
    source = Source(range(100))
    wrapped = StreamWrapper(source, 2, stop_timeout=0)
    for first in range(0, 40, 2):
        with wrapped, wrapped.allow_buffering:
            assert take(wrapped, 2) == [first, first + 1]
            source.hold()
            while wrapped._core.run.progress[0]:
                source.free()
        source.free()
    assert source.most_active == 1


def test_a_pull_that_returns_in_time_is_kept() -> None:
    """Rule 3: nothing is given up that takes less than the time."""
    source = Source(range(3), held=True)
    wrapped = StreamWrapper(source, 2, stop_timeout=LONG)
    wrapped.__enter__()
    with wrapped.allow_buffering:
        source.await_start()
    leaving = Aside(lambda: wrapped.__exit__(None, None, None))
    assert leaving.waits
    source.free()
    leaving.result()
    assert epoch(wrapped) == [0, 1, 2]

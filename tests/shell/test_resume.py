"""Rule 15: a resumed stream gives exactly the rest of what the uninterrupted one gives."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from kernel import SourceError, StreamWrapper

from ..support.sources import Aside, Source, epoch, take
from .resume_programs import Boom, Counted, Cursor, program, resume

ENOUGH = 2000  # programs in which each broken resume is found


@pytest.mark.timeout(500)
def test_rule_15_random_programs(request: pytest.FixtureRequest) -> None:
    """Rule 15: programs with resumes at any place and any number of them, on real threads."""
    programs = request.config.getoption("--resumes")
    wrong = [(number, said) for number in range(programs) if (said := program(number))]
    assert wrong == []


IN_EPOCH, IN_PASS, AFTER = "batches_in_epoch", "batches_in_pass", "batches_after_source"

BROKEN: dict[str, Callable[[dict[str, Any], Any], dict[str, Any]]] = {
    "counts what was pulled": lambda state, run: {
        key: state[key] + len(run.batches) for key in (IN_EPOCH, IN_PASS, AFTER)
    },
    "forgets a pending end": lambda state, _: (
        {IN_EPOCH: 0, "epoch": state["epoch"] + 1}
        if 0 < state["epoch_size"] == state[IN_EPOCH]
        else {}
    ),
    "counts since the resume": lambda state, run: {
        IN_EPOCH: min(state[IN_EPOCH], run.given()),
        **dict.fromkeys((IN_PASS, AFTER), min(state[IN_PASS], run.given())),
        "source": None,
    },
    "forgets the pass at a boundary": lambda state, _: (
        {} if state[IN_EPOCH] else {IN_PASS: 0, AFTER: 0, "source": None}
    ),
    "forgets the epoch of the pass": lambda state, _: {"pass_epoch": state["epoch"]},
    "forgets what follows a snapshot": lambda state, _: (
        {} if state["source"] is None else {AFTER: 0}
    ),
}
"""What is wrong in the state that is handed on."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_resume_is_found(name: str) -> None:
    """The same programs find what is wrong with a resume."""

    def broken(before: Any, stream: Any) -> None:
        state = before.state_dict()
        stream.load_state_dict(state | BROKEN[name](state, before._core.run))

    def is_refuted(number: int) -> bool:
        try:
            return bool(program(number, broken))
        except ValueError:  # there is no such place
            return True

    assert any(map(is_refuted, range(ENOUGH)))


def test_a_state_that_goes_on_changing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same programs find a snapshot that is the source's own object."""
    monkeypatch.setattr("kernel.run.copy", SimpleNamespace(deepcopy=lambda state: state))
    assert any(program(number) for number in range(ENOUGH))


# The place: at the ends of epochs and passes, with what is pending.


@pytest.mark.parametrize("size", [0, 1, 4])
@pytest.mark.parametrize("epoch_size", [0, 1, 2, 3, 5])
def test_rule_15_at_every_place(size: int, epoch_size: int) -> None:
    """Rule 15: also twice in one place, and again from the resumed one."""

    def source() -> Iterator[int]:
        yield from range(5)

    def events(stream: Any, count: int) -> list[Any]:
        return [next(stream, "end") for _ in range(count)]

    whole = events(StreamWrapper(source, 0, epoch_size), 24)
    for first in range(12):
        for second in 0, 1, 4:
            stream = StreamWrapper(source, size, epoch_size)
            with stream, stream.allow_buffering:
                assert events(stream, first) == whole[:first]
                again = StreamWrapper(source, size, epoch_size)
                resume(stream, again)
            with again, again.allow_buffering:
                assert events(again, second) == whole[first : first + second]
                assert again.state_dict() == again.state_dict()
                last = StreamWrapper(source, size, epoch_size)
                resume(again, last)
            with last:
                assert events(last, 8) == whole[first + second :][:8]


def test_rule_4_a_pending_end_waits_for_the_first_with() -> None:
    """Rules 4 and 15: a buffered stream is read after it was entered, also where an end is due."""
    stream = StreamWrapper(Source(range(5)), 2, 2)
    with stream:
        assert take(stream, 2) == [0, 1]
        state = stream.state_dict()
    again = StreamWrapper(Source(range(5)), 2, 2)
    again.load_state_dict(state)
    with pytest.raises(ValueError, match="enter it"):
        next(again)
    with again:
        assert [next(again, "end") for _ in range(3)] == ["end", 2, 3]


def test_rule_15_the_state_is_what_was_given_whatever_is_buffered() -> None:
    """Rule 15: what was prefetched, an end and an error after it, is not in a state."""
    source = Source([0, 1, 2, Boom()], held=True)
    with StreamWrapper(source, 8) as stream, stream.allow_buffering:
        before = stream.state_dict()
        source.go(4)
        source.await_end(4)
        assert stream.state_dict() == before
        assert next(stream) == 0
        state = stream.state_dict()
    assert (state["batches_in_epoch"], state["batches_in_pass"]) == (1, 1)
    assert stream.state_dict() == state
    again = StreamWrapper(Source([0, 1, 2, Boom()]), 8)
    again.load_state_dict(state)
    with again:
        assert take(again, 2) == [1, 2]
        with pytest.raises(SourceError):
            next(again)
        assert again.state_dict()["epoch"] == 1


def test_rule_15_a_state_that_was_loaded_is_said_again() -> None:
    """Rule 15: a stream that was resumed and not read is where the other was."""
    stream = StreamWrapper(lambda: Cursor([0, 1, 2, 3]), 0, 3, snapshot_every=2)
    assert take(stream, 3) == [0, 1, 2]
    state = stream.state_dict()
    assert (state["source"], state["batches_after_source"]) == ({"at": [2]}, 1)
    again = StreamWrapper(lambda: Cursor([0, 1, 2, 3]), 2, 3, snapshot_every=0)
    again.load_state_dict(state)
    assert again.state_dict() == state
    with again:
        assert again.state_dict() == state
        assert next(again, "end") == "end"
        assert next(again) == 3
    assert again.state_dict()["batches_after_source"] == 2


def test_rule_15_pass_that_began_in_an_earlier_epoch() -> None:
    """Rule 15: its source gets the number of that epoch again."""
    told: list[int] = []

    def source(number: int) -> Iterator[Any]:
        told.append(number)
        return ((number, at) for at in range(5))

    stream = StreamWrapper(source, 0, 2, with_epoch=True)
    assert epoch(stream) == [(0, 0), (0, 1)]
    assert take(stream, 1) == [(0, 2)]
    again = StreamWrapper(source, 3, 2, with_epoch=True)
    resume(stream, again)
    with again:
        assert [epoch(again), epoch(again)] == [[(0, 3)], [(0, 4), (2, 0)]]
    assert told == [0, 0, 2]


def test_rule_15_passes_without_a_batch_leave_nothing_behind() -> None:
    """Rule 15: a source that fails or is empty for ever does not grow what is kept."""
    for items in [], [Boom()]:
        stream = StreamWrapper(Source(items))
        for _ in range(50):
            with pytest.raises((StopIteration, Boom)):
                next(stream)
        assert len(stream._core.run.starts) == 1
        assert stream.state_dict()["epoch"] == 50


def test_rule_15_what_is_kept_is_bounded_by_the_buffer() -> None:
    """Rule 15: neither the places of passes nor the states of sources pile up."""
    with StreamWrapper(lambda: Cursor([0, 1]), 4, 3) as stream, stream.allow_buffering:
        for _ in range(100):
            epoch(stream)
            run = stream._core.run
            assert len(run.starts) <= 8
            assert len(run.snapshots) <= 8


# The source's own state.


@pytest.mark.parametrize("kind", [Counted, Cursor])
@pytest.mark.parametrize("every", [1, 3, 0])
@pytest.mark.parametrize("size", [0, 2, 8])
def test_rule_15_state_of_the_source(kind: Any, every: int, size: int) -> None:
    """Rule 15: what was said before the last batch is kept, and what follows it is skipped."""
    pulls: list[Any] = []

    class Told(kind):  # type: ignore[misc]
        """Says what it is asked for."""

        def load_state_dict(self, state: Any) -> None:
            pulls.append(json.dumps(state))
            super().load_state_dict(state)

    stream = StreamWrapper(lambda: Told(list(range(10))), size, 20, snapshot_every=every)
    with stream, stream.allow_buffering:
        for given in range(1, 10):
            assert next(stream) == given - 1
            state = stream.state_dict()
            known = (given - 1) // every * every if every else 0
            late = given - state["batches_after_source"]
            assert late == known
            assert state["source"] == ({"at": [known]} if known else None)
            again = StreamWrapper(lambda: Told(list(range(10))), size, 20, snapshot_every=every)
            resume(stream, again)
            with again:
                rest = take(again, 10)
            assert rest == [*range(given, 10), *range(given)]
            assert pulls == ([json.dumps({"at": [known]})] if known else [])
            pulls.clear()


def test_rule_15_state_is_asked_for_as_often_as_said() -> None:
    """Rule 15: a snapshot may be expensive."""
    asked: list[int] = []

    class Dear(Cursor):
        def state_dict(self) -> Any:
            asked.append(self.state["at"][0])
            return super().state_dict()

    for every in 0, 3, 1:
        asked.clear()
        stream = StreamWrapper(lambda: Dear(list(range(7))), 3, snapshot_every=every)
        with stream:
            assert epoch(stream) == list(range(7))
        assert asked == [at for at in range(1, 8) if every and at % every == 0]


class Unsaid(Cursor):
    """It cannot give its state after the second batch."""

    def state_dict(self) -> Any:
        if self.state["at"] == [2]:
            raise NotImplementedError("no state")
        return super().state_dict()


@pytest.mark.parametrize("size", [0, 1, 4])
def test_rule_15_source_that_cannot_say_its_state(size: int) -> None:
    """Rules 1 and 15: reading goes on as without it; asking for the state raises."""
    with StreamWrapper(lambda: Unsaid([0, 1, 2, 3]), size) as stream, stream.allow_buffering:
        assert take(stream, 2) == [0, 1]
        assert stream.state_dict()["source"] == {"at": [1]}
        assert next(stream) == 2
        with pytest.raises(RuntimeError, match=r"NotImplementedError: no state.*snapshot_every=0"):
            stream.state_dict()
        assert next(stream) == 3
        assert stream.state_dict()["source"] == {"at": [3]}
        assert epoch(stream) == []
    plain = StreamWrapper(lambda: Unsaid([0, 1, 2, 3]), size, snapshot_every=0)
    with plain:
        assert take(plain, 3) == [0, 1, 2]
        assert plain.state_dict()["batches_after_source"] == 3


def test_rule_15_source_without_a_state_to_say() -> None:
    """Rule 15: None is no state, and what cannot be loaded is none either."""

    class Nothing(Cursor):
        def state_dict(self) -> Any:
            return None

    class Deaf:
        def __iter__(self) -> Iterator[int]:
            return iter([0, 1, 2])

        def state_dict(self) -> Any:
            return {"weights": 1}

    for source in (lambda: Nothing([0, 1, 2]), Deaf):
        stream, again = StreamWrapper(source), StreamWrapper(source)
        assert next(stream) == 0
        resume(stream, again)
        assert epoch(again) == [1, 2]


def test_rule_15_a_state_may_be_loaded_twice() -> None:
    """Rule 15: a source that writes in what it is given changes nobody's state."""
    stream = StreamWrapper(lambda: Cursor([0, 1, 2, 3]))
    assert take(stream, 2) == [0, 1]
    state = stream.state_dict()
    text = json.dumps(state)
    for _ in range(2):
        again = StreamWrapper(lambda: Cursor([0, 1, 2, 3]), snapshot_every=0)
        again.load_state_dict(state)
        assert next(again) == 2
        assert again.state_dict()["batches_after_source"] == 2
        assert json.dumps(state) == text


def test_rule_15_another_source_is_told() -> None:
    """Rule 15: a source with other batches gives an error that says so, not a wrong rest."""
    stream = StreamWrapper(lambda: Cursor([0, 1, 2]))
    assert take(stream, 3) == [0, 1, 2]
    other = StreamWrapper(lambda: [0, 1, 2])
    resume(stream, other)
    with pytest.raises(ValueError, match=r"cannot load state\['source'\]"):
        next(other)
    short = StreamWrapper(lambda: [0], 2)
    plain = StreamWrapper(lambda: [0, 1, 2])
    assert take(plain, 3) == [0, 1, 2]
    resume(plain, short)
    with short, pytest.raises(SourceError, match="ends after 1 of 3 batches"):
        next(short)
    assert epoch(short) == [0]


def test_rule_15_of_a_record() -> None:
    """Rule 15: a record says where it begins, and that is not where a resumed stream does."""
    before, file = StreamWrapper(Source([0, 1, 2])), io.StringIO()
    assert next(before) == 0
    stream = StreamWrapper(Source([0, 1, 2]), record=file)
    with pytest.warns(RuntimeWarning, match="ends early: the stream was resumed"):
        resume(before, stream)
    assert epoch(stream) == [1, 2]
    assert file.getvalue().count("\n") == 1


def test_rule_15_while_another_thread_reads() -> None:
    """Rule 15: a state of another thread's stream is one of the places where that was."""
    source = Source(range(1000))
    with StreamWrapper(source, 4, 7) as stream, stream.allow_buffering:
        reader = Aside(lambda: [epoch(stream) for _ in range(140)])
        states = [stream.state_dict()]
        while reader._thread.is_alive():
            states.append(stream.state_dict())
        assert len(reader.result()) == 140
    counts = [7 * state["epoch"] + state["batches_in_epoch"] for state in states]
    assert counts == sorted(counts)

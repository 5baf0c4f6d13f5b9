"""`check_source` on passes, errors and threads."""

from __future__ import annotations

import gc
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specs.source import check_source

from .test_source import found, kinds

# Passes.


class Loader:
    """A data set in the manner of a DataLoader."""

    def __init__(self, batches: Any, order: Callable[[], Any] | None = None) -> None:
        self.batches, self.order = batches, order

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches if self.order is None else self.order())


def test_restart() -> None:
    """A stream that gives the same iterator again is found; a loader is not accused."""
    spent = iter([1, 2, 3])
    report = check_source(lambda: spent)
    (finding,) = report.findings
    assert (report.passes, report.threads) == (2, False)
    assert (finding.kind, finding.where) == ("restart", "pass 2")
    assert "the iterator of the pass before" in finding.message
    assert check_source(lambda: iter([1, 2, 3])).ok
    assert check_source(lambda: Loader([1, 2, 3])).ok
    spent = iter([1, 2, 3])  # in another iterator each time; the second has nothing
    finding = found(lambda: (n for n in spent), "restart (pass 2)")
    assert "the iterator of the pass before" not in finding.message


@pytest.mark.parametrize("endless", [lambda: iter(range(10**9)), lambda: (n for n in range(99))])
def test_restart_of_an_endless_pass(endless: Callable[[], Any]) -> None:
    """Passes that are too long to read are known to be the same iterator all the same."""
    going = endless()
    found(lambda: going, "restart (pass 2, batch 0)", batches=10)
    assert check_source(endless, batches=10).ok


class Rewound:
    """An object that is its own iterator, which iter() takes back to a start."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        self.begin = begin

    def __iter__(self) -> Rewound:
        self.items = iter(self.begin())
        return self

    def __next__(self) -> Any:
        return next(self.items)


def test_one_iterator_that_begins_anew() -> None:
    """An object that is its own iterator is sound if iter() takes it back to the start."""
    rewound = Rewound(lambda: range(5))
    assert check_source(lambda: rewound).ok
    assert check_source(lambda: rewound, batches=3).ok


def test_differing_is_not_restarting() -> None:
    """Passes that differ are not taken for one that goes on, be they long or of one iterator."""
    random = np.random.default_rng(0)
    rewound = Rewound(lambda: random.permutation(50))
    assert kinds(check_source(lambda: rewound)) == ["order"]
    assert kinds(check_source(lambda: random.permutation(50), batches=10)) == ["contents"]


def test_not_callable() -> None:
    """A data set in the place of a function is found."""
    loader: Any = Loader([1])
    (finding,) = check_source(loader).findings
    assert finding.kind == "not callable"
    assert "of type Loader" in finding.message


def test_not_iterable() -> None:
    """A function that returns no iterable is found; a TypeError of its own iter is another."""

    class Broken:
        def __iter__(self) -> Iterator[Any]:
            raise TypeError("of its own")

    number: Any = lambda: 3  # noqa: E731
    assert kinds(check_source(number)) == ["not iterable"]
    assert kinds(check_source(Broken)) == ["error"]
    assert check_source(lambda: [3]).ok


def test_empty() -> None:
    """A source without batches is found; one of a single batch is not accused."""
    found(list, "empty (pass 1)")
    assert check_source(list).passes == 3
    assert check_source(lambda: [0]).ok


def passes(*lists: Any) -> Callable[[], Any]:
    """A source with these passes, the last of which is repeated."""
    todo = list(lists)
    return lambda: todo.pop(0) if len(todo) > 1 else todo[0]


@pytest.mark.parametrize(
    ("lists", "kind", "where", "told"),
    [
        (([1, 2, 3], [1, 2]), "length", "pass 2", "pass 1 has 3 batches, pass 2 has 2"),
        (([1], [1, 2]), "length", "pass 2", "pass 1 has 1 batches, pass 2 has 2"),
        (([0, 1, 2], [0, 2, 1]), "order", "pass 2, batch 1", "this was batch 2"),
        (([0, 1, 2], [0, 1, 3]), "contents", "pass 2, batch 2", "the batch (int) has other"),
        (([0, 1, 1], [0, 0, 1]), "contents", "pass 2, batch 1", "the batch (int) has other"),
        (([0, 1], [0, 1.0]), "contents", "pass 2, batch 1", "the batch (float) was int"),
        (([{"x": 1}], [{"y": 1}]), "contents", "pass 2, batch 0", "['x'] is missing, ['y'] (int)"),
        (([[0, 1]], [[0, 2]]), "contents", "pass 2, batch 0", "[1] (int) has other contents"),
        (([0, 1, 2], [0, 1, 2], [0, 1]), "length", "pass 3", "pass 3 has 2"),
        (([0, 1, 2], [0, 1, 2], [0, 1, 7]), "contents", "pass 3, batch 2", "has other contents"),
    ],
)
def test_passes_differ(lists: Any, kind: str, where: str, told: str) -> None:
    """Passes that differ are found, with the first place and with how they differ."""
    found(passes(*lists), f"{kind} ({where})", told)
    assert check_source(passes(lists[0])).ok


def test_a_shorter_pass_than_was_read() -> None:
    """A pass that ends before the bound, where the first did not, is found."""
    told = "pass 1 has at least 3 batches, pass 2 has 2."
    found(passes([1, 2, 3, 4], [1, 2]), "length (pass 2)", told, batches=3)


def test_shapes_differ() -> None:
    """An array of another shape or type is reported as that."""
    lists = [np.zeros((2, 3))], [np.zeros((2, 4), dtype=np.float32)]
    told = "(ndarray of float32 of shape (2, 4)) was ndarray of float64 of shape (2, 3)"
    found(passes(*lists), "contents (pass 2, batch 0)", told)


def test_shuffled() -> None:
    """A shuffled data set differs from one that is not, and the flag allows it."""
    random = np.random.default_rng(0)
    loader = Loader(None, lambda: random.permutation(40).reshape(20, 2))
    assert kinds(check_source(lambda: loader)) == ["contents"]
    assert check_source(lambda: loader, shuffled=True).ok
    assert check_source(lambda: Loader(np.arange(40).reshape(20, 2))).ok


@pytest.mark.parametrize(
    ("lists", "kind", "told"),
    [
        (([1, 2, 3], [5, 6]), "length", "pass 2 has 2"),
        (([{"x": 1}], [{"x": 1, "y": 2}]), "structure", "In pass 2 alone"),
        (([{"x": 1, "y": 2}], [{"x": 1}]), "structure", "In pass 1 alone"),
        (([[np.zeros(2)]], [[np.zeros(2, int)]]), "structure", "[...] is of this kind"),
        (([np.zeros(2)], [np.zeros((2, 1))]), "structure", "ndarray of float64 in 1 dimensions"),
    ],
)
def test_structure(lists: Any, kind: str, told: str) -> None:
    """Shuffled passes must have the same length, keys, types and numbers of dimensions."""
    (finding,) = check_source(passes(*lists), shuffled=True).findings
    assert finding.kind == kind
    assert told in finding.message


def test_structure_of_what_varies() -> None:
    """Sizes, lengths of texts and missing values may vary from pass to pass."""
    one = [{"x": np.zeros((4, 7)), "names": np.array(["ab"]), "ids": [1, 2], "note": None}]
    other = [{"x": np.ones((4, 9)), "names": np.array(["abcd"]), "ids": [1], "note": None}] * 2
    one.append({**one[0], "note": "a"})
    assert check_source(passes(one, other), shuffled=True).ok


# Errors.


def failing(*before: Any, error: BaseException) -> Iterator[Any]:
    """A pass that fails after these batches."""
    yield from before
    raise error from OSError("the disk")


def test_error_in_a_pull() -> None:
    """An error is a finding with its type, place and cause, and without the frames of the check."""
    error = KeyError("key")
    report = check_source(lambda: failing(1, 2, error=error))
    (finding,) = report.findings
    assert (finding.kind, finding.where) == ("error", "pass 1, batch 2")
    assert f"raises KeyError: 'key' ({Path(__file__).name}, line " in finding.message
    assert "because of OSError: the disk" in finding.message
    assert finding.error is error
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_frame.f_code.co_name == "failing"
    assert (report.passes, report.batches, report.threads) == (1, 2, False)
    assert report.bound is None
    assert "Not tried" in str(report)


def test_error_at_the_second_time() -> None:
    """A function that can be called only once is found; so are errors that are no Exceptions."""
    once = iter([[1, 2]])
    found(lambda: next(once), "error (pass 2, stream_fn())")
    found(lambda: failing(error=SystemExit(3)), "error (pass 1, batch 0)", "SystemExit: 3")


def test_keyboard_interrupt() -> None:
    """Ctrl-C goes through, in a pass of one thread and in the one of two."""
    with pytest.raises(KeyboardInterrupt):
        check_source(lambda: failing(error=KeyboardInterrupt()))
    third = passes([1], [1], failing(error=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        check_source(third)


def test_resumes() -> None:
    """An iterator that goes on after its end is found, and does not upset the passes."""

    class Again:
        def __init__(self) -> None:
            self.left = 3

        def __iter__(self) -> Again:
            return self

        def __next__(self) -> int:
            if self.left == 0:
                self.left = 3
                raise StopIteration
            self.left -= 1
            return self.left

    again = Again()
    found(lambda: again, "resumes (pass 3, after batch 2)")
    assert kinds(check_source(Again)) == ["resumes"]


class Scripted:
    """An iterator that gives these answers, or raises them."""

    def __init__(self, *answers: Any) -> None:
        self.answers = iter(answers)

    def __iter__(self) -> Scripted:
        return self

    def __next__(self) -> Any:
        answer = next(self.answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.mark.parametrize("beyond", [ValueError, SystemExit, GeneratorExit])
def test_error_beyond_the_end(beyond: type[BaseException]) -> None:
    """Nobody pulls beyond the end, so an error there is nobody's."""
    assert check_source(lambda: Scripted(1, StopIteration(), beyond())).ok


def test_interrupt_beyond_the_end() -> None:
    """It is the user's, and goes through."""
    third = passes([1], [1], Scripted(1, StopIteration(), KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        check_source(third)


def test_huge_numbers() -> None:
    """What no deque can hold is no limit."""
    assert check_source(lambda: range(3), batches=10**20, buffer_size=10**20).ok


# Threads.


def rows_of_sqlite(**options: Any) -> Callable[[], Iterator[Any]]:
    """A reader of a data base."""

    def stream() -> Iterator[Any]:
        connection = sqlite3.connect(":memory:", **options)
        try:
            yield from connection.execute("select 1 union select 2 union select 3")
        finally:
            connection.close()

    return stream


# From 3.13 on sqlite3 warns of a connection that only a thread that is gone could have closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_thread() -> None:
    """A reader that is bound to a thread is found every time; one that is not, is not accused."""
    for _ in range(20):
        finding = found(rows_of_sqlite(), "thread (pass 3, batch 1)", "ProgrammingError")
        assert isinstance(finding.error, sqlite3.ProgrammingError)
    assert check_source(rows_of_sqlite(check_same_thread=False)).ok
    del finding
    gc.collect()  # what is warned of, is warned of here


def test_thread_of_the_caller() -> None:
    """A connection made before the check, by the caller, is found as well."""
    connection = sqlite3.connect(":memory:")
    found(lambda: connection.execute("select 1"), "thread (pass 3, stream_fn())")
    connection.close()


def test_error_that_is_not_of_the_threads() -> None:
    """A source that fails at the third pass and the fourth is not bound to a thread."""
    three = iter([[1], [1]])
    found(lambda: next(three), "error (pass 4, stream_fn())")


def test_two_threads_in_turn() -> None:
    """In the third pass two threads pull in turn, never at once; before it only the caller's."""
    threads: list[list[str]] = []
    busy = threading.Lock()

    def stream() -> Iterator[Any]:
        threads.append([])
        for number in range(4):
            assert busy.acquire(blocking=False)
            threads[-1].append(threading.current_thread().name)
            busy.release()
            yield number

    assert check_source(stream).ok
    assert threads[:2] == [["MainThread"] * 4] * 2
    assert threads[2] == ["MainThread", "check_source_0"] * 2

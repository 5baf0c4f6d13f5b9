"""`check_source` finds what is wrong with a source, and nothing wrong with its sound twin."""

from __future__ import annotations

import argparse
import array
import gc
import re
import sqlite3
import sys
import threading
import weakref
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specs import source
from specs.source import Report, check_source
from specs.source.fingerprint import fingerprint


def kinds(report: Report) -> list[str]:
    """The kinds of what was found."""
    return [finding.kind for finding in report.findings]


@dataclass
class Example:
    image: Any
    label: int


# Sources in pairs: how the finding is called, one that has it, one that is sound.


def overwritten(copy: bool) -> Any:
    """The classic: one array allocated before the loop."""

    def stream() -> Iterator[Any]:
        out = np.zeros((2, 3))
        for number in range(30):
            out[:] = number
            yield out.copy() if copy else out

    return stream


def shared_in_dict(copy: bool) -> Any:
    """Only one of the arrays is shared."""

    def stream() -> Iterator[Any]:
        mask = np.zeros(4, dtype=bool)
        for number in range(30):
            mask[number % 4] ^= True
            yield {"images": np.full(3, number), "mask": mask.copy() if copy else mask}

    return stream


def ring(size: int) -> Any:
    """A ring of buffers: too few for what waits, or enough."""

    def stream() -> Iterator[Any]:
        buffers = [bytearray(8) for _ in range(size)]
        for number in range(40):
            buffer = buffers[number % size]
            buffer[0] = number
            yield buffer

    return stream


def mapped(path: Path, copy: bool) -> Any:
    """Slices of a memory-mapped file, which the source decodes in place."""

    def stream() -> Iterator[Any]:
        np.save(path, np.arange(12).reshape(6, 2))
        mapping = np.load(path, mmap_mode="r+")
        for rows in np.split(mapping, 3):
            mapping[:2] += 1
            yield rows.copy() if copy else rows

    return stream


def in_dataclass(copy: bool) -> Any:
    def stream() -> Iterator[Any]:
        image = array.array("d", [0, 0])
        for label in range(5):
            image[1] = label
            yield Example(array.array("d", image) if copy else image, label)

    return stream


class Tensor:
    """As much of torch's class as there has to be; its bfloat16 is unknown to numpy."""

    def __init__(self, values: Any, needs: tuple[str, ...] = ("detach", "cpu", "float")) -> None:
        self.values, self.needs = values, needs

    def without(self, need: str) -> Tensor:
        return Tensor(self.values, tuple(n for n in self.needs if n != need))

    def detach(self) -> Tensor:
        return self.without("detach")

    def cpu(self) -> Tensor:
        return self.without("cpu")

    def float(self) -> Tensor:
        return self.without("float")

    def __array__(self) -> Any:
        assert "detach" not in self.needs
        assert "cpu" not in self.needs
        if self.needs:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values


def tensor(copy: bool) -> Any:
    def stream() -> Iterator[Any]:
        out = np.zeros(3)
        for number in range(5):
            out[:] = number
            yield [Tensor(out.copy() if copy else out), number]

    return stream


def rows(copy: bool) -> Any:
    """Rows of a table in one list that is filled again and again, as a whole part of a batch."""

    def stream() -> Iterator[Any]:
        table = [["", 0] for _ in range(100)]
        for number in range(5):
            table[70][1] = number
            yield {"table": [list(row) for row in table] if copy else table}

    return stream


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (overwritten, "the batch (ndarray of float64 of shape (2, 3))"),
        (shared_in_dict, "['mask'] (ndarray of bool of shape (4,))"),
        (in_dataclass, ".image (array)"),
        (tensor, "[0] (Tensor of float64 of shape (3,))"),
        (rows, "['table'] (list)"),
    ],
)
def test_changed(make: Any, part: str) -> None:
    """A batch that the source changes later is found, with the part; a copy is not accused."""
    (finding,) = check_source(make(copy=False)).findings
    assert (finding.kind, finding.where) == ("changed", "pass 1, batch 0")
    assert f"when batch 1 of pass 1 was pulled: {part} has other contents" in finding.message
    assert ("the very same object" in finding.message) == (make is overwritten)
    assert check_source(make(copy=True)).ok


def test_changed_view_of_a_mapped_file(tmp_path: Path) -> None:
    """Slices of a file that is mapped are found to change; copies of them are not accused."""
    (finding,) = check_source(mapped(tmp_path / "a.npy", copy=False)).findings
    assert (finding.kind, finding.where) == ("changed", "pass 1, batch 0")
    assert check_source(mapped(tmp_path / "b.npy", copy=True)).ok


@pytest.mark.parametrize("buffer_size", [1, 2, 7])
def test_window(buffer_size: int) -> None:
    """A batch may be overwritten once it cannot wait any more, and not one pull before."""
    report = check_source(ring(buffer_size), buffer_size=buffer_size)
    (finding,) = report.findings
    assert f"yielding it, when batch {buffer_size} of pass 1 was pulled: " in finding.message
    assert check_source(ring(buffer_size + 1), buffer_size=buffer_size).ok


@pytest.mark.parametrize(("size", "last"), [(1, 101), (3, 104), (4, 104)])
def test_changed_late_in_a_pass(size: int, last: int) -> None:
    """Later in a pass the batches are looked at less often, and all the same none goes by."""

    def stream() -> Iterator[Any]:
        for number in range(100):
            yield bytearray([number])
        yield from ring(size)()

    (finding,) = check_source(stream, buffer_size=4).findings
    assert (finding.kind, finding.where) == ("changed", "pass 1, batch 100")
    assert f"when batch {last} of pass 1 was pulled: " in finding.message
    assert ("or later" in finding.message) == (size > 1)
    assert check_source(ring(5), buffer_size=4).ok


def test_changed_just_before_a_pass_is_left() -> None:
    """Where reading ends, the batches that still wait are all looked at."""

    def stream(size: int) -> Iterator[Any]:
        for number in range(100):
            yield bytearray([number])
        yield from ring(size)()

    (finding,) = check_source(lambda: stream(2), buffer_size=4, batches=103).findings
    assert (finding.kind, finding.where) == ("changed", "pass 1, batch 100")
    assert "at the latest when pass 1 was left: " in finding.message
    assert check_source(lambda: stream(5), buffer_size=4, batches=103).ok


def test_changed_between_passes() -> None:
    """Views of what the next pass shuffles in place change while they may wait; copies do not."""
    random, images = np.random.default_rng(0), np.arange(20)

    def in_place() -> Iterator[Any]:
        random.shuffle(images)
        return iter(images.reshape(10, 2))

    def copied() -> Iterator[Any]:
        return iter(random.permutation(images).reshape(10, 2))

    (finding,) = check_source(in_place, shuffled=True).findings
    assert (finding.kind, finding.where) == ("changed", "pass 1, batch 0")
    assert "when pass 2 was begun" in finding.message
    assert check_source(copied, shuffled=True).ok


def test_changed_at_the_end() -> None:
    """A batch that changes as the pass ends is found; one that only goes out of use is not."""

    def stream(clear: bool) -> Iterator[Any]:
        batch = [1, 2]
        yield batch
        if clear:
            batch.clear()

    (finding,) = check_source(lambda: stream(clear=True)).findings
    assert "when pass 1 ended: [0] is missing, [1] is missing." in finding.message
    assert check_source(lambda: stream(clear=False)).ok


def test_no_longer_readable() -> None:
    """A view that is released while it waits is found; one that is not, is not."""

    def stream(release: bool) -> Iterator[Any]:
        for number in range(3):
            with memoryview(bytes([number])) as view:
                yield view if release else bytes(view)

    (finding,) = check_source(lambda: stream(release=True)).findings
    assert "can no longer be read (ValueError" in finding.message
    assert check_source(lambda: stream(release=False)).ok


def test_same_object_is_not_accused() -> None:
    """A source may yield one object again and again, as long as it leaves it alone."""
    constant = np.ones(3)
    for batch in (None, "text", constant, {"x": constant}):
        assert check_source(lambda batch=batch: [batch] * 20).ok


def test_a_left_pass_is_not_waited_for() -> None:
    """What a source does when a pass is left before its end is not held against it."""

    def stream() -> Iterator[Any]:
        batches = [[number] for number in range(9)]
        try:
            yield from batches
        finally:
            for batch in batches:
                batch.clear()

    assert check_source(stream, batches=5).ok
    assert kinds(check_source(stream)) == ["changed"]


def test_a_left_pass_is_closed_before_the_next() -> None:
    """No two passes are open at once, as in a wrapper."""
    locked = threading.Lock()

    def stream() -> Iterator[Any]:
        with locked:
            yield from range(9)

    def exclusive() -> Iterator[Any]:
        assert not locked.locked()
        return stream()

    assert check_source(exclusive, batches=5).ok


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


def test_restart_of_another_iterator() -> None:
    """A second pass that is empty is found, though its iterator is another one."""
    spent = iter([1, 2, 3])
    (finding,) = check_source(lambda: (n for n in spent)).findings
    assert (finding.kind, finding.where) == ("restart", "pass 2")
    assert "the iterator of the pass before" not in finding.message


@pytest.mark.parametrize("endless", [lambda: iter(range(10**9)), lambda: (n for n in range(99))])
def test_restart_of_an_endless_pass(endless: Callable[[], Any]) -> None:
    """Passes that are too long to read are known to be the same iterator all the same."""
    going = endless()
    (finding,) = check_source(lambda: going, batches=10).findings
    assert (finding.kind, finding.where) == ("restart", "pass 2, batch 0")
    assert check_source(endless, batches=10).ok


def test_one_iterator_that_begins_anew() -> None:
    """An object that is its own iterator is sound if iter() takes it back to the start."""

    class Rewound:
        def __iter__(self) -> Rewound:
            self.items = iter(range(5))
            return self

        def __next__(self) -> int:
            return next(self.items)

    rewound = Rewound()
    assert check_source(lambda: rewound).ok
    assert check_source(lambda: rewound, batches=3).ok


def test_differing_is_not_restarting() -> None:
    """Passes that differ are not taken for one that goes on, be they long or of one iterator."""
    random = np.random.default_rng(0)

    class Rewound:
        def __iter__(self) -> Rewound:
            self.items = iter(random.permutation(50))
            return self

        def __next__(self) -> Any:
            return next(self.items)

    rewound = Rewound()
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
    report = check_source(list)
    assert [(f.kind, f.where) for f in report.findings] == [("empty", "pass 1")]
    assert report.passes == 3
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
    (finding,) = check_source(passes(*lists)).findings
    assert (finding.kind, finding.where) == (kind, where)
    assert told in finding.message
    assert check_source(passes(lists[0])).ok


def test_a_shorter_pass_than_was_read() -> None:
    """A pass that ends before the bound, where the first did not, is found."""
    (finding,) = check_source(passes([1, 2, 3, 4], [1, 2]), batches=3).findings
    assert "pass 1 has at least 3 batches, pass 2 has 2." in finding.message


def test_shapes_differ() -> None:
    """An array of another shape or type is told as that."""
    lists = [np.zeros((2, 3))], [np.zeros((2, 4), dtype=np.float32)]
    (finding,) = check_source(passes(*lists)).findings
    told = "(ndarray of float32 of shape (2, 4)) was ndarray of float64 of shape (2, 3)"
    assert told in finding.message


def test_shuffled() -> None:
    """A shuffled data set is told from one that is not, and the flag allows it."""
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
    assert "raises KeyError: 'key' (test_source.py, line " in finding.message
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
    (finding,) = check_source(lambda: next(once)).findings
    assert (finding.kind, finding.where) == ("error", "pass 2, stream_fn()")
    (finding,) = check_source(lambda: failing(error=SystemExit(3))).findings
    assert "SystemExit: 3" in finding.message


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
    (finding,) = check_source(lambda: again).findings
    assert (finding.kind, finding.where) == ("resumes", "pass 3, after batch 2")
    assert kinds(check_source(Again)) == ["resumes"]


def test_error_beyond_the_end() -> None:
    """Nobody pulls beyond the end, so an error there is nobody's."""

    class Strict:
        def __init__(self) -> None:
            self.answers = iter([1, StopIteration(), ValueError()])

        def __iter__(self) -> Strict:
            return self

        def __next__(self) -> Any:
            answer = next(self.answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

    assert check_source(Strict).ok


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
        (finding,) = check_source(rows_of_sqlite()).findings
        assert (finding.kind, finding.where) == ("thread", "pass 3, batch 1")
        assert "ProgrammingError" in finding.message
        assert isinstance(finding.error, sqlite3.ProgrammingError)
    assert check_source(rows_of_sqlite(check_same_thread=False)).ok
    del finding
    gc.collect()  # what is warned of, is warned of here


def test_thread_of_the_caller() -> None:
    """A connection made before the check, by the caller, is found as well."""
    connection = sqlite3.connect(":memory:")
    (finding,) = check_source(lambda: connection.execute("select 1")).findings
    assert (finding.kind, finding.where) == ("thread", "pass 3, stream_fn()")
    connection.close()


def test_error_that_is_not_of_the_threads() -> None:
    """A source that fails at the third pass and the fourth is not bound to a thread."""
    three = iter([[1], [1]])
    report = check_source(lambda: next(three))
    assert [(f.kind, f.where) for f in report.findings] == [("error", "pass 4, stream_fn()")]


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


# What cannot be compared.


def test_not_compared() -> None:
    """What cannot be compared is said, with the reason, and not taken for equal."""
    for batch in (threading.Lock(), lambda: 0, iter([1])):
        (finding,) = check_source(lambda batch=batch: [{"ok": 1, "odd": batch}]).findings
        assert (finding.kind, finding.where) == ("not compared", "pass 1, batch 0")
        assert finding.message.startswith("['odd'] (")
        assert "cannot be compared: TypeError: " in finding.message
        assert finding.message.endswith("is not known.")
    assert check_source(lambda: [{"ok": 1, "odd": [len, Example]}]).ok


def test_not_compared_is_not_different() -> None:
    """What cannot be compared does not make passes differ, though its reason is told otherwise."""
    made: list[Any] = []

    def stream() -> Iterator[Any]:
        made.append(lambda: 0)
        yield made[-1]

    assert kinds(check_source(stream)) == ["not compared"]


Point = namedtuple("Point", "x y")


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value


class Built:
    """What is pickled as a list of items, to be appended one by one."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __reduce__(self) -> Any:
        return list, (), None, iter(self.items)


NAN = float("nan")
EQUAL = {
    "shared": lambda: ([[1, 2]] * 20, [[1, 2] for _ in range(20)]),
    "interned": lambda: ([sys.intern("ab cd"), "ab cd"], ["".join(["ab ", "cd"]), "ab cd"]),
    "nan": lambda: ([NAN, np.array([NAN])], [float("nan"), np.array([float("nan")])]),
    "dict order": lambda: ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "odd keys": lambda: ({(1, 2): 3, None: 4}, {None: 4, (1, 2): 3}),
    "set": lambda: (set(map(str, range(99))), set(map(str, reversed(range(99))))),
    "object array": lambda: (
        np.array(["a", None, [1]], object),
        np.array(["a", None, [1]], object),
    ),
    "strides": lambda: (np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T.copy()),
    "dates": lambda: (np.array(["2020-01-01"], "M8[D]"), np.array(["2020-01-01"], "M8[D]")),
    "records": lambda: tuple(np.zeros(2, [("a", "i1"), ("b", "O")]) for _ in "12"),
    "empty": lambda: (np.zeros((0, 3)), np.zeros((0, 3))),
    "object": lambda: (Plain([1, "a"]), Plain([1, "a"])),
    "tuple": lambda: (Point(1, [2]), Point(1, [2])),
    "bytes": lambda: (bytearray(b"ab"), bytearray(b"ab")),
    "deque": lambda: (deque([1, [2]]), deque([1, [2]])),
    "cycle": lambda: (cycle(), cycle()),
    "steps": lambda: (memoryview(b"abcd")[::2], memoryview(b"axcx")[::2]),
    "built": lambda: (Built([1, [2]]), Built([1, [2]])),
}
DIFFERENT = {
    "list and tuple": lambda: ([1], (1,)),
    "text and bytes": lambda: ("a", b"a"),
    "one and true": lambda: (1, True),
    "cut elsewhere": lambda: ([["a", "bc"]] * 20, [["ab", "c"]] * 20),
    "dtype": lambda: (np.zeros(2, "i4"), np.zeros(1, "i8")),
    "shape": lambda: (np.zeros((2, 3)), np.zeros((3, 2))),
    "dtype within": lambda: ([np.zeros(2, "i4")] * 20, [np.zeros(2, "f4")] * 20),
    "shape within": lambda: ([np.zeros((2, 3))] * 20, [np.zeros((3, 2))] * 20),
    "example": lambda: ([Example(1, 2)] * 20, [Example(1, 3)] * 20),
    "deque": lambda: (deque([1, [2]]), deque([1, [3]])),
    "objects": lambda: (np.array(["a", [1]], object), np.array(["a", [2]], object)),
    "records": lambda: (np.zeros(2, [("a", "O")]), np.ones(2, [("a", "O")])),
    "object": lambda: (Plain([1]), Plain([2])),
    "keys": lambda: ({(1, 2): 3}, {(1, 3): 3}),
    "swapped": lambda: ({(1,): "a", (2,): "b"}, {(1,): "b", (2,): "a"}),
    "deep": lambda: ([[[[[[1]]]]]], [[[[[[2]]]]]]),
    "wide": lambda: ([*range(99)], [*range(98), 0]),
    "mapping": lambda: ({1: 2}, OrderedDict({1: 2})),
    "tuple": lambda: (Point(1, 2), (1, 2)),
    "cycles": lambda: (cycle(), [cycle()]),
    "loops": lambda: ([loop(1)] * 20, [loop(2)] * 20),
    "set": lambda: ({1, 2}, {1, 3}),
    "patterns": lambda: (re.compile("a"), re.compile("b")),
    "built": lambda: (Built([1, [2]]), Built([1, [3]])),
    "classes": lambda: (type("c", (), {"__module__": "ab"}), type("bc", (), {"__module__": "a"})),
    "functions": lambda: (len, max),
}


def cycle() -> Any:
    """A list that contains itself, deep down."""
    outer: list[Any] = [1]
    outer.append([[[[outer]]]])
    return outer


def loop(back: int) -> Any:
    """A list in a list in which the inner contains itself, or the outer."""
    outer: list[Any] = [1, [2]]
    outer[1].append(outer if back == 2 else outer[1])
    return outer


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL)
def test_equal_batches(pair: Any) -> None:
    """Equal batches have equal fingerprints, however their parts are held."""
    one, other = map(fingerprint, pair())
    assert one == other
    assert all(part.digest is not None for part in one.values())


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_different_batches(pair: Any) -> None:
    """Different batches have different fingerprints."""
    one, other = map(fingerprint, pair())
    assert one != other
    assert all(part.digest is not None for part in (*one.values(), *other.values()))


def test_parts() -> None:
    """A batch is told apart to a depth and a width, so that a fingerprint stays small."""
    assert list(fingerprint({"a": [((1,), 2)]})) == [
        *("", "['a']", "['a'][0]", "['a'][0][0]", "['a'][0][1]")
    ]
    assert list(fingerprint(Point([3], dict.fromkeys(range(17))))) == ["", ".x", ".x[0]", ".y"]
    lists = [dict.fromkeys("abcdef", 1)], [dict.fromkeys("abcdef", 0)]
    (finding,) = check_source(passes(*lists)).findings
    assert "['c'] (int) has other contents, and 3 more." in finding.message


def test_too_deep() -> None:
    """A batch that is nested too deeply is not compared, and the check goes on."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert "RecursionError" in str([p.trouble for p in fingerprint(deep).values()])


# The check itself.


def test_keeps_no_more_than_the_window() -> None:
    """The check lets go of a batch once it could not wait any more, and leaves it as it was."""
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0

    def stream() -> Iterator[Any]:
        nonlocal most
        for number in range(50):
            batch = Plain(number)
            alive.add(batch)
            most = max(most, len(alive))
            yield batch
            assert vars(batch) == {"value": number}
            del batch

    report = check_source(stream, buffer_size=5)
    assert report.ok
    assert 6 <= most <= 7  # the window and the new one; a thread may not have let go of its own
    del report
    gc.collect()
    assert len(alive) == 0


def test_error_keeps_no_batch() -> None:
    """A report with an error does not keep the window alive."""
    alive: weakref.WeakSet[Any] = weakref.WeakSet()

    def stream() -> Iterator[Any]:
        for number in range(5):
            batch = Plain(number)
            alive.add(batch)
            yield batch
        del batch
        raise ValueError

    report = check_source(stream)
    gc.collect()
    assert (kinds(report), len(alive)) == (["error"], 0)


def test_report() -> None:
    """The report says how much was read, and how far."""
    report = check_source(lambda: range(10**9), batches=7)
    assert (report.passes, report.batches, report.bound) == (3, 21, 7)
    told = "Source: nothing found. Passes: 3, batches: 21 (first 7 batches of each pass)."
    assert str(report) == told
    assert str(check_source(lambda: [1, 2])).endswith("batches: 6 (whole passes).")


@pytest.mark.parametrize("argument", ["batches", "buffer_size"])
def test_bad_arguments(argument: str) -> None:
    """A bad number is refused by name."""
    with pytest.raises(ValueError, match=f"{argument} must be at least 1, not 0"):
        check_source(list, **{argument: 0})
    with pytest.raises(TypeError, match=f"{argument} must be an integer, not 'two'"):
        check_source(list, **{argument: "two"})  # type: ignore[arg-type]


# The command.


def command(*words: str) -> int:
    """Run `python -m specs source` with these words."""
    parser = argparse.ArgumentParser()
    source.add_arguments(parser)
    return source.run(parser.parse_args(words))


def test_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says what it found, and what it could not do."""
    (tmp_path / "my_data.py").write_text(
        "import random\n"
        "class Data:\n"
        "    def good(): return range(3)\n"
        "    def random(): return [random.random(), 1]\n"
        "def bad(): 1 / 0\n"
    )
    (tmp_path / "my_broken_data.py").write_text("1 / 0")
    (tmp_path / "my_script.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    assert command("my_data:Data.good", "--batches", "2", "--buffer-size", "1") == 0
    assert "nothing found" in capsys.readouterr().out
    assert command("my_data:Data.random") == 1
    assert command("my_data:Data.random", "--shuffled") == 0
    capsys.readouterr()
    assert command("my_data:bad") == 1
    shown = capsys.readouterr().out
    assert "1. error (pass 1, stream_fn())" in shown
    assert "def bad(): 1 / 0" in shown
    for words, told in [
        (["my_data"], "'my_data' is not of the form MODULE:FUNCTION."),
        (["my_data:nothing"], "'my_data' has no 'nothing'."),
        (["no_such_module:f"], "'no_such_module' cannot be imported: ModuleNotFoundError"),
        (["my_broken_data:f"], "'my_broken_data' cannot be imported: ZeroDivisionError"),
        (["my_script:f"], "'my_script' cannot be imported: SystemExit: 3"),
        (["my_data:Data.good", "--batches", "0"], "batches must be at least 1, not 0."),
    ]:
        assert command(*words) == 2
        assert told in capsys.readouterr().err

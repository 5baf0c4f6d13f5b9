"""`check_source` finds what is wrong with a source, and nothing wrong with its sound twin."""

from __future__ import annotations

import array
import copy
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specs.source import Finding, Report, check_source


def kinds(report: Report) -> list[str]:
    """The kinds of what was found."""
    return [finding.kind for finding in report.findings]


def found(stream_fn: Any, what: str, *told: str, **options: Any) -> Finding:
    """The only finding of the check: its kind, where that is, and some of its words."""
    (finding,) = check_source(stream_fn, **options).findings
    assert f"{finding.kind} ({finding.where})" == what
    for words in told:
        assert words in finding.message
    return finding


def test_batch_that_leaves() -> None:
    """A batch that ends the process where it is pickled is not compared, and ends nothing."""

    class Leaving:
        def __reduce_ex__(self, protocol: Any) -> Any:
            raise SystemExit(3)

    found(lambda: [Leaving()], "not compared (pass 1, batch 0)", "compared: SystemExit: 3")


@dataclass
class Example:
    image: Any
    label: int


class Tensor:
    """As much of torch's class as there has to be; its bfloat16 is unknown to numpy."""

    def __init__(self, values: Any, needs: tuple[str, ...] = ("detach", "cpu", "float")) -> None:
        self.values, self.needs = values, needs

    def without(self, need: str) -> Tensor:
        return Tensor(self.values, tuple(n for n in self.needs if n != need))

    detach = partialmethod(without, "detach")
    cpu = partialmethod(without, "cpu")
    float = partialmethod(without, "float")

    def __array__(self) -> Any:
        assert "detach" not in self.needs
        assert "cpu" not in self.needs
        if self.needs:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values


# Sources in pairs: one that goes on to write in what it has yielded, and one that yields copies.


def source(batch: Any, change: Callable[[Any, int], object], copied: bool) -> Any:
    """The classic: what a batch is made of is allocated before the loop."""

    def stream() -> Iterator[Any]:
        for number in range(5):
            change(batch, number)
            yield copy.deepcopy(batch) if copied else batch

    return stream


def mapped(path: Path) -> np.ndarray[Any, Any]:
    """A memory-mapped file."""
    np.save(path, np.arange(6).reshape(2, 3))
    return np.load(path, mmap_mode="r+")  # type: ignore[no-any-return]


def fill(array: Any, number: int) -> None:
    array[:] = number


CHANGED: dict[str, tuple[Any, Callable[[Any, int], object]]] = {
    "the batch (ndarray of float64 of shape (2, 3))": (np.zeros((2, 3)), fill),
    "['mask'] (ndarray of bool of shape (4,))": (
        {"images": np.zeros(3), "mask": np.zeros(4, dtype=bool)},
        lambda batch, number: fill(batch["mask"], number % 2),
    ),
    ".image (array)": (
        Example(array.array("d", [0, 0]), 0),
        lambda batch, number: batch.image.__setitem__(1, number),
    ),
    "[0] (Tensor of float64 of shape (3,))": (
        [Tensor(np.zeros(3)), 1],
        lambda batch, number: fill(batch[0].values, number),
    ),
    "['table'] (list)": (
        {"table": [["", 0] for _ in range(100)]},
        lambda batch, number: batch["table"][70].__setitem__(1, number),
    ),
}
"""The name of the changed part, a batch, and how it is changed."""


@pytest.mark.parametrize("part", CHANGED)
def test_changed(part: str) -> None:
    """A batch that the source changes later is found, with the part; a copy is not accused."""
    found(
        source(*CHANGED[part], copied=False),
        "changed (pass 1, batch 0)",
        f"when batch 1 of pass 1 was pulled: {part} has other contents",
        "the very same object",
    )
    assert check_source(source(*CHANGED[part], copied=True)).ok


def test_changed_view_of_a_mapped_file(tmp_path: Path) -> None:
    """Slices of a file that is mapped are found to change; copies of them are not accused."""

    def stream(copied: bool) -> Iterator[Any]:
        rows = mapped(tmp_path / "a.npy")
        for row in rows:
            rows[0] += 1
            yield row.copy() if copied else row

    finding = found(lambda: stream(False), "changed (pass 1, batch 0)")
    assert "the very same object" not in finding.message
    assert check_source(lambda: stream(True)).ok


def ring(size: int) -> Any:
    """A ring of buffers: too few for what waits, or enough."""

    def stream() -> Iterator[Any]:
        buffers = [bytearray(8) for _ in range(size)]
        for number in range(40):
            buffer = buffers[number % size]
            buffer[0] = number
            yield buffer

    return stream


@pytest.mark.parametrize("buffer_size", [1, 2, 7])
def test_window(buffer_size: int) -> None:
    """A batch may be overwritten once it cannot wait any more, and not one pull before."""
    told = f"yielding it, when batch {buffer_size} of pass 1 was pulled: "
    found(ring(buffer_size), "changed (pass 1, batch 0)", told, buffer_size=buffer_size)
    assert check_source(ring(buffer_size + 1), buffer_size=buffer_size).ok


@pytest.mark.parametrize(("size", "last"), [(1, 101), (3, 104), (4, 104)])
def test_changed_late_in_a_pass(size: int, last: int) -> None:
    """Later in a pass the batches are looked at less often, and all the same none goes by."""

    def stream() -> Iterator[Any]:
        for number in range(100):
            yield bytearray([number])
        yield from ring(size)()

    finding = found(
        stream,
        "changed (pass 1, batch 100)",
        f"when batch {last} of pass 1 was pulled: ",
        buffer_size=4,
    )
    assert ("or later" in finding.message) == (size > 1)
    assert check_source(ring(5), buffer_size=4).ok


def test_changed_just_before_a_pass_is_left() -> None:
    """Where reading ends, the batches that still wait are all looked at."""

    def stream(size: int) -> Iterator[Any]:
        for number in range(100):
            yield bytearray([number])
        yield from ring(size)()

    found(
        lambda: stream(2),
        "changed (pass 1, batch 100)",
        "at the latest when pass 1 was left: ",
        buffer_size=4,
        batches=103,
    )
    assert check_source(lambda: stream(5), buffer_size=4, batches=103).ok


def test_changed_between_passes() -> None:
    """Views of what the next pass shuffles in place change while they may wait; copies do not."""
    random, images = np.random.default_rng(0), np.arange(20)

    def in_place() -> Iterator[Any]:
        random.shuffle(images)
        return iter(images.reshape(10, 2))

    def copied() -> Iterator[Any]:
        return iter(random.permutation(images).reshape(10, 2))

    found(in_place, "changed (pass 1, batch 0)", "when pass 2 was begun", shuffled=True)
    assert check_source(copied, shuffled=True).ok


def test_changed_at_the_end() -> None:
    """A batch that changes as the pass ends is found; one that only goes out of use is not."""

    def stream(clear: bool) -> Iterator[Any]:
        batch = [1, 2]
        yield batch
        if clear:
            batch.clear()

    told = "when pass 1 ended: [0] is missing, [1] is missing."
    found(lambda: stream(clear=True), "changed (pass 1, batch 0)", told)
    assert check_source(lambda: stream(clear=False)).ok


def test_no_longer_readable() -> None:
    """A view that is released while it waits is found; one that is not, is not."""

    def stream(release: bool) -> Iterator[Any]:
        for number in range(3):
            with memoryview(bytes([number])) as view:
                yield view if release else bytes(view)

    told = "can no longer be read (ValueError"
    found(lambda: stream(release=True), "changed (pass 1, batch 0)", told)
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


# What cannot be compared.


def test_not_compared() -> None:
    """What cannot be compared is said, with the reason, and not taken for equal."""
    for batch in (threading.Lock(), lambda: 0, iter([1])):
        batches = [{"ok": 1, "odd": batch}]
        told = "cannot be compared: TypeError: "
        finding = found(lambda of=batches: of, "not compared (pass 1, batch 0)", told)
        assert finding.message.startswith("['odd'] (")
        assert finding.message.endswith("is not known.")
    assert check_source(lambda: [{"ok": 1, "odd": [len, Example]}]).ok


def test_not_compared_is_not_different() -> None:
    """What cannot be compared does not make passes differ, though its reason has other words."""
    made: list[Any] = []

    def stream() -> Iterator[Any]:
        made.append(lambda: 0)
        yield made[-1]

    assert kinds(check_source(stream)) == ["not compared"]


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value

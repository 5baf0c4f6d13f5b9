"""`check_source` finds what is wrong with a source, and nothing wrong with its sound twin."""

from __future__ import annotations

import argparse
import array
import gc
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
from specs.fingerprint import fingerprint
from specs.source import Report, check_source


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


def shuffled_views(copy: bool) -> Any:
    """Slices of an array that the next pass shuffles in place (and puts back, to be the same)."""
    images = np.arange(20.0)

    def stream() -> Iterator[Any]:
        own = images.copy() if copy else images
        own += 1
        own -= own[0]
        own[::2] += 100 * (not own.any())
        if not copy:
            own[:] = own[::-1].copy()
            own.sort()
            own[0] = len(calls)
        calls.append(None)
        yield from own.reshape(10, 2)

    calls: list[None] = []
    return stream


def mapped(path: Path, copy: bool) -> Any:
    """Slices of a memory-mapped file, decoded in place behind the consumer's back."""

    def stream() -> Iterator[Any]:
        np.save(path, np.arange(12).reshape(6, 2))
        mapping = np.load(path, mmap_mode="r+")
        for rows in np.split(mapping, 3):
            yield rows.copy() if copy else rows
            rows *= -1

    return stream


def in_dataclass(copy: bool) -> Any:
    def stream() -> Iterator[Any]:
        image = array.array("d", [0, 0])
        for label in range(5):
            image[1] = label
            yield Example(array.array("d", image) if copy else image, label)

    return stream


def tensor(copy: bool) -> Any:
    torch = pytest.importorskip("torch")

    def stream() -> Iterator[Any]:
        out = torch.zeros(3)
        for number in range(5):
            out.fill_(number)
            yield [out.clone() if copy else out, number]

    return stream


@pytest.mark.parametrize(
    ("make", "where", "part"),
    [
        (overwritten, "pass 1, batch 0", "the batch (ndarray of float64 of shape (2, 3))"),
        (shared_in_dict, "pass 1, batch 0", "['mask'] (ndarray of bool of shape (4,))"),
        (in_dataclass, "pass 1, batch 0", ".image (array)"),
        (tensor, "pass 1, batch 0", "[0] (Tensor of float32 of shape (3,))"),
    ],
)
def test_changed(make: Any, where: str, part: str) -> None:
    """A batch that the source changes later is found, with the part; a copy is not accused."""
    (finding,) = check_source(make(copy=False)).findings
    assert (finding.kind, finding.where) == ("changed", where)
    assert f"when batch 1 of pass 1 was pulled: {part} has other contents" in finding.message
    assert kinds(check_source(make(copy=True))) == []

"""Fingerprints are equal where contents are, and differ where these do."""

from __future__ import annotations

import re
import sys
from collections import OrderedDict, deque, namedtuple
from typing import Any

import numpy as np
import pytest

from specs.source import check_source
from specs.source.fingerprint import fingerprint

from .test_source import Example, Plain
from .test_source_passes import passes

Point = namedtuple("Point", "x y")


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
    "object array": lambda: tuple(np.array(["a", None, [1]], object) for _ in "12"),
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
    """A batch is compared to a depth and a width, so that a fingerprint stays small."""
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

"""Fingerprints: what a batch contains, in a few bytes a part, to compare it with later.

Contents count, not how they are held: batches that are equal have equal fingerprints although
their parts are shared or interned otherwise. An object of an unknown class counts as what it would
be pickled from. Arrays and tensors are known by what they can do; numpy and torch are not imported.
"""

from __future__ import annotations

import copyreg
import marshal
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import blake2b
from traceback import format_exception_only
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeAlias

ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
DEPTH = 3  # containers are split into parts to this depth,
WIDTH = 16  # and if they have no more items than this; others are one part as a whole


@dataclass(frozen=True)
class Part:
    """A part of a batch: what it is, and a digest of its contents."""

    kind: str  # "ndarray of float64"
    shape: tuple[int, ...]  # of an array; empty for anything else
    digest: bytes | None  # None if it cannot be compared
    trouble: str = field(default="", compare=False)  # why it cannot be compared

    def __str__(self) -> str:
        return f"{self.kind} of shape {self.shape}" if self.shape else self.kind


Fingerprint: TypeAlias = dict[str, Part]  # by path: "['images']", or "" for the batch as a whole


def fingerprint(batch: Any) -> Fingerprint:
    """The parts of a batch, each under its path.

    >>> fingerprint({"label": 3}) == fingerprint({"label": 3})
    True
    >>> [str(part) for part in fingerprint({"label": 3}).values()]
    ['dict', 'int']
    """
    parts: Fingerprint = {}
    _split(batch, "", 0, parts)
    return parts


def name(path: str, part: Part) -> str:
    """What to call a part in a sentence."""
    return f"{path or 'the batch'} ({part})"


def differences(before: Fingerprint, after: Fingerprint) -> str:
    """How a batch differs from another, part by part; empty if it does not."""
    if before == after:
        return ""
    told = []
    for path in dict.fromkeys((*before, *after)):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if new is None:
            told.append(f"{path} is missing")
        elif old is None:
            told.append(f"{name(path, new)} is new")
        elif new.digest is None:
            told.append(f"{name(path, old)} can no longer be read ({new.trouble})")
        elif (old.kind, old.shape) != (new.kind, new.shape):
            told.append(f"{name(path, new)} was {old}")
        else:
            told.append(f"{name(path, new)} has other contents")
    more = f", and {len(told) - 3} more" if len(told) > 3 else ""
    return ", ".join(told[:3]) + more


def structure(parts: Fingerprint) -> set[tuple[str, str]]:
    """The kinds of parts, whatever their number and sizes.

    >>> sorted(structure(fingerprint({"label": 3, "rows": ["a", "b"]})))
    [('', 'dict'), ("['label']", 'int'), ("['rows']", 'list'), ("['rows'][...]", 'str')]
    """
    kinds = set()
    for path, part in parts.items():
        kind = re.sub(r"(?<=[<>|][SUV])\d+", "", part.kind)  # strings may be longer or shorter
        if part.shape:
            kind += f" in {len(part.shape)} dimensions"
        kinds.add((re.sub(r"\[\d+\]", "[...]", path), kind))
    return kinds


def _split(value: Any, path: str, depth: int, parts: Fingerprint) -> None:
    kind = type(value).__qualname__
    shape: tuple[int, ...] = ()
    try:
        items = _items(value) if depth < DEPTH else None
        if items is not None and len(items) <= WIDTH:
            parts[path] = Part(kind, shape, b"")
            for step, item in items:
                _split(item, path + step, depth + 1, parts)
            return
        array = _array(value)
        if array is not None:
            kind = f"{kind} of {getattr(value, 'dtype', array.dtype)}"
            shape = tuple(array.shape)
        parts[path] = Part(kind, shape, _digest(value, ()))
    except (Exception, SystemExit) as error:  # a batch is made of other people's code
        parts[path] = Part(kind, shape, None, format_exception_only(type(error), error)[-1].strip())


def _items(value: Any) -> list[tuple[str, Any]] | None:
    """The items of a container with the steps that lead to them; None if it has no such steps."""
    if isinstance(value, Mapping):
        if {str, int}.issuperset(map(type, value)):
            return [(f"[{key!r}]", item) for key, item in value.items()]
    elif isinstance(value, (list, tuple)):
        names = getattr(value, "_fields", None)  # of a named tuple
        if names is not None:
            return [(f".{name}", item) for name, item in zip(names, value, strict=False)]
        return [(f"[{place}]", item) for place, item in enumerate(value)]
    elif is_dataclass(value) and not isinstance(value, type):
        return [(f".{f.name}", getattr(value, f.name, None)) for f in fields(value)]
    return None


def _digest(  # noqa: PLR0911, PLR0912  # a case a kind of value
    value: Any, above: tuple[int, ...]
) -> bytes:
    """A digest of the contents. Raises what the value raises, and TypeError if it has none."""
    kind = type(value)
    if kind in ATOMS or (kind in (list, tuple) and ATOMS.issuperset(map(type, value))):
        return _hash(marshal.dumps(value, 2))  # version 2 keeps nothing of what is shared
    if id(value) in above:
        return _hash(b"cycle", len(above) - above.index(id(value)))
    inside = (*above, id(value))
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, Mapping):
        return _hash(name, *sorted(_digest(item, inside) for item in value.items()))
    if isinstance(value, Set):
        return _hash(name, *sorted(_digest(item, inside) for item in value))
    if isinstance(value, (list, tuple)):
        return _hash(name, *(_digest(item, inside) for item in value))
    if isinstance(value, (type, FunctionType, BuiltinFunctionType)):
        if "<" in value.__qualname__:
            raise TypeError(f"{value!r} has no name that others can find it by")
        return _hash(name, value.__module__, value.__qualname__)
    array = _array(value)
    if array is not None:
        name = f"{name} {array.dtype} {array.shape}"
        if array.dtype.names:  # one by one, for there may be anything in the gaps between them
            return _hash(name, *(_digest(array[key], inside) for key in array.dtype.names))
        if array.dtype.hasobject:
            return _hash(name, _digest(list(array.flat), inside))
        return _hash(name, array.tobytes())
    if isinstance(value, Iterator):
        raise TypeError(f"a {kind.__qualname__} cannot be read without being used up")
    try:
        view = memoryview(value)
    except TypeError:
        reduce = copyreg.dispatch_table.get(kind)
        reduced = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(reduced, tuple):
            reduced = [list(part) if isinstance(part, Iterator) else part for part in reduced]
        return _hash(name, _digest(reduced, inside))
    return _hash(name, f"{view.format} {view.shape}", view.tobytes())


def _hash(*contents: bytes | str | int) -> bytes:
    digest = blake2b(digest_size=16)
    for content in contents:
        data = content if isinstance(content, bytes) else str(content).encode()
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.digest()


def _array(value: Any) -> Any:
    """The value as a numpy array or the like of one (`dtype`, `shape`, `tobytes`), or None."""
    if isinstance(value, type):
        return None
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a tensor of torch
        value = value.detach().cpu()
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        return value
    if not hasattr(value, "__array__"):
        return None
    try:
        return value.__array__()
    except TypeError:
        return value.float().__array__()  # bfloat16, which numpy does not know

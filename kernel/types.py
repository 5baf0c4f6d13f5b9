"""Types of streams, under the names of emloop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

Batch: TypeAlias = Mapping[str, Sequence[Any]]
"""A usual batch: a mapping of variable names to sequences, with a value for each example."""

Stream: TypeAlias = Iterable[Batch]
"""One pass over a data set."""

TimeProfile: TypeAlias = MutableMapping[str, list[float]]
"""Times in seconds by the name of the event, in the order of the events."""

"""The seed's names for what a stream is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

Batch: TypeAlias = Mapping[str, Sequence[Any]]
"""What a batch usually is: a mapping of variable names to as many values as there are examples."""

Stream: TypeAlias = Iterable[Batch]
"""One pass over a data set."""

TimeProfile: TypeAlias = MutableMapping[str, list[float]]
"""Times in seconds, in the order in which they were taken, by the name of the event."""

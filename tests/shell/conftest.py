"""The fixture `make`: streams that are entered, with an open gate, for several buffer sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kernel import StreamWrapper

from ..support.sources import Source


@pytest.fixture(params=[(0, False), (1, False), (3, False), (3, True)], ids=str)
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes streams that are entered, with a gate that is open, and leaves them."""
    made: list[Any] = []
    size, lookahead = request.param

    def entered(*passes: Any, epoch_size: int = -1) -> Any:
        stream = StreamWrapper(Source(*passes), size, epoch_size, lookahead=lookahead)
        made.extend((stream.__enter__(), stream.allow_buffering))
        made[-1].__enter__()
        return stream

    yield entered
    for thing in reversed(made):
        thing.__exit__(None, None, None)

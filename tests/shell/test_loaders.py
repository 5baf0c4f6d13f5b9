"""Rule 15 on the sources that people have: Hugging Face's, torchdata's, plain generators.

Tests whose package is not installed are skipped, and the reason says so.
"""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kernel import SourceError, StreamWrapper

from ..support.sources import epoch, take
from .resume_programs import resume

PLACES = range(9)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """No worker is left; Hugging Face leaves threads of its own."""
    yield
    assert not [t for t in threading.enumerate() if t.name.startswith("StreamWrapper")]


def rows() -> Iterator[dict[str, int]]:
    for row in range(6):
        yield {"row": row}


def check(stream_fn: Any, read: Any, buffer_size: int, epoch_size: int, **options: Any) -> None:
    """A resume at each place, and again one batch later, with a buffer that is filled."""
    save = options.pop("save", json)

    def make() -> Any:
        return StreamWrapper(stream_fn(), buffer_size, epoch_size, **options)

    def events(stream: Any, count: int) -> list[Any]:
        return [read(next(stream, None)) for _ in range(count)]

    whole = events(StreamWrapper(stream_fn(), 0, epoch_size, **options), 24)
    for place in PLACES:
        streams = [make(), make(), make()]
        seen: list[Any] = []
        for stream, before, count in zip(
            streams, [None, *streams], (place, 1, 23 - place), strict=False
        ):
            if before is not None:
                stream.load_state_dict(save.loads(save.dumps(before.state_dict())))
            with stream, stream.allow_buffering:
                seen += events(stream, count)
        assert seen == whole, place


@pytest.mark.parametrize("given", [2, 6])
def test_rule_15_hugging_face_that_stays_where_it_was_loaded(given: int) -> None:
    """Rule 15: a source that begins every pass where it was loaded raises an error."""
    datasets = pytest.importorskip("datasets")
    data, again = (datasets.IterableDataset.from_generator(rows) for _ in range(2))
    before, stream = StreamWrapper(lambda: data), StreamWrapper(lambda: again, 2)
    take(before, given)
    resume(before, stream)
    with stream:
        assert [row(batch) for batch in epoch(stream)] == list(range(given, 6))
        with pytest.raises(SourceError, match="begins a pass where its state was loaded"):
            next(stream)


class Sticky:
    """It does what Hugging Face's does, wherever that is not installed."""

    def __init__(self) -> None:
        self.at = self.loaded = 0

    def __iter__(self) -> Iterator[int]:
        for at in range(self.loaded, 4):
            self.at = at + 1
            yield at

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.loaded = self.at = state["at"]


@pytest.mark.parametrize("given", [2, 3, 4])
@pytest.mark.parametrize("restarts", [False, True])
def test_rule_15_source_that_stays_where_it_was_loaded(given: int, restarts: bool) -> None:
    """Rule 15: the same without the package, and if the resumed pass is given up."""
    one, other = Sticky(), Sticky()
    before, stream = StreamWrapper(lambda: one), StreamWrapper(lambda: other)
    assert take(before, given) == list(range(given))
    resume(before, stream)
    assert next(stream, "end") == (given if given < 4 else "end")
    if restarts:
        stream.restart()
    else:
        epoch(stream) if given < 4 else None
    with pytest.raises(ValueError, match="begins a pass where its state was loaded"):
        next(stream)


# Each makes a `stream_fn`, which gives an equal source again.


def row(batch: Any) -> Any:
    return batch and batch["row"]


def numbers(batch: Any) -> Any:
    return batch is not None and batch.tolist()


def hugging_face() -> Any:
    """A new data set for each pass; its own state stands beside the batches."""
    datasets = pytest.importorskip("datasets")
    return lambda: datasets.IterableDataset.from_generator(rows).map(lambda row: row)


def hugging_face_by_the_epoch() -> Any:
    """One data set that is shuffled anew for each epoch, by the number of the epoch."""
    datasets = pytest.importorskip("datasets")
    data = datasets.IterableDataset.from_generator(rows).shuffle(seed=3, buffer_size=1)

    def of_epoch(number: int) -> Any:
        data.set_epoch(number)
        return data

    return of_epoch


def stateful_data_loader() -> Any:
    """One loader for all passes, whose batches are in order."""
    loader = pytest.importorskip("torchdata.stateful_dataloader")
    data = loader.StatefulDataLoader(list(range(6)), batch_size=2)
    return lambda: data


def stateful_data_loader_that_shuffles() -> Any:
    """One loader for each pass, whose order depends on the number of the epoch."""
    loader = pytest.importorskip("torchdata.stateful_dataloader")
    torch = pytest.importorskip("torch")
    return lambda number: loader.StatefulDataLoader(
        list(range(6)),
        batch_size=2,
        shuffle=True,
        generator=torch.Generator().manual_seed(number),
    )


def nodes() -> Any:
    """Torchdata's nodes, through their Loader."""
    nodes = pytest.importorskip("torchdata.nodes")
    node = nodes.Loader(nodes.Batcher(nodes.IterableWrapper(range(6)), 2))
    return lambda: node


def same(batch: Any) -> Any:
    return batch


LOADERS: list[tuple[Any, Any, int, dict[str, Any]]] = [
    *((hugging_face, row, size, {"snapshot_every": 1 + 2 * (size > 0)}) for size in (-1, 4)),
    (hugging_face_by_the_epoch, row, -1, {"with_epoch": True}),
    *((stateful_data_loader, numbers, size, {}) for size in (-1, 2, 4)),
    (stateful_data_loader_that_shuffles, numbers, 2, {"with_epoch": True, "save": pickle}),
    *((nodes, same, size, {}) for size in (-1, 4)),
]


@pytest.mark.parametrize("buffer_size", [0, 1, 4])
@pytest.mark.parametrize(("stream_fn", "read", "epoch_size", "options"), LOADERS)
def test_rule_15_loader(
    stream_fn: Any, read: Any, epoch_size: int, options: dict[str, Any], buffer_size: int
) -> None:
    """Rule 15: a resume at each place gives the rest, whatever loads the batches."""
    check(stream_fn, read, buffer_size, epoch_size, **options)

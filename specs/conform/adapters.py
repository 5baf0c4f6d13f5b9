"""Wrappers of other packages, under the interface that `specs.conform` runs.

Each imports its package when it is first used. LACKS names what a wrapper does not have: rules and
parts of programs that need it do not apply. Without `with`, a pass is read by a fresh
iterator of the package, and its StopIteration or error ends the pass.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import queue
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any


def emloop() -> Any:
    """The class of the published emloop. Raises ModuleNotFoundError if it is not installed.

    Of emloop only what the class needs: its packages import far more than that.
    """
    root = find_emloop()
    if root is None:
        raise ModuleNotFoundError("emloop is missing: pip install --no-deps emloop", name="emloop")
    for name in ("emloop", "emloop.datasets", "emloop.utils"):
        if name not in sys.modules:
            package = types.ModuleType(name)
            package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
            sys.modules[name] = package
    return importlib.import_module("emloop.datasets.stream_wrapper").StreamWrapper


def find_emloop() -> Path | None:
    """The folder of the published emloop, if it is installed."""
    loaded = sys.modules.get("emloop")
    if loaded is not None:
        return Path(loaded.__path__[0])
    spec = importlib.util.find_spec("emloop")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


class Emloop:
    """`emloop.datasets.stream_wrapper.StreamWrapper`, which has the whole interface."""

    def __new__(cls, *arguments: Any) -> Any:
        """The wrapper itself."""
        return emloop()(*arguments)


Prefetch = Callable[[Iterable[Any], int], Iterator[Any]]

END = object()
"""What ends a pass where a package has no end of its own."""


class _Passes(Iterator[Any]):
    """A stream of passes, each read by a prefetching iterator of its own."""

    LACKS = frozenset({"scope", "gate", "epoch_size", "profile", "wrapping", "unbuffered"})

    def __init__(self, stream_fn: Callable[[], Iterable[Any]], buffer_size: int, *_: Any) -> None:
        self._stream_fn = stream_fn
        self._buffer_size = buffer_size
        self._prefetch = self._load()
        self._iterator: Iterator[Any] | None = None
        self._stop: Callable[[], object] = lambda: None  # at the end of a pass
        self._lock = threading.Lock()

    def _load(self) -> Prefetch:
        """The package's own: a prefetching iterator over a pass, with a buffer of some size."""
        raise NotImplementedError

    def __next__(self) -> Any:
        with self._lock:
            iterator = self._iterator
            if iterator is None:
                try:
                    items = self._stream_fn()
                except StopIteration as error:  # which is no end of a pass
                    raise RuntimeError("stream_fn raised StopIteration") from error
                iterator = self._prefetch(items, self._buffer_size)
                self._iterator = iterator
        try:
            batch = next(iterator)
            if batch is END:
                raise StopIteration
        except KeyboardInterrupt:  # which may strike while it waits, and ends no pass
            raise
        except BaseException:
            self._stop()
            self._iterator = None
            raise
        return batch


class PrefetchGenerator(_Passes):
    """`BackgroundGenerator` of the package prefetch_generator."""

    def _load(self) -> Prefetch:
        return importlib.import_module("prefetch_generator").BackgroundGenerator  # type: ignore[no-any-return]


class TorchdataPrefetcher(_Passes):
    """`torchdata.nodes.Prefetcher`."""

    def _load(self) -> Prefetch:
        nodes = importlib.import_module("torchdata.nodes")
        return lambda items, size: nodes.Prefetcher(nodes.IterableWrapper(items), size)


class Grain(_Passes):
    """The iterator of `grain.experimental.ThreadPrefetchIterDataset`."""

    def _load(self) -> Prefetch:
        experimental = importlib.import_module("grain").experimental
        return lambda items, size: experimental.ThreadPrefetchDatasetIterator(
            Stateless(items), size
        )


class Queue(_Passes):
    """What is written by hand: a thread that puts into a `queue.Queue`, and a sentinel."""

    def _load(self) -> Prefetch:
        def prefetch(items: Iterable[Any], size: int) -> Iterator[Any]:
            channel: queue.Queue[Any] = queue.Queue(size)

            def produce() -> None:
                for batch in items:
                    channel.put(batch)
                channel.put(END)

            threading.Thread(target=produce, daemon=True).start()
            return iter(channel.get, END)

        return prefetch


class Spdl(_Passes):
    """A `spdl.pipeline.Pipeline` of a source and a sink, stopped at the end of the pass."""

    def _load(self) -> Prefetch:
        builder = importlib.import_module("spdl.pipeline").PipelineBuilder

        def prefetch(items: Iterable[Any], size: int) -> Iterator[Any]:
            pipeline = builder().add_source(items).add_sink(size).build(num_threads=1)
            pipeline.start()
            self._stop = pipeline.stop
            return iter(pipeline)

        return prefetch


class Keras(_Passes):
    """`OrderedEnqueuer` of keras, with one thread, over a `PyDataset` whose items are batches.

    Such a data set has no end of its own that it need not know before, so an item stands for it.
    """

    def _load(self) -> Prefetch:
        os.environ.setdefault("KERAS_BACKEND", "torch")
        keras = importlib.import_module("keras.src.trainers.data_adapters.py_dataset_adapter")

        def prefetch(items: Iterable[Any], size: int) -> Iterator[Any]:
            iterator = iter(items)
            ended: list[object] = []

            class Batches(keras.PyDataset):  # type: ignore[misc, name-defined]
                num_batches = None

                def __getitem__(self, index: int) -> Any:
                    if not ended and (batch := next(iterator, END)) is not END:
                        return batch
                    ended.append(END)
                    return END

            enqueuer = keras.OrderedEnqueuer(Batches(), workers=1, max_queue_size=size)
            enqueuer.start()
            self._stop = enqueuer.stop
            batches: Iterator[Any] = enqueuer.get()
            return batches

        return prefetch


class Stateless(Iterator[Any]):
    """An iterator with the checkpoints that Grain asks for, which hold nothing."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = iter(items)

    def __next__(self) -> Any:
        return next(self._items)

    def get_state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes nothing."""

"""What is measured: our wrapper, others' prefetching iterators, and the limit, each in a few lines.

Each reads batches from a source through a buffer of some size, by the iterator that its package
gives and with no layer around it. The limit is the best hand-off of two threads that keeps nothing
of the contract but the bound and the order: each batch can be taken as soon as it was pulled.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import queue
import sys
import tempfile
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar

from specs.conform.adapters import Stateless, emloop

Source = Callable[[], Iterable[Any]]
END = object()


class Subject:
    """One stream of batches, read through a buffer.

    CAN says what there is beside the iterator: "stop" a worker that has more to do; "restart", to
    go on from there; a "gate". Raises ModuleNotFoundError when it is built without its package,
    which INSTALL gives.
    """

    NAME: ClassVar[str]
    INSTALL: ClassVar[str] = ""
    CAN: ClassVar[frozenset[str]] = frozenset()
    SLOW: ClassVar[bool] = False  # tens of milliseconds a batch

    def __init__(self, source: Source, size: int) -> None:
        self.source = source
        self.size = size

    def start(self) -> Iterator[Any]:
        """Start the worker; the iterator of batches."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop the worker. Where there is no way to, the worker must have come to its end."""

    def gate(self) -> AbstractContextManager[Any]:
        """While it is entered, the worker may pull."""
        return nullcontext()

    @contextmanager
    def reading(self, gated: bool = False) -> Iterator[Iterator[Any]]:
        """Read within this; the gate is open all the time, if it is not the reader's to open."""
        iterator = self.start()
        try:
            with nullcontext() if gated else self.gate():
                yield iterator
        finally:
            self.stop()


class Wrapper(Subject):
    """Ours."""

    NAME = "StreamWrapper"
    CAN = frozenset({"stop", "restart", "gate"})

    def __init__(self, source: Source, size: int) -> None:
        self.stream = self.wrapper()(source, size)

    @staticmethod
    def wrapper() -> Any:
        """The class."""
        from kernel import StreamWrapper  # noqa: PLC0415  # a process imports what it measures

        return StreamWrapper

    def start(self) -> Iterator[Any]:
        return self.stream.__enter__()  # type: ignore[no-any-return]

    def stop(self) -> None:
        self.stream.__exit__(None, None, None)

    def gate(self) -> AbstractContextManager[Any]:
        return self.stream.allow_buffering  # type: ignore[no-any-return]


class Counted(Wrapper):
    """Ours, which counts which side waits for the other."""

    NAME = "StreamWrapper, stats"
    CAN = frozenset({"stop", "restart"})  # of which the others' measures are enough

    @staticmethod
    @functools.cache
    def wrapper() -> Any:
        return functools.partial(Wrapper.wrapper(), stats=True)


class Recorded(Wrapper):
    """Ours, which writes a record of all that it does."""

    NAME = "StreamWrapper, recorded"
    CAN = frozenset()

    def __init__(self, source: Source, size: int) -> None:
        file = tempfile.TemporaryFile("w")  # noqa: SIM115  # it lives as long as the stream
        self.stream = self.wrapper()(source, size, record=file)


class Emloop(Wrapper):
    """The published emloop."""

    NAME = "emloop"
    INSTALL = "--no-deps emloop"
    SLOW = True

    @staticmethod
    def wrapper() -> Any:
        return emloop()


class EmloopAwake(Wrapper):
    """The published emloop without the call of `time.sleep` before each pull."""

    NAME = "emloop, no sleep"
    INSTALL = Emloop.INSTALL

    @staticmethod
    @functools.cache
    def wrapper() -> Any:
        published = sys.modules[emloop().__module__]
        copy = importlib.util.spec_from_file_location(f"{published.__name__}_", published.__file__)
        assert copy is not None
        assert copy.loader is not None
        module: Any = importlib.util.module_from_spec(copy)
        copy.loader.exec_module(module)
        module.time = types.SimpleNamespace(sleep=lambda _: None)
        return module.StreamWrapper


class PrefetchGenerator(Subject):
    """`BackgroundGenerator`, which has no stop: a worker that nobody reads waits for ever."""

    NAME = "prefetch_generator"
    INSTALL = "prefetch_generator"

    def start(self) -> Iterator[Any]:
        from prefetch_generator import BackgroundGenerator  # noqa: PLC0415

        return BackgroundGenerator(self.source(), self.size)  # type: ignore[no-any-return]


class Torchdata(Subject):
    """`Prefetcher`, which takes no snapshots here."""

    NAME = "torchdata"
    INSTALL = "torch torchdata"
    CAN = frozenset({"stop"})

    def start(self) -> Iterator[Any]:
        from torchdata.nodes import IterableWrapper, Prefetcher  # noqa: PLC0415

        self.node = Prefetcher(IterableWrapper(self.source()), self.size, snapshot_frequency=0)
        self.node.reset()
        return self.node  # type: ignore[no-any-return]

    def stop(self) -> None:
        self.node._it._shutdown()  # what its __del__ calls


class Grain(Subject):
    """The iterator of `ThreadPrefetchIterDataset`."""

    NAME = "Grain"
    INSTALL = "grain"
    CAN = frozenset({"stop"})

    def start(self) -> Iterator[Any]:
        from grain import experimental  # noqa: PLC0415

        self.iterator = experimental.ThreadPrefetchDatasetIterator(
            Stateless(self.source()), self.size
        )
        self.iterator.start_prefetch()
        return self.iterator  # type: ignore[no-any-return]

    def stop(self) -> None:
        self.iterator.close()


class Spdl(Subject):
    """A pipeline of a source and a sink."""

    NAME = "spdl"
    INSTALL = "spdl"
    CAN = frozenset({"stop"})

    def start(self) -> Iterator[Any]:
        from spdl.pipeline import PipelineBuilder  # noqa: PLC0415

        builder = PipelineBuilder().add_source(self.source()).add_sink(self.size)
        self.pipeline = builder.build(num_threads=1)
        self.pipeline.start()
        return iter(self.pipeline)

    def stop(self) -> None:
        self.pipeline.stop()


class Keras(Subject):
    """`OrderedEnqueuer` with one worker, over a data set whose items are the source's batches."""

    NAME = "keras"
    INSTALL = "keras torch"
    CAN = frozenset({"stop", "restart"})
    enqueuer: Any = None

    def start(self) -> Iterator[Any]:
        if self.enqueuer is None:
            self.enqueuer = self._enqueuer()
        self.enqueuer.start()
        return self.enqueuer.get()  # type: ignore[no-any-return]

    def _enqueuer(self) -> Any:
        os.environ.setdefault("KERAS_BACKEND", "torch")
        from keras.src.trainers.data_adapters.py_dataset_adapter import (  # noqa: PLC0415
            OrderedEnqueuer,
            PyDataset,
        )

        batches = iter(self.source())

        class Batches(PyDataset):  # type: ignore[misc,no-any-unimported]
            num_batches = None  # read without an end; it drops the None of a source that has one

            def __getitem__(self, index: int) -> Any:
                return next(batches, None)

        return OrderedEnqueuer(Batches(), workers=1, max_queue_size=self.size)

    def stop(self) -> None:
        self.enqueuer.stop()


class Queue(Subject):
    """A bounded `queue.Queue` and a thread that puts into it."""

    NAME = "queue.Queue"

    def start(self) -> Iterator[Any]:
        channel: queue.Queue[Any] = queue.Queue(self.size)

        def produce() -> None:
            for batch in self.source():
                channel.put(batch)
            channel.put(END)

        threading.Thread(target=produce, daemon=True).start()
        return iter(channel.get, END)


class Limit(Subject):
    """Two C queues: one of batches, one of tokens, each for half of the slots.

    Tokens for one slot each, and a deque with a lock for each side, are nowhere faster by a tenth.
    """

    NAME = "limit"

    def start(self) -> Iterator[Any]:
        full: queue.SimpleQueue[Any] = queue.SimpleQueue()
        free: queue.SimpleQueue[None] = queue.SimpleQueue()
        share = max(1, self.size // 2)

        def produce() -> None:
            take, put, slots = free.get, full.put, self.size
            for batch in self.source():
                if slots == 0:
                    take()
                    slots = share
                slots -= 1
                put(batch)
            put(END)

        def consume() -> Iterator[Any]:
            get, give, taken = full.get, free.put, 0
            while (batch := get()) is not END:
                taken += 1
                if taken == share:
                    taken = 0
                    give(None)
                yield batch

        threading.Thread(target=produce, daemon=True).start()
        return consume()


class NoPrefetch(Subject):
    """The source itself, read by its consumer."""

    NAME = "no prefetch"

    def start(self) -> Iterator[Any]:
        return iter(self.source())


class Ideal(NoPrefetch):
    """What a measure takes for the best that is possible."""

    NAME = "ideal"


SUBJECTS: dict[str, type[Subject]] = {
    subject.NAME: subject
    for subject in (
        Wrapper,
        Counted,
        Recorded,
        PrefetchGenerator,
        Emloop,
        EmloopAwake,
        Torchdata,
        Grain,
        Spdl,
        Keras,
        Queue,
        Limit,
        NoPrefetch,
        Ideal,
    )
}

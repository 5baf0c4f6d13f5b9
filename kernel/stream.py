"""`StreamWrapper`: the public class. What it does is in `core`, `worker` and `pull`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import AbstractContextManager
from numbers import Real
from operator import index
from timeit import default_timer
from typing import Generic, NoReturn, SupportsIndex, TextIO, TypeVar

from .consumer import read, took
from .core import Core
from .machine import Limits
from .record import Record
from .scope import Gate, enter, leave
from .types import TimeProfile

T = TypeVar("T")


class StreamWrapper(Generic[T]):
    """Reads a source epoch by epoch, and in a buffered one prefetches batches in a thread.

    A pass over the source is one iterator, `iter(stream_fn())`; a new one is begun when the last
    is exhausted. `for batch in stream` reads one epoch. Whatever the thread does, the batches,
    their order, the ends of epochs and the errors are those of reading without one.

    :param stream_fn: callable without arguments that returns the iterable of a pass
    :param buffer_size: batches held and being pulled, at most; less than 1 means no buffer and
        no thread
    :param epoch_size: batches in an epoch, across as many passes as it takes; less than 1 means
        that an epoch is a pass. A pass that yields nothing always ends the epoch
    :param name: name of the stream, for messages and for the profile
    :param profile: mapping to which `read_batch_<name>` adds the seconds that each batch took
    :param stop_timeout: seconds for which leaving waits for a pull in flight; None means for ever
    :param record: text file to which each action of the protocol is written, as a line of JSON;
        `python -m specs trace FILE` checks it. None means no record, at no cost
    :raises TypeError: if `stream_fn` is not callable, a size is not an integer, `profile` is
        not a mutable mapping, `stop_timeout` is not a number, or `record` is not a text file
    :raises ValueError: if `stop_timeout` is negative or no number

    A buffered stream is read in a `with` block, which starts the thread and stops it. Stopping
    keeps everything: entering again goes on from there, and reading outside goes on without a
    thread. The thread pulls while `allow_buffering` is open or while `next` waits.

    >>> stream = StreamWrapper(lambda: range(3), buffer_size=2, epoch_size=2)
    >>> with stream:
    ...     print(list(stream), list(stream))
    [0, 1] [2, 0]
    """

    def __init__(
        self,
        stream_fn: Callable[[], Iterable[T]],
        buffer_size: SupportsIndex = 0,
        epoch_size: SupportsIndex = -1,
        name: str | None = None,
        profile: TimeProfile | None = None,
        *,
        stop_timeout: float | None = None,
        record: TextIO | None = None,
    ) -> None:
        if not callable(stream_fn):
            raise TypeError(f"stream_fn must be callable, not {stream_fn!r}.")
        if profile is not None and not isinstance(profile, MutableMapping):
            raise TypeError(f"profile must be a mutable mapping or None, not {profile!r}.")
        limits = Limits(
            capacity=max(0, _integer("buffer_size", buffer_size)),
            epoch_size=max(0, _integer("epoch_size", epoch_size)),
        )
        self._name = name
        self._event = f"read_batch_{name}"
        self._profile = profile
        label = f"StreamWrapper {name!r}"
        self._core: Core[T] = Core(
            stream_fn,
            limits,
            label=label,
            stop_timeout=_seconds(stop_timeout),
            record=None if record is None else Record(record, limits, label),
            numbered=False,
            snapshot_every=1,
        )
        self._plain = profile is None and record is None

    @property
    def name(self) -> str | None:
        """The name of the stream."""
        return self._name

    def empty(self) -> bool:
        """Whether `next` would have to wait: no batch, end or error is buffered."""
        run = self._core.run
        return not run.batches and (self._core.limits.capacity == 0 or not run.marks)

    @property
    def allow_buffering(self) -> AbstractContextManager[None]:
        """A gate: the worker may pull while any `with stream.allow_buffering` is active.

        Put it around work that leaves the interpreter's lock to others (native code, I/O), and the
        worker does not compete with your own Python code. Gates nest. Leaving one does not wait for
        a pull in flight.
        """
        return Gate(self._core)

    def __reduce__(self) -> NoReturn:
        """A thread and its lock cannot be copied. Raises TypeError."""
        raise TypeError(f"{self._core.label} can be neither copied nor pickled.")

    def __enter__(self) -> StreamWrapper[T]:
        """Start the worker of a buffered stream. Raises RuntimeError if entered twice.

        A stop that was interrupted is ended first, which may raise TimeoutError as leaving does.
        """
        enter(self._core, self)
        return self

    def __exit__(self, *failure: object) -> None:
        """Stop the worker, after the pull that it is in, and keep everything for later.

        A source that hangs in that pull hangs this too, unless there is a `stop_timeout`. What is
        buffered is kept then, and read first; the next thing read is a ChildProcessError with the
        TimeoutError as its cause, and the next a fresh pass. The thread is let go of: it ends when
        its pull returns, which changes nothing; but until then the source may be asked for the
        fresh pass while it is still in the old one.

        :raises RuntimeError: if the stream was not entered, or its own source leaves it
        :raises TimeoutError: if a pull takes longer than `stop_timeout`; the stream is left
        """
        leave(self._core, failure[0] if failure else None)

    def __iter__(self) -> Iterator[T]:
        """The stream itself."""
        return self

    def __next__(self) -> T:
        """The next batch.

        :raises StopIteration: at the end of the epoch; the next call begins another
        :raises ValueError: if the stream is buffered and was never entered
        :raises ChildProcessError: in a buffered stream, if the source raised (the error is the
            `__cause__`) or the worker is gone; without a buffer the source's error comes as it is
        :raises RuntimeError: if another thread is waiting for a batch of this stream
        """
        core = self._core
        if self._plain:  # what `read` does, for speed without a call
            run = core.run
            try:
                batch: T = next(run.taking)[1]
            except IndexError:
                return read(core)
            if run.parked > run.rung and len(run.batches) <= core.low_water:
                took(core, run)
            return batch
        start = default_timer()
        batch = read(core)  # an end and an error have no time
        if self._profile is not None:
            self._profile.setdefault(self._event, []).append(default_timer() - start)
        return batch


def _integer(argument: str, value: SupportsIndex) -> int:
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"{argument} must be an integer, not {value!r}.") from None


def _seconds(stop_timeout: float | None) -> float | None:
    if stop_timeout is None:
        return None
    if not isinstance(stop_timeout, Real):
        raise TypeError(f"stop_timeout must be a number or None, not {stop_timeout!r}.")
    if not stop_timeout >= 0:
        raise ValueError(f"stop_timeout must be at least 0, not {stop_timeout!r}.")
    return float(stop_timeout)

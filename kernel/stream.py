"""`StreamWrapper`, the public class: its arguments and its methods. Other files do the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from timeit import default_timer
from typing import Any, Generic, NoReturn, SupportsIndex, TextIO, TypeVar

from . import arguments, reset
from .consumer import read, wake_worker
from .core import Core
from .epoch import Epoch
from .limit import deadline
from .place import Resumable
from .scope import Gate, enter, leave
from .stats import Stats
from .types import TimeProfile

S = TypeVar("S", bound="StreamWrapper[Any]")
T = TypeVar("T")


class StreamWrapper(Resumable, Generic[T]):
    """Reads a source epoch by epoch. With a buffer, a thread prefetches the batches.

    A pass over the source is one iterator, `iter(stream_fn())`; a new one follows when it is
    exhausted. `for batch in stream` reads one epoch: the batches and errors, in order, that you
    would get without a thread.

    :param stream_fn: callable that returns the iterable of a pass
    :param buffer_size: batches held and being pulled, at most; less than 1: no buffer, no thread
    :param epoch_size: batches in an epoch, across as many passes as it takes; less than 1: an
        epoch is a pass. A pass that yields nothing always ends the epoch
    :param name: name of the stream, for messages and for the profile
    :param profile: mapping to which `read_batch_<name>` adds the seconds that each batch took
    :param stop_timeout: seconds for which leaving waits for a pull in flight; None means for ever
    :param with_epoch: call `stream_fn` with the number, from 0, of the epoch that a pass begins in
    :param snapshot_every: batches of a pass after which the source, or its iterator, is asked for
        its own `state_dict`, if it has one; less than 1 means never
    :param lookahead: while a gate is open, the thread pulls past ends of epochs as long as there is
        room in the buffer; not past an error or a pass without batches
    :param record: text file for its actions, for `python -m specs trace FILE`; None: none, no cost
    :param stats: count which thread waits for which, for `stats()`
    :param stall_after: seconds of waiting after which `next` logs the source's stack; None: never
    :raises TypeError, ValueError: if an argument has a wrong type or value; the message names it

    Read a buffered stream in a `with` block, which starts the thread and stops it. A stop keeps
    all: entering again goes on from there, as does reading outside, without a thread. The thread
    pulls while `allow_buffering` is open or while `next` waits.

    >>> stream = StreamWrapper(lambda: range(3), buffer_size=2, epoch_size=2)
    >>> with stream:
    ...     print(list(stream), list(stream))
    [0, 1] [2, 0]
    """

    def __init__(
        self,
        stream_fn: Callable[..., Iterable[T]],
        buffer_size: SupportsIndex = 0,
        epoch_size: SupportsIndex = -1,
        name: str | None = None,
        profile: TimeProfile | None = None,
        *,
        stop_timeout: float | None = None,
        with_epoch: bool = False,
        snapshot_every: SupportsIndex = 1,
        lookahead: bool = False,
        record: TextIO | None = None,
        stats: bool = False,
        stall_after: float | None = None,
    ) -> None:
        arguments.function("stream_fn", stream_fn)
        arguments.mapping("profile", profile)
        self._name, self._event, self._profile = name, f"read_batch_{name}", profile
        self._plain = profile is None and record is None
        self._core: Core[T] = Core(
            stream_fn,
            arguments.size("buffer_size", buffer_size),
            arguments.size("epoch_size", epoch_size),
            f"StreamWrapper {name!r}",
            stop_timeout=arguments.seconds("stop_timeout", stop_timeout),
            numbered=bool(with_epoch),
            snapshot_every=arguments.size("snapshot_every", snapshot_every),
            lookahead=bool(lookahead),
            record=record,
            stats=bool(stats),
            stall_after=arguments.seconds("stall_after", stall_after),
        )

    @property
    def name(self) -> str | None:
        """The name of the stream."""
        return self._name

    def empty(self) -> bool:
        """Whether no batch, end or error is buffered; without a buffer, whether no batch is."""
        run = self._core.run
        return not run.batches and (self._core.limits.capacity == 0 or not run.marks)

    @property
    def allow_buffering(self) -> AbstractContextManager[None]:
        """A gate: the worker may pull while any `with stream.allow_buffering` is active.

        Put it around work that releases the GIL (native code, I/O), and the worker does not compete
        with your own. Gates nest. Leaving one does not wait for a pull in flight.
        """
        return Gate(self._core)

    def __reduce__(self) -> NoReturn:
        """A thread cannot be copied. Raises TypeError."""
        raise TypeError(f"{self._core.label} can be neither copied nor pickled.")

    def __enter__(self: S) -> S:
        """Start the worker of a buffered stream. Raises RuntimeError if entered twice.

        A stop that was interrupted is ended first, which may raise TimeoutError as leaving does.
        """
        enter(self._core, self)
        return self

    def __exit__(self, *failure: object) -> None:
        """Stop the worker, after the pull that it is in, and keep everything for later.

        A source that hangs in that pull hangs this too, unless there is a `stop_timeout`. Then the
        thread is given up: reading gives what is buffered, a WorkerDied, and a fresh pass.

        :raises RuntimeError: if it was neither entered nor closed, or its own source leaves it
        :raises TimeoutError: if a pull takes longer than `stop_timeout`; the stream is left
        """
        leave(self._core, failure[0] if failure else None)

    def __iter__(self) -> Iterator[T]:
        """The stream itself."""
        return self

    def __next__(self) -> T:
        """The next batch.

        :raises StopIteration: at the end of the epoch; the next call begins another
        :raises ValueError: if the stream is buffered and was never entered, or is closed
        :raises SourceError: if the source raised its `__cause__`; unbuffered, that comes as it is
        :raises WorkerDied: if the worker has died; both are ChildProcessErrors
        :raises RuntimeError: if it would have to wait while another thread does, or for this thread
        """
        core = self._core
        if self._plain:  # as `read`, without a call, for speed
            run = core.run
            part = run.first
            if part.batches:  # an IndexError would cost more than this look
                try:
                    batch: T = next(part.taking)
                except IndexError:
                    pass  # another thread took it
                else:
                    if run.parked > run.rung and len(part.batches) <= core.low_water:
                        wake_worker(core, run)
                    return batch
            return read(core, None, True)
        return self.get()

    def get(self, timeout: float | None = None) -> T:
        """`next`, but raises TimeoutError once it has waited `timeout` seconds. Nothing is lost.

        A pull of the caller's own, without a buffer or outside `with`, is not cut short. `get(0)`
        takes what is buffered. Do not poll so while no gate is open: its request may go unseen.
        """
        limit, start = deadline(self._core.label, timeout), default_timer()
        batch = read(self._core, limit)  # ends and errors are not timed
        if self._profile is not None:
            self._profile.setdefault(self._event, []).append(default_timer() - start)
        return batch

    def epoch(self) -> Epoch[T]:
        """The rest of this epoch, as an iterator that stays exhausted; also for `async for`."""
        return Epoch(self._core, self.__next__, self._profile, self._event)

    def stats(self) -> Stats:
        """The counts so far. Raises RuntimeError if the stream was made without `stats`."""
        if self._core.meter is None:
            raise RuntimeError(f"{self._core.label} counts nothing: make it with stats=True.")
        return self._core.meter.read(self._core.run.given())

    def restart(self) -> None:
        """Close the pass, drop the buffered batches, and begin the epoch again with a fresh pass.

        Inside `with` it stays inside. It waits for a pull in flight, as leaving does, whose
        TimeoutError comes last. Raises ValueError if closed, RuntimeError if another thread waits
        for a batch. One that reads meanwhile gets what either pass gives, or a RuntimeError.
        """
        reset.restart(self._core, self)

    def close(self) -> None:
        """End the stream: stop the worker, drop what is buffered, and close the pass if it can be.

        A waiting thread gets a ValueError. Raises RuntimeError if another thread is in a pull of
        its own: call again to close that pass. A TimeoutError of leaving comes last.
        """
        reset.close(self._core)

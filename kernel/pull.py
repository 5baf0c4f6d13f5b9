"""The puller's side: what whoever pulls writes, and how the source is asked.

The puller is the worker or, where there is none, a caller in `next`. A `Run` is written by it
alone; callers take from its buffer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from .claims import Claim
from .machine import INITIAL, Limits, Mark, State, Worker

if TYPE_CHECKING:
    from .worker import Entry

T = TypeVar("T")

# Places of variables in a state; a test compares them with `Variables`.
MARK: Final = 4
PROGRESS: Final = 6  # and all that follow

FETCHING, BEGUN, COUNT = range(3)  # places in `Run.progress`


class Run(Generic[T]):
    """What the puller writes: the buffer, the pass and its progress.

    Who gives a worker up leaves this to it, and goes on with another.
    """

    def __init__(self) -> None:
        self.batches: deque[T] = deque()
        self.marks: deque[BaseException] = deque()
        """The mark behind the batches, if there is one: what `next` will raise. It is put after
        them, so who sees it and then no batch has seen all."""
        self.pullers: list[Claim] = []
        self.worker: Entry | None = None
        """The worker that has started and not halted. If it has no claim in force, it died."""
        self.progress: tuple[bool, bool, int, bool] = INITIAL[PROGRESS:]
        self.iterator: Iterator[T] | None = None
        """The pass. None in a pull that may turn out to be its last."""
        self.hand: tuple[Any, StopIteration | None] | None = None
        """While a batch is put: the progress after it, and the mark behind it."""
        self.parked = 0
        """How often the worker has parked: it sleeps, or is about to and looks once more first."""
        self.rung = 0
        """Which of these sleeps was rung for; written by callers, after the ring."""
        self.answered = 0
        """The last sleep of a consumer that the worker has rung for."""

    def ring(self, why: str | None = None) -> None:
        """Wake the worker if it is parked and was not rung for yet."""
        parked, entry = self.parked, self.worker
        if parked > self.rung and entry is not None:
            entry.bell.put(why)
            self.rung = parked

    def own_state(self) -> State:
        """The state as far as the answers of a pull depend on it: the puller's own side."""
        worker: Worker = "absent" if self.worker is None else "running"
        return "inside", 0, "idle", len(self.batches), "none", worker, *self.progress

    def advance(self, state: State | None) -> None:
        """Note the progress that an action has made."""
        assert state is not None
        self.progress = state[PROGRESS:]

    def is_under_way(self, limits: Limits) -> bool:
        """Whether the next pull is neither the first of its pass nor the last of its epoch."""
        _, begun, count, _ = self.progress
        return begun and self.iterator is not None and count + 1 != limits.epoch_size

    def mark(self) -> Mark:
        """The machine's word for the mark."""
        if not self.marks:
            return "none"
        try:
            return "ended" if type(self.marks[0]) is StopIteration else "failed"
        except IndexError:
            return "none"  # a caller took it


def ask(run: Run[T], stream_fn: Callable[[], Iterable[T]]) -> T:
    """One `next` on the pass, or on a new one.

    :raises StopIteration: if the pass is over
    :raises NotAnEnd: if `stream_fn` or `iter` raises StopIteration, which would look like it
    """
    iterator, run.iterator = run.iterator, None
    if iterator is None:
        try:
            iterator = iter(stream_fn())
        except StopIteration as error:
            raise NotAnEnd from error
    batch = next(iterator)
    run.iterator = iterator
    return batch


class NotAnEnd(Exception):
    """Carries a StopIteration that is no end of a pass, as its cause."""


def reported(error: BaseException, label: str, buffered: bool) -> BaseException:
    """The exception by which the consumer learns of an error of the source."""
    if isinstance(error, NotAnEnd):
        assert error.__cause__ is not None
        error = error.__cause__
    elif not buffered:
        return error
    kind = ChildProcessError if buffered else RuntimeError
    told = kind(f"The source of {label} raised {described(error)}.")
    told.__cause__ = error
    return told


def described(error: BaseException) -> str:
    """The error's class and message, whatever its class makes of these."""
    name: Any = type.__dict__["__name__"].__get__(type(error))
    try:
        text = str(error)
    except BaseException:  # an error of the source's, in which nothing else must get lost
        text = "(its message cannot be told)"
    return f"{name}: {text}" if text else name

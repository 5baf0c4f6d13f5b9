"""The puller's side of a stream: the pass, its progress, and what it has put.

The puller is the worker or, where there is none, a caller in `next`. It alone writes a `Run`, but
for `first` and `rung`, which callers write, and they take from the buffer. If the puller is gone,
another thread finishes what it has left (`gone.py`).
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from .buffer import Mark, Part
from .claims import Claim
from .machine import INITIAL, Limits, State, Worker
from .passes import PassStart, Resume, Snapshot

if TYPE_CHECKING:
    from .core import Entry

T = TypeVar("T")

# Positions of variables in a state; a test compares them with `Variables`.
MARK: Final = 4
PROGRESS: Final = 7  # and all that follow

FETCHING: Final = 0  # positions in `Run.progress`
BEGUN: Final = 1
COUNT: Final = 2

Progress: TypeAlias = tuple[bool, bool, int, bool]
Hand: TypeAlias = tuple[str, Progress, int, Mark | None]


class Run(Generic[T]):
    """All that the puller writes.

    A worker that is given up keeps its run. The stream goes on with a new one.
    """

    def __init__(self, given: int = 0) -> None:
        self.first: Part[T] = Part(given)
        """The part from which callers take. It is theirs to write."""
        self.last = self.first
        """The part to which the puller puts."""
        self.puts = given
        """How many batches were put since the stream was made; too few during `run_ahead`."""
        self.lost = 0
        """How many batches of callers' own pulls an interrupt has lost. They count as given."""
        self.starts: list[PassStart] = []  # no deque: free-threaded builds copy that in steps
        """Where each pass began that the consumer may still be in."""
        self.resumes: Resume | None = None  # how a resumed stream's first pass goes on
        self.stateful: Any = None
        """The object with `state_dict` of this pass, if there is one and its state is wanted."""
        self.snapshots: list[Snapshot] = []
        self.pullers: list[Claim] = []  # the role of the puller
        self.worker: Entry | None = None
        """The worker that has started and not halted. It has died if its claim is not in force."""
        self.progress: Progress = INITIAL[PROGRESS:]
        self.iterator: Iterator[T] | None = None
        """The pass. None during a pull by `pull`, which may be its last; `run_ahead` keeps it."""
        self.hand: Hand | None = None
        """While `pull.py` puts an answer: the action, the progress after it, how many batches are
        put by then, and the mark after them."""
        self.parked = 0
        """How often the worker has announced that it will sleep. (In `Shell.tla` this is no count.)
        If the worker goes on unrung, `parked > rung` stays, which costs a ring."""
        self.rung = 0
        """The last value of `parked` for which a caller has rung. It is written after the ring."""
        self.rung_for: object = None
        """The last sleep of a consumer for which the worker has rung."""

    def follower(self, whole: bool = False) -> Run[T]:
        """A run that replaces this one, with no pass. `whole`: it takes over the buffer.

        Only the batches of the last part stay here: `give_up` moves them.
        """
        run = Run[T](self.given())
        run.starts, run.snapshots = self.starts.copy(), self.snapshots.copy()
        if whole:
            last, run.lost = self.last, self.lost
            moved = Part(marks=last.marks.copy(), epoch=last.epoch, former=last)
            run.first, run.last = moved if self.first is last else self.first, moved
            run.puts = self.total()
        return run

    def parts(self) -> list[Part[T]]:
        """The parts of the buffer, oldest first."""
        first = self.first  # once: callers replace it
        return [first, *first.behind()]

    def held(self) -> int:
        """How many batches are held, at most: a caller may take some meanwhile."""
        first = self.first
        if first is self.last:
            return len(first.batches)
        return len(first.batches) + sum(len(part.batches) for part in first.behind())

    @property
    def batches(self) -> deque[T]:
        """The batches that come first."""
        return self.first.batches

    @property
    def marks(self) -> deque[Mark]:
        """The mark after these, if there is one."""
        return self.first.marks

    def ring(self, why: str | None = None) -> None:
        """Wake the worker if it is parked and was not rung for that. `why`: `GATE`, or None."""
        parked, entry = self.parked, self.worker
        if parked > self.rung and entry is not None:
            entry.bell.put(why)
            self.rung = parked

    def own_state(self) -> State:
        """The part of the state on which the answer of a pull depends: the puller's own side."""
        worker: Worker = "absent" if self.worker is None else "running"
        return "inside", 0, "idle", len(self.last.batches), "none", (), worker, *self.progress

    def advance(self, state: State | None) -> None:
        """Take over the progress of a state that an action has returned."""
        self.progress = progress_after(state)

    def is_under_way(self, limits: Limits) -> bool:
        """Whether the next pull begins no pass or epoch, its batch ends none, no state is kept."""
        _, begun, count, _ = self.progress
        plain = self.iterator is not None and self.stateful is None
        return begun and plain and count + 1 != limits.epoch_size

    def given(self) -> int:
        """How many batches were taken since the stream was made."""
        return self.first.taken() + self.lost

    def end(self, mark: Mark, goes_on: bool, epoch: int) -> None:
        """Put a mark after the epoch of this number. `goes_on`: the puller puts more after it."""
        last, mark.number = self.last, self.puts
        mark.part = Part(self.puts - self.lost, epoch=epoch + 1) if goes_on else None
        last.epoch = None if mark.part is None else epoch
        last.marks.append(mark)
        self.last = mark.part or last

    def began(self, epoch: int) -> None:
        """A pass has begun."""
        start, given = PassStart(self.puts, epoch), self.given()
        while len(self.starts) > 1 and self.starts[1].number < given:
            del self.starts[0]
        if self.starts and self.starts[-1].number == start.number:
            self.starts[-1] = start  # the last pass gave nothing, and many may do so
        else:
            self.starts.append(start)

    def keep(self, every: int) -> None:
        """Keep the source's own state, after every `every` batches of its pass."""
        if (self.puts - self.starts[-1].number) % every:
            return
        given = self.given()
        while len(self.snapshots) > 1 and self.snapshots[1].number < given:
            del self.snapshots[0]
        try:  # a copy: some sources go on writing in the state that they returned
            state, error = copy.deepcopy(self.stateful.state_dict()), None
        except Exception as caught:  # the batch is good: `state_dict` of the stream reports this
            trace = caught.__traceback__  # without this frame, which holds the run
            state, error = None, BaseException.with_traceback(caught, trace and trace.tb_next)
        if state is not None or error is not None:
            self.snapshots.append(Snapshot(self.puts, state, error))

    def total(self) -> int:
        """How many batches were put since the stream was made, whoever takes some meanwhile."""
        while True:
            given = self.given()
            total = given + self.held()
            if given == self.given():
                return total

    def is_answered(self) -> bool:
        """Whether a caller's pull that an interrupt broke off has its answer.

        An error counts only if it was put. Else it reached the caller, as the interrupt's context.
        """
        if (hand := self.hand) is None:  # read once: a worker may be at work
            return False
        action, _, _, mark = hand
        return action != "Fail" or mark is None or mark.error is None or self.has(mark)

    def has(self, mark: Mark | None) -> bool:
        """Whether the mark is put, and was not removed."""
        return any(part.mark() is mark for part in self.parts())

    def is_used(self) -> bool:
        """Whether a pull was begun, or a state was loaded."""
        return bool(self.starts) or self.progress != INITIAL[PROGRESS:]


def progress_after(state: State | None) -> Progress:
    """The progress in a state that an action has returned."""
    assert state is not None
    return state[PROGRESS:]

"""Statistics: which thread waits for which.

Counts are of the protocol's actions, and times are between actions; `Stats` names these. `Meter`
counts, in `meter.py`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

FILLS: Final = ("empty", "up to 1/4", "up to 1/2", "up to 3/4", "more", "full")
LITTLE: Final = 0.05
"""A share of the time that is not worth advice."""


class Stats(NamedTuple):
    """The counts of a stream so far, by the actions of the protocol. Times are in seconds.

    `str` gives a few lines. The last one is the `advice`.
    """

    batches: int
    """Given to the consumer (`Dequeue`). The batch in hand that an interrupt lost counts too."""
    epochs: int
    """Ends that were reported (`EndEpoch`)."""
    errors: int
    """Errors that were raised (`Raise`)."""
    seconds: float
    """Inside `with` (`Enter` to `Leave`), and waiting outside; without a buffer, from the first
    `Request` to the last `Withdraw`."""
    consumer_waited: float
    """While a request waited (consumer = "waiting": `Request` to `Withdraw`)."""
    found_empty: int
    """How often the consumer found nothing buffered (`Request`)."""
    source: float
    """In pulls (fetching: `Fetch` to `Enqueue`, `Exhaust` or `Fail`). Where a worker runs ahead,
    this includes the hand-over, a fraction of a microsecond a batch."""
    waited_for_room: float
    """The worker slept because the buffer was full (buffered = capacity)."""
    waited_for_gate: float
    """The worker slept because no gate was open (permits = 0), though there was room."""
    waited_for_epoch: float
    """The worker slept because the next epoch was not requested yet (not begun)."""
    found_full: int
    """How often the worker, after a pull, found the buffer full and fell asleep."""
    fill: tuple[float, ...]
    """Seconds for each level of `FILLS`, as the worker saw it. A batch that the waiting consumer
    takes at once does not count."""
    processors: float
    """How many processors the whole process kept busy inside `with`, on average."""
    capacity: int
    """The size of the buffer."""

    @property
    def worker_waited(self) -> float:
        """Seconds for which the worker slept."""
        return self.waited_for_room + self.waited_for_gate + self.waited_for_epoch

    @property
    def advice(self) -> str:
        """The bottleneck, in words."""
        if (self.found_empty == 0 and self.batches == 0) or self.seconds <= 0:
            return "nothing was read yet"
        asked = self.consumer_waited / self.seconds
        waited, gate = self.worker_waited / self.seconds, self.waited_for_gate / self.seconds
        request = f"{asked:.0%} of the time a request waited"
        if self.capacity == 0:
            return f"there is no buffer: {request}, for a pull of its own; give a buffer_size"
        if asked > LITTLE and gate > asked / 2:
            return (
                f"no gate was open: {gate:.0%} of the time the worker waited for one, and "
                f"{request}; open allow_buffering around work that releases the GIL"
            )
        if asked > LITTLE:
            source = self.source / self.seconds
            if source >= asked / 2:
                cause = f"the source is the bottleneck: {request}"
            else:
                cause = (
                    f"the hand-over is the bottleneck: {request}, and {source:.0%} of the time the "
                    "source was asked; make the batches larger, or see what else runs"
                )
            return cause
        busy = f"the process kept {self.processors:.1f} processors busy"
        if waited > LITTLE:
            return (
                f"the consumer is bound by its own work: the worker waited {waited:.0%} of the "
                f"time, {request}; {busy}"
            )
        return (
            f"nobody waits, as source and consumer are both at work; {busy}: where that is 1, they "
            "share an interpreter, and a gate around native work only keeps them apart"
        )

    def __str__(self) -> str:
        whole = sum(self.fill) or 1.0
        fills = ", ".join(f"{n} {s / whole:.0%}" for n, s in zip(FILLS, self.fill, strict=True))
        return (
            f"{self.batches} batches, {self.epochs} epochs, {self.errors} errors in "
            f"{self.seconds:.3g} s\n"
            f"consumer: waited {self.consumer_waited:.3g} s, found the buffer empty "
            f"{self.found_empty} times\n"
            f"worker: {self.source:.3g} s in the source; waited {self.waited_for_room:.3g} s for "
            f"room, {self.waited_for_gate:.3g} s for a gate, {self.waited_for_epoch:.3g} s for the "
            f"next epoch; found the buffer full {self.found_full} times\n"
            f"buffer of {self.capacity}: {fills}\n"
            f"{self.advice}"
        )

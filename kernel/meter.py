"""The counters behind `stats()`.

Callers write their counters and the puller its own, so no lock is needed. The fill is sampled at
the puller's actions. `run_ahead` names none for each batch: there it is sampled at each look for
room, and when the worker falls asleep.
"""

from __future__ import annotations

from threading import get_ident
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Final

from .run import BEGUN, Run
from .stats import FILLS, Stats

if TYPE_CHECKING:
    from .core import Core
    from .machine import Limits

FULL: Final = len(FILLS) - 1
OTHER, SOURCE, ROOM, GATE, EPOCH = range(5)
"""What the puller spends its time on: a pull, a sleep for one of three reasons, or other things."""


class Meter:
    """The counters of one stream."""

    def __init__(self, limits: Limits) -> None:
        self._capacity = limits.capacity
        # Written by callers.
        self._counts = dict.fromkeys(("Request", "EndEpoch", "Raise"), 0)
        self._request: tuple[int, float] | None = None  # its thread, and the time of its begin
        self._entered: tuple[float, float] | None = None  # the time, and the processor time
        self._waited = self._inside = self._outside = self._processor = 0.0
        self._first = self._last = 0.0  # first begin, last end of a request
        self._shut = 0.0  # when a gate was shut last
        # Written by the puller.
        self._now = OTHER, 0, 0.0  # occupation, place in `FILLS`, time of its begin
        self._spent = [0.0] * 5
        self._worker = False  # whether a worker runs
        self._fill = [0.0] * len(FILLS)
        self._pulled = False  # since the worker slept last
        self._full = 0

    def did(self, action: str, run: Run[Any]) -> None:
        """An action has taken effect."""
        if action == "Dequeue":
            return  # batches are counted as they are taken
        if action == "Request":
            self._request = get_ident(), perf_counter()
            self._counts[action] += 1
            self._first = self._first or self._request[1]
        elif action == "Withdraw":
            self.withdraw()
        elif action == "Disallow":
            self._shut = perf_counter()
        elif action == "Fetch":
            self.turns(SOURCE, run)
        elif action in ("Enqueue", "Exhaust", "Fail"):
            self.turns(OTHER, run)
        elif action in self._counts:
            self._counts[action] += 1
        elif action == "Enter":
            self._entered = perf_counter(), process_time()
        elif action == "Leave" and self._entered is not None:
            (since, processor), self._entered = self._entered, None
            self._inside += perf_counter() - since
            self._processor += process_time() - processor
        elif action == "Start":
            self._now = OTHER, self._level(run.held()), perf_counter()
            self._worker = True
        elif action in ("Halt", "Die", "Bury"):
            self.turns(OTHER, run)
            self._worker = False

    def withdraw(self) -> None:
        """The request of this thread, if there is one, waits no longer."""
        request = self._request
        if request is not None and request[0] == get_ident():
            self._request, self._last = None, perf_counter()
            self._waited += self._last - request[1]
            if self._entered is None:
                self._outside += self._last - request[1]

    def _level(self, held: int) -> int:
        """The position in `FILLS` of this number of batches."""
        if held and self._request is not None:
            held -= 1  # the waiting consumer takes this one at once
        if 0 < held < self._capacity:
            return 1 + 4 * held // self._capacity
        return 0 if held == 0 else FULL

    def turns(self, doing: int, run: Run[Any]) -> None:
        """The puller does this from now on.

        Of the time since its last turn, half counts for the fill then and half for the fill now.
        """
        before, place, since = self._now
        now = perf_counter()
        took = now - since
        self._spent[before] += took
        if self._worker:
            fill = self._fill
            fill[place] += took / 2
            place = self._level(run.held())
            fill[place] += took / 2
        if doing == SOURCE:
            self._pulled = True
        self._now = doing, place, now

    def sleeps(self, core: Core[Any], run: Run[Any]) -> None:
        """The worker falls asleep."""
        if not run.progress[BEGUN]:
            why = EPOCH
        elif core.gates or run.held() >= self._capacity:
            why = ROOM
            self._full += self._pulled
        else:
            why = GATE
        self._pulled = False
        self.turns(why, run)

    def wakes(self, core: Core[Any]) -> None:
        """The worker has woken with no gate open.

        If there is room now, it has waited for a gate since the last one was shut.
        """
        doing, place, since = self._now
        if doing == ROOM and core.run.held() < self._capacity:
            shut = max(since, self._shut)
            self._spent[ROOM] += shut - since
            self._fill[place] += shut - since
            self._now = GATE, place, shut

    def read(self, given: int) -> Stats:
        """The counts up to now, for a consumer that was given this number of batches."""
        now, request, entered = perf_counter(), self._request, self._entered
        spent, fill, (doing, place, since) = self._spent.copy(), self._fill.copy(), self._now
        spent[doing] += max(0.0, now - since)
        fill[place] += max(0.0, now - since) if self._worker else 0.0
        inside, processor = self._inside, self._processor
        if entered is not None:
            inside += now - entered[0]
            processor += process_time() - entered[1]
        seconds = inside + self._outside
        if not self._capacity:
            seconds = (now if request else self._last) - self._first
        return Stats(
            batches=given,
            epochs=self._counts["EndEpoch"],
            errors=self._counts["Raise"],
            seconds=seconds,
            consumer_waited=self._waited + (now - request[1] if request else 0.0),
            found_empty=self._counts["Request"],
            source=spent[SOURCE],
            waited_for_room=spent[ROOM],
            waited_for_gate=spent[GATE],
            waited_for_epoch=spent[EPOCH],
            found_full=self._full,
            fill=tuple(fill),
            processors=processor / inside if inside else 0.0,
            capacity=self._capacity,
        )

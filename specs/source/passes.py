"""Reading a source as a wrapper would, and finding what goes wrong, for `specs.source`.

Passes are begun one after another, batches wait in a window while others are pulled, and one pass
is pulled by two threads in turn. Only the window is kept; of other batches there are fingerprints.
"""

from __future__ import annotations

import sys
import textwrap
import traceback
import weakref
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, _base, thread
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from .fingerprint import Fingerprint, differences, fingerprint, name, structure

Run: TypeAlias = Callable[[int, Callable[[], Any]], Any]  # makes the nth call of a pass

_END = object()  # of a pass
_FAILED = object()  # what a call gives that raised


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a source."""

    kind: str  # one of those that `check_source` lists
    where: str  # passes count from 1, batches from 0
    message: str  # what happened, and what to do about it
    error: BaseException | None = field(default=None, compare=False, repr=False)  # of the source


@dataclass
class Pass:
    """What was read in a pass."""

    number: int
    batches: list[Fingerprint] = field(default_factory=list)
    ended: bool = False
    failure: Finding | None = None
    same: bool = False  # its iterator is that of the pass before

    @property
    def cut(self) -> bool:
        """Whether it was left before its end."""
        return not self.ended and self.failure is None

    def __str__(self) -> str:
        least = "at least " if not self.ended else ""
        return f"pass {self.number} has {least}{len(self.batches)}"


@dataclass
class Kept:
    """A batch that would wait in the buffer, or be with the consumer."""

    place: str
    batch: Any
    fingerprint: Fingerprint
    seen: int  # how many events there had been when it was looked at last


class Check:
    """One check: the passes read, the window of batches, the first finding of each kind."""

    def __init__(self, stream_fn: Any, shuffled: bool, batches: int, buffer_size: int) -> None:
        self.stream_fn = stream_fn
        self.shuffled = shuffled
        self.bound = batches
        self.findings: dict[str, Finding] = {}
        self.passes: list[Pass] = []
        self.window: deque[Kept] = deque(maxlen=min(buffer_size, sys.maxsize))
        self.events: list[str] = []  # whatever may have changed a batch
        self.last: Callable[[], Any] = lambda: None  # the iterator of the pass before
        self.threads = False

    def find(self, kind: str, where: str, message: str, error: BaseException | None = None) -> None:
        """Note a finding, if it is the first of its kind."""
        self.findings.setdefault(kind, Finding(kind, where, message, error))

    def run(self) -> None:
        """Read pass after pass, and compare each with the first."""
        if not callable(self.stream_fn):
            self.find(
                "not callable",
                "stream_fn",
                f"stream_fn is of type {type(self.stream_fn).__qualname__}. It has to be a "
                "function, called for each pass; `lambda: dataset` will do if the dataset can be "
                "iterated again.",
            )
            return
        for _ in range(2):
            done = self.read(lambda n, call: call())
            self.judge(done)
            if done.failure is not None or "restart" in self.findings:
                return
        self.threads = True
        with ThreadPoolExecutor(1, "check_source") as pool:
            done = self.read(lambda n, call: call() if n % 2 else pool.submit(call).result(), True)
        failed = done.failure
        if failed is not None:  # is it because of the threads?
            done = self.read(lambda n, call: call())
            if done.failure is None:
                self.find(
                    "thread",
                    failed.where,
                    f"{failed.message} Here two threads pull in turn; one alone could read a pass "
                    "before and after. A wrapper pulls in a thread of its own inside `with`, and "
                    "in yours outside: do not bind the source or a pass to one thread.",
                    failed.error,
                )
        self.judge(done)

    def read(self, run: Run, beyond: bool = False) -> Pass:
        """Read a pass, and if `beyond`, try to read past its end."""
        this = Pass(len(self.passes) + 1)
        self.passes.append(this)

        def ask(n: int, place: str, call: Callable[[], Any]) -> Any:
            try:
                return run(n, call)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                this.failure = _failure(f"pass {this.number}, {place}", error)
                return _FAILED

        iterable = ask(0, "stream_fn()", self.stream_fn)
        if iterable is _FAILED:
            return this
        iterator = ask(0, "iter()", partial(iter, iterable))
        if iterator is _FAILED:
            return this
        this.same = iterator is self.last()
        self.last = _reference(iterator)
        self.look(f"pass {this.number} was begun")
        pull = partial(next, iterator, _END)
        while len(this.batches) < self.bound:
            number = len(this.batches)
            batch = ask(number + 1, f"batch {number}", pull)
            if batch is _FAILED:
                self.window.clear()  # the frames of an error may lead here, from Python 3.13 on
                return this
            if batch is _END:
                this.ended = True
                self.look(f"pass {this.number} ended")
                if beyond:
                    self.look_beyond(this, pull)
                return this
            place = f"pass {this.number}, batch {number}"
            early = this.number == 1 and number < 2 * (self.window.maxlen or 0)
            self.look(f"batch {number} of pass {this.number} was pulled", batch, every=early)
            parts = fingerprint(batch)
            this.batches.append(parts)
            for path, part in parts.items():
                if part.digest is None:
                    self.find(
                        "not compared",
                        place,
                        f"{name(path, part)} cannot be compared: {part.trouble}. Whether the "
                        "source changes it later, or passes differ in it, is not known.",
                    )
            self.window.append(Kept(place, batch, parts, len(self.events)))
        self.look(f"pass {this.number} was left")
        self.window.clear()  # a wrapper does not leave a pass before its end
        return this

    def look_beyond(self, this: Pass, pull: Callable[[], Any]) -> None:
        """Find out whether an iterator goes on after its end."""
        try:
            resumes = pull() is not _END
        except KeyboardInterrupt:
            raise
        except BaseException:
            return
        if resumes:
            self.find(
                "resumes",
                f"pass {this.number}, after batch {len(this.batches) - 1}",
                "The iterator yields again after StopIteration. A pass that has ended must "
                "stay so: let each iter() give an iterator of its own.",
            )

    def look(self, event: str, new: Any = _END, every: bool = True) -> None:
        """Compare the batches in the window with what they were, after an event.

        Every batch, or to save time only those that came last and that leave next.
        """
        self.events.append(event)
        window = list(self.window)
        for kept in window if every else window[:1] + window[-1:]:
            changes = differences(kept.fingerprint, fingerprint(kept.batch))
            if changes:
                events = self.events[kept.seen :]
                when = events[0]
                if len(events) > 1:
                    when += f", or later, and at the latest when {events[-1]}"
                same = "That batch is the very same object. " if new is kept.batch else ""
                self.find(
                    "changed",
                    kept.place,
                    f"The source changed this batch after yielding it, when {when}: {changes}. "
                    f"{same}A consumer behind a buffer would get what is in it by then. Yield a "
                    "copy of that part, or build a new one for each batch.",
                )
                return
            kept.seen = len(self.events)

    def judge(self, this: Pass) -> None:
        """Find what is wrong with a pass that was read, and with it after the first."""
        if this.failure is not None:
            self.findings.setdefault(this.failure.kind, this.failure)
            return
        first = self.passes[0]
        where = f"pass {this.number}"
        empty = this.ended and not this.batches
        if this is first:
            if empty:
                self.find("empty", where, "The source yields no batch at all.")
            return
        if empty and first.batches:
            self.find("restart", where, f"It is empty, and pass 1 was not. {_fresh(this)}")
            return
        if self.shuffled:
            self.compare_structure(first, this)
        else:
            self.compare_contents(first, this)
        if len(first.batches) != len(this.batches):
            self.find("length", where, f"Passes differ in length: {first} batches, {this}.")

    def compare_contents(self, first: Pass, this: Pass) -> None:
        """Find the first batch that is not as in the first pass."""
        pairs = enumerate(zip(first.batches, this.batches, strict=False))
        at = next((n for n, (one, other) in pairs if one != other), None)
        if at is None:
            return
        where = f"pass {this.number}, batch {at}"
        if this.same and first.cut:
            self.find("restart", where, f"It goes on where pass 1 was left. {_fresh(this)}")
            return
        meant = (
            "If they are meant to differ (shuffled, augmented): `shuffled=True` or `--shuffled`."
        )
        if Counter(map(_key, first.batches)) == Counter(map(_key, this.batches)):
            was = first.batches.index(this.batches[at])
            told = f"The batches of pass 1 in another order: this was batch {was}. {meant}"
            self.find("order", where, told)
            return
        how = differences(first.batches[at], this.batches[at])
        self.find("contents", where, f"Not as in pass 1: {how}. {meant}")

    def compare_structure(self, first: Pass, this: Pass) -> None:
        """Find a kind of part that only one of the passes has."""
        before, after = (
            {kind for parts in done.batches for kind in structure(parts)} for done in (first, this)
        )
        optional = {path for path, kind in before | after if kind == "NoneType"}
        for path, kind in sorted(before ^ after):
            if path not in optional:
                number = 1 if (path, kind) in before else this.number
                self.find(
                    "structure",
                    f"pass {this.number}",
                    f"In pass {number} alone there are batches in which {path or 'the batch'} is "
                    f"of this kind: {kind}. Shuffled passes too have to have the same keys, types "
                    "and numbers of dimensions.",
                )


def _failure(where: str, error: BaseException) -> Finding:
    """The finding for an error of the source, with the frames of the source alone."""
    trace = error.__traceback__
    ours = (__file__, thread.__file__, _base.__file__)
    while trace is not None and trace.tb_frame.f_code.co_filename in ours:
        trace = trace.tb_next  # these frames say nothing, and keep batches alive
    kind = "error"
    if where.endswith("iter()") and isinstance(error, TypeError) and trace is None:
        kind = "not iterable"
    error.__traceback__ = trace
    frames = traceback.extract_tb(trace)
    at = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    because = f", because of {_told(error.__cause__)}" if error.__cause__ is not None else ""
    return Finding(kind, where, f"The source raises {_told(error)}{at}{because}.", error)


def _told(error: BaseException) -> str:
    last_line = traceback.format_exception_only(type(error), error)[-1]
    return textwrap.shorten(last_line.strip(), 300).rstrip(".")


def _fresh(this: Pass) -> str:
    """What to do about a pass that is not begun anew."""
    same = "stream_fn() returned the iterator of the pass before. " if this.same else ""
    return f"{same}Each call has to begin anew: open files and make iterators inside stream_fn."


def _reference(iterator: Any) -> Callable[[], Any]:
    """A reference that lets go of the iterator, if there can be one."""
    try:
        return weakref.ref(iterator)
    except TypeError:
        return lambda: iterator


def _key(parts: Fingerprint) -> frozenset[Any]:
    return frozenset(parts.items())

"""`check_source`: whether a data set can be prefetched, that is, wait in a buffer.

The source is read a few times, as the wrapper would: a pass is begun again, its batches wait while
others are pulled, and one pass is pulled by two threads in turn. What would go wrong becomes a
finding. Only a window of batches is kept; of the others there are fingerprints.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
import textwrap
import traceback
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import thread as futures
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter, index
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


@dataclass(frozen=True)
class Report:
    """What `check_source` found. `print` it."""

    findings: tuple[Finding, ...]
    passes: int  # begun
    batches: int  # read, in all passes
    bound: int | None  # batches of a pass, if a pass was left there before its end
    threads: bool  # whether a pass was pulled by two threads

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        count = len(self.findings)
        found = f"{count} finding{'s' if count > 1 else ''}" if count else "nothing found"
        scope = f"first {self.bound} batches of each pass" if self.bound else "whole passes"
        lines = [f"Source: {found}. Passes: {self.passes}, batches: {self.batches} ({scope})."]
        for number, finding in enumerate(self.findings, 1):
            lines.append(f"{number}. {finding.kind} ({finding.where})")
            lines += textwrap.wrap(
                finding.message, 96, initial_indent="   ", subsequent_indent="   "
            )
        if not self.threads:
            lines.append("Not tried, because of the above: pulling a pass by two threads.")
        return "\n".join(lines)


def check_source(
    stream_fn: Callable[[], Iterable[Any]],
    *,
    batches: int = 1000,
    buffer_size: int = 16,
    shuffled: bool = False,
) -> Report:
    """Read a source three times, and report what would go wrong behind a buffer.

    :param stream_fn: what a `StreamWrapper` would get: called for each pass, returns an iterable
    :param batches: how far a pass is read, in batches
    :param buffer_size: how many batches may wait in the buffer
    :param shuffled: passes are meant to differ (shuffled, augmented): only the number of batches
        and their structure (keys, types, dtypes, numbers of dimensions) have to be the same
    :raises TypeError: if a number is not an integer
    :raises ValueError: if a number is less than 1

    Errors of the source are findings; KeyboardInterrupt goes through. The kinds of findings:

    - not callable, not iterable, empty, error: there is nothing to read, or reading fails
    - restart: the second pass is not a new one
    - length, order, contents, structure: passes differ
    - changed: the source changes a batch after it yielded it
    - thread: a pass can only be read by the thread that began it
    - resumes: the iterator goes on after its end
    - not compared: something in the batches cannot be compared

    >>> row = [0]
    >>> def numbers():
    ...     for row[0] in range(3):
    ...         yield row
    >>> print(check_source(numbers))
    Source: 1 finding. Passes: 3, batches: 9 (whole passes).
    1. changed (pass 1, batch 0)
       The source changed it after it was yielded, when batch 1 of pass 1 was pulled: [0] (int)
       has other contents. It was yielded again as that batch. A batch that waits in a buffer is
       not used until later, and has to stay as it is: yield a copy, or build a new batch each
       time.
    >>> print(check_source(lambda: ([n] for n in range(3))))
    Source: nothing found. Passes: 3, batches: 9 (whole passes).
    """
    sizes = {"batches": batches, "buffer_size": buffer_size}
    for argument, size in sizes.items():
        try:
            sizes[argument] = index(size)
        except TypeError:
            raise TypeError(f"{argument} must be an integer, not {size!r}.") from None
        if size < 1:
            raise ValueError(f"{argument} must be at least 1, not {size}.")
    check = _Check(stream_fn, bool(shuffled), **sizes)
    check.run()
    return Report(
        tuple(check.findings.values()),
        len(check.passes),
        sum(len(done.batches) for done in check.passes),
        check.bound if any(done.cut for done in check.passes) else None,
        check.threads,
    )


@dataclass
class _Pass:
    """What was read in a pass."""

    number: int
    batches: list[Fingerprint] = field(default_factory=list)
    ended: bool = False
    failure: Finding | None = None
    same: bool = False  # its iterator is that of the pass before

    @property
    def cut(self) -> bool:
        return not self.ended and self.failure is None

    def __str__(self) -> str:
        least = "at least " if not self.ended else ""
        return f"pass {self.number} has {least}{len(self.batches)}"


@dataclass
class _Kept:
    """A batch that would wait in the buffer, or be with the consumer."""

    place: str
    batch: Any
    fingerprint: Fingerprint
    seen: int  # how many events there had been when it was looked at last


class _Check:
    """One check: the passes read, the window of batches, the first finding of each kind."""

    def __init__(self, stream_fn: Any, shuffled: bool, batches: int, buffer_size: int) -> None:
        self.stream_fn = stream_fn
        self.shuffled = shuffled
        self.bound = batches
        self.findings: dict[str, Finding] = {}
        self.passes: list[_Pass] = []
        self.window: deque[_Kept] = deque(maxlen=buffer_size)
        self.events: list[str] = []  # whatever may have changed a batch
        self.last: Callable[[], Any] = lambda: None  # the iterator of the pass before
        self.threads = False

    def find(self, kind: str, where: str, message: str, error: BaseException | None = None) -> None:
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
            self.fail(done.failure)
            self.compare(done)
            if done.failure is not None or "restart" in self.findings:
                return
        self.threads = True
        with ThreadPoolExecutor(1, "check_source") as pool:
            done = self.read(lambda n, call: call() if n % 2 else pool.submit(call).result(), True)
        failed = done.failure
        if failed is not None:  # is it because of the threads?
            done = self.read(lambda n, call: call())
            self.fail(done.failure)
            if done.failure is None:
                self.find(
                    "thread",
                    failed.where,
                    f"{failed.message} So it is when two threads pull in turn; one alone can read "
                    "the whole pass. A wrapper pulls in a thread of its own inside `with` and in "
                    "yours outside. Do not bind a pass to the thread that began it.",
                    failed.error,
                )
        self.compare(done)

    def fail(self, failure: Finding | None) -> None:
        if failure is not None:
            self.findings.setdefault(failure.kind, failure)

    def read(self, run: Run, beyond: bool = False) -> _Pass:
        """Read a pass, and try to read beyond its end if told to."""
        this = _Pass(len(self.passes) + 1)
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
        del iterable
        self.look(f"pass {this.number} was begun")
        pull = partial(next, iterator, _END)
        while len(this.batches) < self.bound:
            number = len(this.batches)
            batch = ask(number + 1, f"batch {number}", pull)
            if batch is _FAILED:
                return this
            if batch is _END:
                this.ended = True
                self.look(f"pass {this.number} ended")
                if beyond:
                    self.look_beyond(this, pull)
                return this
            place = f"pass {this.number}, batch {number}"
            self.look(f"batch {number} of pass {this.number} was pulled", batch, number)
            parts = fingerprint(batch)
            this.batches.append(parts)
            for path, part in parts.items():
                if part.digest is None:
                    self.find("not compared", place, f"{name(path, part)}: {part.trouble}.")
            if "changed" not in self.findings:
                self.window.append(_Kept(place, batch, parts, len(self.events)))
            del batch
        self.look(f"pass {this.number} was left")
        self.window.clear()  # a wrapper does not leave a pass before its end
        return this

    def look_beyond(self, this: _Pass, pull: Callable[[], Any]) -> None:
        """Find out whether an iterator goes on after its end."""
        with contextlib.suppress(Exception):
            if pull() is not _END:
                self.find(
                    "resumes",
                    f"pass {this.number}, after batch {len(this.batches) - 1}",
                    "The iterator yields again after StopIteration. A pass that has ended must "
                    "stay so: let each iter() give an iterator of its own.",
                )

    def look(self, event: str, new: Any = _END, number: int = 0) -> None:
        """Compare the batches in the window with what they were, after an event.

        Later in a pass, to save time, only as they enter and as they leave the window.
        """
        self.events.append(event)
        window = list(self.window)
        if number >= 4 * (self.window.maxlen or 0):
            window = window[:1] + window[-1:]
        for kept in window:
            changes = differences(kept.fingerprint, fingerprint(kept.batch))
            if changes:
                events = self.events[kept.seen :]
                when = events[0]
                if len(events) > 1:
                    when += f", or later, and at the latest when {events[-1]}"
                same = "It was yielded again as that batch. " if new is kept.batch else ""
                self.find(
                    "changed",
                    kept.place,
                    f"The source changed it after it was yielded, when {when}: {changes}. {same}"
                    "A batch that waits in a buffer is not used until later, and has to stay as it "
                    "is: yield a copy, or build a new batch each time.",
                )
                self.window.clear()
                return
            kept.seen = len(self.events)

    def compare(self, this: _Pass) -> None:
        """Compare a pass with the first."""
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
        if first.failure is None is this.failure and len(first.batches) != len(this.batches):
            self.find("length", where, f"Passes differ in length: {first} batches, {this}.")

    def compare_contents(self, first: _Pass, this: _Pass) -> None:
        pairs = enumerate(zip(first.batches, this.batches, strict=False))
        at = next((n for n, (one, other) in pairs if one != other), None)
        if at is None:
            return
        where = f"pass {this.number}, batch {at}"
        if this.same and first.cut:
            self.find("restart", where, f"It goes on where pass 1 was left. {_fresh(this)}")
            return
        meant = "If passes are meant to differ (shuffled, augmented), say shuffled."
        if Counter(map(_key, first.batches)) == Counter(map(_key, this.batches)):
            was = first.batches.index(this.batches[at])
            told = f"The batches of pass 1 in another order: this was batch {was}. {meant}"
            self.find("order", where, told)
            return
        how = differences(first.batches[at], this.batches[at])
        self.find("contents", where, f"Not as in pass 1: {how}. {meant}")

    def compare_structure(self, first: _Pass, this: _Pass) -> None:
        before, after = (
            {kind for parts in done.batches for kind in structure(parts)} for done in (first, this)
        )
        for number, path, kind in [
            *((1, *missing) for missing in sorted(before - after)),
            *((this.number, *extra) for extra in sorted(after - before)),
        ]:
            self.find(
                "structure",
                f"pass {this.number}",
                f"In pass {number} alone there are batches in which {path or 'the batch'} is of "
                f"this kind: {kind}. Passes may be shuffled, but have to have the same keys, types "
                "and numbers of dimensions.",
            )


def _failure(where: str, error: BaseException) -> Finding:
    """The finding for an error of the source, with the frames of the source alone."""
    trace = error.__traceback__
    ours = (__file__, futures.__file__)
    while trace is not None and trace.tb_frame.f_code.co_filename in ours:
        trace = trace.tb_next  # frames keep batches alive, and say nothing
    kind = "error"
    if where.endswith("iter()") and isinstance(error, TypeError) and trace is None:
        kind = "not iterable"
    error.__traceback__ = trace
    frames = traceback.extract_tb(trace)
    at = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    told = f"{type(error).__name__}: {error}{at}".rstrip()
    cause = error.__cause__
    because = f", because of {type(cause).__name__}: {cause}" if cause is not None else ""
    return Finding(kind, where, f"The source raises {told}{because}.", error)


def _fresh(this: _Pass) -> str:
    """What to do about a pass that is not begun anew."""
    same = "stream_fn() returned the iterator of the pass before. " if this.same else ""
    return f"{same}Each pass must begin anew: make the iterator inside stream_fn."


def _reference(iterator: Any) -> Callable[[], Any]:
    """A reference that lets go of the iterator, if there can be one."""
    try:
        return weakref.ref(iterator)
    except TypeError:
        return lambda: iterator


def _key(parts: Fingerprint) -> frozenset[Any]:
    return frozenset(parts.items())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line of `python -m specs source`."""
    parser.add_argument(
        "source", metavar="MODULE:FUNCTION", help="what you would pass as stream_fn"
    )
    parser.add_argument(
        "--batches",
        metavar="N",
        type=int,
        default=1000,
        help="how far each pass is read (default: %(default)s)",
    )
    parser.add_argument(
        "--buffer-size",
        metavar="N",
        type=int,
        default=16,
        help="how many batches may wait in the buffer (default: %(default)s)",
    )
    parser.add_argument(
        "--shuffled",
        action="store_true",
        help="passes are meant to differ in contents and order, not in number and structure",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the source, and print what was found.

    Returns the exit status: 0 if nothing was found, 1 if something was, 2 if it could not be run.
    """
    try:
        report = check_source(
            _load(arguments.source),
            batches=arguments.batches,
            buffer_size=arguments.buffer_size,
            shuffled=arguments.shuffled,
        )
    except (LookupError, ValueError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    print(report)
    for finding in report.findings:
        if finding.error is not None:
            print(f"\nThe error of the finding `{finding.kind}` ({finding.where}):")
            print("".join(traceback.format_exception(finding.error)), end="")
    return 0 if report.ok else 1


def _load(name: str) -> Any:
    """What MODULE:FUNCTION names. Raises LookupError if there is no such thing."""
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise LookupError(f"{name!r} is not of the form MODULE:FUNCTION.")
    try:
        found = importlib.import_module(module_name)
    except Exception as error:
        raise LookupError(
            f"{module_name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    try:
        return attrgetter(path)(found)
    except AttributeError:
        raise LookupError(f"{module_name!r} has no {path!r}.") from None

"""`check_source`: whether a data set can be prefetched, that is, wait in a buffer.

In Python: `check_source(stream_fn)`. As a command: `python -m specs source MODULE:FUNCTION`.
"""

from __future__ import annotations

import argparse
import textwrap
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import index
from typing import Any

from kernel.arguments import shown

from ..arguments import positive, resolve
from .passes import Check, Finding


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
                finding.message, 92, initial_indent="   ", subsequent_indent="   "
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
    """Read a source three times, and report what would go wrong with a buffer.

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
       The source changed this batch after yielding it, when batch 1 of pass 1 was pulled: [0]
       (int) has other contents. That batch is the very same object. A consumer behind a buffer
       would get what is in it by then. Yield a copy of that part, or build a new one for each
       batch.
    >>> print(check_source(lambda: ([n] for n in range(3))))
    Source: nothing found. Passes: 3, batches: 9 (whole passes).
    """
    sizes = {"batches": batches, "buffer_size": buffer_size}
    for argument, size in sizes.items():
        try:
            sizes[argument] = index(size)
        except TypeError:
            raise TypeError(f"{argument} must be an integer, not {shown(size)}.") from None
        if size < 1:
            raise ValueError(f"{argument} must be at least 1, not {shown(size)}.")
    check = Check(stream_fn, bool(shuffled), **sizes)
    check.run()
    return Report(
        tuple(check.findings.values()),
        len(check.passes),
        sum(len(done.batches) for done in check.passes),
        check.bound if any(done.cut for done in check.passes) else None,
        check.threads,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line of `python -m specs source`."""
    parser.add_argument(
        "source", metavar="MODULE:FUNCTION", help="what you would pass as stream_fn"
    )
    for option, default, meaning in (
        ("--batches", 1000, "how far each pass is read"),
        ("--buffer-size", 16, "how many batches may wait in the buffer"),
    ):
        told = f"{meaning} (default: %(default)s)"
        parser.add_argument(option, metavar="N", type=positive, default=default, help=told)
    parser.add_argument(
        "--shuffled",
        action="store_true",
        help="passes are meant to differ in contents and order, not in number and structure",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read a source a few times, and say what would go wrong behind a buffer.

    Passes that differ or cannot be begun again, batches that change while they wait, a source bound
    to its thread. Exit status: 0 if nothing was found, 1 if something was, 2 if nothing could be
    read.
    """
    report = check_source(
        resolve("source", arguments.source, "MODULE:FUNCTION"),
        batches=arguments.batches,
        buffer_size=arguments.buffer_size,
        shuffled=arguments.shuffled,
    )
    print(report)
    for finding in report.findings:
        if finding.error is not None:
            print(f"\nThe error of the finding `{finding.kind}` ({finding.where}):")
            print("".join(traceback.format_exception(finding.error)), end="")
    return 0 if report.ok else 1

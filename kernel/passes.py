"""What the puller notes about passes, for `state_dict` and for a stream that is resumed."""

from __future__ import annotations

from typing import Any, NamedTuple


class Resume(NamedTuple):
    """How the first pass of a resumed stream goes on."""

    in_pass: int  # batches of the pass that were given
    skip: int  # how many of these are pulled again, and skipped
    state: Any  # the source's own state before the skipped ones, or None
    epoch: int  # the one in which the pass was begun


class PassStart(NamedTuple):
    """Where a pass began: after this number of batches, in this epoch."""

    number: int
    epoch: int


class Snapshot(NamedTuple):
    """The source's own state after this number of batches, or the error of asking for it."""

    number: int
    state: Any
    error: Exception | None = None

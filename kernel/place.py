"""The consumer's place: what it was given, and how another stream goes on from there.

Prefetched batches are not in it. The consumer counts the batches that it takes, the puller notes
where passes begin. Both count from the first batch of this stream, so no batch carries its place.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .arguments import shown
from .buffer import Mark
from .claims import holder
from .errors import described
from .machine import INITIAL, State, resumed
from .passes import PassStart, Resume, Snapshot
from .run import BEGUN, FETCHING, MARK, Run

if TYPE_CHECKING:
    from .core import Core

VERSION = 1


class Place(NamedTuple):
    """The consumer's epoch: its number, and after how many batches of this stream it began.

    These numbers of batches are negative where a resumed stream began earlier.
    """

    epoch: int = 0  # ends and errors that were reported
    epoch_start: int = 0  # batches given before it
    pass_start: int = 0  # passes that began earlier are over


class Reported(NamedTuple):
    """The last mark that was reported, or is about to be, and the consumer's places around it."""

    mark: Mark | None
    before: Place  # until the mark is removed
    after: Place


def reported_place(core: Core[Any]) -> Place:
    """Where the consumer is."""
    reported, mark = core.reported, core.run.first.mark()
    is_due = mark is not None and mark is reported.mark and mark.error is not None
    return reported.before if is_due else reported.after


def ended(core: Core[Any], mark: Mark | None) -> Reported:
    """What `core.reported` becomes when a mark, or a caller's pull that broke off, is reported."""
    before, number = reported_place(core), None if mark is None else mark.number
    given = core.run.given() if number is None else number  # at the mark, the same
    # The pass goes on after the end of an epoch of full size, and after no other.
    goes_on = mark is not None and mark.ended
    goes_on = goes_on and given - before.epoch_start >= core.limits.epoch_size > 0
    after = Place(before.epoch + 1, given, before.pass_start if goes_on else given)
    return Reported(mark, before, after)


def here(core: Core[Any]) -> Place:
    """Where the consumer is. If a pull of its own was interrupted, that has ended its epoch."""
    run, now = core.run, reported_place(core)
    is_broken_off = (
        run.progress[FETCHING]
        and not run.is_answered()
        and run.worker is None
        and holder(run.pullers) is None
    )
    given = run.given()
    return Place(now.epoch + 1, given, given) if is_broken_off else now


def number(state: Mapping[str, Any], key: str) -> int:
    """The number under a key. Raises ValueError if there is none."""
    value = state.get(key)
    if type(value) is not int or value < 0:
        raise ValueError(f"state[{key!r}] must be an integer of at least 0, not {shown(value)}.")
    return value


def resumed_run(state: State, epoch: int, resume: Resume) -> Run[Any]:
    """A run that goes on in this state and epoch, with this pass."""
    run: Run[Any] = Run()
    run.advance(state)
    if state[MARK] == "ended":
        run.end(Mark(StopIteration()), run.progress[BEGUN], epoch)
    if resume.in_pass:
        run.starts.append(PassStart(-resume.in_pass, resume.epoch))
        run.resumes = resume
    if resume.state is not None:
        run.snapshots.append(Snapshot(-resume.skip, resume.state))
    return run


class Resumable:
    """A stream whose place can be handed on to another one."""

    _core: Core[Any]

    def state_dict(self) -> dict[str, Any]:
        """The consumer's place, as plain values but for the source's own state.

        It may be out of date if another thread reads meanwhile. Raises RuntimeError if the source's
        `state_dict` raised.
        """
        core = self._core
        run, now, given = core.run, here(core), core.run.given()
        begun = [start for start in run.starts.copy() if now.pass_start <= start.number < given]
        start = begun[-1] if begun else PassStart(now.pass_start, now.epoch)
        # Only those from before the last batch: after it a source may return its initial state,
        # as torchdata's Loader does.
        known = [s for s in run.snapshots.copy() if start.number < s.number < given]
        if known and known[-1].error is not None:
            raise RuntimeError(
                f"The source of {core.label} could not say its state: "
                f"{described(known[-1].error)}. With snapshot_every=0 it is not asked."
            ) from known[-1].error
        return {
            "version": VERSION,
            "epoch_size": core.limits.epoch_size,
            "epoch": now.epoch,
            "batches_in_epoch": given - now.epoch_start,
            "pass_epoch": start.epoch,
            "batches_in_pass": given - start.number,
            "source": copy.deepcopy(known[-1].state) if known else None,
            "batches_after_source": given - known[-1].number if known else given - start.number,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the stream of `state` was. The source has to give the same passes again.

        A pass is begun, and the batches that were given of it are skipped: by the source's own
        `load_state_dict` if `state` holds its state, else by pulling them. In the first case
        `stream_fn` must return a new source for each pass, or tell it of the epoch. Raises
        ValueError, which names the key, if `state` is no such state or of another `epoch_size`;
        RuntimeError if this stream was entered, read or loaded already.
        """
        core = self._core
        core.check_open()
        if core.entry is not None or core.run.is_used() or core.reported.after != Place():
            raise RuntimeError(f"{core.label} was read or loaded already: load its state before.")
        if not isinstance(state, Mapping):
            raise ValueError(f"state must be a mapping as state_dict gives it, not {shown(state)}.")
        size = core.limits.epoch_size
        version, of_size = number(state, "version"), number(state, "epoch_size")
        if version != VERSION:
            raise ValueError(f"state['version'] must be {VERSION}, not {version}.")
        if of_size != size:
            raise ValueError(f"state['epoch_size'] is {of_size}, this stream's is {size}.")
        epoch, pass_epoch = number(state, "epoch"), number(state, "pass_epoch")
        in_epoch, in_pass = number(state, "batches_in_epoch"), number(state, "batches_in_pass")
        skip = number(state, "batches_after_source")
        if "source" not in state:
            raise ValueError("state['source'] is missing.")
        said = copy.deepcopy(state["source"])  # the caller may go on writing in it
        if skip != in_pass if said is None else not 0 < skip < in_pass:
            raise ValueError(f"state['batches_after_source'] does not fit the others: {skip}.")
        if pass_epoch > epoch:
            raise ValueError(
                f"state['pass_epoch'] is {pass_epoch}, and state['epoch'] only {epoch}."
            )
        first = resumed(core.limits, in_epoch, in_pass)
        if first is None:
            raise ValueError(
                f"state['batches_in_epoch'] and state['batches_in_pass'] are no place in epochs of "
                f"{size}: {in_epoch}, {in_pass}."
            )
        if core.record is not None and first != INITIAL:
            core.record.end("the stream was resumed")  # its first line says otherwise
        run = resumed_run(first, epoch, Resume(in_pass, skip, said, pass_epoch))
        reported = Reported(None, Place(), Place(epoch, -in_epoch, -in_pass))
        # No call from here on (see `claims`): an interrupt finds both done or neither.
        core.reported = reported
        core.run = run

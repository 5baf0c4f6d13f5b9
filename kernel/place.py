"""The consumer's place: what it was given, and how another stream goes on from there.

What was prefetched is not in it. Batches are counted by who takes them, passes by who begins them,
and both count from the first batch of this wrapper; so nothing has to be kept beside a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .claims import holder
from .machine import resumed
from .run import FETCHING, Mark, Resume

if TYPE_CHECKING:
    from .core import Core

VERSION = 1


class Place(NamedTuple):
    """Where the consumer's epoch began, and its pass if no later one did."""

    epoch: int = 0  # ends and errors that were told
    epoch_start: int = 0  # batches given before
    pass_start: int = 0


class Told(NamedTuple):
    """The last mark that was told, or is about to be: it is told once it is taken away."""

    mark: Mark | None
    before: Place
    after: Place


def place(core: Core[Any]) -> Place:
    """Where the consumer is."""
    told, marks = core.told, core.run.marks.copy()
    return told.before if marks and marks[0] is told.mark else told.after


def end(core: Core[Any], mark: Mark | None, fresh: bool) -> None:
    """A mark is about to be told; `fresh` if its pass is over with it."""
    before, given = place(core), core.run.given()
    fresh = fresh or given - before.epoch_start < core.limits.epoch_size
    after = Place(before.epoch + 1, given, given if fresh else before.pass_start)
    core.told = Told(mark, before, after)


def in_epoch(core: Core[Any]) -> int:
    """How many batches of this epoch the consumer was given."""
    return core.run.given() - place(core).epoch_start


def state_dict(core: Core[Any]) -> dict[str, Any]:
    """The place as plain values."""
    run, here, given = core.run, place(core), core.run.given()
    if run.progress[FETCHING] and run.hand is None and not (run.worker or holder(run.pullers)):
        here = Place(here.epoch + 1, given, given)  # a pull was interrupted, and is to be dropped
    start = max((s for s in run.starts.copy() if s < given), default=here.pass_start)
    start = max(start, here.pass_start)
    known = [s for s in run.snapshots.copy() if start < s.number <= given]
    return {
        "version": VERSION,
        "epoch_size": core.limits.epoch_size,
        "epoch": here.epoch,
        "batches_in_epoch": given - here.epoch_start,
        "batches_in_pass": given - start,
        "source": known[-1].state if known else None,
        "batches_after_source": given - known[-1].number if known else given - start,
    }


def load_state_dict(core: Core[Any], state: Any) -> None:
    """Go on from there. Raises ValueError, which names the key, RuntimeError if it is too late."""
    if core.entry is not None or core.run.is_used() or core.told.after != Place():
        raise RuntimeError(f"{core.label} was read already: load its state before.")
    if not isinstance(state, dict):
        raise ValueError(f"state must be a dict as state_dict gives it, not {state!r}.")
    found = {}
    names = "version epoch_size epoch batches_in_epoch batches_in_pass batches_after_source"
    for name in names.split():
        value = state.get(name)
        if type(value) is not int or value < 0:
            raise ValueError(f"state[{name!r}] must be an integer of at least 0, not {value!r}.")
        found[name] = value
    if found["version"] != VERSION:
        raise ValueError(f"state['version'] must be {VERSION}, not {found['version']}.")
    size = core.limits.epoch_size
    if found["epoch_size"] != size:
        raise ValueError(f"state['epoch_size'] is {found['epoch_size']}, this stream's is {size}.")
    if "source" not in state:
        raise ValueError("state['source'] is missing.")
    skip = found["batches_after_source"]
    inside = found["batches_in_epoch"], found["batches_in_pass"]
    if skip > inside[1] or (state["source"] is None and skip != inside[1]):
        raise ValueError(f"state['batches_after_source'] does not fit the others: {skip}.")
    first = resumed(core.limits, *inside)
    if first is None:
        raise ValueError(
            f"state['batches_in_epoch'] and state['batches_in_pass'] are no place in epochs of "
            f"{size}: {inside[0]}, {inside[1]}."
        )
    core.told = Told(None, Place(), Place(found["epoch"], -inside[0], -inside[1]))
    core.run.resume(first, Resume(inside[1], skip, state["source"]))

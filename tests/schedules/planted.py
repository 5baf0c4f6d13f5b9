"""Bugs planted in the shell, each with a program whose schedules show it, for `test_schedules`."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any, NamedTuple

import pytest

from kernel import claims, core, pull, worker

from ..mutants import mutate
from .programs import Program

MODULES = {"core": core, "pull": pull, "worker": worker, "claims": claims}


class Planted(NamedTuple):
    """An edit of one function of the shell, a program that it breaks, and how."""

    function: str  # of a module, or of a class in it
    old: str
    new: str
    program: str | Program  # a standard one, or one of its own
    kind: str


def plant(patch: pytest.MonkeyPatch, function: str, old: str, new: str) -> None:
    """Make the edit in the function's source. Raises ValueError if there is not one such place."""
    module, _, path = function.partition(".")
    holder: Any = MODULES[module]
    where = vars(holder)
    *classes, name = path.split(".")
    for part in classes:
        holder = getattr(holder, part)
    source = inspect.getsource(getattr(holder, name))
    text = "from __future__ import annotations\n" + textwrap.dedent(mutate(source, old, new))
    names: dict[str, Any] = {}
    exec(text, where, names)  # noqa: S102  # our own source
    patch.setattr(holder, name, names[name])


FULL = Program(1, 0, ("Enter", "Allow", "Prefetched", "Exit"), (1, 2, 3))
OPENED = Program(1, 0, ("Enter", "Next", "Allow", "Prefetched", "Exit"), (1, 2, 3))

PLANTED = {
    # A ring is missing.
    "the consumer is not rung for": Planted(
        "worker.answer", "core.bell.put(None)", "pass", "restart", "lost wake-up"
    ),
    "the worker is not rung for": Planted(
        "pull.Run.ring", "entry.bell.put(why)", "pass", "prefetch", "observation"
    ),
    "leaving does not ring": Planted(
        "core.Core.join", "    entry.bell.put(None)\n", "    pass\n", FULL, "lost wake-up"
    ),
    "a worker that goes rings for nobody who reads": Planted(
        "worker._work", "answer(core, core.run)", "pass", "closed-while-waiting", "lost wake-up"
    ),
    "a worker that goes rings for nobody who leaves": Planted(
        "worker._work", "leaver.put(None)", "pass", "restart", "lost wake-up"
    ),
    "the opening of a gate rings for nobody": Planted(
        "core.Core.opened", "run.ring(GATE)", "pass", OPENED, "observation"
    ),
    # A second look is missing.
    "asleep beside a batch": Planted(
        "core.Core.sleep",
        "if not run.batches and not run.marks and puller.in_force():",
        "if puller.in_force():",
        "restart",
        "lost wake-up",
    ),
    "asleep although the worker has gone": Planted(
        "core.Core.sleep",
        " and puller.in_force():",
        ":",
        "closed-while-waiting",
        "lost wake-up",
    ),
    "an end is told before the batch in front of it": Planted(
        "core.Core.tell",
        "if run.batches or not marks:",
        "if not marks:",
        "epochs-of-one",
        "observation",
    ),
    # The order is wrong.
    "a mark is put before its batch": Planted(
        "worker.put",
        "    run.batches.append(batch)\n",
        "    if put[MARK] == 'ended':\n        run.marks.append(StopIteration())\n"
        "    run.batches.append(batch)\n    return run.advance(put)\n",
        "epochs-of-one",
        "observation",
    ),
    # The rest.
    "a stop that does not wait": Planted(
        "core.Core.leave", "self.join(entry, failure)", "pass", "restart", "leaked thread"
    ),
    "running ahead without room": Planted(
        "worker.run_ahead",
        "at + capacity - len(batches)",
        "at + capacity",
        "restart",
        "observation",
    ),
}

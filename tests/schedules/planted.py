"""Bugs planted in the shell, each with a program whose schedules show it, for `test_schedules`."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any, NamedTuple

import pytest

from kernel import claims, consumer, core, launch, pull, run, scope, stream, worker

from ..support.mutants import mutate
from .schedules import Program

MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (claims, run, pull, core, consumer, worker, launch, scope, stream)
}


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
    planted, known = names[name], getattr(holder, name)
    patch.setattr(holder, name, planted)
    for other in MODULES.values():  # also where it was imported
        for alias, value in list(vars(other).items()):
            if value is known:
                patch.setattr(other, alias, planted)


FULL = Program(1, 0, ("Enter", "Allow", "Prefetched", "Exit"), (1, 2, 3))
OPENED = Program(1, 0, ("Enter", "Next", "Allow", "Prefetched", "Exit"), (1, 2, 3))

PLANTED = {
    # A ring is missing.
    "the consumer is not rung for": Planted(
        "worker.answer", "core.bell.put(None)", "pass", "restart", "lost wake-up"
    ),
    "the worker is not rung for": Planted(
        "run.Run.ring", "entry.bell.put(why)", "pass", "prefetch", "observation"
    ),
    "leaving does not ring": Planted(
        "scope.join", "    entry.bell.put(None)\n", "    pass\n", FULL, "lost wake-up"
    ),
    "a worker that goes rings for nobody who reads": Planted(
        "worker.live", "answer(core, core.run)", "pass", "closed-while-waiting", "lost wake-up"
    ),
    "a worker that goes rings for nobody who leaves": Planted(
        "worker.live", "leaver.put(None)", "pass", "restart", "lost wake-up"
    ),
    "the opening of a gate rings for nobody": Planted(
        "scope.opened", "run.ring(GATE)", "pass", OPENED, "observation"
    ),
    # A second look is missing.
    "asleep beside a batch": Planted(
        "consumer.sleep",
        "if not run.batches and not run.marks and puller.in_force():",
        "if puller.in_force():",
        "restart",
        "lost wake-up",
    ),
    "asleep although the worker has gone": Planted(
        "consumer.sleep",
        " and puller.in_force():",
        ":",
        "closed-while-waiting",
        "lost wake-up",
    ),
    "an end is told before the batch in front of it": Planted(
        "consumer.tell",
        "if mark is None or run.batches:",
        "if mark is None:",
        "epochs-of-one",
        "observation",
    ),
    # The order is wrong.
    "a mark is put before its batch": Planted(
        "pull.put",
        "    run.batches.append(batch)\n",
        "    if put[MARK] == 'ended':\n        run.marks.append(StopIteration())\n"
        "    run.batches.append(batch)\n    return run.advance(put)\n",
        "epochs-of-one",
        "observation",
    ),
    # The rest.
    "a stop that does not wait": Planted(
        "scope.leave", "join(core, entry, failure)", "pass", "restart", "leaked thread"
    ),
    "running ahead without room": Planted(
        "worker.run_ahead",
        "at + capacity - len(batches)",
        "at + capacity",
        "restart",
        "observation",
    ),
}

"""Bugs planted in the shell, each with a program whose schedules show it, for `test_planted`."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any, NamedTuple

import pytest

from kernel import (
    buffer,
    claims,
    consumer,
    core,
    gone,
    launch,
    pull,
    reset,
    run,
    scope,
    stream,
    worker,
)

from ..support.mutants import mutate
from .programs import Program

MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        *(buffer, claims, run, pull, core, gone, consumer, worker, launch, scope, reset, stream),
    )
}


class Planted(NamedTuple):
    """An edit of one function of the shell, a program that it breaks, and how."""

    function: str  # of a module, or of a class in it
    old: str
    new: str
    program: str | Program  # a standard one, or one of its own
    kind: str
    preemptions: int = 1  # that it takes


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
    "the consumer is not rung for": Planted(
        "worker.ring_consumer", "core.bell.put(None)", "pass", "restart", "lost wake-up"
    ),
    "closing does not ring for who took it for a pull": Planted(
        "reset._give_up", "core.bell.put(None)", "pass", "closed-by-a-reader", "lost wake-up"
    ),
    "restarting lets others read before it enters": Planted(
        "reset._restart",
        "    _give_up(core, claim, ended)\n",
        "    _give_up(core, claim, ended)\n    claim.give_back(core.turns)\n",
        "started-over-by-another",
        "observation",
    ),
    "the worker is not rung for": Planted(
        "run.Run.ring", "entry.bell.put(why)", "pass", "prefetch", "observation"
    ),
    "leaving does not ring": Planted(
        "scope.join", "    entry.bell.put(None)\n", "    pass\n", FULL, "lost wake-up"
    ),
    "a worker that goes rings for nobody who reads": Planted(
        "worker.live",
        "ring_consumer(core, core.run)",
        "pass",
        "closed-while-waiting",
        "lost wake-up",
    ),
    "a worker that goes rings for nobody who leaves": Planted(
        "worker.live", "leaver.put(None)", "pass", "restart", "lost wake-up"
    ),
    "the opening of a gate rings for nobody": Planted(
        "scope.opened", "run.ring(GATE)", "pass", OPENED, "observation"
    ),
    "asleep beside a batch": Planted(
        "consumer.sleep",
        "if not run.first.batches and not run.first.marks and puller.in_force():",
        "if puller.in_force():",
        Program(1, 0, ("Enter", "Next"), (1, 2)),
        "lost wake-up",
    ),
    "asleep lightly beside a batch": Planted(
        "consumer.doze",
        "if not part.batches and not part.marks:",
        "if True:",
        "restart",
        "lost wake-up",
    ),
    "a light sleep is not announced": Planted(
        "consumer.doze", "core.sleep = object()", "pass", "restart", "lost wake-up"
    ),
    "who slept lightly keeps the ring of another": Planted(
        "consumer.doze", "if core.requests:", "if False:", "two-consumers", "lost wake-up", 2
    ),
    "asleep although the worker has gone": Planted(
        "consumer.sleep",
        " and puller.in_force():",
        ":",
        "closed-while-waiting",
        "lost wake-up",
    ),
    "an end is told before the batch in front of it": Planted(
        "consumer.report",
        "if mark is None or part.batches:",
        "if mark is None:",
        "epochs-of-one",
        "observation",
    ),
    "a mark is put before its batch": Planted(
        "pull.put",
        "    run.last.batches.append(batch)\n",
        "    if mark is not None:\n        run.end(mark, False, core.epoch(run))\n"
        "        mark = None\n"
        "    run.last.batches.append(batch)\n",
        "epochs-of-one",
        "observation",
    ),
    "the batch behind an end is put in front of it": Planted(
        "run.Run.end", "self.last = mark.part or last", "pass", "lookahead", "observation"
    ),
    "the bound is on the first epoch": Planted(
        "run.Run.held",
        " + sum(len(part.batches) for part in first.behind())",
        "",
        Program(2, 0, ("Enter", "Allow", "Next"), (1, 2, "exhausted", 3, 4, 5), lookahead=True),
        "observation",
    ),
    "later epochs do not count in the look for room": Planted(
        "buffer.later",
        "return found[:-1]",
        "return () if found else found[:-1]",
        "lookahead",
        "observation",
    ),
    "the later epochs are those behind another one": Planted(
        "core.Core.state",
        "later(first.behind())",
        "later(run.first.behind())",
        Program(1, 1, ("Enter", "Allow", "Next", "Next"), (1, 2), lookahead=True),
        "observation",
        preemptions=2,
    ),
    "an end is told twice": Planted(
        "consumer.report",
        " or mark.error is None",
        "",
        Program(
            *(2, 1, ("Enter", "Allow", "Start", "Next", "Next", "Join"), (1, 2), ("Next", "Next")),
            lookahead=True,
        ),
        "observation",
    ),
    "a stop that does not wait": Planted(
        "scope.leave", "join(core, entry, failure)", "pass", "restart", "leaked thread"
    ),
    "both of two who leave say so": Planted(
        "scope.leave",
        'core.did_once("Leave", entry.said)',
        'core.did("Leave")',
        "left-by-two",
        "step",
    ),
    "running ahead without room": Planted(
        "worker.run_ahead",
        "at + capacity - run.held()",
        "at + capacity",
        "restart",
        "observation",
    ),
    "who is asked for does not ring": Planted(
        "consumer.sleep", "run.ring()", "pass", "errors", "lost wake-up"
    ),
    "a slot is freed, and nobody told": Planted(
        "consumer.wake_worker", "run.ring()", "pass", "prefetch", "observation"
    ),
    "entered, and the worker is not told": Planted(
        "scope.enter",
        "        entry.bell.put(None)\n",
        "        pass\n",
        Program(1, 0, ("Allow", "Enter", "Prefetched", "Exit"), (1, 2)),
        "observation",
    ),
    "running ahead, it wakes nobody": Planted(
        "worker.run_ahead", "if core.sleep is not rung_for:", "if False:", "restart", "lost wake-up"
    ),
    "asleep without a second look": Planted(
        "worker.work",
        "            run.parked += 1\n            parked = True\n",
        "            run.parked += 1\n            return True\n",
        Program(1, 0, ("Enter", "NextInterrupted"), (1, 2)),
        "lost wake-up",
        preemptions=2,
    ),
    "asleep after a pull without a second look": Planted(
        "worker.work",
        "                run.parked += 1\n                parked = True\n",
        "                run.parked += 1\n                return True\n",
        Program(1, 0, ("Enter", "Next"), (1, 2)),
        "lost wake-up",
    ),
    "asleep without another look for room": Planted(
        "worker.run_ahead",
        "                run.parked += 1\n                parked = True\n",
        "                run.parked += 1\n                return True\n",
        Program(1, 0, ("Enter", "Allow", "Next", "Prefetched"), (1, 2)),
        "observation",
        preemptions=2,
    ),
    "the scope is read first": Planted(
        "core.Core.state",
        """\
        held, mark = len(first.batches), word(first.mark())
        behind = later(first.behind()) if self.limits.lookahead else ()
        permits, waits = len(self.gates), holder(self.requests) is not None
        entry, entered = run.worker, self.entry
        return (
            "new" if entered is None else "outside" if entered.over else "inside",
""",
        """\
        entry, entered = run.worker, self.entry
        scope = "new" if entered is None else "outside" if entered.over else "inside"
        held, mark = len(first.batches), word(first.mark())
        behind = later(first.behind()) if self.limits.lookahead else ()
        permits, waits = len(self.gates), holder(self.requests) is not None
        return (
            scope,
""",
        Program(1, 0, ("Enter", "Interrupted", "Allow"), (1, 2)),
        "step",
        preemptions=2,
    ),
    "a sleep is announced after the look": Planted(
        "consumer.sleep",
        "    core.sleep = object()\n"
        "    if not run.first.batches and not run.first.marks and puller.in_force():\n",
        "    if not run.first.batches and not run.first.marks and puller.in_force():\n"
        "        core.sleep = object()\n",
        Program(1, 0, ("Enter", "Next"), (1, 2)),
        "lost wake-up",
    ),
    "a sleep is not announced": Planted(
        "consumer.sleep",
        "core.sleep = object()",
        "pass",
        Program(1, 0, ("Enter", "Next"), (1, 2)),
        "lost wake-up",
    ),
    "the sleep that was answered is read anew": Planted(
        "worker.ring_consumer",
        "run.rung_for = sleep",
        "run.rung_for = core.sleep",
        Program(1, 0, ("Enter", "Next"), (1, 2)),
        "lost wake-up",
    ),
    "the worker looks first whether it was entered": Planted(
        "worker.work",
        "entering.in_force() or core.entry is entry\n",
        "entering.in_force()\n",
        FULL,
        "observation",
    ),
    "a claim looks before it stands in line": Planted(
        "claims.Claim.take",
        "        role.append(self)\n",
        "        if not role:\n            role.append(self)\n            return None\n"
        "        role.append(self)\n",
        "two-consumers-shut",
        "lost wake-up",
    ),
    "a request is made before its turn": Planted(
        "consumer._wait",
        "    await_turn(core, claim, limit)\n    claim.take(core.requests)",
        "    claim.take(core.requests)\n    await_turn(core, claim, limit)",
        "two-consumers-shut",
        "lost wake-up",
    ),
    "a request rings before it looks": Planted(
        "consumer.sleep",
        "    if not run.first.batches and not run.first.marks and puller.in_force():\n"
        "        run.ring()",
        "    run.ring()\n"
        "    if not run.first.batches and not run.first.marks and puller.in_force():\n"
        "        pass",
        "two-consumers-shut",
        "lost wake-up",
        preemptions=2,
    ),
    "a turn is not given back": Planted(
        "consumer._wait",
        "claim.give_back(core.turns)",
        "pass",
        Program(1, 0, ("Enter", "Exit", "Next", "Enter"), (1, 2)),
        "observation",
    ),
    "a pull is not given back": Planted(
        "consumer.pull_or_bury",
        "claim.give_back(run.pullers)",
        "pass",
        Program(1, 0, ("Enter", "Exit", "Next", "Enter"), (1, 2)),
        "observation",
    ),
    "running ahead with an epoch's last batch": Planted(
        "worker.run_ahead",
        "epoch_size - 1 if",
        "epoch_size if",
        Program(4, 3, ("Enter", "Allow", "Next"), (1, 2)),
        "step",
    ),
    "running ahead after a stop": Planted(
        "worker.run_ahead", "if not gates or over:", "if not gates:", "restart", "step"
    ),
    "running ahead without a gate": Planted(
        "worker.run_ahead",
        "if not gates or over:",
        "if over:",
        Program(2, 0, ("Enter", "Allow", "Next", "Disallow", "Next"), (1, 2)),
        "step",
    ),
    "running ahead without a pass": Planted(
        "run.Run.is_under_way", "self.iterator is not None and ", "", "restart", "observation"
    ),
    "the count of running ahead is lost": Planted(
        "worker.run_ahead", "at if epoch_size else 0", "0", "stop-at-a-boundary", "observation"
    ),
    "entering does not wait for an interrupted stop": Planted(
        "scope._enter",
        "    let_go(core)\n    while holder(core.turns) in (None, consumer):\n"
        "        worker = core.run.worker\n"
        "        if worker is not None and worker is not entry and worker.lives():\n",
        "    while holder(core.turns) in (None, consumer):\n"
        "        worker = core.run.worker\n"
        "        if False:\n",
        "interrupted-stop",
        "leaked thread",
    ),
}

HARMLESS: dict[str, Planted] = {
    # `work` has looked before, and found the buffer empty: only the worker itself can fill it.
    "a request is read before the buffer": Planted(
        "core.Core.state",
        "        held, mark = len(first.batches), word(first.mark())\n"
        "        behind = later(first.behind()) if self.limits.lookahead else ()\n"
        "        permits, waits = len(self.gates), holder(self.requests) is not None\n",
        "        permits, waits = len(self.gates), holder(self.requests) is not None\n"
        "        held, mark = len(first.batches), word(first.mark())\n"
        "        behind = later(first.behind()) if self.limits.lookahead else ()\n",
        Program(1, 0, ("Enter", "Next"), (1, 2)),
        "none",
    ),
    # A worker that sleeps then was rung for already, or sleeps lightly: it comes, if later.
    "who sleeps lightly does not ring": Planted(
        "consumer.doze", "run.ring()", "pass", "errors", "none"
    ),
    # Whoever leaves rings after that, and a ring is not lost.
    "sleeps beside a stop": Planted(
        "worker.run_ahead", "return not over", "return True", "restart", "none"
    ),
    # Nobody waits on the bell before a look whether the worker lives; it is gone before it rings.
    "leaving rings before it stands in line": Planted(
        "scope.join",
        "    entry.leavers.append(bell)\n    entry.bell.put(None)\n",
        "    entry.bell.put(None)\n    entry.leavers.append(bell)\n",
        "restart",
        "none",
    ),
    # It was entered in time, or nothing that others see says that it was not.
    "running ahead before it is entered": Planted(
        "worker.work",
        "and core.entry is entry",
        "",
        Program(
            3,
            0,
            ("Enter", "Allow", "Next", "Next", "Exit", "Start", "Next", "Next", "Join"),
            (1,),
            ("Enter",),
        ),
        "step",
    ),
}
"""Edits that change nothing, as far as a search finds; and why."""

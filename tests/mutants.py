"""One broken protocol for each property: the same edit of the machine and of its TLA+ module."""

from __future__ import annotations

import inspect
from typing import NamedTuple

from kernel import machine
from kernel.machine import ACTIONS, Action


class Mutant(NamedTuple):
    """An edit of one action that the property must catch."""

    name: str
    action: str
    tla: tuple[str, str]  # what to replace in the action's definition, and by what
    python: tuple[str, str]


MUTANTS = {
    "TypeOK": Mutant(
        "Disallow without its guard",
        "Disallow",
        ("permits > 0", "TRUE"),
        ("if permits == 0:", "if False:"),
    ),
    "Bounded": Mutant(
        "Fetch without a free slot",
        "Fetch",
        ("buffered < Slots", "TRUE"),
        ("or buffered >= (limits.capacity or 1)", ""),
    ),
    "EpochBounded": Mutant(
        "Enqueue ends the epoch a batch late",
        "Enqueue",
        ("count' = EpochSize", "count' = EpochSize + 1"),
        ("count == limits.epoch_size", "count == limits.epoch_size + 1"),
    ),
    "WaitsForNothing": Mutant(
        "Enqueue leaves the request waiting",
        "Enqueue",
        ('consumer\' = "idle"', "consumer' = consumer"),
        ('permits, "idle"', "permits, consumer"),
    ),
    "MarkIsLast": Mutant(
        "Fetch runs past a mark",
        "Fetch",
        ('epoch = "begun"', 'epoch # "between"'),
        ('epoch != "begun"', 'epoch == "between"'),
    ),
    "NoWorkerOutside": Mutant(
        "Stop does not wait for the worker",
        "Stop",
        (
            'worker\' = "stopping" /\\ UNCHANGED scope',
            'worker\' = "stopping" /\\ scope\' = "outside"',
        ),
        ('worker = "stopping"', 'worker, scope = "stopping", "outside"'),
    ),
    "ReadAfterEntry": Mutant(
        "Request before the first entry",
        "Request",
        ('scope # "new" \\/ Capacity = 0', "TRUE"),
        ('scope == "new" and limits.capacity > 0', "False"),
    ),
    "InputEnabled": Mutant(
        "Enter refused after the first time",
        "Enter",
        ('scope # "inside"', 'scope = "new"'),
        ('scope == "inside"', 'scope != "new"'),
    ),
    "NeverStuck": Mutant(
        "Bury inside `with` only",
        "Bury",
        ('worker = "dead"', 'worker = "dead" /\\ scope = "inside"'),
        ('worker != "dead"', 'worker != "dead" or scope != "inside"'),
    ),
    "Conservation": Mutant(
        "Stop empties the buffer",
        "Stop",
        ("UNCHANGED <<epoch, buffered,", "buffered' = 0 /\\ UNCHANGED <<epoch,"),
        (
            "epoch, buffered, fetching, count, yielded, permits, consumer\n",
            "epoch, 0, fetching, count, yielded, permits, consumer\n",
        ),
    ),
    "OnePuller": Mutant(
        "Fetch while a pull is in flight",
        "Fetch",
        ("~fetching", "TRUE"),
        ("if fetching or", "if"),
    ),
    "LifeCycle": Mutant(
        "Die leaves `with` although nobody stopped",
        "Die",
        ('IF worker = "stopping" THEN "outside" ELSE scope', '"outside"'),
        ('if worker == "stopping":', "if True:"),
    ),
    "EpochBegins": Mutant(
        "Enter begins no epoch",
        "Enter",
        ('IF epoch = "between" THEN "begun" ELSE epoch', "epoch"),
        ('epoch = "begun"', "pass"),
    ),
    "AnswersAPull": Mutant(
        "Enqueue by the dead",
        "Enqueue",
        ('worker # "dead"', "TRUE"),
        ('if not fetching or worker == "dead":', "if not fetching:"),
    ),
    "GateRespected": Mutant(
        "Fetch without a permit",
        "Fetch",
        ('/\\ (permits > 0 \\/ consumer = "waiting")', ""),
        ('if permits == 0 and consumer == "idle":', "if False:"),
    ),
    "StopPullsNothing": Mutant(
        "Fetch after a stop",
        "Fetch",
        ('worker = "running"', 'worker \\in {"running", "stopping"}'),
        ('worker == "running"', 'worker in ("running", "stopping")'),
    ),
    "StopPreserves": Mutant(
        "Halt forgets the count",
        "Halt",
        (
            "UNCHANGED <<epoch, buffered, fetching, count,",
            "count' = 0 /\\ UNCHANGED <<epoch, buffered, fetching,",
        ),
        (
            "buffered, fetching, count, yielded, permits, consumer\n",
            "buffered, fetching, 0, yielded, permits, consumer\n",
        ),
    ),
    "ErrorIsNotAnEnd": Mutant(
        "EndEpoch takes an error for an end",
        "EndEpoch",
        ('epoch = "ended"', 'epoch \\in {"ended", "failed"}'),
        ('epoch != "ended"', 'epoch not in ("ended", "failed")'),
    ),
    "Served": Mutant(
        "Fetch by the worker only",
        "Fetch",
        ('worker = "absent" /\\ consumer = "waiting"', "FALSE"),
        ('elif worker != "absent" or consumer == "idle":', "else:"),
    ),
    "StopEnds": Mutant(
        "Halt with an empty buffer only",
        "Halt",
        ("~fetching", "~fetching /\\ buffered = 0"),
        ("or fetching", "or fetching or buffered > 0"),
    ),
    "DeathNoticed": Mutant(
        "Bury with an open gate only",
        "Bury",
        ('worker = "dead"', 'worker = "dead" /\\ permits > 0'),
        ('worker != "dead"', 'worker != "dead" or permits == 0'),
    ),
    "Prefetches": Mutant(
        "Fetch on request only",
        "Fetch",
        ('(permits > 0 \\/ consumer = "waiting")', 'consumer = "waiting"'),
        ('if permits == 0 and consumer == "idle":', 'if consumer == "idle":'),
    ),
    "Refines": Mutant(
        "EndEpoch keeps the count",
        "EndEpoch",
        ("count' = 0", "count' = count"),
        ("fetching, 0, yielded", "fetching, count, yielded"),
    ),
    "Implements": Mutant(
        "Withdraw keeps its own pull in flight",
        "Withdraw",
        ('(fetching /\\ worker # "absent")', "fetching"),
        ("fetching = False", "fetching = fetching"),
    ),
}


def mutate(text: str, old: str, new: str) -> str:
    """Replace the one occurrence. Raises ValueError if there is not exactly one."""
    if text.count(old) != 1:
        raise ValueError(f"{old!r} occurs {text.count(old)} times in: {text}")
    return text.replace(old, new)


def broken_actions(mutant: Mutant) -> tuple[Action, ...]:
    """The machine's actions with the edit made in one."""
    return tuple(
        broken_action(action, mutant) if action.__name__ == mutant.action else action
        for action in ACTIONS
    )


def broken_action(action: Action, mutant: Mutant) -> Action:
    """The action with the edit made in its source."""
    names = dict(vars(machine))
    exec(mutate(inspect.getsource(action), *mutant.python), names)  # noqa: S102  # our own source
    broken: Action = names[mutant.action]
    return broken


def broken_module(text: str, mutant: Mutant) -> str:
    """The TLA+ module with the edit made in the action's definition."""
    head, name, rest = text.partition(f"\n{mutant.action} ==\n")
    body, gap, tail = rest.partition("\n\n")
    return head + name + mutate(body, *mutant.tla) + gap + tail

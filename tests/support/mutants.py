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
    capacity: int = 2  # of a buffer with which the property fails


ENDS = """count' = IF EpochSize = 0 \\/ count + 1 = EpochSize THEN 0 ELSE count + 1
    /\\ IF count + 1 = EpochSize"""
COUNT = "begun, count, yielded>>"

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
        (ENDS, ENDS.replace("count + 1 = EpochSize", "count = EpochSize")),
        ("count == limits.epoch_size", "count == limits.epoch_size + 1"),
    ),
    "MarkIsLast": Mutant(
        "Fetch runs past a mark",
        "Fetch",
        ('mark = "none"', "TRUE"),
        ('or mark != "none"', ""),
    ),
    "UnbufferedAlone": Mutant(
        "Start without a buffer",
        "Start",
        ("Capacity > 0", "TRUE"),
        ("or limits.capacity == 0", ""),
        capacity=0,
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
        "Leave empties the buffer",
        "Leave",
        ("consumer, buffer, puller>>", "consumer, mark, puller>> /\\ buffered' = 0"),
        ('scope = "outside"', 'scope, buffered = "outside", 0'),
    ),
    "OnePuller": Mutant(
        "Fetch while a pull is in flight",
        "Fetch",
        ("~fetching", "TRUE"),
        ("if fetching or", "if"),
    ),
    "SingleWriter": Mutant(
        "Enqueue withdraws the request",
        "Enqueue",
        ("UNCHANGED <<callers,", 'consumer\' = "idle" /\\ UNCHANGED <<scope, permits,'),
        ("fetching, yielded = False, True", 'fetching, yielded, consumer = False, True, "idle"'),
    ),
    "LifeCycle": Mutant(
        "Enter without a worker",
        "Enter",
        ('Capacity = 0 \\/ worker # "absent"', "TRUE"),
        ('limits.capacity > 0 and worker == "absent"', "False"),
    ),
    "EpochBegins": Mutant(
        "Start begins no epoch",
        "Start",
        ('IF mark = "none" THEN TRUE ELSE begun', "begun"),
        ("begun = True", "pass"),
    ),
    "AnswersAPull": Mutant(
        "Enqueue by the dead",
        "Enqueue",
        ('worker # "dead"', "TRUE"),
        ('if not fetching or worker == "dead":', "if not fetching:"),
    ),
    "GateRespected": Mutant(
        "Fetch for a request that was served",
        "Fetch",
        ('consumer = "waiting" /\\ buffered = 0', 'consumer = "waiting"'),
        ('consumer == "waiting" and buffered == 0', 'consumer == "waiting"'),
    ),
    "StopPullsNothing": Mutant(
        "Fetch by a worker outside `with`",
        "Fetch",
        ('worker = "running" /\\ scope = "inside"', 'worker = "running"'),
        ('scope != "inside" or not (', "not ("),
    ),
    "StopPreserves": Mutant(
        "Halt forgets the count",
        "Halt",
        (COUNT, "begun, yielded>> /\\ count' = 0"),
        ('worker = "absent"', 'worker, count = "absent", 0'),
    ),
    "ErrorIsNotAnEnd": Mutant(
        "EndEpoch takes an error for an end",
        "EndEpoch",
        ('mark = "ended"', 'mark # "none"'),
        ('mark != "ended"', 'mark == "none"'),
    ),
    "Served": Mutant(
        "Fetch by the worker only",
        "Fetch",
        ('worker = "absent"', "FALSE"),
        ('elif worker != "absent" or not requested:', "else:"),
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
        ('worker = "running" /\\ begun /\\ permits > 0', "FALSE"),
        ("requested or (begun and permits > 0)", "requested"),
    ),
    "Refines": Mutant(
        "Exhaust does not begin another pass",
        "Exhaust",
        ("yielded' = FALSE", "yielded' = yielded"),
        ("fetching, yielded = False, False", "fetching = False"),
    ),
    "Implements": Mutant(
        "Withdraw drops the pull in flight",
        "Withdraw",
        (
            "UNCHANGED <<scope, permits, buffer, puller>>",
            f"fetching' = FALSE /\\ UNCHANGED <<scope, permits, buffer, worker, {COUNT}",
        ),
        ('consumer = "idle"', 'consumer, fetching = "idle", False'),
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

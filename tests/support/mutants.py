"""Mutants of the protocol and of the shell's model: one type, one notation, one way to edit."""

from __future__ import annotations

import inspect
from typing import NamedTuple

from kernel import machine
from kernel.machine import ACTIONS, Action

Edit = tuple[str, str]
"""What to replace, and by what."""


class Mutant(NamedTuple):
    """Edits that a property must catch."""

    name: str
    violated: str  # the property, if it is known; else the kind of edit
    action: str  # or another definition, that the edits are in; anywhere if there is none
    edits: list[Edit]  # of the TLA+ module
    python: list[Edit] = []  # of the same action of the machine, if it is one  # noqa: RUF012
    constants: dict[str, int] = {}  # with which the property fails  # noqa: RUF012
    spec: str = "Protocol"  # the module

    @property
    def epoch_size(self) -> int:
        """Of the epochs with which the property fails."""
        return self.constants.get("EpochSize", 3)

    @property
    def capacity(self) -> int:
        """Of a buffer with which the property fails."""
        return self.constants.get("Capacity", 2)

    def module(self, text: str) -> str:
        """The TLA+ module with the edits."""
        head, name, rest = text.partition(f"\n{self.action} ==\n")
        if not name:
            return edited(text, self.edits)
        body, gap, tail = rest.partition("\n\n")
        return head + name + edited(body, self.edits) + gap + tail


def edited(text: str, edits: list[Edit]) -> str:
    """The text with all the edits."""
    for old, new in edits:
        text = mutate(text, old, new)
    return text


def mutate(text: str, old: str, new: str) -> str:
    """Replace the one occurrence. Raises ValueError if there is not exactly one."""
    if text.count(old) != 1:
        raise ValueError(f"{old!r} occurs {text.count(old)} times in: {text}")
    return text.replace(old, new)


def read(text: str) -> list[Mutant]:
    """Mutants from a text: `NAME: PROPERTY [of MODULE][ in ACTION][, CONSTANT = VALUE]`, and edits.

    These are as a diff has them, - and + of the TLA+ module, < and > of the machine.
    """
    found = []
    for block in text.strip("\n").split("\n\n"):
        head, *lines = block.split("\n")
        name, _, words = head.rpartition(": ")
        place, *constants = words.split(", ")
        violated, _, action = place.partition(" in ")
        violated, _, spec = violated.partition(" of ")
        edits: dict[str, list[tuple[list[str], list[str]]]] = {"-": [], "<": []}
        for line in lines:
            mark, part = line[0], line[2:]
            known = edits["-" if mark in "-+" else "<"]
            if mark in edits and (not known or known[-1][1]):
                known.append(([], []))
            known[-1][mark in "+>"].append(part)
        tla, python = (
            [("\n".join(old), "\n".join(new)) for old, new in edits[mark]] for mark in "-<"
        )
        values = {name: int(value) for name, value in (c.split(" = ") for c in constants)}
        found.append(Mutant(name, violated, action, tla, python, values, spec or "Protocol"))
    return found


def broken_actions(mutant: Mutant) -> tuple[Action, ...]:
    """The machine's actions with the edits made in one."""
    return tuple(
        broken_action(action, mutant) if action.__name__ == mutant.action else action
        for action in ACTIONS
    )


def broken_action(action: Action, mutant: Mutant) -> Action:
    """The action with the edits made in its source."""
    names = dict(vars(machine))
    exec(edited(inspect.getsource(action), mutant.python), names)  # noqa: S102  # our own source
    broken: Action = names[mutant.action]
    return broken


_PROTOCOL = r"""
Disallow without its guard: TypeOK in Disallow
- permits > 0
+ TRUE
< if permits == 0:
> if False:

Fetch without a free slot: Bounded in Fetch
- Held < Slots
+ TRUE
< or buffered + in_later(later) >= (limits.capacity or 1)
>

Enqueue ends the epoch a batch late: EpochBounded in Enqueue
- count' = IF EpochSize = 0 \/ count + 1 = EpochSize THEN 0 ELSE count + 1
-     /\ IF count + 1 = EpochSize
+ count' = IF EpochSize = 0 \/ count = EpochSize THEN 0 ELSE count + 1
+     /\ IF count = EpochSize
< count + 1 == limits.epoch_size
> count == limits.epoch_size

Fetch runs past a mark: MarksRespected in Fetch
- begun /\ permits > 0
+ permits > 0
< begun and permits > 0
> permits > 0

Start without a buffer: UnbufferedAlone in Start, Capacity = 0
- Capacity > 0
+ TRUE
< or limits.capacity == 0
>

Request before the first entry: ReadAfterEntry in Request
- scope # "new" \/ Capacity = 0
+ TRUE
< scope == "new" and limits.capacity > 0
> False

Enter refused after the first time: InputEnabled in Enter
- scope # "inside"
+ scope = "new"
< scope == "inside"
> scope != "new"

Bury inside `with` only: NeverStuck in Bury
- worker = "dead"
+ worker = "dead" /\ scope = "inside"
< worker != "dead"
> worker != "dead" or scope != "inside"

Leave empties the buffer: Conservation in Leave
- consumer, buffer, puller>>
+ consumer, mark, later, puller>> /\ buffered' = 0
< scope = "outside"
> scope, buffered = "outside", 0

Fetch while a pull is in flight: OnePuller in Fetch
- ~fetching
+ TRUE
< if fetching or
> if

Enqueue withdraws the request: SingleWriter in Enqueue
- UNCHANGED <<callers,
+ consumer' = "idle" /\ UNCHANGED <<scope, permits,
< fetching, yielded = False, True
> fetching, yielded, consumer = False, True, "idle"

Enter without a worker: LifeCycle in Enter
- Capacity = 0 \/ worker # "absent"
+ TRUE
< limits.capacity > 0 and worker == "absent"
> False

Start begins no epoch: EpochBegins in Start
- IF mark = "none" THEN TRUE ELSE begun
+ begun
< begun = True
> pass

Enqueue by the dead: AnswersAPull in Enqueue
- worker # "dead"
+ TRUE
< if not fetching or worker == "dead":
> if not fetching:

Fetch for a request that was served: GateRespected in Fetch
- consumer = "waiting" /\ buffered = 0
+ consumer = "waiting"
< consumer == "waiting" and buffered == 0
> consumer == "waiting"

Fetch by a worker outside `with`: StopPullsNothing in Fetch
- worker = "running" /\ scope = "inside"
+ worker = "running"
< scope != "inside" or not (
> not (

Halt forgets the count: StopPreserves in Halt
- begun, count, yielded>>
+ begun, yielded>> /\ count' = 0
< worker = "absent"
> worker, count = "absent", 0

EndEpoch takes an error for an end: ErrorIsNotAnEnd in EndEpoch
- mark = "ended"
+ mark # "none"
< mark != "ended"
> mark == "none"

Fetch by the worker only: Served in Fetch
- worker = "absent"
+ FALSE
< elif worker != "absent" or not requested:
> else:

Halt with an empty buffer only: StopEnds in Halt
- ~fetching
+ ~fetching /\ buffered = 0
< or fetching
> or fetching or buffered > 0

Bury with an open gate only: DeathNoticed in Bury
- worker = "dead"
+ worker = "dead" /\ permits > 0
< worker != "dead"
> worker != "dead" or permits == 0

Fetch on request only: Prefetches in Fetch
- worker = "running" /\ begun /\ permits > 0
+ FALSE
< requested or (begun and permits > 0)
> requested

Exhaust does not begin another pass: Refines in Exhaust
- yielded' = FALSE
+ yielded' = yielded
< fetching, yielded = False, False
> fetching = False

Withdraw drops the pull in flight: Implements in Withdraw
- UNCHANGED <<scope, permits, buffer, puller>>
+ fetching' = FALSE /\ UNCHANGED <<scope, permits, buffer, worker, begun, count, yielded>>
< consumer = "idle"
> consumer, fetching = "idle", False
"""
MUTANTS = {mutant.violated: mutant for mutant in read(_PROTOCOL)}
"""One broken protocol for each property: the same edit of the machine and of its TLA+ module."""

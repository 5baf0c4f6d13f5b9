"""TLC refutes each Shell that lacks a look, a ring or an order.

A mutant is checked in as small a model as shows it. Each model without the edit holds.
"""

# ruff: noqa: E501  # lines of TLA+, which are matched as they are

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from specs.tlc import TLA, Model, check, read_model

from ..support.mutants import mutate

pytestmark = pytest.mark.timeout(400)  # TLC may have to search for a while

MODULE = (TLA / "Shell.tla").read_text(encoding="utf-8")
INVARIANTS = ("TypeOK", "Bounded", "OnePuller", "NoLostWakeUp", "ReturnsAlone")
STEPS = ("GateRespected", "StopPullsNothing")
REFINEMENT = ("Implements",)


class Mutant(NamedTuple):
    """Edits of the module that the property must catch."""

    name: str
    violated: str
    edits: list[tuple[str, str]]
    constants: dict[str, int] = {}  # noqa: RUF012  # where they differ from SMALLEST


SMALLEST = {
    "Capacity": 1,
    "EpochSize": 0,
    "MaxPermits": 0,
    "LowWater": 0,
    "Consumers": 1,
    "Interrupts": 0,
    "Deaths": 0,
    "Lights": 0,
}
GATE = {"MaxPermits": 1}

MUTANTS = [
    Mutant(
        "the request is read before the length",
        "GateRespected",
        [
            (
                'held\' = IF mark = "none" THEN batches ELSE Slots',
                "held' = IF ~\\E c \\in Threads : Waits(c) THEN Slots ELSE 0",
            ),
            (
                "((\\E c \\in Threads : Waits(c)) /\\ held = 0))",
                '(batches = 0 /\\ mark = "none" /\\ held = 0))',
            ),
        ],
    ),
    Mutant(
        "the worker does not look again before it sleeps",
        "NoLostWakeUp",
        [("at' = \"length\" /\\ parked' \\in", "at' = \"asleep\" /\\ parked' \\in")],
    ),
    Mutant(
        "the consumer does not look again before it sleeps",
        "NoLostWakeUp",
        [
            (
                'Step(c, "again", IF Something THEN "served" ELSE IF Alive THEN "ring" ELSE "wait")',
                'Step(c, "again", "ring")',
            )
        ],
    ),
    Mutant(
        "the request is withdrawn after what served it was taken",
        "GateRespected",
        [
            (
                'Step(c, "served", "pop") /\\ Rest',
                (
                    'Something /\\ Step(c, "served", "ending") /\\ mark\' = "none" /\\ UNCHANGED rung\n'
                    "       /\\ batches' = (IF batches > 0 THEN batches - 1 ELSE 0)"
                ),
            )
        ],
    ),
    Mutant(
        "the mark is taken without a second look at the batches",
        "Implements",
        [('IF batches > 0 THEN "pop" ELSE "take"', '"take"')],
        {"EpochSize": 1, "MaxPermits": 1},
    ),
    Mutant(
        "the mark is put before its batch",
        "Implements",
        [
            (
                'batches\' = batches + 1 /\\ UNCHANGED mark /\\ Goto(IF Last THEN "mark" ELSE "put")',
                (
                    '(IF Last THEN mark\' = "ended" /\\ UNCHANGED batches /\\ Goto("mark")\n'
                    '                         ELSE batches\' = batches + 1 /\\ UNCHANGED mark /\\ Goto("put"))'
                ),
            ),
            (
                'at = "mark" /\\ mark\' = "ended" /\\ Goto("put") /\\ UNCHANGED rung',
                'at = "mark" /\\ batches\' = batches + 1 /\\ Goto("put") /\\ UNCHANGED <<mark, rung>>',
            ),
            (
                'Goto("length") /\\ UNCHANGED mark\n    /\\ UNCHANGED <<callers, progress, batches>>',
                'Goto("length") /\\ UNCHANGED <<mark, batches>>\n    /\\ UNCHANGED <<callers, progress>>',
            ),
        ],
        {"EpochSize": 1},
    ),
    Mutant(
        "the worker goes without a ring",
        "NoLostWakeUp",
        [
            (
                "Halts == at' = \"none\" /\\ ringer' = TRUE",
                "Halts == at' = \"none\" /\\ ringer' = FALSE",
            )
        ],
    ),
    Mutant(
        "the puller's claim is looked at after the buffer",
        "Implements",
        [
            ('Something /\\ Step(c, "nobody", "served")', 'FALSE /\\ Step(c, "nobody", "served")'),
            (
                '~Something /\\ ~Dead /\\ Step(c, "nobody", IF Alive THEN "wait" ELSE "pull")',
                '~Dead /\\ Step(c, "nobody", IF Alive THEN "wait" ELSE "pull")',
            ),
            ('Something /\\ Step(c, "claimed", "wait")', 'FALSE /\\ Step(c, "claimed", "wait")'),
            ('~Something /\\ call[c] = "claimed"', 'call[c] = "claimed"'),
        ],
    ),
    Mutant(
        "a caller pulls without a look under its claim",
        "Implements",
        [
            ('Something /\\ Step(c, "claimed", "wait")', 'FALSE /\\ Step(c, "claimed", "wait")'),
            ('~Something /\\ call[c] = "claimed"', 'call[c] = "claimed"'),
        ],
    ),
    Mutant(
        "a worker that came in between is buried",
        "Implements",
        [
            (
                '~Something /\\ ~Dead /\\ Step(c, "nobody", IF Alive THEN "wait" ELSE "pull")',
                '~Something /\\ ~Dead /\\ ~Alive /\\ Step(c, "nobody", "pull")',
            ),
            (
                'call[c] = "nobody" /\\ Dead /\\ ~Something',
                'call[c] = "nobody" /\\ (Dead \\/ Alive) /\\ ~Something',
            ),
        ],
    ),
    Mutant(
        "the scope is written before the worker's claim",
        "Implements",
        [
            (
                'OwnerTo(IF Alive \\/ Born THEN "left" ELSE IF at\' = "born" THEN "starting" ELSE "write")',
                'OwnerTo(IF Alive \\/ Born THEN "left" ELSE "write")',
            )
        ],
    ),
    Mutant(
        "a worker looks for its starter after the scope",
        "Implements",
        [
            (
                'at = "await" /\\ (scope = "inside" \\/ owner \\notin {"starting", "write"})',
                'at = "await" /\\ scope # "inside"',
            ),
            (
                'at = "orphan" /\\ IF scope = "inside" THEN',
                'at = "orphan" /\\ IF owner \\in {"starting", "write"} THEN',
            ),
        ],
    ),
    Mutant(
        "the scope is looked at before the gates",
        "StopPullsNothing",
        [
            (
                'at = "length" /\\ at\' = "look"',
                'at = "length" /\\ at\' = (IF scope = "inside" THEN "look" ELSE "halt")',
            ),
            (
                '    /\\ at = "look"\n    /\\ IF scope # "inside" THEN',
                '    /\\ at \\in {"look", "halt"}\n    /\\ IF at = "halt" THEN',
            ),
        ],
        GATE,
    ),
    Mutant(
        "no stop at abandonment",
        "AbandonedEnds",
        [
            (
                'scope\' = (IF scope = "inside" THEN "outside" ELSE scope) /\\ RingWorker',
                "UNCHANGED <<scope, rung>>",
            )
        ],
        GATE,
    ),
    Mutant(
        "no ring at abandonment",
        "AbandonedEnds",
        [('"outside" ELSE scope) /\\ RingWorker', '"outside" ELSE scope) /\\ UNCHANGED rung')],
    ),
    Mutant(
        "a request outlives its interrupted caller, and refuses for ever",
        "Returns",
        [
            (
                '{"own", "inHand"} THEN "ending" ELSE "user")',
                (
                    '{"own", "inHand"} THEN "ending" ELSE\n'
                    '             IF Waits(c) THEN "left behind" ELSE "user")'
                ),
            ),
            ('"served", "ending"}', '"served", "ending", "left behind"}'),
        ],
        {"Interrupts": 1},
    ),
    Mutant(
        "two consumers look for a mark at once",
        "Implements",
        [
            (
                'IsConsumer(c) == Waits(c) \\/ call[c] \\in {"ask", "marked", "take"}',
                "IsConsumer(c) == Waits(c)",
            ),
            (
                'Step(c, "ask", IF mark # "none" THEN "marked" ELSE "wait")',
                (
                    'Step(c, "ask", IF mark # "none" THEN "marked" ELSE\n'
                    '                   IF \\E d \\in Threads : Waits(d) THEN "user" ELSE "wait")'
                ),
            ),
        ],
        {"Consumers": 2, "EpochSize": 1},
    ),
    Mutant(
        "a light sleeper is not rung by a request",
        "NoLostWakeUp",
        [
            (
                'Step(c, "ring", "asleep") /\\ RingWorker',
                'Step(c, "ring", "asleep") /\\ Ring("worker", parked = "yes")',
            )
        ],
        {"Lights": 1},
    ),
    Mutant(
        "no ring for a request",
        "NoLostWakeUp",
        [
            (
                'Step(c, "ring", "asleep") /\\ RingWorker',
                'Step(c, "ring", "asleep") /\\ UNCHANGED rung',
            )
        ],
    ),
    Mutant(
        "no ring at low water",
        "NoLostWakeUp",
        [('gates > 0 /\\ batches <= LowWater /\\ parked # "no"', "FALSE")],
        {"Capacity": 2, "MaxPermits": 1, "LowWater": 1},
    ),
    Mutant(
        "a gate that opens does not ring",
        "NoLostWakeUp",
        [('Ring("worker", parked = "yes" /\\ batches < Capacity /\\ begun)', "UNCHANGED rung")],
        GATE,
    ),
    Mutant(
        "leaving does not ring",
        "NoLostWakeUp",
        [('owner = "left" /\\ RingWorker /\\', 'owner = "left" /\\ UNCHANGED rung /\\')],
    ),
    Mutant(
        "leaving does not wait",
        "ReturnsAlone",
        [
            (
                'owner = "left" /\\ RingWorker /\\ OwnerTo("joining")',
                'owner = "left" /\\ RingWorker /\\ OwnerTo("user")',
            )
        ],
    ),
    Mutant(
        "a batch rings for nobody",
        "NoLostWakeUp",
        [('at = "put" /\\ Ring("consumer", SomeoneSleeps)', 'at = "put" /\\ UNCHANGED rung')],
    ),
    Mutant(
        "a worker starts beside a caller's pull",
        "OnePuller",
        [("    /\\ IF \\E c \\in Threads : Pulls(c)\n", "    /\\ IF FALSE\n")],
    ),
    Mutant(
        "a caller's pull is given up in the midst of its batch, progress and mark",
        "Implements",
        [
            (
                'Yields /\\ CallTo(c, "inHand") /\\ mark\' = IF Last THEN "ended" ELSE mark\n',
                'Yields /\\ CallTo(c, "inHand") /\\ UNCHANGED mark\n',
            ),
            (
                'Step(c, "inHand", "wait") /\\ batches\' = batches + 1 /\\ UNCHANGED <<mark, rung>>',
                (
                    'Step(c, "inHand", "wait") /\\ batches\' = batches + 1 /\\ UNCHANGED rung\n'
                    '       /\\ mark\' = IF count = 0 THEN "ended" ELSE mark'
                ),
            ),
        ],
        {"Capacity": 0, "EpochSize": 1, "Interrupts": 1},
    ),
]


def write(
    folder: Path, edits: list[tuple[str, str]], checked: str, constants: dict[str, int]
) -> Model:
    """Edit the module: a model of one property."""
    shutil.copytree(TLA, folder, dirs_exist_ok=True)
    text = MODULE
    for old, new in edits:
        text = mutate(text, old, new)
    (folder / "Shell.tla").write_text(text, encoding="utf-8")
    kind = "steps" if checked in STEPS else "refinement" if checked in REFINEMENT else "liveness"
    lines = "".join(f"    {n} = {v}\n" for n, v in {**SMALLEST, **constants}.items())
    (folder / "Shell_Mutant.cfg").write_text(
        "\\* A mutant.\n\\* expect: holds\n\\* states: 0 generated, 0 distinct\n\n"
        f"CONSTANTS\n{lines}\nSPECIFICATION Spec\n\n"
        + (
            f"INVARIANTS\n    {checked}\n"
            if checked in INVARIANTS
            else f"PROPERTIES\n    \\* {kind}\n    {checked}\n"
        ),
        encoding="utf-8",
    )
    return read_model(folder / "Shell_Mutant.cfg")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_refuted(mutant: Mutant, tmp_path: Path) -> None:
    """TLC refutes the property, and shows how."""
    result = check(write(tmp_path, mutant.edits, mutant.violated, mutant.constants))
    assert result.verdict == f"violates {mutant.violated}"
    assert len(result.steps) > 3

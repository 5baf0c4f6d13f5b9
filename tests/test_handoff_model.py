"""Handoff's steps are the machine's, and TLC refutes each Handoff that lacks a re-check or a ring.

A mutant is checked with as little of the environment as shows it. That has fewer behaviours, and
a violation among them is one of the whole model.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kernel.machine import ACTIONS, Limits, State, Variables
from specs.graph import explore, read_dump
from specs.tlc import TLA, Model, check, models, read_model, read_value

from .mutants import mutate

MODULE = (TLA / "Handoff.tla").read_text(encoding="utf-8")
INVARIANTS = ("TypeOK", "Bounded", "NoLostWakeUp", "OneWorker")
LIVENESS = ("Served", "StopEnds", "DeathNoticed", "Prefetches", "Returns")

ENVIRONMENT = r"""    \/ Enter \/ Stop \/ Begin \/ Turn
    \/ OthersTurn \/ Interrupt \/ LookAround \/ Die
"""
SYNC = "\nSync ==\n    /\\ buffered' = seen\n    /\\ consumer' ="


class Mutant(NamedTuple):
    """Edits of the module that the property must catch."""

    name: str
    violated: str
    edits: list[tuple[str, str]]
    others: str = ""  # what the environment does beside calls of one user
    epoch_size: int = 0


MUTANTS = [
    Mutant(
        "the worker sleeps without looking again, by the lock",
        "NoLostWakeUp",
        [("IF held = buffered", "IF TRUE")],
        epoch_size=2,
    ),
    Mutant(
        "the worker sleeps without looking again, ahead",
        "NoLostWakeUp",
        [('IF held >= Capacity THEN "asleep"', 'IF TRUE THEN "asleep"')],
    ),
    Mutant(
        "the worker sleeps although the state has changed",
        "NoLostWakeUp",
        [('IF ticket THEN "stillFull"', 'IF TRUE THEN "stillFull"')],
    ),
    Mutant(
        "who waits does not look again at the buffer",
        "NoLostWakeUp",
        [
            ('/\\ held = 0\n          /\\ call\' = "stillTheSame"', '/\\ call\' = "stillTheSame"'),
            ('call = "stillNothing" /\\ held > 0', "FALSE"),
        ],
    ),
    Mutant(
        "who waits does not look again at the state",
        "NoLostWakeUp",
        [
            ('/\\ same\n          /\\ call\' = "waits"', '/\\ call\' = "waits"'),
            ('call = "stillTheSame" /\\ ~same', "FALSE"),
        ],
    ),
    Mutant(
        "the worker looks before it leaves its bell",
        "NoLostWakeUp",
        [
            (
                'at = "full"\n          /\\ workerBell\' = TRUE',
                'at = "full"\n          /\\ UNCHANGED workerBell',
            ),
            ('IF held >= Capacity THEN "asleep"', 'IF held >= Capacity THEN "looked"'),
            (
                '       \\/ /\\ at = "stillSame"',
                """       \\/ /\\ at = "looked"
          /\\ workerBell' = TRUE
          /\\ at' = "asleep"
          /\\ UNCHANGED room
       \\/ /\\ at = "stillSame\"""",
            ),
        ],
    ),
    Mutant(
        "a batch put ahead rings for nobody",
        "NoLostWakeUp",
        [
            ('at \\in {"put", "commit"}', 'at = "commit"'),
            ('at = "put" /\\ waiter # "left"', 'at = "put"'),
        ],
    ),
    Mutant(
        "a change of the state rings for nobody",
        "NoLostWakeUp",
        [
            ('at \\in {"put", "commit"}', 'at = "put"'),
            ('at = "commit" /\\ waiter # "left"', 'at = "commit"'),
        ],
    ),
    Mutant(
        "a gate that another thread shuts rings for nobody",
        "NoLostWakeUp",
        [('/\\ IF waiter = "left"\n', "/\\ IF FALSE\n")],
        others="OthersTurn",
    ),
    Mutant(
        "a batch taken rings for nobody",
        "NoLostWakeUp",
        [('IF workerBell THEN "took"', 'IF FALSE THEN "took"')],
    ),
    Mutant(
        "a gate that opens rings for nobody",
        "NoLostWakeUp",
        [
            (
                'THEN call\' = "surely" /\\ UNCHANGED lock\n',
                'THEN call\' = "user" /\\ Release\n',
            )
        ],
    ),
    Mutant(
        "a request or a gate does not ring for a worker that may pull",
        "NoLostWakeUp",
        [("IF ENABLED T!Fetch \\/ ENABLED T!Halt\n", "IF ENABLED T!Halt\n")],
    ),
    Mutant(
        "a stop does not ring for the worker",
        "NoLostWakeUp",
        [("IF ENABLED T!Fetch \\/ ENABLED T!Halt\n", "IF ENABLED T!Fetch\n")],
    ),
    Mutant(
        "whether there is something to do is asked of a state that is behind",
        "NoLostWakeUp",
        [('call = "sync"\n          /\\ Sync', 'call = "sync"\n          /\\ seen\' = 0 /\\ Keep')],
    ),
    Mutant(
        "a worker that goes rings for no request",
        "NoLostWakeUp",
        [
            (
                "(consumerRung \\/ consumerBell \\/ Leaving)\n         ELSE",
                "(consumerRung \\/ Leaving)\n         ELSE",
            )
        ],
        others="Interrupt",
    ),
    Mutant(
        "a worker that goes rings for no stop",
        "NoLostWakeUp",
        [
            (
                "(consumerRung \\/ consumerBell \\/ Leaving)\n         ELSE",
                "(consumerRung \\/ consumerBell)\n         ELSE",
            )
        ],
    ),
    Mutant(
        "a worker that goes rings in a section of its own, after its last step",
        "OneWorker",
        [
            ('THEN /\\ at\' = "absent"\n', 'THEN /\\ at\' = "gone"\n'),
            (
                "    \\/ Slots \\/ Look",
                """    \\/ /\\ at = "gone" /\\ lock = "free"
       /\\ at' = "absent"
       /\\ Keep
       /\\ UNCHANGED <<held, ahead, room, answer, seen, lock, call, back, bells, lost>>
    \\/ Slots \\/ Look""",
            ),
        ],
        others="Interrupt",
    ),
    Mutant(
        "a request that was served while it was told is not rung for",
        "NoLostWakeUp",
        [
            (
                "    /\\ WakeConsumer\n    /\\ \\/ /\\ MayRunAhead",
                "    /\\ UNCHANGED <<consumerBell, consumerRung>>\n    /\\ \\/ /\\ MayRunAhead",
            )
        ],
    ),
    Mutant(
        "a request does not look again at the buffer",
        "NoLostWakeUp",
        [
            (
                'IF held > 0\n               THEN call\' = "lock"',
                'IF FALSE\n               THEN call\' = "lock"',
            )
        ],
    ),
    Mutant(
        "the worker does not tell that a request was served",
        "NoLostWakeUp",
        [
            (
                "consumer' = IF seen > 0 THEN \"idle\" ELSE consumer\n    /\\ fetching'",
                "consumer' = consumer\n    /\\ fetching'",
            )
        ],
    ),
    Mutant(
        "the consumer does not tell that its request was served",
        "Implements",
        [(f"{SYNC} IF seen > 0", f"{SYNC} IF FALSE")],
    ),
    Mutant(
        "an interrupted request is not withdrawn",
        "Implements",
        [('IF consumer = "waiting" THEN T!Withdraw /\\ Replace ELSE Keep', "Keep")],
        others="Interrupt",
    ),
    Mutant(
        "a request that was told leaves a bell as well, and is served untold",
        "Implements",
        [
            (
                'THEN call\' = "lock" /\\ Release\n               ELSE call\' = "wait"',
                'THEN call\' = "ask" /\\ Release\n               ELSE call\' = "wait"',
            )
        ],
    ),
    Mutant(
        "a pull ahead starts without a look at the state: the gate",
        "GateRespected",
        [('IF ticket THEN "pulling" ELSE', 'IF TRUE THEN "pulling" ELSE')],
    ),
    Mutant(
        "a pull ahead starts without a look at the state: a stop",
        "StopPullsNothing",
        [('IF ticket THEN "pulling" ELSE', 'IF TRUE THEN "pulling" ELSE')],
    ),
    Mutant(
        "a pull ahead starts without a free slot",
        "Bounded",
        [('IF held < Capacity THEN "look"', 'IF TRUE THEN "look"')],
    ),
    Mutant(
        "a pull ahead starts when the free slots are used up",
        "Bounded",
        [('IF room\' > 0 THEN "look"', 'IF TRUE THEN "look"')],
    ),
    Mutant(
        "the untold Fetch is taken without being enabled",
        "Bounded",
        [("IF ENABLED T!Fetch\n", "IF TRUE\n")],
    ),
    Mutant(
        "the last batch of an epoch is put ahead",
        "TypeOK",
        [('IF last THEN "decide"', 'IF FALSE THEN "decide"')],
        epoch_size=2,
    ),
    Mutant(
        "what was put ahead is not counted",
        "Implements",
        [("count' = count + ahead", "count' = count")],
        epoch_size=2,
    ),
    Mutant(
        "what was put ahead is counted again",
        "TypeOK",
        [
            (
                "/\\ ahead' = 0\n    /\\ UNCHANGED <<scope, worker, epoch, yielded, permits>>",
                "/\\ UNCHANGED ahead\n    /\\ UNCHANGED <<scope, worker, epoch, yielded, permits>>",
            )
        ],
        epoch_size=2,
    ),
    Mutant(
        "ahead although told to go",
        "NoLostWakeUp",
        [
            (
                '    /\\ worker = "running"\n    /\\ epoch = "begun"\n    /\\ consumer',
                '    /\\ epoch = "begun"\n    /\\ consumer',
            )
        ],
    ),
    Mutant(
        "ahead past the end of an epoch",
        "TypeOK",
        [('    /\\ epoch = "begun"\n    /\\ consumer = "idle"\n', '    /\\ consumer = "idle"\n')],
        epoch_size=2,
    ),
    Mutant(
        "ahead while a request waits that was told",
        "NoLostWakeUp",
        [('    /\\ consumer = "idle"\n    /\\ yielded', "    /\\ yielded")],
    ),
    Mutant("ahead with the first batch of a pass", "Implements", [("    /\\ yielded\n", "")]),
    Mutant(
        "ahead while no gate is open",
        "Implements",
        [("    /\\ permits > 0\n    /\\ count + 1", "    /\\ count + 1")],
    ),
    Mutant(
        "ahead with the last batch of an epoch",
        "TypeOK",
        [("    /\\ count + 1 # EpochSize\n", "")],
        epoch_size=2,
    ),
    Mutant(
        "waits untold while no gate is open",
        "NoLostWakeUp",
        [('/\\ permits > 0 /\\ epoch = "begun" /\\ worker', '/\\ epoch = "begun" /\\ worker')],
    ),
    Mutant(
        "waits untold for an epoch that has not begun",
        "NoLostWakeUp",
        [('/\\ permits > 0 /\\ epoch = "begun" /\\ worker', "/\\ permits > 0 /\\ worker")],
    ),
    Mutant(
        "waits untold for a worker that goes",
        "NoLostWakeUp",
        [('epoch = "begun" /\\ worker = "running"\n', 'epoch = "begun"\n')],
    ),
    Mutant(
        "with the buffer full and the state changed, round and round: a stop",
        "StopEnds",
        [('IF ticket THEN "stillFull" ELSE "decide"', 'IF ticket THEN "stillFull" ELSE "slots"')],
    ),
    Mutant(
        "rings as well for who comes while it rings, for ever",
        "Returns",
        [('THEN "rung" ELSE "committed"', 'THEN "put" ELSE "commit"')],
    ),
]


def write(
    folder: Path,
    edits: list[tuple[str, str]],
    checked: str,
    others: str = "",
    epoch_size: int = 0,
) -> Model:
    """Edit the module: a model of one property, in the environment of one user and `others`."""
    shutil.copytree(TLA, folder, dirs_exist_ok=True)
    text = mutate(
        MODULE,
        ENVIRONMENT,
        "    \\/ Enter \\/ Stop \\/ Begin \\/ Turn" + (f" \\/ {others}\n" if others else "\n"),
    )
    for old, new in edits:
        text = mutate(text, old, new)
    (folder / "Handoff.tla").write_text(text, encoding="utf-8")
    kind = "liveness" if checked in LIVENESS else "steps"
    (folder / "Handoff_Mutant.cfg").write_text(
        "\\* A mutant.\n\\* expect: holds\n\\* states: 0 generated, 0 distinct\n\n"
        f"CONSTANTS\n    Capacity = 1\n    EpochSize = {epoch_size}\n    MaxPermits = 1\n\n"
        "SPECIFICATION Spec\n\n"
        + (
            f"INVARIANTS\n    {checked}\n"
            if checked in INVARIANTS
            else f"PROPERTIES\n    \\* {kind}\n    {checked}\n"
        ),
        encoding="utf-8",
    )
    return read_model(folder / "Handoff_Mutant.cfg")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_refuted(mutant: Mutant, tmp_path: Path) -> None:
    """TLC refutes the property, and shows how."""
    _, violated, edits, others, epoch_size = mutant
    result = check(write(tmp_path, edits, violated, others, epoch_size))
    assert result.verdict == f"violates {violated}"
    assert len(result.steps) > 5


@pytest.mark.parametrize("name", ["StopEnds", "Returns"])
def test_liveness_holds_without_the_edit(name: str, tmp_path: Path) -> None:
    """It is the edit that is refuted, and not the smaller environment."""
    assert check(write(tmp_path, [], name)).verdict == "holds"


def meaning(epoch_size: int, written: Mapping[str, str]) -> State:
    """The state of the machine that a state of Handoff stands for: its instance P, in Python."""
    values: dict[str, Any] = {name: read_value(value) for name, value in written.items()}
    at, call, held = values["at"], values["call"], values["held"]
    kept = at == "kept"
    count = values["count"] + values["ahead"] + int(kept and epoch_size > 0)
    epoch = "ended" if kept and values["count"] + 1 == epoch_size else values["epoch"]
    pulling = at == "pulling" or (at in ("tell", "telling") and values["answer"] != "none")
    waits = call in ("stillNothing", "stillTheSame", "waits")
    consumer = "waiting" if waits and values["epoch"] == "begun" else values["consumer"]
    return (
        values["scope"],
        values["worker"],
        epoch,
        held,
        (values["fetching"] and not kept) or pulling or values["lost"],
        count,
        values["yielded"] or kept,
        values["permits"],
        "idle" if held > 0 or kept else consumer,
    )


@pytest.mark.parametrize("name", ["Handoff_E2_C1"])
def test_steps_are_the_machines(name: str, tmp_path: Path) -> None:
    """Each step is one of the machine's or changes nothing; all but a few of the machine's occur.

    What is missing is what a second user would do in the midst of a call of the first, a Ctrl-C in
    a pull of the caller's own, and what only these lead to.
    """
    model = next(m for m in models() if m.name == name)
    size = model.constants["EpochSize"]
    check(model, dump=tmp_path / "graph.dot")
    dumped = read_dump(tmp_path / "graph.dot", partial(meaning, size))
    taken = {(before, after) for before, _, after in dumped if before != after}
    edges = explore(Limits(1, size), 1)
    assert taken <= {(before, after) for before, _, after in edges}
    missing = [edge for edge in edges if (edge[0], edge[2]) not in taken]
    assert len(missing) < len(edges) / 10
    assert {action for _, action, _ in edges - set(missing)} == {a.__name__ for a in ACTIONS}
    for before, action, _ in missing:
        assert action in ("Stop", "Withdraw", "Request", "Allow", "Disallow")
        state = Variables(*before)
        assert state.worker == "absent" or state.consumer == "waiting"


def test_steps_of_a_mutant_are_not_the_machines(tmp_path: Path) -> None:
    """The comparison refuses a worker that pulls ahead without a look at the state."""
    edit = ('IF ticket THEN "pulling" ELSE', 'IF TRUE THEN "pulling" ELSE')
    check(write(tmp_path, [edit], "TypeOK"), dump=tmp_path / "graph.dot")
    dumped = read_dump(tmp_path / "graph.dot", partial(meaning, 0))
    edges = {(before, after) for before, _, after in explore(Limits(1, 0), 1)}
    assert any(b != a and (b, a) not in edges for b, _, a in dumped)

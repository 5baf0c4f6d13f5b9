"""Runs of our own protocol as swimlanes: callers and the worker, or the threads of a record.

`swimlane` shows a counterexample of TLC in any module but Seed. Where an action is not one of
`Protocol`, the comment at its definition explains the step.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from kernel.machine import ACTIONS, Variables
from specs import tlc
from specs.graph import limits_of
from specs.tlc import Model, Result
from specs.trace.judging import tla

from .lanes import Leaves, Row, Swimlane, linked, sentence
from .values import values, words

State: TypeAlias = dict[str, Any]

CALLERS = (
    "Enter Leave Allow Disallow Request Withdraw Dequeue EndEpoch Raise Bury".split()  # noqa: SIM905
)
"""Actions of callers. A pull is the worker's, or a caller's where the worker is absent."""

PULLS = ("Fetch", "Enqueue", "Exhaust", "Fail", "Drop")

SAY = {
    "Enter": "enters `with`",
    "Leave": "leaves `with`, which tells the worker to halt",
    "Allow": "opens a gate",
    "Disallow": "shuts a gate",
    "Request": "`next` finds nothing buffered: it waits",
    "Withdraw": "`next` no longer waits",
    "Dequeue": "`next` takes the oldest batch",
    "EndEpoch": "`next` tells the end of the epoch",
    "Raise": "`next` raises the error",
    "Start": "starts",
    "Halt": "halts, and leaves everything as it is",
    "Fetch": "asks the source for a batch",
    "Enqueue": "the source gives a batch, which is buffered",
    "Exhaust": "the source says that the pass is over",
    "Fail": "the source raises an error, which is kept behind the batches",
    "Drop": "is interrupted in a pull of its own",
    "Die": "dies without a word",
    "Bury": "`next` finds the worker dead, which is an error",
}
"""What an action says, in a lane."""

LANES = ("Callers", "Worker")


def lane_of(action: str, worker: object) -> int:
    """The lane of an action of the protocol; the worker is "absent", "running" or "dead"."""
    if action in PULLS:
        return 0 if worker == "absent" else 1
    return 0 if action in CALLERS else 1


def leaves(lane: int, state: State) -> Leaves:  # noqa: PLR0911  # a case for each reason
    """Why a lane of the protocol does not go on in this state."""
    nothing = state["buffered"] == 0 and state["mark"] == "none"
    if lane == 0:
        if state["fetching"] and state["worker"] == "absent":
            return Leaves("waits", "wait for the source")
        if state["consumer"] == "waiting" and nothing:
            return Leaves("waits", "wait for a batch")
        return Leaves("over", "are in no call, or about to return")
    if state["worker"] != "running":
        return Leaves("ended", "has died" if state["worker"] == "dead" else "has ended")
    if state["fetching"]:
        return Leaves("waits", "waits for the source")
    if state["scope"] != "inside":
        return Leaves("preempted", "could go on, but another thread does")
    if state["mark"] != "none" and not state["begun"]:
        return Leaves("waits", "waits for the end or the error to be told")
    asked = state["consumer"] == "waiting" and nothing
    if not asked and not (state["begun"] and state["permits"] > 0):
        return Leaves("waits", "waits for a gate or a request")
    return Leaves("preempted", "could go on if there is room, but another thread does")


def comments(module: str) -> dict[str, str]:
    r"""What the comment right before each definition of a module says, by the definition's name.

    >>> comments("Protocol")["Dequeue"]
    "`next' takes the oldest batch, which frees its slot."
    """
    path = tlc.TLA / f"{module}.tla"
    if not path.is_file():
        return {}
    found = {}
    for block in re.finditer(
        r"((?:^\\\* .*\n)+)(\w+)(?:\([\w, ]*\))? ==", path.read_text("utf-8"), re.MULTILINE
    ):
        found[block[2]] = " ".join(line[3:] for line in block[1].splitlines())
    return found


def stated(model: Model, name: str) -> tuple[str, str]:
    """What a property says that is stated in the model's module, and what is wrong with it.

    A statement that is false on purpose has the former in the model's title, the latter at itself.
    """
    comment = comments(model.module).get(name, "")
    said, false = sentence(model.title.removeprefix("False: ")), comment.partition("False: ")[2]
    return (said, sentence(false)) if false else (comment, "")


def recognised(model: Model, before: State, action: str, after: State) -> str:
    """The action of the machine that a step takes, where the module has a name of its own."""
    if action in SAY:
        return action
    limits = limits_of(model)
    state, then = (tuple(of[name] for name in Variables._fields) for of in (before, after))
    names = (a.__name__ for a in ACTIONS if a(limits, state) == then)
    return next(names, action)


def others(before: State, after: State) -> str:
    """Whose step it is in a module of another kind, by the variable that has a thread's place."""
    names = {"call": "Consumer {}", "owner": "Who enters", "gate": "Who opens gates"}
    for name, lane in names.items():
        old, new = before.get(name), after.get(name)
        if old != new and isinstance(new, tuple) and isinstance(old, tuple):
            moved = [n for n, (p, q) in enumerate(zip(old, new, strict=True), 1) if p != q]
            return lane.format(moved[0])
        if old != new:
            return lane
    return "Worker"


def in_order(state: dict[str, str]) -> dict[str, str]:
    """The variables with the machine's first, in its order: TLC has an order of its own."""
    return {name: state[name] for name in Variables._fields if name in state} | state


def lanes_of(model: Model, actions: list[str], states: list[State]) -> tuple[list[str], list[int]]:
    """The lanes of a run, and whose step each is; the first state is nobody's."""
    steps = list(zip(states, actions[1:], states[1:], strict=False))  # a state more than steps
    if "fetching" in states[0]:
        whole = [recognised(model, *step) for step in steps]
        workers = [before["worker"] for before, _, _ in steps]
        return list(LANES), [-1, *map(lane_of, whole, workers)]
    names = [others(before, after) for before, _, after in steps]
    lanes = list(dict.fromkeys(names)) or list(LANES)
    return lanes, [-1, *map(lanes.index, names)]


def swimlane(model: Model, result: Result, meaning: str = "") -> Swimlane:
    """The violation that TLC found, of at least one state."""
    states = values(result)
    ours = "fetching" in states[0]
    said = SAY if ours else comments(model.module.removesuffix("NonProperties"))
    lanes, actors = lanes_of(model, [step.action for step in result.steps], states)
    rows = []
    for number, (lane, step, state) in enumerate(zip(actors, result.steps, states, strict=True), 1):
        rows.append(
            Row(
                *(
                    number,
                    lane,
                    step.action if lane >= 0 else "at first",
                    said.get(step.action, ""),
                ),
                state=in_order({name: words(value) for name, value in state.items()}),
                leaves=leaves(lane, state) if ours else Leaves("unknown", "is left here"),
                gone=(1,) if ours and state["worker"] != "running" else (),
            )
        )
    broken = result.verdict.removeprefix("violates ")
    if result.verdict == "deadlocks":
        broken, meaning = "NoDeadlock", "Something can always happen."
    said_of_it, breaks = stated(model, broken)
    return Swimlane(
        name=model.name,
        title=model.title,
        lanes=tuple(lanes),
        rows=linked(rows, minor=() if ours else ("owner", "gate")),
        broken=broken,
        meaning=meaning or said_of_it,
        breaks=breaks,
        then=result.then,
        settings=", ".join(f"{name} = {tla(value)}" for name, value in model.constants.items()),
    )

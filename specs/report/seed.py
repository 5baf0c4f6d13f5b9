"""Counterexamples of `tla/Seed.tla` as swimlanes: your code, and each thread of the wrapper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specs.tlc import Model, Result

from . import stories
from .lanes import Leaves, Row, Swimlane, linked, sizes
from .values import item, the, values, words

State = dict[str, Any]

YOU = "Your code"

PLACES = {
    "user": "in none",
    "stop": "begins to stop",
    "drain": "empties the queue",
    "join": "waits for the thread to end",
    "last": "looks into the queue again",
    "refill": "fills the new queue",
    "shut": "shuts its gate",
    "alive": "looks whether the thread lives",
    "empty": "looks whether the queue is empty",
    "get": "waits for a batch",
    "doubt": "looks whether the thread still lives",
    "eager": "looks for a last batch",
    "pull": "asks the source",
    "retry": "asks another pass",
    "return": "returns",
}
"""Where a call is (the variable `main`)."""

THREAD = {
    "dead": "not running",
    "stream": "needs a pass",
    "gate": "is before the gate",
    "nap": "sleeps 20 ms",
    "pull": "asks the source",
    "put": "has a batch to put",
    "count": "is about to count it",
    "check": "looks whether to go on",
    "mark": "has an end mark to put",
    "reset": "sets the count to 0",
    "leaving": "is about to end",
}
"""Where a thread is (the variable `pc`)."""

PASS = {"none": "none", "fresh": "new", "open": "has yielded", "spent": "over, but kept"}

MINOR = {"call", "the call holds it open", "known thread", "source gave last", "you took last"}
MINOR |= {"pass gave you a batch", "answers to come", "`next` told last"}


def show(state: State) -> dict[str, str]:
    """The variables under names for people, in an order for reading."""
    shown = {
        "with": state["scope"],
        "gates you hold open": str(state["opened"]),
        "gate": f"{state['semaphore']} ({'open' if state['semaphore'] > 0 else 'shut'})",
        "the call holds it open": words(state["gated"]),
        "queue": words(state["queue"]),
        "room in the queue": str(state["size"]),
        "epoch count": str(state["count"]),
        "pass": PASS[state["stream"]],
        "call": PLACES[state["main"]],
        "about to return": item(state["result"]),
        "kept by the stop": words(state["content"]),
    }
    for number, place in enumerate(state["pc"], 1):
        shown[f"thread {number}"] = THREAD[place]
        shown[f"thread {number} holds"] = item(state["hand"][number - 1])
        shown[f"thread {number} told to stop"] = words(state["told"][number - 1])
    shown |= {
        "known thread": str(state["current"] or "none"),
        "you got in this epoch": str(state["delivered"]),
        "`next` told last": state["seen"],
        "source gave last": f"batch {state['pulled']}" if state["pulled"] else "nothing",
        "you took last": f"batch {state['taken']}" if state["taken"] else "nothing",
        "pass gave you a batch": words(state["inPass"]),
        "answers to come": words(state["answers"]),
    }
    return shown


def minor(state: State) -> set[str]:
    """Variables whose change is not worth a word in a row."""
    return MINOR | {f"thread {number}" for number in range(1, len(state["pc"]) + 1)}


def actor(before: State, action: str, after: State) -> int:
    """The lane of a step: 0 for your code, or the number of the thread."""
    if action in THREADS:
        places = enumerate(zip(before["pc"], after["pc"], strict=True), 1)
        return next((thread for thread, (old, new) in places if old != new), 1)
    return 0


def returned(after: State) -> str:
    """What a call says as it returns."""
    if after["seen"] == "batch":
        return f"`next` returns batch {after['taken']}"
    return "`next` ends the epoch" if after["seen"] == "end" else "`next` raises ChildProcessError"


def started(before: State, after: State) -> str:
    """That a thread starts, in a sentence. The model gives the number of an ended one again."""
    again = before["current"] == after["current"]
    return f"{'a new ' if again else ''}thread {after['current']} starts"


def _enter(before: State, after: State) -> str:
    how = "enters `with` again" if before["scope"] != "new" else "enters `with`"
    if after["pc"] == before["pc"]:
        return how
    left = before["current"] and before["pc"][before["current"] - 1] != "dead"
    beside = f", although thread {before['current']} still runs" if left else ""
    return f"{how}: {started(before, after)}{beside}"


def _shut(before: State, after: State) -> str:
    if before["result"]:
        return f"the call shuts its gate; {returned(after)}"
    return "the stop shuts its gate: `with` is left"


def _get(before: State, after: State) -> str:
    taken = f"takes {the(before['queue'][0])} out of the queue"
    return taken if after["main"] == "shut" else f"{taken}: {returned(after)}"


def _eager(before: State, after: State) -> str:
    if before["queue"]:
        return _get(before, after)
    return "the thread is dead and the queue is empty: this must be a crash"


def _last(before: State, after: State) -> str:
    found = f"also keeps {the(before['queue'][0])}" if before["queue"] else "finds nothing more"
    return f"{found}, and makes a new queue"


def _alive(before: State, after: State) -> str:
    thread = f"thread {before['current']}"
    if after["main"] == "get":
        return f"sees that {thread} is alive, so it starts no other"
    return f"sees that {thread} is not alive"


def _doubt(before: State, after: State) -> str:
    alive = after["main"] == "get"
    return f"sees that thread {before['current']} is {'alive: it waits on' if alive else 'dead'}"


def _call(before: State, after: State) -> str:
    calls = "calls `next` outside `with`" if before["scope"] == "outside" else "calls `next`"
    if after["gated"]:
        return f"{calls}: the queue is empty, so the call opens the gate"
    return f"{calls}: the queue is not empty"


def _own_call(before: State, after: State) -> str:
    if after["main"] == "user":
        return "calls `next`: the count says that the epoch is full, so it ends"
    return f"calls `next`, which asks {'a new' if before['stream'] == 'none' else 'the same'} pass"


def _own_exhaust(before: State, after: State) -> str:
    over = {
        "spent": "the pass that is kept says that it is over",
        "fresh": "the pass is over without a batch",
    }.get(before["stream"], "the pass is over")
    if after["main"] == "retry":
        return f"{over}: another is asked, once in a call"
    return f"{over}: so is the epoch, as this call has asked another one already"


def _check(t: int, before: State, after: State) -> str:
    place = after["pc"][t]
    if place == "leaving":
        return "sees that it was told to stop: it goes"
    return "sees that the epoch is full" if place == "mark" else "sees no reason to stop: goes on"


def _exhaust(t: int, before: State, after: State) -> str:
    over = {
        "spent": "the pass that had raised says that it is over",
        "fresh": "the source says that the pass is over, without a batch",
    }.get(before["stream"], "the source says that the pass is over")
    return f"{over}: another one" if after["pc"][t] == "stream" else f"{over}: so is the epoch"


USER: dict[str, Callable[[State, State], str]] = {
    "Allow": lambda b, a: "opens the gate",
    "Disallow": lambda b, a: "shuts the gate",
    "Enter": _enter,
    "Exit": lambda b, a: "leaves `with`: the stop opens the gate, so that nobody hangs there",
    "SetStop": lambda b, a: f"tells thread {b['current']} to stop",
    "Drain": lambda b, a: (
        f"the stop keeps {the(b['queue'][0])} aside"
        if b["queue"]
        else "the queue is empty: the stop waits for the thread"
    ),
    "Join": lambda b, a: f"sees that thread {b['current']} has ended",
    "Last": _last,
    "Refill": lambda b, a: f"puts {the(b['content'][0])} into the new queue",
    "Interrupt": lambda b, a: (
        f"Ctrl-C: the stop breaks off, and {words(b['content'])}, kept aside, is lost"
        if b["content"]
        else "Ctrl-C: the stop breaks off"
    ),
    "Shut": _shut,
    "Call": _call,
    "IsAlive": _alive,
    "IsEmpty": lambda b, a: (
        "the queue is not empty"
        if b["queue"]
        else f"the queue is empty, so a thread is needed: {started(b, a)}"
    ),
    "Get": _get,
    "TimeOut": lambda b, a: "two seconds pass, and nothing has come",
    "Doubt": _doubt,
    "GetNowait": _eager,
    "OwnCall": _own_call,
    "OwnYield": lambda b, a: f"the source gives batch {a['pulled']}, which is counted",
    "OwnExhaust": _own_exhaust,
    "OwnFail": lambda b, a: "the source raises",
    "OwnReturn": lambda b, a: "`next` raises the error" if a["seen"] == "failure" else returned(a),
}
"""What a step of your code says."""

THREADS: dict[str, Callable[[int, State, State], str]] = {
    "GetStream": lambda t, b, a: (
        "begins a new pass" if b["stream"] == "none" else "continues the pass that there is"
    ),
    "PassGate": lambda t, b, a: "finds the gate open, passes it, and sleeps for 20 ms",
    "Wake": lambda t, b, a: "the sleep is over: it asks the source for a batch",
    "Yield": lambda t, b, a: f"the source gives batch {a['pulled']}",
    "YieldNone": lambda t, b, a: f"the source gives batch {a['pulled']}, which is None",
    "Exhaust": _exhaust,
    "Fail": lambda t, b, a: "the source raises an error, of which the thread dies",
    "Put": lambda t, b, a: f"puts {the(b['hand'][t])} into the queue",
    "Count": lambda t, b, a: f"counts it: {a['count']} in this epoch",
    "CheckStop": _check,
    "PutMark": lambda t, b, a: "puts the end mark (None) into the queue",
    "Reset": lambda t, b, a: "sets the count to 0",
    "Leave": lambda t, b, a: "ends",
}
"""What a step of a thread says; the first argument is its place among the threads."""


def leaves(lane: int, state: State) -> Leaves:  # noqa: PLR0911  # a case for each place
    """Why a lane does not go on in this state."""
    full = len(state["queue"]) >= state["size"]
    if lane > 0:
        place = state["pc"][lane - 1]
        if place == "dead":
            return Leaves("ended", "has ended")
        if place == "gate" and state["semaphore"] <= 0:
            return Leaves("waits", "waits for the gate to be opened")
        if place in ("put", "mark") and full:
            return Leaves("waits", "waits for room in the queue")
        if place == "pull":
            return Leaves("waits", "waits for the source")
        if place == "nap":
            return Leaves("waits", "sleeps for 20 ms")
        return Leaves("preempted", "could go on, but another thread does")
    place = state["main"]
    if place == "user":
        return Leaves("over", "is in no call of the wrapper")
    if place == "get" and not state["queue"]:
        return Leaves("waits", "waits for a batch, two seconds at a time")
    if place == "join" and state["pc"][state["current"] - 1] != "dead":
        return Leaves("waits", f"waits for thread {state['current']} to end")
    if place == "refill" and full:
        return Leaves("waits", "waits for room in the queue")
    return Leaves("preempted", "could go on, but another thread does")


def dead(state: State) -> tuple[int, ...]:
    """The lanes of threads that do not run."""
    return tuple(t for t, place in enumerate(state["pc"], 1) if place == "dead")


def swimlane(model: Model, result: Result) -> Swimlane:
    """The counterexample that TLC found."""
    states = values(result)
    settings = sizes(model.constants["Capacity"], model.constants["EpochSize"])
    rows = []
    for number, (step, before, state) in enumerate(
        zip(result.steps, [{}, *states], states, strict=False), 1
    ):
        lane = actor(before, step.action, state) if before else -1
        if lane < 0:
            action, text = "at first", f"A new wrapper with {settings}."
        elif lane == 0:
            action, text = step.action, USER[step.action](before, state)
        else:
            action, text = step.action, THREADS[step.action](lane - 1, before, state)
        left, gone = leaves(lane, state), dead(state)
        rows.append(Row(number, lane, action, text, state=show(state), leaves=left, gone=gone))
    broken = result.verdict.removeprefix("violates ")
    return Swimlane(
        name=model.name,
        title=model.title,
        lanes=(YOU, *(f"Thread {t}" for t in range(1, len(states[0]["pc"]) + 1))),
        rows=linked(rows, minor=minor(states[0])),
        broken=broken,
        meaning=stories.PROPERTIES.get(broken, ""),
        story=stories.STORIES.get(model.name),
        then=result.then,
        settings=settings,
    )

"""Recorded runs, made without threads: walks of the machine, and forged ones with an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from random import Random
from typing import Any, TypeAlias

from kernel.machine import ACTIONS, INITIAL, Action, Die, Limits, State, Variables
from specs.trace import ordering
from specs.trace.lines import FORMAT, Line, read_line

ACTION = {action.__name__: action for action in ACTIONS}
WHO = {
    **dict.fromkeys(("Start", "Halt", "Fetch"), "worker"),
    **dict.fromkeys(("Enqueue", "Exhaust", "Fail"), "source"),
    "Die": "nobody",
}
"""The thread that takes an action; the consumer takes those that are not listed."""


def header(limits: Limits, state: State = INITIAL) -> dict[str, Any]:
    """The first line."""
    return {"format": FORMAT, **limits._asdict(), "state": Variables(*state)._asdict()}


def sizes(first: dict[str, Any]) -> Limits:
    """The limits that the first line names."""
    return Limits(*(first[name] for name in Limits._fields))


def line(action: Action, state: State | None = None) -> dict[str, Any]:
    """The line of an action, with the state after it if one is given."""
    name = action.__name__
    recorded = {} if state is None else {"state": Variables(*state)._asdict()}
    return {"action": name, "thread": WHO.get(name, "consumer"), **recorded}


def script(limits: Limits, names: Iterable[str], recorded: bool = True) -> list[dict[str, Any]]:
    """The trace of these actions, up to the first that the machine refuses."""
    found, state = [header(limits)], INITIAL
    for name in names:
        then = ACTION[name](limits, state)
        if then is None:
            break
        state = then
        found.append(line(ACTION[name], state if recorded else None))
    return found


def steps(
    limits: Limits, state: State, random: Random, rare: Collection[Action] = (Die,)
) -> Iterator[tuple[Action, State]]:
    """A walk at random that does not end; gates nest twice at most, and some steps are rare."""
    while True:
        chosen = [action for action in ACTIONS if action not in rare or random.random() < 0.05]
        found = [(action, then) for action in chosen if (then := action(limits, state))]
        permitted = [step for step in found if Variables(*step[1]).permits <= 2]
        if permitted:
            action, state = random.choice(permitted)
            yield action, state


def walk(
    limits: Limits,
    actions: int,
    seed: int,
    recorded: float = 1.0,
    rare: Collection[Action] = (Die,),
) -> list[dict[str, Any]]:
    """A trace of that number of actions; of each variable's values a share is recorded."""
    random = Random(seed)
    found = [header(limits)]
    walked = steps(limits, INITIAL, random, rare)
    for (action, state), _ in zip(walked, range(actions), strict=False):
        step = line(action, state)
        values = {n: v for n, v in step["state"].items() if random.random() < recorded}
        found.append({**step, "state": values} if values else line(action))
    return found


def judge(trace: Sequence[dict[str, Any]]) -> tuple[int, State]:
    """The machine's own verdict: the line where it stops being a behaviour, and the state before.

    The line is 0 if it is one.
    """
    limits = sizes(trace[0])
    state: State = Variables(**trace[0]["state"])
    for number, step in enumerate(trace[1:], 2):
        then = ACTION[step["action"]](limits, state)
        if then is None or not step.get("state", {}).items() <= Variables(*then)._asdict().items():
            return number, state
        state = then
    return 0, state


def actions(trace: Iterable[dict[str, Any]]) -> list[Line]:
    """The lines of the actions."""
    return [read_line(json.loads(json.dumps(line))) for line in [*trace][1:]]


def ordered(trace: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The trace with its lines in the order that is found for them."""
    places = ordering.order(sizes(trace[0]), actions(trace))
    return [trace[0], *(trace[1 + place] for place in places)]


def text(trace: Iterable[dict[str, Any]]) -> str:
    """What is in the file."""
    return "".join(json.dumps(line) + "\n" for line in trace)


def late(trace: Sequence[dict[str, Any]], seed: int, by: int = 5) -> list[dict[str, Any]]:
    """The trace with lines written late, each before the next action of its thread."""
    random = Random(seed)
    following: dict[str, int] = {}
    times = []
    for place, step in reversed([*enumerate(trace)][1:]):
        latest = min(following.get(step["thread"], len(trace)) - 0.5, place + by)
        times.append((random.uniform(place, max(place, latest)), place))
        following[step["thread"]] = place
    return [trace[0], *(trace[place] for _, place in sorted(times))]


# What can be wrong with a trace, at a line that is no first.


def drop(trace: list[dict[str, Any]], at: int, random: Random) -> None:
    """An action is missing."""
    del trace[at]


def double(trace: list[dict[str, Any]], at: int, random: Random) -> None:
    """An action is there twice."""
    trace.insert(at, trace[at])


def swap(trace: list[dict[str, Any]], at: int, random: Random) -> None:
    """An action is before the one that it came after."""
    trace[at - 1], trace[at] = trace[at], trace[at - 1]


def rename(trace: list[dict[str, Any]], at: int, random: Random) -> None:
    """An action has the name of another."""
    trace[at] = {**trace[at], "action": random.choice(sorted(ACTION))}


def edit(trace: list[dict[str, Any]], at: int, random: Random) -> None:
    """A variable has another value."""
    other: Any = list(walk(Limits(2, 3), 30, random.randrange(1000))[-1]["state"].items())
    trace[at] = {**trace[at], "state": dict(random.sample(other, 3))}


Forgery: TypeAlias = Callable[[list[dict[str, Any]], int, Random], None]
FORGERIES: tuple[Forgery, ...] = (drop, double, swap, rename, edit)


def forge(trace: Sequence[dict[str, Any]], forgery: Forgery, seed: int) -> list[dict[str, Any]]:
    """The trace with something wrong at a line that is chosen at random, as the machine finds."""
    random = Random(seed)
    for _ in range(1000):
        forged = list(trace)
        forgery(forged, random.randrange(2, len(forged)), random)
        if judge(forged)[0]:
            return forged
    raise ValueError("nothing can be wrong with this trace")

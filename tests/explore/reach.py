"""What the machine alone can do under a program, if everybody goes on whenever he can.

The search must come to each of these steps of the machine on the real shell, and to no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kernel import machine
from kernel.machine import INITIAL, Limits, State, Variables

from ..schedules import ANSWERS, Program, possible


class Caller(NamedTuple):
    """A user: how many calls it has made, the one it is in, and whether that has begun."""

    at: int = 0
    call: str = ""
    begun: bool = False


class Point(NamedTuple):
    """A state of the machine, and how far users and source have come."""

    state: State = INITIAL
    callers: tuple[Caller, ...] = (Caller(),)
    inside: bool = False  # as users have it: not from the beginning of a stop
    asker: int = 0  # whose request waits
    quiet: bool = False  # and nobody was told of it
    answered: int = 0  # place in the source's answers

    def by(self, who: int, caller: Caller) -> Point:
        """The same with another place of this user."""
        return self._replace(callers=(*self.callers[:who], caller, *self.callers[who + 1 :]))

    def returned(self, who: int) -> Point:
        """The same with the user's call over."""
        return self.by(who, Caller(self.callers[who].at + 1))


def reachable(program: Program) -> set[tuple[State, State]]:
    """The machine's steps that the program can lead to."""
    edges, found = set(), {Point()}
    todo = list(found)
    while todo:
        point = todo.pop()
        for then in after(program, point):
            if then.state != point.state:
                edges.add((point.state, then.state))
            if then not in found:
                found.add(then)
                todo.append(then)
    return edges


def differing(program: Program, edges: set[tuple[State, State]]) -> tuple[int, int, int]:
    """How many of the machine's steps were taken, of how many; and how many others.

    Whether somebody who waits without having told looks again just then, which is a Withdraw, the
    machine cannot say: such a step counts on neither side, unless Ctrl-C is to take it.
    """
    limits = Limits(program.capacity, program.epoch_size)
    wanted = reachable(program)
    if isinstance(program.calls, int) or "NextInterrupted" not in program.calls:
        again = {edge for edge in wanted | edges if machine.Withdraw(limits, edge[0]) == edge[1]}
        wanted, edges = wanted - again, edges - again
    return len(edges & wanted), len(wanted), len(edges - wanted)


def step(program: Program, point: Point, *names: str) -> Iterator[Point]:
    """The machine's actions of these names, where they are enabled."""
    for name in names:
        limits = Limits(program.capacity, program.epoch_size)
        state = getattr(machine, name)(limits, point.state)
        if state is not None:
            yield point._replace(state=state)


def after(program: Program, point: Point) -> Iterator[Point]:
    """What can come next: a step of the worker, of the source, or of a user."""
    now = Variables(*point.state)
    dead = [c for c in point.callers if c.call == "EnterDead" and now.worker == "running"]
    if not dead:  # else it never was
        if now.fetching and now.worker != "dead":
            answers = program.answers
            at = (point.answered + 1) % len(answers) if answers else 0
            given = ANSWERS if not answers else (answers[point.answered],)
            for answer in given:
                name = {"exhausted": "Exhaust", "raised": "Fail"}.get(answer, "Enqueue")
                for then in step(program, point, name):
                    yield then._replace(answered=at)
        for then in step(program, point, "Fetch"):
            own = now.worker == "absent"  # the asker pulls: nothing interrupts that
            asker = then.callers[then.asker]
            yield then.by(then.asker, asker._replace(begun=False)) if own else then
        yield from step(program, point, "Halt")
    for who, caller in enumerate(point.callers):
        calls = program.other if who else program.script
        if caller.call:
            yield from called(program, point, who)
        elif isinstance(calls, int) and caller.at < calls:
            alone = bool(program.other) and len(point.callers) == 1
            for call in possible(who == 0, point.inside, now.permits > 0, alone):
                yield point.by(who, caller._replace(call=call))
        elif not isinstance(calls, int) and caller.at < len(calls):
            yield point.by(who, caller._replace(call=calls[caller.at]))


def called(program: Program, point: Point, who: int) -> Iterator[Point]:
    """What can come next of a user who is in a call."""
    now, caller = Variables(*point.state), point.callers[who]
    returned = point.returned(who)
    match caller.call:
        case "Next" | "NextInterrupted":
            if now.scope == "new" and program.capacity > 0:
                yield returned
            elif now.consumer == "waiting" and point.asker != who:
                yield returned  # refused
            else:
                yield from step(program, returned, "Dequeue", "EndEpoch", "Raise")
                running = now.worker == "running" and now.permits > 0
                quiet = running and now.epoch == "begun"  # nobody need be told
                asking = point.by(who, caller._replace(begun=now.worker != "absent"))
                yield from step(program, asking._replace(asker=who, quiet=quiet), "Request")
                if now.consumer == "waiting":
                    yield from step(program, point, "Bury")
                if point.quiet and running:  # it may look again
                    yield from step(program, point, "Withdraw")
                if caller.call == "NextInterrupted" and caller.begun:
                    yield from step(program, returned, "Withdraw")
        case "Allow" | "Disallow":
            yield from step(program, returned, caller.call)
        case "Prefetched":
            if not now.fetching and not any(step(program, point, "Fetch")):
                yield returned
        case "Start":
            yield returned._replace(callers=(*returned.callers, Caller()))
        case "Join":
            calls = program.other
            if point.callers[1].at == (calls if isinstance(calls, int) else len(calls)):
                yield returned
        case "Exit" | "Interrupted":
            begun = point.by(who, caller._replace(begun=True))._replace(inside=False)
            if not caller.begun:
                yield from step(program, begun, "Stop")
                if now.worker == "stopping":
                    yield begun
            elif now.worker != "stopping" or caller.call == "Interrupted":
                yield returned
        case "Enter" | "EnterDead" if now.worker != "stopping":
            entered = returned._replace(inside=True)
            if caller.call == "EnterDead" and now.worker == "running":
                yield from step(program, entered, "Die")
            elif caller.call == "EnterDead" and program.capacity > 0:
                yield from step(program, point, "Enter")
            elif now.scope == "inside":
                yield entered
            else:
                yield from step(program, entered, "Enter")

"""Finds every schedule of a program with a bounded number of preemptions, by running each.

A preemption is a switch away from an actor that could go on. Where an actor waits, or has ended,
any other may go on without a preemption, and each choice is tried. So is each interrupt, up to a
number in a schedule, and each time-out, if any are allowed. A schedule is run from its beginning:
it follows its choices, and after the last one the running actor goes on for as long as it can. What
else could be chosen on the way is noted for later. No two executions are taken for one, so no state
has to be hashed.

Schedules that show the same as others are left out, as far as `repeats` has it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from .control import Actor
from .programs import Program
from .repeats import Chain, Sleeper
from .schedules import Run
from .shell import Shell
from .users import Wrong

FOREVER = 1 << 60
MOST = 20_000
"""Steps after which a schedule is taken to have no end. Those of our programs have a tenth."""

SPECIAL = ("begin", "call", "end", "join", "pull", "rest")
"""Operations of which no preemption is left out."""


class Turn(NamedTuple):
    """Steps that an actor makes in a row: the first by the move, the others plainly."""

    move: str
    steps: int = 1
    preempts: bool = False  # the actor before could have gone on


class Bound(NamedTuple):
    """How many there may be of these in a schedule."""

    preemptions: int
    interrupts: int = 1
    time_outs: int = 0


class Choice(NamedTuple):
    """A beginning of schedules, of which the last turn was not run yet, and what is left to it."""

    turns: tuple[Turn, ...]
    left: Bound
    chain: Chain | None = None  # of the actor that is preempted
    place: int = 0  # the step in front of which it is


class Found(NamedTuple):
    """A schedule that shows something wrong."""

    turns: tuple[Turn, ...]
    wrong: Wrong

    @property
    def steps(self) -> int:
        """Its length."""
        return sum(turn.steps for turn in self.turns)


@dataclass
class Result:
    """What a search has found."""

    bound: Bound
    executions: int = 0
    left_out: int = 0  # of these, how many were given up, as others show the same
    unfair: int = 0  # or as somebody who could go on never did, while another went round and round
    seconds: float = 0.0
    found: Found | None = None  # one of the shortest that fail
    outcomes: set[object] = field(default_factory=set)


class Search:
    """A search through the schedules of a program."""

    def __init__(
        self,
        program: Program,
        bound: Bound,
        stage: Shell,
        reduced: bool = True,
        outcome: Callable[[Run], object] | None = None,
        **options: bool,
    ) -> None:
        self.begin = partial(Run, program, stage, everywhere=True, **options)
        self.reduced = reduced
        self.outcome = outcome
        self.result = Result(bound)
        self.todo = [Choice((), bound)]

    def advance(self, executions: int) -> bool:
        """Run at most that number of schedules. Returns whether there are more."""
        started = time.perf_counter()
        collecting = gc.isenabled()
        gc.disable()  # finalisers come between two runs only,
        gc.freeze()  # and what was there before is not looked through each time
        try:
            for _ in range(executions):
                if not self.todo:
                    break
                choice = self.todo.pop()
                if not self.is_idle(choice):
                    self.execute(choice)
        finally:
            gc.collect()
            gc.unfreeze()
            if collecting:
                gc.enable()
            self.result.seconds += time.perf_counter() - started
        return bool(self.todo)

    def is_idle(self, choice: Choice) -> bool:
        """Whether another schedule shows all that those do which begin so, and was run."""
        chain, left = choice.chain, choice.left
        if chain is None or left.preemptions or not self.reduced:
            return False
        return chain.is_idle(choice.place, choice.turns[-1].move)

    def execute(self, begin: Choice) -> None:
        """Run one schedule."""
        self.run = self.begin()
        self.control = self.run.control
        self.control.goes_on = self.goes_on
        self.turns: list[Turn] = []
        self.before = 0  # steps of these
        self.asleep: dict[Actor, Sleeper] = {}  # the actor that was preempted
        self.chain: Chain | None = None
        self.check: Sleeper | None = None
        self.redundant = False
        self.left = begin.left
        result = self.result
        result.executions += 1
        try:
            self.go_through(begin)
            if not self.redundant and not self.run.unfair:
                self.run.judge()
                if self.outcome is not None:
                    result.outcomes.add(self.outcome(self.run))
        except Wrong as wrong:
            turns = (*self.turns, self.turn()) if self.move else tuple(self.turns)
            found = Found(turns, wrong)
            if result.found is None or found.steps < result.found.steps:
                result.found = found
        finally:
            result.left_out += self.redundant
            result.unfair += self.run.unfair
            self.control.close()

    def go_through(self, begin: Choice) -> None:
        """Make the moves that were chosen, and then the first that can be made each time."""
        self.live, self.move = False, ""
        actor: Actor | None = None
        for turn in begin.turns[:-1]:
            actor = self.take(actor, turn)
        self.live = True
        scouting = ""
        if begin.turns:
            preempted, since = actor, len(self.control.accesses)
            if begin.chain is not None and not begin.left.preemptions:
                scouting = begin.turns[-1].move
            actor = self.take(actor, begin.turns[-1], begin)
        while not (self.redundant or self.run.unfair) and (turns := self.choices(actor)):
            if result_is_longer(self.result, self.before):
                self.redundant = True
                return
            if scouting and actor not in self.run.able():
                self.scouted(begin, scouting, preempted, since, turns)
                scouting = ""
            first, *others = turns
            self.todo += [
                Choice((*self.turns, other), spent(self.left, other)) for other in reversed(others)
            ]
            self.left = spent(self.left, first)
            actor = self.take(actor, first)

    def scouted(
        self, begin: Choice, move: str, preempted: Actor | None, since: int, turns: list[Turn]
    ) -> None:
        """Whoever preempted has to wait: if only the preempted can go on, keep what it did."""
        assert preempted is not None
        assert begin.chain is not None
        if [turn.move for turn in turns] == [str(preempted.ident)]:
            actors = self.control.actors
            looks = [(a.place, False) for a in actors if not a.ended and not a.ready()]
            begin.chain.seen[move] = begin.place, [*self.control.accesses[since:], *looks]

    def take(self, before: Actor | None, turn: Turn, begin: Choice | None = None) -> Actor:
        """An actor's turn. Raises `Wrong`."""
        control = self.control
        actor = control.actors[number(turn.move) - 1]
        if before is not None and before is not actor and not before.ended:
            if not before.ready():
                control.note(before.place, write=False)  # it has looked, and has to wait
            elif turn.preempts and before.operation not in SPECIAL:
                chain = begin.chain if begin is not None else None
                step = chain.step(begin.place) if begin is not None and chain is not None else None
                self.asleep[before] = Sleeper(control.accesses, step)
        sleeper = self.asleep.pop(actor, None)
        self.check = None
        self.move, self.extra, self.preempts = turn.move, 0, turn.preempts
        if not self.live:
            self.given = turn.steps - 1
        else:
            if sleeper is not None and turn.move.isdecimal() and self.reduced:
                self.check = sleeper
                sleeper.until = len(control.accesses)
            self.given = 0 if self.check or self.left.preemptions else FOREVER
        control.at_once = self.given
        self.run.move(turn.move)
        if self.check:
            self.goes_on(actor)
        if self.chain is not None:
            self.chain.begins.append(len(control.accesses))
            self.chain = None
        self.turns.append(self.turn())
        self.before += self.turns[-1].steps
        self.move = ""
        return actor

    def turn(self) -> Turn:
        """The turn that goes on, as far as it has come."""
        steps = 1 + self.given - self.control.at_once + self.extra
        return Turn(self.move, steps, self.preempts)

    def goes_on(self, actor: Actor) -> bool:
        """The actor is in front of a step: whether it goes on at once."""
        control = self.control
        if not self.live:
            if not control.at_once:
                return False
            control.at_once -= 1
            return True
        if self.check:
            sleeper, self.check = self.check, None
            if sleeper.slept():
                self.redundant = True
                return False
            if not self.left.preemptions:
                self.given = control.at_once = FOREVER
        if actor.operation in SPECIAL or not actor.ready():
            return False
        if self.run.interrupts() and self.left.interrupts and actor.operation == "queue.get":
            return False
        if self.left.preemptions:
            if result_is_longer(self.result, self.before + self.extra):
                return False
            if self.chain is None:
                self.chain = Chain(control.accesses)
            self.chain.begins.append(len(control.accesses))
            if others := self.preemptions(actor):
                turns, place = (*self.turns, self.turn()), len(self.chain.begins) - 1
                self.todo += [
                    Choice((*turns, o), spent(self.left, o), self.chain, place) for o in others
                ]
        self.extra += 1
        return True

    def preemptions(self, actor: Actor) -> list[Turn]:
        """The other actors that could go on, although this one can."""
        run = self.run
        others = [a for a in run.able() if a is not actor]
        if self.reduced and self.asleep:
            asleep = self.asleep
            others = [a for a in others if a not in asleep or not asleep[a].sleeps()]
        moves = [way for other in others for way in run.ways(other)]
        moves += self.strokes(actor)
        return [Turn(move, preempts=True) for move in moves]

    def strokes(self, actor: Actor | None) -> list[str]:
        """Interrupts of others, and time-outs."""
        moves = self.run.interrupts() if self.left.interrupts else []
        if self.left.time_outs:
            moves += self.run.time_outs(light=False)
        return [m for m in moves if actor is None or number(m) != actor.ident]

    def choices(self, actor: Actor | None) -> list[Turn]:
        """What may come next, where an actor has parked."""
        run = self.run
        if actor is not None and actor in run.able():
            own = run.ways(actor)
            if self.left.interrupts:
                own += [m for m in run.interrupts() if number(m) == actor.ident]
            others = self.preemptions(actor) if self.left.preemptions else []
            return [*map(Turn, own), *others]
        moves = [way for other in run.able() for way in run.ways(other)]
        if run.ended:
            return [*map(Turn, moves)]
        if not moves:
            moves = run.time_outs(light=True) or run.stuck()
        return [*map(Turn, dict.fromkeys((*moves, *self.strokes(None))))]


def number(move: str) -> int:
    """Whose move it is."""
    return int(move.rstrip("!~").partition("=")[0])


def spent(left: Bound, turn: Turn) -> Bound:
    """What is left after this turn."""
    if not turn.preempts and turn.move[-1] not in "!~":
        return left
    return Bound(
        left.preemptions - turn.preempts,
        left.interrupts - (turn.move[-1] == "!"),
        max(0, left.time_outs - (turn.move[-1] == "~")),  # that of a light sleep is free
    )


def result_is_longer(result: Result, steps: int) -> bool:
    """Whether a schedule of so many steps is no shorter than the one that was found to fail."""
    if steps > MOST:
        raise Wrong("livelock", f"no end after {MOST} steps")
    return result.found is not None and steps >= result.found.steps

"""Random runs of the machine with resumes, over a source that gives the same again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random
from types import ModuleType
from typing import Any, ClassVar

import pytest

from kernel.machine import ACTIONS, INITIAL, Limits
from specs import resume
from specs.epochs import BATCH, END, FAILURE, epochs
from specs.history import Now, advance, marks
from specs.properties import ENABLEDNESS, INVARIANTS, STEPS, Refines

from ..support.resumes import MUTANTS, broken_resume
from ..support.sources import Boom
from ..support.walks import SELDOM, replay


class Equal:
    """A source that makes its answers up, and gives them again where it has been before."""

    def __init__(self) -> None:
        self.passes: list[list[Any]] = [[]]
        self.over: set[int] = set()  # passes whose end was met
        self.place = (0, 0)  # the next pull: of which pass, after how many answers
        self.numbers = 0

    def known(self) -> str | None:
        """The action that answers the next pull, if it was answered before."""
        number, behind = self.place
        if behind < len(self.passes[number]):
            return "Fail" if isinstance(self.passes[number][behind], Exception) else "Enqueue"
        return "Exhaust" if number in self.over else None

    def answer(self, action: str) -> Any:
        """Answer a pull: a batch, an error, or None at the end of a pass."""
        number, behind = self.place
        if self.known() is None and action == "Exhaust":
            self.over.add(number)
        elif self.known() is None:
            self.numbers += 1
            self.passes[number].append(self.numbers if action == "Enqueue" else Boom())
        answer = None if action == "Exhaust" else self.passes[number][behind]
        self.place = (number, behind + 1) if action == "Enqueue" else (number + 1, 0)
        self.passes += [[]] if self.place[0] == len(self.passes) else []
        return answer

    def drop(self) -> Boom:
        """The pass ends here by an error that is not the source's."""
        number, behind = self.place
        del self.passes[number][behind:], self.passes[number + 1 :]
        self.over -= set(range(number, max(self.over, default=0) + 1))
        error = self.answer("Fail")
        assert isinstance(error, Boom)
        return error

    def copy(self) -> Equal:
        """The same source, with the same answers."""
        other = Equal()
        other.passes, other.over = [[*items] for items in self.passes], {*self.over}
        other.place, other.numbers = self.place, self.numbers
        return other

    def replay(self, first: int = 0) -> list[Iterator[Any]]:
        """The passes from one on, as what `stream_fn` gives."""
        return [replay(items) for items in self.passes[first:]]


class Run:
    """The machine with its payload, whose wrapper may be given up for another at any instant."""

    taken: ClassVar[set[str]] = set()
    """Actions, by all runs."""

    def __init__(self, limits: Limits, rules: ModuleType = resume, checked: bool = True) -> None:
        self.limits = limits
        self.checked = checked  # that all properties hold of every state and step
        self.rules = rules
        self.now, self.place = Now(INITIAL), rules.Place()
        self.source = Equal()
        self.living: Equal | None = None  # the source before a death that was not reported
        self.buffer: list[tuple[int, Any]] = []  # batches, each with the number of its pass
        self.marks: list[tuple[Any, int]] = []
        """Ends (None) and errors, each with the number of the pass that comes after it."""
        self.at = 0  # the pass at the consumer's place
        self.seen: list[tuple[str, Any]] = []
        self.since: tuple[int, int, tuple[int, int]] = (0, 0, (0, 0))  # seen, pass, handed on

    def enabled(self) -> list[tuple[str, Any]]:
        """What can happen: an equal source answers as it did."""
        known = self.source.known()
        return [
            (action.__name__, state)
            for action in ACTIONS
            if (state := action(self.limits, self.now.state)) is not None
            and (known is None or action.__name__ not in {"Enqueue", "Exhaust", "Fail"} - {known})
        ]

    def take(self, name: str, state: Any) -> None:
        """Take a step, which must keep all properties."""
        self.taken.add(name)
        before, self.now = self.now, advance(self.now, name, state)
        self.place = self.rules.follow(self.limits, self.place, before, name, self.now)
        error: Exception | None = None
        if name == "Enqueue":
            self.buffer.append((self.source.place[0], self.source.answer(name)))
        elif name in ("Exhaust", "Fail"):
            error = self.source.answer(name)
        elif name in ("Bury", "Drop"):
            self.living = self.source.copy() if name == "Bury" else None
            error = self.source.drop()
        elif name == "Dequeue":
            self.at, batch = self.buffer.pop(0)
            self.seen.append((BATCH, batch))
        if name == "Drop" or marks(self.now) > marks(before):
            self.marks.append((error, self.source.place[0]))
        if name in ("EndEpoch", "Raise", "Drop"):
            error, self.at = self.marks.pop(0)
            self.seen.append((END, None) if name == "EndEpoch" else (FAILURE, error))
            self.living = None
        if self.checked:
            for law, keeps in STEPS.items():
                assert keeps(before, self.now, self.limits), law
        self.check()

    def resume(self) -> None:
        """Another wrapper goes on: it begins the consumer's pass again and skips."""
        self.taken.add("Resume")
        gone_on = self.rules.Resume(self.limits, self.now, self.place)
        assert gone_on is not None, "there is no such place"
        handed_on = self.rules.handed_on(self.now, self.place)
        self.now, self.place = gone_on
        self.source, self.living = self.living or self.source, None
        assert handed_on[1] <= len(self.source.passes[self.at]), "the pass ends before"
        self.source.place = (self.at, handed_on[1])
        self.buffer.clear()
        self.marks = [(None, self.at)] * marks(self.now)  # the end that is pending
        self.since = (len(self.seen), self.at, handed_on)
        self.check()

    def check(self) -> None:
        """The properties of states."""
        if not self.checked:
            return
        for name, holds in INVARIANTS.items():
            assert holds(self.now, self.limits), name
        for name, can in ENABLEDNESS.items():
            assert can(self.now, self.limits), name
        assert self.rules.Resumable(self.now, self.place, self.limits), "Resumable"

    def refines(self) -> bool:
        """All that was seen is one reading, and what came since the last resume is its rest."""
        return Refines(self.seen, self.source.replay(), self.limits) and self.is_rest()

    def is_rest(self) -> bool:
        """What came since the last resume is what the oracle reads from there."""
        told, at, handed_on = self.since
        passes = iter(self.source.replay(at))
        rest = epochs(lambda: next(passes), self.limits.epoch_size, *handed_on)
        return all(event == next(rest) for event in self.seen[told:])


def broken(rules: ModuleType, limits: Limits, seed: int, checked: bool = True) -> str | None:
    """What goes wrong first in a random run, if anything does."""
    random, run = Random(seed), Run(limits, rules, checked)
    try:
        for _ in range(150):
            if random.random() < 0.05:
                run.resume()
            enabled = run.enabled()
            often = [step for step in enabled if step[0] not in SELDOM]
            run.take(*random.choice(enabled + often * 3))
    except AssertionError as error:
        return str(error).partition("\n")[0]
    return None if run.refines() else "Refines"


LIMITS = [Limits(capacity, size) for capacity in range(4) for size in range(4)]
AHEAD = [Limits(capacity, size, True) for capacity in range(4) for size in range(4)]


@pytest.mark.parametrize("limits", LIMITS + AHEAD, ids=str)
def test_random_runs(limits: Limits) -> None:
    """Whatever is resumed, wherever, the consumer sees one reading."""
    assert [broken(resume, limits, seed) for seed in range(10)] == [None] * 10


def test_random_runs_take_every_action() -> None:
    """None is never taken, and resumes are."""
    Run.taken.clear()
    for limits, seed in itertools.product((Limits(0, 2), Limits(2, 2, True)), range(3)):
        assert broken(resume, limits, seed) is None
    assert Run.taken == {action.__name__ for action in ACTIONS} | {"Resume"}


@pytest.mark.parametrize("name", MUTANTS)
def test_random_runs_refuse_broken_resumes(name: str) -> None:
    """The same runs find what is wrong with each; but for one, what the consumer sees is enough."""
    rules = broken_resume(MUTANTS[name])
    sized = [(rules, limits, seed) for limits in LIMITS for seed in range(20)]
    assert any(broken(*run) for run in sized)
    seen = any(broken(*run, checked=False) for run in sized)
    assert seen == (MUTANTS[name].violated != "EpochBounded")

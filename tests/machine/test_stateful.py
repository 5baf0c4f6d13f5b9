"""Random programs: on the pure machine, and on real threads, against the oracle."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kernel import StreamWrapper
from kernel.machine import ACTIONS, Action, Limits
from specs.epochs import BATCH, epochs
from specs.history import Now, advance
from specs.properties import ENABLEDNESS, INVARIANTS, STEPS

from ..support.lookahead import LOOKAHEAD
from ..support.mutants import MUTANTS, broken_actions
from ..support.sources import Boom, Source, Uniterable
from ..support.users import User
from ..support.walks import SELDOM, SELDOM_AHEAD, Walk

# (a) The pure machine.


class PureMachine(RuleBasedStateMachine):
    """Random steps of the machine, with all properties as invariants."""

    actions: tuple[Action, ...] = ACTIONS
    lookahead: bool = False
    fired: ClassVar[Counter[str]] = Counter()

    @initialize(capacity=st.integers(0, 5), epoch_size=st.integers(0, 5))
    def begin(self, capacity: int, epoch_size: int) -> None:
        self.limits = Limits(capacity, epoch_size, self.lookahead)
        self.walk = Walk()

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        enabled = [
            (action.__name__, state)
            for action in self.actions
            if (state := action(self.limits, self.walk.now.state)) is not None
        ]
        seldom = SELDOM_AHEAD if self.lookahead else SELDOM
        often = [step for step in enabled if step[0] not in seldom]
        name, state = data.draw(st.sampled_from(enabled + often * 3), label="step")
        self.fired[name] += 1
        self.walk.take(name, advance(self.walk.now, name, state))

    @invariant()
    def properties_hold(self) -> None:
        before, now = self.walk.before, self.walk.now
        for name, holds in INVARIANTS.items():
            assert holds(now, self.limits), name
        for name, can in ENABLEDNESS.items():
            assert can(now, self.limits, self.actions), name
        for name, keeps in STEPS.items():
            assert keeps(before, now, self.limits), name

    def teardown(self) -> None:
        if hasattr(self, "walk"):
            assert self.walk.refines(self.limits)


REFUSED = (
    *("MarksRespected", "GateRespected", "Refines"),
    *("Exhaust looks past an empty pass", "Enqueue goes on counting in the next epoch"),
)


@pytest.mark.parametrize("ahead", [False, True])
def test_pure_machine(ahead: bool) -> None:
    """Random runs of the machine keep every property; every action fires.

    What the consumer sees is what the oracle shows, also where the worker looks past an epoch.
    """

    class Machine(PureMachine):
        lookahead = ahead

    PureMachine.fired.clear()
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=300, stateful_step_count=50, deadline=None)
    )
    assert set(PureMachine.fired) == {action.__name__ for action in ACTIONS}


@pytest.mark.parametrize("name", REFUSED)
def test_pure_machine_refuses_mutants(name: str) -> None:
    """The same runs find what is wrong with a machine: by each kind of property, of each kind."""

    class Broken(PureMachine):
        actions = broken_actions({**MUTANTS, **LOOKAHEAD}[name])
        lookahead = name in LOOKAHEAD

    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Broken,
            settings=settings(
                max_examples=5000,  # it stops at the first failure
                stateful_step_count=150 if name in LOOKAHEAD else 50,  # it takes some to get there
                deadline=None,
                database=None,
                print_blob=False,
                report_multiple_bugs=False,
                phases=[Phase.generate],  # that it fails is enough; how need not be made short
            ),
        )


# (b) Real threads.

values = st.one_of(st.integers(0, 9), st.none(), st.builds(np.arange, st.integers(0, 3)))
errors = st.builds(Boom, st.integers(0, 9))
readable = st.builds(
    lambda items, error, at: [*items[:at], error, *items[at:]] if error else items,
    st.integers(0, 6).flatmap(lambda length: st.lists(values, min_size=length, max_size=length)),
    st.one_of(st.none(), st.none(), st.none(), st.none(), errors),
    st.integers(0, 6),
)
passes = st.one_of(*[readable] * 8, errors, st.builds(Uniterable, errors))


class RealThreads(RuleBasedStateMachine):
    """A program of the public interface on real threads, over a source that is held or let go."""

    wrapper: Any = StreamWrapper
    fired: ClassVar[Counter[str]] = Counter()

    @initialize(
        first=readable,
        others=st.lists(passes, max_size=3),
        buffer_size=st.sampled_from([0, 1, 1, 2, 3, 5]),
        epoch_size=st.sampled_from([-1, 1, 2, 3, 7]),
    )
    def begin(self, first: list[Any], others: list[Any], buffer_size: int, epoch_size: int) -> None:
        script = [first, *others]
        self.threads = set(threading.enumerate())
        self.source = Source(*script, held=True)
        self.profile: dict[str, list[float]] = {}
        self.stream = self.wrapper(self.source, buffer_size, epoch_size, "drawn", self.profile)
        self.user = User(self.stream, buffer_size, epochs(Source(*script), epoch_size))

    def fire(self, name: str) -> None:
        self.fired[name] += 1

    @rule()
    def enter(self) -> None:
        if self.user.inside:
            self.fire("enter twice")
            with pytest.raises(RuntimeError, match="twice"):
                self.stream.__enter__()
            return
        self.fire("enter")
        self.user.enter()

    @rule()
    def exit(self) -> None:
        if not self.user.inside:
            self.fire("exit unentered")
            with pytest.raises(RuntimeError, match="without having been entered"):
                self.stream.__exit__(None, None, None)
            return
        self.fire("exit")
        self.source.free()  # the pull in flight, if there is one, has to end
        self.user.leave()
        self.source.hold()
        assert set(threading.enumerate()) <= self.threads, "a thread outlives `with`"
        assert self.source.active == 0

    @rule(count=st.integers(1, 4))
    def next(self, count: int) -> None:
        if not self.user.may_read:
            self.fire("next before with")
            with pytest.raises(ValueError, match="drawn"):
                next(self.stream)
            return
        self.source.free()
        for _ in range(count):
            kind = self.user.next()
            self.fire(kind if self.user.inside else f"{kind} outside")
        self.source.hold()

    @rule()
    def open(self) -> None:
        self.fire("open")
        self.user.open()

    @precondition(lambda self: self.user.gates)
    @rule()
    def close(self) -> None:
        self.fire("close")
        self.user.close()

    @precondition(lambda self: self.user.inside)
    @rule(pulls=st.integers(1, 6))
    def let_the_worker_run(self, pulls: int) -> None:
        self.fire("let the worker run")
        self.source.go(pulls)

    @invariant()
    def properties_hold(self) -> None:
        if not hasattr(self, "user"):
            return
        assert self.source.most_active <= 1, "two pulls at once"
        assert len(self.profile.get("read_batch_drawn", [])) == self.user.counts[BATCH]
        for _ in range(1000):  # the worker may be between two lines, but does not stay there
            now, broken = self.broken()
            if not broken:
                break
            time.sleep(0.001)
        assert not broken, now

    def broken(self) -> tuple[Now, list[str]]:
        """What this thread sees, and the properties that do not hold of it."""
        core = self.stream._core
        now = Now(core.state(core.run))
        told = (  # not those that need the history, or the count, which a worker reports later
            name for name in INVARIANTS if name not in ("Conservation", "OnePuller", "EpochBounded")
        )
        return now, [name for name in told if not INVARIANTS[name](now, core.limits)]

    def teardown(self) -> None:
        if not hasattr(self, "user"):
            return
        self.source.free()
        if self.user.inside:
            self.user.leave()
        if self.user.may_read:
            for _ in range(8):
                self.user.next()
        assert set(threading.enumerate()) <= self.threads, "a thread is left"


RULES = {
    "enter",
    "exit",
    "next before with",
    "batch",
    "batch outside",
    "end",
    "end outside",
    "failure",
    "failure outside",
    "open",
    "close",
    "let the worker run",
    "enter twice",
    "exit unentered",
}


@pytest.mark.timeout(500)
def test_real_threads(request: pytest.FixtureRequest) -> None:
    """Random programs on real threads see what the oracle sees; no hang, no thread left."""
    programs = request.config.getoption("--programs")
    RealThreads.fired.clear()
    run_state_machine_as_test(
        RealThreads,
        settings=settings(
            max_examples=programs,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{programs} programs: {dict(RealThreads.fired)}")  # noqa: T201  # for pytest -rP
    assert set(RealThreads.fired) == RULES

"""The layers of checks that a mutant of the protocol has to pass unseen, each in its own process.

`python -m tests.mutation.layers NAME` prints, as JSON, which of them refuse the mutant.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from random import Random
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from kernel import consumer, launch, pull, scope, worker
from kernel.machine import Action
from specs.graph import explore

from ..machine.test_properties import AHEAD, LIMITS
from ..machine.test_stateful import PureMachine, RealThreads
from ..schedules.programs import PROGRAMS
from ..schedules.schedules import run
from . import profile  # noqa: F401  # it registers "mutation"
from .spec import machine, mutants, mutated

SECONDS = 60  # after which a layer hangs
SEEDS = 100  # of random schedules of each program


def settled(examples: int, steps: int) -> settings:
    """So many random runs, as `profile` has them."""
    return settings(
        settings.get_profile("mutation"),
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def graph(broken: tuple[Action, ...]) -> None:
    """The state graph is that of the machine, at every size of the models."""
    for limits in LIMITS + AHEAD:
        assert explore(limits, 2, broken, max_states=20_000) == explore(limits, 2)


def pure_stateful(broken: tuple[Action, ...]) -> None:
    """Random runs of the machine keep the properties."""

    class Broken(PureMachine):
        actions = broken

    class Ahead(Broken):
        lookahead = True

    for walks in (Broken, Ahead):
        run_state_machine_as_test(walks, settings=settled(1000, 50))


def real_threads(broken: tuple[Action, ...]) -> None:
    """Random programs on real threads see what the oracle sees."""
    with patched(broken):
        run_state_machine_as_test(RealThreads, settings=settled(300, 20))


def scheduler(broken: tuple[Action, ...]) -> None:
    """The standard programs see it under random schedules."""
    with patched(broken):
        for seed in range(SEEDS):
            for program in PROGRAMS.values():
                run(program, Random(seed).choice)


LAYERS: dict[str, Callable[[tuple[Action, ...]], None]] = {
    "graph": graph,
    "pure stateful": pure_stateful,
    "real threads": real_threads,
    "scheduler": scheduler,
}


@contextmanager
def patched(broken: tuple[Action, ...]) -> Iterator[None]:
    """The shell with these actions."""
    with ExitStack() as patches:
        for module in (pull, consumer, worker, launch, scope):
            used = {a.__name__: a for a in broken if hasattr(module, a.__name__)}
            if used:
                patches.enter_context(patch.multiple(module, **used))
        yield


def verdict(layer: str, broken: tuple[Action, ...]) -> str:
    """Run one layer in a child: "refused", "hangs" (which is refused, too) or "unseen"."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        with open(os.devnull, "w") as null:
            os.dup2(null.fileno(), 1)
            os.dup2(null.fileno(), 2)
        status = 1
        with suppress(BaseException):
            LAYERS[layer](broken)
            status = 0
        os._exit(status)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        return "hangs"
    return "refused" if os.WEXITSTATUS(ended) else "unseen"


def main() -> None:
    """Print the verdicts on the mutant that the command names; "" is the unbroken protocol."""
    name = sys.argv[1]
    broken = machine(mutated(mutants()[name])) if name else machine()
    print(json.dumps({layer: verdict(layer, broken) for layer in LAYERS}))  # noqa: T201


if __name__ == "__main__":
    main()

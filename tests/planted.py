"""Bugs planted in the shell, each with a program that shows it, for `test_explore`."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any, NamedTuple

import pytest

from kernel import stream

from .mutants import mutate


class Planted(NamedTuple):
    """An edit of one function of the shell, and what it leads to."""

    function: str  # of the module, or of a class in it
    old: str
    new: str
    program: str
    kind: str
    timeouts: bool = False


def plant(patch: pytest.MonkeyPatch, function: str, old: str, new: str) -> None:
    """Make the edit in the function's source. Raises ValueError if there is not one such place."""
    path, _, name = function.rpartition(".")
    holder: Any = getattr(stream, path) if path else stream
    lines, first = inspect.getsourcelines(getattr(holder, name))
    text = textwrap.dedent(mutate("".join(lines), old, new))
    text = "\n" * (first - 2) + "from __future__ import annotations\n" + text
    names: dict[str, Any] = {}
    exec(compile(text, stream.__file__, "exec"), vars(stream), names)  # noqa: S102  # our own source
    patch.setattr(holder, name, names[name])


PLANTED = {
    # a notify is missing
    "consumer not woken": Planted(
        "_Core.wake_consumer",
        "bell.put(None)",
        "pass",
        "1/0/Enter,Next/batch",
        "lost wake-up",
    ),
    "worker not woken": Planted(
        "_Core.wake_worker",
        "bell.put(None)",
        "pass",
        "1/0/Enter,Exit/batch",
        "lost wake-up",
    ),
    "leaver not woken": Planted(
        "_Core.gone",
        "bell.put(None)",
        "pass",
        "1/0/Enter,Exit/batch",
        "lost wake-up",
    ),
    "gate wakes nobody": Planted(
        "_Gate._turn",
        "core.wake_worker()",
        "pass",
        "1/0/Enter,Allow,Prefetched/batch",
        "observation",
    ),
    # an `if` for a `while`
    "a stop that looks once": Planted(
        "_Core.join",
        'while self.state[WORKER] == "stopping"',
        'if self.state[WORKER] == "stopping"',
        "1/0/Enter,Exit/batch",
        "leaked thread",
        timeouts=True,
    ),
    # a lock that is let go of too early
    "an answer told without the lock": Planted(
        "_Core.work",
        """
                    if answer is not None:
                        self.settle(*answer)
""",
        """
                if answer is not None:
                    self.settle(*answer)
                with self.lock:
""",
        "1/0/Enter,Next/exhausted",
        "outside the lock",
    ),
    "a stop that is begun without the lock": Planted(
        "_Core.leave",
        """
        with self.lock:
            if not""",
        """
        if True:
            if not""",
        "1/0/Enter,Exit/batch",
        "outside the lock",
    ),
    # a request that was served and goes on permitting pulls
    "told by the worker, a request goes on": Planted(
        "_Core.fold",
        'consumer = "idle"',
        "pass",
        "2/0/Enter,Allow/batch",
        "lost wake-up",
    ),
    "told by the consumer, a request goes on": Planted(
        "_Core.sync",
        'consumer = "idle"',
        "pass",
        "2/0/Enter,Allow/batch",
        "invariant",
    ),
    # a thread that is left behind
    "a stop that does not wait": Planted(
        "_Core.leave", "self.join()", "pass", "1/0/Enter,Exit/batch", "leaked thread"
    ),
    # a deadlock
    "a stop that waits with the lock": Planted(
        "_Core.leave",
        "        self.join()",
        "            self.join()",
        "1/0/Enter,Exit/batch",
        "deadlock",
    ),
    # nobody ever comes to the end
    "a worker that does not sleep": Planted(
        "_Core.work", "return True", "continue", "1/0/Enter/batch", "livelock"
    ),
    # something else is told
    "the count is not told": Planted(
        "_Core.fold", "count += ahead", "pass", "3/3/Enter,Allow/batch", "not an action"
    ),
    "a state that is read twice": Planted(
        "_Core.is_pulling",
        'state[FETCHING] and state[WORKER] == "absent"',
        'self.state[FETCHING] and self.state[WORKER] == "absent"',
        "1/0/Enter,Next,Allow,Interrupted,Enter/batch",
        "observation",
    ),
    # what lets the hand-over do without the lock
    "asleep without a second look": Planted(
        "_Core.work",
        "if len(self.batches) == self.state[BUFFERED]:",
        "if True:",
        "1/0/Enter,Allow,Next,Prefetched/batch",
        "observation",
    ),
    "asked without a second look": Planted(
        "_Core.read", "if self.batches:", "if False:", "2/0/Enter,Allow/batch", "lost wake-up"
    ),
    "running ahead without a look at the state": Planted(
        "_Core.run_ahead", " or self.state is not state", "", "2/0/Enter,Allow,Next,Disallow/batch", "not an action"
    ),
    "running ahead without room": Planted(
        "_Core.run_ahead", "len(batches) >= capacity or ", "", "prefetch", "not an action"
    ),
    "running ahead past the end": Planted(
        "_Core.run_ahead", "while ahead != last:", "while True:", "3/3/Enter,Allow/batch", "invariant"
    ),
    "a slot is freed, and nobody told": Planted(
        "_Core.read", "if self.worker_bell is not None:", "if False:", "prefetch", "observation"
    ),
    "running ahead for a request": Planted(
        "_Core.work", 'state[CONSUMER] == "idle" and ', "", "2/0/Enter,Next,Next/batch", "observation"
    ),
    "running ahead without a pass": Planted(
        "_Core.work", "and state[YIELDED] ", "", "prefetch", "observation"
    ),
}

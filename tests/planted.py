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
        "_Core.wake_consumer", "bell.put(None)", "pass", "1/0/Enter,Next/batch", "lost wake-up"
    ),
    "worker not woken": Planted(
        "_Core.wake_worker", "self.bell.put(None)", "pass", "1/0/Enter,Exit/batch", "lost wake-up"
    ),
    "leaver not woken": Planted(
        "_Core.gone", "bell.put(None)", "pass", "1/0/Enter,Exit/batch", "lost wake-up"
    ),
    "who has not told is not woken": Planted(
        "_Core.wake_waiters",
        "self.waiters.popleft().put(None)",
        "self.waiters.popleft()",
        "1/0/Enter,Allow/batch",
        "lost wake-up",
    ),
    "who has not told is not woken by a change": Planted(
        "_Core.commit", "self.wake_waiters()", "pass", "1/0/Enter,Allow/exhausted", "lost wake-up"
    ),
    "a gate that wakes nobody": Planted(
        "_Gate._turn",
        "core.wake_worker(",
        "bool(",
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
                    self.settle(*answer)
                    answer = None
""",
        """
                self.settle(*answer)
                answer = None
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
        "2/0/Enter,Allow,Next,Disallow/batch",
        "not an action",
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
        "_Core.work",
        "if len(self.batches) == self.state[BUFFERED]:\n                        return True",
        "pass",
        "1/0/Enter/batch",
        "livelock",
    ),
    # something else is told
    "the count is not told": Planted(
        "_Core.fold", "count += self.ahead", "pass", "3/3/Enter,Allow/batch", "not an action"
    ),
    # what lets the hand-over do without the lock: the worker
    "running ahead without room": Planted(
        "_Core.run_ahead",
        "capacity - len(batches)",
        "capacity",
        "2/0/Enter,Allow,Next/batch",
        "observation",
    ),
    "running ahead past the end": Planted(
        "_Core.run_ahead",
        "self.limits.epoch_size - ticket[COUNT] - 1 if",
        "self.limits.epoch_size - ticket[COUNT] if",
        "3/3/Enter,Allow/batch",
        "invariant",
    ),
    "asleep without another look for room": Planted(
        "_Core.run_ahead",
        "if len(batches) >= capacity:  #",
        "if True:  #",
        "1/0/Enter,Allow,Next,Prefetched/batch",
        "observation",
    ),
    "a first batch that wakes nobody": Planted(
        "_Core.run_ahead",
        """if waiters:
                    self.wake_waiters()
            while""",
        """pass
            while""",
        "2/0/Enter,Allow/batch",
        "lost wake-up",
    ),
    "asleep by the lock without another look": Planted(
        "_Core.work",
        "if len(self.batches) == self.state[BUFFERED]:",
        "if True:",
        "1/2/Enter,Allow,Next,Prefetched/batch",
        "observation",
    ),
    "running ahead after a stop": Planted(
        "_Core.may_run_ahead",
        '(worker, epoch, consumer) == ("running", "begun", "idle")',
        '(epoch, consumer) == ("begun", "idle")',
        "1/0/Enter,Allow,Next,Exit/batch",
        "not an action",
    ),
    "running ahead without a pass": Planted(
        "_Core.may_run_ahead", "and yielded", "", "1/0/Enter,Allow/batch", "not an action"
    ),
    "running ahead without a gate": Planted(
        "_Core.may_run_ahead", "and permits > 0", "", "2/0/Enter,Next/batch", "observation"
    ),
    "running ahead with the last of an epoch": Planted(
        "_Core.may_run_ahead",
        "and count + 1 != self.limits.epoch_size",
        "",
        "2/2/Enter,Allow/batch",
        "invariant",
    ),
    # the consumer
    "asleep beside a batch": Planted(
        "_Core.ask",
        "if not self.batches and self.state is state:",
        "if self.state is state:",
        "2/0/Enter,Allow/batch",
        "lost wake-up",
    ),
    "asleep although all is different": Planted(
        "_Core.ask",
        "if not self.batches and self.state is state:",
        "if not self.batches:",
        "1/0/Enter,Allow/batch,exhausted",
        "lost wake-up",
    ),
    "a slot is freed, and nobody told": Planted(
        "_Core.took",
        "bell.put(None)",
        "pass",
        "1/0/Enter,Allow,Next,Prefetched/batch",
        "observation",
    ),
}


class Found(NamedTuple):
    """An edit that takes the search a while, up to two minutes, and the schedule that it gave."""

    function: str
    old: str
    new: str
    schedule: str
    words: str


FOUND = {
    # this one nobody had planted
    "the state is read twice": Found(
        "_Core.is_pulling",
        'state[FETCHING] and state[WORKER] == "absent"',
        'self.state[FETCHING] and self.state[WORKER] == "absent"',
        "1/3/Enter,Next,Allow,Interrupted,Enter/batch,exhausted:"
        "1x46.2x39.1x18.2x15.1x12.2x10.1!.1x5.2x17.1",
        "was entered by its own source",
    ),
    "asleep without a look at the state": Found(
        "_Core.run_ahead",
        """self.worker_bell = self.bell
                    if self.state is not ticket:
                        return False, None
""",
        """self.worker_bell = self.bell
""",
        "1/0/Enter,Next,Start,Next/batch/Allow:1x28.2x23.1x18.2x32.1x10.3x7.2x14.1x14.2x2.1x6.2x6",
        "a consumer sleeps beside a batch",
    ),
    "a batch that wakes nobody": Found(
        "_Core.run_ahead",
        """put(next(iterator))
                    if waiters:
                        self.wake_waiters()
""",
        """put(next(iterator))
""",
        "1/0/Enter,Allow,Next/batch:1x32.2x31.1.2x7.1x7.2x21",
        "a consumer sleeps beside a batch",
    ),
    "running ahead without a look": Found(
        "_Core.run_ahead",
        """if self.state is not ticket:
                        return False, None
                    put(""",
        "put(",
        "2/0/Enter,Allow,Next,Disallow/batch:1x32.2x31.1x3.2x17.1x4.2x5",
        "not an action: Fetch in",
    ),
    "told by the consumer, a request goes on": Found(
        "_Core.sync",
        'consumer = "idle"',
        "pass",
        "2/0/Enter,Allow,Next,Disallow/batch:1x32.2x31.1x3.2x17.1x19.2x2.1x9",
        "invariant: the shell means",
    ),
}

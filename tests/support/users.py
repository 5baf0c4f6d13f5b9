"""Users of a wrapper, which compare each event with the oracle's."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any
from unittest import mock

from kernel import StreamWrapper, consumer, pull
from kernel.run import FETCHING
from specs.epochs import BATCH, FAILURE, epochs

from .sources import Boom, event

GATES = 2  # at once: a wrapper remembers the steps of its states, which are few
PULL = pull.pull


class Broken(Exception):
    """The wrapper did what it must not."""


class Script:
    """A source: passes of a few batches, some empty, some with an error, by the seed alone."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.given = 0

    def __call__(self) -> Iterator[int]:
        kind = self.random.random()
        if kind < 0.02:
            raise Boom
        return self.one_pass(self.random.choice((0, 1, 2, 3, 5, 8, 60)), fails=kind > 0.9)

    def one_pass(self, length: int, fails: bool) -> Iterator[int]:
        for _ in range(length):
            self.given += 1
            if self.given % 50 == 0:
                time.sleep(0)  # let another thread run in the middle of a pull
            yield self.given
        if fails:
            raise Boom


class User:
    """A wrapper in use, beside the oracle that reads the same source."""

    def __init__(self, stream: Any, size: int, expected: Iterator[Any]) -> None:
        self.stream = stream
        self.size = size
        self.expected = expected
        self.counts: Counter[str] = Counter()
        self.inside = self.entered = False
        self.gates: list[Any] = []

    @property
    def may_read(self) -> bool:
        """Whether it was entered, if it must be."""
        return self.entered or not self.size

    def enter(self) -> None:
        assert self.stream.__enter__() is self.stream
        self.counts["restarts" if self.entered else "starts"] += 1
        self.inside = self.entered = True

    def leave(self) -> None:
        self.stream.__exit__(None, None, None)
        self.counts["stops"] += 1
        self.inside = False

    def open(self) -> None:
        self.gates.append(self.stream.allow_buffering)
        self.gates[-1].__enter__()
        self.counts["gates"] += 1

    def close(self) -> None:
        self.gates.pop().__exit__(None, None, None)
        self.counts["gates"] += 1

    def next(self) -> str:
        """One event, which must be the oracle's."""
        kind, value = event(self.stream)
        return self.compare(kind, value.__cause__ if kind == FAILURE and self.size else value)

    def compare(self, kind: str, value: Any) -> str:
        """Raises Broken if the oracle says something else."""
        due, expected = next(self.expected)
        if kind != due or not self.same(value, expected):
            raise Broken(f"{kind} {value!r}, and not {due} {expected!r}")
        self.counts[kind] += 1
        return kind

    def same(self, value: Any, expected: Any) -> bool:
        """Whether it is the very batch or error."""
        return value is expected


class RandomUser(User):
    """One that calls what it likes, of a wrapper of any size."""

    def __init__(self, random: Random, counts: Counter[str], subject: Any) -> None:
        seed = random.randrange(2**32)
        self.random = random
        self.script = Script(seed)
        size = random.choice((0, 1, 2, 3, 8))
        self.epoch_size = random.choice((-1, 1, 2, 3, 7))
        options = {}
        if isinstance(subject, type) and issubclass(subject, StreamWrapper):
            options["lookahead"] = random.random() < 0.4
        super().__init__(subject(Script(seed), size, self.epoch_size, **options), size, iter(()))
        self.expect()
        self.counts = counts
        counts["wrappers"] += 1

    def expect(self) -> None:
        """Have the oracle begin a pass and an epoch."""
        self.expected = epochs(self.script, self.epoch_size)  # type: ignore[no-untyped-call]

    def same(self, value: Any, expected: Any) -> bool:
        """Whether it is as good: the oracle reads a copy of the source."""
        return type(value) is Boom if isinstance(expected, Boom) else bool(value == expected)

    def turn(self) -> None:
        """One call, or a few."""
        kind = self.random.random()
        if kind < 0.15:
            self.leave() if self.inside else self.enter()
        elif kind < 0.25:
            if len(self.gates) == GATES or (self.gates and self.random.random() < 0.5):
                self.close()
            else:
                self.open()
        elif self.may_read:
            for _ in range(self.random.randrange(1, 12)):
                self.next()

    def use(self, turns: int) -> None:
        """So many turns, more or less."""
        for _ in range(self.random.randrange(turns + 1)):
            self.turn()

    def settle(self) -> None:
        """Leave, shut the gates, and read what is buffered, to the end of the epoch."""
        if self.inside:
            self.leave()
        while self.gates:
            self.gates.pop().__exit__(None, None, None)
        if self.may_read:
            while self.next() == BATCH:
                pass


class Unstartable(RuntimeError):
    """What the system says when it has no thread to give."""


class Faulty(RandomUser):
    """One that is interrupted now and then, and whose workers die."""

    def turn(self) -> None:
        """One call, or a few."""
        kind = self.random.random()
        core = self.stream._core
        if kind < 0.02 and self.may_read:
            with (
                mock.patch.object(consumer, "sleep", side_effect=KeyboardInterrupt),
                mock.patch.object(consumer, "pull", side_effect=self.pull),
            ):
                try:
                    self.next()
                except KeyboardInterrupt:
                    self.counts["interrupts"] += 1
                    if core.run.worker is None and core.run.progress[FETCHING]:
                        self.counts["drops"] += 1
                        self.expect()
        elif kind < 0.03 and not self.inside:
            with mock.patch.object(threading.Thread, "start", side_effect=Unstartable):
                self.enter()
        else:
            super().turn()

    def pull(self, core: Any, run: Any) -> None:
        """A pull, which is interrupted before it asks if it is the caller's own."""
        if run.worker is None:
            raise KeyboardInterrupt
        PULL(core, run)

    def compare(self, kind: str, value: Any) -> str:
        """A death is reported after all else; a fresh pass follows."""
        if kind == FAILURE and type(value) is Unstartable:
            self.counts["deaths"] += 1
            self.expect()
            return kind
        return super().compare(kind, value)

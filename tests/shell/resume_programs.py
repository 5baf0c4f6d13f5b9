"""Random programs with resumes on real threads, against a plain reading of the whole run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from random import Random
from typing import Any

from kernel import SourceError, StreamWrapper, bell
from specs.epochs import BATCH, END, FAILURE, epochs

from ..support.walks import replay

Event = tuple[str, Any]

MOST = 40  # events of a program


class Boom(Exception):
    """What drawn sources raise."""

    def __eq__(self, other: object) -> bool:
        return type(other) is Boom and self.args == other.args

    __hash__ = Exception.__hash__


class Drawn:
    """A source whose passes depend on the epoch in which they begin, and on nothing else.

    An item that is a Boom is raised; a pass that is one is raised by `stream_fn`.
    """

    def __init__(self, random: Random) -> None:
        self.passes: list[Any] = []
        for number in range(random.choice((1, 1, 2, 3))):
            length = random.choice((0, 1, 2, 3, 5, 8))
            items: list[Any] = [(number, at) for at in range(length)]
            if random.random() < 0.25:
                items.insert(random.randint(0, length), Boom(number))
            self.passes.append(Boom("begin", number) if random.random() < 0.06 else items)
        self.kind = random.choice(("generator", "iterable", "iterator"))
        self.numbered = random.random() < 0.7
        self.told: list[int] = []

    def __call__(self, epoch: int = 0) -> Any:
        self.told.append(epoch)
        chosen = self.passes[epoch % len(self.passes)]
        if isinstance(chosen, Boom):
            raise chosen
        if self.kind == "generator":
            return replay(chosen)
        return Counted(chosen) if self.kind == "iterable" else Cursor(chosen)

    def whole(self, epoch_size: int) -> Iterator[Event]:
        """The uninterrupted reading."""
        epoch = 0
        begin = lambda: self(epoch if self.numbered else 0)  # noqa: E731  # as the epoch is then
        for kind, value in epochs(begin, epoch_size):
            epoch += kind != BATCH
            yield kind, value


class Cursor:
    """An iterator that knows its place; it hands out what it goes on to write in."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.state = {"at": [0]}

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        at = self.state["at"]
        if at[0] >= len(self.items):
            raise StopIteration
        at[0] += 1
        item = self.items[at[0] - 1]
        if isinstance(item, Boom):
            raise item
        return item

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state = state


class Counted(Cursor):
    """An iterable that knows the place of its iterator, as a data loader does."""

    def __iter__(self) -> Iterator[Any]:
        yield from iter(self.__next__, object())


class Bell(bell.Bell):
    """The bell of a consumer that may be interrupted while it sleeps."""

    strikes = False

    def get(self, block: bool, timeout: float) -> None:
        if self.strikes:
            self.strikes = False
            raise KeyboardInterrupt
        super().get(block, timeout)


Resume = Callable[[Any, Any], None]


def resume(before: Any, stream: Any) -> None:
    """The state of one, through a file, to the other."""
    stream.load_state_dict(json.loads(json.dumps(before.state_dict())))


def program(number: int, resume: Resume = resume, seed: int = 0) -> list[str]:
    """Run one. Returns what is wrong: nothing, or what happened and what should have."""
    random = Random(f"{seed} {number}")
    source = Drawn(random)
    epoch_size = random.choice((-1, 0, 1, 2, 3, 4))
    expected = list(islice(source.whole(epoch_size), MOST))
    seen: list[Event] = []
    doings = [f"{source.passes} {source.kind} numbered={source.numbered} epoch_size={epoch_size}"]

    def make() -> Any:
        size, every = random.choice((0, 0, 1, 2, 3, 4)), random.choice((1, 1, 3, 0))
        lookahead = random.random() < 0.4
        doings.append(f"make {size} {every} {lookahead}")
        options: Any = {"snapshot_every": every, "lookahead": lookahead}
        options["with_epoch"] = source.numbered
        stream: Any = StreamWrapper(source, size, epoch_size, **options)
        stream._core.bell = Bell()
        return stream

    def read(call: Callable[[], Any]) -> None:
        try:
            event: Event = BATCH, call()
        except StopIteration:
            event = END, None
        except SourceError as error:
            event = FAILURE, error.__cause__
        except Boom as error:
            event = FAILURE, error
        except KeyboardInterrupt:
            doings.append("interrupt")
            return
        doings.append(f"read {event}")
        seen.append(event)

    stream = make()
    inside, gates = False, []
    while len(seen) < len(expected) and seen == expected[: len(seen)]:
        what = random.random()
        if what < 0.15:
            doings.append("resume")
            before, stream = stream, make()
            resume(before, stream)
            while gates:
                gates.pop().__exit__(None, None, None)
            if inside:
                before.__exit__()
            if random.random() < 0.3:
                before.close()
            inside = False
        elif what < 0.3:
            doings.append(f"inside {not inside}")
            stream.__exit__() if inside else stream.__enter__()
            inside = not inside
        elif what < 0.45:
            doings.append("gate")
            if gates:
                gates.pop().__exit__(None, None, None)
            else:
                gates.append(stream.allow_buffering)
                gates[-1].__enter__()
        elif what < 0.48:
            stream._core.bell.strikes = True
        elif what < 0.53:
            with suppress(TimeoutError, ValueError):
                read(lambda: stream.get(random.choice((0, 0.001))))  # noqa: B023  # called at once
        else:
            with suppress(ValueError):  # it was never entered
                read(stream.__next__)
    if inside:
        stream.__exit__()
    return [] if seen == expected else [*doings, f"expected {expected[: len(seen)][-3:]}"]

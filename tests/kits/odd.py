"""Wrappers that end the process, lack something, or cannot be made, for `test_conform`."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import nullcontext
from typing import Any

from kernel import StreamWrapper


class Hangs(StreamWrapper[Any]):
    """Reading never ends."""

    def __next__(self) -> Any:
        threading.Event().wait()


class KillsServer(StreamWrapper[Any]):
    """Reading kills the process that started this one, and does not end soon."""

    def __next__(self) -> Any:
        os.kill(os.getppid(), signal.SIGKILL)
        threading.Event().wait(60)


class Exits(StreamWrapper[Any]):
    """Reading ends the process."""

    def __next__(self) -> Any:
        os._exit(3)


class Killed(StreamWrapper[Any]):
    """Reading kills the process."""

    def __next__(self) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class Mute(StreamWrapper[Any]):
    """It has no gate, and does not say so."""

    @property
    def allow_buffering(self) -> Any:
        raise AttributeError("allow_buffering")


class Ungated(Mute):
    """It says that it has no gate, and has none."""

    LACKS = frozenset({"gate"})


class Lacking(StreamWrapper[Any]):
    """It lacks something that there is not."""

    LACKS = frozenset({"wheels"})


class Unconstructible:
    """It takes no arguments."""


class NoSet(StreamWrapper[Any]):
    """What it lacks is not given as a set."""

    LACKS = "gate"


class Leaves(StreamWrapper[Any]):
    """Constructing it ends the process."""

    def __init__(self, *arguments: Any) -> None:
        raise SystemExit(3)


class Threadless:
    """Not broken at all: it reads ahead of nobody, and so needs no thread."""

    def __init__(self, stream_fn: Any, buffer_size: int, *rest: Any) -> None:
        self.inner: Any = StreamWrapper(stream_fn, 0, *rest)
        self.buffered, self.entered, self.inside = buffer_size > 0, buffer_size == 0, False
        self.name = self.inner.name
        self.allow_buffering = nullcontext()

    def __enter__(self) -> Any:
        if self.inside:
            raise RuntimeError
        self.inside = self.entered = True
        return self

    def __exit__(self, *args: object) -> None:
        if not self.inside:
            raise RuntimeError
        self.inside = False

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        if not self.entered:
            raise ValueError(self.name)
        try:
            return next(self.inner)
        except StopIteration:
            raise
        except BaseException as error:
            if not self.buffered:
                raise
            raise ChildProcessError from error

"""The soak runs, and fails on what it is there to find."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kernel import StreamWrapper

from ..kits.broken import Forgets
from ..support.processes import python
from . import soak


class LeaksThreads(StreamWrapper[Any]):
    """A stop leaves a thread behind, until it is let go."""

    go = threading.Event()
    left: list[threading.Thread] = []  # noqa: RUF012

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)
        self.left.append(threading.Thread(target=self.go.wait, daemon=True))
        self.left[-1].start()


class LeaksMemory(StreamWrapper[Any]):
    """A stop leaves 50 kilobytes behind."""

    left: list[bytearray] = []  # noqa: RUF012

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)
        self.left.append(bytearray(50_000))


class LeaksInside(StreamWrapper[Any]):
    """A stop leaves something behind that is freed with the wrapper."""

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)
        self.__dict__.setdefault("left", []).append(bytearray(50_000))


def test_soak() -> None:
    """A short soak finds nothing, and does what it should do."""
    figures = soak.soak(2, 1)
    for what in ("batch", "end", "failure", "stops", "restarts", "gates", "abandoned"):
        assert figures.counts[what] > 0, what
    assert figures.counts["batch"] > 300


def test_a_lost_batch_is_found() -> None:
    """A wrapper that loses a batch at a stop."""
    with pytest.raises(soak.Broken, match="and not"):
        soak.soak(20, 1, Forgets)


def test_a_leaked_thread_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper that leaves threads behind."""
    monkeypatch.setattr(soak, "LONG", 0.1)
    try:
        with pytest.raises(soak.Broken, match="threads"):
            soak.soak(2, 1, LeaksThreads)
    finally:
        LeaksThreads.go.set()
        for thread in LeaksThreads.left:
            thread.join()


@pytest.mark.parametrize("leak", [LeaksMemory, LeaksInside])
def test_leaked_memory_is_found(leak: Any) -> None:
    """A wrapper that keeps what it should let go, for good or for as long as it lives."""
    with pytest.raises(soak.Broken, match="bytes"):
        soak.soak(6, 1, leak)


@pytest.mark.parametrize(("argument", "value"), [("--seconds", "0"), ("--seed", "x")])
def test_bad_arguments(argument: str, value: str) -> None:
    """A bad argument is named, with its value."""
    done = python("-m", "tests.endurance.soak", argument, value)
    assert done.returncode == 2
    assert argument in done.stderr
    assert value in done.stderr

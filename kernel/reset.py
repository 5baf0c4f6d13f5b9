"""Giving up what is buffered and the pass: closing a stream, and starting over."""

from __future__ import annotations

from typing import Any

from .claims import Claim
from .core import Core
from .place import Place, Told, place
from .run import Run
from .scope import enter, leave


def close(core: Core[Any]) -> None:
    """End the stream for good. Once more does nothing."""
    if core.is_source():
        raise RuntimeError(f"{core.label} was closed by its own source.")
    if core.is_inside():
        leave(core, None)
    claim = Claim()
    claim.hold(_forget, core, claim, True)


def restart(core: Core[Any], wrapper: object) -> None:
    """Give the epoch up, and begin a fresh pass. Inside `with` it stays inside."""
    if core.closed:
        raise ValueError(f"{core.label} is closed.")
    if core.is_source():
        raise RuntimeError(f"{core.label} was restarted by its own source.")
    inside = core.is_inside()
    if inside:
        leave(core, None)
    claim = Claim()
    claim.hold(_forget, core, claim, False)
    if inside:
        enter(core, wrapper)


def _forget(core: Core[Any], claim: Claim, closed: bool) -> None:
    """Drop what is buffered, and end the pass. Nobody pulls meanwhile."""
    run = core.run
    if claim.take(run.pullers) is not None:
        raise RuntimeError(f"{core.label} is being read by another thread.")
    iterator, run.iterator = run.iterator, None
    here, given = place(core), run.given()
    if core.record is not None:
        core.record.end("what was buffered was given up")
    core.closed = core.closed or closed
    core.run = Run(given)
    core.told = Told(None, here, Place(here.epoch, given, given))
    claim.give_back(run.pullers)
    shut = getattr(iterator, "close", None)
    if shut is not None:  # of a generator: its files are closed now, and not by the collector
        shut()

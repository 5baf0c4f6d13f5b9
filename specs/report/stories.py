"""The seed's defects in plain English (`stories.md`), and what properties they break.

By the names of the models that TLC refutes; a test keeps the two lists equal.
"""

from __future__ import annotations

from pathlib import Path

from .lanes import Story

PROPERTIES = {
    "EpochBounded": "No epoch has more batches than its size.",
    "Refines": "You see what a right reading of the same source, in one thread, gives.",
    "Served": "A call of `next` that waits is answered in the end.",
    "StopEnds": "Leaving `with` ends.",
    "NoWorkerOutside": "No thread runs outside `with`.",
    "OnePuller": "At most one thread asks the source at a time.",
    "Counted": "Between calls, the count is that of the batches you got in this epoch.",
    "PullsPermitted": "The source is asked only while the gate is open.",
    "StopPullsNothing": "A thread that was told to stop asks the source for nothing more.",
    "Bounded": "The batches that are held and being pulled never exceed the buffer.",
    "GateRespected": "The source is asked only while you hold the gate open or wait for a batch.",
    "MarksRespected": "Nothing is pulled while the end of an epoch still waits in the buffer.",
}
"""What the properties of `tla/Seed.tla` say."""


def _read() -> dict[str, Story]:
    """The stories by the names of their models: a section each, of a paragraph for each part."""
    text = Path(__file__).with_name("stories.md").read_text(encoding="utf-8")
    sections = (section.strip().split("\n\n") for section in text.split("\n## ")[1:])
    return {name: Story(*(" ".join(part.split()) for part in parts)) for name, *parts in sections}


STORIES = _read()
"""What goes wrong, why, and what our protocol does instead."""

"""What each property says, where it is stated, and how it is known.

It is read from the table in `specs/README.md`. The wheel contains that page, and a test compares
the table with the code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from specs.tlc import Model, models

README = Path(__file__).parent.parent / "README.md"


class Known(NamedTuple):
    """A property, and how it is known."""

    name: str
    english: str
    module: str  # of `tla/`, where it is stated
    kind: str  # "states", "steps", "liveness", "refinement"
    checked: int  # models in which TLC checks it
    mutant: str  # the broken protocol that it refuses
    proved: bool


def table(found: list[Model] | None = None) -> list[Known]:
    """The properties, in the order of the page."""
    chosen = models() if found is None else found
    streams = [model for model in chosen if model.module == "Stream"]
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| `([\w.]+)` \| (\w+) \| (.*?) \| (\w*) \|$",
        README.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return [
        Known(
            name,
            english,
            module,
            kind,
            sum(name in names for m in streams for names in m.properties.values()),
            mutant,
            proof == "proved",
        )
        for name, english, module, kind, mutant, proof in rows
    ]


def meanings() -> dict[str, str]:
    """What each property says, by its name."""
    return {known.name: known.english for known in table([])}

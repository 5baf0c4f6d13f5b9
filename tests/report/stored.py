"""The seed's counterexamples as TLC gave them, so that tests of the report need not wait for it.

`python -m tests.report.stored` asks TLC again. A test compares what is stored with that, and with
what the .cfg files expect.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from specs.tlc import Model, Result, Step, check, models

FILE = Path(__file__).with_name("seed.json")

SEEDS: dict[str, Model] = {model.name: model for model in models() if model.module == "Seed"}


def load() -> dict[str, Result]:
    """The results, by the names of the models."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: result(**told) for name, told in found.items()}


def result(verdict: str, then: str, steps: list[tuple[str, dict[str, str]]]) -> Result:
    """A result; of each state only what has changed was stored."""
    state: dict[str, str] = {}
    whole = []
    for action, changed in steps:
        state = state | changed
        whole.append(Step(action, state))
    return Result(verdict, then=then, steps=whole)


def packed(found: Result) -> dict[str, Any]:
    """What is stored of a result."""
    before: dict[str, str] = {}
    steps = []
    for step in found.steps:
        changed = {name: value for name, value in step.state.items() if before.get(name) != value}
        steps.append((step.action, changed))
        before = step.state
    return {"verdict": found.verdict, "then": found.then, "steps": steps}


def main() -> None:
    """Ask TLC, and write the file: a step a line."""
    parts = []
    for name, model in SEEDS.items():
        told = packed(check(model))
        steps = ",\n".join(json.dumps(step) for step in told.pop("steps"))
        parts.append(f'{json.dumps(name)}: {json.dumps(told)[:-1]}, "steps": [\n{steps}\n]}}')
    FILE.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""`python -m tests.mutation.matrix`: each mutant of the protocol against each layer of checks.

A mutant must violate a property that TLC names, or else be explained in `EQUIVALENT`. Exits with 1
if one is neither, or if an explanation is no longer true.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from specs.arguments import positive, writable
from specs.exits import leave_with
from specs.tlc import TLA, Model, Result, check, models, read_model

from ..support.mutants import Mutant
from .spec import mutants, mutated

AHEAD = ("Stream_E0_C2_Lookahead", "Stream_E1_C2_Lookahead", "Stream_E2_C2_Lookahead")
SIZES = ("Stream_E2_C0", "Stream_E1_C1", "Stream_E0_C1", "Stream_E2_C1", "Stream_E3_C2", *AHEAD)
"""The models that a mutant is checked in, one after the other, until one refuses it."""

RESUMED = "before it was entered, only a stream that is resumed has an end; counts of Resume tell"
EQUIVALENT = {
    'Enter: scope # "inside" -> TRUE': "who is inside already stays inside: no change",
    'Request: consumer = "idle" -> TRUE': "who waits already waits on: no change",
    'Withdraw: consumer = "waiting" -> TRUE': "who does not wait goes on not waiting: no change",
    'EndEpoch: scope # "new" -> TRUE': RESUMED,
    "EndEpoch: Capacity = 0 -> TRUE": RESUMED,
    'Die: worker = "absent" -> TRUE': "who is dead already stays dead: no change",
}
"""Mutants that violate nothing, each with the reason why no behaviour differs."""


def refuse(mutant: Mutant) -> str:
    """What TLC says of the mutant: the property that it violates, or "counts", or "unseen"."""
    changed = False
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        for module in ("Epochs", "Properties", "Stream"):
            shutil.copy(TLA / f"{module}.tla", folder)
        (folder / "Protocol.tla").write_text(mutated(mutant), encoding="utf-8")
        for recorded in (model for model in models() if model.name in SIZES):
            model = copy(recorded, folder)
            result = check(model, timeout=120)
            if result.verdict.startswith("violates "):
                return named(result, model)
            if result.verdict != "holds":  # "deadlocks", or a step that TLC cannot work out
                return result.verdict.partition(":")[0]
            changed |= (
                result.distinct != recorded.distinct or result.generated != recorded.generated
            )
    return "counts" if changed else "unseen"


def copy(model: Model, folder: Path, only: str | None = None) -> Model:
    """The model in another folder, with all its properties or a single one."""
    text = model.config.read_text(encoding="utf-8")
    if only is not None:
        head = re.split(r"^(?:INVARIANTS|PROPERTIES)$", text, flags=re.MULTILINE)[0]
        text = f"{head}PROPERTIES\n    \\* liveness\n    {only}\n"
    config = folder / model.config.name
    config.write_text(text, encoding="utf-8")
    return read_model(config)


def named(result: Result, model: Model) -> str:
    """The property that was violated, where TLC leaves it open which of several."""
    names = result.verdict.removeprefix("violates ").split(" or ")
    if len(names) == 1:
        return names[0]
    alone = (check(copy(model, model.config.parent, name), timeout=60) for name in names)
    blamed = (n for n, r in zip(names, alone, strict=True) if r.verdict.startswith("violates "))
    return next(blamed, result.verdict)


def verdicts(mutant: Mutant) -> dict[str, str]:
    """What each layer says of the mutant."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation.layers", mutant.name],
        capture_output=True,
        text=True,
        check=True,
    )
    return {"TLC": refuse(mutant), **json.loads(done.stdout)}


def run(chosen: Iterable[Mutant], jobs: int, out: Path | None) -> list[dict[str, Any]]:
    """All layers on all these mutants; those that the file has already are not run again."""
    rows: list[dict[str, Any]] = []
    if out is not None and out.exists():
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    known = {row["name"] for row in rows}
    todo = [mutant for mutant in chosen if mutant.name not in known]
    with ThreadPoolExecutor(jobs) as pool:
        for mutant, found in zip(todo, pool.map(verdicts, todo), strict=True):
            rows.append({"kind": mutant.violated, "name": mutant.name, "layers": found})
            if out is not None:
                with out.open("a", encoding="utf-8") as file:
                    print(json.dumps(rows[-1]), file=file)
    return rows


def unexplained(rows: list[dict[str, Any]]) -> list[str]:
    """What is wrong: mutants that nothing explains, and explanations that are not true."""
    wrong = []
    for row in rows:
        survived = row["layers"]["TLC"] in ("counts", "unseen")
        if survived and row["name"] not in EQUIVALENT:
            wrong.append(f"{row['name']}: no property refuses it, and nothing explains it")
        if not survived and row["name"] in EQUIVALENT:
            wrong.append(f"{row['name']}: explained, but refused by {row['layers']['TLC']}")
    known = mutants()
    return wrong + [f"{n}: explained, but no mutant" for n in EQUIVALENT if n not in known]


def table(rows: list[dict[str, Any]], layers: Iterable[str]) -> Table:
    """How many mutants of each kind a layer refuses, of those that it was asked about."""
    shown = Table(title="Mutants refused")
    for heading in ("kind", "mutants", *layers, "by none"):
        shown.add_column(heading, justify="left" if heading == "kind" else "right")
    kinds = defaultdict(list)
    for row in rows:
        kinds[row["kind"]].append(row["layers"])
    for kind, found in [*kinds.items(), ("all", [row["layers"] for row in rows])]:
        cells = []
        for layer in layers:
            asked = [verdict[layer] for verdict in found if layer in verdict]
            refused = [told for told in asked if told not in ("unseen", "counts")]
            cells.append(f"{len(refused)} of {len(asked)}" if asked else "")
        none = [v for v in found if {*v.values()} <= {"unseen", "counts"}]
        shown.add_row(kind, str(len(found)), *cells, str(len(none)))
    return shown


def main() -> int:
    """Run what the command line asks for. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.matrix", description=__doc__)
    parser.add_argument(
        "--every", type=positive, default=1, metavar="N", help="one mutant in N only"
    )
    parser.add_argument("--jobs", type=positive, default=2, help="at the same time (default: 2)")
    parser.add_argument("--out", type=writable, help="file of JSON lines to go on with")
    arguments = parser.parse_args()
    chosen = list(mutants().values())[:: arguments.every]
    rows = run(chosen, arguments.jobs, arguments.out)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    layers = list(dict.fromkeys(layer for row in rows for layer in row["layers"]))
    console.print(table(rows, layers))
    blamed = Counter(row["layers"]["TLC"] for row in rows)
    console.print("TLC:", ", ".join(f"{name} {count}" for name, count in blamed.most_common()))
    wrong = unexplained(rows)
    for line in wrong:
        console.print(line, style="red", markup=False)
    console.print(f"{len(rows)} mutants of the protocol, {len(wrong)} unexplained")
    return 1 if wrong else 0


if __name__ == "__main__":
    leave_with(main)

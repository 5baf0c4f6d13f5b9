"""Models of modules that were edited, for TLC to check."""

from __future__ import annotations

import shutil
from pathlib import Path

from specs.tlc import TLA, Model, models, read_model
from specs.trace.judging import tla

from .mutants import Edit, Mutant, edited


def edit(folder: Path, module: str, *edits: Edit) -> Path:
    """Make the edits in a module, of all that are copied to the folder if they are not there."""
    path = folder / f"{module}.tla"
    if not path.exists():
        shutil.copytree(TLA, folder, dirs_exist_ok=True)
    path.write_text(edited(path.read_text(encoding="utf-8"), list(edits)), encoding="utf-8")
    return folder


def plant(folder: Path, module: str, mutant: Mutant) -> Path:
    """The same with the mutant."""
    edit(folder, module)
    path = folder / f"{module}.tla"
    path.write_text(mutant.module(path.read_text(encoding="utf-8")), encoding="utf-8")
    return folder


def model(folder: Path, module: str, name: str, constants: dict[str, int]) -> Model:
    """A model of one property of the module that is in the folder, in the same view as ours."""
    known = [m for m in models() if m.module == module]
    kinds = (found for m in known for found in m.properties.items())
    kind = next(kind for kind, names in kinds if name in names)
    view = any("\nVIEW View\n" in m.config.read_text(encoding="utf-8") for m in known)
    heading = "INVARIANTS\n" if kind == "invariants" else f"PROPERTIES\n    \\* {kind}\n"
    config = folder / f"{module}_Mutant.cfg"
    config.write_text(
        "\\* A mutant.\n\\* expect: holds\n\\* states: 0 generated, 0 distinct\n\nCONSTANTS\n"
        + "".join(f"    {constant} = {tla(value)}\n" for constant, value in constants.items())
        + f"\nSPECIFICATION Spec\n{'VIEW View' if view else ''}\n\n{heading}    {name}\n",
        encoding="utf-8",
    )
    return read_model(config)

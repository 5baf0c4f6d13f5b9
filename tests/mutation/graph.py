"""The machine's state graphs against some of TLC's that were dumped before, for `code`.

Seven models have all the cases of the machine: with and without a buffer, one of a single batch
among them, epochs that are passes, single batches, and more, and all these with lookahead.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel.machine import INITIAL
from specs.graph import explore, limits_of, read_dump, read_initial
from specs.tlc import Model, check, models

DUMPS = Path(__file__).with_name("graphs")
AHEAD = ("Stream_E0_C2_Lookahead", "Stream_E1_C2_Lookahead", "Stream_E2_C2_Lookahead")
MODELS = ("Stream_E0_C2", "Stream_E1_C1", "Stream_E2_C0", "Stream_E3_C2", *AHEAD)


def chosen() -> list[Model]:
    """The models, as `specs` reads them."""
    return [model for model in models() if model.name in MODELS]


def dump(folder: Path) -> None:
    """Let TLC write the graphs into the folder."""
    folder.mkdir(parents=True)
    for model in chosen():
        result = check(model, dump=folder / f"{model.name}.dot")
        assert (result.verdict, result.distinct) == ("holds", model.distinct), result


@pytest.mark.parametrize("model", chosen(), ids=lambda model: model.name)
def test_graph_is_the_machines(model: Model) -> None:
    """The same states, the same named edges."""
    limits = limits_of(model)
    explored = explore(limits, model.constants["MaxPermits"], max_states=10_000)
    assert read_initial(DUMPS / f"{model.name}.dot") == {INITIAL}
    assert (explored == read_dump(DUMPS / f"{model.name}.dot")) is True  # no long difference

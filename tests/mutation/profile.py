"""A plug-in for pytest: random tests are the same in every run, and end at the first failure."""

from __future__ import annotations

from hypothesis import Phase, settings

settings.register_profile(
    "mutation",
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],  # that it fails is enough; how need not be made short
)
settings.load_profile("mutation")

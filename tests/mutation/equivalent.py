"""The mutants that no test can kill, or none should, by the reason."""

from __future__ import annotations

EXPLAINED: dict[str, tuple[str, ...]] = {}
"""Names of mutants, as `python -m tests.mutation.code` prints them, by the reason."""

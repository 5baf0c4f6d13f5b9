"""The mutants that no test can kill, or none should, by the reason."""

# ruff: noqa: E501  # names of mutants are as long as the lines that they change

from __future__ import annotations

EXPLAINED: dict[str, tuple[str, ...]] = {
    "Without a buffer a pull starts for a waiting request only, and then nothing is buffered.": (
        "kernel/machine/puller.py:Fetch: if fetching or buffered + in_later(later) >= (limits.capacity or 1): -> if fetching or buffered + in_later(later) >= (limits.capacity or 2):",
    ),
    "How often one who waits looks around by itself is a guess: any such time will do.": (
        "kernel/core.py:module: glance = 0.5 -> glance = 1.5",
    ),
    "How many light sleeps there are is a guess: any such number will do.": (
        "kernel/worker.py:module: LIGHT_SLEEPS: Final = 20 -> LIGHT_SLEEPS: Final = 21",
        "kernel/worker.py:_life: slept = 0 -> slept = 1",
    ),
}

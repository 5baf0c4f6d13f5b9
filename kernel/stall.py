"""A stall: a request has waited for too long, and the stack of the source is logged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .machine import Variables

if TYPE_CHECKING:
    from .core import Core


def log_stall(core: Core[Any], seconds: float) -> None:
    """Log the state and the stack of the worker, as a warning of the logger "kernel"."""
    import logging  # noqa: PLC0415  # only a stall needs it

    run = core.run
    entry, state = run.worker, Variables(*core.state(run))
    thread = None if entry is None else entry.thread
    logging.getLogger("kernel").warning(
        "%s: a request has waited for %g seconds. %s The buffer of %d is empty, %s. (%s)\n%s",
        core.label,
        seconds,
        "The source has not answered the worker's pull."
        if state.fetching
        else f"No pull is in flight; the worker is {state.worker}.",
        core.limits.capacity,
        "no gate is open" if state.permits == 0 else f"gates open: {state.permits}",
        ", ".join(f"{name} = {value}" for name, value in state._asdict().items()),
        "There is no worker." if thread is None else stack(thread.ident),
    )


def stack(thread: int | None) -> str:
    """The thread's stack, innermost frame first, or why there is none.

    `faulthandler` may look at other threads' frames in all builds of Python; `sys._current_frames`
    may not on free-threaded ones. It dumps up to 100 threads.
    """
    import faulthandler  # noqa: PLC0415  # as above
    import tempfile  # noqa: PLC0415

    try:
        with tempfile.TemporaryFile() as file:
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            stacks = file.read().decode(errors="replace").split("\n\n")
    except Exception as error:  # no folder, a full disk: the stream goes on
        return f"The worker's stack cannot be had: {error}"
    for found in stacks:
        number = re.match(r"(?:Current thread|Thread) 0x([0-9a-f]+)", found)
        if number is not None and int(number[1], 16) == thread:
            return found.strip()
    return "The worker's stack is not among those of the first 100 threads."

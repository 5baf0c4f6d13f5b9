"""Prefetches a source in a thread, by a model-checked protocol; a stop loses nothing."""

import atexit
import sys

from .claims import FREE_THREADED
from .epoch import Epoch
from .errors import SourceError, WorkerDied
from .profile import Timer
from .stats import Stats
from .stream import StreamWrapper
from .types import Batch, Stream, TimeProfile

__all__ = [
    "Batch",
    "Epoch",
    "SourceError",
    "Stats",
    "Stream",
    "StreamWrapper",
    "TimeProfile",
    "Timer",
    "WorkerDied",
]


def _outlive_modules() -> None:
    """Keep the interpreter from clearing these modules at its exit, before the last `__del__`.

    On a free-threaded build a module outlives its last reference, and is cleared if `sys.modules`
    lists it. A finaliser that uses a stream would then find the names of its functions gone.
    """
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{__name__}.")]:
        del sys.modules[name]


if FREE_THREADED:
    atexit.register(_outlive_modules)

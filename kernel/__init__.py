"""A formally tested concurrency kernel: prefetch a stream in a thread, and lose nothing."""

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

"""A formally tested concurrency kernel: prefetch a stream in a thread, and lose nothing."""

from .profile import Timer
from .stream import StreamWrapper
from .types import Batch, Stream, TimeProfile

__all__ = ["Batch", "Stream", "StreamWrapper", "TimeProfile", "Timer"]

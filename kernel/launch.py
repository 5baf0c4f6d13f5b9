"""How a worker is started: by a thread made for this, in which no interrupt can strike."""

from __future__ import annotations

import _thread
import threading
import weakref
from queue import Empty, SimpleQueue
from typing import Any, Final

from .claims import Claim
from .core import Core, Entry
from .worker import REFUSED, STARTED, live

LAUNCHED: Final = "launched"


def start(core: Core[Any], entry: Entry, entering: Claim, wrapper: object) -> bool:
    """Start the worker of the entry, and wait for its message. One that cannot start has died.

    Another thread calls `Thread.start`: there no interrupt can strike between its locks.

    Returns False if the worker was refused because another thread pulls.
    """
    bell: SimpleQueue[Any] = SimpleQueue()
    # The interpreter itself calls these when the wrapper is garbage, in reverse order: first `over`
    # is set, then the bell rings. No Python code runs between the two.
    calls: tuple[Any, ...] = entry.bell.put, entry.over.append
    alarms = [weakref.ref(wrapper, call) for call in calls]
    work = live, weakref.ref(core), entry, entering, bell, alarms
    try:
        entry.thread = threading.Thread(
            target=entry.context.copy().run, args=work, name=core.label, daemon=True
        )
        _thread.start_new_thread(_launch, (entry.thread, bell))
        said = _said(entry.thread, bell, entering, core.glance)
    except Exception as error:
        said = error
    if said is STARTED or said is REFUSED:
        return said is STARTED
    if not isinstance(said, Exception | None):
        raise said
    entry.death = said
    core.run.worker = entry
    core.did("Die")
    return True


def _said(thread: threading.Thread, bell: SimpleQueue[Any], entering: Claim, glance: float) -> Any:
    """The worker's first message, or the error of starting it; None if it died before that.

    A thread that is not alive may still be starting, until `_launch` has returned. In a forked
    child it has died.
    """
    launched = False
    while True:
        try:
            said = bell.get(True, glance)
        except Empty:  # noqa: PERF203  # twice a second
            if (launched or entering.was_forked()) and not thread.is_alive():
                return None
        else:
            if said is not LAUNCHED:
                return said
            launched = True


def _launch(thread: threading.Thread, bell: SimpleQueue[Any]) -> None:
    try:
        thread.start()
        bell.put(LAUNCHED)
    except BaseException as error:
        bell.put(error)

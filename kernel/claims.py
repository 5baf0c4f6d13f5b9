"""Claims: how one thread at a time has a role (to pull, to be the consumer, to enter).

A role is a list. Whoever wants it appends a claim, which is one atomic operation, and who stands
first has it. A claim is in force exactly while a generator of its runs. The interpreter keeps that
flag, so a claim ends with the frames that made it, however they end: by a return, by ten
interrupts in a row, by a lack of stack or memory. Nothing has to be released, and a claim that is
left behind in its list does no harm: whoever comes next takes it out.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator
from contextlib import suppress
from functools import partial
from typing import Any

_local = threading.local()

_forks: list[None] = []
"""One entry for each fork between the first process and this one."""

if hasattr(os, "register_at_fork"):
    # No Python code runs there, so nothing can be interrupted, however often it is registered.
    os.register_at_fork(after_in_child=partial(_forks.append, None))


def _this_thread(local: threading.local = _local) -> object:
    """An object of this thread's own. Numbers of threads are used again; in forked children soon.

    What this module needs is bound in arguments: in a `__del__` at exit its globals may be gone.
    """
    try:
        return local.thread
    except AttributeError:
        local.thread = object()
        return local.thread


class Claim:
    """One claim of this thread to a role."""

    __slots__ = ("_body", "_forks", "_thread")

    def __init__(self, forks: list[None] = _forks) -> None:
        self._body: Any = None  # a generator; its type in typeshed lacks gi_running
        self._thread = _this_thread()
        self._forks = len(forks)

    def hold(self, body: Generator[None, None, None]) -> None:
        """Run the generator to its end. The claim is in force meanwhile."""
        self._body = body
        for _ in body:
            pass

    def take(self, role: list[Claim]) -> Claim | None:
        """Ask for the role, from within the generator. Returns the claim that has it, if not this.

        Whoever was refused stands in line no longer.
        """
        role.append(self)
        while (first := role[0]) is not self:
            in_force = first.in_force()
            with suppress(ValueError):  # another thread removed the same leftover
                role.remove(self if in_force else first)
            if in_force:
                return first
        return None

    @property
    def is_mine(self) -> bool:
        """Whether this thread made it."""
        return self._thread is _this_thread()

    def was_forked(self, forks: list[None] = _forks) -> bool:
        """Whether this process is a child of the one in which it was made."""
        return self._forks != len(forks)

    def is_foreign(self) -> bool:
        """Whether it was in force at a fork, in a thread that this process does not have."""
        body = self._body
        runs = body is not None and body.gi_running  # for ever, as the fork copied it
        return runs and self.was_forked() and not self.is_mine

    def in_force(self, forks: list[None] = _forks) -> bool:
        """Whether its generator runs, in a thread that can go on."""
        body = self._body
        if body is None or not body.gi_running:
            return False
        return (self._forks == len(forks) and not sys.is_finalizing()) or self.is_mine


def holder(role: list[Claim]) -> Claim | None:
    """The claim that has the role."""
    for claim in role[:] if role else ():
        if claim.in_force():
            return claim
    return None

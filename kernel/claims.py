"""Claims: how one thread at a time has a role, such as to pull or to be the consumer.

A role is a list. A thread that wants the role appends a claim, by one atomic operation. The first
claim in force has the role. A claim is in force only while a generator of its thread runs. The
interpreter keeps that flag, so a claim ends with the frames that made it, however they end: by a
return, by ten interrupts in a row, by a lack of stack or memory. A leftover, a claim that has ended
and is still in its list, is never in force again and does no harm: the next thread removes it.

"No call from here on", in other files, means this. CPython lets a signal or another thread in only
at calls that return, where a function begins, and at jumps backward; CPython 3.10 also at those
forward, where a test fails. So the stores that follow, in lines that run one after the other, take
effect together. On free-threaded builds this holds of signals only: other threads run at the same
time.

The functions here bind what they need in arguments: in a `__del__` at exit globals may be gone.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from typing import Any, Final

FREE_THREADED: Final = "free-threading" in sys.version
"""Whether this build of Python can run threads at the same time."""

_local = threading.local()

_forks: list[None] = []
"""One entry for each fork between the first process and this one."""

if hasattr(os, "register_at_fork"):
    # A `partial` of a method in C: no Python code runs in the child here, so no interrupt can
    # strike. A module that is reloaded registers a new list of its own.
    os.register_at_fork(after_in_child=partial(_forks.append, None))


def _calls() -> Generator[None, tuple[Callable[..., None], tuple[Any, ...]], None]:
    """Makes the calls that are sent to it. The interpreter's flag `gi_running` is set meanwhile."""
    while True:
        call, args = yield
        call(*args)
        del call, args  # they may hold an object that holds a claim


class Thread:
    """Stands for a thread. Its number would not do: that is used again, soon in a forked child."""

    __slots__ = ("claim",)

    def __init__(self) -> None:
        self.claim: Claim | None = None
        """A claim that can be used again, as claims are costly to make. None while it is used."""


def _this_thread(local: Any = _local, new: type[Thread] = Thread) -> Thread:
    try:
        thread: Thread = local.thread
    except AttributeError:
        local.thread = thread = new()
    return thread


class Claim:
    """A claim of this thread. During one call at a time it may have a role, or several at once."""

    __slots__ = ("_forks", "_thread", "calls")

    def __init__(
        self,
        forks: list[None] = _forks,
        calls: Callable[[], Any] = _calls,  # its type in typeshed lacks gi_running
        this_thread: Callable[[], Thread] = _this_thread,
    ) -> None:
        self.calls = calls()
        """The generator, which runs while the claim is in force."""
        next(self.calls)
        self._forks = len(forks)
        self._thread = this_thread()

    @classmethod
    def of_this_thread(
        cls,
        forks: list[None] = _forks,
        this_thread: Callable[[], Thread] = _this_thread,
    ) -> Claim:
        """A claim of this thread that can be used again, or a new one.

        It is taken from the thread by stores alone, or a handler could use it too, and end it.
        """
        thread = this_thread()
        claim, thread.claim = thread.claim, None
        if claim is None or claim._forks != len(forks):
            claim = cls()
        return claim

    def hold(self, call: Callable[..., None], *args: Any, again: bool = True) -> None:
        """Make the call. The claim is in force meanwhile. A role that it took is given back.

        `again`: it can be used again after that, unless the call has raised, which ends it.
        """
        self.calls.send((call, args))
        if again:
            self._thread.claim = self

    def take(self, role: list[Claim]) -> Claim | None:
        """Ask for the role, within `hold`. Returns the claim that has it; None if this one does.

        A claim that is refused leaves the list. One that has the role gives it back by `give_back`,
        or by raising out of the call: it is never in force again then.
        """
        role.append(self)
        while (first := role[0]) is not self:
            in_force = first.in_force()
            with suppress(ValueError):  # another thread removed the same leftover
                role.remove(self if in_force else first)
            if in_force:
                return first
        return None

    def give_back(self, role: list[Claim]) -> None:
        """Give the role back."""
        try:  # noqa: SIM105  # `suppress` costs several times as much
            role.remove(self)
        except ValueError:
            pass  # not had: this call is a signal handler's, and the interrupted one has the role

    def is_mine(self, this_thread: Callable[[], Thread] = _this_thread) -> bool:
        """Whether this thread made it."""
        return self._thread is this_thread()

    def is_of_the_same(self, other: Claim) -> bool:
        """Whether the same thread made both."""
        return self._thread is other._thread

    def was_forked(self, forks: list[None] = _forks) -> bool:
        """Whether this process is a child of the one in which it was made."""
        return self._forks != len(forks)

    def is_foreign(self) -> bool:
        """Whether it was in force at a fork, in a thread that this process does not have."""
        runs = self.calls.gi_running  # in the child for ever: the fork copied the flag
        return runs and self.was_forked() and not self.is_mine()

    def in_force(
        self, forks: list[None] = _forks, is_finalizing: Callable[[], bool] = sys.is_finalizing
    ) -> bool:
        """Whether its call runs, in a thread that goes on.

        Of claims from before a fork, and of all at exit, only this thread's are.
        """
        if not self.calls.gi_running:
            return False
        return (self._forks == len(forks) and not is_finalizing()) or self.is_mine()


def holder(role: list[Claim]) -> Claim | None:
    """The claim that has the role."""
    for claim in role[:] if role else ():  # a copy: a leftover in front may be removed meanwhile
        if claim.in_force():
            return claim
    return None


class Carrier(BaseException):
    """Carries a StopIteration out of a claim, as no generator lets one through."""


def alone(role: list[Claim], call: Callable[..., None], *args: Any) -> None:
    """Make a call that takes effect in stores with no call between: on free-threaded builds.

    One thread at a time makes it, in this role. While another thread has the role, the call is left
    out. A handler that interrupts it makes its own at once. The call gets one argument more, a
    carrier for a StopIteration.
    """
    claim = Claim.of_this_thread()
    try:
        claim.hold(_in_role, claim, role, call, (*args, Carrier()))
    except Carrier as carrier:
        error, carrier.args = carrier.args[0], ()
        carrier.__traceback__ = None  # its frames hold it
        try:
            raise error from None
        finally:
            del error  # its traceback holds this frame


def _in_role(claim: Claim, role: list[Claim], call: Callable[..., None], args: Any) -> None:
    first = claim.take(role)
    if first is None or first.is_mine():
        call(*args)
        claim.give_back(role)

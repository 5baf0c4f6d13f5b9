"""`python -m specs.conform.serve`: the process that plays programs for a `Runner`."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from ..arguments import CannotRun, resolve
from .player import Player
from .programs import NAME, Observed, Program, Run, Step

PIPES: list[int] = []
"""To the `Runner`. A process that is forked must not hold them: it may outlive the server."""


def play(subject: str, program: Program, sender: Connection) -> None:
    """The whole life of a process that plays a program."""
    if hasattr(os, "setsid"):
        os.setsid()  # to be killed with its children, and not to get the terminal's Ctrl-C
    for pipe in PIPES:
        os.close(pipe)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        player = Player(resolve("subject", subject, "MODULE:CLASS"), program, sender.send)
        signal.signal(signal.SIGINT, player.interrupt)
        player.play()
    except BaseException as error:
        sender.send(["crash", f"{type(error).__name__}: {error}"])
        os._exit(1)
    if not player.leaves:
        sender.send("done")
        os._exit(0)


# The server.


def observe(subject: str, program: Program, patience: float, context: Any) -> Run:
    """Play a program in a process of its own, and watch it."""
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=play, args=(subject, program, sender), daemon=False)
    child.start()
    sender.close()
    observed = [Observed()]
    leaves = any(step.do == "leave the process" for step in program.steps)
    try:
        while receiver.poll(patience):
            message = receiver.recv()
            if message == "done":
                return Run(observed[:-1], "done")
            if isinstance(message, list):
                return Run(observed, ": ".join(message))
            if isinstance(message, str):
                observed[-1].outcomes.append(message)
            else:
                observed[-1].counters = message
                observed.append(Observed())
        if leaves and len(observed) > len(program.steps):
            observed.pop()
        return Run(observed, "hang")
    except EOFError:
        child.join()
        if leaves and child.exitcode == 0:
            return Run(observed[:-1], "done")
        return Run(observed, f"crash with exit status {child.exitcode}")
    finally:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        child.kill()
        child.join()
        receiver.close()


def serve() -> None:
    """Answer the requests of a `Runner`, a line each, until there are none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the subject prints is no reply

    def reply(value: Any) -> None:
        print(json.dumps(value), file=replies, flush=True)

    requests = os.fdopen(os.dup(0), encoding="utf-8")  # a subject may read its own input
    with open(os.devnull, encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 0)
    PIPES.extend((replies.fileno(), requests.fileno()))
    subject = json.loads(requests.readline())
    try:
        wrapper = resolve("subject", subject, "MODULE:CLASS")
        try:
            wrapper(lambda: iter(()), 1, -1, NAME, None)
        except (Exception, SystemExit) as error:
            raise CannotRun(
                f"the subject {subject!r} cannot be constructed as "
                f"cls(stream_fn, 1, -1, {NAME!r}, None): {type(error).__name__}: {error}"
            ) from error
        lacks = getattr(wrapper, "LACKS", ())
        if not isinstance(lacks, (set, frozenset, list, tuple)):
            raise CannotRun(f"LACKS of {subject!r} must be a set of names, not {lacks!r}")
    except CannotRun as error:
        reply({"error": str(error)})
        return
    reply({"lacks": sorted(map(str, lacks))})
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    for line in requests:
        words = json.loads(line)
        patience = words.pop("patience")
        words["passes"] = tuple(map(tuple, words["passes"]))
        words["steps"] = tuple(Step(*step) for step in words["steps"])
        reply(asdict(observe(subject, Program(**words), patience, context)))


if __name__ == "__main__":
    serve()

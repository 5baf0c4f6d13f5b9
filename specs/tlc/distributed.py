"""TLC on several machines: a server that keeps the states, and workers that make the next ones.

`check_distributed` runs all of it here, over loopback. For models too big for one machine start the
workers elsewhere, by the command that `worker` gives. TLC's distributed mode checks
invariants, steps and deadlocks, but neither liveness nor refinement. It reports a violation without
the name of the property.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from . import INVARIANT, STEP, UNNAMED, Model, Result, jar, read, runtime

NAME = "tlc2.tool.distributed"

READY = "@!@!@STARTMSG 7000:0 @!@!@"
"""What the server says when workers may come."""

VIOLATION = "@!@!@STARTMSG 2121:1 @!@!@"
"""What it says above the last steps of a counterexample."""


def is_for_workers(model: Model) -> bool:
    """Whether what the model should find can be found by workers."""
    names = [name for kind in (INVARIANT, STEP) for name in model.properties.get(kind, [])]
    return model.expected in ("holds", "deadlocks") or model.expected.split()[-1] in names


def words(scratch: Path, port: int) -> list[str]:
    """What server and worker have in common. Neither may share a folder with another."""
    return [
        *(*runtime(), f"-Djava.io.tmpdir={scratch}"),
        *("-Djava.rmi.server.hostname=127.0.0.1", f"-D{NAME}.TLCServer.port={port}"),
        *(f"-D{NAME}.TLCWorker.threadCount=1", "-cp", jar()),
    ]


def server(model: Model, scratch: Path, port: int) -> list[str]:
    """The command of the server, which waits for workers. It listens on every interface."""
    options = ["-tool", "-metadir", str(scratch / "meta"), "-config", model.config.name]
    return [*words(scratch, port), f"{NAME}.TLCServer", *options, f"{model.module}.tla"]


def worker(scratch: Path, port: int, host: str = "127.0.0.1") -> list[str]:
    """The command of a worker with one thread. It gets the modules from the server."""
    return [*words(scratch, port), f"{NAME}.TLCWorker", host]


def check_distributed(model: Model, workers: int = 2, timeout: float = 600) -> Result:
    """Run TLC on a model in a server and some worker processes. `timeout` is in seconds."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tlc-") as folder, ExitStack() as stack:
        scratch, log = Path(folder), Path(folder, "server.log")
        for module in model.folder.glob("*.tla"):
            shutil.copy(module, scratch)
        config = safety(model.config.read_text(encoding="utf-8"))
        (scratch / model.config.name).write_text(config, encoding="utf-8")
        port = free_port()

        def start(command: list[str], own: Path) -> subprocess.Popen[bytes]:
            own.mkdir(exist_ok=True)
            with (own / "server.log").open("wb") as output:
                process = subprocess.Popen(command, cwd=own, stdout=output, stderr=output)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        def wait(ended: Callable[[], object], seconds: float) -> None:
            while not ended() and time.perf_counter() - started < seconds:
                time.sleep(0.05)

        main = start(server(model, scratch, port), scratch)
        wait(lambda: main.poll() is not None or READY in log.read_text(encoding="utf-8"), timeout)
        for number in range(workers):
            start(worker(scratch / f"{number}", port), scratch / f"{number}")
        wait(lambda: main.poll() is not None, timeout)
        output = log.read_text(encoding="utf-8")
        result = read(output, model)
        if VIOLATION in output:
            result.verdict, result.steps = UNNAMED, []
        if main.poll() is None:
            result.verdict = f"did not end in {timeout:.0f} s"
    result.workers = workers
    result.seconds = time.perf_counter() - started
    return result


def safety(config: str) -> str:
    """The configuration without liveness and refinement."""
    kept = re.split(r"^ +\\\* (?:liveness|refinement)$", config, flags=re.MULTILINE)[0]
    return re.sub(r"^PROPERTIES\s*\Z", "", kept, flags=re.MULTILINE)


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port

"""Runs tests in forks of itself: `python -m tests.mutation.forks`, in a copy of the project.

Each line on standard input asks for tests, as JSON, and gets a line in answer. What takes long to
import is imported once, here, and nothing of the project is, so that a fork imports it as it then
is. A fork reports which test it is at, and is killed at the first that fails or hangs.
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from _pytest.config import default_plugins

HEAVY = (
    "_hypothesis_pytestplugin asyncio concurrent.futures coverage cvc5 greenlet "
    "hypothesis.stateful jinja2 multiprocessing.pool numpy pdb pytest_timeout rich.progress "
    "rich.table sklearn.datasets statistics tracemalloc unittest.mock xdist.looponfail "
    "xml.etree.ElementTree z3"
)
KILLED, TIMEOUT, LIMIT, SURVIVED = "killed", "timeout", "limit", "survived"
IMPORTS = 20.0  # seconds for what comes before the first test
MEMORY = 4 << 30  # bytes, for a mutant may go on for ever
OPTIONS = (
    "-q",
    "--timeout=0",
    "--basetemp=tmp",
    "-pno:cacheprovider",
    "-ptests.mutation.profile",
    "-Wignore:Module already imported",  # of hypothesis, a plugin of pytest
)


class Teller:
    """A plug-in: it leaves the tests, files and folders asked for, in this order, and reports each.

    Files are collected whole, for some tests are marked by their place among others.
    """

    def __init__(self, order: list[str], tell: Callable[[str, str], None]) -> None:
        self.order = {test: place for place, test in enumerate(order)}
        self.tell = tell

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        places = {item: self.place(item.nodeid) for item in items}
        items[:] = sorted((i for i in items if places[i] >= 0), key=places.__getitem__)

    def place(self, test: str) -> int:
        """Of the test, its file or the nearest of its folders that is asked for; else -1."""
        file = PurePosixPath(test.partition("::")[0])
        names = (test, str(file), *map(str, file.parents))
        return next((self.order[name] for name in names if name in self.order), -1)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.tell("failed", report.nodeid)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.tell("start", nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tell("failed", report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.tell("done", nodeid)


class Lines:
    """A plug-in: it writes which tests run which lines of the kernel.

    Of some tests that is not known: they let another process run them, or trace them themselves.
    Others edit a function's source, and fail if its text is another, whatever it does.
    """

    def __init__(self, out: Path) -> None:
        from coverage import Coverage  # noqa: PLC0415  # forks that measure nothing need none

        self.out, self.kernel, self.test = out, Path("kernel").resolve(), ""
        self.unknown: set[str] = set()
        self.readers: set[str] = set()
        self.coverage = Coverage(
            data_file=None,
            config_file=False,
            source=[str(self.kernel)],
            concurrency=["thread", "greenlet"],
            messages=False,
        )
        sys.addaudithook(self.hear)
        self.source = inspect.getsource
        inspect.getsource = self.getsource

    def getsource(self, thing: Any) -> str:
        if (inspect.getsourcefile(thing) or "").startswith(f"{self.kernel}{os.sep}"):
            self.readers.add(self.test)
        return self.source(thing)

    def hear(self, event: str, arguments: Any) -> None:
        java = event == "subprocess.Popen" and "java" in str(arguments[0])
        if event in ("os.fork", "os.posix_spawn", "subprocess.Popen") and not java:
            self.unknown.add(self.test)
        if event == "sys.settrace":
            caller = sys._getframe(1).f_code.co_filename
            if Path(caller).is_relative_to(self.kernel.parent):
                self.unknown.add(self.test)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.test = item.nodeid
        self.coverage.start()
        self.coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.coverage.stop()

    def pytest_sessionfinish(self) -> None:
        data = self.coverage.get_data()
        lines = {
            str(Path(file).relative_to(self.kernel.parent)): data.contexts_by_lineno(file)
            for file in data.measured_files()
        }
        unknown, readers = sorted(self.unknown - {""}), sorted(self.readers)
        found = {"lines": lines, "unknown": unknown, "readers": readers}
        self.out.write_text(json.dumps(found), encoding="utf-8")


def fork(request: dict[str, Any], pipe: int) -> None:
    """Run the tests here; this process is a fork, and ends."""
    os.setsid()  # it is killed with all that it starts
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    me = os.getpid()

    def tell(event: str, test: str) -> None:
        if os.getpid() == me:  # a test may fork, and its fork get this far
            os.write(pipe, (json.dumps([event, test]) + "\n").encode())

    signal.signal(signal.SIGINT, signal.default_int_handler)
    files = dict.fromkeys(test.partition("::")[0] for test in request["tests"])
    plugins: list[object] = [Teller(list(request["tests"]), tell)]
    sys.dont_write_bytecode = request["stop"]  # what is compiled without mutants serves all forks
    if request["lines"]:
        plugins.append(Lines(Path(request["lines"])))
    status = 3
    try:
        status = pytest.main([*OPTIONS, *files], plugins=plugins)
    except BaseException:  # it shall not go on as a second server
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        tell("end", f"pytest ends with {int(status)}" if status not in (0, 1, 5) else "")
        os._exit(0)


class Watch:
    """What a fork reports, until it ends."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.limits: dict[str, float] = request["tests"]
        self.stop: bool = request["stop"]  # at the first that fails
        self.end = time.monotonic() + request["seconds"]
        self.test = ""
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self.limit = 1e6 if request["lines"] else 0.0  # of tests without one

    def outcome(self, pipe: int) -> str:
        """Read on, until the fork says that it has ended, or need not be heard further."""
        begun = time.monotonic()
        until = begun + IMPORTS
        rest = b""
        while True:
            now = time.monotonic()
            if not select.select([pipe], [], [], max(0, min(until, self.end) - now))[0]:
                return TIMEOUT if until < self.end else LIMIT
            read = os.read(pipe, 65536)
            *lines, rest = (rest + read).split(b"\n")
            for event, test in map(json.loads, lines):
                now = time.monotonic()
                if event == "start":
                    self.test, begun = test, now
                    until = now + self.limits.get(test, self.limit)
                elif event == "done":
                    self.seconds[test] = now - begun
                    until = now + IMPORTS
                elif event == "failed" or test:
                    self.test = test
                    self.failed.append(test)
                if (event == "end" or self.stop) and self.failed:
                    return KILLED
                if event == "end":
                    return SURVIVED
            if not read:  # it died
                return KILLED


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Fork, and say what becomes of the fork."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        fork(request, writer)
    os.close(writer)
    watch = Watch(request)
    outcome = watch.outcome(reader)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)  # it may have had no time for a group of its own
    os.waitpid(child, 0)
    os.close(reader)
    by = "" if outcome in (SURVIVED, LIMIT) else watch.test
    return {"outcome": outcome, "by": by, "seconds": watch.seconds, "failed": watch.failed}


def main() -> None:
    """Answer until the input ends."""
    for name in [*HEAVY.split(), *(f"_pytest.{name}" for name in default_plugins)]:
        with suppress(ImportError):
            import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this, by ending the input
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

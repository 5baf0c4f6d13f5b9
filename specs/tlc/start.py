"""How Java is started: with an archive of TLC's classes, which halves the time of a short run.

Java 25 stores loaded and linked classes in a file (class data sharing). The first run of TLC writes
it, which takes some seconds and 24 MB in the user's cache folder. Where that fails, Java starts
without the file. A file of another Java or another jar is not used: its name contains both
versions, and Java checks the file itself.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from threading import Lock

OPTIONS = ("-XX:+UseSerialGC", "-XX:CompileThresholdScaling=3")
"""One thread collects, where another run has the other processor. A server would compile more."""

SHORT = "-XX:TieredStopAtLevel=1"
"""For runs of seconds: nothing is compiled a second time, and better."""

OLDEST = 25
"""The first Java that makes the file and uses it by itself."""

TRAINING = ("shell/Shell_E0_C1_TwoConsumers.cfg", "Shell.tla")
"""A large model; what it loads is kept, and what it calls most."""

_tried: set[Path] = set()
_lock = Lock()


def options(java: str, jar: str, modules: Path, short: bool = True) -> list[str]:
    """The options of Java, with the file if there is one; the first process to ask makes it."""
    found = [*OPTIONS, SHORT] if short else [*OPTIONS]
    file = place(java, jar)
    if file is None:
        return found
    with _lock:
        first = file not in _tried
        _tried.add(file)
    if first and not file.exists():
        make(file, java, jar, modules)
    return [*found, f"-XX:AOTCache={file}"] if file.exists() else found


def place(java: str, jar: str) -> Path | None:
    """Where the file of this Java and this jar is, or would be; None if this Java has none."""
    runtime = Path(shutil.which(java) or java).resolve()
    if version(runtime) < OLDEST:
        return None
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        found = [(path, path.stat()) for path in (runtime, Path(jar).resolve())]
    except (OSError, RuntimeError):  # no such file, or no home
        return None
    key = repr([TRAINING, [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in found]])
    return folder / "stream-kernel" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.aot"


def version(runtime: Path) -> int:
    """Which Java it is, by the file that lies beside it; 0 if that is not known."""
    try:
        text = (runtime.parents[1] / "release").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return int(found[1]) if found is not None else 0


def make(file: Path, java: str, jar: str, modules: Path) -> None:
    """Check a model, and keep the classes that this needs. If it fails, there is no file."""
    config, module = TRAINING
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="making-", dir=file.parent) as folder:
            made = Path(folder, "made.aot")
            for path in modules.glob("*.tla"):
                shutil.copy(path, folder)
            shutil.copy(modules / config, folder)
            words = [java, *OPTIONS, f"-Djava.io.tmpdir={folder}", f"-XX:AOTCacheOutput={made}"]
            words += ["-cp", jar, "tlc2.TLC", "-tool", "-workers", "1", "-metadir", "meta"]
            subprocess.run(
                [*words, "-config", Path(config).name, module],
                cwd=folder,
                capture_output=True,
                timeout=120,
                check=True,
            )
            made.replace(file)
    except (OSError, subprocess.SubprocessError):
        return

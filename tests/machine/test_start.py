"""Java uses an archive of TLC's classes, made once; without it all works, but slower."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from specs import tlc
from specs.tlc import start

SHORT = [*start.OPTIONS, start.SHORT]


def release(folder: Path, text: str) -> str:
    """A Java that says what it is; the file of its command."""
    (folder / "bin").mkdir()
    (folder / "bin" / "java").touch(mode=0o755)
    (folder / "release").write_text(text)
    return str(folder / "bin" / "java")


@pytest.fixture
def jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A jar, and a cache folder, that nobody else has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mine.jar").touch()
    return str(tmp_path / "mine.jar")


def test_java_takes_the_file() -> None:
    """Java refuses to start with a file that it cannot use; it starts with ours."""
    words = tlc.runtime()
    if start.version(Path(words[0]).resolve()) < start.OLDEST:
        assert words[1:] == SHORT
        return
    assert words[-1].startswith("-XX:AOTCache=")
    run = [*words, "-XX:AOTMode=on", "-cp", tlc.jar(), "-version"]
    assert subprocess.run(run, capture_output=True, check=False).returncode == 0
    broken = [*run[:-4], "-XX:AOTCache=/nowhere.aot", *run[-4:]]
    assert subprocess.run(broken, capture_output=True, check=False).returncode != 0


def test_large_models_are_compiled_well(tmp_path: Path) -> None:
    """A run of many states is no short one."""
    for name in "Stream_E1_C0", "Shell_E0_C1":
        (model,) = (model for model in tlc.models() if model.name == name)
        short = start.SHORT in tlc.command(model, tmp_path)
        assert short is (model.generated < tlc.MANY) is (name == "Stream_E1_C0")


def test_file_is_that_of_java_and_jar(tmp_path: Path, jar: str) -> None:
    """Another jar, or the same one renewed, has another file."""
    java = release(tmp_path, 'IMPLEMENTOR="X"\nJAVA_VERSION="25.0.2"\n')
    first = start.place(java, jar)
    assert first == start.place(java, jar)
    assert first is not None
    assert first.parent == tmp_path / "cache" / "stream-kernel"
    os.utime(jar, (1, 1))
    assert start.place(java, jar) not in (None, first)


@pytest.mark.parametrize("text", ['JAVA_VERSION="17.0.1"\n', 'JAVA_VERSION="24"\n', ""])
def test_older_java_has_no_file(text: str, tmp_path: Path, jar: str) -> None:
    """It would not know the option."""
    java = release(tmp_path, text)
    assert start.options(java, jar, tlc.TLA) == SHORT
    assert not (tmp_path / "cache").exists()


def test_what_cannot_be_made_is_tried_once(
    tmp_path: Path, jar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Java fails, or nothing can be written, Java is started without a file."""
    java = release(tmp_path, 'JAVA_VERSION="25"')  # which cannot be run
    assert start.options(java, jar, tlc.TLA) == SHORT
    assert list((tmp_path / "cache" / "stream-kernel").iterdir()) == []
    monkeypatch.setattr(start, "make", lambda *_: pytest.fail("tried again"))
    assert start.options(java, jar, tlc.TLA) == SHORT


def test_nowhere_to_write(tmp_path: Path, jar: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder that is a file is no error."""
    monkeypatch.setenv("XDG_CACHE_HOME", jar)
    java = release(tmp_path, 'JAVA_VERSION="25"')
    assert start.options(java, jar, tlc.TLA) == SHORT

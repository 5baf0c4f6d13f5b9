"""What `check_source` keeps and reports, and its command."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from specs.source import check_source

from .test_source import Plain, kinds

# The check itself.


def test_keeps_no_more_than_the_window() -> None:
    """The check lets go of a batch once it could not wait any more, and leaves it as it was."""
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0

    def stream() -> Iterator[Any]:
        nonlocal most
        for number in range(50):
            batch = Plain(number)
            alive.add(batch)
            most = max(most, len(alive))
            yield batch
            assert vars(batch) == {"value": number}
            del batch

    report = check_source(stream, buffer_size=5)
    assert report.ok
    assert 6 <= most <= 7  # the window and the new one; a thread may not have let go of its own
    del report
    gc.collect()
    assert len(alive) == 0


def test_error_keeps_no_batch() -> None:
    """A report with an error does not keep the window alive."""
    alive: weakref.WeakSet[Any] = weakref.WeakSet()

    def stream() -> Iterator[Any]:
        for number in range(5):
            batch = Plain(number)
            alive.add(batch)
            yield batch
        del batch
        raise ValueError

    report = check_source(stream)
    gc.collect()
    assert (kinds(report), len(alive)) == (["error"], 0)


def test_report() -> None:
    """The report says how much was read, and how far."""
    report = check_source(lambda: range(10**9), batches=7)
    assert (report.passes, report.batches, report.bound) == (3, 21, 7)
    told = "Source: nothing found. Passes: 3, batches: 21 (first 7 batches of each pass)."
    assert str(report) == told
    assert str(check_source(lambda: [1, 2])).endswith("batches: 6 (whole passes).")


@pytest.mark.parametrize("argument", ["batches", "buffer_size"])
def test_bad_arguments(argument: str) -> None:
    """A bad number is refused by name."""
    with pytest.raises(ValueError, match=f"{argument} must be at least 1, not 0"):
        check_source(list, **{argument: 0})
    with pytest.raises(TypeError, match=f"{argument} must be an integer, not 'two'"):
        check_source(list, **{argument: "two"})  # type: ignore[arg-type]


# The command.


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, specs: Any) -> None:
    """The command says what it found, and what it could not do."""
    (tmp_path / "my_data.py").write_text(
        "import random\n"
        "class Data:\n"
        "    def good(): return range(3)\n"
        "    def random(): return [random.random(), 1]\n"
        "def bad(): 1 / 0\n"
    )
    (tmp_path / "my_broken_data.py").write_text("1 / 0")
    (tmp_path / "my_script.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    good = specs("source", "my_data:Data.good", "--batches", 2, "--buffer-size", 1)
    assert good.status == 0
    assert "nothing found" in good.out
    assert specs("source", "my_data:Data.random").status == 1
    assert specs("source", "my_data:Data.random", "--shuffled").status == 0
    status, shown, _ = specs("source", "my_data:bad")
    assert status == 1
    assert "1. error (pass 1, stream_fn())" in shown
    assert "def bad(): 1 / 0" in shown
    for words, told in [
        (["my_data"], "the source must be MODULE:FUNCTION, not 'my_data'"),
        (["my_data:nothing"], "the source 'my_data:nothing' cannot be imported: AttributeError"),
        (["no_such_module:f"], "'no_such_module:f' cannot be imported: ModuleNotFoundError"),
        (["my_broken_data:f"], "'my_broken_data:f' cannot be imported: ZeroDivisionError"),
        (["my_script:f"], "'my_script:f' cannot be imported: SystemExit: 3"),
        (
            ["my_data:Data.good", "--batches", "0"],
            "argument --batches: must be a number from 1 on, not '0'",
        ),
    ]:
        status, _, err = specs("source", *words)
        assert status == 2
        assert told in err

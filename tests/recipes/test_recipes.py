"""Each page's code runs and gives what the page shows, where its packages are installed."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from ..support.processes import python

HERE = Path(__file__).parent
PAGES = sorted(page for page in HERE.glob("*.md") if page.name != "README.md")
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "KERAS_BACKEND": "torch",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def packages(page: Path) -> list[str]:
    """What the page's `pip install` names."""
    found = re.search(r"`pip install ([^`]+)`", page.read_text(encoding="utf-8"))
    assert found is not None, "the page does not say what it needs"
    return [name.partition("[")[0] for name in found[1].replace("'", "").split()]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_runs(page: Path) -> None:
    """In a process of its own, since frameworks leave threads and settings behind."""
    for package in packages(page):
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            pytest.skip(f"not installed: {package}")
    root = HERE.parents[1]
    words = "-m", "doctest", "-o", "ELLIPSIS", "-o", "FAIL_FAST", str(page)
    done = python(*words, timeout=380, folder=root, **QUIET, PYTHONPATH=str(root))
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_is_short(page: Path) -> None:
    """Forty lines at most, the version of each package that it was run with, and the code."""
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    with_versions = text.partition("run with ")[2].partition("\n\n")[0]
    for package in packages(page):
        assert re.search(rf"\b{package} \d+\.\d+\.\d+", with_versions), package
    assert ">>> from kernel import StreamWrapper" in text


def test_every_page_is_listed() -> None:
    """The index names each page."""
    listed = re.findall(r"\]\((\w+\.md)\)", (HERE / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == [page.name for page in PAGES]

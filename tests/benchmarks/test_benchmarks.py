"""The benchmarks measure what they say: adapters, ratios, thresholds and the command."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from specs.conform.adapters import find_emloop

from ..support.processes import python
from . import __main__ as command
from . import measures
from .measures import MEASURES, Mode, answer, hand_over
from .results import OURS, THRESHOLDS, Key, Missing, Results, missed, speed
from .subjects import (
    SUBJECTS,
    Emloop,
    EmloopAwake,
    Limit,
    NoPrefetch,
    PrefetchGenerator,
    Subject,
    Wrapper,
)
from .work import QUICK, Effort, Work

TINY = Effort(seconds=0.001, batches=4, blocks=2, steps=4, cycles=1)
WORK = Work(elements=1000)  # a little only


def installed(subject: type[Subject]) -> bool:
    """Whether a subject can be measured here."""
    if "emloop" in subject.INSTALL:
        return find_emloop() is not None
    return not subject.INSTALL or importlib.util.find_spec(subject.NAME.lower()) is not None


def delivered(subject: type[Subject], size: int, batches: int) -> list[Any]:
    """What is read from a source with that number of batches."""
    source = range(1, batches + 1)
    with subject(lambda: source, size).reading() as iterator:
        return list(islice(iterator, batches))


def crash(*_: Any) -> None:
    """What a process does that ends without a word."""
    os._exit(1)


# Subjects.


@pytest.mark.filterwarnings("ignore")  # what others' packages warn of when they are imported
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("name", SUBJECTS)
def test_subjects_deliver_all_in_order(name: str, size: int) -> None:
    """Every subject hands over the batches of the source, all of them and in order."""
    subject = SUBJECTS[name]
    if not installed(subject):
        pytest.skip(f"not installed: {subject.INSTALL}")
    batches = 3 if subject.SLOW else 200
    assert delivered(subject, size, batches) == list(range(1, batches + 1))


@pytest.mark.skipif(find_emloop() is None, reason="not installed: --no-deps emloop")
def test_emloop_without_its_sleep_is_a_copy() -> None:
    """The published module is left as it is, and only the copy does not sleep."""
    awake, published = EmloopAwake.wrapper(), Emloop.wrapper()
    assert awake is not published
    assert sys.modules[published.__module__].time is time
    assert awake.__init__.__globals__["time"].sleep(1000) is None


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_limit_keeps_the_bound(size: int) -> None:
    """The hand-off that is the limit is bounded: at most the buffer and a pull are ahead."""
    pulled = taken = most = 0

    def source() -> Iterator[int]:
        nonlocal pulled
        for batch in range(500):
            pulled += 1
            yield batch

    with Limit(source, size).reading() as iterator:
        for _ in islice(iterator, 500):
            most = max(most, pulled - taken)
            taken += 1
    assert 1 <= most <= size + 2  # one is in the hand of each side


def test_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report says what is not installed, and, apart from that, what failed."""

    class Absent(NoPrefetch):
        def start(self) -> Iterator[Any]:
            raise ModuleNotFoundError

    class Broken(NoPrefetch):
        def start(self) -> Iterator[Any]:
            raise OSError("boom")

    monkeypatch.setitem(measures.SUBJECTS, "absent", Absent)
    monkeypatch.setitem(measures.SUBJECTS, "broken", Broken)
    assert answer(("handoff", "1", "absent"), TINY, WORK, set()) == "not installed"
    assert answer(("handoff", "1", "broken"), TINY, WORK, set()) == "failed: OSError: boom"


# Measures.


@pytest.mark.parametrize("name", MEASURES)
def test_every_case_has_an_answer(name: str) -> None:
    """Ours answers every case that it is asked, with figures above zero."""
    for case in MEASURES[name].cases:
        assert MEASURES[name].asks(Wrapper, case)
        answered = answer((name, case, OURS), TINY, WORK, set())
        assert not isinstance(answered, str), answered
        assert len(answered) == len(MEASURES[name].parts)
        assert all(value > 0 for value in answered)


def test_gate_is_open_around_native_work_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gated, a gate is opened in each step; else none is, but the one that is open all the time."""
    opened: list[bool] = []

    class Gated(NoPrefetch):
        CAN = frozenset({"gate"})

        def gate(self) -> Any:
            opened.append(True)
            return super().gate()

    for gated, times in ((True, TINY.blocks * TINY.steps), (False, 1)):
        opened.clear()
        monkeypatch.setattr(measures, "MODES", {"the only": Mode(gated, null=True)})
        assert len(measures.interference(Gated, "sleep", TINY, WORK)) == 2
        assert len(opened) == times


# Rounds.


def test_all_are_asked_in_turn_within_a_round() -> None:
    """A round asks every subject for a case, forth and back; one without an answer only once."""
    asked = []

    def ask(measure: str, case: str, subject: str) -> Any:
        if case == "1":
            asked.append(subject)
        return "not installed" if subject == "Grain" else (1.0,)

    names = [OURS, "Grain", "queue.Queue"]
    results = command.measure(ask, ["handoff"], names, rounds=3)
    assert command.questions("handoff", names, 0)[:4] == [
        *(("1", name) for name in names),
        ("4", OURS),
    ]
    assert asked == [OURS, "Grain", "queue.Queue", "queue.Queue", OURS, OURS, "queue.Queue"]
    assert results["handoff", "1", OURS] == [1.0, 1.0, 1.0]
    with pytest.raises(Missing, match=r"handoff/1/Grain: not installed"):
        results.median("handoff", "1", "Grain")


def test_who_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subject that hangs, or whose process ends, is reported, and the others go on."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where the processes find the tests
    with command.Asked(set(), QUICK) as ask:
        monkeypatch.setattr(command, "PATIENCE", 0.0)
        assert ask("handoff", "1", OURS) == "failed: no answer within 0 s"
        monkeypatch.setattr(command, "PATIENCE", 60.0)
        monkeypatch.setattr(command, "answer", crash)
        assert ask("handoff", "1", OURS) == "failed: its process ended"
        monkeypatch.setattr(command, "answer", answer)
        assert isinstance(ask("overlap", "sleep 2,2", "ideal"), tuple)


# Ratios.


def forged(factor: float = 1.0) -> Results:
    """Figures that meet every threshold, ours being so many times slower than that."""
    results = Results()
    for round_ in (1.0, 5.0, 2.0):  # the machine was slow in the second round
        for name, measure in MEASURES.items():
            for case in measure.cases:
                for subject in SUBJECTS:
                    ours = factor if subject == OURS else 1.0
                    figures = {
                        "handoff": [5.0 if subject == PrefetchGenerator.NAME else ours],
                        "interference": [1.0, 1.0, 1.0, 2.0, ours, ours],
                        "stop": [ours, ours],
                    }.get(name, [ours])
                    for part, figure in zip(measure.names(case), figures, strict=True):
                        key = Key(name, part, subject)
                        results.values.setdefault(key, []).append(figure * round_)
    return results


def test_a_ratio_is_taken_within_the_rounds() -> None:
    """The median of the rounds' ratios, not the ratio of medians."""
    results = Results()
    results.values[Key("handoff", "16", OURS)] = [1.0, 10.0, 3.0]
    results.values[Key("handoff", "16", "queue.Queue")] = [2.0, 40.0, 1.0]
    assert results.median("handoff", "16", OURS) == 3.0
    assert speed(results, 16, OURS, "queue.Queue") == 2.0  # of 2, 4 and 1/3
    assert speed(results, 16, "queue.Queue", OURS) == 0.5


# The thresholds.


def test_thresholds_are_met_and_missed() -> None:
    """Figures that are good enough miss none, and each one is missed by some that are not."""
    assert missed(forged(), MEASURES) == []
    slow = missed(forged(10.0), MEASURES)
    assert len(slow) == len(THRESHOLDS)
    assert "hand-off at buffer 16 against prefetch_generator: 0.500, should be at least 1.8" in slow
    assert "overlap, sleep 2,2 ms: wall time over the ideal: 10.000, should be at most 1.03" in slow


@pytest.mark.parametrize("threshold", THRESHOLDS, ids=lambda threshold: threshold.what)
def test_a_threshold_without_its_figure_is_missed(threshold: Any) -> None:
    """Nothing passes because it was not measured, or a peer is not installed."""
    results = forged()
    assert threshold.misses(results) is None
    for key in results.values:
        if key.measure == threshold.measure and key.subject == OURS:
            results.words[key] = "failed: OSError"
    assert "failed: OSError" in threshold.misses(results)
    assert "not measured" in threshold.misses(Results())


# The command.


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit status of the command, and what it prints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["benchmarks", *arguments])
        try:
            status = command.main()
        except SystemExit as exit_:
            status = int(exit_.code or 0)
    printed = capsys.readouterr()
    return status, printed.out + printed.err


def test_check_names_what_is_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's exit status is 1 if a threshold is missed, and each is named."""
    good, bad = str(tmp_path / "good.json"), str(tmp_path / "bad.json")
    forged().save(good)
    results = forged(1.3)
    results.words[Key("stop", "restart", "spdl")] = "not installed"
    results.save(bad)
    assert run(capsys, "--load", good, "--check")[0] == 0
    status, printed = run(capsys, "--load", bad, "--check")
    assert status == 1
    assert "missed: hand-off at buffer 256 against prefetch_generator: 3.846, should be" in printed
    assert "at buffer 256 against the limit" not in printed
    assert "not installed" in printed
    assert run(capsys, "--load", bad)[0] == 0
    assert "missed: overlap" not in run(capsys, "--load", bad, "--check", "--only", "stop")[1]


def test_command(tmp_path: Path) -> None:
    """It measures, saves, prints every subject that it was asked for, and draws."""
    figures, drawing = tmp_path / "figures.json", tmp_path / "plot.png"
    done = python(
        *("-m", "tests.benchmarks", "--quick", "--rounds", "2", "--only", "handoff"),
        *("--subject", OURS, "--subject", PrefetchGenerator.NAME),
        *("--json", str(figures), "--plot", str(drawing)),
        timeout=60,
        folder=Path(__file__).parents[2],
        PYTHONIOENCODING="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = Results.load(str(figures))
    assert {key.subject for key in loaded.values} == {OURS, PrefetchGenerator.NAME}
    assert all(len(values) == 2 for values in loaded.values.values())
    assert drawing.read_bytes().startswith(b"\x89PNG")
    row = next(line for line in done.stdout.splitlines() if OURS in line)
    assert row.count("·") == 10


def test_nothing_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """If nobody has an answer there is nothing to save or to check, and that is said."""
    monkeypatch.setattr(command, "measured", lambda *_: Results())
    status, printed = run(capsys, "--check", "--json", str(tmp_path / "figures.json"))
    assert status == 2
    assert "nothing was measured" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "speed"], "argument --only: invalid choice: 'speed'"),
        (["--subject", "tensorflow"], "argument --subject: invalid choice: 'tensorflow'"),
        (["--rounds", "0"], "argument --rounds: must be a number from 1 on, not '0'"),
        (["--rounds", "many"], "argument --rounds: must be a number from 1 on, not 'many'"),
        (["--cpu", "-1"], "argument --cpu: must be a number from 0 on, not '-1'"),
        (["--cpu", "99999"], "argument --cpu: there is no processor 99999"),
        (["--cpu", "0", "--unpinned"], "not allowed with argument"),
        (["--json", "nowhere/a.json"], "argument --json: cannot be written: 'nowhere/a.json'"),
        (["--plot", "nowhere/plot.png"], "argument --plot: cannot be written: 'nowhere/plot.png'"),
        (["--plot", "plot.png", "--only", "stop"], "argument --plot: draws the hand-off"),
        (["--plot", "plot.txt"], "argument --plot: 'plot.txt' is in none of the formats eps, "),
        (["--load", "nowhere.json"], "--load nowhere.json: not figures of --json"),
        (["--load", __file__], "not figures of --json"),
    ],
)
def test_bad_arguments(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad argument is named with its value, and nothing is measured."""
    status, printed = run(capsys, *arguments)
    assert status == 2
    assert words in printed


def test_a_hand_over_takes_all() -> None:
    """A hand-off takes as many batches as it is timed for, beside the first."""
    taken = 0

    class Counted(NoPrefetch):
        def start(self) -> Iterator[Any]:
            nonlocal taken
            for batch in self.source():
                taken += 1
                yield batch

    assert hand_over(Counted, 1, 100) > 0
    assert taken == 101

"""Every schedule of small programs on the real shell, and that the search would see a fault."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import suppress
from functools import partial
from random import Random

import pytest
from rich.console import Console

from .control import Races
from .explore import search
from .explore.__main__ import search_all, show
from .explore.fingerprint import digest
from .explore.reach import differing
from .explore.sample import Pct, Uniform, sample, shrink
from .explore.schedule import (
    ScheduleError,
    name_of,
    parse,
    play,
    program_of,
    record,
    rows,
    switches,
)
from .explore.search import Bound, explore
from .planted import FOUND, PLANTED, plant
from .schedules import PROGRAMS, Wrong, running

SMALL = ("prefetch", "unbuffered", "1/0/Enter,Exit/batch", "1/1/Enter,Allow/exhausted")


@pytest.mark.parametrize("name", SMALL)
def test_no_schedule_fails(name: str) -> None:
    """Whoever goes on when, nothing is wrong, and the shell takes all steps that it could."""
    graph = explore(program_of(name))
    assert graph.failure() is None
    taken, reachable, others = differing(program_of(name), graph.edges)
    assert (taken, others) == (reachable, 0)


@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize("size", ["1/0", "1/1", "2/2"])
def test_no_program_of_few_calls_fails(size: str, calls: int) -> None:
    """Whatever is called and answered, nothing is wrong, and all steps are taken."""
    program = program_of(f"{size}/{calls}")
    graph = explore(program)
    assert graph.failure() is None
    taken, reachable, others = differing(program, graph.edges)
    assert (taken, others) == (reachable, 0)


def test_no_schedule_fails_with_time_outs() -> None:
    """Nor if whoever waits looks around by himself at any time."""
    graph = explore(PROGRAMS["prefetch"], timeouts=True)
    assert graph.failure() is None
    assert graph.runs > explore(PROGRAMS["prefetch"]).runs


@pytest.mark.parametrize("name", PLANTED)
def test_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is found by a shortest schedule, whose string shows it again."""
    function, old, new, text, kind, timeouts = PLANTED[name]
    program, races = program_of(text), Races()
    plant(monkeypatch, function, old, new)
    graph = explore(program, races, timeouts)
    failure = graph.failure()
    assert failure is not None
    wrong, moves = failure
    assert wrong.kind == kind
    assert all(len(moves) <= graph.nodes[node].depth + 1 for node, _, _ in graph.failures)
    schedule = record(program, moves, races, timeouts)
    assert parse(str(schedule)) == schedule
    shown = play(parse(str(schedule)))
    assert shown is not None
    assert shown.kind == kind
    monkeypatch.undo()
    with suppress(ScheduleError):  # the shell may have no such schedule
        assert play(schedule) is None, "it is not the bug's doing"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="steps are counted as 3.11 takes them")
@pytest.mark.parametrize("name", FOUND)
def test_bug_that_was_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug that was found shows itself again under its schedule."""
    function, old, new, schedule, words = FOUND[name]
    plant(monkeypatch, function, old, new)
    wrong = play(parse(schedule))
    assert wrong is not None
    assert words in str(wrong)


def test_planting_needs_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that fits nowhere is an error."""
    with pytest.raises(ValueError, match="occurs 0 times"):
        plant(monkeypatch, "_Core.join", "no such text", "")


@pytest.mark.parametrize("name", SMALL)
def test_random_schedules_come_to_nothing_new(name: str) -> None:
    """Executions that look alike go on alike: chance meets none that the search has not."""
    program, races = program_of(name), Races()
    graph = explore(program, races)
    edges: dict[int, dict[str, int]] = {}
    for source, move, target in graph.moves:
        edges.setdefault(source, {})[move] = target
    for seed in range(40):
        random = Random(seed)
        with running(program, races) as run:
            node = 0
            while moves := run.moves():
                assert edges[node].keys() == set(moves)
                move = random.choice(moves)
                run.move(move)
                node = edges[node][move]
                assert graph.digests.get(digest(run)) == node
            assert set(run.edges) <= graph.edges


def test_a_digest_that_sees_less_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """That comparison fails where executions are taken for one that are not."""
    monkeypatch.setattr("tests.explore.fingerprint.place", lambda code, at: code.co_name)
    monkeypatch.setattr(search, "digest", digest)
    with pytest.raises(AssertionError):
        [test_random_schedules_come_to_nothing_new(name) for name in SMALL]


def test_search_is_bounded() -> None:
    """A search that finds more than it may says so."""
    with pytest.raises(Bound, match="more than 50"):
        explore(PROGRAMS["gate"], most=50)


CHOOSERS = {"uniform": Uniform, "pct": partial(Pct, depth=3, steps=1000)}


@pytest.mark.parametrize("choose", CHOOSERS)
@pytest.mark.parametrize("text", ["1/0/40", "2/2/40", "4/3/40", "2/0/20//20"])
def test_samples_of_long_programs(text: str, choose: str) -> None:
    """Longer programs of one user and of two, at random and by priorities, show nothing wrong."""
    program, races, seen = program_of(text), Races(), set()
    for seed in range(12):
        schedule, wrong = sample(program, CHOOSERS[choose](seed), races)
        assert wrong is None, f"{wrong}: {schedule}"
        seen.add(schedule)
    assert len(seen) == 12


@pytest.mark.parametrize("choose", CHOOSERS)
def test_sample_is_shrunk(choose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing sample of a long program shrinks to a short one that fails alike."""
    plant(monkeypatch, *PLANTED["consumer not woken"][:3])
    program, races = program_of("2/2/40"), Races()
    samples = (sample(program, CHOOSERS[choose](seed), races) for seed in range(1, 50))
    schedule, wrong = next((s, w) for s, w in samples if w is not None)
    shrunk = shrink(schedule, wrong, tries=500)
    shown = play(parse(str(shrunk)))
    assert shown is not None
    assert shown.kind == wrong.kind
    assert switches(shrunk.moves) <= switches(schedule.moves)
    assert len(shrunk.moves) <= len(schedule.moves)
    assert isinstance(shrunk.program.calls, int)
    assert shrunk.program.calls < 40


@pytest.mark.parametrize("name", PROGRAMS)
def test_names_of_programs(name: str) -> None:
    """A program is found by its name, and another by its parts."""
    program = PROGRAMS[name]
    assert program_of(name_of(program)) == program
    other = program._replace(capacity=7)
    assert program_of(name_of(other)).calls == other.calls
    assert name_of(program_of(name_of(other))) == name_of(other)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("gate", "is no schedule"),
        ("gates:1", "'gates' is no program"),
        ("1/0/Leave:1", "'Leave' in '1/0/Leave' is no call"),
        ("1/0/Enter/two:1", "'two' in '1/0/Enter/two' is no answer"),
        ("gate:1x0", "'1x0' is no move"),
        ("gate:1.2", "move 2, 2, cannot be made: 1 can go on"),
        ("gate:1~", "move 1, 1~, cannot be made"),
    ],
)
def test_strings_that_fit_nothing(text: str, match: str) -> None:
    """What a string says that cannot be played is named."""
    with pytest.raises(ScheduleError, match=match):
        play(parse(text))


def test_rows_show_what_changes() -> None:
    """The table of a schedule shows each step of the machine."""
    schedule, _ = sample(PROGRAMS["unbuffered"], Uniform(0), Races())
    steps, wrong = rows(schedule)
    assert wrong is None
    assert any(step.operation == "pull" for step in steps)
    assert sum(step.before != step.after for step in steps) > 5


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "tests.explore", *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_command() -> None:
    """The command says what it found, and by its status whether all holds."""
    done = command("prefetch", "unbuffered", "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("holds ") == 2
    bounded = command("gate", "--most", "10", "--jobs", "1")
    assert bounded.returncode == 2
    assert "more than 10" in bounded.stdout
    bad = command("--replay", "gate:9")
    assert bad.returncode == 2
    assert "cannot be made" in bad.stderr
    assert command("prefetch", "--pct", "2", "--runs", "5").returncode == 0


def test_command_shows_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing schedule is shown as a table, with the string that replays it."""
    plant(monkeypatch, *PLANTED["a stop that does not wait"][:3])
    console = Console(width=150, record=True, file=io.StringIO())
    program = program_of("1/0/Enter,Exit/batch")
    assert search_all(console, [program], timeouts=False, most=1000, jobs=1) == 1
    text = console.export_text()
    assert "leaked thread" in text
    replay = text.partition("--replay '")[2].partition("'")[0]
    wrong = show(console, parse(replay))
    assert isinstance(wrong, Wrong)
    assert wrong.kind == "leaked thread"

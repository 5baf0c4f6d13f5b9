"""Every schedule of programs with few preemptions, on the real shell; and that a fault is seen."""

from __future__ import annotations

import io
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ..support.processes import python
from . import repeats
from .__main__ import search_all, show
from .planted import HARMLESS, PLANTED, plant
from .programs import PROGRAMS
from .schedules import Run, shell
from .search import Bound, Result, Search
from .strings import Schedule, ScheduleError, name_of, parse, play, program_of


def search(program: str, bound: Bound, whole: bool = True, **options: Any) -> Result:
    """All schedules of the program within the bound, or up to one that fails."""
    with shell() as stage:
        searching = Search(program_of(program), bound, stage, **options)
        while searching.advance(1000 if whole else 100):
            if searching.result.found is not None and not whole:
                break
    return searching.result


@pytest.mark.parametrize("recorded", [False, True], ids=["plain", "recorded"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_schedule_fails(name: str, recorded: bool) -> None:
    """Nothing is wrong with one preemption, wherever that is; and all steps are the machine's.

    (Two users with a record are left to the command, but for schedules without a preemption.)
    """
    fewest = search(name, Bound(0), recorded=recorded)
    assert fewest.found is None, fewest.found
    if not (recorded and PROGRAMS[name].other):
        result = search(name, Bound(1), recorded=recorded)
        assert result.found is None, result.found
        assert result.executions > fewest.executions or name == "unbuffered"  # it has one thread


@pytest.mark.parametrize("program", ["prefetch", "1/0/Enter,Allow,Prefetched,Exit/1,2,3"])
def test_no_schedule_fails_with_two_preemptions(program: str) -> None:
    """Nor with two, in programs for which that is done soon."""
    assert search(program, Bound(2)).found is None


def test_no_end_is_recorded_twice() -> None:
    """Of two consumers that come to the same mark, one reports it; it takes two preemptions."""
    assert search("two-consumers-outside", Bound(2), recorded=True).found is None


def test_no_schedule_fails_with_time_outs() -> None:
    """Nor if a sleeping thread looks again by itself."""
    result = search("prefetch", Bound(1, time_outs=1))
    assert result.found is None
    assert result.executions > search("prefetch", Bound(1)).executions


def test_light_sleeps_end() -> None:
    """Nobody rings a worker that sleeps lightly when a gate is opened; it goes on all the same."""
    calls = "Enter,Next,Allow,Disallow,Allow,Prefetched,Disallow,Exit"
    assert search(f"1/0/{calls}/1,2", Bound(1)).found is None


RECORDED = ("prefetch", "misuse", "epochs-of-one", "interrupted-stop", "two-consumers-shut")


@pytest.mark.parametrize("name", RECORDED)
def test_every_record_is_a_behaviour(name: str) -> None:
    """What is written to a record, line after line, is a behaviour, whoever writes when."""
    assert search(name, Bound(1), written=True).found is None


@pytest.mark.timeout(400)  # one takes 12,000 schedules
@pytest.mark.parametrize("name", PLANTED)
def test_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is found with the fewest preemptions, by a schedule whose string shows it again."""
    planted = PLANTED[name]
    kind, preemptions = planted.violated, planted.constants.get("preemptions", 1)
    plant(monkeypatch, planted.action, *planted.edits[0])
    searches = (search(planted.spec, Bound(most), whole=False) for most in range(preemptions + 1))
    found = next(result.found for result in searches if result.found is not None)
    assert found.wrong.kind == kind
    assert sum(turn.preempts for turn in found.turns) <= preemptions
    schedule = Schedule(program_of(planted.spec), found.turns)
    _, shown = play(parse(str(schedule)))
    assert shown is not None
    assert shown.kind == kind
    monkeypatch.undo()
    with suppress(ScheduleError):  # the shell may have no such schedule
        assert play(schedule)[1] is None, "it is not the bug's doing"


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_edit_shows_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the search does not find is said to be harmless for a reason."""
    planted = HARMLESS[name]
    plant(monkeypatch, planted.action, *planted.edits[0])
    assert search(planted.spec, Bound(1)).found is None


def test_planting_needs_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that fits nowhere is an error."""
    with pytest.raises(ValueError, match="occurs 0 times"):
        plant(monkeypatch, "scope.join", "no such text", "")


def happened(run: Run) -> object:
    """All that a run shows: what each actor accessed, and each thing's writers and readers."""
    control = run.control
    actors: Any = defaultdict(list)
    places: Any = defaultdict(list)
    for ident, begin, end in control.turns:
        for place, write in control.accesses[begin:end]:
            actors[ident].append((place, write))
            then = places[place]
            if write:
                then.append(ident)
            elif then and isinstance(then[-1], frozenset):
                then[-1] |= {(ident, len(actors[ident]))}
            else:
                then.append(frozenset([(ident, len(actors[ident]))]))
    return hash((str(sorted(actors.items())), tuple((p, tuple(places[p])) for p in sorted(places))))


REPEATED = {
    "one preemption": ("prefetch", Bound(1)),
    "two preemptions": ("1/0/Enter,Exit/1", Bound(2)),
    "interrupts": ("1/1/Enter,NextInterrupted/1", Bound(1)),
    "time-outs": ("prefetch", Bound(1, time_outs=1)),
    "two users": ("two-consumers-outside", Bound(1)),
}


@pytest.mark.parametrize("name", REPEATED)
def test_what_is_left_out_is_repeated(name: str) -> None:
    """Without the schedules that show the same as others, the same is shown, by fewer."""
    program, bound = REPEATED[name]
    few = search(program, bound, outcome=happened)
    all_of_them = search(program, bound, outcome=happened, reduced=False)
    assert few.outcomes == all_of_them.outcomes
    assert few.executions < all_of_them.executions


def test_too_much_left_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """That comparison fails if something that threads share is taken for nobody's."""
    real = repeats.conflict

    def blind(some: repeats.Accesses, others: repeats.Accesses) -> bool:
        return real([a for a in some if a[0] != "Run.progress"], others)

    monkeypatch.setattr(repeats, "conflict", blind)
    with pytest.raises(AssertionError):
        test_what_is_left_out_is_repeated("one preemption")


@pytest.mark.parametrize("name", PROGRAMS)
def test_names_of_programs(name: str) -> None:
    """A program is found by its name, and another by its parts."""
    other = PROGRAMS[name]._replace(capacity=7)
    for program in PROGRAMS[name], other:
        assert program_of(name_of(program)) == program


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("gate", "is no schedule"),
        ("gates:1", "'gates' is no program"),
        ("1/0/Leave:1", "'Leave' in '1/0/Leave' is no call"),
        ("1/0/Enter/two:1", "'two' in '1/0/Enter/two' is no answer"),
        ("gate:1x0", "'1x0' is no move"),
        ("gate:1.7", "7 cannot be made"),
        ("gate:1~", "1~ cannot be made"),
    ],
)
def test_strings_that_fit_nothing(text: str, match: str) -> None:
    """What a string says that cannot be played is named."""
    with pytest.raises(ScheduleError, match=match):
        play(parse(text))


def test_command() -> None:
    """The command says what it found, and by its status whether all holds."""
    words = "--program", "prefetch", "--program", "unbuffered", "--preemptions", "1"
    done = python("-m", "tests.schedules", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("holds ") == 4
    bad = python("-m", "tests.schedules", "--replay", "gate:9")
    assert bad.returncode == 2
    assert "cannot be made" in bad.stderr
    bad = python("-m", "tests.schedules", "--program", "gate", "--html", "no/such/page.html")
    assert bad.returncode == 2
    assert "argument --html: cannot be written: 'no/such/page.html'" in bad.stderr


@pytest.mark.parametrize("recorded", [False, True])
def test_command_shows_a_failure(
    recorded: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A failing schedule is shown by the string that replays it, as a table, and as a page."""
    page = tmp_path / "page.html"
    planted = PLANTED["a stop that does not wait"]
    plant(monkeypatch, planted.action, *planted.edits[0])
    console = Console(width=150, record=True, file=io.StringIO())
    program = program_of("1/0/Enter,Exit/batch")
    assert search_all(console, [program], Bound(1), recorded, page) == 1
    text = console.export_text()
    assert "leaked thread" in text
    replay = text.partition("--replay '")[2].partition("'")[0]
    shown = page.read_text(encoding="utf-8")
    assert all(word in shown for word in ("leaked thread", "user 1", "thread 2"))
    page.unlink()
    assert show(console, parse(replay), page) == 1
    assert "leaked thread" in console.export_text()
    assert "leaked thread" in page.read_text(encoding="utf-8")

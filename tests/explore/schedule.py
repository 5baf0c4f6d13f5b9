"""One schedule, spelled as a string: it names its program, and means the same in every run.

`gate~:1x12.3.1!` is thread 1 for twelve steps, thread 3 for one and an interrupt of thread 1, in
the program "gate" with time-outs. A step ends wherever anything that threads share is touched.
`1=Next` is a step and what it chooses, `2~` a time-out; `*` at the end: nobody gets to the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from kernel import stream
from kernel.machine import State, Variables

from ..control import Actor, Everywhere, Races
from ..schedules import ANSWERS, PROGRAMS, Program, Run, User, Wrong, running
from .fingerprint import frames
from .search import explore

FOREVER = "from here nobody ever comes to the end"


class ScheduleError(ValueError):
    """What a string says is no program, or no schedule of it."""


def program_of(name: str) -> Program:
    """A standard program, or CAPACITY/EPOCH_SIZE/CALLS[/ANSWERS[/CALLS OF A SECOND USER]].

    Calls and answers are separated by commas. A number of calls stands for any, and so do answers
    that are left out. Raises `ScheduleError`.
    """
    if name in PROGRAMS:
        return PROGRAMS[name]
    parts = [*name.split("/"), "", ""]
    if not 5 <= len(parts) <= 7 or not (parts[0] + parts[1]).isdigit():
        known = ", ".join(PROGRAMS)
        raise ScheduleError(f"{name!r} is no program: CAPACITY/EPOCH_SIZE/CALLS, or one of {known}")
    answers = tuple(parts[3].split(",") if parts[3] else ())
    for answer in answers:
        if answer not in (*ANSWERS, "None"):
            raise ScheduleError(f"{answer!r} in {name!r} is no answer, as {', '.join(ANSWERS)} are")
    return Program(
        int(parts[0]),
        int(parts[1]),
        calls_of(name, parts[2]),
        tuple(None if answer == "None" else answer for answer in answers),
        calls_of(name, parts[4]) if parts[4] else (),
    )


def calls_of(name: str, text: str) -> tuple[str, ...] | int:
    """The calls in the name of a program. Raises `ScheduleError`."""
    if text.isdigit():
        return int(text)
    calls = tuple(text.split(","))
    for call in calls:
        if not hasattr(User, f"call_{call}"):
            raise ScheduleError(f"{call!r} in {name!r} is no call")
    return calls


def name_of(program: Program) -> str:
    """The name by which `program_of` finds it."""
    for name, standard in PROGRAMS.items():
        if standard == program:
            return name
    answers = [a if a in ANSWERS else "None" if a is None else "batch" for a in program.answers]
    parts = [program.calls, answers, program.other]
    words = [str(p) if isinstance(p, int) else ",".join(p) for p in parts]
    return f"{program.capacity}/{program.epoch_size}/{'/'.join(words)}".rstrip("/")


class Schedule(NamedTuple):
    """Moves of a program."""

    program: Program
    moves: tuple[str, ...]
    timeouts: bool = False
    forever: bool = False

    def __str__(self) -> str:
        runs = [(move, len(list(same))) for move, same in groupby(self.moves)]
        spelled = ".".join(move if times == 1 else f"{move}x{times}" for move, times in runs)
        mark = "~" if self.timeouts else ""
        return f"{name_of(self.program)}{mark}:{spelled}{'*' if self.forever else ''}"


def parse(text: str) -> Schedule:
    """The schedule that a string spells. Raises `ScheduleError`."""
    name, colon, spelled = text.rpartition(":")
    if not colon:
        raise ScheduleError(f"{text!r} is no schedule: PROGRAM:MOVES")
    moves: list[str] = []
    for word in spelled.removesuffix("*").split(".") if spelled.removesuffix("*") else ():
        found = re.fullmatch(r"(\d+(?:=\w+?|[!~])?)(?:x([1-9]\d*))?", word)
        if found is None:
            raise ScheduleError(f"{word!r} is no move, as 1, 1x12, 1=Next, 1! and 1~ are")
        moves += [found[1]] * int(found[2] or 1)
    program = program_of(name.removesuffix("~"))
    return Schedule(program, tuple(moves), name.endswith("~"), spelled.endswith("*"))


class Step(NamedTuple):
    """What a move did."""

    move: str
    thread: str
    operation: str
    where: str  # in the shell
    before: State  # of the machine
    after: State


def play(schedule: Schedule, seen: Callable[[Step], None] = lambda step: None) -> Wrong | None:
    """Run the schedule; returns what it shows to be wrong, if anything.

    Raises `ScheduleError` where it says that somebody goes on who cannot.
    """
    with running(schedule.program, Everywhere()) as run:
        try:
            for at, move in enumerate(schedule.moves, 1):
                moves = run.moves(schedule.timeouts)
                if move not in moves:
                    can = ", ".join(moves) or "nobody: that is the end"
                    raise ScheduleError(f"move {at}, {move}, cannot be made: {can} can go on")
                made(run, move, seen)
            run.moves(schedule.timeouts)
        except Wrong as wrong:
            return wrong
    if schedule.forever:
        graph = explore(schedule.program, Everywhere(), schedule.timeouts, prefix=schedule.moves)
        if not graph.ends and not graph.failures:
            return Wrong("livelock", FOREVER)
    return None


def made(run: Run, move: str, seen: Callable[[Step], None]) -> None:
    """Make a move, and show it."""
    actor = run.control.actors[int(re.match(r"\d+", move)[0]) - 1]  # type: ignore[index]
    operation, where, before = actor.operation, place(actor), run.now
    user = next((f"user {n}" for n, u in enumerate(run.users, 1) if u.actor is actor), "worker")
    operation = {"!": "interrupt", "~": "time-out"}.get(move[-1], operation)
    if "=" in move:
        operation += " " + move.partition("=")[2]
    try:
        run.move(move)
    finally:
        seen(Step(move, f"{actor.ident} {user}", operation, where, before, run.now))


def place(actor: Actor) -> str:
    """Where in the shell an actor is."""
    for frame in frames(actor):
        if frame.f_code.co_filename == stream.__file__:
            return f"{frame.f_code.co_name}:{frame.f_lineno}"
    return ""


def change(before: State, after: State) -> str:
    """What of the state is new."""
    pairs = zip(Variables._fields, before, after, strict=True)
    return ", ".join(f"{name} {new}" for name, old, new in pairs if old != new)


def rows(schedule: Schedule) -> tuple[list[Step], Wrong | None]:
    """The steps of a schedule, those without much to see taken together with the one before."""
    found: list[Step] = []

    def seen(step: Step) -> None:
        goes_on = bool(found) and found[-1].thread == step.thread and step.before == step.after
        if not (goes_on and step.operation.startswith(("read", "write"))):
            found.append(step)

    wrong = play(schedule, seen)
    return found, wrong


def record(
    program: Program, moves: Iterable[str], races: Races, timeouts: bool = False
) -> Schedule:
    """The same moves of a search, whose points were those of `races`, as a schedule."""
    made: list[str] = []
    wrong: Wrong | None = None
    with running(program, races) as run:
        try:
            for move in moves:
                try:
                    run.move(move)
                finally:
                    made += spread(run, move)
            run.moves(timeouts)
        except Wrong as caught:
            wrong = caught
    return Schedule(program, tuple(made), timeouts, wrong is None)


def spread(run: Run, move: str) -> list[str]:
    """A move that was just made, as the moves that it is where everything is a point."""
    who = re.match(r"\d+", move)[0]  # type: ignore[index]
    return [move, *[who] * run.control.actors[int(who) - 1].skipped]


def switches(moves: Sequence[str]) -> int:
    """How often another thread goes on, or an interrupt or a time-out comes."""
    who = [re.match(r"\d+", move)[0] for move in moves]  # type: ignore[index]
    struck = sum(move[-1] in "!~" for move in moves)
    return struck + sum(a != b for a, b in pairwise(who))

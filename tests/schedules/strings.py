"""One schedule, spelled as a string: it names its program, and means the same in every run.

`gate:1x12.3.1!` is actor 1 for twelve steps, 3 for one, and an interrupt of 1, in the program
"gate". A step ends in front of whatever the next one touches. `1=Next` is a step and what it
chooses, `2~` a time-out. After the last entry the running actor goes on; where it has to wait, the
first actor that can run does. With `gate@recorded` the stream goes the way of a recorded one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .control import Actor
from .programs import ANSWERS, PROGRAMS, Program, program
from .schedules import Run, shell
from .search import MOST, Turn, number
from .users import User, Wrong

RECORDED = "@recorded"


class ScheduleError(ValueError):
    """What a string says is no program, or no schedule of it."""


def program_of(name: str) -> Program:
    """A standard program, or one that is spelled as `programs.program` has it.

    A number of calls stands for any, and so do answers that are left out. Raises `ScheduleError`.
    """
    if name in PROGRAMS:
        return PROGRAMS[name]
    if not re.fullmatch(r"\d+!?\+?/\d+/[^/]+(/[^/]*){,2}", name):
        known = ", ".join(PROGRAMS)
        raise ScheduleError(f"{name!r} is no program: CAPACITY/EPOCH_SIZE/CALLS, or one of {known}")
    found = program(name)
    for calls in (found.calls, found.other):
        for call in () if isinstance(calls, int) else calls:
            if not hasattr(User, f"call_{call}"):
                raise ScheduleError(f"{call!r} in {name!r} is no call")
    for answer in found.answers:
        if answer not in (*ANSWERS, None):
            raise ScheduleError(f"{answer!r} in {name!r} is no answer, as {', '.join(ANSWERS)} are")
    return found


def name_of(program: Program) -> str:
    """The name by which `program_of` finds it."""
    for name, standard in PROGRAMS.items():
        if standard == program:
            return name
    answers = [a if a in ANSWERS else "None" if a is None else "batch" for a in program.answers]
    parts = [program.calls, answers, program.other]
    words = [str(part) if isinstance(part, int) else ",".join(part) for part in parts]
    marks = "!" * program.impatient + "+" * program.lookahead
    capacity = f"{program.capacity}{marks}"
    return f"{capacity}/{program.epoch_size}/{'/'.join(words)}".rstrip("/")


class Schedule(NamedTuple):
    """A schedule of a program."""

    program: Program
    turns: tuple[Turn, ...]
    recorded: bool = False

    def __str__(self) -> str:
        moves = ".".join(spelled(self.turns))
        return f"{name_of(self.program)}{RECORDED if self.recorded else ''}:{moves}"


def spelled(turns: Iterable[Turn]) -> Iterator[str]:
    """Each turn as a word; those of an actor that goes on plainly are one."""
    move, steps = "", 0
    for turn in turns:
        if turn.move != move or not move.isdecimal():
            if steps:
                yield word(move, steps)
            move, steps = turn.move, 0
        steps += turn.steps
    if steps:
        yield word(move, steps)


def word(move: str, steps: int) -> str:
    return move if steps == 1 else f"{move}x{steps}"


def parse(text: str) -> Schedule:
    """The schedule that a string spells. Raises `ScheduleError`."""
    name, colon, moves = text.rpartition(":")
    if not colon:
        raise ScheduleError(f"{text!r} is no schedule: PROGRAM:MOVES")
    turns = []
    for part in moves.split(".") if moves else ():
        found = re.fullmatch(r"([1-9]\d*(?:=\w+?|[!~])?)(?:x([1-9]\d*))?", part)
        if found is None:
            raise ScheduleError(f"{part!r} is no move, as 1, 1x12, 1=Next, 1! and 1~ are")
        turns.append(Turn(found[1], int(found[2] or 1)))
    program = program_of(name.removesuffix(RECORDED))
    return Schedule(program, tuple(turns), name.endswith(RECORDED))


class Row(NamedTuple):
    """What a turn did."""

    turn: str
    actor: str
    actions: str  # of the machine
    then: str  # what the actor is in front of
    where: str  # in the shell


def play(schedule: Schedule) -> tuple[list[Row], Wrong | None]:
    """Run the schedule; what it does, and what it shows to be wrong.

    Raises `ScheduleError` where an actor should go on that cannot.
    """
    rows: list[Row] = []
    with shell() as stage:
        run = Run(schedule.program, stage, everywhere=True, recorded=schedule.recorded)
        try:
            for turn in all_turns(run, schedule):
                noted = len(run.steps.lines)
                check(run, turn.move)
                try:
                    make(run, turn)
                finally:
                    rows.append(row(run, turn, noted))
            run.judge()
        except Wrong as wrong:
            return rows, wrong
        finally:
            run.control.close()
    return rows, None


def all_turns(run: Run, schedule: Schedule) -> Iterator[Turn]:
    """Those that it has, and single steps to the end. Raises `Wrong` where nobody can go on."""
    actor = 0
    for turn in schedule.turns:
        yield turn
        actor = number(turn.move)
    for _ in range(MOST):
        moves = run.moves()
        if not moves:
            return
        own = [move for move in moves if number(move) == actor]
        yield Turn((own or moves)[0])
        actor = number((own or moves)[0])
    raise Wrong("livelock", f"no end after {MOST} steps")


def make(run: Run, turn: Turn) -> None:
    """Make the steps."""
    move = turn.move
    for _ in range(turn.steps):
        check(run, move)
        run.move(move)
        move = str(number(turn.move))


def check(run: Run, move: str) -> None:
    """Raises `ScheduleError` if the move cannot be made."""
    able = [way for actor in run.able() for way in run.ways(actor)]
    if move not in (*able, *run.interrupts(), *run.time_outs(light=False)):
        raise ScheduleError(f"{move} cannot be made: {', '.join(able) or 'nobody'} can go on")


def row(run: Run, turn: Turn, noted: int) -> Row:
    """What the turn did, which had noted that number of lines before."""
    actor = run.control.actors[number(turn.move) - 1]
    user = next((n for n, user in enumerate(run.users, 1) if user.actor is actor), 0)
    call = run.users[user - 1].call if user else ""
    return Row(
        word(*turn[:2]),
        f"user {user} {call}".rstrip() if user else f"thread {actor.ident}",
        " ".join(line.action for line in run.steps.lines[noted:]),
        "" if actor.ended else actor.operation,
        place(actor),
    )


def place(actor: Actor) -> str:
    """Where in the shell the actor is."""
    frame = actor.greenlet.gr_frame
    while frame is not None and "/kernel/" not in frame.f_code.co_filename:
        frame = frame.f_back
    if frame is None:
        return ""
    return f"{frame.f_code.co_name}, {frame.f_globals['__name__']}:{frame.f_lineno}"

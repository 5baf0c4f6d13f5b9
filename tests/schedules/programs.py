"""Programs: what users call, and what the source answers; and how they are spelled."""

from __future__ import annotations

from typing import Any, NamedTuple

ANSWERS = ("batch", "exhausted", "raised")


class Program(NamedTuple):
    """What the users call, and what the source answers.

    Calls are "Enter", "Exit", "Allow", "Disallow", "Next"; "Interrupted" and "NextInterrupted": an
    Exit or a Next at which Ctrl-C may strike while it waits; "EnterDead": an Enter whose thread
    cannot start; "Prefetched": wait until nobody else can go on, and find the buffer full; "Get":
    what there is now; "Restart"; "Close"; "Start" the second user, and "Join" it. A number stands
    for so many calls, whichever they are.
    """

    capacity: int
    epoch_size: int
    calls: tuple[str, ...] | int
    answers: tuple[Any, ...] = ()  # batches, "exhausted", "raised"; from the first again when used
    # up. None at all stands for any of `ANSWERS`, each time
    other: tuple[str, ...] | int = ()  # calls of a second user
    lookahead: bool = False
    impatient: bool = False  # a stop gives up a worker that is in a pull

    @property
    def script(self) -> tuple[str, ...] | int:
        """The calls, with two that show what is left."""
        return self.calls if isinstance(self.calls, int) else (*self.calls, "Next", "Next")


_PROGRAMS = """
restart: 2/0/Enter,Allow,Next,Exit,Enter,Next,Next,Disallow,Exit,Next/1,2,exhausted
stop-at-a-boundary: 3/2/Enter,Allow,Exit,Enter,Next,Next,Next,Exit,Enter,Next/1,2,3,exhausted
gate: 1/3/Enter,Allow,Allow,Disallow,Next,Disallow,Next,Next,Next,Exit/1,exhausted,2,3,4,exhausted
errors: 2/2/Enter,Next,Allow,Next,Next,Exit,Next,Enter,Next,Next,Exit/1,raised,2,raised,exhausted,3,exhausted
prefetch: 2/0/Enter,Allow,Prefetched,Next,Prefetched,Exit,Next/1,2,3,4
epochs-of-one: 2/1/Enter,Allow,Next,Next,Exit,Enter,Next,Next/1,exhausted
empty-passes: 2/3/Enter,Allow,Next,Next,Next,Exit,Next/exhausted,1,exhausted
interrupted-stop: 2/2/Enter,Allow,Next,Interrupted,Enter,Next,Next,Exit/1,2,3
death: 2/2/Enter,Allow,Next,Exit,EnterDead,Next,Next,Next,Exit,Next/1,2,3,exhausted
lookahead: 2+/1/Enter,Allow,Prefetched,Next,Next,Exit,Next,Enter,Next,Next/1,2,exhausted,3,raised
lookahead-by-passes: 2+/0/Enter,Allow,Next,Next,Next,Next,Disallow,Next,Exit,Next/1,exhausted,2,exhausted,exhausted
lookahead-interrupted: 1+/1/Enter,Allow,NextInterrupted,Interrupted,Enter,NextInterrupted,Exit/1,2,exhausted
misuse: 1/0/Enter,Enter,Allow,Next,Next,Exit,Next,Next/None,1,exhausted
unbuffered: 0/2/Next,Next,Next,Enter,Next,Exit,Next/1,exhausted,raised,2
interrupted-next: 1/2/Enter,NextInterrupted,Allow,NextInterrupted,Exit,NextInterrupted/1,exhausted,2,raised
two-consumers: 1/2/Enter,Allow,Start,Next,Join,Exit/1,2,exhausted/Next,Next
two-consumers-shut: 1/0/Enter,Start,Next,Join/1,raised/Next
two-consumers-outside: 1/0/Enter,Exit,Start,Next,Join/1,exhausted/Next,Next
two-consumers-hurried: 1/0/Enter,Start,Next,Get,Join/1,exhausted/Get,Get
closed-by-another: 1/0/Enter,Allow,Start,Next,Join,Enter/1,exhausted/Exit
entered-by-another: 1/0/Enter,Allow,Exit,Start,Next,Join/1,2/Enter,Exit
left-by-two: 1/0/Enter,Start,Exit,Enter,Next,Join/1,raised/Exit
closed-while-waiting: 1/0/Enter,Start,Next,Next,Join/1,raised/Exit
started-over: 2/3/Enter,Allow,Next,Restart,Get,Next,Next,Disallow,Restart,Exit,Restart/1,2,exhausted,3
closed: 2/2/Enter,Allow,Next,Get,Close,Next,Close,Exit/1,2,3,exhausted
closed-by-a-reader: 1/0/Enter,Start,Next,Join/1,raised/Close
started-over-by-another: 1/0/Enter,Allow,Start,Next,Join/1,2/Restart
started-over-and-left: 1/0/Enter,Start,Exit,Join/1,2/Restart
started-over-and-entered: 1/0/Start,Enter,Next,Join/1,2/Restart
given-up: 2!/0/Enter,Allow,Next,Exit,Next,Enter,Next/1,2,3
given-up-with-lookahead: 2!+/1/Enter,Allow,Next,Exit,Next,Next,Enter,Next/1,2,3
given-up-at-an-end: 2!/2/Enter,Allow,Exit,Next,Next,Next,Enter,Next/1,2,3
given-up-at-an-error: 2!/0/Enter,Allow,Exit,Next,Next,Enter,Next/raised,1,exhausted
given-up-while-waiting: 1!/0/Enter,Start,Exit,Join,Enter/1,2/Next
"""  # noqa: E501  # a line a program


def program(text: str) -> Program:
    """CAPACITY/EPOCH_SIZE/CALLS[/ANSWERS[/CALLS OF A SECOND USER]].

    A capacity that ends in + is with lookahead, and one with ! is of a stream that is impatient. A
    batch may be a number, which says nothing.
    """
    capacity, epoch_size, calls, answers, other = [*text.split("/"), "", ""][:5]
    return Program(
        int(capacity.rstrip("+!")),
        int(epoch_size),
        named(calls),
        tuple(answer(word) for word in answers.split(",") if word),
        named(other),
        "+" in capacity,
        "!" in capacity,
    )


def named(calls: str) -> tuple[str, ...] | int:
    """Calls, or a number of them."""
    return int(calls) if calls.isdecimal() else tuple(word for word in calls.split(",") if word)


def answer(word: str) -> Any:
    return "batch" if word.isdecimal() else None if word == "None" else word


PROGRAMS = {
    name: program(text) for name, text in (row.split(": ") for row in _PROGRAMS.split("\n")[1:-1])
}

"""The programs that are drawn for the rules of the contract, and how one is made smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from .programs import Program, Step

NOTIONS = {
    "scope": "`with`",
    "gate": "gate",
    "epoch_size": "epochs of fixed size",
    "profile": "profile",
    "wrapping": "errors as the cause of a ChildProcessError",
    "unbuffered": "reading without a buffer",
}
"""What a class may lack, by the name in its LACKS, and in words."""

T = TypeVar("T")

Lacks = frozenset[str]
Programs = Callable[[Random, Lacks], Program]
Steps = Callable[[Random], tuple[Step, ...]]
Last = Callable[[Program, Random, Lacks], tuple[Step, ...]]


# Programs.

EXITS = ("exit", "exit by an error")
READS = ("next", "next under Ctrl-C", "two consumers")
LAST = ("abandon", "leave the process")
DEATHS = ("fork", "enter without a thread")
MERGED = ("next", "let go", "pause")
BATCHES = ("batch",)


def tidy(
    drawn: Iterable[Step], program: Program, lacks: Lacks, misuse: tuple[str, ...]
) -> tuple[Step, ...]:
    """The steps without those that are misuse where they stand, except those of these names."""
    steps: list[Step] = []
    inside, entered, gates = False, program.buffer_size == 0 or "scope" in lacks, 0
    for do, times in drawn:
        scoped = do.startswith(("enter", "exit"))
        if (
            (scoped and "scope" in lacks)
            or (do in ("open", "close") and "gate" in lacks)
            or (do.startswith("enter") and inside and do not in misuse)
            or (do.startswith("exit") and not inside and do not in misuse)
            or (do == "close" and not gates)
            or (do == "let go" and not program.held)
            or (do == "next" and not entered and do not in misuse)
            or (do == "two consumers" and not entered)
            or ("Ctrl-C" in do and not inside and "scope" not in lacks)
        ):
            continue
        if scoped:
            inside = do.startswith("enter")
            entered = entered or inside
        gates += (do == "open") - (do == "close")
        before = steps.pop().times if steps and steps[-1].do == do and do in MERGED else 0
        steps.append(Step(do, 1 if do == "pause" else before + times))
        if do in LAST:
            break
    return tuple(steps)


def step(*do: str, most: int = 1) -> Steps:
    """Steps one after the other, each repeated up to `most` times."""
    return lambda random: tuple(Step(name, random.randint(1, most)) for name in do)


def one_of(*several: Steps) -> Steps:
    """Any of these, each as often as the others."""
    return lambda random: random.choice(several)(random)


SLOTS = 7
READ_ON = (Step("next", 8),)  # to see what was lost


def programs(
    *steps: Steps,
    items: tuple[str, ...] = BATCHES,
    first: tuple[str, ...] = (),  # items of passes that break at once: every fourth does
    passes: tuple[int, int] = (1, 3),  # least and most
    length: tuple[int, int] = (1, 4),  # of a pass
    buffered: bool = True,
    fixed: bool = True,  # epochs may be of fixed size
    held: float = 0,  # share of programs whose source is
    profiled: bool = False,
    misuse: tuple[str, ...] = (),
    last: Last = lambda *_: READ_ON,
) -> Programs:
    """Programs of these steps, which a buffered wrapper is entered for."""

    def one_pass(random: Random) -> tuple[str, ...]:
        if first and random.random() < 1 / 4:
            return (random.choice(first),)
        return tuple(random.choices(items, k=random.randint(*length)))

    def draw(random: Random, lacks: Lacks) -> Program:
        sizes = [1, 2, 3] if buffered or "unbuffered" in lacks else [0, 1, 2, 3, 2, 3]
        program = Program(
            passes=tuple(one_pass(random) for _ in range(random.randint(*passes))),
            buffer_size=random.choice(sizes),
            epoch_size=random.choice([-1, 1, 2, 3]) if fixed and "epoch_size" not in lacks else -1,
            steps=(),
            held=random.random() < held,
            profiled=profiled,
        )
        chosen = [Step("enter")] if program.buffer_size and not misuse else []
        for _ in range(random.randint(0, SLOTS)):
            chosen += random.choice(steps)(random)
        chosen += last(program, random, lacks)
        return replace(program, steps=tidy(chosen, program, lacks, misuse))

    return draw


def always(*steps: Step) -> Last:
    """Programs end with these steps."""
    return lambda *_: steps


LONG: Any = {"passes": (1, 1), "length": (30, 30), "fixed": False}  # no end is reached


def smaller(program: Program, lacks: Lacks) -> Iterator[Program]:
    """The programs with something left out, large pieces first. All are such as may be drawn."""
    steps, passes = program.steps, program.passes
    misuse = tuple(
        do
        for do in ("next", "enter", "exit")
        if tidy(steps, program, lacks, (do,)) != tidy(steps, program, lacks, ())
    )
    for fewer in without(steps, 4, 2, 1):
        yield replace(program, steps=tidy(fewer, program, lacks, misuse))
    for rest in filter(None, without(passes, 2, 1)):
        yield replace(program, passes=rest)
    if program.held:
        free = replace(program, held=False)
        yield replace(free, steps=tidy(steps, free, lacks, misuse))
    for size in (-1, 1):
        if program.epoch_size > size:
            yield replace(program, epoch_size=size)
    if program.buffer_size > 1:
        yield replace(program, buffer_size=1)
    for at, (do, times) in enumerate(steps):
        for less in sorted({1, times // 2, times - 1} - {0, times}):
            yield replace(program, steps=(*steps[:at], Step(do, less), *steps[at + 1 :]))
    for at, items in enumerate(passes):
        if 1 < len(items) < LONG["length"][0]:
            for left in without(items, 1):
                yield replace(program, passes=(*passes[:at], left, *passes[at + 1 :]))


def without(whole: tuple[T, ...], *sizes: int) -> Iterator[tuple[T, ...]]:
    """All ways to leave out that number of adjacent parts of a sequence."""
    for size in sizes:
        for start in range(len(whole) - size + 1):
            yield whole[:start] + whole[start + size :]

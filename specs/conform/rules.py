"""Rules 1 to 12 of the contract: the programs that are drawn for each, and its judge (`judges`).

Rules 13 to 16 are about our wrapper only. `kernel/README.md` lists all rules.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from . import judges
from .drawing import BATCHES, LAST, LONG, Lacks, Programs, always, one_of, programs, step
from .programs import PATIENCE, VALUES, Program, Run, Step

# What is drawn.

ENTER, EXIT, OPEN, CLOSE, PAUSE = map(step, ("enter", "exit", "open", "close", "pause"))
AGAIN = one_of(step("exit", "enter"), step("exit by an error", "enter"))
FILL = step("open", "pause")
FULL = one_of(step("open", "pause", "exit"), step("open", "pause", "exit by an error"))
NESTED = step("open", "open", "close", "close")
NEXT, GO = step("next", most=3), step("let go", most=3)
FAILURES = ("OSError", "KeyboardInterrupt", "SystemExit", "GeneratorExit")
BROKEN = ("iter: OSError", "stream_fn: OSError", "iter: StopIteration", "stream_fn: StopIteration")


def dying(program: Program, random: Random, lacks: Lacks) -> tuple[Step, ...]:
    """The worker dies without a report, or never starts; and a consumer waits for it."""
    ways: list[tuple[Step, ...]] = [(Step("fork"),)] if hasattr(os, "fork") else []
    if "scope" not in lacks:
        ways.append((Step("exit"), Step("enter without a thread")))
    return (*random.choice(ways), Step("next", program.buffer_size + 3))


def leaving(program: Program, random: Random, lacks: Lacks) -> tuple[Step, ...]:
    """Leave with a pull in flight, and as much in the buffer as there may be beside it."""
    load = Step("open"), Step("let go", max(1, program.buffer_size - 1))
    return (*load, Step("exit under Ctrl-C"), Step("enter"), Step("next", 4))


def interrupted(random: Random, lacks: Lacks) -> Program:
    """Ctrl-C in `next` and in `__exit__`; wrappers that nobody leaves."""
    steps = (NEXT, OPEN, PAUSE, AGAIN, EXIT)
    ways = [programs(*steps, last=lambda _, random, __: (Step(random.choice(LAST)),), **LONG)]
    if hasattr(signal, "pthread_kill"):
        struck = step("next under Ctrl-C")
        ways.append(programs(NEXT, OPEN, PAUSE, struck, last=always(Step("next", 4)), **LONG))
        if "scope" not in lacks:
            ways.append(programs(NEXT, held=1, last=leaving, **LONG))
    return random.choice(ways)(random, lacks)


# The rules.


@dataclass(frozen=True)
class Rule:
    """A rule of the contract: its programs, and how they are judged."""

    number: int
    name: str
    english: str
    programs: Programs
    judge: Callable[[Program, Run, Lacks], judges.Finding | None]
    needs: Lacks = frozenset()
    patience: float = PATIENCE


@dataclass(frozen=True)
class Verdict:
    """What was found of one rule."""

    rule: Rule
    programs: int  # that were run
    lacking: str = ""  # why the rule is not applicable, if it is not
    program: Program | None = None  # the smallest that shows a violation
    finding: judges.Finding | None = None
    seen: tuple[int, int] = (0, 0)  # number of violations, number of runs of that program

    @property
    def word(self) -> str:
        """`holds`, `violated` or `not applicable`."""
        if self.lacking:
            return "not applicable"
        return "holds" if self.finding is None else "violated"

    def __str__(self) -> str:
        told = f"rule {self.rule.number} ({self.rule.name}) {self.word}"
        if self.lacking:
            return f"{told}: {self.lacking}"
        if self.finding is None:
            return f"{told} in {self.programs} programs"
        return (
            f"{told}, seen in {self.seen[0]} of {self.seen[1]} runs of:\n{self.program}\n"
            f"expected: {self.finding.expected}\nobserved: {self.finding.observed}"
        )


RULES = {
    rule.number: rule
    for rule in (
        Rule(
            1,
            "Transparency",
            "Any mix of entering, leaving, gates and pauses reads like the source in its context.",
            programs(NEXT, AGAIN, EXIT, OPEN, CLOSE, FILL, FULL, buffered=False),
            judges.in_context,
        ),
        Rule(
            2,
            "Epochs",
            "An epoch is a pass, or so many batches; an empty pass ends it.",
            programs(*(step("next", most=6), OPEN, PAUSE), length=(0, 3), buffered=False),
            judges.transparent,
        ),
        Rule(
            3,
            "Stop preserves",
            "Leaving keeps what is buffered and pulls nothing more; the buffer is bounded.",
            programs(NEXT, AGAIN, EXIT, OPEN, CLOSE, FILL, FULL, GO, held=1 / 2),
            judges.preserving,
            frozenset({"scope"}),
        ),
        Rule(
            4,
            "Outside `with`",
            "ValueError before the first `with`; after it no thread, and reading goes on.",
            programs(
                *(NEXT, ENTER, EXIT, OPEN, PAUSE),
                passes=(1, 1),
                length=(1, 6),
                fixed=False,
                misuse=("next",),
            ),
            judges.threadless,
            frozenset({"scope"}),
        ),
        Rule(
            5,
            "Gate",
            "A pull starts only while a gate is open or a request waits.",
            programs(
                *(NEXT, OPEN, CLOSE, NESTED, FILL, GO),
                length=(1, 8),
                held=1 / 2,
                last=always(Step("next", 2), Step("pause")),  # a slot that nobody may fill
            ),
            judges.gated,
            frozenset({"gate"}),
        ),
        Rule(
            6,
            "Epoch boundary",
            "The worker does not run past the end of an epoch or an error.",
            programs(
                *(NEXT, AGAIN, EXIT, OPEN, PAUSE),
                items=("batch", "batch", "batch", "OSError"),
                length=(1, 3),
                last=always(Step("pause")),
            ),
            judges.bounded_by_epochs,
            patience=2 * PATIENCE,  # that an error is late is another rule's
        ),
        Rule(
            7,
            "Errors",
            "What the source raises comes once, behind its batches, promptly and with its cause.",
            programs(
                *(NEXT, AGAIN, EXIT, OPEN, FILL, FULL),
                items=(*BATCHES * 6, *FAILURES),
                first=BROKEN,
                buffered=False,
            ),
            judges.transparent,
        ),
        Rule(
            8,
            "Dead worker",
            "A worker that has died is noticed: nobody waits for ever.",
            programs(NEXT, OPEN, PAUSE, last=dying, **LONG),
            judges.noticing,
        ),
        Rule(
            9,
            "Misuse",
            "Entering twice, leaving unentered and a second consumer corrupt nothing.",
            programs(
                *(NEXT, ENTER, EXIT, step("two consumers")),
                buffered=False,
                misuse=("enter", "exit"),
                **LONG,
            ),
            judges.exclusive,
        ),
        Rule(
            10,
            "Interrupts",
            "Ctrl-C loses nothing that waits, and an abandoned wrapper keeps nothing alive.",
            interrupted,
            judges.interruptible,
        ),
        Rule(
            11,
            "None",
            "None and any other value is a batch like any other.",
            programs(step("next", most=4), OPEN, items=("batch", *VALUES), buffered=False),
            judges.transparent,
        ),
        Rule(
            12,
            "Profile",
            "One time for each batch delivered, none for an end or an error.",
            programs(
                *(step("next", most=4), OPEN),
                items=("batch", "batch", "OSError"),
                length=(0, 3),
                buffered=False,
                profiled=True,
                last=always(),
            ),
            judges.timed,
            frozenset({"profile"}),
            patience=2 * PATIENCE,  # that an error is late is another rule's
        ),
    )
}

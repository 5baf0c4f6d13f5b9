"""The twelve rules of the contract: their programs (`drawing`), and who judges them (`judges`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .drawing import (
    AGAIN,
    BATCHES,
    BROKEN,
    CLOSE,
    ENTER,
    EXIT,
    FAILURES,
    FILL,
    FULL,
    GO,
    LONG,
    NESTED,
    NEXT,
    OPEN,
    PAUSE,
    Lacks,
    Programs,
    always,
    dying,
    interrupted,
    programs,
    step,
)
from .judges import (
    Finding,
    bounded_by_epochs,
    exclusive,
    gated,
    interruptible,
    noticing,
    preserving,
    threadless,
    timed,
    transparent,
)
from .programs import PATIENCE, VALUES, Program, Run, Step

# The rules.


@dataclass(frozen=True)
class Rule:
    """A rule of the contract: its programs, and how they are judged."""

    number: int
    name: str
    english: str
    programs: Callable[[Lacks], Programs]
    judge: Callable[[Program, Run, Lacks], Finding | None]
    needs: Lacks = frozenset()
    patience: float = PATIENCE


RULES = {
    rule.number: rule
    for rule in (
        Rule(
            1,
            "Transparency",
            "Any mix of entering, leaving, gates and pauses reads like the source itself.",
            lambda lacks: programs(
                lacks, NEXT, AGAIN, EXIT, OPEN, CLOSE, FILL, FULL, buffered=False
            ),
            transparent,
        ),
        Rule(
            2,
            "Epochs",
            "An epoch is a pass, or so many batches; an empty pass ends it.",
            lambda lacks: programs(
                *(lacks, step("next", most=6), OPEN, PAUSE), length=(0, 3), buffered=False
            ),
            transparent,
        ),
        Rule(
            3,
            "Stop preserves",
            "Leaving keeps what is buffered and pulls nothing more; the buffer is bounded.",
            lambda lacks: programs(
                lacks, NEXT, AGAIN, EXIT, OPEN, CLOSE, FILL, FULL, GO, held=1 / 2
            ),
            preserving,
            frozenset({"scope"}),
        ),
        Rule(
            4,
            "Outside `with`",
            "ValueError before the first `with`; after it no thread, and reading goes on.",
            lambda lacks: programs(
                *(lacks, NEXT, ENTER, EXIT, OPEN, PAUSE),
                passes=(1, 1),
                length=(1, 6),
                fixed=False,
                misuse=("next",),
            ),
            threadless,
            frozenset({"scope"}),
        ),
        Rule(
            5,
            "Gate",
            "A pull starts only while a gate is open or a request waits.",
            lambda lacks: programs(
                *(lacks, NEXT, OPEN, CLOSE, NESTED, FILL, GO),
                length=(1, 8),
                held=1 / 2,
                last=always(Step("next", 2), Step("pause")),  # a slot that nobody may fill
            ),
            gated,
            frozenset({"gate"}),
        ),
        Rule(
            6,
            "Epoch boundary",
            "The worker does not run past the end of an epoch or an error.",
            lambda lacks: programs(
                *(lacks, NEXT, AGAIN, EXIT, OPEN, PAUSE),
                items=("batch", "batch", "batch", "OSError"),
                length=(1, 3),
                last=always(Step("pause")),
            ),
            bounded_by_epochs,
            patience=2 * PATIENCE,  # that an error is late is another rule's
        ),
        Rule(
            7,
            "Errors",
            "What the source raises comes once, behind its batches, promptly and with its cause.",
            lambda lacks: programs(
                *(lacks, NEXT, AGAIN, EXIT, OPEN, FILL, FULL),
                items=(*BATCHES * 6, *FAILURES),
                first=BROKEN,
                buffered=False,
            ),
            transparent,
        ),
        Rule(
            8,
            "Dead worker",
            "A worker that is gone without a word is noticed: nobody waits for ever.",
            lambda lacks: programs(lacks, NEXT, OPEN, PAUSE, last=dying(lacks), **LONG),
            noticing,
        ),
        Rule(
            9,
            "Misuse",
            "Entering twice, leaving unentered and a second consumer corrupt nothing.",
            lambda lacks: programs(
                *(lacks, NEXT, ENTER, EXIT, step("two consumers")),
                buffered=False,
                misuse=("enter", "exit"),
                **LONG,
            ),
            exclusive,
        ),
        Rule(
            10,
            "Interrupts",
            "Ctrl-C loses nothing that waits, and an abandoned wrapper keeps nothing alive.",
            interrupted,
            interruptible,
        ),
        Rule(
            11,
            "None",
            "None and any other value is a batch like any other.",
            lambda lacks: programs(
                lacks, step("next", most=4), OPEN, items=("batch", *VALUES), buffered=False
            ),
            transparent,
        ),
        Rule(
            12,
            "Profile",
            "One time for each batch delivered, none for an end or an error.",
            lambda lacks: programs(
                *(lacks, step("next", most=4), OPEN),
                items=("batch", "batch", "OSError"),
                length=(0, 3),
                buffered=False,
                profiled=True,
                last=always(),
            ),
            timed,
            frozenset({"profile"}),
            patience=2 * PATIENCE,  # that an error is late is another rule's
        ),
    )
}

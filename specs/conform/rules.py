"""The twelve rules of the contract as programs that are drawn, and judges of what came of them.

A judge compares what was observed with the oracle (`specs.epochs`) and with what its rule bounds.
No judgement rests on how fast anything is, but for PATIENCE: the sources of all programs are done
long before.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from random import Random
from typing import Any, NamedTuple

from specs.epochs import BATCH, END, epochs

from .programs import PATIENCE, VALUES, Observed, Program, Run, Source, Step

NOTIONS = {
    "scope": "`with`",
    "gate": "gate",
    "epoch_size": "epochs of fixed size",
    "profile": "profile",
    "wrapping": "errors as the cause of a ChildProcessError",
    "unbuffered": "reading without a buffer",
}
"""What a class may lack, by the name in its LACKS, and in words."""

Lacks = frozenset[str]
Programs = Callable[[Random], Program]
Steps = Callable[[Random], tuple[Step, ...]]


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
    """Steps one after the other, each up to so many times."""
    return lambda random: tuple(Step(name, random.randint(1, most)) for name in do)


def one_of(*several: Callable[[Random], Any]) -> Callable[[Random], Any]:
    """Any of these, each as often as the others."""
    return lambda random: random.choice(several)(random)


SLOTS = 7
READ_ON = (Step("next", 8),)  # to see what was lost


def programs(
    lacks: Lacks,
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
    last: Callable[[Program, Random], tuple[Step, ...]] = lambda program, random: READ_ON,
) -> Programs:
    """Programs of these steps, which a buffered wrapper is entered for."""

    def one_pass(random: Random) -> tuple[str, ...]:
        if first and random.random() < 1 / 4:
            return (random.choice(first),)
        return tuple(random.choices(items, k=random.randint(*length)))

    def draw(random: Random) -> Program:
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
        chosen += last(program, random)
        return replace(program, steps=tidy(chosen, program, lacks, misuse))

    return draw


def always(*steps: Step) -> Callable[[Program, Random], tuple[Step, ...]]:
    """Programs end with these steps."""
    return lambda program, random: steps


ENTER, EXIT, OPEN, CLOSE, PAUSE = map(step, ("enter", "exit", "open", "close", "pause"))
AGAIN = one_of(step("exit", "enter"), step("exit by an error", "enter"))
FILL = step("open", "pause")
FULL = one_of(step("open", "pause", "exit"), step("open", "pause", "exit by an error"))
NESTED = step("open", "open", "close", "close")
NEXT, GO = step("next", most=3), step("let go", most=3)
LONG: Any = {"passes": (1, 1), "length": (30, 30), "fixed": False}  # no end is reached
FAILURES = ("OSError", "KeyboardInterrupt", "SystemExit", "GeneratorExit")
BROKEN = ("iter: OSError", "stream_fn: OSError", "iter: StopIteration", "stream_fn: StopIteration")


def dying(lacks: Lacks) -> Callable[[Program, Random], tuple[Step, ...]]:
    """The worker goes without a word, or never comes; and is waited for."""
    ways: list[tuple[Step, ...]] = [(Step("fork"),)] if hasattr(os, "fork") else []
    if "scope" not in lacks:
        ways.append((Step("exit"), Step("enter without a thread")))
    return lambda program, random: (
        *random.choice(ways),
        Step("next", program.buffer_size + 3),
    )


def interrupted(lacks: Lacks) -> Programs:
    """Ctrl-C in `next` and in `__exit__`; wrappers that nobody leaves."""
    left = programs(
        lacks,
        *(NEXT, OPEN, PAUSE, AGAIN, EXIT),
        last=lambda program, random: (Step(random.choice(LAST)),),
        **LONG,
    )
    if not hasattr(signal, "pthread_kill"):
        return left
    struck = step("next under Ctrl-C")
    reading = programs(lacks, NEXT, OPEN, PAUSE, struck, last=always(Step("next", 4)), **LONG)
    if "scope" in lacks:
        return one_of(left, reading)

    def leaving(program: Program, random: Random) -> tuple[Step, ...]:
        """Leave with a pull in flight, and as much in the buffer as there may be beside it."""
        load = Step("open"), Step("let go", max(1, program.buffer_size - 1))
        return (*load, Step("exit under Ctrl-C"), Step("enter"), Step("next", 4))

    return one_of(left, reading, programs(lacks, NEXT, held=1, last=leaving, **LONG))


def smaller(program: Program, lacks: Lacks) -> Iterator[Program]:
    """The programs with something left out, large pieces first. All are such as may be drawn."""
    steps, passes = program.steps, program.passes
    misuse = tuple(
        do
        for do in ("next", "enter", "exit")
        if tidy(steps, program, lacks, (do,)) != tidy(steps, program, lacks, ())
    )
    for size in (4, 2, 1):
        for start in range(len(steps) - size + 1):
            rest = tidy(steps[:start] + steps[start + size :], program, lacks, misuse)
            yield replace(program, steps=rest)
    for size in (2, 1):
        for start in range(len(passes) - size + 1):
            if len(passes) > size:
                yield replace(program, passes=passes[:start] + passes[start + size :])
    if program.held:
        free = replace(program, held=False)
        yield replace(free, steps=tidy(steps, free, lacks, misuse))
    for size in (-1, 1):
        if program.epoch_size > size:
            yield replace(program, epoch_size=size)
    if program.buffer_size > 1:
        yield replace(program, buffer_size=1)
    for at, (do, times) in enumerate(steps):
        for fewer in sorted({1, times // 2, times - 1} - {0, times}):
            yield replace(program, steps=(*steps[:at], Step(do, fewer), *steps[at + 1 :]))
    for at, items in enumerate(passes):
        for item in range(len(items) if 1 < len(items) < LONG["length"][0] else 0):
            fewer_items = items[:item] + items[item + 1 :]
            yield replace(program, passes=(*passes[:at], fewer_items, *passes[at + 1 :]))


# Judgements.


class Finding(NamedTuple):
    """What a rule expected, and what was observed instead."""

    expected: str
    observed: str


def oracle(program: Program, lacks: Lacks) -> Iterator[tuple[str, int]]:
    """What each `next` should give, in words, and the pulls that it takes in all."""
    source = Source(program.passes)
    for kind, value in epochs(source, program.epoch_size):  # type: ignore[no-untyped-call]
        if kind == BATCH:
            told = f"batch {value!r}"
        elif kind == END:
            told = "end"
        else:
            told = type(value).__name__
            if program.buffer_size > 0 and "wrapping" not in lacks:
                told = f"ChildProcessError from {told}"
            elif told == "StopIteration":
                told = "RuntimeError"  # it must not look like an end
        yield told, source.started


def numbered(program: Program, run: Run) -> Iterator[tuple[int, Step, Observed]]:
    """The steps that were begun, from one on, with what came of each."""
    return zip(count(1), program.steps, run.steps)  # as far as it came


def stuck(program: Program, run: Run) -> Finding | None:
    """A program that did not come to its end."""
    if run.ending == "done":
        return None
    number = len(run.steps)
    what = "no answer in time" if run.ending == "hang" else run.ending
    return Finding(f"step {number} ({program.steps[number - 1].do}) ends", what)


def transparent(program: Program, run: Run, lacks: Lacks, lost: int = 0) -> Finding | None:
    """Every step gives what the oracle gives, but for so many batches that may be lost."""
    ideal = (told for told, _ in oracle(program, lacks))
    told: list[str] = []
    inside, entered = False, program.buffer_size == 0 or "scope" in lacks

    def finding(expected: str, observed: str) -> Finding:
        return Finding(*(", ".join([*told[-5:], last]) for last in (expected, observed)))

    for number, step, seen in numbered(program, run):
        if step.do not in READS:
            scope = step.do.partition(" ")[0]
            wanted = []
            if (scope == "enter" and inside) or (scope == "exit" and not inside):
                wanted = ["RuntimeError"]
            elif scope in ("enter", "exit"):
                inside = scope == "enter"
                entered = entered or inside
            if (
                "Ctrl-C" not in step.do
                and seen.outcomes != wanted
                and (seen.counters or seen.outcomes)
            ):
                return Finding(
                    f"step {number} ({step.do}) {wanted[0] if wanted else 'returns'}",
                    seen.outcomes[0] if seen.outcomes else "returns",
                )
            continue
        if step.do == "two consumers":
            for pair in zip(seen.outcomes[::2], seen.outcomes[1::2], strict=False):
                got = [outcome for outcome in pair if outcome != "RuntimeError"]
                wanted = [next(ideal) for _ in got or pair[:1]]
                if sorted(got) != sorted(wanted):
                    return finding(" and ".join(wanted), " and ".join(pair))
                told += wanted
            continue
        for outcome in seen.outcomes:
            if outcome == "KeyboardInterrupt" and step.do == "next under Ctrl-C":
                continue
            expected = next(ideal) if entered else "ValueError"
            while expected != outcome and lost and expected.startswith("batch "):
                expected, lost = next(ideal), lost - 1
            if expected != outcome:
                return finding(expected, outcome)
            told.append(outcome)
    found = stuck(program, run)
    if found and program.steps[len(run.steps) - 1].do == "next":
        return finding(next(ideal) if entered else "ValueError", found.observed)
    return found


def preserving(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """A stop pulls nothing more and loses nothing; the buffer is bounded."""
    before = 0
    for number, step, seen in numbered(program, run):
        if not seen.counters:
            break
        if seen.counters["excess"] > program.buffer_size:
            return Finding(
                f"at most {program.buffer_size} batches held and being pulled",
                f"{seen.counters['excess']} in step {number} ({step})",
            )
        if step.do in EXITS and seen.counters["unasked"] > before:
            return Finding(
                f"no pull starts in step {number} ({step})",
                f"{seen.counters['unasked'] - before} did",
            )
        before = seen.counters["unasked"]
        if seen.counters["outlasting"]:
            return Finding(
                f"step {number} ({step}) waits for the pull in flight", "it leaves that behind"
            )
    return transparent(program, run, lacks)


def threadless(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """Outside `with` no thread lives, and callers pull for themselves."""
    inside = False
    for number, step, seen in numbered(program, run):
        inside = step.do == "enter" or (inside and step.do not in EXITS)
        if seen.counters and not inside and seen.counters["threads"]:
            return Finding(f"no thread after step {number} ({step})", "a thread that lives")
        if seen.counters and seen.counters["strange"]:
            return Finding(f"the caller pulls in step {number} ({step})", "another thread does")
    return transparent(program, run, lacks)


def gated(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """No pull starts while the gate is shut and nobody waits."""
    for number, step, seen in numbered(program, run):
        if seen.counters and seen.counters["unasked"]:
            return Finding(
                "a pull starts only while the gate is open or a request waits",
                f"{seen.counters['unasked']} otherwise by the end of step {number} ({step})",
            )
    return stuck(program, run)


def bounded_by_epochs(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """No pull runs past the end of the epoch that was begun."""
    ideal = list(islice(oracle(program, lacks), 200))
    begun, read = "scope" in lacks, 0  # outcomes that were delivered
    for number, step, seen in numbered(program, run):
        if step.do == "enter":
            begun = True
        for outcome in seen.outcomes if step.do == "next" else ():
            begun = outcome.startswith("batch ")
            read += 1
        limit = ideal[read - 1][1] if read else 0
        if begun:
            limit = next(pulls for told, pulls in ideal[read:] if not told.startswith("batch "))
        if seen.counters and seen.counters["started"] > limit:
            return Finding(
                f"at most {limit} pulls by the end of step {number} ({step}), "
                "which bring the epoch to its end",
                f"{seen.counters['started']}",
            )
    return stuck(program, run)


def noticing(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """After the worker died: what was buffered, then an error; nobody waits for ever."""
    deaths = [i for i, (do, _) in enumerate(program.steps) if do in DEATHS]
    if not deaths:
        return None
    death = deaths[0]
    found = transparent(program, Run(run.steps[: death + 1], "done"), lacks)
    if found is not None or len(run.steps) <= death + 1:
        return found or stuck(program, run)
    if program.steps[death].do == "fork":
        workers = any(seen.counters["threads"] for seen in run.steps[max(0, death - 1) : death])
    else:
        workers = run.steps[death].counters["refused"] > 0
    if not workers:
        return transparent(program, run, lacks)  # there was none that could be gone
    ideal = (told for told, _ in oracle(program, lacks))
    for _, step, seen in numbered(program, Run(run.steps[:death], "done")):
        for _ in seen.outcomes if step.do == "next" else ():
            next(ideal)
    left = program.buffer_size + ("scope" in lacks)  # which knows no bound that is so strict
    outcomes = run.steps[death + 1].outcomes
    for at, told in enumerate(outcomes):
        if told.startswith("ChildProcessError") or (
            "wrapping" in lacks and told != "end" and not told.startswith("batch ")
        ):
            if told in outcomes[at + 1 :] and "wrapping" not in lacks:
                break
            return None
        left -= told != "end"
        if told != next(ideal) or left < 0:
            break
    else:
        if run.ending == "done":
            return None
    observed = outcomes[:5]
    if run.ending != "done":
        observed.append("no answer in time" if run.ending == "hang" else run.ending)
    return Finding("what was buffered, then ChildProcessError once", ", ".join(observed))


def exclusive(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """Misuse is refused, and never two threads pull at once."""
    for seen in run.steps:
        if seen.counters.get("most_active", 0) > 1:
            return Finding("one pull at a time", f"{seen.counters['most_active']} at once")
    return transparent(program, run, lacks)


def interruptible(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """Ctrl-C loses nothing in `next`, one batch at most elsewhere; no worker is left for ever."""
    for _, step, seen in numbered(program, run):
        if step.do == "abandon" and seen.counters.get("threads"):
            return Finding("the worker of a wrapper that is garbage ends", "it lives on")
    if run.ending == "hang" and program.steps[len(run.steps) - 1].do == "leave the process":
        return Finding("the process ends", "it does not")
    return transparent(
        program, run, lacks, lost=sum(s.do == "exit under Ctrl-C" for s in program.steps)
    )


def timed(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """One time for each batch that was delivered, none for an end or an error."""
    batches = 0
    for number, step, seen in numbered(program, run):
        batches += sum(outcome.startswith("batch ") for outcome in seen.outcomes)
        if seen.counters and seen.counters["times"] != batches:
            return Finding(
                f"{batches} times by the end of step {number} ({step}), which gave "
                f"{', '.join(seen.outcomes)}",
                f"{seen.counters['times']}",
            )
    return stuck(program, run)


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

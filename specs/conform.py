"""The twelve rules of the contract, run against any class with the interface of `StreamWrapper`.

Each rule has its own random programs (`specs.programs`) and its own judge, which compares what was
observed with the oracle (`specs.epochs`) and with what the rule bounds. A rule that is broken comes
with the smallest program found that shows it. No judgement rests on how fast anything is, but for
PATIENCE, within which the sources of all programs are long done.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from random import Random
from typing import Any, ClassVar, NamedTuple

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from rich.console import Console
from rich.table import Table

from .epochs import BATCH, END, epochs
from .programs import (
    PATIENCE,
    VALUES,
    CannotRun,
    Observed,
    Program,
    Run,
    Runner,
    Source,
    Step,
)

EXAMPLES = 80
"""Programs that are drawn for a rule; those drawn twice run once."""

SHRINKING = 100
"""Programs that are tried, at most, to find a smaller one."""

REPEATS = 2
"""Times that a program which shows a violation is run again."""

NOTIONS = {
    "scope": "`with`",
    "gate": "a gate",
    "epoch_size": "epochs of fixed size",
    "profile": "a profile",
    "wrapping": "errors as the cause of a ChildProcessError",
    "unbuffered": "reading without a buffer",
}
"""What a class may lack, by the name in its LACKS, and in words."""

Lacks = frozenset[str]
Programs = st.SearchStrategy[Program]
Steps = st.SearchStrategy[Iterable[Step]]


# Programs.

READS = ("next", "next under Ctrl-C", "two consumers")
LAST = ("abandon", "leave the process")
DEATHS = ("fork", "enter without a thread")
MERGED = ("next", "let go", "pause")
BATCHES = ("batch",)


def tidy(
    drawn: list[Step], program: Program, lacks: Lacks, misuse: tuple[str, ...]
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
    return st.tuples(*(st.builds(Step, st.just(name), st.integers(1, most)) for name in do))


NOTHING: Steps = st.just(())
SLOTS = 7


@st.composite
def programs(
    draw: st.DrawFn,
    lacks: Lacks,
    *steps: Steps,
    items: tuple[str, ...] = BATCHES,
    first: tuple[str, ...] = (),  # items that a pass may begin with
    passes: tuple[int, int] = (1, 3),  # least and most
    length: tuple[int, int] = (1, 4),  # of a pass
    buffered: bool = True,
    fixed: bool = True,  # epochs may be of fixed size
    held: bool = False,  # the source may be
    profiled: bool = False,
    misuse: tuple[str, ...] = (),
    last: Callable[[Program], Steps] = lambda program: NOTHING | step("next", most=4),
) -> Program:
    """Programs of these steps, which a buffered wrapper is entered for."""
    one_pass = st.lists(st.sampled_from(items), min_size=length[0], max_size=length[1])
    if first:
        one_pass = st.one_of(one_pass, st.sampled_from(first).map(lambda item: [item]))
    several = st.lists(one_pass.map(tuple), min_size=passes[0], max_size=passes[1]).map(tuple)
    program = Program(
        passes=draw(several),
        buffer_size=draw(st.integers(1 if buffered or "unbuffered" in lacks else 0, 3)),
        epoch_size=draw(st.sampled_from([-1, 1, 2, 3]))
        if fixed and "epoch_size" not in lacks
        else -1,
        steps=(),
        held=draw(st.booleans()) if held else False,
        profiled=profiled,
    )
    chosen = [Step("enter")] if program.buffer_size and not misuse else []
    for _ in range(SLOTS):
        chosen += draw(st.one_of(NOTHING, *steps))
    chosen += draw(last(program))
    return replace(program, steps=tidy(chosen, program, lacks, misuse))


def always(*steps: Step) -> Callable[[Program], Steps]:
    """Programs end with these steps."""
    return lambda program: st.just(steps)


ENTER, EXIT, OPEN, CLOSE, PAUSE = map(step, ("enter", "exit", "open", "close", "pause"))
AGAIN = step("exit", "enter")
NEXT, GO = step("next", most=3), step("let go", most=3)
LONG: Any = {"passes": (1, 1), "length": (30, 30), "fixed": False}  # no end is reached
FAILURES = ("OSError", "KeyboardInterrupt", "SystemExit", "GeneratorExit")
BROKEN = ("iter: OSError", "stream_fn: OSError", "iter: StopIteration", "stream_fn: StopIteration")


def dying(lacks: Lacks) -> Callable[[Program], Steps]:
    """The worker goes without a word, or never comes; and is waited for."""
    ways: list[tuple[Step, ...]] = [(Step("fork"),)] if hasattr(os, "fork") else []
    if "scope" not in lacks:
        ways.append((Step("exit"), Step("enter without a thread")))
    return lambda program: st.sampled_from(ways).map(
        lambda way: (*way, Step("next", program.buffer_size + 3))
    )


def interrupted(lacks: Lacks) -> Programs:
    """Ctrl-C in `next` and in `__exit__`; wrappers that nobody leaves."""
    left = programs(
        lacks,
        *(NEXT, OPEN, PAUSE, AGAIN, EXIT),
        last=lambda program: st.sampled_from([(Step(do),) for do in LAST]),
        **LONG,
    )
    if not hasattr(signal, "pthread_kill"):
        return left
    struck = step("next under Ctrl-C")
    reading = programs(lacks, NEXT, OPEN, PAUSE, struck, last=always(Step("next", 4)), **LONG)
    if "scope" in lacks:
        return left | reading
    leaving = always(Step("exit under Ctrl-C"), Step("enter"), Step("next", 4))
    return left | reading | programs(lacks, OPEN, GO, held=True, last=leaving, **LONG)


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
        if step.do == "exit" and seen.counters["unasked"] > before:
            return Finding(
                f"no pull starts in step {number} (exit)",
                f"{seen.counters['unasked'] - before} did",
            )
        before = seen.counters["unasked"]
    return transparent(program, run, lacks)


def threadless(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """Outside `with` no thread lives, and callers pull for themselves."""
    inside = False
    for number, step, seen in numbered(program, run):
        inside = step.do == "enter" or (inside and step.do != "exit")
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
                f"{seen.counters['unasked']} more by the end of step {number} ({step})",
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
    if program.steps[death].do == "fork" and not any(
        seen.counters["threads"] for seen in run.steps[max(0, death - 1) : death]
    ):
        return transparent(program, run, lacks)  # there was no worker that could be gone
    ideal = (told for told, _ in oracle(program, lacks))
    for _, step, seen in numbered(program, Run(run.steps[:death], "done")):
        for _ in seen.outcomes if step.do == "next" else ():
            next(ideal)
    left = program.buffer_size + ("scope" in lacks)  # which knows no bound that is so strict
    for told in run.steps[death + 1].outcomes:
        if told.startswith("ChildProcessError") or (
            "wrapping" in lacks and told != "end" and not told.startswith("batch ")
        ):
            return None
        left -= told != "end"
        if told != next(ideal) or left < 0:
            break
    else:
        if run.ending == "done":
            return None
    observed = run.steps[death + 1].outcomes[:5]
    if run.ending != "done":
        observed.append("no answer in time" if run.ending == "hang" else run.ending)
    return Finding("what was buffered, then ChildProcessError", ", ".join(observed))


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
            lambda lacks: programs(lacks, NEXT, AGAIN, EXIT, OPEN, CLOSE, PAUSE, buffered=False),
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
            lambda lacks: programs(lacks, NEXT, AGAIN, EXIT, OPEN, CLOSE, PAUSE, GO, held=True),
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
                *(lacks, NEXT, OPEN, CLOSE, PAUSE, GO), held=True, last=always(Step("pause"))
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
                *(lacks, NEXT, AGAIN, EXIT, OPEN, PAUSE),
                items=("batch", "batch", *FAILURES),
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
            ),
            timed,
            frozenset({"profile"}),
            patience=2 * PATIENCE,  # that an error is late is another rule's
        ),
    )
}


@dataclass(frozen=True)
class Verdict:
    """What was found of one rule."""

    rule: Rule
    programs: int  # that were run
    lacking: str = ""  # why the rule is not applicable, if it is not
    program: Program | None = None  # the smallest that shows a violation
    finding: Finding | None = None
    seen: tuple[int, int] = (0, 0)  # violations in so many runs of that program

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


def conform(
    subject: str | type,
    rules: Iterable[int] | None = None,
    examples: int = EXAMPLES,
    seed: int = 0,
) -> list[Verdict]:
    """Run rules of the contract against a class.

    :param subject: the class, or "MODULE:CLASS"; it is imported in other processes. It is called
        as `cls(stream_fn, buffer_size, epoch_size, name, profile)`, and may name in a set LACKS
        which of NOTIONS it has not
    :param rules: numbers of rules; all if None
    :param examples: programs that are drawn for a rule
    :param seed: of the drawing; the same programs are drawn for the same seed
    :raises CannotRun: if there is no such class, or it cannot be constructed
    :raises ValueError: if a rule has no such number, or `examples` is less than 1
    """
    return list(verdicts(subject, rules, examples, seed))


def verdicts(
    subject: str | type,
    rules: Iterable[int] | None = None,
    examples: int = EXAMPLES,
    seed: int = 0,
) -> Iterator[Verdict]:
    """As `conform`, each verdict when it is known."""
    chosen = [*RULES] if rules is None else [*rules]
    for number in chosen:
        if number not in RULES:
            raise ValueError(f"rules are numbered from 1 to {max(RULES)}, not {number!r}")
    if examples < 1:
        raise ValueError(f"examples must be at least 1, not {examples!r}")
    if not isinstance(subject, str):
        subject = f"{subject.__module__}:{subject.__qualname__}"
    with Runner(subject) as runner:
        for lack in sorted(runner.lacks - NOTIONS.keys()):
            raise CannotRun(f"LACKS of {subject!r} may name {', '.join(NOTIONS)}, not {lack!r}")
        for number in chosen:
            yield check(runner, RULES[number], examples, seed)


def check(runner: Runner, rule: Rule, examples: int, seed: int) -> Verdict:
    """Look for a program that breaks the rule, and for the smallest such."""
    lacking = sorted(rule.needs & runner.lacks)
    if lacking:
        return Verdict(rule, 0, f"it has no notion of {NOTIONS[lacking[0]]}")

    judged: dict[Program, Finding | None] = {}

    def judge(program: Program) -> Finding | None:
        return rule.judge(program, runner.run(program, rule.patience), runner.lacks)

    def violated(program: Program) -> bool:
        if program not in judged:
            judged[program] = judge(program)
        return judged[program] is not None

    drawing = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        program = find(rule.programs(runner.lacks), violated, settings=drawing, random=Random(seed))
    except NoSuchExample:
        return Verdict(rule, len(judged))
    program = shrink(program, violated, runner.lacks)
    again = [judge(program) for _ in range(REPEATS)]
    seen = 1 + sum(finding is not None for finding in again)
    return Verdict(
        rule, len(judged), program=program, finding=judged[program], seen=(seen, 1 + REPEATS)
    )


def shrink(program: Program, violated: Callable[[Program], bool], lacks: Lacks) -> Program:
    """A program that violates the rule too, and of which nothing can be left out.

    Hypothesis could do this; but where each program that still violates costs a hang, it pays to
    try the steps first, and nothing twice.
    """
    tried = {program}
    while len(tried) < SHRINKING:
        for candidate in smaller(program, lacks):
            if candidate not in tried:
                tried.add(candidate)
                if violated(candidate):
                    program = candidate
                    break
        else:
            break
    return program


def smaller(program: Program, lacks: Lacks) -> Iterator[Program]:
    """The programs with something left out, large pieces first. All are such as may be drawn."""
    steps, passes = program.steps, program.passes
    for size in (4, 2, 1):
        for start in range(len(steps) - size + 1):
            rest = tidy([*steps[:start], *steps[start + size :]], program, lacks, ())
            yield replace(program, steps=rest)
    for size in (2, 1):
        for start in range(len(passes) - size + 1):
            if len(passes) > size:
                yield replace(program, passes=passes[:start] + passes[start + size :])
    if program.held:
        yield replace(
            program, held=False, steps=tidy([*steps], replace(program, held=False), lacks, ())
        )
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


class Conformance:
    """For your own tests: a subclass has a test for each rule, which pytest collects.

    >>> class TestMine(Conformance):
    ...     subject = "kernel:StreamWrapper"
    """

    subject: ClassVar[str | type]
    examples: ClassVar[int] = EXAMPLES
    seed: ClassVar[int] = 0


def _test(rule: Rule) -> Callable[[Conformance], None]:
    def test(self: Conformance) -> None:
        (verdict,) = conform(self.subject, [rule.number], self.examples, self.seed)
        if verdict.lacking:
            import pytest  # noqa: PLC0415  # which only those need who collect this

            pytest.skip(str(verdict))
        if verdict.finding is not None:
            raise AssertionError(str(verdict))

    test.__doc__ = f"Rule {rule.number}: {rule.english}"
    return test


for _rule in RULES.values():
    setattr(Conformance, f"test_rule_{_rule.number}", _test(_rule))


# The command.


def numbers(text: str) -> list[int]:
    """Numbers of rules, as `1,3,7`."""
    try:
        chosen = [int(word) for word in text.split(",")]
    except ValueError:
        chosen = [0]
    if not set(chosen) <= RULES.keys():
        raise argparse.ArgumentTypeError(
            f"must be numbers from 1 to {max(RULES)} with commas between, not {text!r}"
        )
    return chosen


def positive(text: str) -> int:
    """A number of programs."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `python -m specs conform`."""
    parser.add_argument("subject", metavar="MODULE:CLASS", help="the class to run")
    parser.add_argument(
        "--rules", type=numbers, metavar="N,...", help="rules to run (default: all)"
    )
    parser.add_argument(
        "--examples",
        type=positive,
        metavar="N",
        default=EXAMPLES,
        help="programs that are drawn for each rule (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0, help="of the drawing (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the rules and print what was found. Returns the exit status."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    found = []
    try:
        with console.status(f"running {arguments.subject}"):
            for verdict in verdicts(
                arguments.subject, arguments.rules, arguments.examples, arguments.seed
            ):
                found.append(verdict)
                if console.is_terminal:
                    console.print(f"rule {verdict.rule.number}: {verdict.word}")
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 2
    shown = Table(title=f"{arguments.subject} under the rules of the contract")
    for heading in ("rule", "in English", "verdict", "programs"):
        shown.add_column(heading, justify="right" if heading == "programs" else "left")
    colours = {"holds": "green", "violated": "red", "not applicable": "dim"}
    for verdict in found:
        rule, word = verdict.rule, verdict.word
        colour = colours[word]
        shown.add_row(
            f"{rule.number} {rule.name}",
            rule.english,
            f"[{colour}]{word}[/{colour}]",
            str(verdict.programs or ""),
        )
    console.print(shown)
    for verdict in found:
        if verdict.word != "holds":
            console.print(f"\n{verdict}", markup=False, soft_wrap=True)
    return 1 if any(verdict.finding for verdict in found) else 0

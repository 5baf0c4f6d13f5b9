"""The judges of what came of a program, a judge for each kind of rule.

A judge compares what was observed with the oracle (`specs.epochs`) and with what its rule bounds.
No judgement depends on speed, except that an answer counts as none after PATIENCE. The sources of
all programs are much faster than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import NamedTuple

from specs.epochs import BATCH, END, epochs

from .drawing import DEATHS, EXITS, READS, Lacks
from .programs import Observed, Program, Run, Step
from .source import Source


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
    """Every step gives what the oracle gives; up to `lost` batches may be missing."""
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
            answered = seen.counters or seen.outcomes
            if answered and seen.outcomes != wanted and "Ctrl-C" not in step.do:
                expected, observed = ([*them, "returns"][0] for them in (wanted, seen.outcomes))
                return Finding(f"step {number} ({step.do}) {expected}", observed)
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


def in_context(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """Every step gives what the oracle gives, and the source runs in the context of the `with`."""
    found = transparent(program, run, lacks)
    if found is not None or "scope" in lacks:
        return found
    for number, step, seen in numbered(program, run):
        if seen.counters and seen.counters["elsewhere"]:
            return Finding(
                "pulls see the context in which `with` was entered",
                f"{seen.counters['elsewhere']} did not by the end of step {number} ({step})",
            )
    return None


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
    left = program.buffer_size + ("scope" in lacks)  # without `with` the bound is less strict
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
    """Ctrl-C in a `next` that waits loses nothing, in `__exit__` one batch at most; workers end.

    The programs strike only while the call waits for a pull. So they never strike just where `next`
    has taken a batch and not yet returned it: there that one batch can be lost.
    """
    for _, step, seen in numbered(program, run):
        if step.do == "abandon" and seen.counters.get("threads"):
            return Finding("the worker of a wrapper that is garbage ends", "it lives on")
    if run.ending == "hang" and program.steps[len(run.steps) - 1].do == "leave the process":
        return Finding("the process ends", "it does not")
    return transparent(
        program, run, lacks, lost=sum(s.do == "exit under Ctrl-C" for s in program.steps)
    )


def timed(program: Program, run: Run, lacks: Lacks) -> Finding | None:
    """One time for each batch that was delivered, none for an end or an error; and a true one.

    Of clocks that differ a little: all times together are at least half of what the pulls took
    without a buffer, and at most twice what the reads took, and a millisecond.
    """
    batches = 0
    for number, step, seen in numbered(program, run):
        batches += sum(outcome.startswith("batch ") for outcome in seen.outcomes)
        if seen.counters and seen.counters["times"] != batches:
            return Finding(
                f"{batches} times by the end of step {number} ({step}), which gave "
                f"{', '.join(seen.outcomes)}",
                f"{seen.counters['times']}",
            )
        if seen.counters:
            least = 0 if program.buffer_size else seen.counters["pulled"] // 2
            most, told = 2 * seen.counters["read"] + 1000, seen.counters["told"]
            if not least <= told <= most:
                return Finding(
                    f"{least} to {most} µs in all by the end of step {number} ({step})",
                    f"{told} µs" if told >= 0 else "what is no time",
                )
    return stuck(program, run)

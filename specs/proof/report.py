"""Prints what is proved: a table of properties and actions, and what refutes those that are not."""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from collections import Counter

from rich.console import Console
from rich.table import Column, Table

from kernel.machine import ACTIONS, Action, Limits
from specs import pages
from specs.arguments import CannotRun, pick
from specs.properties import INVARIANTS, LIVENESS, STEPS

from . import resume
from .laws import FAIRNESS, LEMMAS, MEASURES, Refines
from .moments import INTERVALS, Moment, variables
from .obligations import CAN, INIT, PROPERTIES, RESTS
from .sequences import Interval, interval
from .solve import CVC5, PROVED, REFUTED, UNKNOWN, Z3, Model, Verdict, installed, instances, prove

CELLS = {PROVED: "[green]ok[/green]", REFUTED: "[red]NO[/red]", UNKNOWN: "[yellow]?[/yellow]"}

GROUPS = {
    "states": [*INVARIANTS],
    "lemmas": [*LEMMAS],
    "steps": [*STEPS],
    "liveness": [*LIVENESS],
    "refinement": ["Refines"],
}

PAGE = pages.ROOT / "specs" / "README.md"


def run(arguments: argparse.Namespace, actions: tuple[Action, ...] = ACTIONS) -> int:
    """Prove and print. Returns 0 if all is proved, 1 if not, 2 if it could not be tried."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    chosen = choose(arguments.properties)
    solvers = which(arguments.solver)
    if arguments.write:
        pages.part(PAGE, "obligations")
    started = time.perf_counter()
    resumes = resume.RESUMABLE in chosen
    wanted = set(chosen) | RESTS
    verdicts = []
    with console.status("proving") as status:
        for verdict in prove(actions, solvers, arguments.timeout, wanted):
            verdicts.append(verdict)
            status.update(f"proving {verdict.obligation.property} {verdict.obligation.column}")
        large = instances(actions, arguments.timeout)
    console.print(table(chosen, verdicts, actions))
    missing = refuted(console, [v for v in verdicts if v.word != PROVED])
    reasons(console, chosen)
    console.print(steps(large))
    again = list(resume.prove(solvers=solvers, timeout=arguments.timeout)) if resumes else []
    if resumes:
        missing = resumed(console, again) or missing
    words = [*(v.word for v in verdicts), *(v.word for v in again)]
    by = " and ".join(f"{solver} {installed()[solver]}" for solver in solvers)
    spent = time.perf_counter() - started
    console.print(
        f"{len(words)} obligations, for every capacity and epoch size from 0 on, "
        "with lookahead and without: "
        + ", ".join(f"{words.count(word)} {word}" for word in CELLS)
        + f"; by {by}, in {spent:.1f} s"
    )
    if arguments.solver is None and CVC5 not in solvers:
        console.print("Not cross-checked: cvc5 is not installed (pip install cvc5).")
    failed = missing or None in large.values()
    if arguments.write and not failed:
        write(verdicts, f"by {by}, in {time.process_time():.0f} s of processor time")
    return 1 if failed else 0


def write(verdicts: list[Verdict[Model]], how: str) -> None:
    """Renew the table in the page: the obligations by kind of property."""
    counts = Counter(verdict.obligation.property for verdict in verdicts)
    body = [
        (kind, len(names), sum(counts[name] for name in names)) for kind, names in GROUPS.items()
    ]
    said = f"\n{counts.total()} obligations, all proved, {how}.\n"
    headings = ("kind", " properties and lemmas", " obligations")
    pages.renew(PAGE, "obligations", pages.table(headings, body) + said)


def choose(patterns: list[str] | None) -> list[str]:
    """The properties with these names; all if none are given. Raises CannotRun."""
    return pick("--only", patterns, [*PROPERTIES, resume.RESUMABLE], "property")


def which(solver: str | None) -> tuple[str, ...]:
    """The solvers to ask. Raises CannotRun if one that was named is not there."""
    there = installed()
    asked = {None: tuple(there), "both": (Z3, CVC5)}.get(solver, (solver or "",))
    for name in asked:
        if name not in there:
            raise CannotRun(f"--solver {solver}: {name} is not installed: pip install {name}")
    return asked


def table(chosen: list[str], verdicts: list[Verdict[Model]], actions: tuple[Action, ...]) -> Table:
    """A property a row, an action a column."""
    columns = [INIT, *(action.__name__ for action in actions), CAN]
    words = {v.obligation[:2]: CELLS[v.word] for v in verdicts}
    shown = Table(
        Column("property", no_wrap=True),
        *(Column(c, justify="center", min_width=2, overflow="fold") for c in columns),
        title="Proved for every capacity and every epoch size, with lookahead and without",
        padding=0,
        caption=f"{INIT}: at first; an action: after it, from all that the invariant allows; "
        f"{CAN}: who should move can. ok: proved, NO: refuted, ?: not decided",
    )
    for group, names in GROUPS.items():
        rows = [name for name in names if name in chosen]
        for name in rows:
            mark = " (lemma)" if group == "lemmas" else ""
            cells = [words.get((name, column), "") for column in columns]
            shown.add_row(name + mark, *cells, end_section=name == rows[-1])
    return shown


def resumed(console: Console, verdicts: list[Verdict[resume.Model]]) -> bool:
    """Print what is proved of a wrapper that goes on from another's place. Whether any is not."""
    columns = [INIT, *resume.SEEN, resume.RESUME]
    found = {v.obligation[:2]: CELLS[v.word] for v in verdicts}
    shown = Table(
        "property",
        *(Column(column, justify="center") for column in columns),
        title="Proved of resumes, for every place too",
        caption="What the consumer sees keeps its place right; from there another wrapper goes on.",
    )
    for name in resume.PROPERTIES:
        shown.add_row(name, *(found.get((name, column), "") for column in columns))
    console.print(shown)
    failed = [v for v in verdicts if v.word != PROVED]
    for name, column, said, model in ((*v.obligation[:2], v.said, v.model) for v in failed):
        console.print(f"{name}, {column}: {said if model is None else model}", markup=False)
    return bool(failed)


def refuted(console: Console, failed: list[Verdict[Model]]) -> bool:
    """Say what is not proved, each property with its first counterexample."""
    for name in dict.fromkeys(v.obligation.property for v in failed):
        mine = [v for v in failed if v.obligation.property == name]
        for verdict in mine:
            if verdict.word == UNKNOWN:
                said = ", ".join(f"{who}: {word}" for who, word in verdict.said.items())
                console.print(f"{name}, {verdict.obligation.column}: not decided ({said})")
        first = next((v for v in mine if v.model is not None), None)
        if first is not None and first.model is not None:
            why = {INIT: "does not hold at first", CAN: "its helper cannot move"}.get(
                first.obligation.column, "a counterexample to induction"
            )
            limits = first.model.limits
            sizes = f"capacity {limits.capacity}, epoch_size {limits.epoch_size}"
            sizes += ", with lookahead" if limits.lookahead else ""
            console.print(f"{name}: {why} ({sizes})", style="red")
            console.print(counterexample(first.obligation.column, first.model))
    rest = sorted({v.obligation.property for v in failed} & RESTS)
    if rest:
        console.print(
            f"Nothing is proved: all rest on {', '.join(rest)}, which is not inductive.",
            style="red",
        )
    return bool(failed)


def counterexample(column: str, model: Model) -> Table:
    """The pair of states, all variables, with a star where they differ; or the one there is."""
    now, then = words(model.now), words(model.then)
    if column in (INIT, CAN):
        shown = Table("variable", "value")
        for row in now.items():
            shown.add_row(*row)
        return shown
    shown = Table("variable", "before", f"after {column}", "")
    for variable, value in now.items():
        star, style = ("*", "bold") if value != then[variable] else ("", "")
        shown.add_row(variable, value, then[variable], star, style=style)
    return shown


def words(moment: Moment) -> dict[str, str]:
    """The variables of a moment, in words."""
    values = variables(moment)
    shown = {name: str(value) for name, value in values.items()}
    shown |= {name: numbers(interval(values[name])) for name in INTERVALS}
    return shown | {"pulls": " and ".join(moment.now.pulls) or "nobody"}


def numbers(batches: Interval) -> str:
    """The numbers of an interval."""
    if batches.torn:
        return "not adjacent"
    if batches.length <= 0:
        return "none"
    last = batches.first + batches.length - 1
    return str(last) if batches.length == 1 else f"{batches.first} to {last}"


def reasons(console: Console, chosen: list[str]) -> None:
    """Why it holds, a sentence each: the lemmas, the link to the oracle, the measures."""
    lines = [f"Lemma {name}: {law.__doc__}" for name, law in LEMMAS.items()]
    lines.append(f"Refines: {(Refines.__doc__ or '').splitlines()[0]}")
    measures = {name: why for name, why in MEASURES.items() if name in chosen}
    lines += [f"Measure of {name}: {measure.english}." for name, measure in measures.items()]
    if measures:
        lines.append(f"Assumed for the measures: {FAIRNESS}.")
    for line in lines:
        console.print(textwrap.fill(line, 110, subsequent_indent="    "), markup=False)


def steps(large: dict[str, Model | None]) -> Table:
    """That the invariant is not contradictory, and every action can happen under it."""
    shown = Table(
        *(Column("action", no_wrap=True), *Limits._fields, "before", "what changes"),
        title="Not vacuous: what happens in large wrappers where the invariant holds",
    )
    for name, model in large.items():
        if model is None:
            shown.add_row(name, *("" for _ in Limits._fields), "[red]none[/red]", "")
            continue
        before, after = model.now.now.vars, model.then.now.vars._asdict()
        state = f"{before.scope}, {before.worker}, {before.buffered} buffered, mark {before.mark}"
        state += f", {len(before.later)} epochs later" if before.later else ""
        changes = [
            f"{variable} {value} -> {after[variable]}"
            for variable, value in before._asdict().items()
            if value != after[variable] and name != "full buffer"
        ]
        sizes = map(str, model.limits)
        shown.add_row(name, *sizes, state, ", ".join(changes))
    return shown

"""`python -m specs`: check every model with TLC, and compare with what it should find.

`python -m specs conform MODULE:CLASS` runs the rules of the contract against a class, and
`python -m specs source MODULE:FUNCTION` checks whether a source may be prefetched; `python -m specs
trace FILE` has TLC judge a recorded run; `python -m specs prove` proves the properties for every
size; `python -m specs report OUT.html` writes a page with the state graph, the properties and the
counterexamples.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from itertools import groupby

try:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from . import conform, pages, proof, source, trace
    from .report import command, terminal
    from .report.command import swimlane
    from .report.lanes import sentence
except ModuleNotFoundError as missing:
    package = (missing.name or "").partition(".")[0]
    print(f"{package} is missing: pip install 'stream-kernel[specs]'", file=sys.stderr)
    sys.exit(2)

from .arguments import CannotRun, pick, positive
from .exits import leave_with
from .progress import counted, threads
from .tlc import Model, ModelError, Result, ToolsMissing, check, jar, java, models
from .tlc.distributed import check_distributed, is_for_workers

COMMANDS = {
    "conform": (conform, "run the rules of the contract against a class"),
    "source": (source, "look whether a source may be prefetched"),
    "trace": (trace, "have TLC judge a recorded run"),
    "prove": (proof, "prove the properties for every size"),
    "report": (command, "write a page of the protocol, and of runs that break it"),
}
"""The module of each, of which `run` says the rest, and what it does."""

MODELS = pages.ROOT / "tla" / "README.md"
DEFECTS = pages.ROOT / "specs" / "README.md"


def main() -> int:
    """Run the command, or check the models. Returns the exit status."""
    for stream in sys.stdout, sys.stderr:
        if isinstance(stream, TextIOWrapper):  # it may have fewer characters than what is told
            stream.reconfigure(errors="backslashreplace")
    arguments = parse()
    run = COMMANDS[arguments.command][0].run if arguments.command else check_models
    try:
        return run(arguments)
    except (CannotRun, ToolsMissing, ModelError) as error:
        print(error, file=sys.stderr)
        return 2


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m specs",
        description="Check the models of the protocol with TLC. Exit status: 0 if all is as "
        "expected, 1 if anything differs, 2 if nothing could be checked.",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        help="check this model only; may be given again, and may have wildcards (Stream_*)",
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=positive,
        default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2,
        help="models or runs to check at once (default: %(default)s, the number of processors)",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="renew the tables of models in the pages, if all is as expected",
    )
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="check invariants, steps and deadlocks by a TLC server and workers, over loopback",
    )
    parser.add_argument(
        "--workers", metavar="N", type=positive, default=2, help="with --distributed (default: 2)"
    )
    commands = parser.add_subparsers(dest="command", title="instead of the models", metavar="")
    for name, (module, does) in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=does, description=module.run.__doc__))
    arguments = parser.parse_args()
    if arguments.write and (arguments.only or arguments.distributed):
        parser.error("--write needs all of all models: leave out --only and --distributed")
    return arguments


def check_models(arguments: argparse.Namespace) -> int:
    """Check the models that were asked for. Returns the exit status."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    java(), jar()
    found = {model.name: model for model in models()}
    chosen = [found[name] for name in pick("--only", arguments.only, [*found], "model")]
    if arguments.write:
        pages.part(MODELS, "models"), pages.part(DEFECTS, "defects")
    judge, jobs = check, arguments.jobs
    if arguments.distributed:
        chosen = [model for model in chosen if is_for_workers(model)]
        judge, jobs = partial(check_distributed, workers=arguments.workers), 1
    before = os.times()
    results = run(console, chosen, jobs, judge)
    console.print(table(chosen, results))
    status = report(console, chosen, results)
    if arguments.write and status == 0:
        after = os.times()
        spent = after.children_user + after.children_system
        write(chosen, results, spent - before.children_user - before.children_system)
    return status


def run(
    console: Console, chosen: list[Model], jobs: int, judge: Callable[[Model], Result]
) -> dict[str, Result]:
    """Check the models, the largest first, showing how far it is."""
    progress = counted(console, "[progress.description]{task.description}")
    task = progress.add_task("TLC", total=len(chosen))

    def checked(model: Model) -> tuple[str, Result]:
        result = judge(model)
        progress.update(task, advance=1, description=f"TLC {model.name}")
        if not console.is_terminal:
            console.print(f"{model.name}: {result.verdict}, {result.seconds:.1f} s")
        return model.name, result

    with progress, threads(jobs) as pool:
        largest = sorted(chosen, key=lambda model: -model.generated)  # lest one is left at the end
        return dict(pool.map(checked, largest))


def table(chosen: list[Model], results: dict[str, Result]) -> Table:
    """What was found, a model a row."""
    shown = Table(
        *(Column("model", no_wrap=True), "what", "checked"),
        *(Column(heading, justify="right") for heading in ("generated", "distinct")),
        *(Column("result", no_wrap=True), Column("seconds", justify="right")),
        title="Models checked by TLC",
        caption="green: as expected",
    )
    for model in chosen:
        result = results[model.name]
        kinds = [f"{kind} {len(names)}" for kind, names in model.properties.items()]
        if result.differences(model):
            told = f"[red]DIFFERS: {escape(result.verdict)}[/red]"
        elif model.expected == "holds" or result.workers:
            told = f"[green]{result.verdict}[/green]"
        else:
            told = f"[green]{result.verdict}, {len(result.steps)} states[/green]"
        shown.add_row(
            model.name,
            model.title.rstrip("."),
            ", ".join([*kinds, "deadlock"]),
            f"{result.generated:,}",
            f"{result.distinct:,}",
            told,
            f"{result.seconds:.1f}",
        )
    return shown


def report(console: Console, chosen: list[Model], results: dict[str, Result]) -> int:
    """Say what differs, with the counterexamples. Returns the exit status."""
    differing = [model for model in chosen if results[model.name].differences(model)]
    for model in differing:
        result = results[model.name]
        for difference in result.differences(model):
            console.print(f"{model.name}: {difference}", style="red", markup=False, soft_wrap=True)
        if result.steps:
            console.print(terminal.swimlane(swimlane(model, result)))
    passed = len(chosen) - len(differing)
    console.print(f"{passed} as expected, {len(differing)} differing")
    return 1 if differing else 0


def write(chosen: list[Model], results: dict[str, Result], seconds: float) -> None:
    """Renew the tables in the pages: the models by module, and the seed's defects."""
    modules = {name: [*found] for name, found in groupby(chosen, lambda model: model.module)}
    body = [
        (
            f"`{name}`",
            len(models),
            "hold" if all(model.expected == "holds" for model in models) else "be refuted",
            f"{sum(results[model.name].generated for model in models):,}",
            f"{sum(results[model.name].distinct for model in models):,}",
            f"{max(results[model.name].distinct for model in models):,}",
        )
        for name, models in modules.items()
    ]
    headings = ("module", " models", "are to", " generated states", " distinct", " in the largest")
    said = f"\n{len(chosen)} models, in {seconds:.0f} s of processor time.\n"
    pages.renew(MODELS, "models", pages.table(headings, body) + said)
    found = []
    for model in command.in_order(modules["Seed"]):
        number = model.name.split("_")[1]
        text = sentence(model.title.partition(": ")[2].replace("`with'", "`with`"))
        violated = model.expected.removeprefix("violates ")
        steps = len(results[model.name].steps)
        found.append((number, text, f"`{model.name}`", f"`{violated}`", steps))
    of_defects = (" #", "defect", "model", "violates", " states")
    pages.renew(DEFECTS, "defects", pages.table(of_defects, found))


if __name__ == "__main__":
    leave_with(main)

"""`python -m specs report`: the page of the protocol, and of runs that break it."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path

from rich.console import Console

from specs.arguments import CannotRun, pick, writable, write
from specs.progress import counted, threads
from specs.tlc import Model, Result, check, jar, java, models

from . import known, page, protocol, seed
from .groups import space
from .lanes import Swimlane
from .schedule import from_trace


def swimlane(model: Model, result: Result) -> Swimlane:
    """The violation that TLC found, as a swimlane."""
    if model.module == "Seed":
        return seed.swimlane(model, result)
    meanings = known.meanings()
    broken = result.verdict.removeprefix("violates ").split(" or ")  # TLC names not all of them
    said = " Or: ".join(meanings[name] for name in broken if name in meanings)
    return protocol.swimlane(model, result, said)


def in_order(chosen: list[Model]) -> list[Model]:
    """The seed's models by the numbers of their defects."""
    return sorted(chosen, key=lambda model: (int(model.name.split("_")[1]), model.name))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `python -m specs report`."""
    parser.add_argument("out", metavar="OUT.html", type=writable, help="the page to write")
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    parser.add_argument(
        "--model",
        metavar="NAME",
        default="E1_C1",
        help="model whose state graph is drawn (default: %(default)s)",
    )
    parser.add_argument(
        "--violation",
        metavar="NAME",
        action="append",
        default=[],
        help="another model whose violation is shown; may be given again, and have wildcards",
    )
    parser.add_argument(
        "--trace",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a recorded run that is shown; may be given again",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write one page that shows the protocol's state graph, and what holds of it.

    It shows step by step the runs in which the seed's protocol fails; recorded runs and violations
    of other models too. Exit status: 0, or 2 if something could not be shown.
    """
    java(), jar()
    found = {model.name: model for model in models()}
    whole = f"Stream_{arguments.model.removeprefix('Stream_')}"
    drawn = pick("--model", [whole], [*found], "model")
    if len(drawn) > 1:
        raise CannotRun(f"--model {arguments.model!r} must name one, not {', '.join(drawn)}")
    seeds = in_order([model for model in found.values() if model.module == "Seed"])
    own = [found[name] for name in pick("--violation", arguments.violation, [*found], "model")]
    console = Console(highlight=False)
    progress = counted(console)
    asked = [*seeds, *arguments.trace, *own]
    with progress, threads(arguments.jobs) as pool:
        told = progress.track(pool.map(shown, asked), len(asked), description="TLC")
        results = list(told)
    lanes = [lane for lane in results if isinstance(lane, Swimlane)]
    wrong = [text for text in results if isinstance(text, str)]
    html = page.report(
        seeds=[lane for lane in lanes if lane.story is not None],
        own=[lane for lane in lanes if lane.story is None],
        space=space(found[drawn[0]]),
        command=" ".join(["python -m specs report", arguments.out.name]),
    )
    write(arguments.out, html)
    for why in wrong:
        print(why, file=sys.stderr)
    console.print(f"{arguments.out}: {len(lanes)} runs", markup=False, soft_wrap=True)
    if arguments.open:
        webbrowser.open(arguments.out.resolve().as_uri())
    return 2 if wrong else 0


def shown(asked: Model | Path) -> Swimlane | str:
    """What TLC found in a model, or a recorded run; or why there is nothing to show."""
    if isinstance(asked, Path):
        try:
            return from_trace(asked)
        except CannotRun as error:
            return str(error)
    result = check(asked)
    if not result.steps:
        return f"{asked.name}: no run to show, it {result.verdict}"
    return swimlane(asked, result)

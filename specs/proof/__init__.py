"""`python -m specs prove`: the properties proved for every size, by z3, and cross-checked by cvc5.

`symbolic` runs the machine's own functions on symbols, `moments` adds history and oracle, `laws`
has the lemmas and measures, `obligations` what is to be proved, and `solve` asks the solvers.
"""

from __future__ import annotations

import argparse

from specs.arguments import CannotRun

TIMEOUT = 10.0
"""Seconds for one obligation and solver, by default."""


def seconds(text: str) -> float:
    """A time of more than nothing."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text!r}")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `python -m specs prove`."""
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        dest="properties",
        help="show this property only; may be given again, and may have wildcards (Stop*)",
    )
    parser.add_argument(
        "--solver",
        choices=("z3", "cvc5", "both"),
        help="default: z3, and cvc5 too where it is installed",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        default=TIMEOUT,
        help="for one obligation and solver, which is unknown after it (default: %(default)s)",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="renew the table of obligations in specs/README.md, if all is proved",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prove the properties for every capacity and every epoch size.

    The machine's own functions are run on symbols. Exit status: 0 if all is proved, 1 if something
    is refuted or not decided, 2 if nothing could be tried.
    """
    try:
        from . import report  # noqa: PLC0415  # z3 is needed for this command alone
    except ModuleNotFoundError as missing:
        if missing.name != "z3":
            raise
        raise CannotRun("z3 is missing: pip install 'stream-kernel[proof]'") from None
    return report.run(arguments)

"""Runs the rules of the contract against any class with the interface of `StreamWrapper`.

For each rule programs are drawn and played (`programs`) until one breaks it (`rules`);
of a rule that is broken the smallest such program is shown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from random import Random
from typing import ClassVar

from rich.console import Console
from rich.table import Column, Table

from kernel.arguments import shown

from .. import pages
from ..arguments import CannotRun, positive, writable, write
from .drawing import NOTIONS, Lacks, smaller
from .judges import Finding
from .peers import PAGE, PART, PEERS, Found, summary
from .programs import Program, Runner
from .rules import RULES, Rule, Verdict

EXAMPLES = 80
"""Programs that are drawn for a rule; those drawn twice run once."""

SHRINKING = 100
"""Programs that are tried, at most, to find a smaller one."""

JOBS = 3
"""Rules that are run at the same time: most of it is waiting."""

REPEATS = 2
"""Times that a program which shows a violation is run again."""


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
    subject: str | type, rules: Iterable[int] | None, examples: int, seed: int
) -> Iterator[Verdict]:
    """As `conform`, each verdict when it is known."""
    chosen = [*RULES] if rules is None else [*rules]
    for number in chosen:
        if number not in RULES:
            raise ValueError(f"rules are numbered from 1 to {max(RULES)}, not {shown(number)}")
    if examples < 1:
        raise ValueError(f"examples must be at least 1, not {shown(examples)}")
    if not isinstance(subject, str):
        subject = f"{subject.__module__}:{subject.__qualname__}"

    free: SimpleQueue[Runner] = SimpleQueue()  # each imports the subject: once a job, not a rule

    def one(number: int) -> Verdict:
        runner = free.get()
        try:
            return check(runner, RULES[number], examples, seed)
        finally:
            free.put(runner)

    with ExitStack() as stack:
        for _ in range(min(JOBS, len(chosen))):
            runner = stack.enter_context(Runner(subject))
            unknown = sorted(runner.lacks - NOTIONS.keys())
            if unknown:
                raise CannotRun(
                    f"LACKS of {subject!r} may name {', '.join(NOTIONS)}, not {unknown[0]!r}"
                )
            free.put(runner)
        pool = stack.enter_context(ThreadPoolExecutor(JOBS))
        yield from pool.map(one, chosen)


def check(runner: Runner, rule: Rule, examples: int, seed: int) -> Verdict:
    """Look for a program that breaks the rule, and then for the smallest one that does."""
    lacking = sorted(rule.needs & runner.lacks)
    if lacking:
        return Verdict(rule, 0, f"no {NOTIONS[lacking[0]]}")

    judged: dict[Program, Finding | None] = {}

    def judge(program: Program) -> Finding | None:
        return rule.judge(program, runner.run(program, rule.patience), runner.lacks)

    def violated(program: Program) -> bool:
        if program not in judged:
            judged[program] = judge(program)
        return judged[program] is not None

    def always(program: Program) -> bool:
        return violated(program) and all(judge(program) for _ in range(REPEATS))

    random = Random(f"{rule.number} {seed}")
    drawn = (rule.programs(random, runner.lacks) for _ in range(examples))
    program = next(filter(violated, drawn), None)
    if program is None:
        return Verdict(rule, len(judged))
    program = shrink(program, always, runner.lacks)
    again = [judge(program) for _ in range(REPEATS)]
    seen = 1 + sum(finding is not None for finding in again)
    return Verdict(
        rule, len(judged), program=program, finding=judged[program], seen=(seen, 1 + REPEATS)
    )


def shrink(program: Program, violated: Callable[[Program], bool], lacks: Lacks) -> Program:
    """A program that violates the rule too, and of which nothing can be left out.

    One step after another is tried, and nothing twice, since each program that still violates may
    cost a hang. It has to violate each time: what is shown should not hang on chance.
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
            import pytest  # noqa: PLC0415  # needed only where pytest collects this class

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `python -m specs conform`."""
    parser.add_argument("subject", metavar="MODULE:CLASS", nargs="?", help="the class to run")
    parser.add_argument(
        "--peers", action="store_true", help="instead of a class: other packages that are installed"
    )
    parser.add_argument(
        "--write", action="store_true", help="with --peers: write what is found to PEERS.md"
    )
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
    parser.add_argument(
        "--html", metavar="OUT", type=writable, help="write what is found to a page, too"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the rules of the contract against any class with the interface of StreamWrapper.

    Random programs are played in processes of their own. Exit status: 0 if all that apply hold,
    1 if one is violated, 2 if nothing could be run.
    """
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    if arguments.write and not arguments.peers:
        raise CannotRun("--write goes with --peers")
    if arguments.peers and (arguments.subject or arguments.html):
        raise CannotRun("--peers goes without MODULE:CLASS and without --html")
    if arguments.peers:
        return run_peers(arguments)
    if arguments.subject is None:
        raise CannotRun("name a class, as MODULE:CLASS, or give --peers")
    asked = (arguments.subject, arguments.rules, arguments.examples, arguments.seed)
    found = []
    with console.status(f"running {arguments.subject}"):
        for verdict in verdicts(*asked):
            found.append(verdict)
            if console.is_terminal:
                console.print(f"rule {verdict.rule.number}: {verdict.word}")
    shown = Table(
        *("rule", "in English", "verdict", Column("programs", justify="right")),
        title=f"{arguments.subject} under the rules of the contract",
    )
    colours = {"holds": "green", "violated": "red", "not applicable": "dim"}
    for verdict in found:
        rule, word = verdict.rule, verdict.word
        colour = colours[word]
        shown.add_row(
            f"{rule.number} {rule.name}",
            rule.english,
            f"[{colour}]{word}[/{colour}]" + (f": {verdict.lacking}" if verdict.lacking else ""),
            str(verdict.programs or ""),
        )
    console.print(shown)
    for verdict in found:
        if verdict.finding is not None:
            console.print(f"\n{verdict}", markup=False, soft_wrap=True)
    if arguments.html is not None:
        from specs.report import page  # noqa: PLC0415  # which imports this

        command = f"python -m specs conform {arguments.subject} --html {arguments.html.name}"
        html = page.findings(arguments.subject, found, command)
        write(arguments.html, html)
    return 1 if any(verdict.finding for verdict in found) else 0


def run_peers(arguments: argparse.Namespace) -> int:
    """Run the rules on other packages, and print the page's part. Returns the exit status."""
    found, lacking = [], {}
    for peer in PEERS:
        version = peer.version()
        if version is None:
            lacking[peer.name] = "not installed"
            continue
        try:
            for one in verdicts(peer.subject, arguments.rules, arguments.examples, arguments.seed):
                print(f"{peer.name} {version}, rule {one.rule.number}: {one.word}", file=sys.stderr)
                found.append(Found(peer.name, version, one))
        except CannotRun as error:
            lacking[peer.name] = str(error).splitlines()[-1]
    text = summary(found, lacking, arguments.examples)
    print(text)
    if arguments.write:
        pages.renew(PAGE, PART, text)
    return 0 if found else 2

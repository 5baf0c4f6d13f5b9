"""Mutants of `tla/Protocol.tla`, made one by one from the text of its actions.

Each guard is dropped and negated, each condition fixed, each bound moved by one, each assignment
dropped. TLC checks the mutant as text. The shell runs it in place of `kernel/machine`: the text of
the actions is simple enough to be evaluated here, and a test compares the result with the real
machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kernel.machine import ACTIONS, Action, Limits, State, Variables
from specs.tlc import TLA

from ..support.mutants import Mutant

PROTOCOL = (TLA / "Protocol.tla").read_text(encoding="utf-8")
NAMES = [action.__name__ for action in ACTIONS]

ATOM = re.compile(
    r"""~?\b\w+'?(?:\ \+\ 1)?\ (?:=|\#|<|>|\\in)\ (?:\{[^}]*\}|"\w+"|\w+|<<>>)  # a comparison
    |~\w+|(?<![\w"'~])(?:fetching|begun|yielded)\b(?!')               # a truth value""",
    re.VERBOSE,
)
UNCHANGED = re.compile(r"UNCHANGED (?:<<[^>]*>>|\w+)")
BRANCHES = re.compile(r"IF (.*?)\s+THEN (.*)\s+ELSE (.*)", re.DOTALL)
ASSIGNMENT = re.compile(r"(\w+)' = (.*)", re.DOTALL)
IN_BRANCH = re.compile(r"(\w+)' = (\([^()]*\)|[^/\n]+?)(?= /\\|\n|$)")
PUT = re.compile(r'Put\((\d), "(\w+)"\)')
AND = re.compile(r"\s+/\\ (?![^(]*\))")  # and not within parentheses


def body(action: str, text: str = PROTOCOL) -> str:
    """The lines that define an action."""
    return text.split(f"\n{action} ==\n")[1].partition("\n\n")[0]


def items(definition: str) -> Iterator[tuple[int, str]]:
    """The conjuncts of an action, with their places."""
    for found in re.finditer(r"^    /\\ (.*(?:\n     .*)*)", definition, re.MULTILINE):
        yield found.start(1), found[1]


def mutants() -> dict[str, Mutant]:
    """All mutants by name, in the order of the text."""
    found: dict[str, Mutant] = {}
    for action in NAMES:
        whole = body(action)
        for place, item in items(whole):
            if item.startswith("UNCHANGED") or "MaxPermits" in item:  # a bound of the models
                continue
            for kind, at, old, new in of_item(item):
                name = again = f"{action}: {' '.join(old.split())} -> {new}"
                while again in found:
                    again = f"{name} ({int(again[len(name) + 2 : -1] or 1) + 1})"
                start = place + at
                edit = whole, whole[:start] + new + whole[start + len(old) :]
                found[again] = Mutant(again, kind, action, [edit])
    return found


def assignments(item: str) -> list[re.Match[str]]:
    """A conjunct is one, or is none, or the branches of its IF have some."""
    if BRANCHES.fullmatch(item):
        return list(IN_BRANCH.finditer(item))
    return [found for found in [ASSIGNMENT.fullmatch(item)] if found is not None]


def of_item(item: str) -> Iterator[tuple[str, int, str, str]]:
    """The edits of one conjunct: their kind, their place, and what is replaced by what."""
    assigned = set()
    for found in assignments(item):
        assigned.add(found[1])
        at = found.start()
        yield "assignment dropped", at, found[0], f"{found[1]}' = {found[1]}"
    for found in PUT.finditer(item):
        batches, word = found.groups()
        if batches == "1":
            yield "assignment dropped", found.start(), found[0], f'Put(0, "{word}")'
        if word != "none":
            yield "assignment dropped", found.start(), found[0], f'Put({batches}, "none")'
        assigned |= {"buffered", "mark", "later"}
    whole = not assigned and ATOM.fullmatch(item)
    unchanged = [(u.start(), u.end()) for u in UNCHANGED.finditer(item)]
    for found in ATOM.finditer(item):
        if any(start <= found.start() < end for start, end in unchanged):
            continue
        atom, at = found[0], found.start()
        target = atom.split(" ")[0].rstrip("'")
        if atom.startswith(f"{target}'") and target in assigned:
            continue  # the assignment itself
        kind = "guard" if not assigned and "IF" not in item else "condition"
        negated = f"~{atom}" if atom.isidentifier() else f"~({atom})"
        yield f"{kind} negated", at, atom, negated
        yield f"{kind} dropped", at, atom, "TRUE"
        if not whole:
            yield f"{kind} dropped", at, atom, "FALSE"
        if " < " in atom:
            yield "bound moved", at, atom, atom.replace("<", "<=")
        if " > 0" in atom:
            yield "bound moved", at, atom, atom.replace("> 0", "> 1")
        if atom.endswith(" EpochSize"):
            yield "bound moved", at, atom, f"{atom} + 1"


def mutated(mutant: Mutant) -> str:
    """The module with the edit."""
    return mutant.module(PROTOCOL)


# The actions of the module, evaluated.

TO_PYTHON = (
    (r"(\w+) = <<>>", r"(not \1)"),  # which symbols can be asked, whatever their length
    (r"/\\", " and "),
    (r"\\/", " or "),
    (r"\\in", " in "),
    (r"~", " not "),
    (r"#", "!="),
    (r"(?<![<>!=])=(?![=>])", "=="),
    (r"\bTRUE\b", "True"),
    (r"\bFALSE\b", "False"),
    (r"(\w+)'", r"after['\1']"),
)


def python(expression: str) -> str:
    """A TLA+ expression in Python."""
    expression = expression.strip().removeprefix("\\/")
    condition = re.fullmatch(r"IF (.*?) THEN (.*) ELSE (.*)", expression, re.DOTALL)
    if condition is not None:
        test, then, other = (python(part) for part in condition.groups())
        return f"(({then}) if ({test}) else ({other}))"
    for tla, translated in TO_PYTHON:
        expression = re.sub(tla, translated, expression)
    return " ".join(expression.split())


def statement(item: str) -> str:
    """A conjunct as a Python expression: a guard is evaluated, an assignment made."""
    branches = BRANCHES.fullmatch(item)
    if branches is not None:
        test, *both = branches.groups()
        then, other = (
            " and ".join(map(statement, AND.split(branch.strip().removeprefix("/\\ "))))
            for branch in both
        )
        return f"(({then}) if ({python(test)}) else ({other}))"
    if item.startswith("UNCHANGED"):
        return "True"  # what is not assigned stays
    assignment = ASSIGNMENT.fullmatch(item)
    if assignment is not None:
        return f"after.update({{'{assignment[1]}': ({python(assignment[2])})}}) is None"
    return f"bool({python(item)})"


def action(name: str, text: str) -> Action:
    """The action that the module defines, as the machine would have it."""
    source = " and ".join(f"({statement(item)})" for _, item in items(body(name, text)))
    code = compile(source, f"<{name}>", "eval")

    def step(limits: Limits, state: State) -> State | None:
        now = Variables(*state)
        after = now._asdict()
        is_open = now.later[-1:] and now.later[-1][1] == "none"
        closed, size = (now.later[:-1], now.later[-1][0]) if is_open else (now.later, 0)

        def put(batches: int, word: str) -> bool:
            if now.mark == "none":
                after.update(buffered=now.buffered + batches, mark=word)
            else:
                after.update(later=(*closed, (size + batches, word)))
            return True

        constants: dict[str, Any] = {
            "Capacity": limits.capacity,
            "EpochSize": limits.epoch_size,
            "Lookahead": limits.lookahead,
            "Slots": limits.capacity or 1,
            "Held": now.buffered + sum(batches for batches, _ in now.later),
            "Put": put,
            "Head": lambda epochs: dict(enumerate(epochs[0], 1)),
            "Tail": lambda epochs: epochs[1:],
            "MaxPermits": 1_000_000,  # a bound of the models; the machine has none
        }
        names = {**now._asdict(), **constants, "after": after}
        return tuple(after.values()) if eval(code, {}, names) else None  # noqa: S307

    step.__name__ = name
    return step


def machine(text: str = PROTOCOL) -> tuple[Action, ...]:
    """The machine that a module describes."""
    return tuple(action(name, text) for name in NAMES)

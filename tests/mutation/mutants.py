"""The mutants of the code: mutmut's operators and three of ours, each mutant a whole file.

mutmut's own runner calls every function through a trampoline that looks up the mutant. That makes
new places for an interrupt to strike, hides the source from `tests/support/mutants.py`, and leaves
out what runs only in a process of its own. So its operators are used here, and files are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import starmap, takewhile
from operator import eq
from pathlib import Path
from typing import NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, WhitespaceInclusivePositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).parents[2]
LEFT_OUT = {
    "__init__": "it names what others define",
    "__main__": "a demonstration",
    "types": "names of types",
    "errors": "what is raised, and with which words",
    "record": "it watches, and decides nothing",
    "meter": "it watches, and decides nothing",
    "stats": "it watches, and decides nothing",
    "stall": "it watches, and decides nothing",
    "profile": "it watches, and decides nothing",
}
"""Files of the kernel that are not mutated, and why."""
FILES = tuple(
    str(path.relative_to(ROOT))
    for path in sorted((ROOT / "kernel").rglob("*.py"))
    if path.stem not in LEFT_OUT
)


class Mutant(NamedTuple):
    """One edit of one file."""

    file: str
    function: str  # with its class; empty for a line of the module
    before: str  # the lines that are changed, without indentation
    after: str
    count: int  # of the mutants that are alike in all this: 1, 2, …
    line: int
    text: str  # the whole file

    @property
    def name(self) -> str:
        """What names it in lists, also after lines were added or removed elsewhere."""
        again = f" (#{self.count})" if self.count > 1 else ""
        place = f"{self.file}:{self.function or 'module'}"
        return f"{place}: {self.before or 'nothing'} -> {self.after or 'nothing'}{again}"


def without(statement: cst.BaseSmallStatement) -> Iterator[cst.BaseSmallStatement]:
    """The statement is missing."""
    documents = isinstance(statement, cst.Expr) and isinstance(statement.value, cst.BaseString)
    if not documents and not isinstance(statement, (cst.Pass, cst.ImportFrom, cst.Import)):
        yield cst.Pass()


def one_side(operation: cst.BooleanOperation) -> Iterator[cst.BaseExpression]:
    """One of two conditions is missing."""
    for side in (operation.left, operation.right):
        yield cst.ensure_type(side, cst.BaseExpression).with_changes(
            lpar=[*operation.lpar, *side.lpar], rpar=[*side.rpar, *operation.rpar]
        )


def negated(branch: cst.If | cst.While) -> Iterator[cst.CSTNode]:
    """The other branch is taken, where mutmut has no comparison to turn round."""
    if isinstance(branch.test, (cst.Name, cst.Attribute, cst.Call)):
        yield branch.with_changes(test=cst.UnaryOperation(cst.Not(), branch.test))


OPERATORS = [
    *mutation_operators,
    (cst.BaseSmallStatement, without),
    (cst.BooleanOperation, one_side),
    (cst.If, negated),
    (cst.While, negated),
]


@cache
def mutants(file: str, source: str) -> tuple[Mutant, ...]:
    """All mutants of a file, in the order of its lines; names of types and imports stay."""
    visitor = MutationVisitor(OPERATORS, IgnoredCode(set(), set(), set()))
    wrapper = MetadataWrapper(cst.parse_module(source))
    module = wrapper.visit(visitor)
    ranges = wrapper.resolve(WhitespaceInclusivePositionProvider)
    lines = source.splitlines(keepends=True)
    functions = dict(_functions(module))
    found: dict[str, Mutant] = {}  # by their texts
    alike: Counter[tuple[str, str, str]] = Counter()
    for mutation in visitor.mutations:
        old, new = mutation.original_node, mutation.mutated_node
        if isinstance(new, (cst.If, cst.While)):
            old, new = old.test, new.test  # what is written out must lie within a line
        start, end = ranges[old].start, ranges[old].end
        text = "".join(lines[: start.line - 1]) + lines[start.line - 1][: start.column]
        text += module.code_for_node(new)
        text += lines[end.line - 1][end.column :] + "".join(lines[end.line :])
        line, before, after = _difference(source, text)
        function = functions.get(mutation.contained_by_top_level_function, "")
        if not function and (
            isinstance(mutation.mutated_node, cst.Pass)
            or any(word in before for word in ("TypeAlias", "TypeVar"))
        ):
            continue
        if text in found:
            continue
        alike[function, before, after] += 1
        count = alike[function, before, after]
        found[text] = Mutant(file, function, before, after, count, line, text)
    return tuple(found.values())


def _functions(module: cst.Module) -> Iterator[tuple[cst.CSTNode, str]]:
    for node in module.body:
        if isinstance(node, cst.FunctionDef):
            yield node, node.name.value
        elif isinstance(node, cst.ClassDef):
            for inner in node.body.body:
                if isinstance(inner, cst.FunctionDef):
                    yield inner, f"{node.name.value}.{inner.name.value}"


def _difference(source: str, text: str) -> tuple[int, str, str]:
    """The number of the first line that differs, and the lines that do, before and after."""
    old, new = ([line.strip() for line in whole.splitlines()] for whole in (source, text))
    start = sum(1 for _ in takewhile(bool, map(eq, old, new)))
    rest = zip(reversed(old[start:]), reversed(new[start:]), strict=False)
    end = sum(1 for _ in takewhile(bool, starmap(eq, rest)))
    before, after = (" ".join(lines[start : len(lines) - end]) for lines in (old, new))
    return start + 1, before, after


def all_mutants() -> list[Mutant]:
    """The mutants of all files."""
    return [m for f in FILES for m in mutants(f, (ROOT / f).read_text(encoding="utf-8"))]

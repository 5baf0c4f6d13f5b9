"""Runs plain Python functions on symbols instead of values, along every path.

A symbol is a term of the solver. Where Python asks whether one is true, the run forks: the function
is run again for each answer that the solver finds possible. What comes out is a table: on which
condition the function returns what. Nothing of the function is translated, so nothing can differ.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import z3

T = TypeVar("T")
Term = Any  # z3 has no types of its own


@dataclass(frozen=True)
class Path(Generic[T]):
    """One way through a function."""

    forks: tuple[tuple[Term, bool], ...]  # what was asked, and answered, where both is possible
    result: T


class Symbol:
    """What stands for a value; subclasses say of which kind."""

    def __init__(self, term: Term) -> None:
        self.term = term

    def __eq__(self, other: object) -> Any:
        return Truth(self.term == self.lift(other))

    def __ne__(self, other: object) -> Any:
        return Truth(self.term != self.lift(other))

    def __hash__(self) -> int:
        raise TypeError(f"{type(self).__name__} has no end of values to look up")

    def lift(self, value: object) -> Term:
        """The value as a term that can be compared with this one. Raises TypeError."""
        raise NotImplementedError


class Truth(Symbol):
    """A truth value."""

    def __bool__(self) -> bool:
        known = self.term if _running else z3.simplify(self.term)
        if z3.is_true(known) or z3.is_false(known):
            return bool(z3.is_true(known))
        if not _running:
            raise TypeError(f"whether it is true depends: {known}")
        return _running[-1].decide(known)

    def __hash__(self) -> int:
        return hash(bool(self))

    def __add__(self, other: Any) -> Number:
        return Number(number(self) + number(other))

    __radd__ = __add__

    def lift(self, value: object) -> Term:
        """A truth value as a term."""
        if not isinstance(value, bool | Truth):
            raise TypeError(f"{value!r} is no truth value")
        return truth(value)


class Number(Symbol):
    """An integer."""

    def __bool__(self) -> bool:
        return bool(self != 0)

    __hash__ = Symbol.__hash__

    def __add__(self, other: Any) -> Number:
        return Number(self.term + number(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Number:
        return Number(self.term - number(other))

    def __floordiv__(self, other: int) -> Number:
        if other <= 0:
            raise ValueError(f"{other} is not above 0: z3 does not round there as Python does")
        return Number(self.term / other)

    def __lt__(self, other: Any) -> Truth:
        return Truth(self.term < number(other))

    def __le__(self, other: Any) -> Truth:
        return Truth(self.term <= number(other))

    def __gt__(self, other: Any) -> Truth:
        return Truth(self.term > number(other))

    def __ge__(self, other: Any) -> Truth:
        return Truth(self.term >= number(other))

    def lift(self, value: object) -> Term:
        """An integer as a term."""
        if not isinstance(value, int | Number | Truth):
            raise TypeError(f"{value!r} is no number")
        return number(value)


class Kind:
    """A finite set of Python values, as a sort of the solver.

    :param name: of the sort; each kind needs its own
    :param values: of the kind, which may be looked up
    """

    def __init__(self, name: str, values: Iterable[Hashable]) -> None:
        self.values = tuple(values)
        self.sort, self.terms = z3.EnumSort(name, [f"{name}:{_word(v)}" for v in self.values])


def _word(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


class Choice(Symbol):
    """One of the values of a kind; a collection if they are collections."""

    def __init__(self, kind: Kind, term: Term) -> None:
        super().__init__(term)
        self.kind = kind

    def __eq__(self, other: object) -> Any:
        if isinstance(other, Choice) or other in self.kind.values:
            return Truth(self.term == choice(self.kind, other))
        return Truth(z3.BoolVal(False))

    def __ne__(self, other: object) -> Any:
        return Truth(z3.simplify(z3.Not((self == other).term)))

    def __hash__(self) -> int:
        return hash(self.decided())

    def decided(self) -> Any:
        """The value itself: the run forks for each that is possible."""
        for value in self.kind.values[:-1]:
            if self == value:
                return value
        return self.kind.values[-1]

    def __bool__(self) -> bool:
        return bool(self.decided())

    def __len__(self) -> int:
        return len(self.decided())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.decided())

    def __getitem__(self, place: Any) -> Any:
        return self.decided()[place]


def truth(value: Any) -> Term:
    """A truth value, or what stands for one, as a term."""
    return value.term if isinstance(value, Truth) else z3.BoolVal(bool(value))


def number(value: Any) -> Term:
    """An integer, or what stands for one, as a term; true counts as 1."""
    if isinstance(value, Truth):
        return z3.If(value.term, z3.IntVal(1), z3.IntVal(0))
    return value.term if isinstance(value, Number) else z3.IntVal(int(value))


def choice(kind: Kind, value: Any) -> Term:
    """A value of a kind, or what stands for one, as a term. Raises ValueError if it is none."""
    if isinstance(value, Choice) and value.kind is kind:
        return value.term
    if value not in kind.values:
        raise ValueError(f"{value!r} is none of {kind.values}")
    return kind.terms[kind.values.index(value)]


class _Decision(NamedTuple):
    term: Term
    value: bool
    forced: bool  # the other answer is impossible
    last: bool  # the other answer was tried, or is impossible


class _Run:
    """All runs of one function, in depth first order: each repeats the last one up to a fork."""

    def __init__(self, assumption: Term) -> None:
        self.solver = z3.SimpleSolver()
        self.solver.add(assumption)
        self.trail: list[_Decision] = []
        self.place = 0
        self.example: Any = None

    def decide(self, term: Term) -> bool:
        """Whether the term is true on this path."""
        if self.place == len(self.trail):
            self._extend(term)
        decision = self.trail[self.place]
        if not decision.term.eq(term):
            raise RuntimeError("the function does not run twice alike")
        self.place += 1
        return decision.value

    def _extend(self, term: Term) -> None:
        value = bool(z3.is_true(self._example().eval(term, model_completion=True)))
        forced = self.solver.check(z3.Not(term) if value else term) == z3.unsat
        self._push(_Decision(term, value, forced, forced))

    def _example(self) -> Any:
        """Values with which the function runs this way so far: one answer that is possible."""
        if self.example is None:
            if self.solver.check() != z3.sat:
                raise ValueError("nothing satisfies the assumption")
            self.example = self.solver.model()
        return self.example

    def _push(self, decision: _Decision) -> None:
        self.solver.push()
        self.solver.add(decision.term if decision.value else z3.Not(decision.term))
        self.trail.append(decision)

    def forks(self) -> tuple[tuple[Term, bool], ...]:
        """What the path depends on."""
        return tuple((d.term, d.value) for d in self.trail if not d.forced)

    def turn(self) -> bool:
        """Go back to the last fork whose other way was not taken; False if there is none."""
        self.place, self.example = 0, None
        while self.trail:
            decision = self.trail.pop()
            self.solver.pop()
            if not decision.last:
                self._push(decision._replace(value=not decision.value, last=True))
                return True
        return False


_running: list[_Run] = []  # the innermost is the last


def paths(function: Callable[[], T], assumption: Term = True) -> Iterator[Path[T]]:
    """Run a function of symbols along every path that the assumption leaves.

    :param function: without arguments; must do the same whenever it is asked the same
    :param assumption: on which alone the paths are complete
    :yields: for each path its forks and what is returned there, which may be a symbol
    """
    run = _Run(assumption)
    while True:
        _running.append(run)
        try:
            result = function()
        finally:
            _running.pop()
        yield Path(run.forks(), result)
        if not run.turn():
            return


def tree(found: Sequence[Path[T]], term: Callable[[T], Term], depth: int = 0) -> Term:
    """What a function returns, as one term: a choice at each fork, but where both ways are alike.

    :param found: all paths of the function
    :param term: makes a term of a result
    """
    if len(found) == 1:
        return term(found[0].result)
    ways = [[p for p in found if p.forks[depth][1] is answer] for answer in (True, False)]
    yes, no = (tree(way, term, depth + 1) for way in ways)
    return yes if yes.eq(no) else z3.If(found[0].forks[depth][0], yes, no)


def formula(predicate: Callable[[], Any], assumption: Term = True) -> Term:
    """When a function returns something true, as one term."""
    return z3.simplify(tree(list(paths(predicate, assumption)), truth))

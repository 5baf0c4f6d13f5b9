"""The parts of the proofs: symbols behave as values, intervals as batches, epochs as tuples."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import z3

from kernel.machine import Later, in_later, put
from specs.history import is_open
from specs.proof.moments import NOW
from specs.proof.sequences import Interval, epochs, interval, plain
from specs.proof.symbolic import Choice, Kind, Number, Truth, formula, paths

from .test_proof_formulas import at, python

# The parts.


def test_intervals() -> None:
    """A batch that is lost, doubled or swapped makes it no interval."""
    whole = Interval(1, 2)
    assert bool(interval((whole, 3)) == Interval(1, 3)) is True
    assert bool(interval(()) == Interval(7, 0)) is True
    for wrong in (2, 4):
        assert bool(interval((whole, wrong)) == Interval(1, 3)) is False
        assert bool(interval((whole, wrong)) == interval((whole, wrong))) is False
    assert bool(Interval(1, 2)[1:] == Interval(2, 1)) is True
    assert bool(Interval(1, 0)[1:] == Interval(1, 0)) is True
    assert [python(Interval(4, n)[0]) for n in (1, 0)] == [4, 0]
    with pytest.raises(IndexError):
        whole[1]


TUPLES: list[Later] = [
    (),
    ((2, "ended"),),
    ((1, "ended"), (0, "failed")),
    ((3, "ended"), (1, "ended"), (4, "none")),
]


def values(found: Any) -> Any:
    """Epochs as a tuple."""
    return plain(epochs(found), z3.simplify)


@pytest.mark.parametrize("later", TUPLES, ids=str)
def test_epochs_behave_as_tuples(later: Later) -> None:
    """Whatever the machine and the properties do with one."""
    whole = epochs(later)
    assert values(whole) == later
    assert bool(whole) == bool(later)
    assert (python(whole.length), python(in_later(whole))) == (len(later), in_later(later))  # type: ignore[arg-type]
    assert bool(is_open(whole)) == is_open(later)  # type: ignore[arg-type]
    for part in (slice(1, None), slice(None, -1), slice(-1, None)):
        assert values(whole[part]) == later[part]
    for place in (0, -1):
        if later:
            assert values((whole[place],)) == (later[place],)
        else:
            with pytest.raises(IndexError):
                whole[place]
    for mark in ("none", "ended"):
        for batches, word in ((1, "none"), (1, "ended"), (0, "ended"), (0, "failed")):
            *known, behind = put(batches, word, 2, mark, whole)  # type: ignore[arg-type]
            assert (*known, values(behind)) == put(batches, word, 2, mark, later)  # type: ignore[arg-type]
    assert values((*whole, *later)) == (*later, *later)
    assert [bool(whole == other) for other in TUPLES] == [later == other for other in TUPLES]


def test_epochs_that_are_none() -> None:
    """None is the same, whatever there was before."""
    assert epochs(((1, "ended"),))[1:] is epochs(())
    with pytest.raises(IndexError):
        epochs(TUPLES[-1])[1]
    with pytest.raises(ValueError, match="none of"):
        epochs(((1, "red"),))


COLOURS = Kind("Colours", ("red", "green", "blue"))


def symbols() -> tuple[Truth, Number, Choice]:
    return (
        Truth(z3.Bool("t")),
        Number(z3.Int("n")),
        Choice(COLOURS, z3.Const("c", COLOURS.sort)),
    )


FUNCTIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "number or": lambda t, n, c: n < (n or 1) if t else (n or 1) > 0,
    "chained": lambda t, n, c: (c == "red" != c and 0 < n < 3) if t else -1 <= n == 0,
    "in tuple": lambda t, n, c: c in ("red", "blue") or n >= 2,
    "in set": lambda t, n, c: (c, t) in {("red", True), ("blue", False)},
    "lookup": lambda t, n, c: {"red": n, "green": 2}.get(c, 0) == 2,
    "or not": lambda t, n, c: c != "red" or not t,
    "sum": lambda t, n, c: n + t + 1 <= 2 + t - n if c == "red" else t == (n - 1 > 1),
    "tuples": lambda t, n, c: (t, n, c) == (True, 3, "green"),
    "nested": lambda t, n, c: (n if t and n > 1 else -1 if c == "blue" else 1) > 0,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_symbols_behave_as_values(name: str) -> None:
    """Whatever Python asks of symbols, the formula says what the function says of values."""
    function, (t, n, c) = FUNCTIONS[name], symbols()
    formed = formula(lambda: function(t, n, c))
    found = set()
    for truth, number, colour in itertools.product((True, False), range(-1, 5), COLOURS.values):
        holds = bool(function(truth, number, colour))
        place = COLOURS.values.index(colour)
        values = {"t": z3.BoolVal(truth), "n": z3.IntVal(number), "c": COLOURS.terms[place]}
        assert z3.is_true(at(formed, values)) == holds
        found.add(holds)
    assert found == {True, False}


def test_impossible_ways_are_not_taken() -> None:
    """The solver prunes: what is greater than nothing is not nothing."""
    _, n, c = symbols()
    found = list(paths(lambda: n > 0 and (n > 5 or n != 0)))
    assert len(found) == 3
    assert len(list(paths(lambda: {c: 0}, n.term > 0))) == 3


def test_misuse_of_symbols() -> None:
    """What has no answer is an error, and is not taken for false."""
    t, n, c = symbols()
    with pytest.raises(TypeError, match="depends"):
        bool(t)
    with pytest.raises(TypeError, match="depends"):
        bool(n == 3)
    with pytest.raises(TypeError, match="look up"):
        hash(n)
    with pytest.raises(TypeError, match="no number"):
        bool(n == "3")
    with pytest.raises(TypeError, match="no truth value"):
        bool(t == 1)
    with pytest.raises(ValueError, match="none of"):
        bool(c == NOW.now.vars.scope)
    with pytest.raises(ValueError, match="nothing satisfies"):
        list(paths(lambda: bool(t), z3.And(n.term > 0, n.term < 0)))
    answers = iter([n > 0, n > 1, n > 2])
    with pytest.raises(RuntimeError, match="twice alike"):
        list(paths(lambda: bool(next(answers))))

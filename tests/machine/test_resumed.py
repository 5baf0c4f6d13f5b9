"""The first state of a resumed stream is that of an unbuffered one at the same place."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from kernel.machine import INITIAL, Limits, State, Variables, resumed

from ..support.traces import ACTION

SIZES = range(5)


def after(limits: Limits, state: State, *actions: str) -> State:
    """The state after these actions, which are enabled."""
    for action in actions:
        then = ACTION[action](limits, state)
        assert then is not None, action
        state = then
    return state


def unbuffered(random: Random, size: int, lookahead: bool) -> Iterator[tuple[State, int, int]]:
    """States of a wrapper without a buffer between two calls of `next`, each with its place."""
    limits, state, in_epoch, in_pass = Limits(0, size, lookahead), INITIAL, 0, 0
    for _ in range(200):
        yield state, in_epoch, in_pass
        if 0 < size == in_epoch:
            state, in_epoch = after(limits, state, "EndEpoch"), 0
            continue
        answer = random.choice(("Enqueue", "Enqueue", "Enqueue", "Exhaust", "Fail"))
        state = after(limits, state, "Request", "Fetch", answer)
        while answer == "Exhaust" and state[4] == "none":  # another pass follows, unseen
            in_pass, answer = 0, random.choice(("Enqueue", "Exhaust", "Fail"))
            state = after(limits, state, "Fetch", answer)
        told = {"Enqueue": "Dequeue", "Exhaust": "EndEpoch", "Fail": "Raise"}[answer]
        state = after(limits, state, "Withdraw", told)
        more = answer == "Enqueue"
        in_epoch, in_pass = (in_epoch + 1, in_pass + 1) if more else (0, 0)


@pytest.mark.parametrize("lookahead", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_as_without_a_buffer(size: int, lookahead: bool) -> None:
    """It is the state of an unbuffered wrapper whose consumer is at that place.

    With lookahead that may have begun the epoch after an end, and a new one has not.
    """
    places = set()
    for seed in range(20):
        for state, in_epoch, in_pass in unbuffered(Random(seed), size, lookahead):
            places.add((in_epoch, in_pass))
            fresh = {"begun": False} if lookahead and in_epoch == 0 else {}
            expected = Variables(*state)._replace(**fresh)
            for capacity in (0, 3):
                assert resumed(Limits(capacity, size, lookahead), in_epoch, in_pass) == expected
    small = {(e, p) for e in range(-1, 6) for p in range(-1, 6)}
    known = {place for place in small if resumed(Limits(1, size), *place) is not None}
    assert known == places & small  # and there is one nowhere else

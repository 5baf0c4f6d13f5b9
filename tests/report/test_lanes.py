"""The seed's counterexamples as swimlanes: the acting thread, the changes, the switches."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from kernel.machine import INITIAL, Mark, Variables
from specs.report import lanes, seed, stories, values
from specs.report import protocol as of_protocol
from specs.report.command import swimlane
from specs.report.lanes import Leaves, Swimlane, summary
from specs.tlc import TLA, Result, Step, check, models

from .stored import SEEDS, load, packed

RUNS = load()
LANES = {name: swimlane(SEEDS[name], RUNS[name]) for name in RUNS}


def test_stored_runs_are_those_that_are_expected() -> None:
    """Each model of the seed has its run, of the length that its .cfg records."""
    assert RUNS.keys() == SEEDS.keys()
    for name, model in SEEDS.items():
        assert RUNS[name].verdict == model.expected
        assert len(RUNS[name].steps) == model.counterexample


@pytest.mark.parametrize("name", RUNS)
def test_stored_run_is_what_tlc_finds(name: str) -> None:
    """The file says what TLC says today; how a run goes on for ever is chance."""
    result = check(SEEDS[name])
    assert result.differences(SEEDS[name]) == []
    assert result.then or packed(result) == packed(RUNS[name])


def test_every_defect_has_a_story() -> None:
    """And every property that a defect breaks is put in English."""
    assert stories.STORIES.keys() == SEEDS.keys()
    broken = {model.expected.removeprefix("violates ") for model in SEEDS.values()}
    assert stories.PROPERTIES.keys() == broken
    for story in stories.STORIES.values():
        assert all(text[0].isupper() or text[0] == "`" for text in story)
        assert all(text.endswith(".") for text in story[1:])
        assert all(text.count("`") % 2 == 0 for text in story)


def test_every_action_of_the_model_is_told() -> None:
    """No action of `Seed.tla` lacks a sentence, and none has two."""
    text = (TLA / "Seed.tla").read_text(encoding="utf-8")
    parts = text[text.index("\nWorker(t) ==") : text.index("\nNext ==")]
    named = set(re.findall(r"\b[A-Z]\w+", parts)) - {"Worker", "Source", "InCall", "User"}
    assert named - {"OwnSource"} == seed.USER.keys() | seed.THREADS.keys()
    assert not seed.USER.keys() & seed.THREADS.keys()


@pytest.mark.parametrize("name", RUNS)
def test_swimlane(name: str) -> None:
    """A row for each state, in the column of the thread that moved, with what it changed."""
    lane, run = LANES[name], RUNS[name]
    assert [row.action for row in lane.rows[1:]] == [step.action for step in run.steps[1:]]
    assert lane.broken == SEEDS[name].expected.removeprefix("violates ")
    assert lane.meaning
    assert lane.wrong
    for (step, then), (row, after) in zip(pairwise(run.steps), pairwise(lane.rows), strict=True):
        moved = step.state["pc"] != then.state["pc"]
        assert moved or after.lane == 0, "a step of a thread moves it"
        assert after.text
        assert after.changes == lanes.changes(
            dict(row.state), dict(after.state), seed.minor(_values(then))
        )
        switched = row.lane >= 0 and row.lane != after.lane
        assert (row.leaves is not None) == switched
    assert lane.rows[-1].leaves is None


def _values(step: Step) -> dict[str, object]:
    return {name: values.read(text) for name, text in step.state.items()}


def reasons(name: str) -> dict[int, tuple[str, str]]:
    """Why threads are left, by the number of the step."""
    return {r.number: (r.leaves.why, r.leaves.text) for r in LANES[name].rows if r.leaves}


def test_reasons_of_switches() -> None:
    """A thread waits, is preempted, has ended, or your code is in no call."""
    assert reasons("Seed_1_StopAtBoundary")[9][0] == "preempted"
    assert reasons("Seed_1_StopAtBoundary")[16] == ("ended", "has ended")
    assert reasons("Seed_13_StopPulls")[3] == ("waits", "waits for the gate to be opened")
    assert reasons("Seed_13_StopPulls")[5] == ("waits", "sleeps for 20 ms")
    assert reasons("Seed_14_InterruptedStop")[16] == ("waits", "waits for thread 1 to end")
    assert reasons("Seed_6_EnteredTwice")[8] == ("waits", "waits for the source")
    assert reasons("Seed_12_PullWhileShut")[3][0] == "over"
    assert reasons("Seed_21_BrokenPassKept") == {}


def test_summary_of_the_order() -> None:
    """The order in a sentence: what was forced, if anything was."""
    assert summary(LANES["Seed_21_BrokenPassKept"]) == "One thread takes every step."
    assert summary(LANES["Seed_1_StopAtBoundary"]).endswith("after steps 9, 14 and 26.")
    assert "one switch: after step 4" in summary(LANES["Seed_17_ServedRequestPermits"])
    assert summary(LANES["Seed_12_PullWhileShut"]).startswith("Nobody is preempted")


def test_run_that_goes_on_for_ever() -> None:
    """The rows that repeat are known."""
    lane = LANES["Seed_4_EmptySource"]
    assert (lane.back, lane.rows[-1].number) == (12, 15)
    assert LANES["Seed_1_StopAtBoundary"].back == 0


@pytest.mark.parametrize(
    ("text", "value", "told"),
    [
        ('"a \\"b\\""', 'a \\"b\\"', 'a \\"b\\"'),
        ("-3", -3, "-3"),
        ("<<>>", (), "empty"),
        ("{}", frozenset(), "none"),
        ('{"b", "a"}', frozenset({"a", "b"}), "a, b"),
        ('[a |-> 1, b |-> <<"x">>]', {"a": 1, "b": ("x",)}, "a: 1, b: x"),
        ("(1 :> TRUE @@ 2 :> FALSE)", {1: True, 2: False}, "1: yes, 2: no"),
        ('<<<<2, "ended">>>>', ((2, "ended"),), "a later epoch: 2 batches, ended"),
        (
            '<<<<1, "ended">>, <<0, "failed">>>>',
            ((1, "ended"), (0, "failed")),
            "later epochs: 1 batch, ended; 0 batches, then an error",
        ),
        ('<<<<1, "none">>>>', ((1, "none"),), "a later epoch: 1 batch, open"),
        ('<<<<>>, <<"none", 2>>>>', ((), ("none", 2)), "nothing, None (batch 2)"),
        ("Unrecorded", "Unrecorded", "Unrecorded"),
    ],
)
def test_values_of_tla(text: str, value: object, told: str) -> None:
    """What TLC writes is read, and reported."""
    assert values.read(text) == value
    assert values.words(value) == told


@pytest.mark.parametrize("text", ["", "<<1", "1 2", "{1", "[a 1]", "?"])
def test_no_value_of_tla(text: str) -> None:
    """What is no value is refused."""
    with pytest.raises(ValueError, match="no value of TLA"):
        values.read(text)


def protocol_run(*steps: tuple[str, str, bool]) -> Swimlane:
    """A run of the protocol, of actions with the worker and whether a pull is in flight."""
    model = next(model for model in models() if model.name == "NonProperties_StopDrains")
    rest = {"scope": '"inside"', "permits": "1", "consumer": '"waiting"', "buffered": "0"}
    rest |= {"mark": '"none"', "later": "<<>>", "begun": "TRUE", "count": "0", "yielded": "FALSE"}
    told = [
        Step(action, {**rest, "worker": f'"{worker}"', "fetching": str(pull).upper()})
        for action, worker, pull in steps
    ]
    return swimlane(model, Result("violates StopDrains", steps=told))


def test_lane_of_a_pull() -> None:
    """The worker pulls, or a caller where there is no worker."""
    alone = protocol_run(("Initial predicate", "absent", False), ("Fetch", "absent", True))
    assert alone.lanes[alone.rows[1].lane] == "Callers"
    helped = protocol_run(
        ("Initial predicate", "running", False),
        ("Fetch", "running", True),
        ("Withdraw", "running", True),
    )
    assert [helped.lanes[row.lane] for row in helped.rows[1:]] == ["Worker", "Callers"]
    assert helped.rows[1].leaves == Leaves("waits", "waits for the source")


@pytest.mark.parametrize(
    ("mark", "begun", "permits", "waits"),
    [
        ("ended", False, 1, "waits for the end or the error to be told"),
        ("ended", True, 0, "waits for a gate or a request"),
        ("ended", True, 1, "could go on if there is room, but another thread does"),
        ("none", False, 1, "could go on if there is room, but another thread does"),
    ],
)
def test_worker_looks_past_an_end(mark: Mark, begun: bool, permits: int, waits: str) -> None:
    """An end stops the worker, but not if it has begun the next epoch."""
    state = Variables(*INITIAL)._replace(scope="inside", worker="running", consumer="waiting")
    state = state._replace(mark=mark, begun=begun, permits=permits)
    assert of_protocol.leaves(1, state._asdict()).text == waits


def test_false_statement_says_what_is_false() -> None:
    """A statement that is false on purpose is shown as stated, and then what is true."""
    lane = protocol_run(("Initial predicate", "absent", False), ("Fetch", "absent", True))
    assert lane.meaning == "A stop leaves nothing buffered."
    assert lane.wrong == "A stop keeps what is buffered."


def test_model_of_another_kind() -> None:
    """A violation of the shell's model has a column for each thread, and its comments as text."""
    model = next(model for model in models() if model.name == "ShellNonProperties_ParkedSleeps")
    lane = swimlane(model, check(model))
    assert lane.broken == "ParkedSleeps"
    assert [row.number for row in lane.rows] == [1, 2, 3]
    assert "Worker" in lane.lanes
    assert all(row.text for row in lane.rows[1:])

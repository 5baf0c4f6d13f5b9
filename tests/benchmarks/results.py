"""Figures of a run, by round, and what is worked out from them: medians, ratios, thresholds.

A ratio is taken within each round, in which all were measured in turn, and is the median of the
rounds' ratios: what slows the machine for a while slows both sides of it. They are kept as a suite
of pyperf, so that its commands read them too (`python -m pyperf stats FILE`).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import pyperf

from .measures import SIZES, TIMES
from .subjects import EmloopAwake, Ideal, Limit, PrefetchGenerator, Wrapper

OURS = Wrapper.NAME


class Key(NamedTuple):
    """What was measured."""

    measure: str
    case: str
    subject: str


class Missing(Exception):
    """A figure that was not measured, or could not be."""


class Results:
    """Values by key, one a round, in seconds; and words for those that are missing."""

    def __init__(self) -> None:
        self.values: dict[Key, list[float]] = {}
        self.words: dict[Key, str] = {}

    def __getitem__(self, key: tuple[str, str, str]) -> list[float]:
        """The values. Raises Missing."""
        found = Key(*key)
        if found not in self.values or found in self.words:
            raise Missing(f"{'/'.join(key)}: {self.words.get(found, 'not measured')}")
        return self.values[found]

    def median(self, measure: str, case: str, subject: str) -> float:
        """The median of the rounds. Raises Missing."""
        return statistics.median(self[measure, case, subject])

    def ratio(self, upper: tuple[str, str, str], lower: tuple[str, str, str]) -> float:
        """The median of the rounds' ratios of two figures. Raises Missing."""
        return statistics.median(
            above / below for above, below in zip(self[upper], self[lower], strict=True)
        )

    def save(self, file: str) -> None:
        """Write a suite of pyperf: a benchmark for each key, with a value for each round."""
        shared = pyperf.Run([1.0]).get_metadata()  # of the machine, which takes a while
        shared["missing"] = json.dumps([[*key, word] for key, word in self.words.items()])

        def run(key: Key) -> pyperf.Run:
            metadata = {**shared, "name": "/".join(key), "unit": "second"}
            return pyperf.Run(self.values[key], metadata=metadata, collect_metadata=False)

        suite = pyperf.BenchmarkSuite([pyperf.Benchmark([run(key)]) for key in self.values])
        suite.dump(file, replace=True)

    @classmethod
    def load(cls, file: str) -> Results:
        """Read what `save` has written."""
        results = cls()
        for benchmark in pyperf.BenchmarkSuite.load(file):
            measure, case, subject = benchmark.get_name().split("/")
            results.values[Key(measure, case, subject)] = list(benchmark.get_values())
            for *key, word in json.loads(benchmark.get_metadata()["missing"]):
                results.words[Key(*key)] = word
        return results


class Threshold(NamedTuple):
    """A figure that must not be below, or above, a bound."""

    measure: str
    what: str
    bound: float
    at_least: bool
    figure: Callable[[Results], float]

    def misses(self, results: Results) -> str | None:
        """The words for a figure that is missed, or could not be had; None if all is well."""
        try:
            figure = self.figure(results)
        except Missing as missing:
            return f"{self.what}: no figure ({missing})"
        good = figure >= self.bound if self.at_least else figure <= self.bound
        side = "least" if self.at_least else "most"
        return None if good else f"{self.what}: {figure:.3f}, should be at {side} {self.bound:g}"


def speed(results: Results, size: int, subject: str, other: str) -> float:
    """How many times faster a subject hands over than another. Raises Missing."""
    return results.ratio(("handoff", str(size), other), ("handoff", str(size), subject))


def overlap(results: Results, case: str, subject: str) -> float:
    """Wall time over the ideal. Raises Missing."""
    return results.ratio(("overlap", case, subject), ("overlap", case, Ideal.NAME))


def _thresholds() -> Iterable[Threshold]:
    for size, bound in zip(SIZES, (1.0, 1.0, 1.8, 3.0, 4.0), strict=True):
        what = f"hand-off at buffer {size} against prefetch_generator"
        figure = partial(speed, size=size, subject=OURS, other=PrefetchGenerator.NAME)
        yield Threshold("handoff", what, bound, True, figure)
    for size, bound in ((1, 0.75), (16, 0.75), (256, 0.53)):
        what = f"hand-off at buffer {size} against the limit"
        figure = partial(speed, size=size, subject=OURS, other=Limit.NAME)
        yield Threshold("handoff", what, bound, True, figure)
    for kind in ("sleep", "numpy"):
        for source, consumer in TIMES:
            case = f"{kind} {source},{consumer}"
            what = f"overlap, {case} ms: wall time over the ideal"
            figure = partial(overlap, case=case, subject=OURS)
            yield Threshold("overlap", what, 1.03, False, figure)
        what = f"interference, {kind}: gated step over the step without a producer"
        figure = ours("interference", f"{kind} gated step", f"{kind} null step")
        yield Threshold("interference", what, 1.05, False, figure)
        what = f"interference, {kind}: ungated wall time over gated"
        figure = ours("interference", f"{kind} free wall", f"{kind} gated wall")
        yield Threshold("interference", what, 1.3, True, figure)
    what = "stop with a full buffer and an idle worker over emloop's without its sleep"
    yield Threshold("stop", what, 1.0, False, ours("stop", "stop", "stop", EmloopAwake.NAME))


def ours(measure: str, upper: str, lower: str, other: str = OURS) -> Callable[[Results], float]:
    """The ratio of a figure of ours to another, of ours or of another's."""
    return lambda results: results.ratio((measure, upper, OURS), (measure, lower, other))


THRESHOLDS = tuple(_thresholds())


def missed(results: Results, measures: Iterable[str]) -> list[str]:
    """The words for each threshold of these measures that is missed."""
    chosen = set(measures)
    words = (threshold.misses(results) for threshold in THRESHOLDS if threshold.measure in chosen)
    return [word for word in words if word is not None]

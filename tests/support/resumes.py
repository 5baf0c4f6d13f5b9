"""Resumes that are broken, each by the same edit in Python and in TLA+."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import NamedTuple

from kernel import machine
from specs import resume

from .mutants import mutate


class Mutant(NamedTuple):
    """An edit of what is handed on, or of what another wrapper makes of it."""

    name: str
    property: str  # that refuses it in TLC
    module: str  # in TLA+
    tla: tuple[str, str]  # what to replace, and by what
    function: str  # in Python: `resumed` of the machine, or one of `specs.resume`
    python: tuple[str, str]
    capacity: int = 2  # of a buffer with which the property fails


HANDED_ON = """InEpoch == IF EpochSize = 0 THEN given ELSE got
InPass == given"""
ENDED = 'inEpoch = EpochSize\n         THEN mark\' = "ended"'
BOUNDARY = "IF EpochSize > 0 /\\ got = EpochSize THEN UNCHANGED place ELSE Fresh"

MUTANTS = {
    mutant.name: mutant
    for mutant in (
        Mutant(
            "what was pulled is counted, not what was given",
            "Conservation",
            "Resume",
            (
                HANDED_ON,
                HANDED_ON.replace("ELSE got", "ELSE got + buffered") + " + buffered",
            ),
            "handed_on",
            (
                "return place.in_epoch, place.in_pass",
                "more = now.vars.buffered; return place.in_epoch + more, place.in_pass + more",
            ),
        ),
        Mutant(
            "a pending end is forgotten",
            "Refines",
            "Protocol",
            (ENDED, ENDED.replace('"ended"', '"none"')),
            "resumed",
            ('mark, begun, count = "ended", False, 0', "begun, count = False, 0"),
        ),
        Mutant(
            "a second resume counts from the first",
            "Conservation",
            "Resume",
            (
                "UNCHANGED <<taken, got, inPass, seen, place>>",
                "given' = 0 /\\ UNCHANGED <<taken, got, inPass, seen, before>>",
            ),
            "Resume",
            ("place._replace(firsts=())", "place._replace(firsts=(), in_pass=0)"),
        ),
        Mutant(
            "the pass is forgotten at the end of an epoch",
            "Conservation",
            "Resume",
            (BOUNDARY, "given' = 0 /\\ UNCHANGED before"),
            "told",
            ("place._replace(in_epoch=0)", "place._replace(in_epoch=0, in_pass=0)"),
        ),
        Mutant(
            "that the pass has yielded is forgotten",
            "Refines",
            "Protocol",
            ("yielded' = (inPass > 0)", "yielded' = FALSE"),
            "resumed",
            ("begun, yielded = in_epoch > 0, in_pass > 0", "begun, yielded = in_epoch > 0, False"),
        ),
        Mutant(
            "the epoch's count is forgotten",
            "Refines",
            "Protocol",
            ("count' = IF EpochSize > 0 THEN inEpoch ELSE 0", "count' = 0"),
            "resumed",
            (
                "return scope,",
                "count = 0; return scope,",
            ),
        ),
        Mutant(
            "that the epoch has begun is forgotten",
            "EpochBounded",
            "Protocol",
            ("begun' = (inEpoch > 0)", "begun' = FALSE"),
            "resumed",
            ("begun, yielded = in_epoch > 0, in_pass > 0", "begun, yielded = False, in_pass > 0"),
        ),
        Mutant(
            "an epoch that has its size cannot be gone on from",
            "Resumable",
            "Protocol",
            ("inEpoch <= EpochSize", "inEpoch < EpochSize"),
            "resumed",
            ("in_epoch > limits.epoch_size", "in_epoch >= limits.epoch_size"),
        ),
    )
}


def broken_resume(mutant: Mutant) -> ModuleType:
    """`specs.resume` with the edit, in one of its functions or in the machine's `resumed`."""
    module = ModuleType("specs.resume")
    module.__package__ = "specs"
    text = inspect.getsource(resume)
    if mutant.function == "resumed":
        names = dict(vars(machine))
        exec(mutate(inspect.getsource(machine.resumed), *mutant.python), names)  # noqa: S102  # our own source
        exec(text, module.__dict__)  # noqa: S102
        module.__dict__["resumed"] = names["resumed"]
        return module
    function = inspect.getsource(getattr(resume, mutant.function))
    exec(mutate(text, function, mutate(function, *mutant.python)), module.__dict__)  # noqa: S102
    return module

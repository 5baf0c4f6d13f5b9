"""Resumes that are broken, each by the same edit in Python and in TLA+."""

from __future__ import annotations

import inspect
from types import ModuleType

from kernel import machine
from specs import resume

from .mutants import Mutant, edited, mutate, read

_RESUMES = r"""
what was pulled is counted, not what was given: Conservation of Resume in handed_on
- InEpoch == IF EpochSize = 0 THEN given ELSE got
- InPass == given
+ InEpoch == IF EpochSize = 0 THEN given ELSE got + buffered
+ InPass == given + buffered
< return place.in_epoch, place.in_pass
> more = now.vars.buffered; return place.in_epoch + more, place.in_pass + more

a pending end is forgotten: Refines of Protocol in resumed
- inEpoch = EpochSize
-          THEN mark' = "ended"
+ inEpoch = EpochSize
+          THEN mark' = "none"
< mark, begun, count = "ended", limits.lookahead, 0
> begun, count = limits.lookahead, 0

a second resume counts from the first: Conservation of Resume in Resume
- UNCHANGED <<taken, got, inPass, seen, place>>
+ given' = 0 /\ UNCHANGED <<taken, got, inPass, seen, before>>
< place._replace(firsts=())
> place._replace(firsts=(), in_pass=0)

the pass is forgotten at the end of an epoch: Conservation of Resume in told
- IF EpochSize > 0 /\ got = EpochSize THEN UNCHANGED place ELSE Fresh
+ given' = 0 /\ UNCHANGED before
< place._replace(in_epoch=0)
> place._replace(in_epoch=0, in_pass=0)

the count of a pass goes on in the next: Conservation of Resume in given
- given' = IF S!Ends THEN 1 ELSE More(given)
+ given' = More(given)
< (0, taken) if first
> (place.in_pass, taken) if first

the place is kept behind an error: Refines of Resume in told
- Raise == S!Raise /\ Fresh
+ Raise == S!Raise /\ UNCHANGED place
< return Place(before=taken, firsts=place.firsts)
> return Place(before=taken, firsts=place.firsts) if seen == "end" else place

that the pass has yielded is forgotten: Refines of Protocol in resumed
- yielded' = (inPass > 0)
+ yielded' = FALSE
< begun, yielded = in_epoch > 0, in_pass > 0
> begun, yielded = in_epoch > 0, False

the epoch's count is forgotten: Refines of Protocol in resumed
- count' = IF EpochSize > 0 THEN inEpoch ELSE 0
+ count' = 0
< return scope,
> count = 0; return scope,

that the epoch has begun is forgotten: EpochBounded of Protocol in resumed
- begun' = (inEpoch > 0)
+ begun' = FALSE
< begun, yielded = in_epoch > 0, in_pass > 0
> begun, yielded = False, in_pass > 0

an epoch that has its size cannot be gone on from: Resumable of Protocol in resumed
- inEpoch <= EpochSize
+ inEpoch < EpochSize
< in_epoch > limits.epoch_size
> in_epoch >= limits.epoch_size
"""
MUTANTS = {mutant.name: mutant for mutant in read(_RESUMES)}
"""What is handed on is edited, or what another wrapper makes of it."""


def broken_resume(mutant: Mutant) -> ModuleType:
    """`specs.resume` with the edit, in one of its functions or in the machine's `resumed`."""
    module = ModuleType("specs.resume")
    module.__package__ = "specs"
    text = inspect.getsource(resume)
    if mutant.action == "resumed":
        names = dict(vars(machine))
        exec(edited(inspect.getsource(machine.resumed), mutant.python), names)  # noqa: S102  # our own source
        exec(text, module.__dict__)  # noqa: S102
        module.__dict__["resumed"] = names["resumed"]
        return module
    function = inspect.getsource(getattr(resume, mutant.action))
    exec(mutate(text, function, edited(function, mutant.python)), module.__dict__)  # noqa: S102
    return module

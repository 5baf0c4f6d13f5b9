"""TLC refutes each Shell that lacks a look, a ring or an order.

A mutant is checked in as small a model as shows it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from specs.tlc import check

from ..support import models
from ..support.mutants import Mutant, read

pytestmark = pytest.mark.timeout(400)  # TLC may have to search for a while

SMALLEST = {
    "Capacity": 1,
    "EpochSize": 0,
    "MaxPermits": 0,
    "LowWater": 0,
    "Consumers": 1,
    "Interrupts": 0,
    "Deaths": 0,
    "Lights": 0,
}
MUTANTS = read(r"""
the request is read before the length: GateRespected
- held' = IF mark = "none" THEN batches ELSE Slots
+ held' = IF ~Someone(WaitingPlaces) THEN Slots ELSE 0
- (Someone(WaitingPlaces) /\ held = 0))
+ (batches = 0 /\ mark = "none" /\ held = 0))

the worker does not look again before it sleeps: NoLostWakeUp
- at' = "length" /\ parked' \in
+ at' = "asleep" /\ parked' \in

the consumer does not look again before it sleeps: NoLostWakeUp
- Step(c, "again", IF Something THEN "served" ELSE IF Alive THEN "ring" ELSE "wait")
+ Step(c, "again", "ring")

the request is withdrawn after what served it was taken: GateRespected
- Step(c, "served", "pop") /\ Rest
+ Something /\ Step(c, "served", "ending") /\ mark' = "none" /\ UNCHANGED rung
+        /\ batches' = (IF batches > 0 THEN batches - 1 ELSE 0)

the mark is taken without a second look at the batches: Implements, EpochSize = 1, MaxPermits = 1
- IF batches > 0 THEN "pop" ELSE "take"
+ "take"

the mark is put before its batch: Implements, EpochSize = 1
- batches' = batches + 1 /\ UNCHANGED mark /\ Goto(IF Last THEN "mark" ELSE "put")
+ (IF Last THEN mark' = "ended" /\ UNCHANGED batches /\ Goto("mark")
+                          ELSE batches' = batches + 1 /\ UNCHANGED mark /\ Goto("put"))
- at = "mark" /\ mark' = "ended" /\ Goto("put") /\ UNCHANGED rung
+ at = "mark" /\ batches' = batches + 1 /\ Goto("put") /\ UNCHANGED <<mark, rung>>
- Goto("length") /\ UNCHANGED mark
-     /\ UNCHANGED <<callers, progress, batches>>
+ Goto("length") /\ UNCHANGED <<mark, batches>>
+     /\ UNCHANGED <<callers, progress>>

the worker goes without a ring: NoLostWakeUp
- Halts == at' = "none" /\ ringer' = TRUE
+ Halts == at' = "none" /\ ringer' = FALSE

the puller's claim is looked at after the buffer: Implements
- Something /\ Step(c, "nobody", "served")
+ FALSE /\ Step(c, "nobody", "served")
- ~Something /\ ~Dead /\ Step(c, "nobody", IF Alive THEN "wait" ELSE "pull")
+ ~Dead /\ Step(c, "nobody", IF Alive THEN "wait" ELSE "pull")
- Something /\ Step(c, "claimed", "wait")
+ FALSE /\ Step(c, "claimed", "wait")
- ~Something /\ call[c] = "claimed"
+ call[c] = "claimed"

a caller pulls without a look under its claim: Implements
- Something /\ Step(c, "claimed", "wait")
+ FALSE /\ Step(c, "claimed", "wait")
- ~Something /\ call[c] = "claimed"
+ call[c] = "claimed"

a worker that came in between is buried: Implements
- ~Something /\ ~Dead /\ Step(c, "nobody", IF Alive THEN "wait" ELSE "pull")
+ ~Something /\ ~Dead /\ ~Alive /\ Step(c, "nobody", "pull")
- call[c] = "nobody" /\ Dead /\ ~Something
+ call[c] = "nobody" /\ (Dead \/ Alive) /\ ~Something

the scope is written before the worker's claim: Implements
- OwnerTo(IF Alive \/ Born THEN "left" ELSE IF at' = "born" THEN "starting" ELSE "write")
+ OwnerTo(IF Alive \/ Born THEN "left" ELSE "write")

a worker looks for its starter after the scope: Implements
- at = "await" /\ (scope = "inside" \/ owner \notin {"starting", "write"})
+ at = "await" /\ scope # "inside"
- at = "orphan" /\ IF scope = "inside" THEN
+ at = "orphan" /\ IF owner \in {"starting", "write"} THEN

the scope is looked at before the gates: StopPullsNothing, MaxPermits = 1
- at = "length" /\ at' = "look"
+ at = "length" /\ at' = (IF scope = "inside" THEN "look" ELSE "halt")
- /\ at = "look" /\ UNCHANGED
+ /\ at \in {"look", "halt"} /\ UNCHANGED
- IF scope # "inside" THEN
+ IF at = "halt" THEN

no stop at abandonment: AbandonedEnds, MaxPermits = 1
- scope' = (IF scope = "inside" THEN "outside" ELSE scope) /\ RingWorker
+ UNCHANGED <<scope, rung>>

no ring at abandonment: AbandonedEnds
- "outside" ELSE scope) /\ RingWorker
+ "outside" ELSE scope) /\ UNCHANGED rung

a request outlives its interrupted caller, and refuses for ever: Returns, Interrupts = 1
- {"own", "inHand"} THEN "ending" ELSE "user")
+ {"own", "inHand"} THEN "ending" ELSE
+              IF call[c] \in WaitingPlaces THEN "left behind" ELSE "user")
- "served", "ending"}
+ "served", "ending", "left behind"}

two consumers look for a mark at once: Implements, Consumers = 2, EpochSize = 1
- ConsumerPlaces == WaitingPlaces \union {"ask", "marked", "take"}
+ ConsumerPlaces == WaitingPlaces
- Alive THEN "doze" ELSE "wait") /\ Rest
+ Alive THEN "doze" ELSE Claims("wait")) /\ Rest

a light sleeper is not rung by a request: NoLostWakeUp, Lights = 1
- Step(c, "ring", "asleep") /\ RingWorker
+ Step(c, "ring", "asleep") /\ Ring("worker", parked = "yes")

who slept lightly waits without a claim: OnePuller, Consumers = 2, MaxPermits = 1
- Step(c, "dozing", IF Something THEN "pop" ELSE Claims("wait"))
+ Step(c, "dozing", IF Something THEN "pop" ELSE "wait")

no ring for a request: NoLostWakeUp
- Step(c, "ring", "asleep") /\ RingWorker
+ Step(c, "ring", "asleep") /\ UNCHANGED rung

no ring at low water: NoLostWakeUp, Capacity = 2, MaxPermits = 1, LowWater = 1
- gates > 0 /\ (waited \/ batches <= LowWater) /\ parked # "no"
+ FALSE

a gate that opens does not ring: NoLostWakeUp, MaxPermits = 1
- Ring("worker", parked = "yes" /\ batches < Capacity /\ begun)
+ UNCHANGED rung

leaving does not ring: NoLostWakeUp
- OwnerStep("left", "joining") /\ RingWorker
+ OwnerStep("left", "joining") /\ UNCHANGED rung

leaving does not wait: ReturnsAlone
- OwnerStep("left", "joining") /\ RingWorker
+ OwnerStep("left", "user") /\ RingWorker

a batch rings for nobody: NoLostWakeUp
- at = "put" /\ Ring("consumer", SomeoneSleeps)
+ at = "put" /\ UNCHANGED rung

a worker starts beside a caller's pull: OnePuller
- IF Someone(PullingPlaces) THEN
+ IF FALSE THEN

a caller's pull is given up in the midst of its batch, progress and mark: Implements, Capacity = 0, EpochSize = 1, Interrupts = 1
- Yields /\ CallTo(c, "inHand") /\ mark' = IF Last THEN "ended" ELSE mark
-
+ Yields /\ CallTo(c, "inHand") /\ UNCHANGED mark
+
- Step(c, "inHand", "wait") /\ batches' = batches + 1 /\ UNCHANGED <<mark, rung>>
+ Step(c, "inHand", "wait") /\ batches' = batches + 1 /\ UNCHANGED rung
+        /\ mark' = IF count = 0 THEN "ended" ELSE mark
""")  # noqa: E501  # lines of TLA+, which are matched as they are


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_refuted(mutant: Mutant, tmp_path: Path) -> None:
    """TLC refutes the property, and shows how."""
    folder = models.plant(tmp_path, "Shell", mutant)
    constants = {**SMALLEST, **mutant.constants}
    result = check(models.model(folder, "Shell", mutant.violated, constants), early=True)
    assert result.verdict == f"violates {mutant.violated}"
    assert len(result.steps) > 2

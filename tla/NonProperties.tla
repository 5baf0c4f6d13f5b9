--------------------------- MODULE NonProperties ---------------------------
(***************************************************************************)
(* False statements about Stream, at least one for each kind of property,  *)
(* stated to show that TLC really checks. Each has a .cfg, which begins    *)
(* with the statement in English and expects a violation. After `False'    *)
(* stands the reason why it is false.                                      *)
(***************************************************************************)
EXTENDS Stream

\* Invariant. False: a stop keeps what is buffered.
StopDrains == scope = "outside" => buffered = 0

\* Action property. False: an open gate lets the worker pull although nobody waits.
PullsAreRequested == [][P!PullStarts => consumer = "waiting"]_vars

\* Refinement. False: a batch that was put is not yet seen by the consumer.
AsIfUnbuffered == INSTANCE Epochs WITH count <- count
RefinesAsIfUnbuffered == AsIfUnbuffered!Spec

\* Liveness. False: the consumer need not go on reading.
EpochsEnd == begun ~> mark = "ended"

\* Liveness. False once the source may keep a pull for ever.
SpecOfHangingSource ==
    Init /\ [][Next]_vars /\ WF_vars(Halt) /\ WF_vars(Fetch) /\ WF_vars(Bury)
ServedByHangingSource == P!Served

\* Deadlock. False: after the only `with' was left, nothing can happen any more.
NextOfOneScope == (scope = "new" /\ (Start \/ Enter)) \/ Leave \/ Halt
SpecOfOneScope == Init /\ [][NextOfOneScope]_vars
=============================================================================

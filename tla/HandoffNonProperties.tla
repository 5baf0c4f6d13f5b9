------------------------ MODULE HandoffNonProperties ------------------------
(***************************************************************************)
(* False statements about Handoff, stated to show that the checker looks.  *)
(* Each has a .cfg that expects a violation.                               *)
(***************************************************************************)
EXTENDS Handoff

\* Invariant. False: while a gate is open nobody needs to be told.
WaitsAreTold == call = "waits" => consumer = "waiting"

\* Refinement. False: the state, as it is told, is behind what has happened.
ImplementsAsTold == T!Init /\ [][T!Next]_told

\* Liveness. False: nobody has to use what was entered.
SpecWithoutUse ==
    Init /\ [][Enter \/ LookAround \/ Worker \/ Answer]_vars /\ Fairness
SleepEnds == at = "asleep" ~> at # "asleep"
=============================================================================

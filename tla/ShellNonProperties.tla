------------------------- MODULE ShellNonProperties -------------------------
(***************************************************************************)
(* False statements about Shell, stated to show that the checker looks.    *)
(* Each has a .cfg that expects a violation.                               *)
(***************************************************************************)
EXTENDS Shell

\* Invariant. False: the worker is parked only while it sleeps.
ParkedSleeps == parked # "no" => at = "asleep"

\* Refinement. False: the guards of Enter still hold when its step is taken.
ImplementsAtOnce == P!Init /\ [][P!Next]_(P!vars)
=============================================================================

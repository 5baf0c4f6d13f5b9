------------------------- MODULE ShellNonProperties -------------------------
(***************************************************************************)
(* False statements about Shell, stated to show that the checker looks.    *)
(* Each has a .cfg that expects a violation.                               *)
(***************************************************************************)
EXTENDS Shell

\* Invariant. False: the worker is parked only while it sleeps.
ParkedSleeps == parked # "no" => at = "asleep"

\* Refinement. False: a request waits until it is served.
ImplementsPatiently == P!Init /\ [][P!Next /\ (P!Withdraw => Something)]_(P!vars)
=============================================================================

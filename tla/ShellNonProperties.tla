------------------------- MODULE ShellNonProperties -------------------------
(***************************************************************************)
(* False statements about Shell, stated to show that TLC really checks.    *)
(* Each has a .cfg that expects a violation. After `False' is the reason.  *)
(***************************************************************************)
EXTENDS Shell

\* Invariant. False: the worker is parked also while it looks once more.
ParkedSleeps == parked # "no" => at = "asleep"

\* Refinement. False: a request that is interrupted is withdrawn unserved.
ImplementsPatiently == P!Init /\ [][P!Next /\ (P!Withdraw => Something)]_(P!vars)
=============================================================================

------------------------- MODULE ShellNonProperties -------------------------
(***************************************************************************)
(* False statements about Shell, stated to show that TLC really checks.    *)
(* Each has a .cfg, which begins with the statement in English and expects *)
(* a violation. After `False' stands the reason why it is false.           *)
(***************************************************************************)
EXTENDS Shell

\* Invariant. False: the worker is parked also while it looks once more.
ParkedSleeps == parked # "no" => at = "asleep"

\* Refinement. False: an interrupt (Interrupts = 1) withdraws a request that is not served.
ImplementsPatiently == P!Init /\ [][P!Next /\ (P!Withdraw => Something)]_(P!vars)
=============================================================================

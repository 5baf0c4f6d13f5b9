------------------------ MODULE ResumeNonProperties ------------------------
(***************************************************************************)
(* False statements about Resume, stated to show that TLC really checks.   *)
(* Each has a .cfg that expects a violation. After `False' is the reason.  *)
(***************************************************************************)
EXTENDS Resume

\* Invariant. False: a wrapper that goes on stands in the middle of a pass.
NewIsFresh == scope = "new" /\ Capacity > 0 => ~yielded

\* Refinement. False: what the source has answered and nobody used is asked for again.
RefinesAskedOnce == S!Abstract!SpecWithInterrupts
=============================================================================

------------------------------- MODULE Resume -------------------------------
(***************************************************************************)
(* The stream with resumes. At any instant, any number of times, the       *)
(* wrapper is abandoned, and another one goes on with exactly the rest.    *)
(*                                                                         *)
(* The state that is handed on (`state_dict') says what the consumer was   *)
(* given: how many batches of its epoch, and how many of its pass. The new *)
(* wrapper begins that pass again and skips that number of batches. The    *)
(* source gives the same batches again. What was pulled and not given is   *)
(* pulled again, be it a batch, an end or an error. The old thread and its *)
(* pull in flight no longer count.                                         *)
(***************************************************************************)
EXTENDS Naturals, Sequences

CONSTANTS Capacity, EpochSize, MaxPermits, Lookahead

VARIABLES
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded,
    batches, pulled, taken, pulls, answers, got, inPass, seen,
    given,  \* batches of its pass that the consumer was given
    before  \* the number of the batch before that pass

S == INSTANCE Stream

place == <<given, before>>
vars == <<S!vars, place>>

\* The state that is handed on. The count of batches in a pass wraps around, as their numbers do,
\* but never to 0, which means that there were none.
InEpoch == IF EpochSize = 0 THEN given ELSE got
InPass == given
More(n) == (n % S!Numbers) + 1

\* As in Stream.
View == <<S!View, given, S!From(before)>>

Init == S!Init /\ given = 0 /\ before = 0

\* The consumer is at the beginning of a pass.
Fresh == given' = 0 /\ before' = taken

Enter == S!Enter /\ UNCHANGED place
Leave == S!Leave /\ UNCHANGED place

Allow == S!Allow /\ UNCHANGED place
Disallow == S!Disallow /\ UNCHANGED place

Request == S!Request /\ UNCHANGED place
Withdraw == S!Withdraw /\ UNCHANGED place

\* A batch after the end of a pass is the first of the next pass.
Dequeue ==
    /\ S!Dequeue
    /\ given' = IF S!Ends THEN 1 ELSE More(given)
    /\ before' = IF S!Ends THEN taken ELSE before

\* An epoch of full size ends in the middle of the pass.
EndEpoch ==
    /\ S!EndEpoch
    /\ IF EpochSize > 0 /\ got = EpochSize THEN UNCHANGED place ELSE Fresh

Raise == S!Raise /\ Fresh

Start == S!Start /\ UNCHANGED place
Halt == S!Halt /\ UNCHANGED place
Fetch == S!Fetch /\ UNCHANGED place
Enqueue == S!Enqueue /\ UNCHANGED place
Exhaust == S!Exhaust /\ UNCHANGED place
Fail == S!Fail /\ UNCHANGED place
Drop == S!Drop /\ Fresh
Die == S!Die /\ UNCHANGED place
Bury == S!Bury /\ UNCHANGED place

\* Another wrapper goes on. Its source is already past the batches that were skipped.
Resume ==
    /\ S!P!Resumed(InEpoch, InPass)
    /\ batches' = <<>>
    /\ pulled' = (before + InPass) % S!Numbers
    /\ pulls' = <<>>
    /\ answers' = <<>>
    /\ UNCHANGED <<taken, got, inPass, seen, place>>

System == Halt \/ Fetch \/ Bury
Source == Enqueue \/ Exhaust \/ Fail
Environment ==
    \/ Enter \/ Leave \/ Allow \/ Disallow
    \/ Request \/ Withdraw \/ Dequeue \/ EndEpoch \/ Raise
    \/ Start \/ Drop \/ Die

Next == System \/ Source \/ Environment \/ Resume

Fairness ==
    /\ WF_vars(Halt)
    /\ WF_vars(Fetch /\ S!P!Held <= S!P!LowWater)
    /\ WF_vars(Bury)
    /\ WF_vars(Source)

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* Safety.                                                                 *)

\* At every instant another wrapper can go on, and skips what the consumer was given: InPass batches
\* after `before' stands the batch that was taken last.
Resumable ==
    /\ ENABLED Resume
    /\ taken = (before + InPass) % S!Numbers
    /\ inPass <=> InPass > 0

-----------------------------------------------------------------------------
(* Refinement: however many wrappers the consumer reads, it sees what one  *)
(* unbuffered reading gives. A resumed run is the rest of that reading.    *)

Refines == S!Abstract!SpecWithResumes

Implements == S!P!SpecWithResumes

-----------------------------------------------------------------------------
(* The properties of Stream, under names that a model can list. Those of   *)
(* steps are left out, as they do not allow a Resume.                      *)

TypeOK == S!TypeOK
Bounded == S!Bounded
EpochBounded == S!EpochBounded
MarksRespected == S!MarksRespected
UnbufferedAlone == S!UnbufferedAlone
ReadAfterEntry == S!ReadAfterEntry
InputEnabled == S!InputEnabled
NeverStuck == S!NeverStuck
Conservation == S!Conservation
OnePuller == S!OnePuller
Served == S!Served
StopEnds == S!StopEnds
DeathNoticed == S!DeathNoticed
Prefetches == S!Prefetches
=============================================================================

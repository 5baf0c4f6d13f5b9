------------------------------- MODULE Stream -------------------------------
(***************************************************************************)
(* The protocol with its payload: it refines Epochs.                       *)
(*                                                                         *)
(* Each action of Protocol, under its own name, with what the shell does   *)
(* beside it: the batches, the thread that pulls, and what the consumer    *)
(* sees. The actions write these variables and never read them to decide,  *)
(* so the states of Protocol and their steps are the same here.            *)
(***************************************************************************)
EXTENDS Naturals, Sequences

CONSTANTS Capacity, EpochSize, MaxPermits, Lookahead

VARIABLES
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded,
    batches,  \* the buffer: numbers of the batches in it, oldest first
    pulled,   \* the number of the batch that the source gave last
    taken,    \* the number of the batch that the consumer took last
    pulls,    \* for each pull in flight, by which thread: "worker" or "caller"
    answers,  \* answers of the source that the consumer has not used up, oldest first
    got,      \* batches the consumer has got in this epoch; stays 0 where an epoch is a pass
    inPass,   \* the consumer was given a batch of its current pass
    seen      \* what `next' did last: "nothing" yet, "batch", "end", "failure"

P == INSTANCE Properties

history == <<batches, pulled, taken, pulls, answers, got, inPass, seen>>
vars == <<P!vars, history>>

\* There are more numbers than batches in flight, so no two of these have the same number.
Numbers == P!Slots + 2

Abstract == INSTANCE Epochs WITH count <- got

\* The numbers as the consumer sees them, from the batch that it took last. States that are equal in
\* this view behave alike, since nothing depends on where the numbers began.
From(number) == (number + Numbers - taken) % Numbers
View ==
    <<P!vars, [i \in DOMAIN batches |-> From(batches[i])], From(pulled), pulls,
      [i \in DOMAIN answers |->
          IF Len(answers[i]) = 2 THEN Abstract!Numbered(From(answers[i][2])) ELSE answers[i]],
      got, inPass, seen>>

\* Defined on the empty sequence too: a broken protocol violates a property, and TLC goes on.
First(sequence) == IF sequence = <<>> THEN 0 ELSE Head(sequence)
Rest(sequence) == IF sequence = <<>> THEN <<>> ELSE Tail(sequence)

\* The pass ends before the next batch.
Ends == answers # <<>> /\ Head(answers) = Abstract!Exhausted

Init ==
    /\ P!Init
    /\ batches = <<>>
    /\ pulled = 0
    /\ taken = 0
    /\ pulls = <<>>
    /\ answers = <<>>
    /\ got = 0
    /\ inPass = FALSE
    /\ seen = "nothing"

Enter == P!Enter /\ UNCHANGED history
Leave == P!Leave /\ UNCHANGED history

Allow == P!Allow /\ UNCHANGED history
Disallow == P!Disallow /\ UNCHANGED history

Request == P!Request /\ UNCHANGED history
Withdraw == P!Withdraw /\ UNCHANGED history

Dequeue ==
    /\ P!Dequeue
    /\ taken' = First(batches)
    /\ batches' = Rest(batches)
    /\ answers' = IF Ends THEN Rest(Rest(answers)) ELSE Rest(answers)
    /\ got' = IF EpochSize > 0 THEN got + 1 ELSE got
    /\ inPass' = TRUE
    /\ seen' = "batch"
    /\ UNCHANGED <<pulled, pulls>>

EndEpoch ==
    /\ P!EndEpoch
    /\ answers' = IF Abstract!Complete THEN answers ELSE Rest(Abstract!Ahead)
    /\ got' = 0
    /\ inPass' = (Abstract!Complete /\ inPass)
    /\ seen' = "end"
    /\ UNCHANGED <<batches, pulled, taken, pulls>>

Raise ==
    /\ P!Raise
    /\ answers' = <<>>
    /\ got' = 0
    /\ inPass' = FALSE
    /\ seen' = "failure"
    /\ UNCHANGED <<batches, pulled, taken, pulls>>

Start == P!Start /\ UNCHANGED history
Halt == P!Halt /\ UNCHANGED history

Fetch ==
    /\ P!Fetch
    /\ pulls' = Append(pulls, IF worker = "running" THEN "worker" ELSE "caller")
    /\ UNCHANGED <<batches, pulled, taken, answers, got, inPass, seen>>

Enqueue ==
    /\ P!Enqueue
    /\ pulled' = (pulled + 1) % Numbers
    /\ batches' = Append(batches, pulled')
    /\ answers' = Append(answers, Abstract!Numbered(pulled'))
    /\ pulls' = Rest(pulls)
    /\ UNCHANGED <<taken, got, inPass, seen>>

Exhaust ==
    /\ P!Exhaust
    /\ answers' = Append(answers, Abstract!Exhausted)
    /\ pulls' = Rest(pulls)
    /\ UNCHANGED <<batches, pulled, taken, got, inPass, seen>>

Fail ==
    /\ P!Fail
    /\ answers' = Append(answers, Abstract!Raised)
    /\ pulls' = Rest(pulls)
    /\ UNCHANGED <<batches, pulled, taken, got, inPass, seen>>

\* The consumer sees the interrupt at once.
Drop ==
    /\ P!Drop
    /\ answers' = <<>>
    /\ got' = 0
    /\ inPass' = FALSE
    /\ seen' = "failure"
    /\ pulls' = <<>>
    /\ UNCHANGED <<batches, pulled, taken>>

\* A pull that is in flight ends with the worker.
Die == P!Die /\ pulls' = <<>> /\ UNCHANGED <<batches, pulled, taken, answers, got, inPass, seen>>

Bury ==
    /\ P!Bury
    /\ answers' = Append(answers, Abstract!Raised)
    /\ UNCHANGED <<batches, pulled, taken, pulls, got, inPass, seen>>

System == Halt \/ Fetch \/ Bury
Source == Enqueue \/ Exhaust \/ Fail
Environment ==
    \/ Enter \/ Leave \/ Allow \/ Disallow
    \/ Request \/ Withdraw \/ Dequeue \/ EndEpoch \/ Raise
    \/ Start \/ Drop \/ Die

Next == System \/ Source \/ Environment

Fairness ==
    /\ WF_vars(Halt)
    /\ WF_vars(Fetch /\ P!Held <= P!LowWater)
    /\ WF_vars(Bury)
    /\ WF_vars(Source)

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* Safety.                                                                 *)

\* The numbers of the batch taken last, of those buffered and of the one pulled last are adjacent:
\* no batch is lost, doubled or swapped. A batch gets its number when it is put, so one that a dead
\* worker was pulling has none.
Conservation ==
    /\ batches = [i \in 1 .. P!Held |-> (taken + i) % Numbers]
    /\ pulled = (taken + P!Held) % Numbers

\* At most one thread pulls from the source. While the protocol says that a pull is in flight, a
\* living thread is in it: the worker until it is gone, or a caller where there is none.
OnePuller ==
    /\ Len(pulls) <= 1
    /\ worker # "dead" => (fetching <=> pulls # <<>>)
    /\ pulls = <<"worker">> => worker = "running"
    /\ pulls = <<"caller">> => worker = "absent"

\* An error is raised as an error and ends the epoch; the end of an epoch is reported as an end.
ErrorIsNotAnEnd ==
    [][/\ P!Marks' < P!Marks => seen' = (IF mark = "failed" THEN "failure" ELSE "end")
       /\ answers' = Append(answers, Abstract!Raised) => P!LastMark' = "failed"
       /\ seen' = "failure" /\ seen # "failure" => ~begun']_vars

-----------------------------------------------------------------------------
(* Refinement: whatever the threads do, the consumer sees what Epochs      *)
(* allows, where there are no threads.                                     *)

Refines == Abstract!SpecWithInterrupts

Implements == P!Spec

-----------------------------------------------------------------------------
(* The properties of Protocol, under names that a model can list.          *)

TypeOK == P!TypeOK
Bounded == P!Bounded
EpochBounded == P!EpochBounded
MarksRespected == P!MarksRespected
UnbufferedAlone == P!UnbufferedAlone
ReadAfterEntry == P!ReadAfterEntry
InputEnabled == P!InputEnabled
NeverStuck == P!NeverStuck
SingleWriter == P!SingleWriter
LifeCycle == P!LifeCycle
EpochBegins == P!EpochBegins
AnswersAPull == P!AnswersAPull
GateRespected == P!GateRespected
StopPullsNothing == P!StopPullsNothing
StopPreserves == P!StopPreserves
Served == P!Served
StopEnds == P!StopEnds
DeathNoticed == P!DeathNoticed
Prefetches == P!Prefetches
=============================================================================

------------------------------- MODULE Epochs -------------------------------
(***************************************************************************)
(* What a consumer may see: the sequential meaning of epochs.              *)
(*                                                                         *)
(* A source answers pulls: with a batch, with "exhausted" at the end of a  *)
(* pass, or with "raised". The consumer reads the answers in order, one    *)
(* `next' a step, as if there were no buffer, no thread and no gate. It    *)
(* makes no difference when the source gave an answer. Batches are         *)
(* numbered in the order of the pulls, modulo Numbers.                     *)
(***************************************************************************)
EXTENDS Naturals, Sequences

CONSTANTS
    EpochSize,  \* batches in an epoch; 0: an epoch is a pass
    Numbers     \* batches have numbers 0 .. Numbers - 1, again and again

ASSUME EpochSize \in Nat /\ Numbers \in Nat \ {0}

VARIABLES
    answers,  \* answers of the source that the consumer has not used up, oldest first
    taken,    \* the number of the batch that the consumer took last
    count,    \* batches the consumer has got in this epoch; stays 0 where an epoch is a pass
    inPass,   \* the consumer was given a batch of its current pass
    seen      \* what `next' did last: "nothing" yet, "batch", "end", "failure"

vars == <<answers, taken, count, inPass, seen>>

Init ==
    /\ answers = <<>>
    /\ taken = 0
    /\ count = 0
    /\ inPass = FALSE
    /\ seen = "nothing"

\* The answers that a source can give.
Numbered(n) == <<"batch", n>>
Exhausted == <<"exhausted">>
Raised == <<"raised">>
Answers == {Numbered(n) : n \in 0 .. Numbers - 1} \union {Exhausted, Raised}

Complete == EpochSize > 0 /\ count = EpochSize

\* In epochs of a fixed size the end of a pass that has yielded is not seen: another pass follows.
Unseen == EpochSize > 0 /\ inPass /\ answers # <<>> /\ Head(answers) = Exhausted
Ahead == IF Unseen THEN Tail(answers) ELSE answers

\* The source may answer at any time, and may give any answer.
Answer(answer) ==
    /\ answers' = Append(answers, answer)
    /\ UNCHANGED <<taken, count, inPass, seen>>

\* `next' returns the next batch in order.
Batch ==
    /\ ~Complete
    /\ Ahead # <<>>
    /\ Head(Ahead) = Numbered((taken + 1) % Numbers)
    /\ taken' = (taken + 1) % Numbers
    /\ answers' = Tail(Ahead)
    /\ count' = IF EpochSize > 0 THEN count + 1 ELSE count
    /\ inPass' = TRUE
    /\ seen' = "batch"

\* `next' ends an epoch that has its size.
EndComplete ==
    /\ Complete
    /\ count' = 0
    /\ seen' = "end"
    /\ UNCHANGED <<answers, taken, inPass>>

\* `next' ends an epoch with its pass, or at a pass that yielded nothing.
EndShort ==
    /\ ~Complete
    /\ Ahead # <<>>
    /\ Head(Ahead) = Exhausted
    /\ answers' = Tail(Ahead)
    /\ count' = 0
    /\ inPass' = FALSE
    /\ seen' = "end"
    /\ UNCHANGED taken

\* `next' raises, which ends the pass and the epoch.
Failure ==
    /\ ~Complete
    /\ Ahead # <<>>
    /\ Head(Ahead) = Raised
    /\ answers' = Tail(Ahead)
    /\ count' = 0
    /\ inPass' = FALSE
    /\ seen' = "failure"
    /\ UNCHANGED taken

\* `next' is interrupted in a pull of its own, outside the source. It ends at once, as by an error.
Interrupted ==
    /\ ~Complete
    /\ Ahead = <<>>
    /\ answers' = <<>>
    /\ count' = 0
    /\ inPass' = FALSE
    /\ seen' = "failure"
    /\ UNCHANGED taken

\* A new reading begins at this place, on an equal source, which gives the unused answers again. The
\* consumer had seen none of them, so nothing that it sees changes.
Resume ==
    /\ answers' = <<>>
    /\ UNCHANGED <<taken, count, inPass, seen>>

Next ==
    \/ \E answer \in Answers : Answer(answer)
    \/ Batch
    \/ EndComplete
    \/ EndShort
    \/ Failure

Spec == Init /\ [][Next]_vars

\* The same where callers may be interrupted.
SpecWithInterrupts == Init /\ [][Next \/ Interrupted]_vars

\* The same, and new readings may begin.
SpecWithResumes == Init /\ [][Next \/ Interrupted \/ Resume]_vars
=============================================================================

------------------------------ MODULE Protocol ------------------------------
(***************************************************************************)
(* The enqueue / dequeue / stop / restart protocol of StreamWrapper.       *)
(*                                                                         *)
(* This is kernel/machine, action by action under the same names, and a    *)
(* test compares the two state graphs edge by edge. A worker pulls batches *)
(* from a source into a bounded buffer ahead of a consumer. The puller is  *)
(* the worker or, where there is none (unbuffered, or outside `with'), a   *)
(* waiting caller. A step writes the callers' variables or the puller's,   *)
(* and not both; a dead worker's are written for it. The buffer is written *)
(* by both: the puller adds to it, callers take from it. Module Properties *)
(* says what holds of the protocol, and Stream adds the batches            *)
(* themselves.                                                             *)
(***************************************************************************)
EXTENDS Naturals, Sequences

CONSTANTS
    Capacity,   \* batches held and being pulled, at most; 0: unbuffered, never a worker
    EpochSize,  \* batches in an epoch; 0: an epoch is a pass
    MaxPermits, \* bound of the model on nested gates; the machine has none
    Lookahead   \* the worker goes on after the end of an epoch

ASSUME Capacity \in Nat /\ EpochSize \in Nat /\ MaxPermits \in Nat /\ Lookahead \in BOOLEAN

VARIABLES
    \* Written by callers.
    scope,     \* of the `with': "new" (never entered), "inside", "outside" (left)
    permits,   \* gates entered and not left
    consumer,  \* "idle", "waiting": a request, which permits pulls while nothing is buffered
    \* The buffer: the puller adds, callers take.
    buffered,  \* batches held, of the epoch that the consumer is in
    mark,      \* after them: "none", "ended" (the epoch), "failed" (an error)
    later,     \* for each later epoch a pair: how many batches, and the mark; "none": it is open
    \* Written by the puller: the worker or, where that is absent, a waiting caller.
    worker,    \* "absent", "running", "dead"; where it is absent, callers pull for themselves
    fetching,  \* a pull is in flight
    begun,     \* the puller has begun an epoch and not ended it: an open gate permits pulls for it
    count,     \* batches put in this epoch; stays 0 where an epoch is a pass
    yielded    \* the current pass has yielded a batch

callers == <<scope, permits, consumer>>
buffer == <<buffered, mark, later>>
puller == <<worker, fetching, begun, count, yielded>>

vars ==
    <<scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded>>

Slots == IF Capacity = 0 THEN 1 ELSE Capacity

\* A worker that found the buffer full may sleep until at most this number of batches is held.
LowWater == Slots - (IF Slots \div 4 > 0 THEN Slots \div 4 ELSE 1)

Init ==
    /\ scope = "new"
    /\ permits = 0
    /\ consumer = "idle"
    /\ buffered = 0
    /\ mark = "none"
    /\ later = <<>>
    /\ worker = "absent"
    /\ fetching = FALSE
    /\ begun = FALSE
    /\ count = 0
    /\ yielded = FALSE

-----------------------------------------------------------------------------
(* The epochs after the mark. Without lookahead there are none.            *)

\* How many batches are held there, and how many in all.
RECURSIVE InLater(_)
InLater(epochs) == IF epochs = <<>> THEN 0 ELSE Head(epochs)[1] + InLater(Tail(epochs))
Held == buffered + InLater(later)

\* The last epoch there is open: it goes on with the next batch.
Open == later # <<>> /\ later[Len(later)][2] = "none"
Size == IF Open THEN later[Len(later)][1] ELSE 0
Closed == IF Open THEN SubSeq(later, 1, Len(later) - 1) ELSE later

\* How many marks are held, and the mark of the last epoch held.
Marks == (IF mark = "none" THEN 0 ELSE 1) + Len(Closed)
LastMark == IF later = <<>> THEN mark ELSE later[Len(later)][2]

\* Put this number of batches (0 or 1), then the mark, or "none", at the end of the buffer.
Put(batches, word) ==
    IF mark = "none"
      THEN buffered' = buffered + batches /\ mark' = word /\ UNCHANGED later
      ELSE later' = Append(Closed, <<Size + batches, word>>) /\ UNCHANGED <<buffered, mark>>

-----------------------------------------------------------------------------
(* Callers: the scope, entering and leaving `with'.                        *)

\* `with' is entered. Before that its worker has started, or has failed to.
Enter ==
    /\ scope # "inside"
    /\ Capacity = 0 \/ worker # "absent"
    /\ scope' = "inside"
    /\ UNCHANGED <<permits, consumer, buffer, puller>>

\* `with' is left. That tells the worker to halt, and the leaving thread waits until it has.
Leave ==
    /\ scope = "inside"
    /\ scope' = "outside"
    /\ UNCHANGED <<permits, consumer, buffer, puller>>

-----------------------------------------------------------------------------
(* Callers: the gate.                                                      *)

\* A gate is entered. Gates nest.
Allow ==
    /\ permits < MaxPermits
    /\ permits' = permits + 1
    /\ UNCHANGED <<scope, consumer, buffer, puller>>

\* A gate is left. A pull in flight goes on.
Disallow ==
    /\ permits > 0
    /\ permits' = permits - 1
    /\ UNCHANGED <<scope, consumer, buffer, puller>>

-----------------------------------------------------------------------------
(* Callers: the consumer.                                                  *)

\* `next' found nothing, and waits. That permits pulls while nothing is buffered.
Request ==
    /\ consumer = "idle"
    /\ scope # "new" \/ Capacity = 0
    /\ consumer' = "waiting"
    /\ UNCHANGED <<scope, permits, buffer, puller>>

\* A waiting `next' waits no longer: it was served, or is interrupted.
Withdraw ==
    /\ consumer = "waiting"
    /\ consumer' = "idle"
    /\ UNCHANGED <<scope, permits, buffer, puller>>

\* `next' takes the oldest batch, which frees its slot.
Dequeue ==
    /\ buffered > 0
    /\ buffered' = buffered - 1
    /\ UNCHANGED <<callers, mark, later, puller>>

\* `next' reports the end of the epoch. The next one begins with a request, or by entering. With
\* lookahead it may have begun already.
EndEpoch ==
    /\ mark = "ended"
    /\ buffered = 0
    /\ scope # "new" \/ Capacity = 0
    /\ IF later = <<>>
         THEN mark' = "none" /\ UNCHANGED <<buffered, later>>
         ELSE /\ buffered' = Head(later)[1]
              /\ mark' = Head(later)[2]
              /\ later' = Tail(later)
    /\ UNCHANGED <<callers, puller>>

\* `next' raises the error. The next epoch begins with a request, or by entering.
Raise ==
    /\ mark = "failed"
    /\ buffered = 0
    /\ mark' = "none"
    /\ UNCHANGED <<callers, buffered, later, puller>>

-----------------------------------------------------------------------------
(* The worker: from its start to its end.                                  *)

\* A worker starts, for a thread that is about to enter. It begins an epoch unless a mark is left.
Start ==
    /\ worker = "absent"
    /\ ~fetching
    /\ scope # "inside"
    /\ Capacity > 0
    /\ worker' = "running"
    /\ begun' = IF mark = "none" THEN TRUE ELSE begun
    /\ UNCHANGED <<callers, buffer, fetching, count, yielded>>

\* A worker outside `with' ends once no pull is in flight. Everything else stays.
Halt ==
    /\ worker = "running"
    /\ ~fetching
    /\ scope # "inside"
    /\ worker' = "absent"
    /\ UNCHANGED <<callers, buffer, fetching, begun, count, yielded>>

-----------------------------------------------------------------------------
(* The pull, by the worker, or by a waiting caller where the worker is     *)
(* absent.                                                                 *)

\* A pull starts, if a slot is free for its batch and a gate or a request permits it.
Fetch ==
    /\ ~fetching
    /\ Held < Slots
    /\ \/ worker = "running" /\ scope = "inside"
       \/ worker = "absent"
    /\ \/ consumer = "waiting" /\ buffered = 0 /\ mark = "none"
       \/ worker = "running" /\ begun /\ permits > 0
    /\ fetching' = TRUE
    /\ begun' = TRUE
    /\ UNCHANGED <<callers, buffer, worker, count, yielded>>

\* The pull yields a batch. The last batch of an epoch ends the epoch in the same step.
Enqueue ==
    /\ fetching
    /\ worker # "dead"
    /\ fetching' = FALSE
    /\ yielded' = TRUE
    /\ count' = IF EpochSize = 0 \/ count + 1 = EpochSize THEN 0 ELSE count + 1
    /\ IF count + 1 = EpochSize
         THEN Put(1, "ended") /\ begun' = Lookahead
         ELSE Put(1, "none") /\ UNCHANGED begun
    /\ UNCHANGED <<callers, worker>>

\* The pass is over. So is the epoch if epochs are passes, or if the pass yielded nothing. A pass
\* that yielded nothing is not looked past: the next one might be as empty, and so on.
Exhaust ==
    /\ fetching
    /\ worker # "dead"
    /\ fetching' = FALSE
    /\ yielded' = FALSE
    /\ IF EpochSize = 0 \/ ~yielded
         THEN Put(0, "ended") /\ begun' = (Lookahead /\ yielded) /\ count' = 0
         ELSE UNCHANGED <<buffer, begun, count>>
    /\ UNCHANGED <<callers, worker>>

\* The source raises. The error stands after the buffered batches, and the pass is dropped.
Fail ==
    /\ fetching
    /\ worker # "dead"
    /\ Put(0, "failed")
    /\ fetching' = FALSE
    /\ begun' = FALSE
    /\ count' = 0
    /\ yielded' = FALSE
    /\ UNCHANGED <<callers, worker>>

\* A caller's own pull is interrupted, outside of the source's code (inside it is a Fail). The
\* caller sees the interrupt at once, so no mark is put. The shell takes this step when the next
\* puller comes.
Drop ==
    /\ fetching
    /\ worker = "absent"
    /\ fetching' = FALSE
    /\ begun' = FALSE
    /\ count' = 0
    /\ yielded' = FALSE
    /\ UNCHANGED <<callers, buffer, worker>>

-----------------------------------------------------------------------------
(* Death, which nobody chooses.                                            *)

\* The worker ends without halting, or cannot start. The batch that it was pulling is lost. A worker
\* whose pull outlasts the time limit of a stop counts as dead, whatever it still does.
Die ==
    /\ \/ worker = "running"
       \/ worker = "absent" /\ ~fetching /\ scope # "inside" /\ Capacity > 0
    /\ worker' = "dead"
    /\ UNCHANGED <<callers, buffer, fetching, begun, count, yielded>>

\* A request finds the worker dead and nothing buffered. The consumer gets an error, which
\* ends the epoch as one of the source does.
Bury ==
    /\ worker = "dead"
    /\ consumer = "waiting"
    /\ buffered = 0
    /\ mark = "none"
    /\ mark' = "failed"
    /\ worker' = "absent"
    /\ fetching' = FALSE
    /\ begun' = FALSE
    /\ count' = 0
    /\ yielded' = FALSE
    /\ UNCHANGED <<callers, buffered, later>>

-----------------------------------------------------------------------------
(* Resume: the wrapper is abandoned, with its thread, and another one goes *)
(* on from the place of its consumer.                                      *)

\* The first state of a wrapper that goes on from a place: the consumer was given inEpoch batches
\* of its epoch, and inPass batches of its pass. It is enabled wherever a consumer can be.
Resumed(inEpoch, inPass) ==
    /\ inEpoch > 0 => inPass > 0
    /\ IF EpochSize = 0 THEN inEpoch = inPass ELSE inEpoch <= EpochSize
    /\ scope' = "new"
    /\ permits' = 0
    /\ consumer' = "idle"
    /\ buffered' = 0
    /\ later' = <<>>
    /\ worker' = "absent"
    /\ fetching' = FALSE
    /\ yielded' = (inPass > 0)
    /\ IF EpochSize > 0 /\ inEpoch = EpochSize
         THEN mark' = "ended" /\ begun' = Lookahead /\ count' = 0
         ELSE /\ mark' = "none"
              /\ begun' = (inEpoch > 0)
              /\ count' = IF EpochSize > 0 THEN inEpoch ELSE 0

\* From any place. Where epochs are passes, the number of batches makes no difference.
Resume == \E inEpoch \in 0 .. EpochSize + 1, inPass \in 0 .. 1 : Resumed(inEpoch, inPass)

-----------------------------------------------------------------------------
(* The worker (or the caller in its place) and the source are fair. The    *)
(* others are not: a consumer may stop reading at any time. Fetch is fair  *)
(* only while at most LowWater batches are held, since a worker that found *)
(* the buffer full may sleep until then.                                   *)

System == Halt \/ Fetch \/ Bury
Source == Enqueue \/ Exhaust \/ Fail
Environment ==
    \/ Enter \/ Leave \/ Allow \/ Disallow
    \/ Request \/ Withdraw \/ Dequeue \/ EndEpoch \/ Raise
    \/ Start \/ Drop \/ Die

Next == System \/ Source \/ Environment

Fairness ==
    /\ WF_vars(Halt)
    /\ WF_vars(Fetch /\ Held <= LowWater)
    /\ WF_vars(Bury)
    /\ WF_vars(Source)

Spec == Init /\ [][Next]_vars /\ Fairness

\* The same, and at any instant another wrapper may go on.
SpecWithResumes == Init /\ [][Next \/ Resume]_vars /\ Fairness
=============================================================================

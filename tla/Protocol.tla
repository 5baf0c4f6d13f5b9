------------------------------ MODULE Protocol ------------------------------
(***************************************************************************)
(* The enqueue / dequeue / stop / restart protocol of StreamWrapper.       *)
(*                                                                         *)
(* This is kernel/machine.py, action by action under the same names, and a *)
(* test compares the two state graphs edge by edge. A worker pulls batches *)
(* from a source into a bounded buffer ahead of a consumer. Where there is *)
(* no worker (unbuffered, or outside `with') the consumer takes the steps  *)
(* of the pull itself. What the batches are is left to module Stream.      *)
(***************************************************************************)
EXTENDS Naturals

CONSTANTS
    Capacity,   \* batches held and being pulled, at most; 0: unbuffered, never a worker
    EpochSize,  \* batches in an epoch; 0: an epoch is a pass
    MaxPermits  \* bound of the model on nested gates; the machine has none

ASSUME Capacity \in Nat /\ EpochSize \in Nat /\ MaxPermits \in Nat

VARIABLES
    scope,     \* of the `with': "new" (never entered), "inside", "outside"
    worker,    \* "absent", "running", "stopping", "dead"
    epoch,     \* "between", "begun"; "ended", "failed": the mark behind what is buffered
    buffered,  \* batches held
    fetching,  \* a pull is in flight: the worker's, or a caller's if the worker is absent
    count,     \* batches enqueued in this epoch; stays 0 where an epoch is a pass
    yielded,   \* the current pass has yielded a batch
    permits,   \* gates entered and not left
    consumer   \* "idle", "waiting": a request that nothing has served yet

vars == <<scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer>>

Slots == IF Capacity = 0 THEN 1 ELSE Capacity

Init ==
    /\ scope = "new"
    /\ worker = "absent"
    /\ epoch = "between"
    /\ buffered = 0
    /\ fetching = FALSE
    /\ count = 0
    /\ yielded = FALSE
    /\ permits = 0
    /\ consumer = "idle"

-----------------------------------------------------------------------------
(* The scope: entering and leaving `with'.                                 *)

\* `with' is entered: a worker starts, and begins an epoch unless a mark is still to be seen.
Enter ==
    /\ scope # "inside"
    /\ consumer = "idle"
    /\ scope' = "inside"
    /\ worker' = IF worker = "absent" /\ Capacity > 0 THEN "running" ELSE worker
    /\ epoch' = IF epoch = "between" THEN "begun" ELSE epoch
    /\ UNCHANGED <<buffered, fetching, count, yielded, permits, consumer>>

\* `with' is left: the worker is told to go; with none to tell, it is left at once.
Stop ==
    /\ scope = "inside"
    /\ worker # "stopping"
    /\ IF worker = "running"
         THEN worker' = "stopping" /\ UNCHANGED scope
         ELSE scope' = "outside" /\ UNCHANGED worker
    /\ UNCHANGED <<epoch, buffered, fetching, count, yielded, permits, consumer>>

\* A worker told to go has no pull in flight: it goes, and everything else stays.
Halt ==
    /\ worker = "stopping"
    /\ ~fetching
    /\ scope' = "outside"
    /\ worker' = "absent"
    /\ UNCHANGED <<epoch, buffered, fetching, count, yielded, permits, consumer>>

-----------------------------------------------------------------------------
(* The pull, taken by the worker, or by a waiting caller where the worker  *)
(* is absent.                                                              *)

\* A pull starts, if a slot is free for its batch and a gate or a request permits it.
Fetch ==
    /\ ~fetching
    /\ epoch = "begun"
    /\ buffered < Slots
    /\ \/ worker = "running" /\ (permits > 0 \/ consumer = "waiting")
       \/ worker = "absent" /\ consumer = "waiting"
    /\ fetching' = TRUE
    /\ UNCHANGED <<scope, worker, epoch, buffered, count, yielded, permits, consumer>>

\* The pull yields a batch, which serves the request; the last of an epoch ends it at once.
Enqueue ==
    /\ fetching
    /\ worker # "dead"
    /\ fetching' = FALSE
    /\ buffered' = buffered + 1
    /\ count' = IF EpochSize > 0 THEN count + 1 ELSE count
    /\ epoch' = IF EpochSize > 0 /\ count' = EpochSize THEN "ended" ELSE epoch
    /\ yielded' = TRUE
    /\ consumer' = "idle"
    /\ UNCHANGED <<scope, worker, permits>>

\* The pass is over: so is the epoch if epochs are passes, or if the pass yielded nothing.
Exhaust ==
    /\ fetching
    /\ worker # "dead"
    /\ fetching' = FALSE
    /\ yielded' = FALSE
    /\ IF EpochSize = 0 \/ ~yielded
         THEN epoch' = "ended" /\ consumer' = "idle"
         ELSE UNCHANGED <<epoch, consumer>>
    /\ UNCHANGED <<scope, worker, buffered, count, permits>>

\* The source raises: the error stands behind what is buffered, and its pass is dropped.
Fail ==
    /\ fetching
    /\ worker # "dead"
    /\ fetching' = FALSE
    /\ epoch' = "failed"
    /\ yielded' = FALSE
    /\ consumer' = "idle"
    /\ UNCHANGED <<scope, worker, buffered, count, permits>>

-----------------------------------------------------------------------------
(* The consumer.                                                           *)

\* `next' finds nothing: it waits, which permits pulls until served, and begins an epoch.
Request ==
    /\ consumer = "idle"
    /\ buffered = 0
    /\ epoch \in {"between", "begun"}
    /\ scope # "new" \/ Capacity = 0
    /\ epoch' = "begun"
    /\ consumer' = "waiting"
    /\ UNCHANGED <<scope, worker, buffered, fetching, count, yielded, permits>>

\* A waiting `next' is interrupted; its own pull, if it is in one, is given up with it.
Withdraw ==
    /\ consumer = "waiting"
    /\ consumer' = "idle"
    /\ fetching' = (fetching /\ worker # "absent")
    /\ UNCHANGED <<scope, worker, epoch, buffered, count, yielded, permits>>

\* `next' takes the oldest batch, which frees its slot.
Dequeue ==
    /\ buffered > 0
    /\ buffered' = buffered - 1
    /\ UNCHANGED <<scope, worker, epoch, fetching, count, yielded, permits, consumer>>

\* `next' tells the end of the epoch; nobody begins another until asked.
EndEpoch ==
    /\ epoch = "ended"
    /\ buffered = 0
    /\ epoch' = "between"
    /\ count' = 0
    /\ UNCHANGED <<scope, worker, buffered, fetching, yielded, permits, consumer>>

\* `next' raises the error; nobody begins another epoch until asked.
Raise ==
    /\ epoch = "failed"
    /\ buffered = 0
    /\ epoch' = "between"
    /\ count' = 0
    /\ UNCHANGED <<scope, worker, buffered, fetching, yielded, permits, consumer>>

-----------------------------------------------------------------------------
(* The gate.                                                               *)

\* A gate is entered; gates nest.
Allow ==
    /\ permits < MaxPermits
    /\ permits' = permits + 1
    /\ UNCHANGED <<scope, worker, epoch, buffered, fetching, count, yielded, consumer>>

\* A gate is left; a pull in flight goes on.
Disallow ==
    /\ permits > 0
    /\ permits' = permits - 1
    /\ UNCHANGED <<scope, worker, epoch, buffered, fetching, count, yielded, consumer>>

-----------------------------------------------------------------------------
(* Death, which nobody chooses.                                            *)

\* The worker is gone without a word, and with it the batch in its hand; a stop ends there.
\* So is one whose pull outlasts the patience of a stop: what it still does is nobody's.
Die ==
    /\ worker \in {"running", "stopping"}
    /\ scope' = IF worker = "stopping" THEN "outside" ELSE scope
    /\ worker' = "dead"
    /\ UNCHANGED <<epoch, buffered, fetching, count, yielded, permits, consumer>>

\* A request finds the worker dead: that is an error like one of the source.
Bury ==
    /\ worker = "dead"
    /\ consumer = "waiting"
    /\ worker' = "absent"
    /\ epoch' = "failed"
    /\ fetching' = FALSE
    /\ yielded' = FALSE
    /\ consumer' = "idle"
    /\ UNCHANGED <<scope, buffered, count, permits>>

-----------------------------------------------------------------------------
(* Fair are the worker (or the caller in its place) and the source, and    *)
(* nobody else: a consumer may stop asking at any time.                    *)

System == Halt \/ Fetch \/ Bury
Source == Enqueue \/ Exhaust \/ Fail
Environment ==
    \/ Enter \/ Stop \/ Die
    \/ Request \/ Withdraw \/ Dequeue \/ EndEpoch \/ Raise
    \/ Allow \/ Disallow

Next == System \/ Source \/ Environment

Fairness == WF_vars(Halt) /\ WF_vars(Fetch) /\ WF_vars(Bury) /\ WF_vars(Source)

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* Safety, on states.                                                      *)

TypeOK ==
    /\ scope \in {"new", "inside", "outside"}
    /\ worker \in {"absent", "running", "stopping", "dead"}
    /\ epoch \in {"between", "begun", "ended", "failed"}
    /\ buffered \in 0..Slots
    /\ fetching \in BOOLEAN
    /\ count \in 0..EpochSize
    /\ yielded \in BOOLEAN
    /\ permits \in 0..MaxPermits
    /\ consumer \in {"idle", "waiting"}

\* The bound is on batches held and being pulled: the slot is reserved before the pull.
Bounded == buffered + (IF fetching THEN 1 ELSE 0) <= Slots

\* No epoch outgrows its size, and the batch that completes one ends it in the same step.
EpochBounded ==
    IF EpochSize = 0
      THEN count = 0
      ELSE /\ buffered <= count
           /\ count = EpochSize => epoch = "ended"
           /\ epoch = "between" => count = 0

\* A request that is still waiting was served nothing: it stops permitting pulls when served.
WaitsForNothing == consumer = "waiting" => buffered = 0 /\ epoch = "begun"

\* The worker does not run past a mark: nothing is pulled behind an epoch's end or an error.
MarkIsLast == fetching => epoch = "begun"

\* A thread lives inside `with' only, and only for a buffer.
NoWorkerOutside ==
    /\ worker \in {"running", "stopping"} => scope = "inside"
    /\ Capacity = 0 => worker = "absent"

\* A buffered stream is read only after it was entered.
ReadAfterEntry == consumer = "waiting" /\ Capacity > 0 => scope # "new"

\* What consumer, source and fate may do is never refused, nor ignored; `next' has an answer.
Can(Action) == ENABLED <<Action>>_vars
InputEnabled ==
    /\ scope # "inside" /\ consumer = "idle" => Can(Enter)
    /\ scope = "inside" /\ worker # "stopping" => Can(Stop)
    /\ consumer = "idle" /\ (scope # "new" \/ Capacity = 0) =>
        Can(Dequeue) \/ Can(EndEpoch) \/ Can(Raise) \/ Can(Request)
    /\ consumer = "waiting" => Can(Withdraw)
    /\ permits < MaxPermits => Can(Allow)
    /\ permits > 0 => Can(Disallow)
    /\ fetching /\ worker # "dead" => Can(Enqueue) /\ Can(Exhaust) /\ Can(Fail)
    /\ worker \in {"running", "stopping"} => Can(Die)

\* Somebody can always move for a request that waits, and for a stop.
NeverStuck == consumer = "waiting" \/ worker = "stopping" => ENABLED (System \/ Source)

-----------------------------------------------------------------------------
(* Safety, on steps.                                                       *)

\* `with' is left once it was entered; a worker lives from an entry to a stop's end, or dies.
LifeCycle ==
    [][/\ scope' # scope =>
            <<scope, scope'>> \in
                {<<"new", "inside">>, <<"inside", "outside">>, <<"outside", "inside">>}
       /\ worker' # worker =>
            <<worker, worker'>> \in
                {<<"absent", "running">>, <<"running", "stopping">>, <<"stopping", "absent">>,
                 <<"running", "dead">>, <<"stopping", "dead">>, <<"dead", "absent">>}
       /\ scope' = "inside" /\ scope # "inside" /\ Capacity > 0 => worker' # "absent"
       /\ worker' = "running" /\ worker # "running" => scope # "inside"
       /\ worker = "stopping" /\ worker' # "stopping" => scope' = "outside"
       /\ worker = "running" /\ worker' # "running" => scope' = "inside"]_vars

\* An epoch begins with a request, or by entering, which begins one unless a mark is to be seen.
EpochBegins ==
    [][/\ epoch = "between" /\ epoch' # "between" =>
            epoch' = "begun" /\ (consumer' = "waiting" \/ scope' # scope)
       /\ scope' = "inside" /\ scope # "inside" => epoch' # "between"]_vars

\* What ends up in the buffer or as a mark answers a pull of somebody living, or tells of a death.
AnswersAPull ==
    [][buffered' > buffered \/ (epoch = "begun" /\ epoch' \in {"ended", "failed"}) =>
        \/ fetching /\ worker # "dead"
        \/ worker = "dead" /\ worker' = "absent"]_vars

PullStarts == ~fetching /\ fetching'

\* A pull starts while a gate is open or a request waits, and not otherwise.
GateRespected == [][PullStarts => permits > 0 \/ consumer = "waiting"]_vars

\* A worker that was told to go pulls nothing more.
StopPullsNothing == [][PullStarts => worker \in {"running", "absent"}]_vars

\* Entering, stopping, halting and dying leave what is buffered, pulled, counted and marked.
StopPreserves ==
    [][(scope' # scope \/ worker' # worker) /\ ~(worker = "dead" /\ worker' = "absent") =>
        /\ UNCHANGED <<buffered, fetching, count, yielded, consumer>>
        /\ epoch' = epoch \/ (epoch = "between" /\ epoch' = "begun")]_vars

-----------------------------------------------------------------------------
(* Liveness, under Fairness.                                               *)

\* A waiting request is served (or withdrawn).
Served == consumer = "waiting" ~> consumer = "idle"

\* A stop ends.
StopEnds == worker = "stopping" ~> worker # "stopping"

\* A dead worker is noticed by who waits for it.
DeathNoticed == worker = "dead" /\ consumer = "waiting" ~> worker # "dead" \/ consumer = "idle"

\* An open gate lets the worker pull as long as there is room and an epoch to read.
Prefetches ==
    worker = "running" /\ epoch = "begun" /\ permits > 0 /\ buffered < Slots ~>
        fetching \/ worker # "running" \/ epoch # "begun" \/ permits = 0
=============================================================================

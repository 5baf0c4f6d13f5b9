----------------------------- MODULE Properties -----------------------------
(***************************************************************************)
(* What holds of Protocol. Each property has a counterpart of the same     *)
(* name in specs/properties.py: a predicate or, for liveness, a premise    *)
(* and a conclusion. It is proved in that form for every size.             *)
(***************************************************************************)
EXTENDS Protocol

-----------------------------------------------------------------------------
(* Safety, on states.                                                      *)

TypeOK ==
    /\ scope \in {"new", "inside", "outside"}
    /\ permits \in 0..MaxPermits
    /\ consumer \in {"idle", "waiting"}
    /\ buffered \in 0..Slots
    /\ mark \in {"none", "ended", "failed"}
    /\ \A i \in DOMAIN later : later[i] \in (0..Slots) \X {"none", "ended", "failed"}
    /\ worker \in {"absent", "running", "dead"}
    /\ fetching \in BOOLEAN
    /\ begun \in BOOLEAN
    /\ count \in 0..EpochSize
    /\ yielded \in BOOLEAN

\* The bound is on batches held and being pulled: the slot is reserved before the pull.
Bounded == Held + (IF fetching THEN 1 ELSE 0) <= Slots

\* No epoch outgrows its size, and the batch that completes an epoch ends it in the same step.
EpochBounded ==
    /\ IF EpochSize = 0 THEN count = 0 ELSE count < EpochSize
    /\ mark # "none" /\ begun => Lookahead
    /\ ~begun => count = 0

\* Every pull is for an epoch that was begun. Nothing is pulled after an error, and after the end
\* of an epoch with lookahead only. An epoch that is open is the last, and it is the one begun.
\* No epoch is begun after an empty one, so at most Held + 2 marks are held: `later' is finite.
MarksRespected ==
    /\ fetching => begun /\ (mark = "none" \/ Lookahead)
    /\ later # <<>> => Lookahead /\ mark = "ended"
    /\ begun => LastMark # "failed"
    /\ Open => begun
    /\ begun /\ later # <<>> => later[Len(later)][1] > 0
    /\ \A i \in DOMAIN later : i < Len(later) => later[i][1] > 0 /\ later[i][2] = "ended"

\* An unbuffered stream has no worker, living or dead.
UnbufferedAlone == Capacity = 0 => worker = "absent"

\* A buffered stream is read only after it was entered.
ReadAfterEntry == consumer = "waiting" /\ Capacity > 0 => scope # "new"

\* Each action of callers, of the source and of death is enabled whenever it should be, and changes
\* the state. When a mark comes next, it can be reported.
Can(Action) == ENABLED <<Action>>_vars
InputEnabled ==
    /\ scope # "inside" /\ (Capacity = 0 \/ worker # "absent") => Can(Enter)
    /\ scope = "inside" => Can(Leave)
    /\ permits < MaxPermits => Can(Allow)
    /\ permits > 0 => Can(Disallow)
    /\ consumer = "idle" /\ (scope # "new" \/ Capacity = 0) => Can(Request)
    /\ consumer = "waiting" => Can(Withdraw)
    /\ buffered > 0 => Can(Dequeue)
    /\ buffered = 0 /\ mark # "none" /\ (scope # "new" \/ Capacity = 0) =>
        Can(EndEpoch) \/ Can(Raise)
    /\ worker = "absent" /\ ~fetching /\ scope # "inside" /\ Capacity > 0 =>
        Can(Start) /\ Can(Die)
    /\ fetching /\ worker # "dead" => Can(Enqueue) /\ Can(Exhaust) /\ Can(Fail)
    /\ fetching /\ worker = "absent" => Can(Drop)
    /\ worker = "running" => Can(Die)

\* A request that waits for something, and a worker that should halt.
Unserved == consumer = "waiting" /\ buffered = 0 /\ mark = "none"
Halting == worker = "running" /\ scope # "inside"

\* For both of these the system or the source can always move.
NeverStuck == Unserved \/ Halting => ENABLED (System \/ Source)

-----------------------------------------------------------------------------
(* Safety, on steps.                                                       *)

\* A step writes the callers' variables or the puller's. Callers take from the buffer; the puller
\* adds to it.
Adds == Held' > Held \/ Marks' > Marks
SingleWriter ==
    [][/\ UNCHANGED callers \/ UNCHANGED puller
       /\ Held' < Held \/ Marks' < Marks => UNCHANGED puller /\ ~Adds
       /\ Adds => puller' # puller]_vars

\* `with' is entered with a worker in place, and left. A worker starts and halts outside `with', or
\* dies. A dead worker is buried for a request that waits.
LifeCycle ==
    [][/\ scope' # scope =>
            <<scope, scope'>> \in
                {<<"new", "inside">>, <<"inside", "outside">>, <<"outside", "inside">>}
       /\ worker' # worker =>
            \/ <<worker, worker'>> = <<"running", "dead">>
            \/ <<worker, worker'>> = <<"dead", "absent">> /\ Unserved /\ mark' = "failed"
            \/ /\ <<worker, worker'>> \in
                    {<<"absent", "running">>, <<"running", "absent">>, <<"absent", "dead">>}
               /\ scope # "inside"
               /\ ~fetching
       /\ scope' = "inside" /\ scope # "inside" /\ Capacity > 0 => worker # "absent"]_vars

PullStarts == ~fetching /\ fetching'
WorkerStarts == worker # "running" /\ worker' = "running"

\* A worker begins an epoch when it starts, unless a mark is left. After that a request begins an
\* epoch. With lookahead it begins when the one before ends, unless that ended by an empty pass.
EpochBegins ==
    [][/\ ~begun /\ begun' =>
            \/ WorkerStarts /\ mark = "none"
            \/ PullStarts /\ consumer = "waiting"
       /\ WorkerStarts => begun' \/ mark # "none"
       /\ Lookahead /\ Marks' > Marks /\ LastMark' = "ended" /\ (yielded \/ yielded') =>
            begun']_vars

\* A new batch or mark answers a pull of a living thread, or reports a death.
AnswersAPull ==
    [][Adds =>
        \/ fetching /\ worker # "dead"
        \/ worker = "dead" /\ worker' = "absent"]_vars

\* A pull starts for an open gate or for a request that is not served yet, and not otherwise.
GateRespected ==
    [][PullStarts =>
        \/ permits > 0 /\ begun /\ worker = "running"
        \/ consumer = "waiting" /\ buffered = 0 /\ mark = "none"]_vars

\* A worker starts no pull outside `with', nor after its death.
StopPullsNothing ==
    [][PullStarts => worker = "absent" \/ (worker = "running" /\ scope = "inside")]_vars

\* Entering, leaving, starting, halting and dying change neither buffer, pull, count nor mark.
StopPreserves ==
    [][(scope' # scope \/ worker' # worker) /\ ~(worker = "dead" /\ worker' = "absent") =>
        /\ UNCHANGED <<buffer, fetching, count, yielded>>
        /\ begun' = begun \/ WorkerStarts]_vars

-----------------------------------------------------------------------------
(* Liveness, under Fairness. `[]<>~P' says the same as `P ~> ~P', and      *)
(* costs TLC less. P may also end otherwise than wanted: by a withdrawal,  *)
(* an entry, a stop, a death or a gate that is shut.                       *)

\* Entering, starts of workers and interrupts of callers' pulls come to an end. Each of them can
\* take back what brings an answer nearer, so a request could wait for ever beside them.
Undisturbed == <>[][~Enter /\ ~Start /\ ~Drop]_vars

\* A waiting request is served, or withdrawn.
Served == Undisturbed => []<>~Unserved

\* A worker outside `with' halts, or is needed again.
StopEnds == []<>~Halting

\* A dead worker is noticed by the consumer that waits for it (unless that waits no longer).
DeathNoticed == []<>~(worker = "dead" /\ Unserved)

\* An open gate lets the worker pull as long as there is room and an epoch to pull for.
Permitted == worker = "running" /\ scope = "inside" /\ begun /\ permits > 0 /\ Held <= LowWater
Prefetches == []<>(~Permitted \/ fetching)
=============================================================================

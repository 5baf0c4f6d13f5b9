------------------------------ MODULE Handoff -------------------------------
(***************************************************************************)
(* The protocol as two threads carry it out: it implements Protocol.       *)
(*                                                                         *)
(* kernel/stream.py at the grain of what is atomic in the interpreter: the *)
(* lock, `append' and `popleft' of the buffer, one look at an attribute.   *)
(* A worker that runs ahead puts batches without the lock, and `next'      *)
(* takes them without it; whoever finds no slot, no batch or a change goes *)
(* by the lock. What is touched by lock holders only is changed in one     *)
(* step with what they do next. Threads that sleep are woken by a bell.    *)
(***************************************************************************)
EXTENDS Naturals

CONSTANTS Capacity, EpochSize, MaxPermits

ASSUME Capacity > 0  \* without a buffer there is one thread

VARIABLES
    \* the state as it is told: one tuple, replaced as a whole and with the lock held
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer,
    held,          \* batches in the buffer
    ahead,         \* batches that the worker has put and not told of
    changed,       \* the consumer has replaced the state since the worker's last Fetch
    answer,        \* what the source gave, and nobody was told yet: "none", "batch", ...
    seen,          \* how many batches the lock's holder has seen in the buffer
    lock,          \* who holds it: "free", "worker", "consumer"
    at,            \* the worker's place
    call,          \* the consumer's place
    back,          \* where that goes on after it has seen to the worker
    workerBell,    \* the worker sleeps, or is about to: its bell is there to be rung
    workerRung,
    consumerBell,  \* the same for a request
    consumerRung,
    gap            \* the worker died after it had put a batch, before it asked for the next

\* The steps of the protocol, on the state as it is told.
T == INSTANCE Protocol

told == <<scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer>>
bells == <<workerBell, workerRung, consumerBell, consumerRung>>
vars == <<told, held, ahead, changed, answer, seen, lock, at, call, back, bells, gap>>

Init ==
    /\ T!Init
    /\ held = 0 /\ ahead = 0 /\ seen = 0
    /\ changed = FALSE /\ gap = FALSE
    /\ answer = "none" /\ lock = "free"
    /\ at = "absent" /\ call = "user" /\ back = "user"
    /\ workerBell = FALSE /\ workerRung = FALSE
    /\ consumerBell = FALSE /\ consumerRung = FALSE

\* What was put and taken without the lock is told. A request was made when nothing was buffered.
Sync ==
    /\ buffered' = seen
    /\ consumer' = IF seen > 0 THEN "idle" ELSE consumer
    /\ UNCHANGED <<scope, worker, epoch, fetching, count, yielded, permits>>

Take(who) == lock = "free" /\ lock' = who
Release == lock' = "free"

-----------------------------------------------------------------------------
(* The worker.                                                             *)

\* It comes to tell of the batches that it put, and of the last answer.
Tell ==
    /\ at = "tell"
    /\ Take("worker")
    /\ seen' = held
    /\ at' = IF ahead > 0 THEN "fold" ELSE "settle"
    /\ UNCHANGED <<told, held, ahead, changed, answer, call, back, bells, gap>>

\* Each batch put was an Enqueue, each but the last had its Fetch, and the last has if it was answered.
Fold ==
    /\ at = "fold"
    /\ buffered' = seen
    /\ fetching' = (answer # "none")
    /\ count' = IF EpochSize > 0 THEN count + ahead ELSE count
    /\ consumer' = IF seen > 0 THEN "idle" ELSE consumer
    /\ ahead' = 0
    /\ at' = "settle"
    /\ UNCHANGED <<scope, worker, epoch, yielded, permits>>
    /\ UNCHANGED <<held, changed, answer, seen, lock, call, back, bells, gap>>

\* A batch is kept before the state says so: it may be taken at once.
Settle ==
    /\ at = "settle"
    /\ \/ answer = "none" /\ at' = "ring" /\ UNCHANGED <<told, held>>
       \/ answer = "batch" /\ at' = "kept" /\ held' = held + 1 /\ UNCHANGED told
       \/ answer = "exhausted" /\ at' = "ring" /\ T!Exhaust /\ UNCHANGED held
       \/ answer = "raised" /\ at' = "ring" /\ T!Fail /\ UNCHANGED held
    /\ UNCHANGED <<ahead, changed, answer, seen, lock, call, back, bells, gap>>

Keep ==
    /\ at = "kept"
    /\ T!Enqueue
    /\ at' = "ring"
    /\ UNCHANGED <<held, ahead, changed, answer, seen, lock, call, back, bells, gap>>

\* A request that was served, if it sleeps, is woken.
Ring ==
    /\ at = "ring"
    /\ IF consumer = "idle" /\ consumerBell
         THEN consumerBell' = FALSE /\ consumerRung' = TRUE
         ELSE UNCHANGED <<consumerBell, consumerRung>>
    /\ Release
    /\ answer' = "none"
    /\ at' = "decide"
    /\ UNCHANGED <<told, held, ahead, changed, seen, call, back, workerBell, workerRung, gap>>

Decide ==
    /\ at = "decide"
    /\ Take("worker")
    /\ seen' = held
    /\ at' = "sync"
    /\ UNCHANGED <<told, held, ahead, changed, answer, call, back, bells, gap>>

SyncWorker ==
    /\ at = "sync"
    /\ Sync
    /\ at' = "choose"
    /\ UNCHANGED <<held, ahead, changed, answer, seen, lock, call, back, bells, gap>>

\* It runs ahead if a gate permitted this pull, and not a request that the next batch serves.
Choose ==
    /\ at = "choose"
    /\ \/ /\ T!Fetch
          /\ at' = IF yielded /\ consumer = "idle" THEN "ahead" ELSE "pull"
          /\ changed' = FALSE
          /\ Release
          /\ UNCHANGED workerBell
       \/ /\ T!Halt
          /\ at' = "gone"
          /\ Release
          /\ UNCHANGED <<changed, workerBell>>
       \/ /\ ~ENABLED T!Fetch /\ ~ENABLED T!Halt
          /\ at' = "bell"
          /\ workerBell' = TRUE
          /\ UNCHANGED <<told, changed, lock>>
    /\ UNCHANGED <<held, ahead, answer, seen, call, back, workerRung, consumerBell, consumerRung, gap>>

\* Its last step: who waits for it is told.
Gone ==
    /\ at = "gone"
    /\ lock = "free"
    /\ IF consumerBell
         THEN consumerBell' = FALSE /\ consumerRung' = TRUE
         ELSE UNCHANGED <<consumerBell, consumerRung>>
    /\ at' = "absent"
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, lock, call, back, workerBell, workerRung,
                   gap>>

\* A batch that was taken before the bell was there rang nothing.
Recheck ==
    /\ at = "bell"
    /\ IF held = buffered
         THEN at' = "asleep" /\ UNCHANGED workerBell
         ELSE at' = "decide" /\ workerBell' = FALSE
    /\ Release
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, call, back, workerRung, consumerBell,
                   consumerRung, gap>>

WakeUp ==
    /\ at = "asleep"
    /\ workerRung
    /\ workerRung' = FALSE
    /\ at' = "decide"
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, lock, call, back, workerBell,
                   consumerBell, consumerRung, gap>>

\* Running ahead, it asks for the next batch if there is a slot, and then if nothing has changed.
HasRoom ==
    /\ at = "room"
    /\ at' = IF held >= Capacity THEN "tell" ELSE "look"
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, lock, call, back, bells, gap>>

Look ==
    /\ at = "look"
    /\ at' = IF changed THEN "tell" ELSE "ahead"
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, lock, call, back, bells, gap>>

Worker ==
    \/ Tell \/ Fold \/ Settle \/ Keep \/ Ring
    \/ Decide \/ SyncWorker \/ Choose \/ Gone \/ Recheck \/ WakeUp
    \/ HasRoom \/ Look

\* The source answers. The last batch of an epoch is not put without the lock: it ends the epoch.
Last == EpochSize > 0 /\ count + ahead + 1 = EpochSize

Answer ==
    /\ \/ /\ at \in {"pull", "ahead"}
          /\ answer' \in {"exhausted", "raised"} \union
                         (IF at = "pull" \/ Last THEN {"batch"} ELSE {})
          /\ at' = "tell"
          /\ UNCHANGED <<held, ahead>>
       \/ /\ at = "ahead" /\ ~Last
          /\ held' = held + 1
          /\ ahead' = IF EpochSize > 0 THEN ahead + 1 ELSE 1  \* more would make no difference
          /\ at' = "room"
          /\ UNCHANGED answer
    /\ UNCHANGED <<told, changed, seen, lock, call, back, bells, gap>>

-----------------------------------------------------------------------------
(* The consumer.                                                           *)

\* `next' takes what is there without the lock, and then looks if the worker sleeps.
TakeBatch ==
    /\ call \in {"user", "again"}
    /\ held > 0
    /\ held' = held - 1
    /\ call' = "glance"
    /\ UNCHANGED <<told, ahead, changed, answer, seen, lock, at, back, bells, gap>>

Glance ==
    /\ call = "glance"
    /\ call' = IF workerBell THEN "wake" ELSE "user"
    /\ back' = "user"
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, lock, at, bells, gap>>

Wake ==
    /\ call = "wake"
    /\ Take("consumer")
    /\ seen' = held
    /\ call' = "sync"
    /\ UNCHANGED <<told, held, ahead, changed, answer, at, back, bells, gap>>

SyncConsumer ==
    /\ call = "sync"
    /\ Sync
    /\ changed' = (changed \/ seen # buffered)
    /\ call' = "ring"
    /\ UNCHANGED <<held, ahead, answer, seen, lock, at, back, bells, gap>>

\* The worker is woken if there is something for it to do.
RingWorker ==
    /\ call = "ring"
    /\ IF workerBell /\ (ENABLED T!Fetch \/ ENABLED T!Halt)
         THEN workerBell' = FALSE /\ workerRung' = TRUE
         ELSE UNCHANGED <<workerBell, workerRung>>
    /\ Release
    /\ call' = back
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, at, back, consumerBell, consumerRung, gap>>

\* With nothing there, it goes by the lock.
Ask ==
    /\ \/ call = "user" /\ held = 0 /\ scope # "new" /\ UNCHANGED <<seen, lock>> /\ call' = "ask"
       \/ call = "ask" /\ Take("consumer") /\ seen' = held /\ call' = "asking"
    /\ UNCHANGED <<told, held, ahead, changed, answer, at, back, bells, gap>>

Asking ==
    /\ call = "asking"
    /\ Sync
    /\ changed' = (changed \/ seen # buffered)
    /\ IF seen > 0
         THEN call' = "again" /\ Release
         ELSE call' = "request" /\ UNCHANGED lock
    /\ UNCHANGED <<held, ahead, answer, seen, at, back, bells, gap>>

\* A batch put before the request could be seen is found after it.
MakeRequest ==
    /\ call = "request"
    /\ \/ /\ T!Request
          /\ changed' = TRUE
          /\ consumerRung' = FALSE
          /\ call' = "requested"
          /\ UNCHANGED <<lock, ahead>>
       \/ /\ T!EndEpoch \/ T!Raise
          /\ changed' = TRUE
          /\ ahead' = 0  \* nothing but the dead have put what was never told of
          /\ call' = "user"
          /\ Release
          /\ UNCHANGED consumerRung
       \/ /\ consumer = "waiting"
          /\ call' = "requested"
          /\ UNCHANGED <<told, changed, lock, ahead, consumerRung>>
    /\ UNCHANGED <<held, answer, seen, at, back, workerBell, workerRung, consumerBell, gap>>

Requested ==
    /\ call = "requested"
    /\ IF held > 0
         THEN call' = "ask" /\ Release
         ELSE call' = "wait" /\ UNCHANGED lock
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, at, back, bells, gap>>

Wait ==
    /\ call = "wait"
    /\ \/ T!Bury /\ call' = "ask" /\ Release /\ gap' = FALSE /\ UNCHANGED <<seen, back, consumerBell>>
       \/ worker = "absent" /\ T!Fetch /\ call' = "own" /\ Release
          /\ UNCHANGED <<seen, back, consumerBell, gap>>
       \/ /\ worker \in {"running", "stopping"}
          /\ consumerBell' = TRUE
          /\ back' = "asleep"
          /\ IF workerBell
               THEN seen' = held /\ call' = "sync" /\ UNCHANGED lock
               ELSE call' = "asleep" /\ Release /\ UNCHANGED seen
          /\ UNCHANGED <<told, gap>>
    /\ UNCHANGED <<held, ahead, changed, answer, at, workerBell, workerRung, consumerRung>>

WokenUp ==
    /\ call = "asleep"
    /\ consumerRung
    /\ consumerRung' = FALSE
    /\ call' = "ask"
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, lock, at, back, workerBell, workerRung,
                   consumerBell, gap>>

\* Where there is no worker the caller pulls; nobody else is about.
OwnAnswer ==
    /\ call = "own"
    /\ \/ T!Enqueue /\ held' = held + 1
       \/ (T!Exhaust \/ T!Fail) /\ UNCHANGED held
    /\ call' = "ask"
    /\ UNCHANGED <<ahead, changed, answer, seen, lock, at, back, bells, gap>>

Withdrawal ==
    /\ \/ /\ call = "withdraw"
          /\ Take("consumer")
          /\ seen' = held
          /\ consumerBell' = FALSE
          /\ call' = "withdrawing"
          /\ UNCHANGED <<told, changed>>
       \/ /\ call = "withdrawing"
          /\ Sync
          /\ changed' = (changed \/ seen # buffered)
          /\ call' = "withdrawn"
          /\ UNCHANGED <<seen, lock, consumerBell>>
       \/ /\ call = "withdrawn"
          /\ IF consumer = "waiting"
               THEN T!Withdraw /\ changed' = TRUE
               ELSE UNCHANGED <<told, changed>>
          /\ Release
          /\ call' = "user"
          /\ UNCHANGED <<seen, consumerBell>>
    /\ UNCHANGED <<held, ahead, answer, at, back, workerBell, workerRung, consumerRung, gap>>

\* A gate was entered or a stop begun, and a worker that sleeps has something to do.
SeeToWorker ==
    /\ \/ call = "allowed" /\ back' = "user" /\ UNCHANGED lock
       \/ call = "leave" /\ lock = "free" /\ back' = "leaving" /\ UNCHANGED lock
    /\ IF workerBell
         THEN call' = "wake"
         ELSE call' = back'
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, at, bells, gap>>

Left ==
    /\ call = "leaving"
    /\ worker # "stopping" /\ at = "absent"
    /\ call' = "user"
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, lock, at, back, bells, gap>>

Consumer ==
    \/ Glance \/ Wake \/ SyncConsumer \/ RingWorker
    \/ call = "again" /\ TakeBatch
    \/ call # "user" /\ Ask
    \/ Asking \/ MakeRequest \/ Requested \/ Wait \/ WokenUp \/ Withdrawal
    \/ SeeToWorker \/ Left

-----------------------------------------------------------------------------
(* What the user and fate may do.                                          *)

Enter ==
    /\ call = "user"
    /\ lock = "free"
    /\ at = "absent"  \* a stop that was interrupted is ended first
    /\ T!Enter
    /\ at' = IF worker = "absent" THEN "decide" ELSE at
    /\ changed' = TRUE
    /\ UNCHANGED <<held, ahead, answer, seen, lock, call, back, bells, gap>>

Stop ==
    /\ call = "user"
    /\ lock = "free"
    /\ T!Stop
    /\ changed' = TRUE
    /\ call' = "leave"
    /\ UNCHANGED <<held, ahead, answer, seen, lock, at, back, bells, gap>>

Allow ==
    /\ call = "user"
    /\ lock = "free"
    /\ T!Allow
    /\ changed' = TRUE
    /\ call' = "allowed"
    /\ UNCHANGED <<held, ahead, answer, seen, lock, at, back, bells, gap>>

Disallow ==
    /\ call = "user"
    /\ lock = "free"
    /\ T!Disallow
    /\ changed' = TRUE
    /\ UNCHANGED <<held, ahead, answer, seen, lock, at, call, back, bells, gap>>

\* Ctrl-C strikes who waits. (A glance that a waiting thread takes by itself is no other than a ring.)
Interrupt ==
    /\ \/ call = "asleep" /\ call' = "withdraw"
       \/ call = "leaving" /\ call' = "user"
    /\ UNCHANGED <<told, held, ahead, changed, answer, seen, lock, at, back, bells, gap>>

PutLast ==
    \/ at \in {"room", "look"}
    \/ at \in {"tell", "fold"} /\ ahead > 0 /\ answer = "none"

Die ==
    /\ lock = "free"
    /\ T!Die
    /\ gap' = PutLast
    /\ at' = "absent"
    /\ answer' = "none"
    /\ workerBell' = FALSE
    /\ workerRung' = FALSE
    /\ IF consumerBell
         THEN consumerBell' = FALSE /\ consumerRung' = TRUE
         ELSE UNCHANGED <<consumerBell, consumerRung>>
    /\ UNCHANGED <<held, ahead, changed, seen, lock, call, back>>

Environment ==
    \/ Enter \/ Stop \/ Allow \/ Disallow \/ Interrupt \/ Die
    \/ call = "user" /\ (TakeBatch \/ Ask)

Next == Worker \/ Answer \/ OwnAnswer \/ Consumer \/ Environment

\* Nobody is kept from the lock for ever.
Fairness == SF_vars(Worker) /\ SF_vars(Consumer) /\ WF_vars(Answer) /\ WF_vars(OwnAnswer)

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* What it means: the protocol, in which a batch is buffered once it is    *)
(* put, and a pull has started once the worker has looked.                 *)

P == INSTANCE Protocol WITH
    buffered <- held,
    fetching <- fetching /\ at # "kept" /\ ~PutLast /\ ~gap,
    count <- count + (IF EpochSize > 0 THEN ahead + (IF at = "kept" THEN 1 ELSE 0) ELSE 0),
    yielded <- yielded \/ at = "kept",
    epoch <- IF at = "kept" /\ EpochSize > 0 /\ count + 1 = EpochSize THEN "ended" ELSE epoch,
    consumer <- IF held > 0 \/ at = "kept" THEN "idle" ELSE consumer

Refines == P!Init /\ [][P!Next]_(P!vars)

Bounded == P!Bounded

\* Somebody who sleeps while there is something for him was rung for, or is about to be.
NoLostWakeUp ==
    /\ at = "asleep" /\ ~workerRung /\ call \in {"user", "asleep", "leaving", "own"} =>
        ~(\/ worker = "stopping"
          \/ /\ epoch = "begun" /\ held < Capacity
             /\ permits > 0 \/ (consumer = "waiting" /\ held = 0))
    /\ call = "asleep" /\ ~consumerRung /\ at \in {"absent", "asleep", "pull", "ahead"} =>
        /\ consumer = "waiting" /\ held = 0 /\ epoch = "begun"
        /\ worker \in {"running", "stopping"}

Served == P!Served
StopEnds == P!StopEnds
DeathNoticed == P!DeathNoticed
Prefetches == P!Prefetches
=============================================================================

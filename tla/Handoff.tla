------------------------------ MODULE Handoff -------------------------------
(***************************************************************************)
(* The protocol as two threads carry it out: it implements Protocol.       *)
(*                                                                         *)
(* kernel/stream.py at the grain of what is atomic in the interpreter: the *)
(* lock, `append' and `popleft' of the buffer, one look at an attribute.   *)
(* While a gate is open the worker runs ahead: it puts batches without the *)
(* lock, `next' takes them, and who has to wait leaves a bell and sleeps.  *)
(* Whatever changes the state, which is one tuple, goes by the lock; who   *)
(* runs ahead sees that it was replaced. What is touched with the lock     *)
(* held only is changed in one step with what is done next.                *)
(***************************************************************************)
EXTENDS Naturals

CONSTANTS Capacity, EpochSize, MaxPermits

ASSUME Capacity > 0  \* without a buffer there is one thread

VARIABLES
    \* the state as it is told
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer,
    held,          \* batches in the buffer
    ahead,         \* batches that the worker has put and not told of
    room,          \* slots that it knows to be free
    ticket,        \* the state is the one that it began to run ahead with
    answer,        \* what it got from the source and has to tell: "none", "batch", ...
    seen,          \* how many batches the lock's holder has seen in the buffer
    lock,          \* who holds it: "free", "worker", "consumer"
    at,            \* the worker's place
    call,          \* the consumer's place
    back,          \* where that goes on after it has seen to the worker
    same,          \* the state is the one that the consumer looked at
    glanced,       \* the consumer has waited for long enough without telling
    workerBell,    \* the worker sleeps, or is about to: its bell can be rung
    workerRung,
    waiter,        \* so can that of a request that was not told
    consumerBell,  \* and of one that was
    consumerRung,
    lost           \* the worker died in a pull that it had not told of

\* The steps of the protocol, on the state as it is told.
T == INSTANCE Protocol

told == <<scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer>>
own == <<ahead, room, answer, at>>
asks == <<call, back, glanced>>
bells == <<workerBell, workerRung, waiter, consumerBell, consumerRung>>
vars == <<told, held, own, ticket, seen, lock, asks, same, bells, lost>>

Init ==
    /\ T!Init
    /\ held = 0 /\ ahead = 0 /\ room = 0 /\ seen = 0
    /\ ticket = FALSE /\ same = FALSE /\ glanced = FALSE /\ lost = FALSE
    /\ answer = "none" /\ lock = "free"
    /\ at = "absent" /\ call = "user" /\ back = "user"
    /\ workerBell = FALSE /\ workerRung = FALSE
    /\ waiter = FALSE /\ consumerBell = FALSE /\ consumerRung = FALSE

Take(who) == lock = "free" /\ lock' = who
Release == lock' = "free"

\* The state is replaced.
Replace == ticket' = FALSE /\ same' = FALSE
Keep == UNCHANGED <<told, ticket, same>>

RingWorker == workerBell' = FALSE /\ workerRung' = TRUE
RingWaiter ==
    IF waiter
      THEN waiter' = FALSE /\ consumerRung' = TRUE
      ELSE UNCHANGED <<waiter, consumerRung>>

\* A request that was served, if it sleeps, is woken.
RingIfServed ==
    IF consumer = "idle" /\ consumerBell
      THEN consumerBell' = FALSE /\ consumerRung' = TRUE
      ELSE UNCHANGED <<consumerBell, consumerRung>>

\* What was put and taken is told. A request was made when nothing was buffered: it was served.
Sync ==
    /\ buffered' = seen
    /\ consumer' = IF seen > 0 THEN "idle" ELSE consumer
    /\ UNCHANGED <<scope, worker, epoch, fetching, count, yielded, permits>>
    /\ IF seen # buffered THEN Replace ELSE UNCHANGED <<ticket, same>>
    /\ seen' = 0

\* The worker tells as well what it has put, and whether it is in a pull.
Fold(pulling) ==
    /\ buffered' = seen
    /\ consumer' = IF seen > 0 THEN "idle" ELSE consumer
    /\ fetching' = pulling
    /\ count' = IF EpochSize > 0 THEN count + ahead ELSE count
    /\ ahead' = 0
    /\ UNCHANGED <<scope, worker, epoch, yielded, permits>>
    /\ Replace
    /\ seen' = 0

-----------------------------------------------------------------------------
(* The worker, by the lock.                                                *)

\* It has an answer to tell.
Tell ==
    /\ \/ /\ at = "tell"
          /\ Take("worker")
          /\ seen' = held
          /\ at' = "telling"
          /\ Keep
          /\ UNCHANGED ahead
       \/ /\ at = "telling"
          /\ Fold(TRUE)
          /\ at' = "settle"
          /\ UNCHANGED lock
    /\ UNCHANGED <<held, room, answer, asks, bells, lost>>

\* A batch is kept before the state says so: it may be taken at once.
Settle ==
    /\ \/ /\ at = "settle" /\ answer = "batch"
          /\ held' = held + 1
          /\ at' = "kept"
          /\ Keep
          /\ UNCHANGED <<waiter, consumerRung>>
       \/ /\ \/ at = "kept" /\ T!Enqueue
             \/ at = "settle" /\ answer = "exhausted" /\ T!Exhaust
             \/ at = "settle" /\ answer = "raised" /\ T!Fail
          /\ at' = "ring"
          /\ Replace
          /\ RingWaiter
          /\ UNCHANGED held
    /\ UNCHANGED <<ahead, room, answer, seen, lock, asks, workerBell, workerRung, consumerBell, lost>>

WakeConsumer ==
    /\ at = "ring"
    /\ RingIfServed
    /\ Release
    /\ answer' = "none"
    /\ at' = "decide"
    /\ Keep
    /\ UNCHANGED <<held, ahead, room, seen, asks, workerBell, workerRung, waiter, lost>>

\* It decides what to do next: first it sees what there is.
Decide ==
    /\ \/ /\ at = "decide"
          /\ Take("worker")
          /\ seen' = held
          /\ at' = "fold"
          /\ Keep
          /\ UNCHANGED <<ahead, consumerBell, consumerRung>>
       \/ /\ at = "fold"
          /\ Fold(FALSE)
          /\ at' = "served"
          /\ UNCHANGED <<lock, consumerBell, consumerRung>>
       \/ /\ at = "served"
          /\ RingIfServed
          /\ at' = "choose"
          /\ Keep
          /\ UNCHANGED <<ahead, seen, lock>>
    /\ UNCHANGED <<held, room, answer, asks, workerBell, workerRung, waiter, lost>>

\* The next batch changes nothing but the buffer.
MayRunAhead ==
    /\ worker = "running" /\ epoch = "begun" /\ consumer = "idle" /\ permits > 0
    /\ yielded
    /\ EpochSize > 0 => count + 1 < EpochSize

Choose ==
    /\ at = "choose"
    /\ \/ /\ MayRunAhead
          /\ IF ENABLED T!Fetch
               THEN at' = "pulling" /\ room' = 1  \* this Fetch is not told
               ELSE at' = "slots" /\ UNCHANGED room
          /\ ticket' = TRUE
          /\ Release
          /\ UNCHANGED <<told, same, workerBell, waiter, consumerRung>>
       \/ /\ ~MayRunAhead
          /\ T!Fetch
          /\ at' = "pull" /\ Replace
          /\ Release
          /\ UNCHANGED <<room, workerBell, waiter, consumerRung>>
       \/ /\ T!Halt
          /\ at' = "gone" /\ Replace
          /\ Release
          /\ RingWaiter
          /\ UNCHANGED <<room, workerBell>>
       \/ /\ ~MayRunAhead /\ ~ENABLED T!Fetch /\ ~ENABLED T!Halt
          /\ at' = "bell"
          /\ workerBell' = TRUE
          /\ Keep
          /\ UNCHANGED <<room, lock, waiter, consumerRung>>
    /\ UNCHANGED <<held, ahead, answer, seen, asks, workerRung, consumerBell, lost>>

\* A batch that was taken before the bell was there rang nothing.
Recheck ==
    /\ at = "bell"
    /\ IF held = buffered
         THEN at' = "asleep" /\ UNCHANGED workerBell
         ELSE at' = "decide" /\ workerBell' = FALSE
    /\ Release
    /\ Keep
    /\ UNCHANGED <<held, ahead, room, answer, seen, asks, workerRung, waiter, consumerBell,
                   consumerRung, lost>>

\* Its last step: who waits for it is told.
Gone ==
    /\ at = "gone"
    /\ lock = "free"
    /\ IF consumerBell
         THEN consumerBell' = FALSE /\ consumerRung' = TRUE
         ELSE UNCHANGED <<consumerBell, consumerRung>>
    /\ at' = "absent"
    /\ Keep
    /\ UNCHANGED <<held, ahead, room, answer, seen, lock, asks, workerBell, workerRung, waiter, lost>>

WakeUp ==
    /\ at = "asleep"
    /\ workerRung
    /\ workerRung' = FALSE
    /\ workerBell' = FALSE
    /\ at' = IF ticket THEN "slots" ELSE "decide"
    /\ Keep
    /\ UNCHANGED <<held, ahead, room, answer, seen, lock, asks, waiter, consumerBell, consumerRung,
                   lost>>

-----------------------------------------------------------------------------
(* The worker, running ahead.                                              *)

\* The next batch would end the epoch, which is told.
Last == EpochSize > 0 /\ count + ahead + 1 = EpochSize

\* It counts the slots that are free, which nobody else fills; with none it goes to sleep.
Slots ==
    /\ \/ /\ at = "slots"
          /\ at' = IF Last THEN "decide" ELSE IF held < Capacity THEN "look" ELSE "full"
          /\ room' = IF held < Capacity /\ ~Last THEN Capacity - held ELSE 0
          /\ UNCHANGED workerBell
       \/ /\ at = "full"
          /\ workerBell' = TRUE
          /\ at' = "stillFull"
          /\ UNCHANGED room
       \/ /\ at = "stillFull"
          /\ at' = IF held >= Capacity THEN "stillSame" ELSE "notFull"
          /\ UNCHANGED <<room, workerBell>>
       \/ /\ at = "stillSame"
          /\ at' = IF ticket THEN "asleep" ELSE "notFull"
          /\ UNCHANGED <<room, workerBell>>
       \/ /\ at = "notFull"
          /\ workerBell' = FALSE
          /\ at' = IF ticket THEN "slots" ELSE "decide"
          /\ UNCHANGED room
    /\ Keep
    /\ UNCHANGED <<held, ahead, answer, seen, lock, asks, workerRung, waiter, consumerBell,
                   consumerRung, lost>>

\* It looks at the state: if that is the same, a pull may start.
Look ==
    /\ at = "look"
    /\ at' = IF ticket THEN "pulling" ELSE "decide"
    /\ room' = IF ticket THEN room ELSE 0
    /\ Keep
    /\ UNCHANGED <<held, ahead, answer, seen, lock, asks, bells, lost>>

\* A batch was put: who waits for it is woken.
Put ==
    /\ at = "put"
    /\ RingWaiter
    /\ room' = IF Last THEN 0 ELSE room - 1
    /\ at' = IF room' > 0 THEN "look" ELSE "slots"
    /\ Keep
    /\ UNCHANGED <<held, ahead, answer, seen, lock, asks, workerBell, workerRung, consumerBell, lost>>

Worker ==
    \/ Tell \/ Settle \/ WakeConsumer \/ Decide \/ Choose \/ Recheck \/ Gone \/ WakeUp
    \/ Slots \/ Look \/ Put

\* The source answers.
Answer ==
    /\ \/ /\ at \in {"pull", "pulling"}
          /\ answer' \in {"exhausted", "raised"} \union (IF at = "pull" THEN {"batch"} ELSE {})
          /\ at' = "tell"
          /\ room' = 0
          /\ UNCHANGED <<held, ahead>>
       \/ /\ at = "pulling"
          /\ held' = held + 1
          /\ ahead' = IF EpochSize > 0 THEN ahead + 1 ELSE 1  \* more would make no difference
          /\ at' = "put"
          /\ UNCHANGED <<room, answer>>
    /\ Keep
    /\ UNCHANGED <<seen, lock, asks, bells, lost>>

-----------------------------------------------------------------------------
(* The consumer, without the lock.                                         *)

\* `next' takes what is there, and then looks if the worker sleeps.
TakeBatch ==
    /\ call \in {"user", "again"}
    /\ held > 0
    /\ held' = held - 1
    /\ call' = "taken"
    /\ glanced' = FALSE
    /\ Keep
    /\ UNCHANGED <<own, seen, lock, back, bells, lost>>

\* It does, and may pull for the slot that is free now.
Taken ==
    /\ \/ call = "taken" /\ call' = (IF workerBell THEN "took" ELSE "user") /\ UNCHANGED <<workerBell, workerRung>>
       \/ /\ call = "took"
          /\ call' = IF permits > 0 /\ epoch = "begun" THEN "unbell" ELSE "user"
          /\ UNCHANGED <<workerBell, workerRung>>
       \/ call = "unbell" /\ call' = "rings" /\ workerBell' = FALSE /\ UNCHANGED workerRung
       \/ call = "rings" /\ call' = "user" /\ workerRung' = TRUE /\ UNCHANGED workerBell
    /\ Keep
    /\ UNCHANGED <<held, own, seen, lock, back, glanced, waiter, consumerBell, consumerRung, lost>>

\* Nothing is there. If a gate permits a pull anyway, nobody is told of the request.
Ask ==
    /\ call \in {"user", "again"} /\ held = 0 /\ (call = "user" => scope # "new")
    /\ call' = "ask"
    /\ Keep
    /\ UNCHANGED <<held, own, seen, lock, back, glanced, bells, lost>>

LookBeforeWait ==
    /\ call = "ask"
    /\ IF ~glanced /\ permits > 0 /\ epoch = "begun" /\ worker = "running"
         THEN call' = "leaveBell" /\ same' = TRUE
         ELSE call' = "lock" /\ UNCHANGED same
    /\ UNCHANGED <<told, ticket, held, own, seen, lock, back, glanced, bells, lost>>

\* The bell is there first; then it looks again.
LeaveBell ==
    /\ \/ /\ call = "leaveBell"
          /\ waiter' = TRUE
          /\ consumerRung' = FALSE
          /\ call' = "stillNothing"
       \/ /\ call = "stillNothing"
          /\ call' = IF held > 0 THEN "leave" ELSE "stillTheSame"
          /\ UNCHANGED <<waiter, consumerRung>>
       \/ /\ call = "stillTheSame"
          /\ call' = IF same THEN "waits" ELSE "leave"
          /\ UNCHANGED <<waiter, consumerRung>>
       \/ /\ call = "waits"
          /\ consumerRung
          /\ consumerRung' = FALSE
          /\ call' = "leave"
          /\ UNCHANGED waiter
       \/ /\ call = "leave"
          /\ waiter' = FALSE
          /\ consumerRung' = FALSE  \* nobody hears that bell any more
          /\ call' = "again"
    /\ same' = (same /\ call \in {"leaveBell", "stillNothing"})
    /\ UNCHANGED <<told, ticket>>
    /\ UNCHANGED <<held, own, seen, lock, back, glanced, workerBell, workerRung, consumerBell, lost>>

-----------------------------------------------------------------------------
(* The consumer, by the lock.                                              *)

Asking ==
    /\ \/ /\ call = "lock"
          /\ Take("consumer")
          /\ seen' = held
          /\ call' = "asking"
          /\ Keep
       \/ /\ call = "asking"
          /\ Sync
          /\ IF seen > 0
               THEN call' = "again" /\ Release
               ELSE call' = "request" /\ UNCHANGED lock
    /\ UNCHANGED <<held, own, back, glanced, bells, lost>>

\* A batch put before the request could be seen is found after it.
MakeRequest ==
    /\ \/ /\ call = "request"
          /\ \/ T!Request /\ consumerRung' = FALSE /\ call' = "requested" /\ Replace
                /\ UNCHANGED <<lock, ahead, glanced>>
             \/ (T!EndEpoch \/ T!Raise) /\ call' = "user" /\ Replace
                /\ ahead' = 0  \* nobody but the dead have put what was never told
                /\ glanced' = FALSE
                /\ Release
                /\ UNCHANGED consumerRung
             \/ consumer = "waiting" /\ call' = "requested" /\ Keep
                /\ UNCHANGED <<lock, ahead, glanced, consumerRung>>
       \/ /\ call = "requested"
          /\ IF held > 0
               THEN call' = "lock" /\ Release
               ELSE call' = "wait" /\ UNCHANGED lock
          /\ Keep
          /\ UNCHANGED <<ahead, glanced, consumerRung>>
    /\ UNCHANGED <<held, room, answer, at, seen, back, workerBell, workerRung, waiter, consumerBell,
                   lost>>

Wait ==
    /\ call = "wait"
    /\ \/ T!Bury /\ call' = "lock" /\ Release /\ Replace /\ lost' = FALSE
          /\ UNCHANGED <<seen, back, consumerBell>>
       \/ worker = "absent" /\ T!Fetch /\ call' = "own" /\ Release /\ Replace
          /\ UNCHANGED <<seen, back, consumerBell, lost>>
       \/ /\ worker \in {"running", "stopping"}
          /\ consumerBell' = TRUE
          /\ seen' = held
          /\ back' = "asleep"
          /\ call' = "sync"
          /\ Keep
          /\ UNCHANGED <<lock, lost>>
    /\ UNCHANGED <<held, own, glanced, workerBell, workerRung, waiter, consumerRung>>

\* The worker is woken if there is something for it to do.
SeeToWorker ==
    /\ \/ /\ call = "allowed" /\ back' = "user"
          /\ IF workerBell
               THEN call' = "see" /\ UNCHANGED lock
               ELSE call' = "user" /\ Release
          /\ Keep
          /\ UNCHANGED <<seen, workerBell, workerRung>>
       \/ /\ call = "see"
          /\ seen' = held
          /\ call' = "sync"
          /\ Keep
          /\ UNCHANGED <<lock, back, workerBell, workerRung>>
       \/ /\ call = "leave'"
          /\ Take("consumer")
          /\ seen' = held
          /\ call' = "sync" /\ back' = "leaving"
          /\ Keep
          /\ UNCHANGED <<workerBell, workerRung>>
       \/ /\ call = "sync"
          /\ Sync
          /\ call' = "wake"
          /\ UNCHANGED <<lock, back, workerBell, workerRung>>
       \/ /\ call = "wake"
          /\ IF ENABLED T!Fetch \/ ENABLED T!Halt
               THEN RingWorker
               ELSE UNCHANGED <<workerBell, workerRung>>
          /\ Release
          /\ call' = back
          /\ back' = "user"
          /\ Keep
          /\ UNCHANGED seen
    /\ UNCHANGED <<held, own, glanced, waiter, consumerBell, consumerRung, lost>>

WokenUp ==
    /\ call = "asleep"
    /\ consumerRung
    /\ consumerRung' = FALSE
    /\ call' = "lock"
    /\ Keep
    /\ UNCHANGED <<held, own, seen, lock, back, glanced, workerBell, workerRung, waiter, consumerBell,
                   lost>>

\* Where there is no worker the caller pulls; nobody else is about.
OwnAnswer ==
    /\ call = "own"
    /\ \/ T!Enqueue /\ held' = held + 1
       \/ (T!Exhaust \/ T!Fail) /\ UNCHANGED held
    /\ call' = "lock"
    /\ Replace
    /\ UNCHANGED <<own, seen, lock, back, glanced, bells, lost>>

Withdrawal ==
    /\ \/ /\ call = "withdraw"
          /\ Take("consumer")
          /\ seen' = held
          /\ consumerBell' = FALSE
          /\ call' = "withdrawing"
          /\ Keep
          /\ UNCHANGED glanced
       \/ /\ call = "withdrawing"
          /\ Sync
          /\ call' = "withdrawn"
          /\ UNCHANGED <<lock, consumerBell, glanced>>
       \/ /\ call = "withdrawn"
          /\ IF consumer = "waiting" THEN T!Withdraw /\ Replace ELSE Keep
          /\ Release
          /\ call' = "user"
          /\ glanced' = FALSE
          /\ UNCHANGED <<seen, consumerBell>>
    /\ UNCHANGED <<held, own, back, workerBell, workerRung, waiter, consumerRung, lost>>

Left ==
    /\ call = "leaving"
    /\ worker # "stopping" /\ at = "absent"
    /\ call' = "user"
    /\ Keep
    /\ UNCHANGED <<held, own, seen, lock, back, glanced, bells, lost>>

Consumer ==
    \/ call # "user" /\ (TakeBatch \/ Ask)
    \/ Taken \/ LookBeforeWait \/ LeaveBell
    \/ Asking \/ MakeRequest \/ Wait \/ SeeToWorker \/ WokenUp \/ Withdrawal \/ Left

-----------------------------------------------------------------------------
(* What the user and fate may do.                                          *)

Enter ==
    /\ call = "user"
    /\ lock = "free"
    /\ at = "absent"  \* a stop that was interrupted is ended first
    /\ T!Enter
    /\ at' = IF worker = "absent" THEN "decide" ELSE at
    /\ ahead' = IF worker = "absent" THEN 0 ELSE ahead
    /\ Replace
    /\ UNCHANGED <<held, room, answer, seen, lock, asks, bells, lost>>

Stop ==
    /\ call = "user"
    /\ lock = "free"
    /\ T!Stop
    /\ Replace
    /\ call' = "leave'"
    /\ UNCHANGED <<held, own, seen, lock, back, glanced, bells, lost>>

Allow ==
    /\ call = "user"
    /\ Take("consumer")
    /\ T!Allow
    /\ Replace
    /\ call' = "allowed"
    /\ UNCHANGED <<held, own, seen, back, glanced, bells, lost>>

Disallow ==
    /\ call = "user"
    /\ lock = "free"
    /\ T!Disallow
    /\ Replace
    /\ UNCHANGED <<held, own, seen, lock, asks, bells, lost>>

\* Ctrl-C strikes who waits; and who has waited for long looks around by himself.
Interrupt ==
    /\ \/ call = "asleep" /\ call' = "withdraw" /\ UNCHANGED waiter
       \/ call = "leaving" /\ call' = "user" /\ UNCHANGED waiter
       \/ call = "waits" /\ call' = "user" /\ waiter' = FALSE
    /\ Keep
    /\ UNCHANGED <<held, own, seen, lock, back, glanced, workerBell, workerRung, consumerBell,
                   consumerRung, lost>>

TimeOut ==
    /\ \/ call = "waits" /\ call' = "leave" /\ glanced' = TRUE
       \/ call = "asleep" /\ call' = "lock" /\ UNCHANGED glanced
    /\ Keep
    /\ UNCHANGED <<held, own, seen, lock, back, bells, lost>>

\* A pull that was not told of has started, and has not been answered, or the answer not been told.
Pulling == at = "pulling" \/ (at \in {"tell", "telling"} /\ answer # "none")

Die ==
    /\ lock = "free"
    /\ T!Die
    /\ lost' = Pulling
    /\ at' = "absent"
    /\ answer' = "none"
    /\ workerBell' = FALSE
    /\ workerRung' = FALSE
    /\ IF consumerBell \/ waiter
         THEN consumerBell' = FALSE /\ waiter' = FALSE /\ consumerRung' = TRUE
         ELSE UNCHANGED <<consumerBell, waiter, consumerRung>>
    /\ Replace
    /\ UNCHANGED <<held, ahead, room, seen, lock, asks>>

Environment ==
    \/ Enter \/ Stop \/ Allow \/ Disallow \/ Interrupt \/ TimeOut \/ Die
    \/ call = "user" /\ (TakeBatch \/ Ask)

Next == Worker \/ Answer \/ OwnAnswer \/ Consumer \/ Environment

\* Nobody is kept from the lock for ever.
Fairness == SF_vars(Worker) /\ SF_vars(Consumer) /\ WF_vars(Answer) /\ WF_vars(OwnAnswer)

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* What it means: the protocol, in which a batch is buffered once it is    *)
(* put, a pull has started once the worker has looked, and who leaves a    *)
(* bell where nothing is buffered makes a request, until he takes it away. *)

Waits == call \in {"stillNothing", "stillTheSame", "waits", "leave"}

P == INSTANCE Protocol WITH
    buffered <- held,
    fetching <- (fetching /\ at # "kept") \/ Pulling \/ lost,
    count <- count + (IF EpochSize > 0 THEN ahead + (IF at = "kept" THEN 1 ELSE 0) ELSE 0),
    yielded <- yielded \/ at = "kept",
    epoch <- IF at = "kept" /\ EpochSize > 0 /\ count + 1 = EpochSize THEN "ended" ELSE epoch,
    consumer <- IF held > 0 \/ at = "kept" THEN "idle"
                ELSE IF Waits /\ epoch = "begun" THEN "waiting" ELSE consumer

Implements == P!Init /\ [][P!Next]_(P!vars)

Bounded == P!Bounded

\* Somebody who sleeps while there is something for him was rung for, or is about to be.
NoLostWakeUp ==
    /\ at = "asleep" /\ ~workerRung /\ call \in {"user", "waits", "asleep", "leaving", "own"} =>
        ~(\/ worker = "stopping"
          \/ /\ epoch = "begun" /\ held < Capacity
             /\ permits > 0 \/ (consumer = "waiting" /\ held = 0))
    /\ call \in {"waits", "asleep"} /\ ~consumerRung /\ at \in {"absent", "asleep", "pull", "pulling"} =>
        /\ held = 0 /\ epoch = "begun" /\ worker \in {"running", "stopping"}
        /\ consumer = "waiting" \/ call = "waits"

Served == P!Served
StopEnds == P!StopEnds
DeathNoticed == P!DeathNoticed
Prefetches == P!Prefetches

\* Every call comes back, whoever was told of it.
Returns == call # "user" ~> call = "user"
=============================================================================

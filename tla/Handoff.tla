------------------------------ MODULE Handoff -------------------------------
(***************************************************************************)
(* The protocol as two threads carry it out: it implements Protocol.       *)
(*                                                                         *)
(* This is kernel/stream.py at the grain of what is atomic in the          *)
(* interpreter: the lock, `append' and `popleft', a look at an attribute.  *)
(* While a gate is open the worker runs ahead: it puts batches without the *)
(* lock, `next' takes them, and who has to wait leaves a bell and sleeps.  *)
(* Every other change replaces the state, which is one tuple, with the     *)
(* lock held; a worker that runs ahead looks whether it was replaced.      *)
(*                                                                         *)
(* A step is what one thread does between two places at which another can  *)
(* notice: it takes the lock, or lets it go, together with its next, or    *)
(* last, access; what is touched with the lock held only, and what only    *)
(* one thread touches, takes no step of its own. Only one thread puts and  *)
(* one takes, so that a look for free slots, or for a batch, cannot be     *)
(* disappointed by the access that follows it.                             *)
(*                                                                         *)
(* Left out: a second consumer, calls that are refused, Ctrl-C elsewhere   *)
(* than in a wait, a worker that a stop gives up (`stop_timeout'), and     *)
(* wrappers that are garbage. Death is one step: who notes it is alone, in *)
(* a forked child or beside a thread that has ended.                       *)
(***************************************************************************)
EXTENDS Naturals

CONSTANTS Capacity, EpochSize, MaxPermits

ASSUME Capacity > 0  \* without a buffer there is one thread

VARIABLES
    \* the state, as it is told
    scope, worker, epoch, buffered, fetching, count, yielded, permits, consumer,
    held,         \* batches in the buffer
    ahead,        \* batches put and not told of; counted if epochs are
    room,         \* slots that the worker knows to be free
    ticket,       \* the state is the one with which it began to run ahead
    answer,       \* what it got and has to tell: "none", "batch", ...
    seen,         \* batches that the lock's holder has seen in the buffer
    lock,         \* who holds it: "free", "worker", "consumer"
    at,           \* the worker's place
    call,         \* the consumer's place
    back,         \* where that goes once it has rung for the worker
    same,         \* the state is the one that the consumer looked at
    workerBell,   \* the worker wants a ring: it sleeps, or is about to, or was
    workerRung,   \* it was rung for
    waiter,       \* the bell of who waits untold: "none", "left", "taken"
    consumerBell, \* a request that was told of sleeps, or is about to
    consumerRung, \* the consumer was rung for, where it waits now
    lost          \* the worker died in a pull that it had not told of

\* The steps of the protocol, on the state as it is told.
T == INSTANCE Protocol

told ==
    <<scope, worker, epoch, buffered, fetching, count, yielded, permits,
      consumer>>
own == <<ahead, room, answer, at>>
bells == <<workerBell, workerRung, waiter, consumerBell, consumerRung>>
vars == <<told, held, own, ticket, seen, lock, call, back, same, bells, lost>>

Init ==
    /\ T!Init
    /\ held = 0 /\ ahead = 0 /\ room = 0 /\ seen = 0
    /\ ticket = FALSE /\ same = FALSE /\ lost = FALSE
    /\ answer = "none" /\ lock = "free"
    /\ at = "absent" /\ call = "user" /\ back = "user"
    /\ workerBell = FALSE /\ workerRung = FALSE
    /\ waiter = "none" /\ consumerBell = FALSE /\ consumerRung = FALSE

Acquire(who) == lock = "free" /\ lock' = who
Release == lock' = "free"

\* The state is replaced, or is not.
Replace == ticket' = FALSE /\ same' = FALSE
Keep == UNCHANGED <<told, ticket, same>>

\* What was put and taken is told. A request was made when nothing was
\* buffered: if something is, it was served.
Sync ==
    /\ buffered' = seen
    /\ consumer' = IF seen > 0 THEN "idle" ELSE consumer
    /\ UNCHANGED <<scope, worker, epoch, fetching, count, yielded, permits>>
    /\ IF seen # buffered THEN Replace ELSE UNCHANGED <<ticket, same>>
    /\ seen' = 0

\* The worker tells as well how much it has put, and whether it is in a pull.
Fold(pulling) ==
    /\ buffered' = seen
    /\ consumer' = IF seen > 0 THEN "idle" ELSE consumer
    /\ fetching' = pulling
    /\ count' = count + ahead
    /\ ahead' = 0
    /\ UNCHANGED <<scope, worker, epoch, yielded, permits>>
    /\ Replace
    /\ seen' = 0

\* A request that was told of is rung for once it was served. It needs the
\* lock next, which whoever rings holds.
WakeConsumer ==
    IF consumerBell /\ consumer = "idle"
      THEN consumerBell' = FALSE /\ consumerRung' = TRUE
      ELSE UNCHANGED <<consumerBell, consumerRung>>

-----------------------------------------------------------------------------
(* The worker, by the lock.                                                *)

\* It has an answer to tell, behind what it has put.
Tell ==
    /\ \/ /\ at = "tell"
          /\ Acquire("worker")
          /\ seen' = held
          /\ at' = "telling"
          /\ Keep
          /\ UNCHANGED ahead
       \/ /\ at = "telling"
          /\ Fold(TRUE)
          /\ at' = "settle"
          /\ UNCHANGED lock
    /\ UNCHANGED <<held, room, answer, call, back, bells, lost>>

\* A batch is kept before the state says so: it may be taken at once.
Settle ==
    /\ \/ /\ at = "settle" /\ answer = "batch"
          /\ held' = held + 1
          /\ at' = "kept"
          /\ Keep
          /\ UNCHANGED answer
       \/ /\ \/ at = "kept" /\ T!Enqueue
             \/ at = "settle" /\ answer = "exhausted" /\ T!Exhaust
             \/ at = "settle" /\ answer = "raised" /\ T!Fail
          /\ Replace
          /\ answer' = "none"
          /\ at' = "commit"
          /\ UNCHANGED held
    /\ UNCHANGED <<ahead, room, seen, lock, call, back, bells, lost>>

\* The state was replaced, and who waits untold was rung for. A worker that goes
\* rings for all others who wait, and has nothing left to do.
Leaving == call \in {"lockToJoin", "look", "waitsForEnd"}
           \/ (call \in {"sync", "wake", "ring"} /\ back = "look")
Commit ==
    /\ \/ at = "commit" /\ waiter # "left"
       \/ at = "committed"
    /\ IF worker = "absent"
         THEN /\ at' = "absent"
              /\ consumerBell' = FALSE
              /\ consumerRung' = (consumerRung \/ consumerBell \/ Leaving)
         ELSE at' = "decide" /\ WakeConsumer
    /\ Release
    /\ Keep
    /\ UNCHANGED <<held, ahead, room, answer, seen, call, back, workerBell,
                   workerRung, waiter, lost>>

\* It decides what to do next: first it tells what there is.
Decide ==
    /\ \/ /\ at = "decide"
          /\ Acquire("worker")
          /\ seen' = held
          /\ at' = "fold"
          /\ Keep
          /\ UNCHANGED ahead
       \/ /\ at = "fold"
          /\ Fold(FALSE)
          /\ at' = "choose"
          /\ UNCHANGED lock
    /\ UNCHANGED <<held, room, answer, call, back, bells, lost>>

\* The next batch will change nothing but the buffer.
MayRunAhead ==
    /\ worker = "running"
    /\ epoch = "begun"
    /\ consumer = "idle"
    /\ yielded
    /\ permits > 0
    /\ count + 1 # EpochSize

\* It runs ahead, with a Fetch that is not told if there is one; or it pulls,
\* goes, or will sleep.
Choose ==
    /\ at = "choose"
    /\ WakeConsumer
    /\ \/ /\ MayRunAhead
          /\ IF ENABLED T!Fetch
               THEN at' = "pulling" /\ room' = 1
               ELSE at' = "begin" /\ UNCHANGED room
          /\ ticket' = TRUE
          /\ Release
          /\ UNCHANGED <<told, same, workerBell>>
       \/ /\ ~MayRunAhead
          /\ T!Fetch /\ Replace
          /\ at' = "pull"
          /\ Release
          /\ UNCHANGED <<room, workerBell>>
       \/ /\ T!Halt /\ Replace
          /\ at' = "commit"
          /\ UNCHANGED <<lock, room, workerBell>>
       \/ /\ ~MayRunAhead /\ ~ENABLED T!Fetch /\ ~ENABLED T!Halt
          /\ workerBell' = TRUE
          /\ at' = "bell"
          /\ Keep
          /\ UNCHANGED <<lock, room>>
    /\ UNCHANGED <<held, ahead, answer, seen, call, back, workerRung, waiter,
                   lost>>

\* Its bell is there. A batch that was taken before rang nothing.
Recheck ==
    /\ at = "bell"
    /\ at' = IF held = buffered THEN "asleep" ELSE "decide"
    /\ Release
    /\ Keep
    /\ UNCHANGED <<held, ahead, room, answer, seen, call, back, bells, lost>>

\* Rung for, it goes back to work: if the state is still that of its ticket,
\* without the lock.
WakeUp ==
    /\ \/ /\ at = "asleep"
          /\ workerRung
          /\ workerRung' = FALSE
          /\ at' = "begin"
       \/ /\ at = "begin"
          /\ at' = IF ticket THEN "slots" ELSE "decide"
          /\ UNCHANGED workerRung
    /\ Keep
    /\ UNCHANGED <<held, ahead, room, answer, seen, lock, call, back, workerBell,
                   waiter, consumerBell, consumerRung, lost>>

-----------------------------------------------------------------------------
(* The worker, running ahead.                                              *)

\* It counts the free slots, which nobody else fills. Without one it leaves its
\* bell, and looks again before it sleeps: at the state, then at the buffer.
Slots ==
    /\ \/ /\ at = "slots"
          /\ at' = IF held < Capacity THEN "look" ELSE "full"
          /\ room' = Capacity - held
          /\ UNCHANGED workerBell
       \/ /\ at = "full"
          /\ workerBell' = TRUE
          /\ at' = "stillSame"
          /\ UNCHANGED room
       \/ /\ at = "stillSame"
          /\ at' = IF ticket THEN "stillFull" ELSE "decide"
          /\ UNCHANGED <<room, workerBell>>
       \/ /\ at = "stillFull"
          /\ at' = IF held >= Capacity THEN "asleep" ELSE "slots"
          /\ UNCHANGED <<room, workerBell>>
    /\ Keep
    /\ UNCHANGED <<held, ahead, answer, seen, lock, call, back, workerRung,
                   waiter, consumerBell, consumerRung, lost>>

\* It looks at the state: if that is the same, a pull starts.
Look ==
    /\ at = "look"
    /\ at' = IF ticket THEN "pulling" ELSE "decide"
    /\ room' = IF ticket THEN room ELSE 0
    /\ Keep
    /\ UNCHANGED <<held, ahead, answer, seen, lock, call, back, bells, lost>>

\* It has put a batch, and rung for who waits. The last batch of an epoch is
\* told, and so it decides before that.
Put ==
    /\ \/ at = "put" /\ waiter # "left"
       \/ at = "rung"
    /\ LET last == count + ahead + 1 = EpochSize
       IN  /\ room' = IF last THEN 0 ELSE room - 1
           /\ at' = IF last THEN "decide"
                    ELSE IF room' > 0 THEN "look" ELSE "slots"
    /\ Keep
    /\ UNCHANGED <<held, ahead, answer, seen, lock, call, back, bells, lost>>

\* It takes the bell of who waits untold, and rings. Who has gone away
\* meanwhile does not hear it. Who comes meanwhile is not rung for: he sees what
\* has happened, and could come again for ever.
WakeWaiters ==
    /\ \/ /\ at \in {"put", "commit"}
          /\ waiter = "left"
          /\ waiter' = "taken"
          /\ at' = IF at = "put" THEN "putRing" ELSE "commitRing"
          /\ UNCHANGED consumerRung
       \/ /\ at \in {"putRing", "commitRing"}
          /\ IF waiter = "taken"
               THEN waiter' = "none" /\ consumerRung' = TRUE
               ELSE UNCHANGED <<waiter, consumerRung>>
          /\ at' = IF at = "putRing" THEN "rung" ELSE "committed"
    /\ Keep
    /\ UNCHANGED <<held, ahead, room, answer, seen, lock, call, back,
                   workerBell, workerRung, consumerBell, lost>>

Worker ==
    \/ Tell \/ Settle \/ Commit \/ Decide \/ Choose \/ Recheck \/ WakeUp
    \/ Slots \/ Look \/ Put \/ WakeWaiters

\* The source answers a pull.
Answer ==
    /\ \/ /\ at \in {"pull", "pulling"}
          /\ answer' \in {"exhausted", "raised"}
          /\ at' = "tell"
          /\ room' = 0
          /\ UNCHANGED <<held, ahead>>
       \/ /\ at = "pull"
          /\ answer' = "batch"
          /\ at' = "tell"
          /\ UNCHANGED <<held, ahead, room>>
       \/ /\ at = "pulling"
          /\ held' = held + 1
          /\ ahead' = IF EpochSize > 0 THEN ahead + 1 ELSE 0
          /\ at' = "put"
          /\ UNCHANGED <<room, answer>>
    /\ Keep
    /\ UNCHANGED <<seen, lock, call, back, bells, lost>>

-----------------------------------------------------------------------------
(* The consumer, without the lock.                                         *)

\* `next' takes what is there.
TakeBatch ==
    /\ call \in {"user", "again"}
    /\ held > 0
    /\ held' = held - 1
    /\ call' = "taken"
    /\ Keep
    /\ UNCHANGED <<own, seen, lock, back, bells, lost>>

\* Then `next' rings for a worker that sleeps, if that may pull for the slot.
Took ==
    /\ \/ /\ call = "taken"
          /\ call' = IF workerBell THEN "took" ELSE "user"
          /\ UNCHANGED <<workerBell, workerRung>>
       \/ /\ call = "took"
          /\ call' = IF permits > 0 /\ epoch = "begun"
                       THEN "tookBell" ELSE "user"
          /\ UNCHANGED <<workerBell, workerRung>>
       \/ /\ call = "tookBell"
          /\ call' = IF workerBell THEN "takesBell" ELSE "user"
          /\ UNCHANGED <<workerBell, workerRung>>
       \/ /\ call = "takesBell"
          /\ workerBell' = FALSE
          /\ call' = "rings"
          /\ UNCHANGED workerRung
       \/ /\ call = "rings"
          /\ workerRung' = TRUE
          /\ call' = "user"
          /\ UNCHANGED workerBell
    /\ Keep
    /\ UNCHANGED <<held, own, seen, lock, back, waiter, consumerBell,
                   consumerRung, lost>>

\* Nothing is there.
Ask ==
    /\ call \in {"user", "again"}
    /\ held = 0
    /\ scope # "new"
    /\ call' = "ask"
    /\ Keep
    /\ UNCHANGED <<held, own, seen, lock, back, bells, lost>>

\* If a gate permits a pull anyway, nobody is told of the request: unless it has
\* waited for long already, of which nothing is said here.
LookBeforeWait ==
    /\ call = "ask"
    /\ \/ /\ permits > 0 /\ epoch = "begun" /\ worker = "running"
          /\ call' = "leaveBell"
          /\ same' = TRUE
       \/ /\ call' = "lock"
          /\ UNCHANGED same
    /\ UNCHANGED <<told, ticket, held, own, seen, lock, back, bells, lost>>

\* The bell is there first; then it looks again, at the buffer and at the
\* state. Who goes on leaves it there, and nobody hears it any more.
LeaveBell ==
    /\ \/ /\ call = "leaveBell"
          /\ waiter' = "left"
          /\ call' = "stillNothing"
          /\ UNCHANGED <<same, consumerRung>>
       \/ /\ call = "stillNothing"
          /\ held = 0
          /\ call' = "stillTheSame"
          /\ UNCHANGED <<same, waiter, consumerRung>>
       \/ /\ call = "stillTheSame"
          /\ same
          /\ call' = "waits"
          /\ same' = FALSE
          /\ UNCHANGED <<waiter, consumerRung>>
       \/ /\ \/ call = "stillNothing" /\ held > 0
             \/ call = "stillTheSame" /\ ~same
             \/ call = "waits" /\ consumerRung
          /\ call' = "again"
          /\ same' = FALSE
          /\ waiter' = "none" /\ consumerRung' = FALSE
    /\ UNCHANGED <<told, ticket, held, own, seen, lock, back, workerBell,
                   workerRung, consumerBell, lost>>

-----------------------------------------------------------------------------
(* The consumer, by the lock.                                              *)

\* It tells what there is: a batch serves its request, and it takes that.
Asking ==
    /\ \/ /\ call = "lock"
          /\ Acquire("consumer")
          /\ seen' = held
          /\ call' = "asking"
          /\ Keep
          /\ UNCHANGED <<consumerBell, consumerRung>>
       \/ /\ call = "asking"
          /\ Sync
          /\ IF seen > 0
               THEN /\ call' = "again"
                    /\ Release
                    /\ consumerBell' = FALSE /\ consumerRung' = FALSE
               ELSE /\ call' = "request"
                    /\ UNCHANGED <<lock, consumerBell, consumerRung>>
    /\ UNCHANGED <<held, own, back, workerBell, workerRung, waiter, lost>>

\* It makes its request, or learns of an end or an error. A batch that was put
\* before the state said so is found afterwards.
MakeRequest ==
    /\ \/ /\ call = "request"
          /\ \/ /\ T!Request /\ Replace
                /\ call' = "requested"
                /\ UNCHANGED <<lock, ahead, consumerRung>>
             \/ /\ T!EndEpoch \/ T!Raise
                /\ Replace
                /\ call' \in {"user", "withdraw"}  \* by way of the handler
                /\ Release
                /\ ahead' = 0  \* of the dead, who never told
                /\ consumerRung' = FALSE
             \/ /\ consumer = "waiting"
                /\ call' = "wait"
                /\ Keep
                /\ UNCHANGED <<lock, ahead, consumerRung>>
       \/ /\ call = "requested"
          /\ IF held > 0
               THEN call' = "lock" /\ Release
               ELSE call' = "wait" /\ UNCHANGED lock
          /\ Keep
          /\ UNCHANGED <<ahead, consumerRung>>
    /\ UNCHANGED <<held, room, answer, at, seen, back, workerBell, workerRung,
                   waiter, consumerBell, lost>>

\* It buries a dead worker, pulls where there is none, or will sleep.
Wait ==
    /\ call = "wait"
    /\ \/ /\ T!Bury /\ Replace
          /\ call' = "lock"
          /\ Release
          /\ lost' = FALSE
          /\ UNCHANGED <<seen, back, consumerBell>>
       \/ /\ worker = "absent" /\ T!Fetch /\ Replace
          /\ call' = "own"
          /\ Release
          /\ UNCHANGED <<seen, back, consumerBell, lost>>
       \/ /\ worker \in {"running", "stopping"}
          /\ consumerBell' = TRUE
          /\ seen' = held
          /\ call' = "sync"
          /\ back' = "asleep"
          /\ Keep
          /\ UNCHANGED <<lock, lost>>
    /\ UNCHANGED <<held, own, workerBell, workerRung, waiter, consumerRung>>

\* A worker for which there is something to do is rung for: surely, or only if
\* it seems to sleep.
WakeWorker ==
    /\ \/ /\ call = "turned"
          /\ IF workerBell
               THEN call' = "surely" /\ UNCHANGED lock
               ELSE call' = "user" /\ Release
          /\ Keep
          /\ UNCHANGED <<seen, back, workerBell, workerRung>>
       \/ /\ call = "surely"
          /\ seen' = held
          /\ call' = "sync"
          /\ Keep
          /\ UNCHANGED <<lock, back, workerBell, workerRung>>
       \/ /\ call = "sync"
          /\ Sync
          /\ call' = "wake"
          /\ UNCHANGED <<lock, back, workerBell, workerRung>>
       \/ /\ call = "wake"
          /\ IF ENABLED T!Fetch \/ ENABLED T!Halt
               THEN /\ workerBell' = FALSE
                    /\ call' = "ring"
                    /\ UNCHANGED <<lock, back>>
               ELSE /\ Release
                    /\ call' = back /\ back' = "user"
                    /\ UNCHANGED workerBell
          /\ Keep
          /\ UNCHANGED <<seen, workerRung>>
       \/ /\ call = "ring"
          /\ workerRung' = TRUE
          /\ Release
          /\ call' = back /\ back' = "user"
          /\ Keep
          /\ UNCHANGED <<seen, workerBell>>
    /\ UNCHANGED <<held, own, waiter, consumerBell, consumerRung, lost>>

\* Rung for, a request looks again.
WokenUp ==
    /\ call = "asleep"
    /\ consumerRung
    /\ consumerRung' = FALSE
    /\ call' = "lock"
    /\ Keep
    /\ UNCHANGED <<held, own, seen, lock, back, workerBell, workerRung, waiter,
                   consumerBell, lost>>

\* Where there is no worker the caller pulls; nobody else is about.
OwnAnswer ==
    /\ call = "own"
    /\ \/ T!Enqueue /\ held' = held + 1
       \/ (T!Exhaust \/ T!Fail) /\ UNCHANGED held
    /\ Replace
    /\ call' = "lock"
    /\ UNCHANGED <<own, seen, lock, back, bells, lost>>

\* A request that was interrupted is withdrawn, if it was not told to be served.
Withdrawal ==
    /\ call = "withdraw"
    /\ lock = "free"
    /\ IF consumer = "waiting" THEN T!Withdraw /\ Replace ELSE Keep
    /\ consumerBell' = FALSE /\ consumerRung' = FALSE
    /\ call' = "user"
    /\ UNCHANGED <<held, own, seen, lock, back, workerBell, workerRung, waiter,
                   lost>>

\* Who leaves has left a bell, rings for the worker, and waits until that has
\* gone and its thread has ended.
Join ==
    /\ \/ /\ call = "join"
          /\ call' = "lockToJoin"
          /\ UNCHANGED <<seen, lock, back, consumerRung>>
       \/ /\ call = "lockToJoin"
          /\ Acquire("consumer")
          /\ seen' = held
          /\ call' = "sync" /\ back' = "look"
          /\ UNCHANGED consumerRung
       \/ /\ call = "look"
          /\ call' = IF worker = "stopping" THEN "waitsForEnd" ELSE "joins"
          /\ UNCHANGED <<seen, lock, back, consumerRung>>
       \/ /\ call = "waitsForEnd"
          /\ consumerRung
          /\ consumerRung' = FALSE
          /\ call' = "look"
          /\ UNCHANGED <<seen, lock, back>>
       \/ /\ call = "joins"
          /\ at = "absent"
          /\ consumerRung' = FALSE
          /\ call' = "user"
          /\ UNCHANGED <<seen, lock, back>>
    /\ Keep
    /\ UNCHANGED <<held, own, workerBell, workerRung, waiter, consumerBell,
                   lost>>

\* The user calls `next', which looks again after each wait.
Begin == call = "user" /\ (TakeBatch \/ Ask)
Resume == call = "again" /\ (TakeBatch \/ Ask)

Consumer ==
    \/ Resume
    \/ Took \/ LookBeforeWait \/ LeaveBell
    \/ Asking \/ MakeRequest \/ Wait \/ WakeWorker \/ WokenUp \/ Withdrawal
    \/ Join

-----------------------------------------------------------------------------
(* What the user and fate may do.                                          *)

\* Entering ends a stop that was interrupted first, by Join.
Enter ==
    /\ call = "user"
    /\ lock = "free"
    /\ T!Enter /\ Replace
    /\ at' = IF worker = "absent" THEN "decide" ELSE at
    /\ UNCHANGED <<held, ahead, room, answer, seen, lock, call, back, bells,
                   lost>>

\* Leaving; or leaving, or entering, after a stop that was interrupted.
Stop ==
    /\ call = "user"
    /\ \/ lock = "free" /\ T!Stop /\ Replace
       \/ worker = "stopping" /\ Keep
    /\ call' = "join"
    /\ UNCHANGED <<held, own, seen, lock, back, bells, lost>>

Turn ==
    /\ call = "user"
    /\ Acquire("consumer")
    /\ T!Allow \/ T!Disallow
    /\ Replace
    /\ call' = "turned"
    /\ UNCHANGED <<held, own, seen, back, bells, lost>>

\* Another thread enters or leaves a gate; its section is one step here.
OthersTurn ==
    /\ lock = "free"
    /\ permits' \in {permits - 1, permits + 1} \cap 0..MaxPermits
    /\ buffered' = IF workerBell THEN held ELSE buffered
    /\ consumer' = IF workerBell /\ held > 0 THEN "idle" ELSE consumer
    /\ UNCHANGED <<scope, worker, epoch, fetching, count, yielded>>
    /\ Replace
    /\ IF workerBell /\ ~fetching
          /\ \/ worker = "stopping"
             \/ /\ worker = "running" /\ epoch = "begun" /\ held < Capacity
                /\ permits' > 0 \/ consumer' = "waiting"
         THEN workerBell' = FALSE /\ workerRung' = TRUE
         ELSE UNCHANGED <<workerBell, workerRung>>
    /\ IF waiter = "left"
         THEN waiter' = "none" /\ consumerRung' = TRUE
         ELSE UNCHANGED <<waiter, consumerRung>>
    /\ UNCHANGED <<held, own, seen, lock, call, back, consumerBell, lost>>

\* Ctrl-C strikes who waits.
Interrupt ==
    /\ \/ /\ call = "asleep" /\ call' = "withdraw"
          /\ UNCHANGED <<waiter, consumerRung>>
       \/ /\ call \in {"waitsForEnd", "joins"} /\ call' = "user"
          /\ consumerRung' = FALSE
          /\ UNCHANGED waiter
       \/ /\ call = "waits" /\ call' \in {"user", "withdraw"}
          /\ waiter' = "none"
          /\ consumerRung' = FALSE
    /\ Keep
    /\ UNCHANGED <<held, own, seen, lock, back, workerBell, workerRung,
                   consumerBell, lost>>

\* Who has waited for long looks around by himself. A ring too many wakes a
\* worker for nothing.
LookAround ==
    /\ \/ /\ call = "waits" /\ call' = "again"
          /\ waiter' = "none" /\ consumerRung' = FALSE
          /\ UNCHANGED at
       \/ /\ \/ call = "asleep" /\ call' = "lock" /\ UNCHANGED at
             \/ call = "waitsForEnd" /\ call' = "look" /\ UNCHANGED at
             \/ at = "asleep" /\ at' = "begin" /\ UNCHANGED call
          /\ UNCHANGED <<waiter, consumerRung>>
    /\ Keep
    /\ UNCHANGED <<held, ahead, room, answer, seen, lock, back, workerBell,
                   workerRung, consumerBell, lost>>

\* A pull that was not told of has started, and what came of it was not told.
Pulling ==
    \/ at = "pulling"
    \/ at \in {"tell", "telling"} /\ answer # "none"

\* The worker is gone without a word, and who waits is rung for.
Die ==
    /\ lock = "free"
    /\ worker \in {"running", "stopping"}
    /\ worker' = "dead"
    /\ scope' = IF worker = "stopping" THEN "outside" ELSE scope
    /\ UNCHANGED <<epoch, buffered, fetching, count, yielded, permits, consumer>>
    /\ Replace
    /\ lost' = Pulling
    /\ at' = "absent"
    /\ room' = 0
    /\ answer' = "none"
    /\ consumerBell' = FALSE
    /\ waiter' = "none"
    /\ consumerRung' =
        (consumerRung \/ consumerBell \/ waiter # "none" \/ Leaving)
    /\ UNCHANGED <<held, ahead, seen, lock, call, back, workerBell, workerRung>>

Environment ==
    \/ Enter \/ Stop \/ Begin \/ Turn
    \/ OthersTurn \/ Interrupt \/ LookAround \/ Die

Next == Worker \/ Answer \/ OwnAnswer \/ Consumer \/ Environment

\* Nobody is kept from the lock for ever. Nor do others turn gates for ever:
\* that could keep a request from being told.
Fairness ==
    /\ SF_vars(Worker) /\ SF_vars(Consumer)
    /\ WF_vars(Answer) /\ WF_vars(OwnAnswer)
    /\ <>[][~OthersTurn]_vars

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* What it means: the protocol, in which a batch is buffered once it is    *)
(* put, a pull has started once the worker has looked, and who leaves a    *)
(* bell where nothing is buffered makes a request, until he looks again.   *)

Waits == call \in {"stillNothing", "stillTheSame", "waits"}

P == INSTANCE Protocol WITH
    buffered <- held,
    fetching <- (fetching /\ at # "kept") \/ Pulling \/ lost,
    count <-
        count + ahead + (IF at = "kept" /\ EpochSize > 0 THEN 1 ELSE 0),
    yielded <- yielded \/ at = "kept",
    epoch <- IF at = "kept" /\ EpochSize > 0 /\ count + 1 = EpochSize
               THEN "ended" ELSE epoch,
    consumer <- IF held > 0 \/ at = "kept" THEN "idle"
                ELSE IF Waits /\ epoch = "begun" THEN "waiting" ELSE consumer

Implements == P!Init /\ [][P!Next]_(P!vars)

TypeOK == P!TypeOK
Bounded == P!Bounded
GateRespected == P!GateRespected
StopPullsNothing == P!StopPullsNothing

\* Nobody sleeps for ever: where everybody rests or sleeps and nobody was rung
\* for, there is nothing for a worker to do, and something to wait for.
WorkerSleeps == at = "asleep" /\ ~workerRung
WorkerRests == at \in {"absent", "pull", "pulling"} \/ WorkerSleeps
ConsumerSleeps == call \in {"waits", "asleep", "waitsForEnd"} /\ ~consumerRung
ConsumerRests == call \in {"user", "own"} \/ ConsumerSleeps
NothingToDo ==
    /\ worker # "stopping"
    /\ epoch = "begun" /\ held < Capacity =>
        permits = 0 /\ ~(consumer = "waiting" /\ held = 0)
SomethingToWaitFor ==
    /\ worker \in {"running", "stopping"}
    /\ CASE call = "waitsForEnd" -> worker = "stopping"
         [] call = "asleep" -> held = 0 /\ consumer = "waiting"
         [] call = "waits" -> held = 0 /\ epoch = "begun" /\ permits > 0
NoLostWakeUp ==
    /\ WorkerSleeps /\ ConsumerRests => NothingToDo
    /\ ConsumerSleeps /\ WorkerRests => SomethingToWaitFor

\* Who may enter finds no worker that has something left to do.
OneWorker == call = "user" /\ lock = "free" /\ worker = "absent" => at = "absent"

Served == P!Served
StopEnds == P!StopEnds
DeathNoticed == P!DeathNoticed
Prefetches == P!Prefetches

\* Every call comes back.
Returns == call # "user" ~> call = "user"
=============================================================================

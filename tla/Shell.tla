------------------------------- MODULE Shell --------------------------------
(***************************************************************************)
(* The threads of the shell: it implements Protocol. A step is one read or *)
(* write that another thread can notice; there is no lock. Callers write   *)
(* the scope, the gates and their requests; the puller (the worker or,     *)
(* where there is none, a waiting caller) writes the rest. A claim (to     *)
(* enter, to be the consumer, to wait, to pull) is in force while its      *)
(* thread is at certain places, so that any interrupt ends it.             *)
(*                                                                         *)
(* The worker reads length and mark, then gates and request, and last the  *)
(* scope: from the gates on in one step here, as what is inside was inside *)
(* before. So is a caller's look whether the worker is parked and its ring.*)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS
    Capacity, EpochSize, MaxPermits,  \* as in Protocol
    LowWater,    \* a worker that found the buffer full is woken when no more is left
    Consumers,   \* threads that call `next'
    Interrupts,  \* 1: callers are interrupted, anywhere and any number of times
    Deaths,      \* 1: the worker dies, anywhere (after a fork; given up; never started)
    Lights       \* 1: the worker may sleep lightly: it wakes by itself, no gate rings for it

VARIABLES
    \* written by callers
    scope,    \* of the `with'; an abandoned wrapper is left
    gates,    \* how many are open
    owner,    \* the place of the thread that enters and leaves
    gate,     \* the place of the thread that opens gates
    call,     \* the place of each consumer
    garbage,  \* nobody has the wrapper any more
    \* written by the puller
    mark,     \* behind the batches: "none", "ended", "failed"; callers take it
    begun, count, yielded,  \* its progress, as in Protocol
    at,       \* the worker's place: "none", "born" (no claim yet), ..., or how it died
    held,     \* the length that it has read; Slots if there is a mark
    parked,   \* "no", "yes", or "light"
    ringer,   \* a worker that has gone has still to ring
    \* written by both
    batches,  \* how many are buffered
    rung      \* bells rung and not heard: "worker", "consumer", "owner"

callers == <<scope, gates, owner, gate, call, garbage>>
progress == <<begun, count, yielded>>
puller == <<mark, progress, at, held, parked, ringer>>
vars == <<callers, puller, batches, rung>>
Slots == IF Capacity = 0 THEN 1 ELSE Capacity
Threads == 1..Consumers

Dead == at \in {"dead", "lost", "owing"}  \* lost: in a pull; owing: the mark of a last batch
Born == at = "born"
Alive == at # "none" /\ ~Born /\ ~Dead  \* the worker's claim to pull is in force
Sleeps(c) == call[c] \in {"again", "ring", "asleep"}
SomeoneSleeps == \E c \in Threads : Sleeps(c)
Pulls(c) == call[c] \in {"claimed", "own", "inHand"}
Waits(c) == Sleeps(c) \/ Pulls(c)
    \/ call[c] \in {"wait", "worker", "nobody", "pull", "served", "ending"}
IsConsumer(c) == Waits(c) \/ call[c] \in {"ask", "marked", "take"}
Something == batches > 0 \/ mark # "none"

Init ==
    /\ scope = "new" /\ gates = 0 /\ owner = "user" /\ gate = "user" /\ garbage = FALSE
    /\ call = [c \in Threads |-> "user"] /\ mark = "none" /\ begun = FALSE /\ count = 0
    /\ yielded = FALSE /\ at = "none" /\ held = 0 /\ parked = "no" /\ ringer = FALSE
    /\ batches = 0 /\ rung = {}
\* What an answer does to progress and mark.
Last == EpochSize > 0 /\ count + 1 = EpochSize
Yields ==
    /\ yielded' = TRUE /\ begun' = (begun /\ ~Last)
    /\ count' = IF EpochSize = 0 \/ Last THEN 0 ELSE count + 1
Drops == begun' = FALSE /\ count' = 0 /\ yielded' = FALSE
Fails == mark' = "failed" /\ Drops
Exhausts == IF EpochSize = 0 \/ ~yielded THEN mark' = "ended" /\ Drops
                                         ELSE yielded' = FALSE /\ UNCHANGED <<mark, begun, count>>

-----------------------------------------------------------------------------
(* The worker.                                                             *)
Goto(place) == at' = place /\ UNCHANGED <<held, parked, ringer>>
Over == held' = 0 /\ parked' = "no" /\ rung' = rung \ {"worker"}
Halts == at' = "none" /\ ringer' = TRUE /\ Over
\* It claims the pull, unless a caller is in one, and begins an epoch.
Start ==
    /\ Born
    /\ IF \E c \in Threads : Pulls(c)
         THEN Halts /\ UNCHANGED begun
         ELSE /\ at' = "await" /\ parked' = "yes" /\ begun' = (begun \/ mark = "none")
              /\ UNCHANGED <<held, ringer, rung>>
    /\ UNCHANGED <<callers, mark, count, yielded, batches>>
\* It looks whether its starter still enters, and only then whether that has entered.
Await ==
    /\ \/ /\ at = "await" /\ (scope = "inside" \/ owner \notin {"starting", "write"})
          /\ Goto("orphan") /\ UNCHANGED rung
       \/ at = "orphan" /\ IF scope = "inside" THEN Goto("length") /\ UNCHANGED rung ELSE Halts
    /\ UNCHANGED <<callers, mark, progress, batches>>
\* Length and mark before the request: a call that was served withdraws before it takes.
Length ==
    /\ at = "length" /\ at' = "look" /\ held' = IF mark = "none" THEN batches ELSE Slots
    /\ UNCHANGED <<callers, mark, progress, parked, ringer, batches, rung>>
Permitted == held < Slots /\ ((begun /\ gates > 0) \/ ((\E c \in Threads : Waits(c)) /\ held = 0))
\* It halts; pulls; parks, to look once more; or, parked already, sleeps.
Look ==
    /\ at = "look"
    /\ IF scope # "inside" THEN Halts /\ UNCHANGED begun ELSE
        /\ held' = 0 /\ UNCHANGED <<ringer, rung>>
        /\ IF Permitted THEN at' = "pulling" /\ parked' = "no" /\ begun' = TRUE ELSE
            /\ UNCHANGED begun
            /\ IF parked # "no" THEN at' = "asleep" /\ UNCHANGED parked ELSE
                at' = "length" /\ parked' \in (IF Lights = 1 THEN {"yes", "light"} ELSE {"yes"})
    /\ UNCHANGED <<callers, mark, count, yielded, batches>>
Wake ==
    /\ at = "asleep" /\ ("worker" \in rung \/ parked = "light")
    /\ at' = "length" /\ parked' = "no" /\ rung' = rung \ {"worker"}
    /\ UNCHANGED <<callers, mark, progress, held, ringer, batches>>
\* The source answers. A batch is put; behind the last of an epoch, a mark; then the worker rings.
Pulled ==
    /\ at = "pulling"
    /\ \/ Yields /\ batches' = batches + 1 /\ UNCHANGED mark /\ Goto(IF Last THEN "mark" ELSE "put")
       \/ (Fails \/ Exhausts) /\ UNCHANGED batches /\ Goto("put")
    /\ UNCHANGED <<callers, rung>>
Ring(bell, needed) == rung' = IF needed THEN rung \union {bell} ELSE rung
Put ==
    /\ \/ at = "mark" /\ mark' = "ended" /\ Goto("put") /\ UNCHANGED rung
       \/ at = "put" /\ Ring("consumer", SomeoneSleeps) /\ Goto("length") /\ UNCHANGED mark
    /\ UNCHANGED <<callers, progress, batches>>
\* Its claim has ended before, so that who is rung for finds it gone.
Gone ==
    /\ ringer /\ ringer' = FALSE
    /\ rung' = rung \union {bell \in {"consumer", "owner"} :
           IF bell = "owner" THEN owner \in {"left", "joining", "joins"} ELSE SomeoneSleeps}
    /\ UNCHANGED <<callers, mark, progress, at, held, parked, batches>>
Die ==
    /\ Deaths = 1 /\ (Alive \/ (Born /\ \A c \in Threads : ~Pulls(c)))
    /\ at' = CASE at = "pulling" -> "lost" [] at = "mark" -> "owing" [] OTHER -> "dead"
    /\ Over /\ UNCHANGED <<callers, mark, progress, ringer, batches>>
-----------------------------------------------------------------------------
(* Callers: `with' and gates.                                              *)
OwnerTo(place) == owner' = place /\ UNCHANGED <<gates, gate, call, garbage>>
RingWorker == Ring("worker", parked # "no")

\* What an interrupted entry or exit has left is waited for first.
Enter ==
    /\ owner = "user" /\ scope # "inside" /\ ~garbage
    /\ at' = IF at = "none" /\ Capacity > 0 THEN "born" ELSE at
    /\ OwnerTo(IF Alive \/ Born THEN "left" ELSE IF at' = "born" THEN "starting" ELSE "write")
    /\ UNCHANGED <<scope, mark, progress, held, parked, ringer, batches, rung>>
Leave ==
    /\ owner = "user" /\ scope = "inside" /\ ~garbage /\ scope' = "outside" /\ OwnerTo("left")
    /\ UNCHANGED <<puller, batches, rung>>
\* Entering: the worker has started (or was refused); the scope is written last; then the ring.
\* Leaving: it rings for the worker, and waits for it.
OwnerGoes ==
    /\ \/ /\ owner = "starting" /\ ~Born /\ OwnerTo(IF at = "none" THEN "user" ELSE "write")
          /\ UNCHANGED <<scope, rung>>
       \/ owner = "write" /\ scope' = "inside" /\ OwnerTo("entered") /\ UNCHANGED rung
       \/ owner = "entered" /\ RingWorker /\ OwnerTo("user") /\ UNCHANGED scope
       \/ owner = "left" /\ RingWorker /\ OwnerTo("joining") /\ UNCHANGED scope
       \/ owner = "joining" /\ (Alive \/ Born) /\ OwnerTo("joins") /\ UNCHANGED <<scope, rung>>
       \/ /\ (owner = "joining" /\ ~Alive /\ ~Born) \/ (owner = "joins" /\ "owner" \in rung)
          /\ OwnerTo(IF owner = "joins" THEN "joining" ELSE "user")
          /\ rung' = rung \ {"owner"} /\ UNCHANGED scope
    /\ UNCHANGED <<puller, batches>>
Gates ==
    /\ \/ gate = "user" /\ gates < MaxPermits /\ gates' = gates + 1 /\ gate' = "opened"
       \/ gate = "user" /\ gates > 0 /\ gates' = gates - 1 /\ UNCHANGED gate
    /\ ~garbage /\ UNCHANGED <<scope, owner, call, garbage, puller, batches, rung>>
Opened ==
    /\ gate = "opened" /\ gate' = "user"
    /\ Ring("worker", parked = "yes" /\ batches < Capacity /\ begun)
    /\ UNCHANGED <<scope, gates, owner, call, garbage, puller, batches>>
\* The wrapper is garbage, a gate perhaps still open: that leaves it, and rings.
Abandon ==
    /\ owner = "user" /\ gate = "user" /\ (\A c \in Threads : call[c] = "user") /\ ~garbage
    /\ garbage' = TRUE /\ scope' = (IF scope = "inside" THEN "outside" ELSE scope) /\ RingWorker
    /\ UNCHANGED <<gates, owner, gate, call, puller, batches>>
-----------------------------------------------------------------------------
(* Callers: `next'.                                                        *)
CallTo(c, place) == call' = [call EXCEPT ![c] = place]
Step(c, from, to) == call[c] = from /\ CallTo(c, to) /\ UNCHANGED <<progress, at>>
Keep == UNCHANGED <<mark, batches>>
Rest == Keep /\ UNCHANGED rung
Frame == UNCHANGED <<scope, gates, owner, gate, garbage, held, parked, ringer>>
\* A batch is popped at once. Else this must be the only consumer; it looks for a mark, and then at
\* the batches once more: the mark came after them.
Pop(c, from) ==
    IF batches > 0
      THEN Step(c, from, "took") /\ batches' = batches - 1 /\ UNCHANGED <<mark, rung>>
      ELSE Step(c, from, IF \E d \in Threads : IsConsumer(d) THEN "user" ELSE "ask") /\ Rest
Begin(c) == (scope # "new" \/ Capacity = 0) /\ ~garbage /\ Pop(c, "user") /\ Frame
Reads(c) ==
    \/ Pop(c, "pop")
    \/ /\ Step(c, "took", "user") /\ Keep
       /\ Ring("worker", gates > 0 /\ batches <= LowWater /\ parked # "no")
    \/ Step(c, "ask", IF mark # "none" THEN "marked" ELSE "wait") /\ Rest
    \/ Step(c, "marked", IF batches > 0 THEN "pop" ELSE "take") /\ Rest
    \/ Step(c, "take", "user") /\ mark' = "none" /\ UNCHANGED <<batches, rung>>
\* It waits: it reads the puller's claim first, then the buffer. It says that it sleeps, looks once
\* more, rings, and sleeps; or buries the dead; or, where nobody pulls, claims the pull.
Waiting(c) ==
    \/ Step(c, "wait", IF Alive THEN "worker" ELSE "nobody") /\ Rest
    \/ Step(c, "worker", IF Something THEN "served" ELSE "again") /\ Rest
    \/ Step(c, "again", IF Something THEN "served" ELSE IF Alive THEN "ring" ELSE "wait") /\ Rest
    \/ Step(c, "ring", "asleep") /\ RingWorker /\ Keep
    \/ "consumer" \in rung /\ Step(c, "asleep", "wait") /\ rung' = rung \ {"consumer"} /\ Keep
    \/ Something /\ Step(c, "nobody", "served") /\ Rest
    \/ ~Something /\ ~Dead /\ Step(c, "nobody", IF Alive THEN "wait" ELSE "pull") /\ Rest
    \/ Step(c, "served", "pop") /\ Rest
Bury(c) ==
    /\ call[c] = "nobody" /\ Dead /\ ~Something /\ CallTo(c, "wait") /\ UNCHANGED <<batches, rung>>
    /\ IF at = "owing"  \* the consumer has counted: first the end is due
         THEN at' = "dead" /\ mark' = "ended" /\ UNCHANGED progress
         ELSE at' = "none" /\ Fails
\* A pull of its own: with the claim it looks once more, as a worker may have come and gone. It
\* writes progress and mark at once, and then puts the batch, so that an interrupt between loses
\* that and no more. Nobody sees the mark too early: only the consumer looks for marks.
OwnPull(c) ==
    \/ Step(c, "pull", IF Alive \/ Dead THEN "wait" ELSE "claimed") /\ Rest
    \/ Something /\ Step(c, "claimed", "wait") /\ Rest
    \/ /\ ~Something /\ call[c] = "claimed" /\ CallTo(c, "own") /\ begun' = TRUE
       /\ UNCHANGED <<count, yielded, at>> /\ Rest
    \/ Step(c, "inHand", "wait") /\ batches' = batches + 1 /\ UNCHANGED <<mark, rung>>
    \/ Step(c, "ending", "user") /\ Rest
Answered(c) ==
    /\ call[c] = "own" /\ UNCHANGED <<at, batches, rung>> /\ Frame
    /\ \/ Yields /\ CallTo(c, "inHand") /\ mark' = IF Last THEN "ended" ELSE mark
       \/ (Fails \/ Exhausts) /\ CallTo(c, "wait")
Goes(c) == (Reads(c) \/ Waiting(c) \/ Bury(c) \/ OwnPull(c)) /\ Frame
\* An interrupt: the caller is gone from where it was. Its pull counts as an error raised already.
Strike(c) ==
    /\ Interrupts = 1 /\ call[c] # "user" /\ Frame /\ Rest /\ UNCHANGED at
    /\ CallTo(c, IF call[c] \in {"own", "inHand"} THEN "ending" ELSE "user")
    /\ IF call[c] = "own" THEN Drops ELSE UNCHANGED progress
StrikeOwner ==
    /\ Interrupts = 1 /\ owner # "user" /\ OwnerTo("user") /\ rung' = rung \ {"owner"}
    /\ UNCHANGED <<scope, puller, batches>>
\* Who has waited for long looks around.
Glance(c) == Step(c, "asleep", "wait") /\ Rest /\ Frame
OwnerGlances == owner = "joins" /\ OwnerTo("joining") /\ UNCHANGED <<scope, puller, batches, rung>>
-----------------------------------------------------------------------------
Worker == Start \/ Await \/ Length \/ Look \/ Wake \/ Put
Next ==
    \/ Worker \/ Pulled \/ Gone \/ OwnerGoes \/ Opened \/ (garbage /\ UNCHANGED vars)
    \/ Enter \/ Leave \/ Gates \/ Abandon \/ Die \/ StrikeOwner \/ OwnerGlances
    \/ \E c \in Threads : Goes(c) \/ Answered(c) \/ Begin(c) \/ Strike(c) \/ Glance(c)
\* Nothing is asked of the environment, but that who waits for the dead looks around.
Spec ==
    /\ Init /\ [][Next]_vars
    /\ WF_vars(Worker) /\ WF_vars(Pulled) /\ WF_vars(Gone) /\ WF_vars(OwnerGoes) /\ WF_vars(Opened)
    /\ WF_vars(~Alive /\ OwnerGlances)
    /\ \A c \in Threads : WF_vars(Goes(c)) /\ WF_vars(Answered(c)) /\ WF_vars(~Alive /\ Glance(c))
-----------------------------------------------------------------------------
(* What is promised.                                                       *)
Number(Has(_)) == Cardinality({c \in Threads : Has(c)})
Fetching == at \in {"pulling", "lost"} \/ \E c \in Threads : call[c] = "own"
InHand == Cardinality({c \in Threads : call[c] = "inHand"})
TypeOK ==
    /\ scope \in {"new", "inside", "outside"} /\ gates \in 0..MaxPermits
    /\ mark \in {"none", "ended", "failed"} /\ {begun, yielded} \subseteq BOOLEAN
    /\ count \in 0..EpochSize /\ batches \in 0..Slots /\ held \in 0..Slots
    /\ parked \in {"no", "yes", "light"} /\ rung \subseteq {"worker", "consumer", "owner"}
\* Batches held and being pulled.
Bounded == batches + InHand + (IF Fetching THEN 1 ELSE 0) <= Slots
\* One thread pulls at a time, and one is the consumer.
OnePuller == Number(Pulls) + (IF Alive THEN 1 ELSE 0) <= 1 /\ Number(IsConsumer) <= 1
\* Nobody sleeps for ever for want of a ring: not the worker, for a request, a stop or a gate (an
\* interrupted caller may not have rung for these); nor the consumer; nor who leaves.
NoLostWakeUp ==
    LET worker == at = "asleep" /\ "worker" \notin rung /\ owner \notin {"left", "entered"}
        consumer == (\E c \in Threads : call[c] = "asleep") /\ "consumer" \notin rung /\ ~Dead
    IN  /\ ~(worker /\ consumer)
        /\ worker /\ Interrupts = 0 =>
            /\ scope = "inside"
            /\ gates > 0 /\ begun /\ mark = "none" /\ batches <= LowWater =>
                parked = "light" \/ gate = "opened" \/ \E c \in Threads : call[c] = "took"
        /\ consumer => ringer \/ (Alive /\ (Something => at \in {"mark", "put"}))
        /\ owner = "joins" /\ "owner" \notin rung => Alive \/ Born \/ ringer \/ Deaths = 1
\* Once who leaves goes on, there is no worker.
ReturnsAlone == Interrupts = 0 /\ owner = "user" /\ scope = "outside" /\ ~garbage => ~Alive
\* A pull starts with the look that permits it: the worker's inside only; while a gate is open, or
\* a request waits that was served nothing.
PullStarts == ~Fetching /\ Fetching'
StopPullsNothing == [][PullStarts /\ at = "look" => scope = "inside"]_vars
GateRespected ==
    [][PullStarts => (gates > 0 /\ at = "look") \/ (~Something /\
        \E c \in Threads : Waits(c) /\ (call[c] = "ending" => Interrupts = 1))]_vars
\* Liveness: a call returns (if nobody enters and leaves for ever), and so do entering and leaving.
Returns == \A c \in Threads : call[c] # "user" ~> call[c] = "user" \/ owner # "user"
StopEnds == owner # "user" ~> owner = "user"
AbandonedEnds == garbage ~> ~Alive
P == INSTANCE Protocol WITH
    permits <- gates,
    consumer <- IF \E c \in Threads : Waits(c) THEN "waiting" ELSE "idle",
    buffered <- batches + InHand,
    mark <- IF at \in {"mark", "owing"} THEN "ended" ELSE mark,
    worker <- IF Alive THEN "running" ELSE IF Dead THEN "dead" ELSE "absent",
    fetching <- Fetching
\* Who enters looks at the guards of Enter before; another thread's `next' may come in between.
EnterLate == owner = "write" /\ scope' = "inside" /\ UNCHANGED <<gates, call, puller, batches>>
Implements == P!Init /\ [][P!Next \/ EnterLate]_(P!vars)
=============================================================================

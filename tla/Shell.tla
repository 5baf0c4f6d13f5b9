------------------------------- MODULE Shell --------------------------------
(***************************************************************************)
(* The threads of the shell, which refine Protocol. tla/README.md has      *)
(* these names, and most places, beside those of the code. A step is one   *)
(* read or write that another thread can notice. The puller is the worker  *)
(* or, where there is none, a waiting caller. A claim (to enter, be the    *)
(* consumer, wait, pull) holds at certain places: any interrupt ends it.   *)
(* The worker reads length and mark, then gates and request, and the scope *)
(* last. The last three are one step here: if the scope is still inside,   *)
(* it was so all along, as who enters anew waits for this worker. So are a *)
(* caller's look at `parked' and its ring, and its own pull and the mark.  *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS
    Capacity, EpochSize, MaxPermits,  \* as in Protocol
    LowWater,    \* a worker that found the buffer full is woken once no more than this is held
    Consumers,   \* threads that call `next'
    Interrupts,  \* 1: callers are interrupted, anywhere and any number of times
    Deaths,      \* 1: the worker may die, anywhere (also: a fork, a failed start, given up)
    Lights       \* 1: the worker may sleep lightly: it wakes by itself, and gates do not ring

VARIABLES
    \* written by callers
    scope,    \* of the `with'; abandoning a wrapper leaves it
    gates,    \* how many are open
    owner,    \* the place of the thread that enters and leaves; "user": it does neither
    gate,     \* the place of the thread that opens gates
    call,     \* the place of each consumer; "user": not in `next'
    garbage,  \* the wrapper was abandoned
    \* written by the puller
    mark,     \* after the batches: "none", "ended", "failed"; callers take it
    begun, count, yielded,  \* its progress, as in Protocol
    at,       \* the worker's place: "none", "born" (no claim yet), ..., or how it died
    held,     \* the length of the buffer that the worker has read; Slots if there is a mark
    parked,   \* "no", "yes", or "light"; in the code run.parked and run.rung are counts
    ringer,   \* a worker that is gone has yet to ring
    \* written by both
    batches,  \* how many are buffered
    rung      \* bells rung and not heard: "worker", "consumer", "owner"

callers == <<scope, gates, owner, gate, call, garbage>>
progress == <<begun, count, yielded>>
puller == <<mark, progress, at, held, parked, ringer>>
vars == <<callers, puller, batches, rung>>
Slots == IF Capacity = 0 THEN 1 ELSE Capacity
Threads == 1..Consumers
Someone(places) == \E c \in Threads : call[c] \in places
Number(places) == Cardinality({c \in Threads : call[c] \in places})
\* Consumers are alike: how many are at a place makes a state, and not which.
View == <<scope, gates, owner, gate, garbage, puller, batches, rung,
          {<<call[c], Number({call[c]})>> : c \in Threads}>>

\* Sets of a consumer's places. (TLC works out a set once if it has a name.)
SleepingPlaces == {"again", "ring", "asleep", "doze", "drowsy", "dozing"}
PullingPlaces == {"claimed", "own", "inHand"}
WaitingPlaces == PullingPlaces \union
    {"wait", "worker", "again", "ring", "asleep", "nobody", "pull", "served", "ending"}
ConsumerPlaces == WaitingPlaces \union {"ask", "marked", "take"}

Dead == at \in {"dead", "lost", "owing"}  \* died outside a pull; in one; between batch and mark
Born == at = "born"
Alive == at # "none" /\ ~Born /\ ~Dead  \* the worker's claim to pull is in force
SomeoneSleeps == Someone(SleepingPlaces)
Something == batches > 0 \/ mark # "none"

Init ==
    /\ scope = "new" /\ gates = 0 /\ owner = "user" /\ gate = "user" /\ garbage = FALSE
    /\ call = [c \in Threads |-> "user"] /\ mark = "none" /\ begun = FALSE /\ count = 0
    /\ yielded = FALSE /\ at = "none" /\ held = 0 /\ parked = "no" /\ ringer = FALSE
    /\ batches = 0 /\ rung = {}
\* How an answer changes progress and mark.
Last == EpochSize > 0 /\ count + 1 = EpochSize
Yields == /\ yielded' = TRUE /\ begun' = (begun /\ ~Last)
          /\ count' = IF EpochSize = 0 \/ Last THEN 0 ELSE count + 1
Drops == begun' = FALSE /\ count' = 0 /\ yielded' = FALSE
Fails == mark' = "failed" /\ Drops
Exhausts == IF EpochSize = 0 \/ ~yielded THEN mark' = "ended" /\ Drops
                                         ELSE yielded' = FALSE /\ UNCHANGED <<mark, begun, count>>
-----------------------------------------------------------------------------
(* The worker.                                                             *)
Ring(bell, needed) == rung' = IF needed THEN rung \union {bell} ELSE rung
Hear(bell) == rung' = rung \ {bell}
Goto(place) == at' = place /\ UNCHANGED <<held, parked, ringer>>
Over == held' = 0 /\ parked' = "no" /\ Hear("worker")
Halts == at' = "none" /\ ringer' = TRUE /\ Over
\* The worker claims the pull, unless a caller is in one, and begins an epoch.
Start ==
    /\ Born /\ UNCHANGED <<callers, mark, count, yielded, batches>>
    /\ IF Someone(PullingPlaces) THEN Halts /\ UNCHANGED begun ELSE
        /\ at' = "await" /\ parked' = "yes" /\ begun' = (begun \/ mark = "none")
        /\ UNCHANGED <<held, ringer, rung>>
\* The worker first looks whether its starter is still entering, then whether it has entered.
Await ==
    /\ \/ /\ at = "await" /\ (scope = "inside" \/ owner \notin {"starting", "write"})
          /\ Goto("orphan") /\ UNCHANGED rung
       \/ at = "orphan" /\ IF scope = "inside" THEN Goto("length") /\ UNCHANGED rung ELSE Halts
    /\ UNCHANGED <<callers, mark, progress, batches>>
\* Read before the request, which ends before a take: one seen after a length of 0 is unserved.
Length ==
    /\ at = "length" /\ at' = "look" /\ held' = IF mark = "none" THEN batches ELSE Slots
    /\ UNCHANGED <<callers, mark, progress, parked, ringer, batches, rung>>
Permitted == held < Slots /\ ((begun /\ gates > 0) \/ (Someone(WaitingPlaces) /\ held = 0))
\* The worker halts, or pulls, or parks and looks once more. If it is parked already, it sleeps.
Look ==
    /\ at = "look" /\ UNCHANGED <<callers, mark, count, yielded, batches>>
    /\ IF scope # "inside" THEN Halts /\ UNCHANGED begun ELSE
        /\ held' = 0 /\ UNCHANGED <<ringer, rung>>
        /\ IF Permitted THEN at' = "pulling" /\ parked' = "no" /\ begun' = TRUE ELSE
            /\ UNCHANGED begun
            /\ IF parked # "no" THEN at' = "asleep" /\ UNCHANGED parked ELSE
                at' = "length" /\ parked' \in (IF Lights = 1 THEN {"yes", "light"} ELSE {"yes"})
Wake ==
    /\ at = "asleep" /\ ("worker" \in rung \/ parked = "light") /\ at' = "length" /\ Over
    /\ UNCHANGED <<callers, mark, progress, ringer, batches>>
\* The source answers. The worker puts the batch, after the last of an epoch the mark, and rings.
Pulled ==
    /\ at = "pulling" /\ UNCHANGED <<callers, rung>>
    /\ \/ Yields /\ batches' = batches + 1 /\ UNCHANGED mark /\ Goto(IF Last THEN "mark" ELSE "put")
       \/ (Fails \/ Exhausts) /\ UNCHANGED batches /\ Goto("put")
Put ==
    /\ \/ at = "mark" /\ mark' = "ended" /\ Goto("put") /\ UNCHANGED rung
       \/ at = "put" /\ Ring("consumer", SomeoneSleeps) /\ Goto("length") /\ UNCHANGED mark
    /\ UNCHANGED <<callers, progress, batches>>
\* This ring comes after the worker's claim has ended, so whoever wakes finds no worker.
Gone ==
    /\ ringer /\ ringer' = FALSE /\ UNCHANGED <<callers, mark, progress, at, held, parked, batches>>
    /\ rung' = rung \union {bell \in {"consumer", "owner"} :
           IF bell = "owner" THEN owner \in {"left", "joining", "joins"} ELSE SomeoneSleeps}
Die ==
    /\ Deaths = 1 /\ (Alive \/ (Born /\ ~Someone(PullingPlaces)))
    /\ at' = CASE at = "pulling" -> "lost" [] at = "mark" -> "owing" [] OTHER -> "dead"
    /\ Over /\ UNCHANGED <<callers, mark, progress, ringer, batches>>
-----------------------------------------------------------------------------
(* Callers: `with' and gates.                                              *)
OwnerTo(place) == owner' = place /\ UNCHANGED <<gates, gate, call, garbage>>
OwnerStep(from, to) == owner = from /\ OwnerTo(to)
RingWorker == Ring("worker", parked # "no")
\* If an interrupted entry or exit has left a worker, that one is waited for first.
Enter ==
    /\ owner = "user" /\ scope # "inside" /\ ~garbage /\ UNCHANGED <<scope, mark, progress>>
    /\ Goto(IF at = "none" /\ Capacity > 0 THEN "born" ELSE at) /\ UNCHANGED <<batches, rung>>
    /\ OwnerTo(IF Alive \/ Born THEN "left" ELSE IF at' = "born" THEN "starting" ELSE "write")
Leave ==
    /\ owner = "user" /\ scope = "inside" /\ ~garbage /\ scope' = "outside" /\ OwnerTo("left")
    /\ UNCHANGED <<puller, batches, rung>>
\* Entering: once the worker has started, or has died, the scope is written; then the ring.
\* Leaving: the owner rings, and waits for the worker.
OwnerGoes ==
    /\ \/ ~Born /\ OwnerStep("starting", IF at = "none" THEN "user" ELSE "write") /\ UNCHANGED rung
       \/ OwnerStep("write", "entered") /\ UNCHANGED rung
       \/ OwnerStep("entered", "user") /\ RingWorker
       \/ OwnerStep("left", "joining") /\ RingWorker
       \/ (Alive \/ Born) /\ OwnerStep("joining", "joins") /\ UNCHANGED rung
       \/ ~Alive /\ ~Born /\ OwnerStep("joining", "user") /\ Hear("owner")
       \/ "owner" \in rung /\ OwnerStep("joins", "joining") /\ Hear("owner")
    /\ scope' = (IF owner = "write" THEN "inside" ELSE scope) /\ UNCHANGED <<puller, batches>>
Gates ==
    /\ gate = "user" /\ ~garbage /\ UNCHANGED <<scope, owner, call, garbage, puller, batches, rung>>
    /\ \/ gates < MaxPermits /\ gates' = gates + 1 /\ gate' = "opened"
       \/ gates > 0 /\ gates' = gates - 1 /\ UNCHANGED gate
Opened ==
    /\ gate = "opened" /\ gate' = "user" /\ UNCHANGED <<scope, gates, owner, call, garbage, puller>>
    /\ Ring("worker", parked = "yes" /\ batches < Capacity /\ begun) /\ UNCHANGED batches
\* The wrapper becomes garbage, perhaps with a gate open. That leaves the scope, and rings.
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
\* If another thread is the consumer, this call is refused.
Claims(place) == IF Someone(ConsumerPlaces) THEN "user" ELSE place
\* A batch is popped in one step. Else a second consumer is refused (in the code only if there is no
\* mark either). The other looks for a mark, and then for batches once more: they came before it.
Pop(c, from) == IF batches > 0
    THEN Step(c, from, "took") /\ batches' = batches - 1 /\ UNCHANGED <<mark, rung>>
    ELSE Step(c, from, Claims("ask")) /\ Rest
Begin(c) == (scope # "new" \/ Capacity = 0) /\ ~garbage /\ Pop(c, "user") /\ Frame
Reads(c) ==
    \/ Pop(c, "pop")
    \/ Step(c, "took", "user") /\ Keep /\ \E waited \in BOOLEAN :
           Ring("worker", gates > 0 /\ (waited \/ batches <= LowWater) /\ parked # "no")
    \/ Step(c, "ask", IF mark # "none" THEN "marked" ELSE
           IF gates > 0 /\ begun /\ Alive THEN "doze" ELSE "wait") /\ Rest
    \/ Step(c, "marked", IF batches > 0 THEN "pop" ELSE "take") /\ Rest
    \/ Step(c, "take", "user") /\ mark' = "none" /\ UNCHANGED <<batches, rung>>
\* An open gate permits what a request would: the consumer first dozes, without one. It passes the
\* ring on: a thread with a request may sleep in the same bell.
Dozing(c) ==
    \/ Step(c, "doze", IF Something THEN "pop" ELSE "drowsy") /\ Rest
    \/ Step(c, "drowsy", "dozing") /\ RingWorker /\ Keep
    \/ /\ Step(c, "dozing", IF Something THEN "pop" ELSE Claims("wait")) /\ Keep
       /\ IF Someone(WaitingPlaces) THEN Ring("consumer", TRUE) ELSE Hear("consumer")
\* The consumer waits: it reads the puller's claim, then the buffer. If a worker lives, it announces
\* its sleep, looks once more, rings, and sleeps. It buries a dead worker, or claims the pull.
Waiting(c) ==
    \/ Step(c, "wait", IF Alive THEN "worker" ELSE "nobody") /\ Rest
    \/ Step(c, "worker", IF Something THEN "served" ELSE "again") /\ Rest
    \/ Step(c, "again", IF Something THEN "served" ELSE IF Alive THEN "ring" ELSE "wait") /\ Rest
    \/ Step(c, "ring", "asleep") /\ RingWorker /\ Keep
    \/ "consumer" \in rung /\ Step(c, "asleep", "wait") /\ Hear("consumer") /\ Keep
    \/ Something /\ Step(c, "nobody", "served") /\ Rest
    \/ ~Something /\ ~Dead /\ Step(c, "nobody", IF Alive THEN "wait" ELSE "pull") /\ Rest
    \/ Step(c, "served", "pop") /\ Rest
Bury(c) ==
    /\ call[c] = "nobody" /\ Dead /\ ~Something /\ CallTo(c, "wait") /\ UNCHANGED <<batches, rung>>
    /\ IF at = "owing"  \* the consumer has the last batch: the end comes first
         THEN at' = "dead" /\ mark' = "ended" /\ UNCHANGED progress
         ELSE at' = "none" /\ Fails
\* A pull of the consumer's own. With the claim it looks once more: a worker may have come and gone.
\* Progress and mark are written first, as the next puller takes them from run.hand: an interrupt in
\* between loses the batch only. No mark is seen too early: only the consumer looks for marks.
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
Goes(c) == (Reads(c) \/ Dozing(c) \/ Waiting(c) \/ Bury(c) \/ OwnPull(c)) /\ Frame
\* An interrupt ends the call, and its own pull as an error would (Drop); "ending" withdraws.
Strike(c) ==
    /\ Interrupts = 1 /\ call[c] # "user" /\ Frame /\ Rest /\ UNCHANGED at
    /\ CallTo(c, IF call[c] \in {"own", "inHand"} THEN "ending" ELSE "user")
    /\ IF call[c] = "own" THEN Drops ELSE UNCHANGED progress
StrikeOwner ==
    /\ Interrupts = 1 /\ owner # "user" /\ OwnerTo("user") /\ Hear("owner")
    /\ UNCHANGED <<scope, puller, batches>>
\* A caller that has slept for `glance' seconds looks again.
Glance(c) == Step(c, "asleep", "wait") /\ Rest /\ Frame
OwnerGlances == OwnerStep("joins", "joining") /\ UNCHANGED <<scope, puller, batches, rung>>
-----------------------------------------------------------------------------
Worker == Start \/ Await \/ Length \/ Look \/ Wake \/ Put
Next ==
    \/ Worker \/ Pulled \/ Gone \/ OwnerGoes \/ Opened \/ (garbage /\ UNCHANGED vars)
    \/ Enter \/ Leave \/ Gates \/ Abandon \/ Die \/ StrikeOwner \/ OwnerGlances
    \/ \E c \in Threads : Goes(c) \/ Answered(c) \/ Begin(c) \/ Strike(c) \/ Glance(c)
\* The shell's own steps are fair. A thread that waits for a dead worker looks again.
Spec ==
    /\ Init /\ [][Next]_vars /\ WF_vars(Worker) /\ WF_vars(Pulled) /\ WF_vars(Gone)
    /\ WF_vars(OwnerGoes) /\ WF_vars(Opened) /\ WF_vars(~Alive /\ OwnerGlances)
    /\ \A c \in Threads : WF_vars(Goes(c)) /\ WF_vars(Answered(c)) /\ WF_vars(~Alive /\ Glance(c))
-----------------------------------------------------------------------------
(* Properties.                                                             *)
Fetching == at \in {"pulling", "lost"} \/ Someone({"own"})
TypeOK ==
    /\ scope \in {"new", "inside", "outside"} /\ gates \in 0..MaxPermits
    /\ mark \in {"none", "ended", "failed"} /\ {begun, yielded} \subseteq BOOLEAN
    /\ count \in 0..EpochSize /\ batches \in 0..Slots /\ held \in 0..Slots
    /\ parked \in {"no", "yes", "light"} /\ rung \subseteq {"worker", "consumer", "owner"}
\* The bound is on batches held and being pulled.
Bounded == batches + Number({"inHand"}) + (IF Fetching THEN 1 ELSE 0) <= Slots
\* At most one thread pulls, and at most one is the consumer.
OnePuller == Number(PullingPlaces) + (IF Alive THEN 1 ELSE 0) <= 1 /\ Number(ConsumerPlaces) <= 1
\* No ring is missing: worker and consumer never both sleep unrung. No worker does after a stop or
\* while a gate permits a pull, but lightly, before an announced ring, or after an interrupt. No
\* consumer or leaving owner does but while a worker lives, or one that is gone is about to ring.
NoLostWakeUp ==
    LET worker == at = "asleep" /\ "worker" \notin rung /\ owner \notin {"left", "entered"}
        consumer == Someone({"asleep"}) /\ "consumer" \notin rung /\ ~Dead
    IN  /\ ~(worker /\ consumer)
        /\ worker /\ Interrupts = 0 =>
            /\ scope = "inside"
            /\ gates > 0 /\ begun /\ mark = "none" /\ batches <= LowWater =>
                parked = "light" \/ gate = "opened" \/ Someone({"took"})
        /\ consumer => ringer \/ (Alive /\ (Something => at \in {"mark", "put"}))
        /\ owner = "joins" /\ "owner" \notin rung => Alive \/ Born \/ ringer \/ Deaths = 1
\* Once leaving has returned, there is no worker.
ReturnsAlone == Interrupts = 0 /\ owner = "user" /\ scope = "outside" /\ ~garbage => ~Alive
\* A pull starts with the look that permits it. The worker's starts inside `with' only. Any pull
\* starts while a gate is open, or while a request waits or is "ending", with nothing there for it.
PullStarts == ~Fetching /\ Fetching'
StopPullsNothing == [][PullStarts /\ at = "look" => scope = "inside"]_vars
GateRespected ==
    [][PullStarts => (gates > 0 /\ at = "look") \/ (~Something /\
        Someone(IF Interrupts = 1 THEN WaitingPlaces ELSE WaitingPlaces \ {"ending"}))]_vars
\* Liveness: a call returns, unless the owner enters and leaves for ever; entering and leaving end.
Returns == \A c \in Threads : []<>(call[c] = "user" \/ owner # "user")
StopEnds == []<>(owner = "user")
AbandonedEnds == []<>~(garbage /\ Alive)
P == INSTANCE Protocol WITH
    permits <- gates, buffered <- batches + Number({"inHand"}), fetching <- Fetching,
    consumer <- IF Someone(WaitingPlaces) THEN "waiting" ELSE "idle",
    mark <- IF at \in {"mark", "owing"} THEN "ended" ELSE mark, later <- <<>>, Lookahead <- FALSE,
    worker <- IF Alive THEN "running" ELSE IF Dead THEN "dead" ELSE "absent"
\* A consumer may bury a dead worker just before: callers then pull for themselves, inside.
EnterLate == at = "none" /\ owner = "write" /\ OwnerGoes
\* Most steps leave Protocol's variables unchanged. That stands first for speed.
Implements == P!Init /\ [][UNCHANGED P!vars \/ P!Next \/ EnterLate]_(P!vars)
=============================================================================

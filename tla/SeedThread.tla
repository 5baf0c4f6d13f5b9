----------------------------- MODULE SeedThread -----------------------------
(***************************************************************************)
(* The protocol of emloop's StreamWrapper ("the seed"), step by step.      *)
(* This is its state and its thread; the consumer is in module Seed.       *)
(*                                                                         *)
(* A step ends at a point where threads meet: an operation on the queue,   *)
(* the semaphore, the event, a thread or the shared count; the sleep; the  *)
(* source. A test drives the published code along the counterexamples.     *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    Capacity,    \* buffer_size; 0: unbuffered
    EpochSize,   \* batches in an epoch; 0: an epoch is a pass
    MaxPermits,  \* bound of the model on gates that the user nests
    MaxBatches,  \* bound of the model on batches that the source has
    MaxThreads,  \* bound of the model on threads that live at once
    May          \* perils: unusual steps that the user and the source may take

Perils == {
    "raise",      \* the source raises
    "none",       \* a batch is None
    "empty",      \* a pass is empty
    "stop",       \* `with' is left
    "again",      \* it is entered again
    "twice",      \* it is entered while inside
    "outside",    \* the stream is read outside
    "interrupt"}  \* Ctrl-C strikes in __exit__

ASSUME May \subseteq Perils

VARIABLES
    scope,      \* of the `with': "new", "inside", "outside"
    main,       \* the consumer's place in a call; "user": in no call
    gated,      \* the call has released the semaphore
    result,     \* of the call that is about to return: <<>> or an item
    content,    \* items that a stop has taken out of the queue
    queue,      \* of items: <<"batch", n>>, <<"none", n>> (a None of the source), <<"mark">>
    size,       \* of the queue, which a stop may enlarge
    semaphore,  \* releases without an acquire yet
    opened,     \* gates that the user has entered and not left
    current,    \* the last thread that the wrapper started; 0: none yet
    pc,         \* of each thread: its place; "dead" before its start and after its end
    hand,       \* of each thread: the item that it has pulled and not yet put
    told,       \* of each thread: its stopping event is set
    stream,     \* shared iterator: "none", "fresh", "open" (gave a batch), "spent" (ended, kept)
    count,      \* the shared _batch_count
    pulled,     \* the number of the batch that the source gave last
    answers, taken, delivered, inPass, seen  \* as in Epochs, where delivered is count

call == <<scope, main, gated, result, content>>
items == <<queue, size>>
gates == <<semaphore, opened>>
workers == <<pc, hand, told>>
shared == <<stream, count, pulled>>
history == <<answers, taken, delivered, inPass, seen>>
vars == <<call, items, gates, current, workers, shared, history>>

Abstract == INSTANCE Epochs WITH count <- delivered, Numbers <- MaxBatches + 1

Threads == 1 .. MaxThreads
Alive(t) == pc[t] # "dead"

Init ==
    /\ scope = "new"
    /\ main = "user"
    /\ gated = FALSE
    /\ result = <<>>
    /\ content = <<>>
    /\ queue = <<>>
    /\ size = Capacity
    /\ semaphore = 0
    /\ opened = 0
    /\ current = 0
    /\ pc = [t \in Threads |-> "dead"]
    /\ hand = [t \in Threads |-> <<>>]
    /\ told = [t \in Threads |-> FALSE]
    /\ stream = "none"
    /\ count = 0
    /\ pulled = 0
    /\ Abstract!Init

-----------------------------------------------------------------------------
(* The history: the source's answers, and what the consumer has seen.      *)

\* Further answers are forgotten: an empty source that is pulled for ever has finitely many states.
Memory == MaxBatches + 2

Note(answer) ==
    /\ answers' = IF Len(answers) < Memory THEN Append(answers, answer) ELSE answers
    /\ UNCHANGED <<taken, delivered, inPass, seen>>

UseUp == answers' = IF Abstract!Ahead = <<>> THEN <<>> ELSE Tail(Abstract!Ahead)

SeeBatch(n) ==
    /\ seen' = "batch"
    /\ taken' = n
    /\ inPass' = TRUE
    /\ delivered' = IF EpochSize > 0 THEN delivered + 1 ELSE 0
    /\ UseUp

SeeEnd ==
    /\ seen' = "end"
    /\ delivered' = 0
    /\ IF Abstract!Complete THEN UNCHANGED <<answers, inPass>> ELSE UseUp /\ inPass' = FALSE
    /\ UNCHANGED taken

SeeFailure ==
    /\ seen' = "failure"
    /\ delivered' = 0
    /\ inPass' = FALSE
    /\ UseUp
    /\ UNCHANGED taken

\* Marks are in-band: any None is an end.
See(item) ==
    CASE item[1] = "batch" -> SeeBatch(item[2])
      [] item[1] = "failure" -> SeeFailure
      [] OTHER -> SeeEnd

-----------------------------------------------------------------------------
(* A thread: _enqueue_batches.                                             *)

At(t, place, then) == pc[t] = place /\ pc' = [pc EXCEPT ![t] = then]

\* self._stream = self._get_stream()
GetStream(t) ==
    /\ At(t, "stream", "gate")
    /\ stream' = IF stream = "none" THEN "fresh" ELSE stream
    /\ UNCHANGED <<call, items, gates, current, hand, told, count, pulled, history>>

\* with self._semaphore: pass
PassGate(t) ==
    /\ At(t, "gate", "nap")
    /\ semaphore > 0
    /\ UNCHANGED <<call, items, gates, current, hand, told, shared, history>>

\* The sleep is over, and next(self._stream) is called.
Wake(t) ==
    /\ At(t, "nap", "pull")
    /\ UNCHANGED <<call, items, gates, current, hand, told, shared, history>>

\* The source yields a batch, ...
Yield(t) ==
    /\ At(t, "pull", "put")
    /\ stream \in {"fresh", "open"}
    /\ stream' = "open"
    /\ pulled < MaxBatches
    /\ pulled' = pulled + 1
    /\ hand' = [hand EXCEPT ![t] = <<"batch", pulled'>>]
    /\ Note(Abstract!Numbered(pulled'))
    /\ UNCHANGED <<call, items, gates, current, told, count>>

\* ... or one that is None, ...
YieldNone(t) ==
    /\ "none" \in May
    /\ At(t, "pull", "put")
    /\ stream \in {"fresh", "open"}
    /\ stream' = "open"
    /\ pulled < MaxBatches
    /\ pulled' = pulled + 1
    /\ hand' = [hand EXCEPT ![t] = <<"none", pulled'>>]
    /\ Note(Abstract!Numbered(pulled'))
    /\ UNCHANGED <<call, items, gates, current, told, count>>

\* ... or is exhausted: self._stream = None, and then another pass or the mark, ...
Exhaust(t) ==
    /\ At(t, "pull", IF EpochSize > 0 THEN "stream" ELSE "mark")
    /\ stream # "none"
    /\ stream = "fresh" => "empty" \in May
    /\ stream' = "none"
    /\ IF stream = "spent" THEN UNCHANGED history ELSE Note(Abstract!Exhausted)
    /\ UNCHANGED <<call, items, gates, current, hand, told, count, pulled>>

\* ... or raises, which ends the thread; the broken iterator stays.
Fail(t) ==
    /\ "raise" \in May
    /\ At(t, "pull", "leaving")
    /\ stream \in {"fresh", "open"}
    /\ stream' = "spent"
    /\ Note(Abstract!Raised)
    /\ UNCHANGED <<call, items, gates, current, hand, told, count, pulled>>

\* self._queue.put(batch)
Put(t) ==
    /\ At(t, "put", "count")
    /\ Len(queue) < size
    /\ queue' = Append(queue, hand[t])
    /\ hand' = [hand EXCEPT ![t] = <<>>]
    /\ UNCHANGED <<call, size, gates, current, told, shared, history>>

\* self._batch_count += 1
Count(t) ==
    /\ At(t, "count", "check")
    /\ count' = count + 1
    /\ UNCHANGED <<call, items, gates, current, hand, told, stream, pulled, history>>

\* if stop_event.is_set(): return; if self._epoch_limit_reached(): ...
CheckStop(t) ==
    /\ At(t, "check", IF told[t] THEN "leaving"
                      ELSE IF EpochSize > 0 /\ count >= EpochSize THEN "mark" ELSE "gate")
    /\ UNCHANGED <<call, items, gates, current, hand, told, shared, history>>

\* self._queue.put(None)
PutMark(t) ==
    /\ At(t, "mark", "reset")
    /\ Len(queue) < size
    /\ queue' = Append(queue, <<"mark">>)
    /\ UNCHANGED <<call, size, gates, current, hand, told, shared, history>>

\* self._batch_count = 0; return
Reset(t) ==
    /\ At(t, "reset", "leaving")
    /\ count' = 0
    /\ UNCHANGED <<call, items, gates, current, hand, told, stream, pulled, history>>

\* The thread has ended; only now is_alive() is false.
Leave(t) ==
    /\ At(t, "leaving", "dead")
    /\ UNCHANGED <<call, items, gates, current, hand, told, shared, history>>
=============================================================================

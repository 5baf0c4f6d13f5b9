-------------------------------- MODULE Seed --------------------------------
(***************************************************************************)
(* The consumer of emloop's StreamWrapper, beside its thread (SeedThread), *)
(* and what should hold of both. Each .cfg allows the unusual steps (May)  *)
(* that lead to one known defect, and expects that defect.                 *)
(***************************************************************************)
EXTENDS SeedThread

-----------------------------------------------------------------------------
(* The consumer: gates and `with'.                                         *)

\* The user enters a gate: semaphore.release()
Allow ==
    /\ main = "user"
    /\ opened < MaxPermits
    /\ opened' = opened + 1
    /\ semaphore' = semaphore + 1
    /\ UNCHANGED <<call, items, current, workers, shared, history>>

\* The user leaves a gate: semaphore.acquire()
Disallow ==
    /\ main = "user"
    /\ opened > 0
    /\ opened' = opened - 1
    /\ semaphore' = semaphore - 1
    /\ UNCHANGED <<call, items, current, workers, shared, history>>

\* _start_thread
Start ==
    \E t \in Threads :
        /\ ~Alive(t)
        /\ \A other \in Threads : ~Alive(other) => t <= other
        /\ current' = t
        /\ pc' = [pc EXCEPT ![t] = "stream"]
        /\ told' = [told EXCEPT ![t] = FALSE]

\* __enter__
Enter ==
    /\ main = "user"
    /\ \/ scope = "new"
       \/ scope = "inside" /\ "twice" \in May
       \/ scope = "outside" /\ "again" \in May
    /\ scope' = "inside"
    /\ IF Capacity > 0 THEN Start ELSE UNCHANGED <<current, pc, told>>
    /\ UNCHANGED <<main, gated, result, content, items, gates, hand, shared, history>>

\* __exit__: with self.allow_buffering, ...
Exit ==
    /\ "stop" \in May
    /\ main = "user"
    /\ scope = "inside"
    /\ Capacity > 0
    /\ main' = "stop"
    /\ gated' = TRUE
    /\ semaphore' = semaphore + 1
    /\ UNCHANGED <<scope, result, content, items, opened, current, workers, shared, history>>

\* ... _stop_thread: self._stopping_event.set()
SetStop ==
    /\ main = "stop"
    /\ main' = "drain"
    /\ told' = [told EXCEPT ![current] = TRUE]
    /\ UNCHANGED <<scope, gated, result, content, items, gates, current, pc, hand, shared,
                   history>>

\* queue_content.append(self._queue.get_nowait()), until it is empty
Drain ==
    /\ main = "drain"
    /\ IF queue = <<>>
         THEN main' = "join" /\ UNCHANGED <<content, queue>>
         ELSE /\ content' = Append(content, Head(queue))
              /\ queue' = Tail(queue)
              /\ UNCHANGED main
    /\ UNCHANGED <<scope, gated, result, size, gates, current, workers, shared, history>>

\* self._enqueueing_thread.join()
Join ==
    /\ main = "join"
    /\ ~Alive(current)
    /\ main' = "last"
    /\ UNCHANGED <<scope, gated, result, content, items, gates, current, workers, shared, history>>

\* The very last item, and a new queue, bigger if it has to be
Last ==
    /\ main = "last"
    /\ content' = IF queue = <<>> THEN content ELSE Append(content, Head(queue))
    /\ queue' = <<>>
    /\ size' = IF Len(content') > Capacity THEN Len(content') ELSE Capacity
    /\ main' = IF content' = <<>> THEN "shut" ELSE "refill"
    /\ UNCHANGED <<scope, gated, result, gates, current, workers, shared, history>>

\* for batch in queue_content: self._queue.put(batch)
Refill ==
    /\ main = "refill"
    /\ Len(queue) < size
    /\ queue' = Append(queue, Head(content))
    /\ content' = Tail(content)
    /\ main' = IF Len(content) = 1 THEN "shut" ELSE "refill"
    /\ UNCHANGED <<scope, gated, result, size, gates, current, workers, shared, history>>

\* Ctrl-C in the join: the items that the stop has taken out of the queue are lost.
Interrupt ==
    /\ "interrupt" \in May
    /\ main = "join"
    /\ main' = "shut"
    /\ content' = <<>>
    /\ UNCHANGED <<scope, gated, result, items, gates, current, workers, shared, history>>

\* The gate of a call is left, semaphore.acquire(): a stop is over, or `next' returns.
Shut ==
    /\ main = "shut"
    /\ main' = "user"
    /\ gated' = FALSE
    /\ semaphore' = semaphore - 1
    /\ result' = <<>>
    /\ IF result = <<>>
         THEN scope' = "outside" /\ UNCHANGED history
         ELSE See(result) /\ UNCHANGED scope
    /\ UNCHANGED <<content, items, opened, current, workers, shared>>

-----------------------------------------------------------------------------
(* The consumer: a buffered `next'.                                        *)

\* A `next' that has its result returns. If it released the semaphore, it acquires that first.
Result(item) ==
    IF gated
      THEN main' = "shut" /\ result' = item /\ UNCHANGED history
      ELSE main' = "user" /\ See(item) /\ UNCHANGED result

\* __next__: if not self.empty(), or else with self.allow_buffering
Call ==
    /\ main = "user"
    /\ Capacity > 0
    /\ scope = "inside" \/ (scope = "outside" /\ "outside" \in May)
    /\ main' = "alive"
    /\ gated' = (queue = <<>>)
    /\ semaphore' = IF queue = <<>> THEN semaphore + 1 ELSE semaphore
    /\ UNCHANGED <<scope, result, content, items, opened, current, workers, shared, history>>

\* _dequeue_batch: if not self._enqueueing_thread.is_alive() ...
IsAlive ==
    /\ main = "alive"
    /\ main' = IF Alive(current) THEN "get" ELSE "empty"
    /\ UNCHANGED <<scope, gated, result, content, items, gates, current, workers, shared, history>>

\* ... and self._queue.empty(): self._start_thread()
IsEmpty ==
    /\ main = "empty"
    /\ main' = "get"
    /\ IF queue = <<>> THEN Start ELSE UNCHANGED <<current, pc, told>>
    /\ UNCHANGED <<scope, gated, result, content, items, gates, hand, shared, history>>

\* batch = self._queue.get(timeout=2)
Get ==
    /\ main = "get"
    /\ queue # <<>>
    /\ queue' = Tail(queue)
    /\ Result(Head(queue))
    /\ UNCHANGED <<scope, gated, content, size, gates, current, workers, shared>>

\* except Empty: the two seconds may be over at any time.
TimeOut ==
    /\ main = "get"
    /\ queue = <<>>
    /\ main' = "doubt"
    /\ UNCHANGED <<scope, gated, result, content, items, gates, current, workers, shared, history>>

\* if not self._enqueueing_thread.is_alive()
Doubt ==
    /\ main = "doubt"
    /\ main' = IF Alive(current) THEN "get" ELSE "eager"
    /\ UNCHANGED <<scope, gated, result, content, items, gates, current, workers, shared, history>>

\* batch = self._queue.get_nowait(), or ChildProcessError
GetNowait ==
    /\ main = "eager"
    /\ IF queue = <<>>
         THEN Result(<<"failure">>) /\ UNCHANGED queue
         ELSE Result(Head(queue)) /\ queue' = Tail(queue)
    /\ UNCHANGED <<scope, gated, content, size, gates, current, workers, shared>>

-----------------------------------------------------------------------------
(* The consumer: an unbuffered `next', _next_batch.                        *)

\* A complete epoch ends; or else next(self._get_stream()) is called.
OwnCall ==
    /\ main = "user"
    /\ Capacity = 0
    /\ IF EpochSize > 0 /\ count >= EpochSize
         THEN count' = 0 /\ SeeEnd /\ UNCHANGED <<main, stream>>
         ELSE /\ main' = "pull"
              /\ stream' = IF stream = "none" THEN "fresh" ELSE stream
              /\ UNCHANGED <<count, history>>
    /\ UNCHANGED <<scope, gated, result, content, items, gates, current, workers, pulled>>

\* The source yields a batch, ...
OwnYield ==
    /\ main \in {"pull", "retry"}
    /\ stream \in {"fresh", "open"}
    /\ stream' = "open"
    /\ pulled < MaxBatches
    /\ pulled' = pulled + 1
    /\ count' = count + 1
    /\ result' = <<"batch", pulled'>>
    /\ main' = "return"
    /\ Note(Abstract!Numbered(pulled'))
    /\ UNCHANGED <<scope, gated, content, items, gates, current, workers>>

\* ... or is exhausted: another pass is asked, but only once, or the epoch ends, ...
OwnExhaust ==
    /\ main \in {"pull", "retry"}
    /\ stream = "fresh" => "empty" \in May
    /\ IF stream = "spent" THEN UNCHANGED history ELSE Note(Abstract!Exhausted)
    /\ IF EpochSize > 0 /\ main = "pull"
         THEN main' = "retry" /\ stream' = "fresh" /\ UNCHANGED <<count, result>>
         ELSE /\ main' = "return"
              /\ result' = <<"mark">>
              /\ IF EpochSize > 0
                   THEN stream' = "spent" /\ UNCHANGED count
                   ELSE stream' = "none" /\ count' = 0
    /\ UNCHANGED <<scope, gated, content, items, gates, current, workers, pulled>>

\* ... or raises; iterator and count stay.
OwnFail ==
    /\ "raise" \in May
    /\ main \in {"pull", "retry"}
    /\ stream \in {"fresh", "open"}
    /\ stream' = "spent"
    /\ main' = "return"
    /\ result' = <<"failure">>
    /\ Note(Abstract!Raised)
    /\ UNCHANGED <<scope, gated, content, items, gates, current, workers, count, pulled>>

OwnReturn ==
    /\ main = "return"
    /\ main' = "user"
    /\ result' = <<>>
    /\ See(result)
    /\ UNCHANGED <<scope, gated, content, items, gates, current, workers, shared>>

-----------------------------------------------------------------------------
(* Threads, the source and calls that have begun are fair. The user is not.*)

Worker(t) ==
    \/ GetStream(t) \/ PassGate(t) \/ Wake(t) \/ Put(t) \/ Count(t) \/ CheckStop(t)
    \/ PutMark(t) \/ Reset(t) \/ Leave(t)
Source(t) == Yield(t) \/ YieldNone(t) \/ Exhaust(t) \/ Fail(t)
OwnSource == OwnYield \/ OwnExhaust \/ OwnFail
InCall ==
    \/ SetStop \/ Drain \/ Join \/ Last \/ Refill \/ Shut
    \/ IsAlive \/ IsEmpty \/ Get \/ Doubt \/ GetNowait \/ OwnReturn
User == Allow \/ Disallow \/ Enter \/ Exit \/ Call \/ OwnCall \/ TimeOut \/ Interrupt

Next == (\E t \in Threads : Worker(t) \/ Source(t)) \/ OwnSource \/ InCall \/ User

Fairness ==
    /\ \A t \in Threads : WF_vars(Worker(t)) /\ WF_vars(Source(t))
    /\ WF_vars(OwnSource)
    /\ WF_vars(InCall)

Spec == Init /\ [][Next]_vars /\ Fairness

-----------------------------------------------------------------------------
(* Properties, under the names that they have in Protocol and Stream.      *)

Pulls == {t \in Threads : pc[t] = "pull"}
Held == {t \in Threads : hand[t] # <<>>}
Mark == <<"mark">>
Batches(all) == Len(SelectSeq(all, LAMBDA item : item # Mark))
Marked(all) == \E i \in DOMAIN all : all[i] = Mark

EpochBounded == EpochSize > 0 => delivered <= EpochSize
Bounded ==
    Capacity > 0 =>
        Batches(queue) + Batches(content) + Cardinality(Held) + Cardinality(Pulls) <= Capacity
OnePuller == Cardinality(Pulls) <= 1
Counted == Capacity = 0 /\ EpochSize > 0 /\ main = "user" => count = delivered
MarksRespected == Pulls # {} => ~Marked(queue) /\ ~Marked(content)
NoWorkerOutside == (\E t \in Threads : Alive(t)) => scope = "inside"

Starts(t) == pc[t] = "nap" /\ pc'[t] = "pull"
PullStarts == \E t \in Threads : Starts(t)

\* A `next' that found nothing, and nothing was put for it yet.
Requested == main \in {"alive", "empty", "get", "doubt", "eager"} /\ queue = <<>>

GateRespected == [][PullStarts => opened > 0 \/ Requested]_vars
StopPullsNothing == [][\A t \in Threads : Starts(t) => ~told[t]]_vars

\* Weaker than GateRespected: the semaphore itself permits the pull. Defect 12 violates even this.
PullsPermitted == [][PullStarts => semaphore > 0]_vars

Served == main = "get" ~> main # "get"
StopEnds == main = "join" ~> main # "join"

Refines == Abstract!Spec
=============================================================================

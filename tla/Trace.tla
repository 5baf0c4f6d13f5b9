------------------------------- MODULE Trace -------------------------------
(***************************************************************************)
(* A recorded run of the shell, line by line: is it a behaviour of         *)
(* Protocol?                                                               *)
(*                                                                         *)
(* The run is in module TraceData, which `python -m specs trace` writes.   *)
(* The TraceData in this folder is an example. Each step is the action     *)
(* that the next line names, as Protocol defines it, so there is only one  *)
(* behaviour. It ends in one of three ways: by a deadlock, where the next  *)
(* action is not enabled; by violating AsRecorded, where an action led to  *)
(* another state than the line says; or by violating Unfinished after the  *)
(* last line, which means that the run is accepted.                        *)
(***************************************************************************)
EXTENDS Naturals, Sequences, TraceData

CONSTANTS Capacity, EpochSize, MaxPermits, Lookahead

VARIABLES
    scope, permits, consumer, buffered, mark, later, worker, fetching, begun, count, yielded,
    place,   \* the number of lines that were taken
    initial  \* the run began in the initial state of the protocol; specs/trace looks at it

P == INSTANCE Properties

Init ==
    /\ scope = First.scope
    /\ permits = First.permits
    /\ consumer = First.consumer
    /\ buffered = First.buffered
    /\ mark = First.mark
    /\ later = First.later
    /\ worker = First.worker
    /\ fetching = First.fetching
    /\ begun = First.begun
    /\ count = First.count
    /\ yielded = First.yielded
    /\ place = 0
    /\ initial = P!Init

\* The action of this name.
Take(action) ==
    CASE action = "Enter" -> P!Enter
      [] action = "Leave" -> P!Leave
      [] action = "Allow" -> P!Allow
      [] action = "Disallow" -> P!Disallow
      [] action = "Request" -> P!Request
      [] action = "Withdraw" -> P!Withdraw
      [] action = "Dequeue" -> P!Dequeue
      [] action = "EndEpoch" -> P!EndEpoch
      [] action = "Raise" -> P!Raise
      [] action = "Start" -> P!Start
      [] action = "Halt" -> P!Halt
      [] action = "Fetch" -> P!Fetch
      [] action = "Enqueue" -> P!Enqueue
      [] action = "Exhaust" -> P!Exhaust
      [] action = "Fail" -> P!Fail
      [] action = "Drop" -> P!Drop
      [] action = "Die" -> P!Die
      [] action = "Bury" -> P!Bury

\* A line is the name of an action, and the recorded values of P!vars after it.
Line(number) == Kinds[Lines[number]]

Next ==
    /\ place < Len(Lines)
    /\ Take(Line(place + 1)[1])
    /\ place' = place + 1
    /\ UNCHANGED initial

Spec == Init /\ [][Next]_<<P!vars, place, initial>>

-----------------------------------------------------------------------------

\* The state after an action is as its line says.
AsRecorded ==
    place > 0 =>
        \A i \in 1 .. Len(P!vars) :
            Line(place)[i + 1] # Unrecorded => P!vars[i] = Line(place)[i + 1]

\* Meant to be violated, in the state after the last line: the run has ended.
Unfinished == place < Len(Lines)

\* The first state must satisfy these. All others do then, as the models of Stream show.
TypeOK == P!TypeOK
Bounded == P!Bounded
EpochBounded == P!EpochBounded
MarksRespected == P!MarksRespected
UnbufferedAlone == P!UnbufferedAlone
ReadAfterEntry == P!ReadAfterEntry
=============================================================================

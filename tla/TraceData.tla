----------------------------- MODULE TraceData ------------------------------
\* A run that was recorded, as specs/trace.py writes it.
EXTENDS Integers

CONSTANT Unrecorded

\* The state in which it begins.
First == [
    scope |-> "new",
    worker |-> "absent",
    epoch |-> "between",
    buffered |-> 0,
    fetching |-> FALSE,
    count |-> 0,
    yielded |-> FALSE,
    permits |-> 0,
    consumer |-> "idle"
]

\* The kinds of lines in it: an action, and the variables of the state after it.
Kinds == <<
    <<"Enter", "inside", "running", "begun", 0, FALSE, 0, FALSE, 0, "idle">>,
    <<"Allow", "inside", "running", "begun", 0, FALSE, 0, FALSE, 1, "idle">>,
    <<"Fetch", "inside", "running", "begun", 0, TRUE, 0, FALSE, 1, "idle">>,
    <<"Enqueue", "inside", "running", "begun", 1, FALSE, 1, TRUE, 1, "idle">>,
    <<"Disallow", "inside", "running", "begun", 1, FALSE, 1, TRUE, 0, "idle">>,
    <<"Stop", "inside", "stopping", "begun", 1, FALSE, 1, TRUE, 0, "idle">>,
    <<"Halt", "outside", "absent", "begun", 1, FALSE, 1, TRUE, 0, "idle">>,
    <<"Dequeue", "outside", "absent", "begun", 0, FALSE, 1, TRUE, 0, "idle">>,
    <<"Enter", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>,
    <<"Request", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>,
    <<"Fetch", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>,
    <<"Enqueue", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>,
    <<"Dequeue", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>
>>

\* The lines, each by the number of its kind.
Lines == <<
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
>>
=============================================================================

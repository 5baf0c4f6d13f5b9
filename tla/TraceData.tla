----------------------------- MODULE TraceData ------------------------------
\* A run that was recorded, as `python -m specs trace` writes it.
EXTENDS Integers

CONSTANT Unrecorded

\* The state in which it begins.
First == [
    scope |-> "new",
    permits |-> 0,
    consumer |-> "idle",
    buffered |-> 0,
    mark |-> "none",
    later |-> <<>>,
    worker |-> "absent",
    fetching |-> FALSE,
    begun |-> FALSE,
    count |-> 0,
    yielded |-> FALSE
]

\* The kinds of lines in it: an action, and the variables of the state after it.
Kinds == <<
    <<"Start", "new", 0, "idle", 0, "none", <<>>, "running", FALSE, TRUE, 0, FALSE>>,
    <<"Enter", "inside", 0, "idle", 0, "none", <<>>, "running", FALSE, TRUE, 0, FALSE>>,
    <<"Allow", "inside", 1, "idle", 0, "none", <<>>, "running", FALSE, TRUE, 0, FALSE>>,
    <<"Fetch", "inside", 1, "idle", 0, "none", <<>>, "running", TRUE, TRUE, 0, FALSE>>,
    <<"Enqueue", "inside", 1, "idle", 1, "none", <<>>, "running", FALSE, TRUE, 1, TRUE>>,
    <<"Disallow", "inside", 0, "idle", 1, "none", <<>>, "running", FALSE, TRUE, 1, TRUE>>,
    <<"Leave", "outside", 0, "idle", 1, "none", <<>>, "running", FALSE, TRUE, 1, TRUE>>,
    <<"Halt", "outside", 0, "idle", 1, "none", <<>>, "absent", FALSE, TRUE, 1, TRUE>>,
    <<"Dequeue", "outside", 0, "idle", 0, "none", <<>>, "absent", FALSE, TRUE, 1, TRUE>>,
    <<"Start", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>,
    <<"Enter", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>,
    <<"Request", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>,
    <<"Fetch", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>,
    <<"Enqueue", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>,
    <<"Withdraw", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>,
    <<"Dequeue", Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded, Unrecorded>>
>>

\* The lines, each by the number of its kind.
Lines == <<
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
>>
=============================================================================

"""The seed's defects in plain English, for somebody who has not read the specification.

By the names of the models that TLC refutes; a test keeps the two lists equal.
"""

from __future__ import annotations

from .lanes import Story

PROPERTIES = {
    "EpochBounded": "No epoch has more batches than its size.",
    "Refines": "You see what a right reading of the same source, in one thread, gives.",
    "Served": "A call of `next` that waits is answered in the end.",
    "StopEnds": "Leaving `with` ends.",
    "NoWorkerOutside": "No thread runs outside `with`.",
    "OnePuller": "At most one thread asks the source at a time.",
    "Counted": "Between calls, the count is that of the batches you got in this epoch.",
    "PullsPermitted": "The source is asked only while the gate is open.",
    "StopPullsNothing": "A thread that was told to stop asks the source for nothing more.",
    "Bounded": "The batches that are held and being pulled never exceed the buffer.",
    "GateRespected": "The source is asked only while you hold the gate open or wait for a batch.",
    "MarksRespected": "Nothing is pulled while the end of an epoch still waits in the buffer.",
}
"""What the properties of `tla/Seed.tla` say."""

STORIES = {
    "Seed_1_StopAtBoundary": Story(
        "An epoch gets a batch too many",
        "You asked for epochs of one batch. After a pause (you left `with` and entered it again) "
        "the same epoch gives you a second batch.",
        "The thread puts the last batch of the epoch first, and marks the end of the epoch "
        "later. Between the two you take the batch and leave `with`. The thread sees that it was "
        "told to stop, and goes without marking the end. The thread that replaces it looks at the "
        "count only after it has put a batch: one too many.",
        "`next` returns a second batch in an epoch of one.",
        "The last batch of an epoch and the end of the epoch are put in one step, so that no "
        "stop comes between them.",
    ),
    "Seed_2_ThreadStillLeaving": Story(
        "An error out of nothing, after two seconds",
        "Your source is healthy. You ask for the first batch of the second epoch, wait for two "
        "seconds, and get a ChildProcessError.",
        "The thread of the first epoch has put its end mark and is about to end. Your "
        "call sees it alive, relies on it, and starts no other. No batch comes. Two seconds "
        "later the thread is dead and the queue is empty, which the call takes for a crash.",
        "`next` raises ChildProcessError, although no part of the source has failed.",
        "The worker does not end with its epoch, so no call relies on one that is about to go. An "
        "error is told only if the source raised or the worker really died.",
    ),
    "Seed_3_ErrorSwallowed": Story(
        "An error of the source disappears",
        "Your source raises, in its first pull. You are told that the epoch is over. The "
        "error is lost, and nothing shows that data is missing.",
        "The error kills the thread before your call looks at it. The call sees no thread and an "
        "empty queue, which looks as if the epoch had not begun, so it starts another thread. "
        "That one asks the pass that has raised, which (like any generator) now says that it is "
        "over. So the end of an epoch is told.",
        "`next` ends the epoch, where it should have raised the error of the source.",
        "An error stands in the buffer behind the batches before it, and stays until it was "
        "raised, whatever became of the worker.",
    ),
    "Seed_4_EmptySource": Story(
        "An empty source: `next` never returns",
        "Your source has nothing to give (no file matches, say), and epochs have a fixed size. "
        "The call of `next` hangs for ever, without an error.",
        "When a pass is over the thread begins another one, to fill the epoch. If that is empty "
        "too it begins another, and so on. The thread is alive, so the call waits on.",
        "From here the steps repeat. The call that waits is never answered.",
        "A pass without a batch ends the epoch, so the call is told.",
    ),
    "Seed_4_StopOfEmptySource": Story(
        "An empty source: leaving `with` never ends",
        "Your source has nothing to give, and epochs have a fixed size. Leaving `with` hangs, "
        "and with it the program.",
        "A thread looks whether it was told to stop only after it has put a batch. This thread "
        "goes from one empty pass to the next and never has a batch, so it never looks. The stop "
        "waits for it to end.",
        "From here the steps repeat. The stop waits for ever.",
        "The worker looks whether to halt before each pull.",
    ),
    "Seed_5_ReadOutside": Story(
        "A thread that nobody stops",
        "You read one more batch after `with` was left. That starts a thread which nobody will "
        "stop: at the end of your program (not shown) the process does not exit.",
        "`next` starts a thread whenever it finds none alive and nothing buffered. It does not "
        "look whether you are inside `with`.",
        "A thread has been started, and `with` was left already.",
        "Outside `with` your own thread asks the source. A worker lives inside `with` only.",
    ),
    "Seed_6_EnteredTwice": Story(
        "Two threads ask the source at once",
        "You entered `with` twice, by mistake. Nothing complains, but two threads now ask one "
        "source: a generator raises `ValueError: generator already executing`, other sources "
        "lose, double or mix up batches.",
        "Entering starts a thread without a look for the one that is there.",
        "Thread 2 asks the source while thread 1 is asking it.",
        "Entering twice raises RuntimeError, and the first entry goes on working.",
    ),
    "Seed_6_ThreadLeftOver": Story(
        "Two threads ask the source, one of them left over",
        "You leave `with`, read one batch outside, and enter again. Two threads now ask "
        "one source: a generator raises `ValueError: generator already executing`, other sources "
        "lose, double or mix up batches.",
        "Reading outside `with` has started a thread that nobody stops (as in run 5). Entering "
        "starts another one beside it.",
        "Thread 2 asks the source while thread 1 is asking it.",
        "Outside `with` your own thread asks the source, so there is no worker to be left over.",
    ),
    "Seed_7_NoneIsAnEnd": Story(
        "A batch that is None ends the epoch",
        "Your source yields None (for a batch that could not be read, say). You are told that the "
        "epoch is over, and the rest of the pass counts for the next epoch.",
        "The wrapper itself puts None into its queue where an epoch ends. `next` cannot tell "
        "that None from yours.",
        "`next` ends the epoch, where it should have returned the batch.",
        "The end of an epoch is never a value in the buffer, so any value is a batch.",
    ),
    "Seed_11_CountKept": Story(
        "After an empty pass, the next epoch is too short",
        "There is no buffer here, and no thread. The source is empty after one batch, so an epoch "
        "of two ends there: that is right. But its count stays 1, so the next epoch will end after "
        "one batch (not shown), even if the source has enough.",
        "The wrapper ends the epoch and forgets to set its count back. One batch of the old epoch "
        "counts for the new one.",
        "You got no batch in the new epoch, but the count says 1.",
        "Whatever ends an epoch sets the count to 0 in the same step.",
    ),
    "Seed_12_PullWhileShut": Story(
        "The source is asked although the gate is shut",
        "You shut the gate so that loading does not disturb what you compute. The "
        "source is asked all the same, in the middle of your computation.",
        "The thread looks at the gate, then sleeps for 20 ms, and then asks the source. You "
        "shut the gate while it sleeps.",
        "The thread asks the source while the gate is shut.",
        "The worker looks at the gate right before a pull, with no sleep in between.",
    ),
    "Seed_13_StopPulls": Story(
        "Each stop pulls one more batch",
        "You leave `with` while the thread waits at the gate. It should just go. Instead it "
        "pulls one more batch, and you wait for that, however long it takes. With a buffer of "
        "one, the published package held 20 batches after 20 stops (not shown here).",
        "The stop opens the gate, to free the thread that waits there. The thread passes the "
        "gate, and looks whether it was told to stop only after the next batch.",
        "The thread was told to stop, and now asks the source for another batch.",
        "The worker looks whether to halt before each pull, and a stop opens no gate.",
    ),
    "Seed_14_InterruptedStop": Story(
        "Ctrl-C while leaving `with` loses batches",
        "You press Ctrl-C while `with` is being left. Batch 1 was read and buffered. After "
        "entering again it is gone: the epoch ends without it.",
        "The stop takes everything out of the queue, keeps it in a list of its own, and waits "
        "for the thread. It means to put the list back at the end. Ctrl-C strikes in the wait, "
        "and the list is dropped.",
        "`next` ends the epoch. You never got batch 1.",
        "A stop leaves the buffer where it is. There is nothing to put back.",
    ),
    "Seed_16_OneMoreThanTheBuffer": Story(
        "One batch more than the buffer holds",
        "You asked for a buffer of one, because batches are big. There are two of them in memory: "
        "one in the queue, and one that is being read.",
        "The thread asks the source first, and only then waits for room in the queue.",
        "The thread asks for batch 2 while batch 1 fills the buffer.",
        "A slot is reserved before a pull starts.",
    ),
    "Seed_17_ServedRequestPermits": Story(
        "You ask for one batch, and the source is asked for two",
        "The gate is shut. You ask for one batch, which permits one pull. The source is asked "
        "for a second one, and may still be busy with it while you compute.",
        "A call of `next` holds the gate open until it returns. The thread puts the batch that "
        "the call waits for. Before the call has noticed, the thread comes back to the gate, "
        "finds it open, and goes for another batch.",
        "The thread asks the source again, although the request has its answer in the queue.",
        "A request permits pulls only while the buffer is empty.",
    ),
    "Seed_18_EntryRunsPastTheEnd": Story(
        "Entering again runs past the end of the epoch",
        "You pause at the end of an epoch and come back. Before you have been told that the "
        "epoch is over, the source is asked for the next one, which you may never want.",
        "The end of the epoch waits in the queue, kept by the stop as it should be. But entering "
        "always starts a thread, and that asks the source without a look at what is buffered.",
        "The thread asks for the next epoch. The end of this one is still in the queue.",
        "Entering begins an epoch only if no end and no error waits in the buffer.",
    ),
    "Seed_19_ErrorKeepsTheCount": Story(
        "After an error, the next epoch is too short",
        "There is no buffer here, and no thread. The source raises once, you handle the error and "
        "go on. The epoch after it has one batch, where you asked for two.",
        "The error ends the epoch, but the count is not set back. The batch from before the error "
        "counts for the epoch after it.",
        "`next` ends the epoch after one batch of two.",
        "An error sets the count to 0 in the same step.",
    ),
    "Seed_20_EmptyPassSkipped": Story(
        "An empty pass goes unnoticed",
        "Epochs have a fixed size. The source's first pass is empty (a file that is not there "
        "yet, say). It should end the epoch (our choice), so that you hear. Instead you get a "
        "batch of the pass behind it.",
        "The thread begins another pass whenever one is over. It does not look whether that one "
        "gave a batch. Where all passes are empty, the same goes on for ever (as in run 4).",
        "`next` returns batch 1, where it should have ended an empty epoch.",
        "A pass without a batch ends the epoch, and the next epoch starts counting at 0.",
    ),
    "Seed_20_UnbufferedEmptyPassSkipped": Story(
        "An empty pass goes unnoticed, without a buffer",
        "There is no buffer here, and no thread. The source's first pass is empty. We choose that "
        "this ends the epoch, so that you hear. Instead you get a batch of the pass behind it.",
        "Where a pass is over, `next` asks another one, once in a call. It does not look whether "
        "the first one gave a batch.",
        "`next` returns batch 1, where it should have ended an empty epoch.",
        "A pass without a batch ends the epoch, with a buffer or without.",
    ),
    "Seed_21_BrokenPassKept": Story(
        "After an error comes an epoch of nothing",
        "There is no buffer here, and no thread. The source raises, you handle the error and "
        "ask again. You are told that the epoch is over, with no batch in it.",
        "The pass that has raised is kept, and asked again. Like any generator, it then says that "
        "it is over. That is told as an epoch.",
        "`next` ends an epoch that never was. The source was not asked for a fresh pass.",
        "An error drops its pass. The next request begins a fresh one.",
    ),
}
"""What goes wrong, why, and what our protocol does instead."""

"""Bugs planted in the shell, each with a program whose schedules show it, for `test_search`.

Notation of `mutants`: NAME: KIND of PROGRAM in FUNCTION[, preemptions = NUMBER], and an edit. KIND
is that of `Wrong` in `users`; none: no schedule shows it.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from typing import Any

import pytest

from ..support.mutants import mutate, read

MODULES = {
    name: importlib.import_module(f"kernel.{name}")
    for name in [
        "buffer",
        "claims",
        "run",
        "pull",
        "core",
        "gone",
        "turn",
        "consumer",
        "worker",
        "launch",
        "scope",
        "reset",
        "stream",
    ]
}


def plant(patch: pytest.MonkeyPatch, function: str, old: str, new: str) -> None:
    """Make the edit in the function's source. Raises ValueError if the place is not unique."""
    module, _, path = function.partition(".")
    holder: Any = MODULES[module]
    where = vars(holder)
    *classes, name = path.split(".")
    for part in classes:
        holder = getattr(holder, part)
    source = inspect.getsource(getattr(holder, name))
    text = "from __future__ import annotations\n" + textwrap.dedent(mutate(source, old, new))
    names: dict[str, Any] = {}
    exec(text, where, names)  # noqa: S102  # our own source
    planted, known = names[name], getattr(holder, name)
    patch.setattr(holder, name, planted)
    for other in MODULES.values():  # also where it was imported
        for alias, value in list(vars(other).items()):
            if value is known:
                patch.setattr(other, alias, planted)


_PLANTED = r"""
the consumer is not rung for: lost wake-up of restart in worker.ring_consumer
- core.bell.put()
+ pass

the worker is not rung for: observation of prefetch in run.Run.ring
- entry.bell.put(why)
+ pass

leaving does not ring: lost wake-up of 1/0/Enter,Allow,Prefetched,Exit/1,2,3 in scope.join
-     entry.bell.put(None)
+     pass

a worker that goes rings for nobody who reads: lost wake-up of closed-while-waiting in worker.live
- ring_consumer(core, core.run)
+ pass

a worker that goes rings for nobody who leaves: lost wake-up of restart in worker.live
- leaver.put()
+ pass

the opening of a gate rings for nobody: observation of 1/0/Enter,Next,Allow,Prefetched,Exit/1,2,3 in scope.opened
- run.ring(GATE)
+ pass

asleep beside a batch: lost wake-up of 1/0/Enter,Next/1,2 in consumer.sleep
- if not run.first.batches and not run.first.marks and puller.in_force():
+ if puller.in_force():

asleep lightly beside a batch: lost wake-up of restart in consumer.doze
- if not part.batches and not part.marks:
+ if True:

a light sleep is not announced: lost wake-up of restart in consumer.doze
- core.sleep = object()
+ pass

who slept lightly keeps the ring of another: lost wake-up of two-consumers in consumer.doze, preemptions = 2
- if core.requests:
+ if False:

asleep although the worker has gone: lost wake-up of closed-while-waiting in consumer.sleep
-  and puller.in_force():
+ :

an end is told before the batch in front of it: observation of epochs-of-one in consumer.report
- if mark is None or part.batches:
+ if mark is None:

a mark is put before its batch: observation of epochs-of-one in pull.put
-     run.last.batches.append(batch)
+     if mark is not None:
+         run.end(mark, False, core.epoch(run))
+         run.hand = *run.hand[:3], None
+     run.last.batches.append(batch)

the batch behind an end is put in front of it: observation of lookahead in run.Run.end
- self.last = mark.part or last
+ pass

the bound is on the first epoch: observation of 2+/0/Enter,Allow,Next/1,2,exhausted,3,4,5 in run.Run.held
-  + sum(len(part.batches) for part in first.behind())
+

later epochs do not count in the look for room: observation of lookahead in buffer.later
- return found[:-1]
+ return () if found else found[:-1]

the later epochs are those behind another one: observation of 1+/1/Enter,Allow,Next,Next/1,2 in core.Core.state, preemptions = 2
- later(first.behind())
+ later(run.first.behind())

an end is told twice: observation of 2/1/Enter,Allow,Start,Next,Next,Join/1,2/Next,Next in consumer.report
-  and part.marks and part.marks[0] is mark:
+ :

a stop that does not wait: leaked thread of restart in scope.leave
- join(core, entry, failure)
+ pass

both of two who leave say so: step of left-by-two in scope.leave
- core.did_once("Leave", entry.said)
+ core.did("Leave")

closing does not ring for who took it for a pull: lost wake-up of closed-by-a-reader in reset._drop_all
- core.bell.put()
+ pass

restarting lets others read before it enters: observation of started-over-by-another in reset._restart
-     _drop_all(core, claim, ended)
+     _drop_all(core, claim, ended)
+     claim.give_back(core.turns)

whoever pulls is given up: step of 1!/0/Enter,Start,Exit,Join,Next/1,2/Next in scope.give_up, preemptions = 2
- if claim is not None and claim.calls.gi_running:
+ if True:

running ahead without room: observation of restart in worker.run_ahead
- at + capacity - run.held()
+ at + capacity

who is asked for does not ring: lost wake-up of errors in consumer.sleep
- run.ring()
+ pass

a slot is freed, and nobody told: observation of prefetch in consumer.wake_worker
- run.ring()
+ pass

entered, and the worker is not told: observation of 1/0/Allow,Enter,Prefetched,Exit/1,2 in scope.enter
-         entry.bell.put(None)
+         pass

running ahead, it wakes nobody: lost wake-up of restart in worker.run_ahead
- if core.sleep is not rung_for:
+ if False:

asleep without a second look: lost wake-up of 1/0/Enter,NextInterrupted/1,2 in worker.work, preemptions = 2
-             run.parked += 1
-             parked = True
+             run.parked += 1
+             return True

asleep after a pull without a second look: lost wake-up of 1/0/Enter,Next/1,2 in worker.work
-                 run.parked += 1
-                 parked = True
+                 run.parked += 1
+                 return True

asleep without another look for room: observation of 1/0/Enter,Allow,Next,Prefetched/1,2 in worker.run_ahead, preemptions = 2
-                 run.parked += 1
-                 parked = True
+                 run.parked += 1
+                 return True

the scope is read first: step of 1/0/Enter,Interrupted,Allow/1,2 in core.Core.state, preemptions = 2
-         held, mark = len(first.batches), word(first.mark())
-         behind = later(first.behind()) if self.limits.lookahead else ()
-         permits, waits = len(self.gates), holder(self.requests) is not None
-         entry, entered = run.worker, self.entry
-         return (
-             "new" if entered is None else "outside" if entered.over else "inside",
+         entry, entered = run.worker, self.entry
+         scope = "new" if entered is None else "outside" if entered.over else "inside"
+         held, mark = len(first.batches), word(first.mark())
+         behind = later(first.behind()) if self.limits.lookahead else ()
+         permits, waits = len(self.gates), holder(self.requests) is not None
+         return (
+             scope,

a sleep is announced after the look: lost wake-up of 1/0/Enter,Next/1,2 in consumer.sleep
-     core.sleep = object()
-     if not run.first.batches and not run.first.marks and puller.in_force():
+     if not run.first.batches and not run.first.marks and puller.in_force():
+         core.sleep = object()

a sleep is not announced: lost wake-up of 1/0/Enter,Next/1,2 in consumer.sleep
- core.sleep = object()
+ pass

the sleep that was answered is read anew: lost wake-up of 1/0/Enter,Next/1,2 in worker.ring_consumer
- run.rung_for = sleep
+ run.rung_for = core.sleep

the worker looks first whether it was entered: observation of 1/0/Enter,Allow,Prefetched,Exit/1,2,3 in worker.work
- entering.in_force() or core.entry is entry
+ entering.in_force()

a claim looks before it stands in line: lost wake-up of two-consumers-shut in claims.Claim.take
-         role.append(self)
+         if not role:
+             role.append(self)
+             return None
+         role.append(self)

a request is made before its turn: lost wake-up of two-consumers-shut in consumer._wait
-     await_turn(core, claim, limit)
-     claim.take(core.requests)
+     claim.take(core.requests)
+     await_turn(core, claim, limit)

a request rings before it looks: lost wake-up of two-consumers-shut in consumer.sleep, preemptions = 2
-     if not run.first.batches and not run.first.marks and puller.in_force():
-         run.ring()
+     run.ring()
+     if not run.first.batches and not run.first.marks and puller.in_force():
+         pass

a turn is not given back: observation of 1/0/Enter,Exit,Next,Enter/1,2 in consumer._wait
- claim.give_back(core.turns)
+ pass

a pull is not given back: observation of 1/0/Enter,Exit,Next,Enter/1,2 in consumer.pull_or_bury
- claim.give_back(run.pullers)
+ pass

running ahead with an epoch's last batch: step of 4/3/Enter,Allow,Next/1,2 in worker.run_ahead
- epoch_size - 1 if
+ epoch_size if

running ahead after a stop: step of restart in worker.run_ahead
- if not gates or over:
+ if not gates:

running ahead without a gate: step of 2/0/Enter,Allow,Next,Disallow,Next/1,2 in worker.run_ahead
- if not gates or over:
+ if over:

running ahead without a pass: observation of restart in run.Run.is_under_way
- self.iterator is not None and self.stateful is None
+ self.stateful is None

the count of running ahead is lost: observation of stop-at-a-boundary in worker.run_ahead
- at if epoch_size else 0
+ 0

what a worker has in hand when it is given up is lost: step of given-up-at-an-end in scope.give_up, preemptions = 2
- rest.worker, rest.progress, rest.hand = entry, progress, hand
+ rest.worker, rest.progress = entry, progress

who starts over does not keep others from entering: step of started-over-and-entered in reset._restart
- if claim.take(core.entering) is not None:
+ if False:

who starts over enters although another has left: observation of started-over-and-left in reset._was_left
- return any(
+ return False and any(

who has left does not look for a new entry: observation of started-over-and-left in scope.leave
- if entry.over[0] is RESET and core.entry is not entry and core.is_inside():
+ if False:

entering does not wait for an interrupted stop: leaked thread of interrupted-stop in scope._enter
-     let_go(core)
-     while True:
-         core.check_open()  # closing stops a worker that is about to be entered
-         refuse_readers(core, consumer)
-         worker = core.run.worker
-         if worker is not None and worker is not entry and worker.lives():
+     while True:
+         core.check_open()
+         refuse_readers(core, consumer)
+         worker = core.run.worker
+         if False:
"""  # noqa: E501
PLANTED = {planted.name: planted for planted in read(_PLANTED)}
"""The bug shows with one preemption, if no other number is given."""

# Edits that change nothing, as far as a search finds; and why:
#
# `work` has looked before, and found the buffer empty: only the worker itself can fill it.
# A worker that sleeps then was rung for already, or sleeps lightly: it comes, if later.
# Whoever leaves rings after that, and a ring is not lost.
# Nobody waits on the bell before a look whether the worker lives; it is gone before it rings.
# It was entered in time, or nothing that others see says that it was not.
_HARMLESS = r"""
a request is read before the buffer: none of 1/0/Enter,Next/1,2 in core.Core.state
-         held, mark = len(first.batches), word(first.mark())
-         behind = later(first.behind()) if self.limits.lookahead else ()
-         permits, waits = len(self.gates), holder(self.requests) is not None
+         permits, waits = len(self.gates), holder(self.requests) is not None
+         held, mark = len(first.batches), word(first.mark())
+         behind = later(first.behind()) if self.limits.lookahead else ()

who sleeps lightly does not ring: none of errors in consumer.doze
- run.ring()
+ pass

sleeps beside a stop: none of restart in worker.run_ahead
- return not over
+ return True

leaving rings before it stands in line: none of restart in scope.join
-         entry.leavers.append(bell)
-         entry.bell.put(None)
+         entry.bell.put(None)
+         entry.leavers.append(bell)

running ahead before it is entered: none of 3/0/Enter,Allow,Next,Next,Exit,Start,Next,Next,Join/1/Enter in worker.work
- and core.entry is entry
+
"""  # noqa: E501
HARMLESS = {planted.name: planted for planted in read(_HARMLESS)}

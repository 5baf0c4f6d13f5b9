"""The mutants that no test can kill, or none should, by the reason."""

# ruff: noqa: E501  # names of mutants are as long as the lines that they change

from __future__ import annotations

EXPLAINED: dict[str, tuple[str, ...]] = {
    "Without a buffer a pull starts for a waiting request only, and then nothing is buffered.": (
        'kernel/machine.py:Fetch: if fetching or epoch != "begun" or buffered >= (limits.capacity or 1): -> if fetching or epoch != "begun" or buffered >= (limits.capacity or 2):',
    ),
    "It is for speed: `ask` does the same, and finds the batch.": (
        "kernel/stream.py:_Core.read: if self.batches: -> if not self.batches:",
    ),
    "It is for speed: where nobody waits nobody is rung for.": (
        "kernel/stream.py:_Core.commit: if self.waiters and action is not Fetch: -> if action is not Fetch:",
    ),
    "It is for speed: `run_ahead` looks before it pulls, and before it sleeps.": (
        "kernel/stream.py:_Core.work: if ticket and (fetched or (self.state is ticket and not self.abandoned)): -> if ticket and (fetched or (not self.abandoned)):",
    ),
    "It rings so soon for speed: it rings again before it sleeps or pulls.": (
        "kernel/stream.py:_Core.work: self.wake_consumer() -> pass",
    ),
    "Before the last batch of an epoch it may sleep here or by the lock: it is woken in the same way.": (
        "kernel/stream.py:_Core.run_ahead: if ahead < most and len(batches) >= capacity: -> if len(batches) >= capacity:",
    ),
    "The method `give_up` looks as well: this look is for not being busy until the worker has gone.": (
        "kernel/stream.py:_Core.join: if left <= 0 and self.state[FETCHING]: -> if left <= 0:",
    ),
    "No clock shows just this time.": (
        "kernel/stream.py:_Core.join: if left <= 0 and self.state[FETCHING]: -> if left < 0 and self.state[FETCHING]:",
    ),
    "How often one who waits looks around by itself is a guess: any such time will do.": (
        "kernel/stream.py:module: GLANCE = 0.5 -> GLANCE = 1.5",
    ),
    "Halt has no use for the limits.": (
        "kernel/stream.py:_Core.wake_worker: if Fetch(self.limits, self.state) or Halt(self.limits, self.state): -> if Fetch(self.limits, self.state) or Halt(None, self.state):",
    ),
    "The variable is set before it is read; its first value is for who reads the program.": (
        "kernel/stream.py:_Core.__init__: self.error: BaseException | None = None  # what Raise will raise -> pass  # what Raise will raise",
        'kernel/stream.py:_Core.__init__: self.error: BaseException | None = None  # what Raise will raise -> self.error: BaseException | None = ""  # what Raise will raise',
        'kernel/stream.py:_Core.__init__: self.death: BaseException | None = None  # what killed the worker, if anything told -> self.death: BaseException | None = ""  # what killed the worker, if anything told',
        "kernel/stream.py:_Core.__init__: self.death: BaseException | None = None  # what killed the worker, if anything told -> pass  # what killed the worker, if anything told",
        'kernel/stream.py:_Core.__init__: self.asker: SimpleQueue[None] | None = None  # whose request it is that waits: its bell -> self.asker: SimpleQueue[None] | None = ""  # whose request it is that waits: its bell',
        "kernel/stream.py:_Core.__init__: self.asker: SimpleQueue[None] | None = None  # whose request it is that waits: its bell -> pass  # whose request it is that waits: its bell",
        'kernel/stream.py:_Core.ask: error: BaseException | None = None -> error: BaseException | None = ""',
        "kernel/stream.py:_Core.ask: error: BaseException | None = None -> pass",
    ),
    "No thread has this number, and none is what it stands for.": (
        "kernel/stream.py:_Core.__init__: self.worker_id = 0  # of that thread, from its start to its end: who else is no worker -> self.worker_id = None  # of that thread, from its start to its end: who else is no worker",
        "kernel/stream.py:_Core.__init__: self.worker_id = 0  # of that thread, from its start to its end: who else is no worker -> self.worker_id = 1  # of that thread, from its start to its end: who else is no worker",
        "kernel/stream.py:_Core.__init__: self.asker_id = 0  # and its thread -> self.asker_id = None  # and its thread",
        "kernel/stream.py:_Core.__init__: self.asker_id = 0  # and its thread -> self.asker_id = 1  # and its thread",
        "kernel/stream.py:_Core.gone: self.worker_id = 0 -> self.worker_id = None",
        "kernel/stream.py:_Core.gone: self.worker_id = 0 -> self.worker_id = 1",
    ),
    "Any other false value means the same.": (
        "kernel/stream.py:_Core.__init__: self.abandoned = False -> self.abandoned = None",
        'kernel/stream.py:_Core.ask: bell: SimpleQueue[None] | None = None  # of this request, once it was told of -> bell: SimpleQueue[None] | None = ""  # of this request, once it was told of',
        "kernel/stream.py:StreamWrapper.__init__: weakref.finalize(self, _abandon, core, self._core.bell).atexit = False -> weakref.finalize(self, _abandon, core, self._core.bell).atexit = None",
    ),
    "From Python 3.13 on a thread that the interpreter has frozen on its way down still looks alive, and cannot be joined; before, the line changes nothing.": (
        "kernel/stream.py:_Core.wait: if thread is not None and (sys.is_finalizing() or not thread.is_alive()): -> if thread is not None and (not thread.is_alive()):",
        "kernel/stream.py:_Core.join: if thread is not None and thread.ident is not None and not sys.is_finalizing(): -> if thread is not None and thread.ident is not None:",
    ),
    "A ring too many costs a look at the state, and nothing else.": (
        "kernel/stream.py:_Core.wake_consumer: self.consumer_bell = None -> pass",
        "kernel/stream.py:_Core.gone: self.consumer_bell = None -> pass",
        "kernel/stream.py:_Core.ask: self.consumer_bell = None -> pass",
    ),
    "The line lets go of what the variable held; by what it is replaced does not matter.": (
        'kernel/stream.py:_Core.ask: spent = None  # a pass that is dropped: let go outside the lock -> spent = ""  # a pass that is dropped: let go outside the lock',
        'kernel/stream.py:_Core.ask: error = answer = None  # an error would hold this frame, and the frame the error -> error = answer = ""  # an error would hold this frame, and the frame the error',
    ),
    "The worker of a wrapper that is garbage ends by the error as well, and there is nobody to see it.": (
        "kernel/stream.py:_Core.work: self.step(Stop) -> self.step(None)",
        "kernel/stream.py:_work: return -> pass (#2)",
    ),
    "A worker that is dead, not told to go, has nothing left that a stop could wait for.": (
        'kernel/stream.py:_Core.join: ended = self.state[WORKER] in ("absent", "dead") -> ended = self.state[WORKER] in ("absent", "XXdeadXX")',
        'kernel/stream.py:_Core.join: ended = self.state[WORKER] in ("absent", "dead") -> ended = self.state[WORKER] in ("absent", "DEAD")',
    ),
    "The worker's pull is given up by Bury; the machine refuses to settle it here.": (
        'kernel/stream.py:_Core.orphan: if self.state[WORKER] == "absent" and self.state[FETCHING]: -> if self.state[FETCHING]:',
    ),
    "A request that was orphaned rings nowhere: the next one puts its own bell there first.": (
        'kernel/stream.py:_Core.orphan: self.consumer_bell = None -> self.consumer_bell = ""',
        "kernel/stream.py:_Core.orphan: self.consumer_bell = None -> pass",
    ),
    "Between the two looks at it the variable stands for nothing.": (
        'kernel/stream.py:_work: core = None -> core = ""',
    ),
    "The patience with a lock is a guess: any short time will do.": (
        "kernel/stream.py:_before_fork: if core.lock.acquire(timeout=1): -> if core.lock.acquire(timeout=2):",
    ),
    "As the interpreter goes down the worker ends or is frozen, told to go or not.": (
        "kernel/stream.py:StreamWrapper.__init__: weakref.finalize(self, _abandon, core, self._core.bell).atexit = False -> weakref.finalize(self, _abandon, core, self._core.bell).atexit = True",
    ),
}
"""Names of mutants, as `python -m tests.mutation.code` prints them, by the reason."""

"""The parts of the core one at a time, without a worker: what each does in a given state."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread, current_thread, get_ident
from typing import Any
from weakref import ref

import pytest

from kernel.machine import INITIAL, Disallow, Enqueue, Exhaust, Fail, Fetch, Limits, Stop, Variables
from kernel.stream import _Core, _work

GATED = {"scope": "inside", "worker": "running", "epoch": "begun", "yielded": True, "permits": 1}
"""A worker that may run ahead."""


def core(
    capacity: int = 2, epoch_size: int = 0, stop_timeout: float | None = None, **variables: Any
) -> _Core[Any]:
    """A core in the state that differs from the first in these variables."""
    made: _Core[Any] = _Core(lambda: range(9), Limits(capacity, epoch_size), "it", stop_timeout)
    made.state = tuple(Variables(*INITIAL)._replace(**variables))  # type: ignore[assignment]
    return made


def now(made: _Core[Any]) -> Variables:
    return Variables(*made.state)


# What the state is told of.


@pytest.mark.parametrize(("held", "consumer"), [(2, "idle"), (0, "waiting")])
def test_sync(held: int, consumer: str) -> None:
    """Rule 5: a request that finds a batch is served, and permits no further pull."""
    made = core(**GATED, buffered=1, consumer="waiting", fetching=True, count=3)
    before = now(made)
    made.batches.extend(range(held))
    made.sync()
    assert now(made) == before._replace(buffered=held, consumer=consumer)  # type: ignore[arg-type]


def test_sync_of_nothing_keeps_the_state() -> None:
    """A worker that runs ahead goes on as long as the state is the same object."""
    made = core(**GATED, buffered=1)
    made.batches.append(0)
    before = made.state
    made.sync()
    assert made.state is before


@pytest.mark.parametrize("fetching", [False, True])
@pytest.mark.parametrize(("epoch_size", "count"), [(0, 0), (9, 5)])
@pytest.mark.parametrize(("held", "consumer"), [(1, "idle"), (0, "waiting")])
def test_fold(fetching: bool, epoch_size: int, count: int, held: int, consumer: str) -> None:
    """Rules 2 and 5: what was put ahead is counted once, and serves a request."""
    start = 3 if epoch_size else 0
    made = core(2, epoch_size, **GATED, consumer="waiting", count=start, fetching=not fetching)
    before = now(made)
    made.batches.extend(range(held))
    made.ahead = 2
    made.fold(fetching)
    told = {"buffered": held, "fetching": fetching, "count": count, "consumer": consumer}
    assert now(made) == before._replace(**told)  # type: ignore[arg-type]
    made.fold(fetching)
    assert now(made).count == count


# Who is rung for.


@pytest.mark.parametrize("asleep", [False, True])
@pytest.mark.parametrize(
    ("variables", "room"),
    [
        ({"permits": 1, "epoch": "begun"}, True),
        ({"permits": 2, "epoch": "begun"}, True),
        ({"permits": 0, "epoch": "begun"}, False),
        ({"permits": 1, "epoch": "ended"}, False),
    ],
)
def test_took(asleep: bool, variables: dict[str, Any], room: bool) -> None:
    """Rule 5: who takes a batch rings once for a sleeping worker that may pull, for no other."""
    made = core(**variables)
    made.worker_bell = made.bell if asleep else None
    assert made.took("batch") == made.took("batch") == "batch"
    assert made.bell.qsize() == (asleep and room)


@pytest.mark.parametrize(("asleep", "surely"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({**GATED, "buffered": 2}, True),  # two were taken that the state was not told of
        ({**GATED, "permits": 0}, False),
        ({**GATED, "permits": 0, "consumer": "waiting"}, True),
        ({**GATED, "worker": "stopping"}, True),
        ({**GATED, "worker": "stopping", "fetching": True}, False),
    ],
)
def test_wake_worker(asleep: bool, surely: bool, variables: dict[str, Any], wanted: bool) -> None:
    """Rules 3 and 5: a worker is woken to pull or to go, once if nobody has to be sure."""
    made = core(**variables)
    made.worker_bell = made.bell if asleep else None
    made.wake_worker(surely=surely)
    made.wake_worker()
    assert made.bell.qsize() == (wanted and (asleep or surely))


@pytest.mark.parametrize(("consumer", "rings"), [("idle", 1), ("waiting", 0)])
def test_wake_consumer(consumer: str, rings: int) -> None:
    """Rule 5: a request is woken once, when it was served."""
    made = core(consumer=consumer)
    made.wake_consumer()  # nobody sleeps
    bell: SimpleQueue[None] = SimpleQueue()
    made.consumer_bell = bell
    made.wake_consumer()
    made.wake_consumer()
    assert bell.qsize() == rings


@pytest.mark.parametrize(("action", "rings"), [(Disallow, 1), (Fetch, 0)])
def test_commit(action: Any, rings: int) -> None:
    """Rule 1: who waits without having told looks again after every change but a Fetch."""
    made = core(**GATED)
    bells: list[SimpleQueue[None]] = [SimpleQueue(), SimpleQueue()]
    made.waiters.extend(bells)
    assert made.step(action)
    assert [bell.qsize() for bell in bells] == [rings, rings]
    assert now(made) == Variables(*action(made.limits, core(**GATED).state))


def test_wake_waiters_that_another_thread_wakes() -> None:
    """Rule 9: two may ring at once."""

    class Taken(deque[Any]):
        """Another thread takes the bell between the look and the taking."""

        def popleft(self) -> Any:
            self.clear()
            return super().popleft()

    made = core(**GATED)
    bell: SimpleQueue[None] = SimpleQueue()
    made.waiters = Taken([bell])
    made.wake_waiters()
    assert bell.empty()


# Running ahead.


def test_may_run_ahead() -> None:
    """Rules 5 and 6: while a gate is open, in the midst of a pass and of an epoch."""
    assert core(**GATED).may_run_ahead()
    assert core(2, 9, **GATED, count=7).may_run_ahead()
    assert core(2, 9, **GATED, count=9).may_run_ahead()


@pytest.mark.parametrize(
    "changed",
    [
        {"worker": "stopping"},
        {"epoch": "ended"},
        {"consumer": "waiting"},
        {"yielded": False},
        {"permits": 0},
        {"epoch_size": 9, "count": 8},
        {"stop_timeout": 5.0},
    ],
    ids=str,
)
def test_may_not_run_ahead(changed: dict[str, Any]) -> None:
    """Rules 2, 3 and 5: not where the next batch would change what somebody has to be told."""
    assert not core(**{**GATED, **changed}).may_run_ahead()


@pytest.mark.parametrize("fetched", [False, True])
@pytest.mark.parametrize("capacity", [1, 3])
def test_run_ahead_fills_the_buffer(fetched: bool, capacity: int) -> None:
    """Rule 3: no more is pulled than there is room for, and who takes one will ring."""
    made = core(capacity, **GATED)
    items = iter(range(9))
    assert made.run_ahead(made.state, [items], fetched) == (True, None)
    assert list(made.batches) == list(range(capacity))
    assert made.ahead == capacity
    assert next(items) == capacity
    assert made.worker_bell is made.bell


@pytest.mark.parametrize("fetched", [False, True])
def test_run_ahead_stops_before_the_last_of_an_epoch(fetched: bool) -> None:
    """Rule 6: the last batch of an epoch is told of; all before it need not be."""
    made = core(9, 5, **GATED, count=1)
    assert made.run_ahead(made.state, [iter(range(9))], fetched) == (False, None)
    assert list(made.batches) == [0, 1, 2]
    assert made.ahead == 3
    assert made.worker_bell is None


def test_run_ahead_goes_on_where_it_was() -> None:
    """Rule 2: what was put before it slept is counted too."""
    made = core(9, 5, **GATED, count=1)
    made.ahead = 2
    assert made.run_ahead(made.state, [iter(range(9))], False) == (False, None)
    assert (list(made.batches), made.ahead) == ([0], 3)


@pytest.mark.parametrize("fetched", [False, True])
@pytest.mark.parametrize("before", [0, 1])
def test_run_ahead_meets_the_end(fetched: bool, before: int) -> None:
    """Rules 2 and 7: the end of a pass and an error are told of, behind what was put."""
    made = core(9, **GATED)
    opened = [iter(range(before))]
    assert made.run_ahead(made.state, opened, fetched) == (False, (Exhaust, None))
    assert (list(made.batches), made.ahead, opened) == (list(range(before)), before, [])

    def broken() -> Iterator[int]:
        yield from range(before)
        raise error

    made, error = core(9, **GATED), KeyError()
    opened = [broken()]
    asleep, answer = made.run_ahead(made.state, opened, fetched)
    assert answer is not None
    assert (asleep, answer[0], answer[1].__cause__) == (False, Fail, error)
    assert (list(made.batches), made.ahead, opened) == (list(range(before)), before, [])


@pytest.mark.parametrize("fetched", [False, True])
def test_run_ahead_rings_for_each_batch(fetched: bool) -> None:
    """Rule 5: whoever waits for a batch is woken by it, not by the next."""
    made = core(2, **GATED)
    bells: list[SimpleQueue[None]] = [SimpleQueue(), SimpleQueue()]

    def source() -> Iterator[int]:
        for batch, bell in enumerate(bells):
            made.waiters.append(bell)
            yield batch
        raise AssertionError("it pulls for a slot that is not there")

    assert made.run_ahead(made.state, [source()], fetched) == (True, None)
    assert [bell.qsize() for bell in bells] == [1, 1]


@pytest.mark.parametrize("fetched", [False, True])
def test_run_ahead_ends_when_the_state_changes(fetched: bool) -> None:
    """Rules 3 and 5: no pull starts after somebody has changed the state; its batch is kept."""
    made = core(3, **GATED)
    ticket = made.state

    def source() -> Iterator[int]:
        yield 0
        made.step(Disallow)
        yield 1
        raise AssertionError("it pulls after the gate was shut")

    assert made.run_ahead(ticket, [source()], fetched) == (False, None)
    assert (list(made.batches), made.ahead, made.worker_bell) == ([0, 1], 2, None)


class Raced(deque[Any]):
    """A full buffer at which somebody acts, once, before the worker has left its bell or after."""

    def __init__(self, made: _Core[Any], asleep: bool, change: Any) -> None:
        super().__init__()
        self.made, self.asleep, self.change = made, asleep, change

    def __len__(self) -> int:
        full = super().__len__() == self.made.limits.capacity
        if full and self.change and self.asleep == (self.made.worker_bell is not None):
            change, self.change = self.change, None
            change(self)
        return super().__len__()


@pytest.mark.parametrize("asleep", [False, True])
def test_run_ahead_sees_room_that_is_made_as_it_falls_asleep(asleep: bool) -> None:
    """Rule 1: who took a batch before the worker's bell was there did not ring: it goes on."""
    made = core(1, **GATED)
    made.batches = Raced(made, asleep, deque.popleft)
    assert made.run_ahead(made.state, [iter(range(9))], False) == (True, None)
    assert (list(made.batches), made.ahead) == ([1], 2)


def test_run_ahead_sees_a_change_as_it_falls_asleep() -> None:
    """Rule 3: who changed the state before the worker's bell was there did not ring either."""
    made = core(1, **GATED)
    made.batches = Raced(made, False, lambda _: made.step(Disallow))
    assert made.run_ahead(made.state, [iter(range(9))], False) == (False, None)
    assert (list(made.batches), made.ahead) == ([0], 1)


@pytest.mark.parametrize("action", [Enqueue, Exhaust])
def test_settle(action: Any) -> None:
    """Rule 1: a batch is kept where the state says so, and an end keeps nothing."""
    made = core(**GATED, fetching=True)
    made.settle(action, "batch" if action is Enqueue else None)
    assert list(made.batches) == ["batch"] * now(made).buffered
    assert not now(made).fetching


# The worker, whose part this thread takes.


def worker(*args: Any, **variables: Any) -> _Core[Any]:
    """A core whose worker is this thread."""
    made = core(*args, **variables)
    made.worker_id = get_ident()
    return made


@pytest.mark.parametrize("stop_timeout", [None, 5.0])
def test_work_for_a_request(stop_timeout: float | None) -> None:
    """Rule 5: one batch for a request, which is woken; then the worker sleeps."""
    made = worker(2, 0, stop_timeout, **{**GATED, "permits": 0, "consumer": "waiting"})
    bell = made.consumer_bell = SimpleQueue()
    assert made.work()
    assert (list(made.batches), bell.qsize(), now(made).consumer) == ([0], 1, "idle")
    assert (made.worker_bell, made.consumer_bell) == (made.bell, None)


@pytest.mark.parametrize("stop_timeout", [None, 5.0])
@pytest.mark.parametrize("yielded", [False, True])
def test_work_at_an_open_gate(stop_timeout: float | None, yielded: bool) -> None:
    """Rules 2 and 3: it fills the buffer, sleeps, and goes on as room is made, up to the end."""
    made = worker(2, 5, stop_timeout, **{**GATED, "yielded": yielded})
    made.opened.append(iter(range(9)))
    read = []
    for _ in range(2):
        assert made.work()
        assert made.worker_bell is made.bell
        assert len(made.batches) == 2
        read += [made.batches.popleft(), made.batches.popleft()]
        assert now(made).epoch == "begun"
    assert made.work()
    assert [*read, *made.batches] == [0, 1, 2, 3, 4]
    assert (now(made).epoch, now(made).count, now(made).buffered) == ("ended", 5, 1)
    assert made.ticket is None


@pytest.mark.parametrize("stop_timeout", [None, 5.0])
@pytest.mark.parametrize("before", [0, 1, 3])
def test_work_meets_the_end(stop_timeout: float | None, before: int) -> None:
    """Rules 6 and 7: the end of a pass and an error stand behind what was pulled before."""
    made = worker(9, 0, stop_timeout, **{**GATED, "yielded": before > 0})
    made.opened.append(iter(range(before)))
    assert made.work()
    assert (list(made.batches), now(made).epoch) == (list(range(before)), "ended")
    assert (now(made).fetching, now(made).yielded, made.opened) == (False, False, [])

    made = worker(9, 0, stop_timeout, **{**GATED, "yielded": before > 0})
    made.opened.append(map(divmod, range(before + 1), [1] * before + [0]))
    assert made.work()
    assert (len(made.batches), now(made).epoch, made.opened) == (before, "failed", [])
    assert isinstance(made.error, ChildProcessError)


@pytest.mark.parametrize("asleep", [False, True])
@pytest.mark.parametrize("abandoned", [False, True])
def test_work_of_who_is_told_to_go(asleep: bool, abandoned: bool) -> None:
    """Rules 3 and 10: it goes without another pull, asleep as it ran ahead or not."""
    made = worker(**GATED)
    made.opened.append(iter(range(9)))
    if asleep:
        assert made.work()
        made.batches.popleft()
    before = list(made.batches)
    if abandoned:
        made.abandoned = True
    else:
        assert made.step(Stop)
    assert not made.work()
    assert (now(made).scope, now(made).worker) == ("outside", "absent")
    assert (list(made.batches), now(made).buffered) == (before, len(before))


@pytest.mark.parametrize("pulls", [0, 1])
def test_work_of_who_was_given_up(pulls: int) -> None:
    """A worker that was given up changes nothing, whenever it finds out."""
    made = worker(**{**GATED, "yielded": False})

    def source() -> Iterator[int]:
        made.worker_id = 0
        yield 0

    made.stream_fn = source
    made.worker_id = get_ident() if pulls else 0
    before = now(made)
    assert not made.work()
    assert not made.batches
    assert now(made) == before._replace(fetching=bool(pulls))


def test_work_sees_room_that_is_made_as_it_falls_asleep() -> None:
    """Rule 1: who took a batch before the worker's bell was there did not ring: it goes on."""
    made = worker(1, 0, 5.0, **GATED)
    made.batches = Raced(made, True, deque.popleft)
    told = []

    def source() -> Iterator[int]:
        for batch in range(9):
            told.append(now(made).fetching)
            yield batch

    made.opened.append(source())
    assert made.work()
    assert (list(made.batches), told) == ([1], [True, True])
    assert made.worker_bell is made.bell


class Watched:
    """A lock that notes what is buffered when it is taken, and after which the state may change.

    It is another tuple then, for so many times, but says the same.
    """

    def __init__(self, made: _Core[Any], changes: int) -> None:
        self.made, self.changes = made, changes
        self.buffered: list[int] = []

    def __enter__(self) -> None:
        self.buffered.append(len(self.made.batches))

    def __exit__(self, *_: object) -> None:
        if self.changes > 0:
            self.changes -= 1
            self.made.state = (*self.made.state,)  # type: ignore[assignment]


def test_work_while_others_change_the_state_all_the_time() -> None:
    """Rule 5: each time that it has the lock it may pull, so that nobody can keep it from that."""
    made = worker(4, **GATED)
    made.opened.append(iter(range(9)))
    made.lock = lock = Watched(made, 5)  # type: ignore[assignment]
    assert made.work()
    assert lock.buffered[:5] == [0, 1, 2, 3, 4]


def test_work_takes_no_lock_for_a_batch() -> None:
    """At an open gate it has the lock once, fills the buffer, and fills it again."""
    made = worker(100, **GATED)
    made.opened.append(iter(range(1000)))
    made.lock = lock = Watched(made, 0)  # type: ignore[assignment]
    assert made.work()
    assert (lock.buffered, len(made.batches)) == ([0], 100)
    made.batches.clear()
    assert made.work()
    assert (lock.buffered, len(made.batches)) == ([0], 100)


# The consumer, without a worker to serve it.


def test_ask_takes_what_comes_without_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """At an open gate a batch that is put as the bell is left needs nothing else."""

    class Bells(deque[Any]):
        def append(self, bell: Any) -> None:
            super().append(bell)
            made.batches.append("batch")

    monkeypatch.setattr("kernel.stream.GLANCE", 1000)
    made = core(**GATED)
    made.waiters = Bells()
    made.lock = lock = Watched(made, 0)  # type: ignore[assignment]
    assert made.ask() == "batch"
    assert lock.buffered == []


def test_ask_looks_again_behind_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 1: a batch that was put while the request was told is taken, and not waited for."""

    class Late(deque[Any]):
        """What is in it shows once there is a request."""

        def __len__(self) -> int:
            return super().__len__() if now(made).consumer == "waiting" else 0

    made = core(**{**GATED, "permits": 0})
    made.batches = Late(["batch"])
    monkeypatch.setattr(made, "wait", None)
    assert made.ask() == "batch"


def test_ask_wakes_who_was_served_before_it_asks() -> None:
    """Rule 9: another's request was served, and its batch taken: he looks again before this one."""

    class Bell(SimpleQueue[None]):
        def put(self, *_: Any) -> None:
            raise KeyboardInterrupt

    made = core(**{**GATED, "permits": 0})
    made.consumer_bell = Bell()
    with pytest.raises(KeyboardInterrupt):
        made.ask()
    assert now(made).consumer == "idle"


@pytest.mark.parametrize("permits", [0, 1])
def test_ask_notices_a_worker_that_died_without_a_word(
    permits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 8: who waits looks around now and then, whether a gate is open or not."""
    monkeypatch.setattr("kernel.stream.GLANCE", 0.01)
    made = core(**{**GATED, "permits": permits})
    made.thread = Thread(target=int)
    made.thread.start()
    made.thread.join()
    with pytest.raises(ChildProcessError):
        made.ask()


def test_a_new_worker_begins_with_nothing() -> None:
    """Rule 2: what a dead worker had put and not told of is not counted in the next epoch."""
    made = core(2, 5, **{**GATED, "worker": "stopping"}, count=1)
    made.thread = current_thread()
    made.ahead = 3
    _work(ref(made), made.bell)
    assert (now(made).worker, now(made).count) == ("absent", 1)


def test_an_interrupted_request_leaves_the_workers_pull_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule 10: who asked had been served, and the worker is in its next pull."""

    def interrupted(_: Any) -> None:
        made.batches.append("batch")
        served = now(made)._replace(buffered=1, fetching=True, consumer="idle")
        made.state = tuple(served)  # type: ignore[assignment]
        raise KeyboardInterrupt

    made = core(**{**GATED, "permits": 0})
    monkeypatch.setattr(made, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.ask()
    assert (now(made).buffered, now(made).fetching, list(made.batches)) == (1, True, ["batch"])


@pytest.mark.parametrize("variables", [{"worker": "absent"}, {"worker": "stopping"}])
def test_give_up_comes_too_late(variables: dict[str, Any]) -> None:
    """Rule 3: a worker that came back from its pull just now is not given up."""
    made = core(2, 0, 5.0, **{**GATED, **variables})
    before = made.state
    made.give_up()
    assert made.state is before


def test_a_pull_of_ones_own_that_was_kept_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 10: an interrupt between the keeping of a batch and its step leaves it counted once."""
    made = core(2, 5, scope="outside", worker="absent", epoch="begun")
    step, strikes = made.step, [KeyboardInterrupt]

    def struck(action: Any) -> bool:
        if action is Enqueue and strikes:
            raise strikes.pop()
        return step(action)

    monkeypatch.setattr(made, "step", struck)
    with pytest.raises(KeyboardInterrupt):
        made.ask()
    assert list(made.batches) == [0]
    assert (now(made).buffered, now(made).count, now(made).consumer) == (1, 1, "idle")

"""Wrappers that each break one rule of the contract, for `test_conform`."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from contextvars import Context
from typing import Any

from kernel import StreamWrapper


class Doubles(StreamWrapper[Any]):
    """The third batch comes twice."""

    given: Any = ()

    def __next__(self) -> Any:
        if len(self.given) == 3:
            self.given += (None,)
            return self.given[2]
        batch = super().__next__()
        self.given += (batch,)
        return batch


class Suppresses(StreamWrapper[Any]):
    """Leaving swallows the error of the body."""

    def __exit__(self, *args: object) -> Any:
        super().__exit__(*args)
        return True


class Unnamed(StreamWrapper[Any]):
    """Entering gives nothing for `as`."""

    def __enter__(self) -> Any:
        super().__enter__()


class Rewinds(StreamWrapper[Any]):
    """`iter` begins the pass anew."""

    def __iter__(self) -> Any:
        self._core.run.iterator = None
        return self


class Contextless(StreamWrapper[Any]):
    """The source does not see the context of the `with`."""

    def __enter__(self) -> Any:
        return Context().run(super().__enter__)


class BeginsElsewhere(StreamWrapper[Any]):
    """A pass is begun in another context."""

    def __init__(self, stream_fn: Any, *rest: Any) -> None:
        super().__init__(lambda: Context().run(stream_fn), *rest)


class IteratesElsewhere(StreamWrapper[Any]):
    """`iter` of the source is called in another context."""

    def __init__(self, stream_fn: Any, *rest: Any) -> None:
        super().__init__(lambda: Context().run(iter, stream_fn()), *rest)


class EntersLate(StreamWrapper[Any]):
    """The context is that of the first read or gate, as it is entered by that."""

    late = False

    def now(self) -> None:
        if self.late:
            self.late = False
            super().__enter__()

    def __enter__(self) -> Any:
        if self.late or self._core.is_inside():
            raise RuntimeError
        self.late = True
        return self

    def __exit__(self, *args: object) -> None:
        self.now()
        super().__exit__(*args)

    @property
    def allow_buffering(self) -> Any:
        self.now()
        return super().allow_buffering

    def __next__(self) -> Any:
        self.now()
        return super().__next__()


class LongEpochs(StreamWrapper[Any]):
    """Epochs of fixed size have a batch too many."""

    def __init__(self, stream_fn: Any, buffer_size: int, epoch_size: int, *rest: Any) -> None:
        super().__init__(stream_fn, buffer_size, epoch_size + (epoch_size > 0), *rest)


class Forgets(StreamWrapper[Any]):
    """A stop forgets a batch."""

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)
        if not self.empty():
            next(self, None)


class Discards(StreamWrapper[Any]):
    """Leaving by an error empties the buffer."""

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)
        while args[0] is not None and not self.empty():
            next(self, None)


class Hurries(StreamWrapper[Any]):
    """Leaving does not wait for the pull in flight."""

    stopping: Any = None

    def __enter__(self) -> Any:
        if self.stopping is not None:
            self.stopping.join()
        return super().__enter__()

    def __exit__(self, *args: object) -> None:
        self.stopping = threading.Thread(target=super().__exit__, args=args)
        self.stopping.start()


class Overfull(StreamWrapper[Any]):
    """The buffer holds one more."""

    def __init__(self, stream_fn: Any, buffer_size: int, *rest: Any) -> None:
        super().__init__(stream_fn, buffer_size + (buffer_size > 0), *rest)


class StopPulls(StreamWrapper[Any]):
    """A stop pulls one batch, if there is room."""

    def __exit__(self, *args: object) -> None:
        with self.allow_buffering:
            limit = time.monotonic() + 0.1
            while self.empty() and time.monotonic() < limit:
                pass
        super().__exit__(*args)


class LeavesThread(StreamWrapper[Any]):
    """Leaving leaves a thread behind."""

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)
        threading.Thread(target=threading.Event().wait, daemon=True).start()


class NeverRefuses(StreamWrapper[Any]):
    """Before the first `with` it enters by itself."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except ValueError:
            with self:
                return super().__next__()


class PullsElsewhere(StreamWrapper[Any]):
    """Outside `with` the batches are pulled by another thread, which ends at once."""

    def __next__(self) -> Any:
        core = self._core
        if core.state(core.run)[0] != "outside":
            return super().__next__()
        with self:
            return super().__next__()


class Eager(StreamWrapper[Any]):
    """The gate is open whenever it is inside."""

    def __enter__(self) -> Any:
        super().__enter__()
        self.allow_buffering.__enter__()
        return self


class Sticks(StreamWrapper[Any]):
    """Of nested gates one stays open."""

    depth = 0

    @property
    def allow_buffering(self) -> Any:
        return self.gate()

    @contextmanager
    def gate(self) -> Any:
        inner = super().allow_buffering
        inner.__enter__()
        self.depth += 1
        yield
        self.depth -= 1
        if self.depth == 0:
            inner.__exit__(None, None, None)


class RunsOn(StreamWrapper[Any]):
    """With the end of an epoch the next one is begun."""

    ahead: Any = ()

    def __next__(self) -> Any:
        if self.ahead:
            batch, self.ahead = self.ahead[0], ()
            return batch
        try:
            return super().__next__()
        except StopIteration:
            self.ahead = (super().__next__(),)
            raise


class Swallows(StreamWrapper[Any]):
    """An error looks like the end of an epoch."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except ChildProcessError:
            raise StopIteration from None


class LosesCause(StreamWrapper[Any]):
    """An error comes without its cause."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except ChildProcessError as error:
            raise ChildProcessError(str(error)) from None


class Textless(StreamWrapper[Any]):
    """The text of the error does not say what the source raised."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except ChildProcessError as error:
            raise ChildProcessError("something went wrong") from error.__cause__


class Copies(StreamWrapper[Any]):
    """The cause is another error of that class, as it would be behind a process."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except ChildProcessError as error:
            cause = error.__cause__
            if cause is None:
                raise
            raise type(error)(*error.args) from type(cause)(*cause.args).with_traceback(
                cause.__traceback__
            )


class Late(StreamWrapper[Any]):
    """An error comes after two seconds."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except ChildProcessError:
            time.sleep(2)
            raise


class Trusts(StreamWrapper[Any]):
    """In a forked child it waits for the worker for ever."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except ChildProcessError as error:
            if error.__cause__ is None:
                threading.Event().wait()
            raise


class Repeats(StreamWrapper[Any]):
    """A worker that is gone is reported for ever."""

    death: Any = None

    def __next__(self) -> Any:
        if self.death is not None:
            raise self.death
        try:
            return super().__next__()
        except ChildProcessError as error:
            if "unexpectedly" in str(error):
                self.death = error
            raise


class Insists(StreamWrapper[Any]):
    """Entering raises if there can be no thread."""

    def __enter__(self) -> Any:
        super().__enter__()
        entry = self._core.run.worker
        if entry is not None and not entry.lives():
            raise entry.death or RuntimeError
        return self


class Twice(StreamWrapper[Any]):
    """Entering twice is fine."""

    def __enter__(self) -> Any:
        try:
            return super().__enter__()
        except RuntimeError:
            return self


class Shares(StreamWrapper[Any]):
    """A second consumer gets what the first one got before."""

    last: Any = 0

    def __next__(self) -> Any:
        try:
            self.last = super().__next__()
        except RuntimeError:
            return self.last
        return self.last


class Careless(StreamWrapper[Any]):
    """Without a buffer nothing keeps two consumers from pulling at once."""

    def __init__(self, stream_fn: Any, buffer_size: int, *rest: Any) -> None:
        super().__init__(stream_fn, buffer_size, *rest)
        self.pull = iter(stream_fn()).__next__ if buffer_size == 0 else super().__next__

    def __next__(self) -> Any:
        return self.pull()


IMMORTAL: list[Any] = []


class Immortal(StreamWrapper[Any]):
    """It is never garbage."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        IMMORTAL.append(self)


class LosesAtInterrupt(StreamWrapper[Any]):
    """Ctrl-C while it waits loses the batch that it waited for."""

    lost = False

    def __next__(self) -> Any:
        if self.lost:
            self.lost = False
            super().__next__()
        try:
            return super().__next__()
        except KeyboardInterrupt:
            self.lost = True
            raise


class LosesBuffer(StreamWrapper[Any]):
    """Ctrl-C in a stop loses the buffer."""

    lost = False

    def __exit__(self, *args: object) -> None:
        try:
            super().__exit__(*args)
        except KeyboardInterrupt:
            self.lost = True
            raise

    def __enter__(self) -> Any:
        super().__enter__()
        while self.lost and not self.empty():
            next(self)
        return self


class Lingers(StreamWrapper[Any]):
    """Its thread, which ends if it is left or garbage, keeps the process alive."""

    def __enter__(self) -> Any:
        self.left = threading.Event()
        threading.Thread(target=self.left.wait).start()
        return super().__enter__()

    def __exit__(self, *args: object) -> None:
        self.left.set()
        super().__exit__(*args)

    def __del__(self) -> None:
        self.left.set()


class NoneEnds(StreamWrapper[Any]):
    """None ends the epoch."""

    def __next__(self) -> Any:
        batch = super().__next__()
        if batch is None:
            raise StopIteration
        return batch


class Compares(StreamWrapper[Any]):
    """Batches are compared."""

    def __next__(self) -> Any:
        batch = super().__next__()
        return batch if batch != 7 else 7


class TimesEnds(StreamWrapper[Any]):
    """The end of an epoch has a time."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except StopIteration:
            if self._profile is not None:
                self._profile.setdefault(self._event, []).append(0.0)
            raise


class Stamps(StreamWrapper[Any]):
    """The profile has the time of day."""

    def __next__(self) -> Any:
        batch = super().__next__()
        if self._profile is not None:
            self._profile[self._event][-1] = self.told()
        return batch

    def told(self) -> Any:
        """What is in the profile."""
        return time.time()


class Zeros(Stamps):
    """The profile has nothing but zeros."""

    def told(self) -> Any:
        return 0


class Tells(Stamps):
    """The profile has words."""

    def told(self) -> Any:
        return "soon"

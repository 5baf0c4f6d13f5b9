"""Exit, interrupts and handlers, most in a process of their own (rules 10 and 13)."""

from __future__ import annotations

import signal
import textwrap
import threading

import pytest

from kernel import StreamWrapper

from ..support.processes import needs_fork, run
from ..support.sources import Aside, Source, epoch


def test_rule_10_exit_inside_with() -> None:
    """Rule 10: `sys.exit` inside `with` stops the worker and ends the process."""
    program = """
        try:
            with StreamWrapper(lambda: range(9), 2) as stream, stream.allow_buffering:
                next(stream)
                sys.exit(0)
        finally:
            print(threading.active_count())
    """
    assert run(program) == "1"


def test_rule_10_a_finaliser_may_leave_at_exit() -> None:
    """Rule 10: a stream left while the interpreter goes down does not wait for its worker."""
    program = """
        import functools

        class Reader:
            def __init__(self):
                source = functools.partial(iter, [1, 2, 3])
                self.stream = StreamWrapper(source, 2).__enter__()

            def __del__(self):
                self.stream.__exit__()

        reader = Reader()
        print(next(reader.stream))
    """
    assert run(program) == "1"


def test_rule_10_interrupt_while_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 10: Ctrl-C in a waiting `next` leaves at once, and nothing is lost."""
    monkeypatch.setattr("kernel.core.Core.glance", 0.01)  # it may come just before the sleep
    source = Source(range(5), held=True)
    source.go()

    def interrupt() -> None:
        source.await_start(2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with StreamWrapper(source, 2) as stream:
        assert next(stream) == 0
        other = Aside(interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        other.result()
        source.free()
    with stream:
        assert epoch(stream) == [1, 2, 3, 4]


def test_signal_handlers_are_left_alone() -> None:
    """The library takes no signal, and starts no thread when it is imported."""
    assert run("print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)") == "True"
    assert run("print(threading.active_count())") == "1"


HANDLER = """
import random

stream = None
calls = [0]

def use(number, frame):
    calls[0] += 1
    other = StreamWrapper(lambda: range(3), 2)
    with other:
        assert list(other) == [0, 1, 2]
    try:
        kind = calls[0] % KINDS
        if kind == 0:
            with stream.allow_buffering:
                stream.empty()
        elif kind == 1:
            taken.append(next(stream))
        elif kind == 2:
            stream.__exit__()
        elif kind == 3:
            stream.__enter__()
        elif kind == 4:
            child = os.fork()
            if not child:
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    except (RuntimeError, StopIteration, ValueError):
        pass

KINDS = 5
taken = []
"""


@needs_fork
def test_rule_13_handler_that_uses_what_it_interrupts() -> None:
    """Rule 13: a handler makes, gates, reads, leaves, enters and forks in the midst of any call."""
    assert (
        run(
            HANDLER
            + textwrap.dedent("""
            signal.signal(signal.SIGUSR1, use)
            for turn in range(150):
                stream = StreamWrapper(lambda: range(40), 2)
                del taken[:]
                before = calls[0]
                at = random.Random(turn).uniform(1e-6, 1e-3)
                signal.signal(signal.SIGVTALRM, use)
                signal.setitimer(signal.ITIMER_VIRTUAL, at)
                read = []
                while calls[0] == before and len(read) < 30:
                    try:
                        with stream, stream.allow_buffering:
                            read += [next(stream), next(stream)]
                    except (RuntimeError, ValueError):
                        pass
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                try:
                    stream.__exit__()
                except RuntimeError:
                    pass
                with stream:
                    rest = list(stream)
                every = read + taken + rest
                assert len(set(every)) == len(every), every
                assert len(every) == 40, every
            print("end")
            """)
        )
        == "end"
    )


def test_rule_13_nested_handlers() -> None:
    """Rule 13: a handler that is interrupted in its own call of the stream, by one that reads."""
    program = """
        read = []

        def outer(number, frame):
            signal.raise_signal(signal.SIGUSR2)
            read.append(next(stream))

        def inner(number, frame):
            read.append(next(stream))

        signal.signal(signal.SIGUSR1, outer)
        signal.signal(signal.SIGUSR2, inner)

        def source():
            yield 0
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            yield from range(1, 9)

        stream = StreamWrapper(source, 2)
        with stream:
            read += stream
        print(*sorted(read))
    """
    assert run(program) == "0 1 2 3 4 5 6 7 8"


def test_rule_13_finaliser_in_the_worker() -> None:
    """Rule 13: a finaliser that runs in a worker gates, drops and leaves other streams."""
    program = """
        class Last:
            def __init__(self):
                self.me = self
                self.stream = StreamWrapper(lambda: range(3), 2).__enter__()

            def __del__(self):
                with self.stream.allow_buffering, outer.allow_buffering:
                    outer.empty()
                    assert next(self.stream) == 0
                self.stream.__exit__()
                ended.append(threading.current_thread() is not threading.main_thread())

        import gc
        ended = []

        def source():
            for n in range(5):
                Last()
                gc.collect()
                yield n

        with StreamWrapper(source, 2) as outer, outer.allow_buffering:
            print(*outer)
        print(ended == [True] * 5)
    """
    assert run(program) == "0 1 2 3 4\nTrue"


@pytest.mark.parametrize("call", ["next(self.stream)", "self.gate()", "self.stream.__exit__()"])
def test_rule_13_del_at_exit(call: str) -> None:
    """Rule 13: `__del__` at exit may read, gate and leave; nothing waits for a frozen thread."""
    for _ in range(3):
        run(
            f"""
            class Reader:
                def __init__(self):
                    self.stream = StreamWrapper(Source(), 2, stop_timeout=0.1).__enter__()

                def gate(self):
                    with self.stream.allow_buffering:
                        pass

                def __del__(self):
                    try:
                        {call}
                    except (StopIteration, RuntimeError, OSError):
                        pass

            class Source:
                def __call__(self):
                    return iter(range(10 ** 9))

            reader = Reader()
            reader.stream.allow_buffering.__enter__()
            assert next(reader.stream) == 0
            """
        )

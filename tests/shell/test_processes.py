"""What needs a process of its own: exit, fork and interrupts (rules 4, 8 and 10)."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

HEADER = """
import os, signal, sys, threading
from kernel import StreamWrapper

def kill_if_it_hangs(number, frame):
    import faulthandler; faulthandler.dump_traceback()
    os.write(2, b"it hangs")
    os._exit(99)

signal.signal(signal.SIGALRM, kill_if_it_hangs)
signal.alarm(20)
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which POSIX has")


def run(program: str) -> str:
    """Run the program and return what it printed; it must end by itself, with status 0."""
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            HEADER + textwrap.dedent(program),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_rule_10_exit_inside_with() -> None:
    """Rule 10: `sys.exit` inside `with` stops the worker and ends the process."""
    assert (
        run(
            """
            try:
                with StreamWrapper(lambda: range(9), 2) as stream, stream.allow_buffering:
                    next(stream)
                    sys.exit(0)
            finally:
                print(threading.active_count())
            """
        )
        == "1"
    )


@needs_fork
def test_rule_8_forked_by_its_own_source() -> None:
    """Rule 8: a source that forks in a pull of the caller's own serves both processes."""
    assert (
        run(
            """
            children = []

            def source():
                yield 0
                children.append(os.fork())
                yield 1
                yield 2

            read = list(StreamWrapper(source))
            if not children[0]:
                os._exit(read != [0, 1, 2])
            assert os.waitpid(children[0], 0)[1] == 0
            print(*read)
            """
        )
        == "0 1 2"
    )


@needs_fork
def test_rule_8_forked_after_another_thread_has_read() -> None:
    """Rule 8: a fork between two batches keeps the pass, whichever thread has read."""
    assert (
        run(
            """
            stream = StreamWrapper(lambda: range(3))
            reader = threading.Thread(target=next, args=(stream,))
            reader.start()
            reader.join()
            child = os.fork()
            read = list(stream)
            if not child:
                os._exit(read != [1, 2])
            assert os.waitpid(child, 0)[1] == 0
            print(*read)
            """
        )
        == "1 2"
    )


@needs_fork
def test_rule_8_forks_in_any_state() -> None:
    """Rule 8: children forked while the worker is busy find a consistent copy, and never wait."""
    assert (
        run(
            """
            stream = StreamWrapper(lambda: range(10 ** 6), 3)
            position = 0
            with stream, stream.allow_buffering:
                for _ in range(100):
                    assert next(stream) == position
                    position += 1
                    child = os.fork()
                    if not child:
                        signal.alarm(10)
                        try:
                            for expected in range(position, position + 10):
                                assert next(stream) == expected
                        except ChildProcessError:
                            os._exit(0 if expected <= position + 3 else 1)
                        os._exit(2)
                    assert os.waitpid(child, 0)[1] == 0
            print("end")
            """
        )
        == "end"
    )


@needs_fork
@pytest.mark.parametrize("size", [0, 2])
def test_rule_8_forked_by_another_thread(size: int) -> None:
    """Rule 8: a child forked while another thread waits in `next` can go on without that thread."""
    assert (
        run(
            f"""
            pulling, go = threading.Event(), threading.Event()

            def source():
                yield 0
                if not pulling.is_set():
                    pulling.set()
                    go.wait()
                yield 1

            stream = StreamWrapper(source, {size})
            stream.__enter__()
            assert next(stream) == 0
            reader = threading.Thread(target=lambda: print(next(stream)))
            reader.start()
            pulling.wait()
            child = os.fork()
            if not child:
                signal.alarm(10)
                try:
                    next(stream)
                except ChildProcessError as error:
                    lost = "The thread that read StreamWrapper None is not in this process."
                    assert (str(error) == lost) == ({size} == 0), error
                    assert list(stream) == [0, 1]
                    stream.__exit__()
                    with stream:
                        assert list(stream) == [0, 1]
                    os._exit(0)
                os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
            go.set()
            reader.join()
            stream.__exit__()
            """
        )
        == "1"
    )


@needs_fork
def test_rule_8_forked_by_a_signal_handler() -> None:
    """Rule 8: a handler that forks, blocks nobody."""
    assert (
        run(
            """
            def fork(number, frame):
                child = os.fork()
                if not child:
                    os._exit(0)
                os.waitpid(child, 0)

            signal.signal(signal.SIGUSR1, fork)
            stream = StreamWrapper(lambda: range(3))
            signal.raise_signal(signal.SIGUSR1)
            print(*stream)
            """
        )
        == "0 1 2"
    )


def test_rule_10_a_finaliser_may_leave_at_exit() -> None:
    """Rule 10: a stream left while the interpreter goes down does not wait for its worker."""
    assert (
        run(
            """
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
        )
        == "1"
    )


def test_rule_10_interrupt_while_waiting() -> None:
    """Rule 10: Ctrl-C in a waiting `next` leaves at once, and nothing is lost."""
    assert (
        run(
            """
            pulling, go = threading.Event(), threading.Event()

            def source():
                yield 1
                pulling.set()
                go.wait()
                yield from range(2, 6)

            def interrupt():
                pulling.wait()
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

            stream = StreamWrapper(source, 2)
            with stream:
                print(next(stream))
                threading.Thread(target=interrupt).start()
                try:
                    next(stream)
                except KeyboardInterrupt:
                    print("interrupted")
                go.set()
            with stream:
                print(*stream)
            """
        )
        == "1\ninterrupted\n2 3 4 5"
    )


def test_rule_10_interrupt_in_exit() -> None:
    """Rule 10: Ctrl-C while `with` waits for a pull; leaving, entering and reading go on."""
    assert (
        run(
            """
            pulling, go = threading.Event(), threading.Event()

            def source():
                yield 1
                yield 2
                pulling.set()
                go.wait()
                yield from range(3, 6)

            def interrupt():
                pulling.wait()
                while not stream._core.entry.leavers:
                    pass
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

            stream = StreamWrapper(source, 3)
            threading.Thread(target=interrupt, daemon=True).start()
            try:
                with stream, stream.allow_buffering:
                    print(next(stream))
                    pulling.wait()
            except KeyboardInterrupt:
                print("interrupted")
            go.set()
            with stream:
                print(next(stream))
            print(threading.active_count())
            with stream:
                print(*stream)
            """
        )
        == "1\ninterrupted\n2\n1\n3 4 5"
    )


def test_rule_10_interrupt_of_an_own_pull() -> None:
    """Rule 10: Ctrl-C inside a pull in the caller's thread is the source's error (rule 7)."""
    assert (
        run(
            """
            source = iter([[1, 2], [3, 4]])

            def passes():
                for n in next(source):
                    if n == 2:
                        signal.raise_signal(signal.SIGINT)
                    yield n

            stream = StreamWrapper(passes)
            print(next(stream))
            try:
                next(stream)
            except KeyboardInterrupt:
                print("interrupted")
            print(*stream)
            """
        )
        == "1\ninterrupted\n3 4"
    )


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
    assert (
        run(
            """
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
        )
        == "0 1 2 3 4 5 6 7 8"
    )


def test_rule_13_finaliser_in_the_worker() -> None:
    """Rule 13: a finaliser that runs in a worker gates, drops and leaves other streams."""
    assert (
        run(
            """
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
        )
        == "0 1 2 3 4\nTrue"
    )


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


@needs_fork
def test_rule_13_fork_after_reload_and_another_fork() -> None:
    """Rule 13: after a reload of any module, and in a child's child, reading goes on."""
    assert (
        run(
            """
            import importlib
            import kernel.claims, kernel.core, kernel.stream, kernel.worker, kernel.pull

            for module in (None, kernel.claims, kernel.pull, kernel.worker, kernel.core):
                stream = StreamWrapper(lambda: range(9), 2)
                with stream, stream.allow_buffering:
                    assert next(stream) == 0
                    if module is not None:
                        importlib.reload(module)
                    children = []
                    for generation in range(3):
                        child = os.fork()
                        children.append(child)
                        if child:
                            break
                        signal.alarm(10)
                        try:
                            while next(stream) < 4:
                                pass
                            raise AssertionError("no error")
                        except ChildProcessError:
                            pass
                        stream.__exit__()
                        stream.__enter__()
                        assert next(stream) == 0
                    last = children[-1]
                    if last:
                        assert os.waitpid(last, 0)[1] == 0
                    if len(children) > 1 or not last:
                        os._exit(0)
                    assert list(stream) == list(range(1, 9))
            print("end")
            """
        )
        == "end"
    )


@needs_fork
def test_rule_13_fork_with_a_slow_record() -> None:
    """Rule 13: a child forked while the worker writes to a slow record file can go on."""
    assert (
        run(
            """
            import io, time

            class Slow(io.StringIO):
                def write(self, text):
                    time.sleep(0.002)
                    return super().write(text)

            stream = StreamWrapper(lambda: range(10 ** 6), 3, record=Slow())
            with stream, stream.allow_buffering:
                for position in range(10):
                    assert next(stream) == position
                    child = os.fork()
                    if not child:
                        signal.alarm(10)
                        try:
                            for _ in range(9):
                                next(stream)
                        except ChildProcessError:
                            stream.__exit__()
                            with stream:
                                assert next(stream) == 0
                            os._exit(0)
                        os._exit(2)
                    assert os.waitpid(child, 0)[1] == 0
            print("end")
            """
        )
        == "end"
    )


@needs_fork
def test_rule_13_interrupt_in_a_fork() -> None:
    """Rules 10 and 13: an interrupt that comes while fork is at work is told, and harms nobody."""
    assert (
        run(
            """
            ballast = bytearray(10 ** 8)
            ballast[::4096] = b"x" * len(ballast[::4096])
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            told = 0
            for delay in (0.0001, 0.0005, 0.001):
                stream = StreamWrapper(lambda: range(9), 2)
                with stream:
                    assert next(stream) == 0
                    try:
                        signal.setitimer(signal.ITIMER_REAL, delay)
                        if not os.fork():
                            os._exit(0)
                        while True:
                            pass
                    except KeyboardInterrupt:
                        told += 1
                    assert next(stream) == 1
            print(told)
            """
        )
        == "3"
    )


@needs_fork
def test_rule_13_handler_that_only_forks() -> None:
    """Rule 13: a handler forks in the midst of the making of a wrapper."""
    assert (
        run(
            """
            struck = 0

            def fork(*_):
                global struck
                child = os.fork()
                if not child:
                    os._exit(0)
                os.waitpid(child, 0)
                struck += 1

            signal.signal(signal.SIGVTALRM, fork)
            for _ in range(100):
                seen = struck
                signal.setitimer(signal.ITIMER_VIRTUAL, 0.0001)
                while struck == seen:
                    StreamWrapper(list, 2)
            print(struck)
            """
        )
        == "100"
    )

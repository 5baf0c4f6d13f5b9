"""Forks (rules 8 and 13)."""

from __future__ import annotations

import pytest

from kernel import StreamWrapper

from ..support.processes import needs_fork, run
from ..support.sources import Aside, Source, epoch
from ..support.states import alone


@needs_fork
def test_rule_8_forked_by_its_own_source() -> None:
    """Rule 8: a source that forks in a pull of the caller's own serves both processes."""
    program = """
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
    assert run(program) == "0 1 2"


@needs_fork
def test_rule_8_forked_after_another_thread_has_read() -> None:
    """Rule 8: a fork between two batches keeps the pass, whichever thread has read."""
    stream = StreamWrapper(lambda: range(3))
    assert Aside(lambda: next(stream)).result() == 0

    def read() -> None:
        assert epoch(stream) == [1, 2]

    assert alone(read) == 0
    read()


@needs_fork
def test_rule_8_forks_in_any_state() -> None:
    """Rule 8: children forked while the worker is busy find a consistent copy, and never wait."""
    with StreamWrapper(lambda: range(10**6), 3) as stream, stream.allow_buffering:
        for position in range(100):
            assert next(stream) == position

            def read(behind: int = position + 1) -> None:
                for batch in range(behind, behind + 4):
                    try:
                        assert next(stream) == batch
                    except ChildProcessError:
                        return
                raise AssertionError("more than was buffered")

            assert alone(read) == 0


@needs_fork
@pytest.mark.parametrize("size", [0, 2])
def test_rule_8_forked_by_another_thread(size: int) -> None:
    """Rule 8: a child forked while another thread waits in `next` can go on without that thread."""
    source = Source(range(2), held=True)
    source.go()
    stream = StreamWrapper(source, size).__enter__()
    assert next(stream) == 0
    reader = Aside(lambda: next(stream))
    source.await_start(2)

    def read() -> None:
        source.renew()
        source.free()
        with pytest.raises(ChildProcessError) as caught:
            next(stream)
        lost = "The thread that read StreamWrapper None is not in this process."
        assert (str(caught.value) == lost) == (size == 0)
        assert epoch(stream) == [0, 1]
        stream.__exit__()
        with stream:
            assert epoch(stream) == [0, 1]

    assert alone(read) == 0
    source.free()
    assert reader.result() == 1
    stream.__exit__()


@needs_fork
def test_rule_13_fork_after_reload_and_another_fork() -> None:
    """Rule 13: after a reload of any module, and in a child's child, reading goes on."""
    program = """
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
    assert run(program) == "end"


@needs_fork
def test_rule_13_interrupt_in_a_fork() -> None:
    """Rules 10 and 13: an interrupt while fork is at work is reported, and does no harm."""
    program = """
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
    assert run(program) == "3"


@needs_fork
def test_rule_13_handler_that_only_forks() -> None:
    """Rule 13: a handler forks in the midst of the making of a wrapper."""
    program = """
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
    assert run(program) == "100"

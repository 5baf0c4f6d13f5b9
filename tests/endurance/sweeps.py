"""Entering, leaving, gates and `next` in each situation, to be struck before each instruction."""

from __future__ import annotations

from ..support.scene import rows, sweep

_CONSUMER = """
__init__ | buffered | 2 -1 4 | | construct
__enter__ | unbuffered | 0 -1 4 3 | | enter
__enter__ | first | 2 -1 4 3 | | enter
__enter__ | again, batches left | 2 -1 4 3 | enter park open park shut exit | enter
__enter__ | again, an end left | 2 -1 1 3 | enter park open park shut exit | enter
__enter__ | stop was interrupted | 2 -1 4 3 | hold enter park open pulling shut halfexit | enter
__enter__ | refused: twice | 2 -1 4 3 | enter park | refused_enter
__exit__ | unbuffered | 0 -1 4 3 | enter | exit
__exit__ | worker asleep | 2 -1 4 3 | enter park | exit
__exit__ | buffer full | 2 -1 4 3 | enter park open park shut | exit
__exit__ | waits for a pull | 2 -1 4 3 | hold enter park open pulling shut | exit
__exit__ | gives up a pull | 2 -1 4 3 | impatient hold enter park open pulling shut | late_exit
__exit__ | worker dead | 2 -1 4 3 | dead | exit
__next__ | takes, worker has room | 2 -1 4 3 | enter park open park | next
__next__ | takes, gate shut | 2 -1 4 3 | enter park open park shut | next
__next__ | takes, outside | 2 -1 4 3 | enter park open park shut exit | next
__next__ | waits, worker asleep | 2 -1 4 3 | hold enter park | next
__next__ | waits, worker pulls | 2 -1 4 3 | hold enter park open pulling shut | next
__next__ | waits, gate open | 2 -1 4 3 | hold enter park open pulling | next
__next__ | waits, worker runs ahead | 2 -1 9 3 | enter park open park next next hold pulling | next
__next__ | waits for an end | 2 -1 1 3 | enter park next park hold | next
__next__ | waits, between passes | 2 3 1 4 | enter park next park hold | next
__next__ | pulls, unbuffered | 0 -1 4 3 | | next
__next__ | pulls, outside | 2 -1 4 3 | enter park next park exit | next
__next__ | pulls, between passes | 0 3 1 4 | next | next
__next__ | pulls an end | 0 -1 1 4 | next | next
__next__ | pulls an error | 0 -1 -1 4 | next | next
__next__ | ends an epoch | 3 -1 1 3 | enter park open park shut next | next
__next__ | raises an error | 3 -1 -1 3 | enter park open park shut next | next
__next__ | buries a worker | 2 -1 4 3 | dead | next
__next__ | refused: never entered | 2 -1 4 3 | | refused_next
for | two batches | 3 -1 4 3 | enter park open park shut | loop
gate __enter__ | worker asleep | 2 -1 4 3 | enter park | open
gate __enter__ | another open | 2 -1 4 3 | enter park open park | open
gate __exit__ | the last | 2 -1 4 3 | enter park open park | shut
gate __exit__ | another open | 2 -1 4 3 | enter park open park open | shut
gate __exit__ | refused: not entered | 2 -1 4 3 | | refused_shut
empty | buffer full | 2 -1 4 3 | enter park open park shut | empty
iter, name | | 0 -1 4 3 | | others
"""
_WORKER = """
fills the buffer, goes on | 2 -1 4 3 | enter park open park next park next park shut
is asked, gate shut | 2 -1 4 3 | enter park next park next park
ends epochs | 2 2 3 1 | enter park open park next next next next park next shut
meets an error | 3 -1 -2 3 | enter park open park shut next next next next
is stopped in a pull | 2 -1 4 3 | hold enter park open pulling shut exit enter park
is stopped asleep, again | 2 -1 4 3 | enter park exit enter park open park shut exit
is abandoned asleep | 2 -1 4 3 | enter park abandon
is abandoned in a pull | 2 -1 4 3 | hold enter park open pulling abandon
is given up in a pull | 2 -1 4 3 | impatient hold enter park open pulling shut late_exit
"""
CONSUMER = tuple(sweep(*row) for row in rows(_CONSUMER))
"""Each call in each of its situations, on the consumer's thread.

A row is the call, the situation, the wrapper (buffer size, epoch size, lengths of passes), the
steps that lead there, and the step that is struck.
"""

WORKER = tuple(sweep(*row, worker=True) for row in rows(_WORKER, "worker"))
"""Whole programs, in which the worker is struck: situation, wrapper, steps."""

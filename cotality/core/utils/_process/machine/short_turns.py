"""Shorter turns with the interpreter's lock, for who waits for it again and again.

A thread that computes keeps the lock for the switch interval, 5 ms, whenever another
one asks for it. Whoever reads a file lets go of the lock two or three times, and asks
for it as often: beside such a thread, to read three small files takes 40 ms.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from sys import getswitchinterval, setswitchinterval
from threading import get_ident

from .this_process import after_fork

# Seconds. Odd numbers, by which they are known as ours.
SHORT_TURN = 103e-6
PROBE_TURN = 1003e-6  # long enough for whoever waits so long to see that it did
TURNS = SHORT_TURN, PROBE_TURN

# What each thread that wants short turns has asked for, and what the interval is
# otherwise. There is no lock: an exception may strike between any two lines. If two
# threads come and go at the same moment, the worst is that one of them has turns of
# another length.
wanted: dict[int, float] = {}
usual = getswitchinterval()
after_fork(wanted.clear)


@contextmanager
def short_turns(turn: float = SHORT_TURN) -> Generator[None, None, None]:
    """Wait less for the lock, for something with many short waits for files.

    Args:
        turn: How long (s) others have it at most, of `TURNS`.
    """
    global usual
    interval = getswitchinterval()
    if not is_ours(interval):
        usual = interval
    if interval > turn:
        setswitchinterval(turn)
    thread = get_ident()
    before = wanted.get(thread)
    wanted[thread] = turn if before is None else min(before, turn)
    try:
        yield
    finally:
        if before is None:
            wanted.pop(thread, None)
        else:
            wanted[thread] = before
        # If it is another one by now, somebody else has set it, to stay.
        if is_ours(getswitchinterval()):
            setswitchinterval(min([usual, *wanted.values()]))


def is_ours(interval: float) -> bool:
    """Whether it is one of `TURNS`, which the interpreter cuts off to microseconds."""
    return any(abs(interval - turn) < 2e-6 for turn in TURNS)

"""What can be seen of a task while it runs in a thread of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from sys import getswitchinterval, setswitchinterval
from time import perf_counter, sleep

NAP = 100e-6  # s
SHORT_TURN = 500e-6  # s


def cpu_seconds_of(thread: int) -> float | None:
    """The CPU time of a *thread* that is alive; None where nobody can tell."""
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    if clock_of is None:
        return None
    try:
        return time.clock_gettime(clock_of(thread))
    except OSError:
        return None


def is_lock_held(queue_of: Callable[[int], float | None]) -> bool:
    """Whether what runs keeps the interpreter's lock to itself.

    Whoever sleeps for a moment gets the lock back at once if it is free; if not, only
    when the interpreter asks for it, which it does after the switch interval (5 ms).
    So this takes that long. For how long it waited for a CPU is left out; where nobody
    can tell, it may say on a busy machine that the lock is held when it is not.

    Args:
        queue_of: Says for how long a thread has waited for a CPU, see `run_queue`.
    """
    thread = threading.get_native_id()
    queued = queue_of(thread) or 0.0
    began = perf_counter()
    sleep(NAP)
    late = perf_counter() - began - NAP
    if late > getswitchinterval() / 2:
        late -= (queue_of(thread) or 0.0) - queued
    return late > getswitchinterval() / 2


using_interval = threading.Lock()
users = 0  # of the short interval, and what it was before the first of them came
usual = 0.0


@contextmanager
def short_turns() -> Generator[None, None, None]:
    """Wait less for the lock, for something with many short waits for files.

    To import a hundred modules beside a thread that holds the lock takes half a second
    (measured), because each of their files is waited for, and then the lock.
    """
    global users, usual
    with using_interval:
        if users == 0:
            usual = getswitchinterval()
            setswitchinterval(min(usual, SHORT_TURN))
        users += 1
    try:
        yield
    finally:
        with using_interval:
            users -= 1
            if users == 0:
                setswitchinterval(usual)

"""What can be seen of a task while it runs in a thread of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from sys import getswitchinterval
from time import perf_counter, sleep

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.short_turns import PROBE_TURN, short_turns

NAP = 100e-6  # s


def cpu_seconds_of(thread: int) -> float | None:
    """The CPU time of a *thread* that is alive; None where nobody can tell."""
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    if clock_of is None:
        return None
    try:
        return time.clock_gettime(clock_of(thread))
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        return None


def is_lock_held(queue_of: Callable[[int], float | None]) -> bool:
    """Whether what runs keeps the interpreter's lock to itself.

    Whoever sleeps for a moment gets the lock back at once if it is free; if not, only
    when the interpreter asks for it, which it does after the switch interval. So this
    takes as long as that, which is 1 ms meanwhile: a task has often ended before the
    usual 5. For how long it waited for a CPU is left out; where nobody can tell, it may
    say on a busy machine that the lock is held when it is not.

    Args:
        queue_of: Says for how long a thread has waited for a CPU, see `run_queue`.
    """
    thread = threading.get_native_id()
    queued = queue_of(thread) or 0.0
    with short_turns(PROBE_TURN):
        held = getswitchinterval() / 2
        began = perf_counter()
        sleep(NAP)
        late = perf_counter() - began - NAP
    if late > held:
        late -= (queue_of(thread) or 0.0) - queued
    return late > held

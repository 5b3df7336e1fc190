"""What the contenders run. Workers import this module, so it imports little."""

import time


def echo(value):
    """Do nothing: what it costs is the cost of having it done."""
    return value


def burn(seconds):
    """Use so much CPU time; return how much it really was.

    The clock is the thread's own, so the work is the same when the machine is busy
    with something else: then it only takes longer.
    """
    clock = time.thread_time
    begin = now = clock()
    while now - begin < seconds:
        for _ in range(50):
            pass
        now = clock()
    return now - begin


def burn_timed(seconds):
    """As `burn`; return also how long it took, by the clock on the wall."""
    began = time.perf_counter()
    used = burn(seconds)
    return used, time.perf_counter() - began


def sleep(seconds):
    """Take so long without needing a CPU: other programs disturb it little."""
    time.sleep(seconds)
    return seconds

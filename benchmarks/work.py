"""What the contenders run. Workers import this module, so it imports little."""

import os
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


def add_up(data):
    """Read all of *data*, a list or an array."""
    return float(data.sum()) if hasattr(data, "sum") else sum(data)


def add_up_and_look(data, seconds):
    """The sum, the process, and its unique memory while *data* is there.

    Waits before and after: pages that another process maps as well count as unique
    while that one has not read them yet or has let go of them already.
    """
    from benchmarks.machine import unique_memory

    total = add_up(data)
    time.sleep(seconds)
    unique = unique_memory()
    time.sleep(seconds)
    return total, os.getpid(), unique


def write_to(data):
    """Change *data*; whether that was possible, and what was there before."""
    before = float(data[0])
    try:
        data[0] = -1.0
    except ValueError:
        return False, before
    return float(data[0]) == -1.0, before


def filled(value, length):
    """A new array."""
    import numpy

    return numpy.full(length, float(value))


def sum_of_columns(frame):
    """Read all numbers of *frame*, and a text of each column of texts."""
    total = 0.0
    for kind in ("f", "O"):
        for name in frame.columns:
            column = frame[name]
            if kind == "f" and column.dtype.kind == "f":
                total += float(column.sum())
            elif kind == "O" and column.dtype.kind == "O":
                total += len(column.iloc[-1])
    return total


def add_up_held(held, number):
    """Read one number in a thousand of what *held* is or holds."""
    return thin(held["x"] if isinstance(held, dict) else held, number)


def thin(data, number):
    return float(data[number::1000].sum())


class Holder:
    """An object with a method and much data."""

    def __init__(self, data):
        self.data = data

    def add_up(self, number):
        return thin(self.data, number)


def describe_group(group):
    """Sort thirteen times and fit a polynomial, as code with pandas mostly does."""
    import numpy

    found = 0.0
    for number in range(13):
        ordered = group.sort_values("x" if number % 2 else "y")
        found += float(ordered["x"].iloc[number])
    fit = numpy.polyfit(group["x"].to_numpy(), group["y"].to_numpy(), 2)
    return found + float(fit[0])

"""Measures the tasks of a portion while they run, if somebody wants to know."""

from __future__ import annotations

import os
import sys
import threading
from array import array
from collections import deque
from collections.abc import Callable, Sequence, Sized
from itertools import islice
from time import perf_counter, thread_time
from typing import Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.tasks.times import Clues, Columns, Measure, Times


class Stopwatch:
    """Measures the tasks of one portion.

    Args:
        settled: Grows by one with each task that ends: the current task's position is
            its length.
        columns: Where to note the times.
        measure: What to measure.

    Attributes:
        call: Calls a function, which is the task itself, and notes when that was.
    """

    def __init__(self, settled: Sized, columns: Columns, measure: Measure) -> None:
        self.settled = settled
        self.began, self.ended, self.cpu = columns
        self.measure = measure
        has_cpu = measure >= Measure.CPU
        self.call = self.call_measuring_cpu if has_cpu else self.call_measuring_time

    def call_measuring_time(
        self,
        function: Callable[..., Any],
        /,
        *positional: Any,  # Any: arguments of any function
        **named: Any,  # Any: as above
    ) -> Any:  # Any: what it returns
        position = len(self.settled)
        self.began[position] = perf_counter()
        try:
            return function(*positional, **named)
        finally:
            self.ended[position] = perf_counter()

    def call_measuring_cpu(
        self,
        function: Callable[..., Any],
        /,
        *positional: Any,  # Any: as above
        **named: Any,  # Any: as above
    ) -> Any:  # Any: as above
        position = len(self.settled)
        self.began[position] = perf_counter()
        cpu_began = thread_time()
        try:
            return function(*positional, **named)
        finally:
            self.ended[position] = perf_counter()
            self.cpu[position] = thread_time() - cpu_began

    def times(self) -> Times:
        """Those of the tasks that have settled."""
        columns = [self.began, self.ended]
        if self.measure >= Measure.CPU:
            columns.append(self.cpu)
        count = len(self.settled)
        return Times(*(array("d", column[:count].tobytes()) for column in columns))


# What Linux knows of the thread that asks: among others, for how long it was ready to
# run and did not.
QUEUE_FILE = "/proc/thread-self/schedstat"
NANOSECOND = 1e-9
# To ask takes 8 us (measured). What was asked so lately (s) still holds: who has had to
# wait for a CPU since then has waited for less than that.
FRESH = 0.001


class Own(threading.local):
    """What is known of this thread.

    Attributes:
        ready_at: When it was ready for its first portion, by perf_counter, if that took
            an initializer; and how many seconds that took.
    """

    ready_at = 0.0
    set_up_seconds = 0.0
    asked_at = -1.0
    seconds: float | None = None

    def queued(self, fresh: float = 0.0) -> float | None:
        """For how long it has waited for a CPU in all, in s; None where nobody says.

        As it was *fresh* seconds ago will do.
        """
        at = perf_counter()
        if at - self.asked_at > fresh or self.asked_at < 0:
            self.asked_at, self.seconds = at, queued_so_far()
        return self.seconds


own = Own()


def queued_so_far() -> float | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return int(read_queue().split()[1]) * NANOSECOND
    except (OSError, IndexError, ValueError) as raised:
        if is_of_a_signal(raised):
            raise
        return None  # a kernel without it, or no descriptor is left


class Glance:
    """A file that is open for as long as somebody has this, whatever strikes him.

    Its number goes into a list in one step, and out of it into *closer* likewise.

    Args:
        opener: Opens it, with *arguments*; written in C.
        closer: Closes it; likewise.
    """

    __slots__ = ("closer", "held")

    def __init__(
        self,
        opener: Callable[..., int],
        closer: Callable[[int], object],
        *arguments: object,
    ) -> None:
        self.closer = closer
        self.held: list[int] = []
        self.held.extend(map(opener, *((each,) for each in arguments)))

    def __del__(self) -> None:
        if hasattr(self, "held"):
            deque(map(self.closer, map(self.held.pop, (0,) * len(self.held))), maxlen=0)


def read_by_itself() -> bytes:
    file = Glance(os.open, os.close, QUEUE_FILE, os.O_RDONLY | os.O_CLOEXEC)
    return os.read(file.held[0], 128)


read_queue: Callable[[], bytes] = read_by_itself


def read_beside_threads() -> None:
    """From now on do not let go of the interpreter's lock to ask.

    Each call of `os` does. Among threads that compute it takes 5 ms and more to get it
    back, several times for each portion: with that a run of such threads took twice as
    long (measured).
    """
    global read_queue
    try:
        import ctypes
    except ImportError:
        return
    library = ctypes.PyDLL(None)
    path, flags = QUEUE_FILE.encode(), os.O_RDONLY | os.O_CLOEXEC

    def read() -> bytes:
        file = Glance(library.open, library.close, path, flags)
        buffer = ctypes.create_string_buffer(128)
        count = library.read(file.held[0], buffer, 128)  # -1 if that is -1
        return buffer.raw[: max(0, count)]

    read_queue = read


NAMED = 5  # packages
# What a worker imports for itself when it gets its first portion.
OURS = frozenset(("cotality", "hashlib", "_hashlib", "_blake2"))


class Detective:
    """Looks at its thread before a portion and after it."""

    def __init__(self) -> None:
        self.modules = len(sys.modules)
        self.queued = own.queued(FRESH)
        self.began = perf_counter()

    def forget_imports(self) -> None:
        """What was imported so far does not count."""
        self.modules = len(sys.modules)

    def clues(self, *, in_thread: bool, loading: float = 0.0) -> Clues:
        queued: float | None = None
        if self.queued is not None:
            queued = 0.0
            # In less than that nobody waits for long.
            if perf_counter() - self.began > FRESH:
                queued = max(0.0, (own.queued() or self.queued) - self.queued)
        imported = max(0, len(sys.modules) - self.modules)
        return Clues(
            queued,
            in_thread,
            loading,
            imported,
            self.packages() if imported else (),
            own.ready_at if in_thread else this_process.ready_at,
            own.set_up_seconds if in_thread else this_process.set_up_seconds,
            own.ready_at - own.set_up_seconds if in_thread else this_process.born_at,
        )

    def packages(self) -> tuple[str, ...]:
        """The packages of what was imported, those first that somebody asked for."""
        try:
            names = list(islice(sys.modules, self.modules, None))
        except RuntimeError:  # another thread imports something
            return ()
        return packages_of(names)


def packages_of(names: Sequence[str]) -> tuple[str, ...]:
    """The packages of modules with these *names*, as far as they tell somebody what.

    Args:
        names: In the order in which they were there. A module is listed after all that
            it needs, so the last one is what a program has asked for.
    """
    counts: dict[str, int] = {}
    for name in reversed(names):
        package = name.partition(".")[0]
        if package not in OURS:
            counts[package] = counts.get(package, 0) + 1
    # Parts of the standard library tell nobody anything.
    public = [each for each in counts if not each.startswith("_")]
    told = public or list(counts)
    return tuple(told[:1] + sorted(told[1:], key=lambda each: -counts[each]))[:NAMED]

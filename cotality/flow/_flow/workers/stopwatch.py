"""How long a handler call takes, and how much of that is its own doing.

On a busy machine a handler that computes for a millisecond may take five, because other
programs have the CPU in between. To hand out less at a time would make that worse: its
worker would have nothing to do whenever router and client wait for a CPU themselves. So
of a call that has never waited for anything only the CPU time counts.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# Of calls that take longer on average (s) it is asked; that takes some microseconds.
LONG = 0.0003
RECENT = 0.2  # what one call counts in the averages

PER_THREAD: int | None = getattr(resource, "RUSAGE_THREAD", None)  # Linux, FreeBSD


class Stopwatch:
    """Of the calls of one handler, one after the other.

    Attributes:
        began: When the last one began.
        seconds: How long it took.
        work: How much of that was its own: computing, or waiting for something.
        each: How much work an item is, on average of late (s).
    """

    def __init__(self) -> None:
        self.began = self.seconds = self.work = self.each = 0.0
        self.usage: Any = None  # Any: as the standard library has it

    def start(self) -> float:
        self.usage = usage() if self.each > LONG else None
        self.began = began = perf_counter()
        return began

    def stop(self, count: int) -> float:
        """The call is over, with *count* items; what time it is."""
        now = perf_counter()
        self.seconds = self.work = now - self.began
        if self.usage is not None:
            before, after = self.usage, usage()
            if before.ru_nvcsw == after.ru_nvcsw:  # it has never waited
                computed = after.ru_utime - before.ru_utime
                computed += after.ru_stime - before.ru_stime
                self.work = min(self.work, computed)
        each = self.work / count
        self.each += (each - self.each) * RECENT if self.each else each
        return now


def usage() -> Any:  # Any: as above
    return None if PER_THREAD is None else resource.getrusage(PER_THREAD)

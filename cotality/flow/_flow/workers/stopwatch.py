"""How long a handler call takes, and how much of that is its own doing.

On a busy machine a handler that computes for a millisecond may take five, because other
programs have the CPU in between. To hand out less at a time would make that worse: its
worker would have nothing to do whenever router and client wait for a CPU themselves. So
of a call that has never waited for anything only the CPU time counts.
"""

from __future__ import annotations

import math
import sys
from time import perf_counter
from typing import Any

if sys.platform == "win32":

    def usage() -> Any:  # Any: as the standard library has it
        return None

else:
    import resource

    # Of the process where that of a thread is not told: then it has mostly waited.
    WHOSE = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)

    def usage() -> Any:  # Any: as above
        return resource.getrusage(WHOSE)


# Of calls that take longer on average (s) it is asked; that takes some microseconds.
LONG = 0.0003
RECENT = 0.2  # what one call counts in the averages


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
        self.usage: Any = None  # Any: as above

    def start(self) -> float:
        self.began = began = perf_counter()
        return began

    def stop(self, count: int) -> None:
        """The call is over, with *count* items."""
        self.seconds = self.work = perf_counter() - self.began
        # Since the end of the last call: between the two next to nothing was done, or
        # the worker has waited, and then it is not known whether this call did.
        before, self.usage = self.usage, usage() if self.each > LONG else None
        if before is not None and self.usage is not None:
            self.work = min(self.work, work_between(before, self.usage))
        each = self.work / count
        self.each += (each - self.each) * RECENT if self.each else each


def work_between(before: Any, after: Any) -> float:  # Any: as above
    """The CPU time of a thread; infinite if it has waited for anything."""
    if before.ru_nvcsw != after.ru_nvcsw:
        return math.inf
    user: float = after.ru_utime - before.ru_utime
    system: float = after.ru_stime - before.ru_stime
    return user + system

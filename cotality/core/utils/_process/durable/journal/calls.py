"""The calls that the journal shows beside keys, of tasks that have no label."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush, heappushpop, nlargest
from operator import sub
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cotality.core.utils._process.tasks.task import Task, describe

if TYPE_CHECKING:
    from cotality.core.utils._process.tasks.outcome import Details

# To describe a task asks its arguments for their repr, which may take long. So no more
# than this part of the run's time is spent on tasks that are handed out.
SHARE = 0.01
GRANT = 0.005  # s that may be spent at any rate
SLOWEST = 5  # tasks that a summary lists


class Calls:
    """Describes tasks: without a label, a key says nothing to people.

    It describes what is handed out alone, as long tasks are, and what is among the
    slowest so far, of which there are few however many tasks there are.
    """

    def __init__(self) -> None:
        self.began = perf_counter()
        self.spent = 0.0  # s
        self.slowest: list[float] = []  # s, a heap

    def of_started(
        self, tasks: Sequence[Task[Any]]
    ) -> str:  # Any: tasks of every result type
        """The call of the one task in *tasks*; empty if it goes without."""
        if len(tasks) != 1 or tasks[0].label is not None:
            return ""
        now = perf_counter()
        if self.spent > GRANT + SHARE * (now - self.began):
            return ""
        call = describe(tasks[0])
        self.spent += perf_counter() - now
        return call

    def of_slowest(self, details: Details) -> dict[int, str]:
        """The calls of those that are among the slowest so far, by their positions."""
        times, slowest = details.times, self.slowest
        seconds = list(map(sub, times.ended, times.began))
        if len(slowest) == SLOWEST and max(seconds, default=0.0) <= slowest[0]:
            return {}
        found: dict[int, str] = {}
        for position in nlargest(SLOWEST, range(len(seconds)), seconds.__getitem__):
            if len(slowest) < SLOWEST:
                heappush(slowest, seconds[position])
            elif heappushpop(slowest, seconds[position]) == seconds[position]:
                break  # it is none of them, and those after it are shorter
            task = details.tasks[position]
            if task.label is None:
                found[position] = describe(task)
        return found

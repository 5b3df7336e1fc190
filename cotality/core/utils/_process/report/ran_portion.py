"""The tasks of a portion that a worker ran, with their times."""

from __future__ import annotations

from collections.abc import Sequence
from operator import sub
from typing import TYPE_CHECKING, Any

from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.task import Task
from cotality.core.utils._process.tasks.times import Times, Timing

if TYPE_CHECKING:
    from array import array

    from cotality.core.utils._process.portions.chunk import ChunkReport
    from cotality.core.utils._process.tasks.times import Clues

# Workers on another machine have another clock: beyond this (s) it cannot be ours.
CLOCK_TOLERANCE = 1e-3


class Ran:
    """The tasks of a portion that a worker ran, in the order in which it did.

    Attributes:
        times: When each ran, by the clock of whoever ran it.
        positions: Where each stands in the portion.
        deaths: The positions of those that ended with their worker.
        failed: The positions of all that failed, in order.
    """

    start: int
    tasks: Sequence[Task[Any]]
    attempt: int
    worker: str
    clues: Clues | None
    positions: Sequence[int]
    times: Times
    starts: array[float]
    seconds: list[float]
    overhead: float
    offset: float
    wasted: float

    def __init__(
        self,
        portion: Portion,
        report: ChunkReport,
        deaths: set[int],
        began_at: float,
        now: float,
    ) -> None:
        self.start, self.tasks = portion.start, portion.tasks
        self.attempt = portion.attempt
        self.worker = report.worker or "a worker"
        self.clues = report.clues
        self.errors: dict[int, Exception] = report.errors
        self.positions, self.times = timed(portion, report, deaths, now)
        self.deaths = deaths
        self.failed: list[int] = []
        if not self.times:
            return
        # All of them at once: a loop over tasks would cost ten times as much.
        self.starts = self.times.began
        self.seconds = list(map(sub, self.times.ended, self.starts))
        self.busy, self.cpu = sum(self.seconds), sum(self.times.cpu)
        loading = 0.0 if report.clues is None else report.clues.loading
        self.overhead = max(0.0, loading, report.seconds - self.busy)
        self.offset = -began_at + clock_difference(portion, self.times, now)
        self.wasted = 0.0
        if self.errors:
            at_fault = [a for a, p in enumerate(self.positions) if p in self.errors]
            self.failed = [self.positions[at] for at in at_fault]
            self.wasted = sum(self.seconds[at] for at in at_fault)

    @property
    def length(self) -> float:
        """Seconds from the start of the first one to the end of the last one."""
        return self.end_of(len(self.times) - 1) - self.start_of(0)

    def start_of(self, at: int) -> float:
        """When one began, in seconds since the run did."""
        return self.starts[at] + self.offset

    def end_of(self, at: int) -> float:
        return self.times.ended[at] + self.offset

    def index_of(self, at: int) -> int:
        return self.start + self.positions[at]

    def task_of(self, at: int) -> Task[Any]:  # Any: a task of any result type
        return self.tasks[self.positions[at]]

    def failures_in(self, first: int, end: int) -> list[int]:
        """The positions of those from *first* up to *end* that failed."""
        if not self.failed:
            return []
        inside = self.positions[first:end]
        return [position for position in inside if position in self.errors]


def timed(
    portion: Portion, report: ChunkReport, deaths: set[int], now: float
) -> tuple[Sequence[int], Times]:
    """What ran, where it stands in the portion and when it ran.

    A task that could not be sent never ran. One that ended with its worker did, and
    when it is not known otherwise, from the end of the task before it until now.
    """
    times, count = report.times, len(report.values)
    if not deaths and len(times) == count and times.is_complete:
        return range(count), times
    positions: list[int] = []
    known: list[Timing] = []
    free_at = portion.handed_out or now
    for position in range(count):
        time = times.get(position)
        if time is None and position in deaths:
            time = Timing(free_at, max(0.0, now - free_at))
        if time is not None:
            positions.append(position)
            known.append(time)
            free_at = time.started + time.seconds
    return positions, Times.of(known)


def clock_difference(portion: Portion, times: Times, now: float) -> float:
    """What to add to *times* to have them by our clock: mostly nothing."""
    last = times.ended[-1]
    began_too_early = times.began[0] < portion.handed_out - CLOCK_TOLERANCE
    if began_too_early or last > now + CLOCK_TOLERANCE:
        return now - last
    return 0.0

"""Adds up where the time of the workers went: seconds of workers for each cause.

A worker without a task waits for whatever the driving thread does or waits for. Time
whose cause is not known is in no sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotality._kit.records import dataclass, field
from cotality.core.utils._process.engine.observers import Doing
from cotality.core.utils._process.report.diary import BUSY, CAPACITY, OVERHEAD, STARTING

if TYPE_CHECKING:
    from cotality.core.utils._process.report.figures import RunFigures
    from cotality.core.utils._process.report.worker_rows import SlowTask

# In a piece of time with at most this many busy workers, one worker was alone.
ONE = 1.1
# A long task has to be alone for at least this share of its time, because other tasks
# do not end exactly where a piece does.
ALONE = 0.1
# And it has to take this many times as long as others; otherwise it is just the last.
LONGER = 1.5


@dataclass(slots=True)
class Costs:
    """Seconds of workers.

    Attributes:
        capacity: What they had in all: those that there were, for as long as that.
        busy: In tasks.
        overhead: In portions, and not in tasks.
        starting: Until worker processes were there.
        idle: Without a task, by what the driving thread did meanwhile, see `Doing`.
    """

    capacity: float = 0.0
    busy: float = 0.0
    overhead: float = 0.0
    starting: float = 0.0
    idle: dict[int, float] = field(default_factory=dict[int, float])

    def idle_in(self, *doings: int) -> float:
        return sum(self.idle.get(each, 0.0) for each in doings)

    @property
    def idle_in_all(self) -> float:
        return sum(self.idle.values())


def costs_of(report: RunFigures) -> Costs:
    diary = report.diary
    if not diary.is_over:
        diary.catch_up()
    costs = Costs()
    doings = range(Doing.BRAKED + len(report.seen.brakes) + 1)
    pieces = diary.pieces.each(CAPACITY, BUSY, OVERHEAD, STARTING, *doings)
    all_ready = max(report.seen.ready, default=0.0) - diary.began_at
    for place, (capacity, busy, overhead, starting, *doing) in enumerate(pieces):
        # Where fewer may run from now on, those that run go on for a while.
        left = max(capacity, busy)
        costs.capacity += left
        costs.busy += busy
        left -= busy
        took = min(overhead, max(0.0, left))
        costs.overhead += took
        left -= took
        took = min(starting, max(0.0, left))
        costs.starting += took
        left -= took
        whole = sum(doing)
        if left <= 0.0 or whole <= 0.0:
            continue
        is_starting = place * diary.pieces.width < all_ready
        for each, seconds in zip(doings, doing, strict=True):
            share = left * seconds / whole
            if each == Doing.WORKERS_FULL and is_starting:
                costs.starting += share  # some of them were not there yet
            elif seconds:
                costs.idle[each] = costs.idle.get(each, 0.0) + share
    return costs


@dataclass(slots=True)
class Alone:
    """How long a task ran while no other one did, and what that has cost.

    Attributes:
        seconds: For how long it was alone.
        lost: The seconds of other workers meanwhile.
        in_window: The part of *lost* in which the caller had to take results first.
    """

    task: SlowTask
    seconds: float = 0.0
    lost: float = 0.0
    in_window: float = 0.0


def longest_alone(report: RunFigures) -> Alone | None:
    """The task that ran alone for longest, there being nothing to run beside it."""
    found = [alone_in(report, task) for task in report.slowest]
    usual = usual_seconds(report)
    found = [
        each
        for each in found
        if each.seconds > ALONE * each.task.seconds
        and each.task.seconds > LONGER * usual
    ]
    return max(found, key=lambda each: each.lost, default=None)


def usual_seconds(report: RunFigures) -> float:
    """How long a task takes on average, the longest left out."""
    longest = report.slowest[0].seconds if report.slowest else 0.0
    return (report.task_seconds - longest) / max(1, report.runs - 1)


def alone_in(report: RunFigures, task: SlowTask) -> Alone:
    alone, width = Alone(task), report.diary.pieces.width
    begin, end = task.began, task.began + task.seconds
    doings = range(Doing.BRAKED + len(report.seen.brakes) + 1)
    pieces = report.diary.pieces.each(CAPACITY, BUSY, OVERHEAD, *doings)
    for place, (capacity, busy, overhead, *doing) in enumerate(pieces):
        inside = min(end, (place + 1) * width) - max(begin, place * width)
        whole = sum(doing)
        if inside <= 0.0 or whole <= 0.0 or busy + overhead > ONE * width:
            continue
        part = inside / width
        nothing = doing[Doing.ALL_OUT] / whole
        window = doing[Doing.WINDOW_FULL] / whole
        lost = max(0.0, capacity - busy - overhead) * part
        alone.seconds += inside * (nothing + window)
        alone.lost += lost * (nothing + window)
        alone.in_window += lost * window
    return alone

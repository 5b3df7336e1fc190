"""A run of the engine with made-up durations: no thread, no clock, always the same.

One parent hands out portions and takes them back, as `run.Run` does; each of these
costs it some time. Workers take portions from a common queue, stop at the time box, and
hand back what they have not started. Times are in seconds.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from cotality.core.utils._process.rules.portion_size import Rules, Schedule


@dataclass
class Report:
    """What happened in a simulated run."""

    makespan: float = 0.0
    ended: float = 0.0  # when the parent had taken back the last portion
    busy: float = 0.0  # seconds in which the parent had something to do
    runs: list[int] = field(default_factory=list)  # how often each task was run
    portions: list[int] = field(default_factory=list)  # sizes, as they were handed out
    firsts: list[int] = field(default_factory=list)  # their first indices
    furthest: int = 0  # tasks that were out or not taken, at most
    widest: int = 0  # the widest window there was
    most_out: int = 0  # portions that were out, at most
    taken: list[int] = field(default_factory=list)  # indices, as the caller got them


class Source:
    """The tasks: those nobody had yet, and those that were handed back."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.next = 0
        self.returned: list[tuple[int, int]] = []  # first index, length

    def take(self, size: int) -> tuple[int, int] | None:
        if self.returned:
            first, length = heapq.heappop(self.returned)
            self.give_back(first + size, length - size)
            return first, min(size, length)
        first = self.next
        self.next = min(self.count, first + size)
        return (first, self.next - first) if self.next > first else None

    def give_back(self, first: int, length: int) -> None:
        if length > 0:
            heapq.heappush(self.returned, (first, length))


class Simulation:
    """One call, simulated.

    Args:
        durations: How long each task takes.
        workers: How many workers there are.
        is_total_known: Whether the rules are told how many tasks there are.
        bounded: As for `Schedule`: whether a caller takes results one by one. This
            caller takes them at once.
        ordered: Whether it takes them in the order of the tasks.
        portion_cost: What it costs the parent to hand out a portion and to take it
            back, together.
        rules: Others than the usual ones.
    """

    def __init__(
        self,
        durations: Sequence[float],
        workers: int,
        *,
        is_total_known: bool = True,
        bounded: bool = False,
        ordered: bool = True,
        portion_cost: float = 0.0,
        rules: Rules | None = None,
    ) -> None:
        self.durations = durations
        total = len(durations) if is_total_known else None
        self.schedule = Schedule(workers, total=total, bounded=bounded, rules=rules)
        self.ordered = ordered
        self.step_cost = portion_cost / 2
        self.source = Source(len(durations))
        self.idle = workers
        self.queue: deque[tuple[int, int, float]] = deque()  # the last: its time box
        self.done: deque[tuple[int, int, int, float]] = deque()
        # What happens next: when, in which order of making, what, and to what.
        self.events: list[tuple[float, int, str, tuple[int, int, int, float]]] = []
        self.made = 0
        self.now = 0.0
        self.is_handing_out = True
        self.settled: dict[int, int] = {}  # not taken: first index, length
        self.next_taken = 0
        self.report = Report(runs=[0] * len(durations))

    def run(self) -> Report:
        self.parent_goes_on()
        while self.events:
            self.now, _, what, about = heapq.heappop(self.events)
            if what == "submitted":
                first, length, _, time_box = about
                self.queue.append((first, length, time_box))
                self.workers_go_on()
            elif what == "ran":
                self.report.makespan = self.now
                self.done.append(about)
                self.idle += 1
                self.workers_go_on()
            else:
                self.is_parent_busy = False
            if not self.is_parent_busy:
                self.parent_goes_on()
        self.report.ended = self.now
        return self.report

    def happens(
        self,
        after: float,
        what: str,
        about: tuple[int, int, int, float] = (0, 0, 0, 0.0),
    ) -> None:
        self.made += 1
        heapq.heappush(self.events, (self.now + after, self.made, what, about))

    # The parent: one step at a time, and each keeps it busy.

    is_parent_busy = False

    def parent_goes_on(self) -> None:
        if self.is_handing_out and self.hand_out():
            self.is_handing_out = not self.done
        elif self.done:
            self.take_back(*self.done.popleft())
            self.is_handing_out = True
        else:
            self.is_handing_out = False
            return
        self.is_parent_busy = True
        self.report.busy += self.step_cost
        self.happens(self.step_cost, "parent is free")

    def hand_out(self) -> bool:
        has_returned = bool(self.source.returned)
        size = self.schedule.next_portion(from_returned=has_returned)
        taken = self.source.take(size) if size else None
        if taken is None:
            return False
        first, length = taken
        if self.source.next == self.source.count:
            self.schedule.input_ended(self.source.count)
        time_box = self.schedule.time_box(length)
        self.schedule.handed_out(length)
        self.happens(self.step_cost, "submitted", (first, length, 0, time_box))
        report, schedule = self.report, self.schedule
        report.portions.append(length)
        report.firsts.append(first)
        report.furthest = max(report.furthest, schedule.ahead)
        report.widest = max(report.widest, schedule.window)
        report.most_out = max(report.most_out, schedule.portions_out)
        return True

    def take_back(self, first: int, length: int, count: int, seconds: float) -> None:
        self.schedule.came_back(count, length - count, seconds)
        self.source.give_back(first + count, length - count)
        self.settled[first] = count
        if not self.ordered:
            self.deliver(first)
        while self.ordered and self.next_taken in self.settled:
            self.deliver(self.next_taken)

    def deliver(self, first: int) -> None:
        count = self.settled.pop(first)
        self.schedule.taken(count)
        self.report.taken.extend(range(first, first + count))
        self.next_taken = first + count

    # The workers.

    def workers_go_on(self) -> None:
        while self.idle and self.queue:
            self.idle -= 1
            first, length, time_box = self.queue.popleft()
            seconds, count = self.work(first, length, time_box)
            self.happens(seconds, "ran", (first, length, count, seconds))

    def work(self, first: int, length: int, time_box: float) -> tuple[float, int]:
        """How long a portion takes, and how many of its tasks are run."""
        seconds, runs = 0.0, self.report.runs
        durations = self.durations[first : first + length]
        for index, duration in enumerate(durations, first):
            if seconds > time_box:
                return seconds, index - first
            runs[index] += 1
            seconds += duration
        return seconds, length


def greedy(durations: Sequence[float], workers: int) -> float:
    """When all is done if whoever is free takes the next task, at no cost."""
    free = [0.0] * workers
    for duration in durations:
        heapq.heappush(free, heapq.heappop(free) + duration)
    return max(free)

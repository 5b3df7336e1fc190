"""Writes a report down while the call it is about goes on.

Sums are exact. Of a portion of tiny tasks only sums are made and a few spans: what is
done for each task by itself is done by functions of C (`sum`, `max`, `zip`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from operator import sub
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cotality.core.utils._process.cpus import available_cpus
from cotality.core.utils._process.failures import TaskTimeoutError, WorkerCrashedError
from cotality.core.utils._process.observers import Observer, Start
from cotality.core.utils._process.outcome import Portion, Settled
from cotality.core.utils._process.task import Task
from cotality.core.utils._process.times import EPOCH, Measure, Times, Timing

from .rows import Rows, SlowTask, WorkerRow
from .timeline import Span
from .words import FOR_SLOWEST, Words

if TYPE_CHECKING:
    from cotality.core.utils._process.auto.decision import Decision
    from cotality.core.utils._process.chunk import ChunkReport

    from .run_report import RunReport

# Workers on another machine have another clock: beyond this (s) it cannot be ours.
CLOCK_TOLERANCE = 1e-3
SURVIVED_BY_ALL = {"threads", "inline"}  # nothing there dies of a task


class Recorder(Observer):
    """Fills *report* with what it is told of one call."""

    measure = Measure.CPU

    def __init__(self, report: RunReport) -> None:
        self.report = report
        self.began_at = perf_counter()
        self.words = Words(self.began_at, arguments=report.arguments)
        self.rows = Rows(0)

    def began(self, start: Start) -> None:
        report = self.report
        report.state = "running"
        report.kind, report.workers, report.total = (
            start.kind,
            start.workers,
            start.total,
        )
        report.cpus = available_cpus()
        report.machine = os.cpu_count() or 1
        report.started_at = start.at + EPOCH
        self.began_at = start.at
        self.words = Words(start.at, arguments=report.arguments)
        self.rows = Rows(start.workers)
        report.rows = self.rows.each

    def decided(self, decision: Decision) -> None:
        self.report.decisions.append(decision)
        self.report.workers = max(self.report.workers, decision.workers)

    def input_ended(self, total: int) -> None:
        self.report.total = total

    def read(self, tasks: int, seconds: float) -> None:
        self.report.input_seconds += seconds

    def resumed(self, seconds: float) -> None:
        self.report.consumer_seconds += seconds

    def handed_out(self, portion: Portion) -> None:
        report, size = self.report, len(portion.tasks)
        smallest = report.smallest_portion
        report.smallest_portion = min(smallest, size) if report.portions else size
        report.largest_portion = max(report.largest_portion, size)
        report.portions += 1
        report.portion_tasks += size
        report.sent_bytes += portion.sent_bytes

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        now = perf_counter()
        self.report.wall_seconds = now - self.began_at
        self.report.received_bytes += report.received_bytes
        ran = Ran(portion, report, self.deaths_in(report), self.began_at, now)
        if ran.times:
            self.enter(ran)

    def deaths_in(self, report: ChunkReport) -> set[int]:
        """The positions of tasks that ended with their worker."""
        if not report.errors or self.report.kind in SURVIVED_BY_ALL:
            return set()
        fatal = (WorkerCrashedError, TaskTimeoutError)
        return {p for p, error in report.errors.items() if isinstance(error, fatal)}

    def enter(self, ran: Ran) -> None:
        """Add what ran to the sums, to its worker's row and to the timeline."""
        place = self.rows.place_of(ran.worker, ran.start_of(0))
        report, row = self.report, self.rows.each[place]
        if place == len(report.timeline.rows):
            report.timeline.add_row()
        add_to_row(row, ran)
        if not report.runs or ran.start_of(0) < report.startup_seconds:
            report.startup_seconds = max(0.0, ran.start_of(0))
        report.runs += len(ran.times)
        report.task_seconds += ran.busy
        report.cpu_seconds += ran.cpu
        report.overhead_seconds += ran.overhead
        report.wasted_seconds += ran.wasted
        report.deaths += len(ran.deaths)
        self.enter_slowest(ran)
        for span in self.spans_of(ran, report.timeline.resolution):
            report.timeline.add(place, span)

    def enter_slowest(self, ran: Ran) -> None:
        slowest = self.report.slowest_so_far
        least = slowest.threshold
        if max(ran.seconds) <= least:
            return
        for at, seconds in enumerate(ran.seconds):
            if seconds > least:
                slowest.add(
                    SlowTask(
                        ran.index_of(at),
                        self.words.call_of(ran.task_of(at), FOR_SLOWEST),
                        seconds,
                        ran.worker,
                        ran.attempt,
                        self.error_of(ran, at),
                        ran.start_of(at),
                    )
                )
                least = slowest.threshold

    def spans_of(self, ran: Ran, resolution: float) -> Iterator[Span]:
        """A span for each task, or for as many as are too short to tell apart."""
        count = len(ran.times)
        together = 1
        if resolution:
            together = max(1, int(resolution * count / max(ran.length, 1e-9)))
        for first in range(0, count, together):
            yield self.span(ran, first, min(first + together, count))

    def span(self, ran: Ran, first: int, end: int) -> Span:
        count = end - first
        task = ran.task_of(first)
        failures = ran.failures_in(first, end)
        return Span(
            ran.start_of(first),
            ran.end_of(end - 1),
            ran.index_of(first),
            count,
            ran.seconds[first] if count == 1 else sum(ran.seconds[first:end]),
            self.words.call_of(task) if count == 1 else self.words.name_of(task),
            ran.worker,
            ran.attempt,
            len(failures),
            len(ran.deaths.intersection(failures)),
            self.words.error_of(ran.errors[failures[0]]) if failures else "",
        )

    def error_of(self, ran: Ran, at: int) -> str:
        error = ran.errors.get(ran.positions[at])
        return "" if error is None else self.words.error_of(error)

    def will_retry(
        self, index: int, task: Task[Any], attempt: int, error: Exception, delay: float
    ) -> None:  # Any: a task of any result type
        report = self.report
        report.retries += 1
        report.retry_wait_seconds = max(report.retry_wait_seconds, delay)

    def settled(self, settled: Settled) -> None:
        report = self.report
        report.done += len(settled.values) - len(settled.errors)
        report.failed += len(settled.errors)
        for error in settled.errors.values():
            name = type(error).__name__
            report.failures[name] = report.failures.get(name, 0) + 1

    def recalled(self, settled: Settled) -> None:
        self.settled(settled)
        self.report.recalled += len(settled.values)

    def ended(self, error: BaseException | None) -> None:
        report = self.report
        if report.state == "running":
            report.wall_seconds = perf_counter() - self.began_at
        report.state = "ended"
        if isinstance(error, GeneratorExit):
            report.error = "the caller took no more results"
        elif error is not None:
            report.error = self.words.error_of(error)
        self.words.forget()
        self.put_rows_in_order()

    def put_rows_in_order(self) -> None:
        """Order rows by name: they came in the order in which work came back."""
        report = self.report
        names = [name_to_sort_by(row.name) for row in report.rows]
        order = sorted(range(len(names)), key=names.__getitem__)
        report.rows = [report.rows[place] for place in order]
        report.timeline.rows = [report.timeline.rows[place] for place in order]


def name_to_sort_by(name: str) -> list[tuple[int, str]]:
    """A key that puts ``"process 9"`` before ``"process 10"``."""
    parts = re.split(r"([0-9]+)", name)
    # What the expression has found stands at every second place.
    return [(int(p) if i % 2 else 0, p) for i, p in enumerate(parts)]


def add_to_row(row: WorkerRow, ran: Ran) -> None:
    row.tasks += len(ran.times)
    row.failed += len(ran.failed)
    row.deaths += len(ran.deaths)
    row.busy_seconds += ran.busy
    row.cpu_seconds += ran.cpu
    row.overhead_seconds += ran.overhead
    row.ended = max(row.ended, ran.end_of(len(ran.times) - 1))
    row.is_dead = bool(ran.deaths)


class Ran:
    """The tasks of a portion that a worker ran, in the order in which it did.

    Attributes:
        times: When each ran, by the clock of whoever ran it.
        positions: Where each stands in the portion.
        deaths: The positions of those that ended with their worker.
        failed: The positions of all that failed, in order.
    """

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
        self.overhead = max(0.0, report.seconds - self.busy)
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

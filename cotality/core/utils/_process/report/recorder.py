"""The observer that fills a report while its call runs.

Sums are exact. A portion of tiny tasks gets only sums and a few spans: whatever is done
for each task is done by C functions (`sum`, `max`, `zip`).
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from time import perf_counter, process_time, thread_time
from typing import TYPE_CHECKING, Any

from cotality._kit.records import NamedTuple
from cotality.core.utils._process.engine.brakes import Brake, Refusal
from cotality.core.utils._process.engine.observers import Observer, Start
from cotality.core.utils._process.machine.cpus import available_cpus
from cotality.core.utils._process.portions.stopwatch import (
    FRESH,
    own,
    read_beside_threads,
)
from cotality.core.utils._process.tasks.errors import (
    TaskTimeoutError,
    WorkerCrashedError,
)
from cotality.core.utils._process.tasks.outcome import Portion, Settled
from cotality.core.utils._process.tasks.task import Task
from cotality.core.utils._process.tasks.times import EPOCH, Measure

from .diary import BUSY, OURS, OVERHEAD, STARTING
from .failure_groups import FailureGroups
from .ran_portion import Ran
from .seen import Seen
from .task_names import FOR_SLOWEST, Words
from .timeline import Span
from .worker_rows import Rows, SlowTask, WorkerRow

if TYPE_CHECKING:
    from cotality.core.utils._process.portions.chunk import ChunkReport
    from cotality.core.utils._process.rules.decision import Decision

    from .figures import RunFigures

SURVIVED_BY_ALL = {"threads", "inline"}  # nothing there dies of a task


class Latest(NamedTuple):
    """When a portion came back last, and what the driving thread had done by then.

    Attributes:
        at: By perf_counter.
        cpu: Its CPU time, in s.
        queued: For how long (s) it had wanted a CPU.
        away: For how long (s) it had been in code of others.
    """

    at: float
    cpu: float
    queued: float
    away: float


class Recorder(Observer):
    """Fills *report* with what it is told of one call."""

    measure = Measure.CPU
    name = OURS

    def __init__(self, report: RunFigures) -> None:
        self.report = report
        self.began_at = perf_counter()
        self.words = Words(self.began_at, arguments=report.arguments)
        self.rows = Rows(0)
        self.diary = self.run_diary = report.diary
        self.seen: Seen = report.seen
        self.brakes: Sequence[Brake] = ()
        self.groups = FailureGroups(report.failure_groups)
        self.latest = Latest(self.began_at, thread_time(), own.queued() or 0.0, 0.0)
        self.cpu_before = process_time()

    def began(self, start: Start) -> None:
        report = self.report
        report.state = "running"
        report.kind, report.workers, report.total = (
            start.kind,
            start.workers,
            start.total,
        )
        report.cpus = available_cpus()
        report.script, report.python = program(), python()
        report.has_lock = has_lock()
        report.machine = os.cpu_count() or 1
        report.started_at = start.at + EPOCH
        self.began_at = start.at
        self.words = Words(start.at, arguments=report.arguments)
        self.rows = Rows(start.workers)
        report.rows = self.rows.each
        if start.kind != "processes" and sys.platform.startswith("linux"):
            read_beside_threads()
        self.cpu_before = process_time()
        self.brakes = start.brakes
        self.run_diary.begin(start.at, start.workers)

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
        if not report.function:
            report.function = self.words.name_of(portion.tasks[0])
        smallest = report.smallest_portion
        report.smallest_portion = min(smallest, size) if report.portions else size
        report.largest_portion = max(report.largest_portion, size)
        report.portions += 1
        report.portion_tasks += size
        report.sent_bytes += portion.sent_bytes
        if portion.packing is not None:
            self.seen.packed(portion.packing)

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        now = perf_counter()
        self.report.wall_seconds = now - self.began_at
        self.report.received_bytes += report.received_bytes
        self.seen.unpacking += report.unpacking_seconds
        self.hear_of_refusals(report)
        ran = Ran(portion, report, self.deaths_in(report), self.began_at, now)
        if ran.times:
            self.enter(ran)
            self.look_into(portion, report, ran)

    def hear_of_refusals(self, report: ChunkReport) -> None:
        """Count the tasks that a brake let fail instead of letting them start."""
        if isinstance(report, Refusal):
            brake, count = report.brake, len(report.values)
            self.seen.refused[brake] = self.seen.refused.get(brake, 0) + count

    def look_at_lock(self, ended_at: float) -> None:
        """See whether this thread came to run when a thread had something for it.

        It has to get a CPU for that, and the interpreter's lock. What is left of the
        time without the first, and without what it did, is the second.
        """
        now = perf_counter()
        latest = self.latest
        self.latest = Latest(now, thread_time(), own.queued(FRESH) or 0.0, self.away)
        passed = now - max(ended_at, latest.at)
        done = self.latest.cpu - latest.cpu + self.away - latest.away
        self.seen.driver_queued += self.latest.queued - latest.queued
        self.seen.came_after(passed - done - (self.latest.queued - latest.queued))

    @property
    def away(self) -> float:
        return self.run_diary.away

    def look_into(self, portion: Portion, report: ChunkReport, ran: Ran) -> None:
        """Write down what the worker was busy with, and what else it has said."""
        began, ended = ran.start_of(0), ran.end_of(len(ran.times) - 1)
        pieces = self.run_diary.pieces
        pieces.add(BUSY, began, ended, ran.busy)
        if ran.overhead:
            pieces.add(OVERHEAD, began - ran.overhead, ended, ran.overhead)
        clues = report.clues
        if clues is None:
            self.seen.unknown += 1
            return
        if clues.in_thread:
            self.look_at_lock(ran.times.ended[-1])
        start = self.seen.learn(clues, ran, portion.handed_out)
        if start > 0.0:
            ready = clues.ready_at - self.began_at
            pieces.add(STARTING, ready - start, ready, start)

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
        report.timeline.have_rows(len(self.rows.each))
        add_to_row(row, ran)
        if ran.clues is not None:
            row.is_thread = ran.clues.in_thread
            row.queue_seconds += ran.clues.queued or 0.0
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
        for position, error in settled.errors.items():
            name = type(error).__name__
            report.failures[name] = report.failures.get(name, 0) + 1
            self.groups.add(settled, position, self.words)

    def recalled(self, settled: Settled) -> None:
        self.settled(settled)
        self.report.recalled += len(settled.values)

    def ended(self, error: BaseException | None) -> None:
        report = self.report
        if report.state == "running":
            report.wall_seconds = perf_counter() - self.began_at
        cpu_seconds = process_time() - self.cpu_before
        in_threads = sum(row.cpu_seconds for row in report.rows if row.is_thread)
        report.other_cpu_seconds = max(0.0, cpu_seconds - in_threads)
        self.run_diary.end()
        self.note_brakes()
        report.state = "ended"
        if isinstance(error, GeneratorExit):
            report.error = "the caller took no more results"
        elif error is not None:
            report.error = self.words.error_of(error)
        self.words.forget()
        self.put_rows_in_order()

    def note_brakes(self) -> None:
        """Have the brakes say what they did, before the caller changes them."""
        for place, brake in enumerate(self.brakes):
            self.seen.brakes[place] = brake.told(self.seen.refused.get(place, 0))

    def put_rows_in_order(self) -> None:
        """Order rows by name: they came in the order in which work came back."""
        report = self.report
        # An exception may have struck between a new row here and its row there.
        report.timeline.have_rows(len(report.rows))
        names = [name_to_sort_by(row.name) for row in report.rows]
        order = sorted(range(len(names)), key=names.__getitem__)
        report.rows = [report.rows[place] for place in order]
        report.timeline.rows = [report.timeline.rows[place] for place in order]


def program() -> str:
    """The file of the program that runs; empty if there is none."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return file if isinstance(file, str) else ""


def python() -> str:
    """``"CPython 3.11.7 on linux"``."""
    name = platform.python_implementation()
    lock = "" if has_lock() else " without the GIL"
    return f"{name} {platform.python_version()}{lock} on {sys.platform}"


def has_lock() -> bool:
    """Whether one thread at a time runs Python code."""
    asked = getattr(sys, "_is_gil_enabled", None)  # since 3.13
    return asked is None or bool(asked())


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

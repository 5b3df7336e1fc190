"""A machine with a clock of its own, on which "auto" decides: no thread, no sleep.

It knows what tasks are made of, and how long they take on one thread, on several that
get into each other's way, and on processes; and tells the backend of "auto" what real
ones would have told it. So what a call takes there depends on what is decided and on
nothing else. Times are in seconds.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from cotality.core.utils._process.auto import auto_backend, disturbance, evidence
from cotality.core.utils._process.auto.auto_backend import AutoBackend
from cotality.core.utils._process.auto.disturbance import Disturbance
from cotality.core.utils._process.engine.ticket import Ticket
from cotality.core.utils._process.machine import run_queue
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.rules.decision import Decision
from cotality.core.utils._process.rules.portion_size import Schedule
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils.process import Task

CPUS = 2
TURN = 20e-6  # what it takes to give the lock to the next who stands in line
PROBE = 0.2e-3, 1.1e-3  # until a lock that is free is had, and one that is held
TRAVEL = 3e-6  # for an argument, or a result
THREADS = 6  # the usual number, to compare with


@dataclass(frozen=True)
class Kind:
    """What a task is made of.

    Attributes:
        cpu: Its CPU time.
        wait: What it waits for something outside.
        lock: The part of the CPU time for which it has the interpreter's lock; more
            than 1 if it takes longer beside others.
        seems_free: Whether it leaves the lock so often that it seems not to need it.
    """

    cpu: float
    wait: float = 0.0
    lock: float = 1.0
    seems_free: bool = False

    @property
    def alone(self) -> float:
        return self.cpu + self.wait

    def on_threads(self, threads: int) -> float:
        """How long one takes beside others on so many threads."""
        if threads < 2:
            return self.alone
        # Who waits asks for the lock each time it has waited.
        turn = TURN if self.wait else 0.0
        rate = min(
            threads / self.alone,
            1 / max(1e-9, self.cpu * self.lock + turn),
            CPUS / (self.cpu + turn),
        )
        return threads / rate

    def best(self, tasks: int) -> float:
        """What the best of a loop, the usual threads and processes takes."""
        on_threads = self.on_threads(THREADS) / THREADS
        return tasks * min(self.alone, on_threads, self.alone / CPUS)


class MadeUpChunk:
    """A portion that is run by nobody."""

    native_id = thread = 7
    is_in_caller = is_observed = is_over = can_stay = False
    began_at: float | None = None
    queue_began: float | None = 0.0
    queue_ended = 0.0
    cpu_began = all_began = late_began = 0.0
    belongs = None

    def __init__(self, machine: MadeUpMachine, tasks: int) -> None:
        self.machine = machine
        self.tasks = tasks
        self.each = 0.0

    @property
    def is_running(self) -> bool:
        return self.began_at is not None and not self.is_over

    @property
    def values(self) -> range:
        """As many as have ended by now."""
        if self.began_at is None:
            return range(0)
        return range(
            min(self.tasks, int((self.machine.now - self.began_at) / self.each))
        )


class MadeUpPlace:
    """Workers of one sort: portions wait for them in a line."""

    look_at = float("inf")
    grace = largest_portion = None

    def __init__(self, machine: MadeUpMachine, workers: int) -> None:
        self.machine = machine
        self.workers = self.size = workers
        self.line: deque[tuple[MadeUpChunk, Any]] = deque()
        self.running = 0
        self.packer = self

    def resize(self, threads: int) -> None:
        self.size = threads

    def chunk_of(self, portion: Portion) -> MadeUpChunk:
        return MadeUpChunk(self.machine, len(portion.tasks))

    def pack(self, portion: Portion) -> tuple[MadeUpChunk, Portion]:
        return self.chunk_of(portion), portion

    def send(self, chunk: Any, portion: Any, time_box: float) -> tuple[Portion, Any]:
        future: Any = Ticket()
        self.line.append((chunk, future))
        return portion, future

    def collect(self, portion: Portion, future: Any) -> ChunkReport:
        return self.machine.reports.pop(future, None) or ChunkReport([])

    def look(self) -> None:
        """No time box ends here."""


class MadeUpMachine:
    """Runs *tasks* of one *kind* as "auto" decides.

    Args:
        loading: How much longer the first portions take that processes run, each in
            its turn: a worker loads the function for the first one it gets.
        others: How many threads of other programs want a CPU, at each look.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        kind: Kind,
        tasks: int,
        *,
        loading: Sequence[float] = (0.003,),
        others: Callable[[], int] = lambda: 0,
    ) -> None:
        self.kind = kind
        self.tasks = tasks
        self.loading = deque(loading)
        self.now = self.began = 100.0
        self.decisions: list[Decision] = []
        self.reports: dict[Any, ChunkReport] = {}
        self.ends: list[tuple[float, int, Any, Any, Any]] = []
        self.number = 0
        self.threads = MadeUpPlace(self, 64)
        self.processes = MadeUpPlace(self, CPUS)
        for module in (auto_backend, disturbance):
            monkeypatch.setattr(module, "monotonic", lambda: self.now)
        monkeypatch.setattr(auto_backend, "available_cpus", lambda: CPUS)
        monkeypatch.setattr(auto_backend, "start_of_processes", lambda: 0.003)
        monkeypatch.setattr(auto_backend, "is_lock_held", self.is_lock_held)
        monkeypatch.setattr(auto_backend, "cpu_seconds_of", self.cpu_seconds_of)
        # What this test has to wait for is no part of it.
        monkeypatch.setattr(run_queue, "seconds_in_queue", lambda _: 0.0)
        monkeypatch.setattr(evidence, "seconds_to_travel", lambda _: TRAVEL)
        self.backend = AutoBackend(
            self.threads,  # type: ignore[arg-type]
            lambda: self.processes,  # type: ignore[arg-type,return-value]
            processes=CPUS,
            total=tasks,
            obstacle="",
            decided=self.decisions.append,
        )
        self.backend.disturbance = seen = Disturbance(
            lambda _: 0.0,
            lambda: 1 + self.wants_cpu(0) + others(),
            self.wants_cpu,
        )
        monkeypatch.setattr(seen, "others_now", lambda: 0.0)

    def is_lock_held(self, queue_of: object) -> bool:
        kind = self.kind
        is_held = kind.lock > 0.5 and kind.cpu > kind.wait and not kind.seems_free
        self.now += PROBE[is_held]
        return is_held

    def wants_cpu(self, thread: int) -> bool:
        """Whether a task runs here and computes."""
        computes = self.kind.cpu > self.kind.wait
        return computes and self.backend.longest_running() is not None

    def cpu_seconds_of(self, thread: int) -> float:
        chunk = self.backend.longest_running()
        if chunk is None or chunk.began_at is None:
            return 0.0
        share = self.kind.cpu / self.kind.on_threads(self.backend.workers)
        return (self.now - chunk.began_at) * share

    def run(self) -> float:
        """The seconds that all of them take."""
        schedule, backend = Schedule(1, total=self.tasks, bounded=False), self.backend
        handed_out, out, returned = 0, {}, 0
        while schedule.settled < self.tasks:
            schedule.let_stand_ready(backend.ready_per_worker)
            schedule.resize(backend.workers)
            while returned or handed_out < self.tasks:
                size = schedule.next_portion()
                most = returned or self.tasks - handed_out
                tasks = [Task(abs, positional=(1,))] * min(size, most)
                if not tasks:
                    break
                portion, future = backend.submit(Portion(0, tasks), 0.05)
                count = len(portion.tasks)
                if returned:
                    returned -= count
                else:
                    handed_out += count
                out[future] = portion
                schedule.handed_out(count)
            for future in self.next_ends(out):
                portion = out.pop(future)
                report = backend.collect(portion, future)
                done = len(report.values)
                returned += len(portion.tasks) - done
                schedule.came_back(done, len(portion.tasks) - done, report.seconds)
        return self.now - self.began

    def next_ends(self, out: dict[Any, Portion]) -> list[Any]:
        """What comes back next; nothing if there was only something to look at."""
        if cancelled := [future for future in out if future.cancelled()]:
            return cancelled
        for place in (self.threads, self.processes):
            self.begin(place)
        look_at = self.backend.look_at
        if self.ends and self.ends[0][0] <= look_at:
            at, _, place, chunk, future = heapq.heappop(self.ends)
            self.now = max(self.now, at)
            place.running -= 1
            chunk.is_over = True
            return [future]
        self.now = max(self.now, look_at)
        self.backend.look()
        return []

    def begin(self, place: MadeUpPlace) -> None:
        """Have the workers of *place* that are free take what stands in line."""
        is_here = place is self.threads
        while place.line and place.running < place.size:
            chunk, future = place.line.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            place.running += 1
            kind, workers = self.kind, place.size if is_here else 1
            chunk.each = kind.on_threads(workers)
            chunk.began_at = self.now
            seconds, cpu = chunk.tasks * chunk.each, chunk.tasks * kind.cpu
            others = (workers - 1) * cpu if chunk.is_observed else 0.0
            start = 0.0 if is_here or not self.loading else self.loading.popleft()
            self.reports[future] = ChunkReport(
                [1] * chunk.tasks,
                seconds=seconds,
                cpu_seconds=cpu,
                others_cpu_seconds=others,
            )
            self.number += 1
            end = self.now + start + seconds
            heapq.heappush(self.ends, (end, self.number, place, chunk, future))

"""What each worker did, and the tasks that took longest: exact for any number."""

from __future__ import annotations

import heapq

from cotality._kit.public import pickled_as
from cotality._kit.records import dataclass, field

SLOWEST = 5  # tasks that are kept with all that is known of them


@pickled_as("WorkerRow")
@dataclass(slots=True)
class WorkerRow:
    """What one of the workers of a run did.

    A worker process that dies or retires is replaced, and the one that takes its place
    goes on in its row: a run on four processes has four rows.

    Attributes:
        name: Who it is, such as ``"process 4711"``; the last one, if it was replaced.
        replaced: How often it was.
        tasks: How many tasks it ran, each once for every attempt.
        failed: How many of these failed.
        deaths: How many of these it did not survive.
        busy_seconds: The time it spent in tasks.
        cpu_seconds: The CPU time of its thread in tasks.
        queue_seconds: The time its thread wanted a CPU in portions and did not get one;
            0.0 as well where the system does not say.
        overhead_seconds: The time it spent on portions and not in tasks: packing and
            unpacking, mostly.
        began: When it first ran a task, in seconds since the run began.
        ended: When it last ended one, likewise.
    """

    name: str
    replaced: int = 0
    tasks: int = 0
    failed: int = 0
    deaths: int = 0
    busy_seconds: float = 0.0
    cpu_seconds: float = 0.0
    overhead_seconds: float = 0.0
    queue_seconds: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    is_dead: bool = False
    is_thread: bool = False

    def idle_seconds(self, wall_seconds: float) -> float:
        """The time in a run of *wall_seconds* in which it had nothing to do."""
        return max(0.0, wall_seconds - self.busy_seconds - self.overhead_seconds)


@pickled_as("SlowTask")
@dataclass(slots=True)
class SlowTask:
    """One of the tasks that took longest.

    Attributes:
        index: Its position in the input.
        call: The call it stands for, shortened.
        seconds: How long it ran.
        worker: Who ran it.
        attempt: Which attempt this was, counting from 1.
        error: What it failed with, as text; empty if it did not.
        began: When it began to run, in seconds since the run began.
    """

    index: int
    call: str
    seconds: float
    worker: str
    attempt: int
    error: str
    began: float


@pickled_as("Slowest")
@dataclass(slots=True)
class Slowest:
    """The slowest tasks of those seen."""

    heap: list[tuple[float, int, SlowTask]] = field(
        default_factory=list["tuple[float, int, SlowTask]"]
    )
    seen: int = 0  # settles a tie: tasks themselves have no order

    @property
    def threshold(self) -> float:
        """A task that took no longer than this is not one of them."""
        return self.heap[0][0] if len(self.heap) == SLOWEST else -1.0

    def add(self, task: SlowTask) -> None:
        self.seen += 1
        entry = (task.seconds, -self.seen, task)
        if len(self.heap) < SLOWEST:
            heapq.heappush(self.heap, entry)
        else:
            heapq.heappushpop(self.heap, entry)

    def tasks(self) -> list[SlowTask]:
        """The slowest first."""
        return [task for _, _, task in sorted(self.heap, reverse=True)]


class Rows:
    """Which worker stands in which row."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.each: list[WorkerRow] = []
        self.places: dict[str, int] = {}

    def place_of(self, worker: str, began: float) -> int:
        """The row of *worker*, which began something at *began*."""
        place = self.places.get(worker)
        if place is not None:
            return place
        place = self.free_place(began)
        if place is None:
            place = len(self.each)
            self.each.append(WorkerRow(worker, began=began))
        else:
            row = self.each[place]
            del self.places[row.name]
            row.name, row.is_dead = worker, False
            row.replaced += 1
        self.places[worker] = place
        return place

    def free_place(self, began: float) -> int | None:
        """A row whose worker is gone: one that died, or the one quiet for longest."""
        is_full = len(self.each) >= self.workers
        gone = [
            (not row.is_dead, row.ended, place)
            for place, row in enumerate(self.each)
            if (row.is_dead or is_full) and row.ended <= began
        ]
        return min(gone)[2] if gone else None

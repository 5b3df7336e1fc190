"""Runs some tasks on threads and on processes, to see how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cotality._kit.records import dataclass, field
from cotality._kit.safe_text import class_and_text
from cotality.core.utils._process.call.call import Call
from cotality.core.utils._process.call.options.checked import name_of_need
from cotality.core.utils._process.call.options.declared import Options
from cotality.core.utils._process.engine.delivery import in_list, in_order, settled_in
from cotality.core.utils._process.engine.delivery import outcomes as outcomes_of
from cotality.core.utils._process.engine.observers import Observer
from cotality.core.utils._process.rules.where_to_run import Figures, Place
from cotality.core.utils._process.tasks.errors import WorkerStartError
from cotality.core.utils._process.tasks.not_picklable import TaskNotPicklableError
from cotality.core.utils._process.tasks.outcome import Outcome, Portion
from cotality.core.utils._process.tasks.task import Task
from cotality.core.utils._process.tasks.times import Measure

from .alone import AloneTimes

if TYPE_CHECKING:
    from cotality.core.utils._process.portions.chunk import ChunkReport


SHORT = 0.1  # s


@dataclass(slots=True)
class Trials:
    """What came of running the same tasks in several places.

    Attributes:
        tasks: The tasks.
        seconds: How long all of them took together in each place where they could run.
        workers: How many workers there were in each.
        obstacle: Why they cannot run on processes; empty if they can.
        alone: How long each takes alone, as far as it is known.
        worker_memory: The most memory that a worker process took, in bytes; 0 if nobody
            knows.
    """

    tasks: Sequence[Task[Any]]  # Any: tasks of any result type
    options: Options
    seconds: dict[Place, float] = field(default_factory=dict["Place", float])
    workers: dict[Place, int] = field(default_factory=dict["Place", int])
    obstacle: str = ""
    alone: AloneTimes = field(default_factory=AloneTimes)
    worker_memory: int = 0

    def each_alone(self, otherwise: float) -> list[float]:
        """How long each of the tasks takes alone; *otherwise* if that is not known."""
        return self.alone.of_first(len(self.tasks), otherwise)

    def run(self, figures: Figures) -> None:
        """Run the tasks on threads, and on processes if they can travel."""
        if not name_of_need(self.options.get):
            self.on_one_thread_and_several(figures)
        if figures.processes and not self.obstacle:
            self.on_warm_processes(figures)

    def on_one_thread_and_several(self, figures: Figures) -> None:
        if figures.wall * len(self.tasks) < SHORT:
            # Something else may have taken the CPU away for longer than all of that.
            self.once_more_alone()
        self.on_threads(max(2, min(figures.useful_threads, len(self.tasks))))

    def on_warm_processes(self, figures: Figures) -> None:
        workers = min(figures.processes, len(self.tasks))
        # So that the start of the workers, and what they import for such a task, is no
        # part of what is measured. Beside a long task it does not matter.
        first = [Task(int)] * workers
        if figures.wall < SHORT:
            first = list(self.tasks[:workers])
        self.on_processes(workers, first)

    def once_more_alone(self) -> None:
        self.alone.saw(outcomes_of(self.call(self.tasks, 1, False).blocking(), True))

    def on_threads(self, workers: int) -> None:
        seconds, found = timed(self.call(self.tasks, workers, False))
        self.alone.saw(found)
        self.seconds["threads"] = seconds
        self.workers["threads"] = workers

    def on_processes(self, workers: int, first: list[Task[Any]]) -> None:  # Any: above
        """Run the tasks on worker processes that have run *first* before."""
        watch = MemoryWatch()
        try:
            in_list(self.call(first, workers, True).blocking())
            seconds, found = timed(self.call(self.tasks, workers, True, watch))
        except WorkerStartError as error:
            self.obstacle = class_and_text(error)
            return
        self.worker_memory = watch.most
        self.alone.saw(found)
        for each in found:
            if isinstance(each.error, TaskNotPicklableError):
                self.obstacle = class_and_text(each.error)
                return
        self.seconds["processes"] = seconds
        self.workers["processes"] = workers

    def call(
        self,
        tasks: Sequence[Task[Any]],  # Any: as above
        workers: int,
        use_processes: bool,
        *observers: Observer,
    ) -> Call:
        call = Call.checked(
            list(tasks),
            self.options,
            max_workers=workers,
            use_processes=use_processes,
            on_error="return",
            detailed=True,
        )
        return call.watched_by(*observers)


def timed(call: Call) -> tuple[float, list[Outcome[Any]]]:  # Any: as above
    """How long *call* takes, in seconds, and what becomes of its tasks."""
    began = perf_counter()
    run = call.blocking()
    portions = in_order(settled_in(run))
    run.conclude()
    seconds = perf_counter() - began
    # To make an outcome takes 2 us (measured), and calls for values make none. To
    # measure each task takes as long: it stays in, since the least of several times is
    # what keeps a trial with good luck from looking like a faster place.
    return seconds, [each for some in portions for each in some.take_outcomes()]


class MemoryWatch(Observer):
    """Sees how much memory the workers take."""

    measure = Measure.TIMES  # what is measured at all

    def __init__(self) -> None:
        self.most = 0

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        self.most = max(self.most, report.peak_memory)

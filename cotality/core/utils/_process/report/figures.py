"""The figures of a run, for everything that shows or explains them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cotality.core.utils import (
    pickled as pickled,  # cloudpickle only names what is in modules that are loaded
)
from cotality.core.utils._process.engine.observers import Doing
from cotality.core.utils._process.tasks.checks import checked_flag

from .diary import RunDiary
from .failure_groups import FailureGroup
from .seen import Seen
from .timeline import Timeline
from .worker_rows import Slowest, SlowTask, WorkerRow

if TYPE_CHECKING:
    from cotality.core.utils._process.rules.decision import Decision

State = Literal["new", "taken", "running", "ended"]


class RunFigures:
    """What is known of a run; `RunReport` says what each of them means."""

    arguments: bool
    started_at: float
    wall_seconds: float
    task_seconds: float
    cpu_seconds: float
    wasted_seconds: float
    overhead_seconds: float
    startup_seconds: float
    other_cpu_seconds: float
    input_seconds: float
    consumer_seconds: float
    retry_wait_seconds: float
    slowest_so_far: Slowest
    timeline: Timeline
    diary: RunDiary
    seen: Seen

    def __init__(self, *, name: str = "", arguments: bool = True) -> None:
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
            raise TypeError(f"the name of a RunReport must be a text, got {name!r}")
        self.name = name
        self.arguments = checked_flag("arguments", arguments)
        self.script = self.python = self.function = ""
        self.has_lock = True
        self.state: State = "new"
        self.kind = ""
        self.workers = 0
        self.cpus = self.machine = 0
        self.total: int | None = None
        self.started_at = 0.0
        self.wall_seconds = 0.0
        self.done = self.failed = self.recalled = self.retries = self.deaths = 0
        self.failures: dict[str, int] = {}
        self.failure_groups: list[FailureGroup] = []
        self.error = ""
        self.task_seconds = self.cpu_seconds = self.wasted_seconds = 0.0
        self.overhead_seconds = self.startup_seconds = 0.0
        self.other_cpu_seconds = 0.0
        self.input_seconds = self.consumer_seconds = self.retry_wait_seconds = 0.0
        self.sent_bytes = self.received_bytes = 0
        self.portions = self.smallest_portion = self.largest_portion = 0
        self.portion_tasks = 0  # in all portions, those that were handed back included
        self.decisions: list[Decision] = []
        self.runs = 0
        self.rows: list[WorkerRow] = []
        self.slowest_so_far = Slowest()
        self.timeline = Timeline()
        self.diary = RunDiary()
        self.seen = Seen()

    def __repr__(self) -> str:
        return f"<RunReport: {self.state}, {self.done} done, {self.failed} failed>"

    @property
    def slowest(self) -> list[SlowTask]:
        """The five slowest tasks, the slowest first."""
        return self.slowest_so_far.tasks()

    @property
    def queue_seconds(self) -> float | None:
        """The time that workers wanted a CPU and did not get one."""
        seen = self.seen
        return seen.queued if seen.portions > seen.unqueued else None

    @property
    def lookup_seconds(self) -> float:
        """What it took to find tasks in a journal."""
        return self.diary.pieces.total(Doing.LOOKING_UP)

    @property
    def packing_seconds(self) -> float:
        """What it took to pack tasks for other processes."""
        return self.seen.packing

    @property
    def unpacking_seconds(self) -> float:
        """What it took to unpack what came back from them."""
        return self.seen.unpacking

    @property
    def decision(self) -> Decision | None:
        """With ``use_processes="auto"``, the latest `Decision`."""
        return self.decisions[-1] if self.decisions else None

    @property
    def main_decision(self) -> Decision | None:
        """The `Decision` by which most tasks ran; the latest of equals."""
        best: Decision | None = None
        most, end = -1, 0
        for each in reversed(self.decisions):
            if each.left - end > most:
                best, most = each, each.left - end
            end = each.left
        return best

    @property
    def capacity(self) -> float:
        """The seconds that all workers had together."""
        return self.workers * self.wall_seconds

    @property
    def idle_seconds(self) -> float:
        """The time in which workers had nothing to do, all of them together."""
        return max(0.0, self.capacity - self.task_seconds - self.overhead_seconds)

    @property
    def speed_up(self) -> float:
        """How many tasks ran at a time, on average: no speed-up, for all its name.

        Tasks that get into each other's way run longer than they would alone, so this
        may say 4 where nothing was gained: see *gain*, and *cpus_busy*.
        """
        return self.task_seconds / self.wall_seconds if self.wall_seconds else 0.0

    @property
    def cpus_busy(self) -> float:
        """How many CPUs the tasks kept busy, on average."""
        return self.cpu_seconds / self.wall_seconds if self.wall_seconds else 0.0

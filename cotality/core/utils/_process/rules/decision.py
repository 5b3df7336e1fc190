"""A decision about where tasks run, and why, as users see it."""

from __future__ import annotations

from math import isinf

from cotality._kit import units
from cotality._kit.public import public
from cotality._kit.records import dataclass, field

from .seen import Alone
from .where_to_run import Figures


@public
@dataclass(frozen=True, slots=True)
class Decision:
    """Where the tasks of a call with ``use_processes="auto"`` run from a moment on.

    Attributes:
        choice: ``"one thread"``, ``"threads"`` or ``"processes"``.
        workers: How many workers.
        at: When it was made, in seconds since the call began.
        reason: Why, in a few words.
        left: How many tasks had not been started then; a guess if that is not known.
        wall_seconds: How long a task took, or would take alone.
        cpu_seconds: The CPU time of a task.
        lock: The part of the CPU time in which a task held the interpreter's lock, 0 to
            1.
        transport_seconds: How long it takes to send a task to a process, and its result
            back.
        obstacle: Why nothing can go to a process; usually empty.
        expected_seconds: For each choice, how long the rest of the call was expected to
            take there; infinity where it cannot run.
        alone: How long tasks took that ran alone, as known at the end of the call.
        busy_programs: How many threads of other programs wanted a CPU then.
    """

    choice: str
    workers: int
    at: float
    reason: str
    left: int
    wall_seconds: float
    cpu_seconds: float
    lock: float
    transport_seconds: float
    obstacle: str
    expected_seconds: dict[str, float]
    alone: Alone = field(default_factory=Alone, repr=False, compare=False)
    busy_programs: float = 0.0

    @classmethod
    def of(
        cls,
        choice: str,
        workers: int,
        at: float,
        reason: str,
        figures: Figures,
        obstacle: str,
        alone: Alone,
    ) -> Decision:
        return cls(
            choice,
            workers,
            at,
            reason,
            figures.left,
            figures.wall,
            figures.cpu,
            figures.lock,
            figures.transport,
            obstacle,
            figures.all_seconds(),
            alone,
            figures.others,
        )

    @property
    def alone_seconds(self) -> float:
        """How long a task took alone, without waiting for a CPU; 0 if none did."""
        return self.alone.undisturbed

    @property
    def alone_cpu_seconds(self) -> float:
        """The CPU time of a task that ran alone."""
        return self.alone.cpu / max(1, self.alone.tasks)

    @property
    def alone_tasks(self) -> int:
        """How many tasks have run alone."""
        return self.alone.tasks

    def __str__(self) -> str:
        expected = ", ".join(
            f"{name} {'impossible' if isinf(s) else units.seconds(s)}"
            for name, s in self.expected_seconds.items()
        )
        return (
            f"after {units.seconds(self.at)}: {self.choice} "
            f"({units.number(self.workers, 'worker')}), because {self.reason}. A task "
            f"takes {units.seconds(self.wall_seconds)}, {self.cpu_seconds * 1e3:.3g} "
            f"ms of it CPU time, and the rest ({units.number(self.left, 'task')}) is "
            f"expected to take: {expected}"
        )

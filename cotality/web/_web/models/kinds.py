"""How a task stands, and of which kind it is."""

from __future__ import annotations

from enum import StrEnum


class TaskStatus(StrEnum):
    """How a task stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen, unless somebody lets it begin anew."""
        return self not in (TaskStatus.PENDING, TaskStatus.RUNNING)


class TaskType(StrEnum):
    """What a task does, and in which way."""

    SEQUENTIAL = "sequential"
    THREADING = "threading"
    MULTIPROCESSING = "multiprocessing"
    BATCH_ASYNC = "batch_async"
    CONCURRENT_FUTURES = "concurrent_futures"
    BACKGROUND = "background"
    AUTO = "auto"
    COMPARE = "compare"


# The seven ways to do the work, in the order in which they are shown.
METHODS = (
    TaskType.SEQUENTIAL,
    TaskType.THREADING,
    TaskType.MULTIPROCESSING,
    TaskType.BATCH_ASYNC,
    TaskType.CONCURRENT_FUTURES,
    TaskType.BACKGROUND,
    TaskType.AUTO,
)

"""The options that the functions of this package pass on to the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import os

    from cotality.core.calls import (
        Function,
        ProgressOption,
        UseProcesses,
        Variable,
    )
    from cotality.core.observing import Brake
    from cotality.core.utils.process import (
        DeadLetters,
        Journal,
        Rate,
        Retry,
        RunReport,
    )


class PlanOptions(TypedDict, total=False):
    """The `Options` of the core, without those that say how many workers and where.

    A plan says that, and without one they have parameters of their own.
    """

    max_failures: int | None
    retries: int | Retry | None
    timeout: float | None
    grace: float | None
    max_tasks_per_worker: int | None
    progress: ProgressOption
    unit: str | None
    report: str | os.PathLike[str] | RunReport | None
    journal: str | os.PathLike[str] | Journal | None
    resume: bool
    retry_failed: bool
    dead_letters: str | os.PathLike[str] | DeadLetters | None
    memory_limit: str | float | None
    memory_limit_mb: float | None
    rate: float | Rate | None
    circuit_breaker: Brake | None
    context: Sequence[Variable] | None
    initializer: Function | None
    initargs: tuple[object, ...]
    inline: bool


class WorkerOptions(PlanOptions, total=False):
    """The same where one may say how many workers, but not where."""

    workers: int | None


class RunOptions(WorkerOptions, total=False):
    """The same with the words of the core for what has parameters of its own."""

    processes: UseProcesses | None
    use_processes: UseProcesses | None

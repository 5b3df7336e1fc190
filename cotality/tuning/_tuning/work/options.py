"""The options that the functions of this package pass on to the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from cotality.core.calls import Function, ProgressOption, Variable
    from cotality.core.observing import Brake
    from cotality.core.utils.process import (
        DeadLetters,
        Journal,
        Rate,
        Retry,
        RunReport,
    )


class RunOptions(TypedDict, total=False):
    """The `Options` of the core, without those that have parameters of their own."""

    max_failures: int | None
    retries: int | Retry | None
    timeout: float | None
    grace: float | None
    max_tasks_per_worker: int | None
    progress: ProgressOption
    report: RunReport | None
    journal: Journal | None
    resume: bool
    retry_failed: bool
    dead_letters: DeadLetters | None
    memory_limit_mb: float | None
    rate: Rate | None
    circuit_breaker: Brake | None
    context: Sequence[Variable] | None
    initializer: Function | None
    initargs: tuple[object, ...]
    inline: bool

"""The options that the run functions of this package pass on to the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from cotality.core.utils._process.call.options import Function, Variable
    from cotality.core.utils._process.durable.dead_letters.dead_letters import (
        DeadLetters,
    )
    from cotality.core.utils._process.durable.journal.journal import Journal
    from cotality.core.utils._process.engine.brakes import Brake
    from cotality.core.utils._process.engine.rate import Rate
    from cotality.core.utils._process.progress.option import ProgressOption
    from cotality.core.utils._process.report.run_report import RunReport
    from cotality.core.utils._process.rules.retry import Retry


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

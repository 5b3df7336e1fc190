"""The line in the log of what the core knows nothing of: a plain loop, and a plan."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from time import perf_counter
from typing import Any

from cotality._kit.around import around
from cotality.core.utils._process.machine.environment import log_is_wanted
from cotality.tuning._tuning.plans.plan import Plan
from cotality.tuning._tuning.work.work import Work

DONE_SOON = "all was done before anything else would have paid"


def logged_plan(plan: Plan) -> Plan:
    """*plan*, which is in the log as well, if somebody wants to have it there."""
    if log_is_wanted():
        from cotality._kit.safe_text import printable
        from cotality.core.utils._process.call.call_log import logger

        from .announcing import after_look

        words = printable(f"plan for {plan.profile.function}: {after_look(plan)}")
        logger.info("%s", words, extra={"plan": plan.to_dict()})
    return plan


@around
def logged(
    work: Work, results: list[Any]
) -> Generator[None, None, None]:  # Any: of any function
    """Log a loop over *work* once the body of the ``with`` is over.

    Args:
        results: Those that there are then.
    """
    began = perf_counter()
    try:
        yield
    except BaseException as error:
        log_loop(work, results, perf_counter() - began, error)
        raise
    log_loop(work, results, perf_counter() - began, None)


def log_loop(
    work: Work,
    results: Sequence[Any],  # Any: as above
    seconds: float,
    error: BaseException | None,
) -> None:
    """Log that a loop over *work* took *seconds*, with *results* up to an *error*."""
    from cotality.core.utils._process.call.call_log import CALLERS_CHOICE, EndedCall
    from cotality.core.utils._process.tasks.from_data import TasksOver, total_of
    from cotality.core.utils._process.tasks.task import name_of_function

    decided_by, reason = "caller", CALLERS_CHOICE
    if work.choice.executor == "auto":
        decided_by, reason = "auto", DONE_SOON
    elif planned := work.planned:
        decided_by, reason = "plan", planned
    EndedCall(
        function=name_of_function(work.function),
        total=len(results)
        if error is None
        else total_of(TasksOver(work.function, work.data)),
        place="inline",
        decided_by=decided_by,
        reason=reason,
        done=len(results),
        failed=int(isinstance(error, Exception)),
        seconds=seconds,
        error="" if error is None else type(error).__name__,
    ).log()

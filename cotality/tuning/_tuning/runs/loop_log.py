"""The log lines about plain loops and plans, of which the core knows nothing."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from time import perf_counter
from typing import Any

from cotality._kit.around import around
from cotality.core.calls import log_is_wanted
from cotality.tuning._tuning.plans.plan import Plan
from cotality.tuning._tuning.work.work import Work


def logged_plan(plan: Plan) -> Plan:
    """*plan*, which is in the log as well, if somebody wants to have it there."""
    if log_is_wanted():
        from cotality._kit.safe_text import printable
        from cotality.core.calls import logger

        from .announcing import after_look

        words = printable(f"plan for {plan.profile.function}: {after_look(plan)}")
        logger.info("%s", words, extra={"plan": plan.to_dict()})
    return plan


@around
def logged(
    work: Work, results: Sequence[Any]
) -> Generator[None, None, None]:  # Any: of any function
    """Log a loop over *work* once the body of the ``with`` is over.

    Args:
        results: Those that there are then.
    """
    began = perf_counter()
    try:
        yield
    except BaseException as error:
        from cotality.core.calls import TasksOver, total_of

        total = total_of(TasksOver(work.function, work.data))
        log(work, total, results, perf_counter() - began, error)
        raise
    log(work, len(results), results, perf_counter() - began, None)


def log(
    work: Work,
    total: int | None,
    results: Sequence[Any],  # Any: as above
    seconds: float,
    error: BaseException | None,
) -> None:
    from cotality.core.calls import log_loop

    if planned := work.planned:
        log_loop(work.function, total, results, seconds, error, "plan", planned)
    else:
        log_loop(work.function, total, results, seconds, error)

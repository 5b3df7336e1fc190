"""A run with `verbose=True`: it reports on standard error and keeps its plan."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from cotality._kit.around import around
from cotality.core.calls import Awaits, Prepared, filled_by
from cotality.core.utils.process import RunReport
from cotality.tuning._tuning.plans.plan_of_run import plan_of_run
from cotality.tuning._tuning.work.calling import call_for
from cotality.tuning._tuning.work.work import Work

from .announcing import after_failure, after_run, after_stream, before_run, show
from .result import ExecutionResult

# Any in this module: what the function returns.


def in_detail(work: Work) -> ExecutionResult[Any]:
    report = report_of(work)
    call = call_for(work)
    with announced(work, report):
        return detailed(work, report, call.results())


def in_detail_async(work: Work) -> Awaits[ExecutionResult[Any]]:
    """The same, to be awaited. Wrong options are errors of this call."""
    report = report_of(work)
    return awaited(work, report, call_for(work))


async def awaited(
    work: Work, report: RunReport, call: Prepared
) -> ExecutionResult[Any]:
    with announced(work, report):
        return detailed(work, report, await call.results_async())


def report_of(work: Work) -> RunReport:
    report = filled_by(work.options.get("report")) or RunReport()
    work.options["report"] = report
    return report


def told_of(
    work: Work, open_stream: Callable[[Prepared], Generator[Any, None, None]]
) -> Generator[Any, None, None]:
    """What a stream of results yields, which is told of before and after.

    Wrong options are errors of this call.
    """
    report = report_of(work)
    return telling(work, report, open_stream(call_for(work)))


def telling(
    work: Work, report: RunReport, results: Generator[Any, None, None]
) -> Generator[Any, None, None]:
    with announced(work, report):
        yield from results
        show(after_stream(report, work.planned))


@around
def announced(work: Work, report: RunReport) -> Generator[None, None, None]:
    show(before_run(work))
    try:
        yield
    except BaseException as error:
        show(after_failure(report, error))
        raise


def detailed(work: Work, report: RunReport, results: list[Any]) -> ExecutionResult[Any]:
    chosen = work.choice.executor in ("auto", "sequential")
    needing = work.needing if chosen else ""
    plan = work.plan or plan_of_run(report, work.function, work.data, results, needing)
    show(after_run(plan, report))
    return ExecutionResult(results, plan, report)

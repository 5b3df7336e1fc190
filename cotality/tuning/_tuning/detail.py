"""A run that is asked for more than its results."""

from __future__ import annotations

from typing import Any

from cotality.core.utils._process.delivery import in_list
from cotality.core.utils._process.report import RunReport

from .calling import call_for
from .hindsight import plan_of_run
from .result import ExecutionResult
from .work import Work


def in_detail(work: Work) -> ExecutionResult[Any]:  # Any: what the function returns
    report = work.options.setdefault("report", RunReport())
    results = in_list(call_for(work, bounded=False).blocking())
    plan = work.plan or plan_of_run(report, work.function, work.data, results)
    return ExecutionResult(results, plan, report)

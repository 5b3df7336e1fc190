"""The result of a run with `verbose=True`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from cotality._kit.public import public_in
from cotality.tuning._tuning.plans.plan import Plan

if TYPE_CHECKING:
    from cotality.core.utils.process import RunReport

R = TypeVar("R")


@public_in("cotality.tuning")
class ExecutionResult(list[R]):
    """The results of a run, one for each item, in order, with its plan and report.

    It is a list, so you can use it like the results of a plain call: in a loop, with
    ``len`` or ``json.dumps``, in a web framework. It equals any list of the same
    results, whatever the plan was. A slice of it, such as ``these[:10]``, is a plain
    list.

    Attributes:
        plan: How it was run: the plan that was given, or the decisions during the run,
            with the figures of the whole run. You can use it again.
        report: What happened, see `RunReport`.
    """

    plan: Plan
    report: RunReport

    def __init__(self, results: Iterable[R], plan: Plan, report: RunReport) -> None:
        super().__init__(results)
        self.plan = plan
        self.report = report

    @property
    def results(self) -> list[R]:
        """The results in a new plain list."""
        return list(self)

    @property
    def estimated_speedup(self) -> float:
        """How many times as fast as a loop it was, as measured.

        If that is not known, such as on another executor, the estimate of the plan.
        """
        gain = self.report.gain
        return self.plan.estimated_speedup if gain is None else gain.speed_up

    def __repr__(self) -> str:
        """In one line, however many results there are: `results` shows those."""
        from cotality._kit import units

        return (
            f"<ExecutionResult: {units.number(len(self), 'result')}, {self.report.done}"
            f" done, {self.report.failed} failed, {self.plan.executor}>"
        )

"""What a run gives that is asked for more than its results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from cotality.core.utils._process.public import public_in

from .plan import Plan

if TYPE_CHECKING:
    from cotality.core.utils._process.report import RunReport

R = TypeVar("R")


@public_in("cotality.tuning")
@dataclass(frozen=True)
class ExecutionResult(Generic[R]):
    """The results of a run, and what it was like.

    Attributes:
        results: One for each item, in order.
        plan: How it was run: the plan it was given, or what was decided on the way,
            with the figures of the whole run. To be used again.
        report: What happened, see `RunReport`.
    """

    results: list[R]
    plan: Plan
    report: RunReport

    @property
    def estimated_speedup(self) -> float:
        """How many times faster than a loop it should have been."""
        return self.plan.estimated_speedup

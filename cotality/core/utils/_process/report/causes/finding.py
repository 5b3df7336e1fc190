"""One reason why a run was not faster, and how all reasons are measured."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cotality._kit import units
from cotality._kit.records import dataclass

from .costs import Alone, Costs, costs_of, longest_alone

if TYPE_CHECKING:
    from cotality.core.utils._process.report.figures import RunFigures


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why the run was not faster.

    Attributes:
        lost: The seconds of workers that it explains, all of them together.
        what: What happened, its first words up to a colon being the cause.
        way_out: What to do about it.
        whole: What it is a part of, mostly of the run.
    """

    lost: float
    what: str
    way_out: str
    whole: str = "the run"


class Case:
    """A run that is looked into, with what several diagnoses ask for.

    Attributes:
        capacity: The seconds that all workers had together.
    """

    def __init__(self, report: RunFigures) -> None:
        self.report = report
        self.seen = report.seen
        self.costs: Costs = costs_of(report)
        self.capacity = self.costs.capacity or report.capacity or 1e-9
        self.threads = [row for row in report.rows if row.is_thread]

    @cached_property
    def alone(self) -> Alone | None:
        return longest_alone(self.report)

    @property
    def refused_part(self) -> float:
        """Of all tasks, the part that was not run because a brake had them fail."""
        refused = sum(self.seen.refused.values())
        return refused / max(1, refused + self.report.runs)

    def part_of_run(self, lost: float) -> float:
        """Seconds of the run, from seconds of its workers."""
        return lost / self.capacity * self.report.wall_seconds

    def share(self, lost: float) -> str:
        return units.share(lost, self.capacity)

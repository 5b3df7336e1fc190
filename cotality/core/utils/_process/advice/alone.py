"""How long tasks take alone: what all that runs many at a time is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean, median_low
from typing import Any

from cotality.core.utils._process.tasks.outcome import Outcome

# What computes for more than this part of its time, and took longer than that says,
# has waited for others.
COMPUTES = 0.5
# Tasks are alike if none takes more than so many times as long as half of them do.
ALIKE = 3


class AloneTimes:
    """How long each of some tasks takes alone, in seconds, as far as it is known.

    Args:
        computing: The part of its time for which such a task computes.
    """

    def __init__(self, computing: float = 1.0) -> None:
        self.computing = computing
        self.seconds: dict[int, float] = {}  # by the position of the task

    def saw(self, outcomes: Iterable[Outcome[Any]]) -> None:  # Any: of any task
        """Note how long each took, alone or many at a time.

        The least of several times counts: more is what it waited for others.
        """
        for each in outcomes:
            if each.started_at is None:
                continue
            seconds = each.seconds
            if self.computing > COMPUTES and each.cpu_seconds:
                seconds = min(seconds, each.cpu_seconds / self.computing)
            self.seconds[each.index] = min(
                seconds, self.seconds.get(each.index, seconds)
            )

    @property
    def mean(self) -> float:
        return mean(self.seconds.values())

    @property
    def usual(self) -> float:
        """Half of them take no longer."""
        return median_low(self.seconds.values())

    @property
    def range(self) -> tuple[float, float]:
        """The least and the most of them."""
        return min(self.seconds.values()), max(self.seconds.values())

    @property
    def are_alike(self) -> bool:
        return not self.seconds or self.range[1] <= ALIKE * self.usual

    def of_first(self, count: int, otherwise: float) -> list[float]:
        """Those of the first *count* tasks; *otherwise* for what is not known."""
        return [self.seconds.get(index, otherwise) for index in range(count)]

    def in_a_row(self, total: int, each: float) -> float:
        """All *total* of them one after another, if those not known take *each*."""
        return sum(self.seconds.values()) + max(0, total - len(self.seconds)) * each

"""How long something took, counted: how often less than a second, less than two ..."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from cotality._kit.public import public_in

# Seconds, from a call to a database to a report of some hours.
BOUNDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    *(30.0, 60.0, 300.0, 1800.0, 7200.0),
)


@public_in("cotality.jobs")
@dataclass(frozen=True, slots=True)
class Histogram:
    """How many durations were how long.

    Attributes:
        counts: For each of `bounds`, how many durations were no longer than it and
            longer than the bound before; last, how many were longer than all bounds.
        seconds: The sum of all durations.
    """

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    seconds: float = 0.0

    @property
    def bounds(self) -> tuple[float, ...]:
        """Seconds."""
        return BOUNDS

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Seconds; None if there was none."""
        return self.seconds / self.count if self.count else None

    def quantile(self, part: float) -> float | None:
        """About how many seconds *part* of the durations, such as 0.95, took at most.

        The answer is as exact as the bounds are close; beyond the last bound, it is
        that bound. None if nothing was counted.

        Raises:
            ValueError: *part* is not from 0 to 1.
        """
        if not 0 <= part <= 1:
            raise ValueError(f"part must be from 0 to 1, got {part!r}")
        wanted = part * self.count
        if not self.count:
            return None
        sums = [0, *accumulate(self.counts)]
        place = next(
            place
            for place, (fewer, most) in enumerate(pairwise(sums))
            if most > fewer and most >= wanted
        )
        if place == len(BOUNDS):
            return BOUNDS[-1]
        low = BOUNDS[place - 1] if place else 0.0
        share = (wanted - sums[place]) / self.counts[place]
        return low + (BOUNDS[place] - low) * share

    def to_json(self) -> dict[str, object]:
        """As other programs read it; of each bound, how many were no longer."""
        no_longer = dict(zip(map(str, BOUNDS), accumulate(self.counts), strict=False))
        return {
            "count": self.count,
            "seconds": self.seconds,
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "no_longer": no_longer,
        }


def place_of(seconds: float) -> int:
    """Where in `Histogram.counts` a duration is counted."""
    return bisect_left(BOUNDS, seconds)


def histogram_of(counts: Sequence[tuple[int, int, float]]) -> Histogram:
    """The histogram of *counts*: places, how many are there, and their seconds."""
    found = [0] * (len(BOUNDS) + 1)
    for place, count, _ in counts:
        found[min(place, len(BOUNDS))] += count
    return Histogram(tuple(found), sum(seconds for *_, seconds in counts))

"""What follows from samples for all items, and which method is best.

A run takes an overhead, and a multiple of what was reckoned for its items. Two runs
tell both figures: one with next to nothing to do, and a sample. With the same figures
for all items, that is the estimate.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cotality._kit.units import seconds as duration
from cotality.web._web.methods.order import Done, Order
from cotality.web._web.models.comparisons import MethodFigures
from cotality.web._web.models.kinds import TaskType
from cotality.web._web.parts import checksum

from .figures import Figures, Pace
from .reckoning import reckoned

# Methods that differ by less are about as quick: what else the machine does makes more
# of a difference. The one that needs least comes first.
ABOUT_AS_QUICK = 1.2
SIMPLEST_FIRST = (
    TaskType.SEQUENTIAL,
    TaskType.THREADING,
    TaskType.BATCH_ASYNC,
    TaskType.MULTIPROCESSING,
    TaskType.CONCURRENT_FUTURES,
    TaskType.AUTO,
    TaskType.BACKGROUND,
)
MARGIN = 0.05  # beyond what was seen
LEAST_PART = 10  # of a sample are its items, whatever its overhead was


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the items, done by one method.

    Attributes:
        items: How many, from the first one on.
        seconds: What that took.
        expected: What was reckoned for it, without an overhead.
        done: What became of them.
    """

    items: int
    seconds: float
    expected: float
    done: Sequence[Done] = ()


def line(least: Sample, sample: Sample) -> Pace:
    """What two runs say of a method: an overhead, and a ratio.

    Args:
        least: One that had next to nothing to do.
        sample: Another one. If it has not taken longer, or was hardly expected to, the
            two are no line: then the overhead is what the first one took beyond what
            was reckoned for it.
    """
    more, expected = sample.seconds - least.seconds, sample.expected - least.expected
    if more > 0 and expected > sample.expected / 2:
        ratio = more / expected
        overhead = least.seconds - ratio * least.expected
        if overhead >= 0:
            return Pace(overhead, ratio)
    overhead = max(0.0, least.seconds - least.expected)
    left = max(sample.seconds - overhead, sample.seconds / LEAST_PART)
    return Pace(overhead, left / sample.expected)


@dataclass(slots=True)
class Measured:
    """What was measured of one method.

    Attributes:
        overheads: Runs that had next to nothing to do. The quickest one counts: others
            may have had to start processes.
        samples: The others.
    """

    overheads: list[Sample] = field(default_factory=list[Sample])
    samples: list[Sample] = field(default_factory=list[Sample])

    @property
    def paces(self) -> list[Pace]:
        """What each sample says, by its ratio."""
        least = min(self.overheads, key=lambda sample: sample.seconds)
        found = [line(least, sample) for sample in self.samples]
        return sorted(found, key=lambda pace: pace.ratio)

    @property
    def pace(self) -> Pace:
        """The middle one of these."""
        return self.paces[(len(self.samples) - 1) // 2]

    def figures(
        self, method: TaskType, whole: float, total: int, checked: int
    ) -> MethodFigures:
        """What is told of the method.

        Args:
            method: Which one it is.
            whole: What was reckoned for all items.
            total: How many these are.
            checked: How many of them all methods have done.
        """
        full = [sample.seconds for sample in self.samples if sample.items == total]
        found = full or [pace.seconds(whole) for pace in self.paces]
        items = sum(sample.items for sample in self.samples)
        seconds = sum(sample.seconds for sample in self.samples)
        return MethodFigures(
            method=method,
            measured_items=items,
            measured_seconds=seconds,
            items_per_second=items / seconds,
            estimated_seconds=statistics.median(found),
            estimated_low=min(found) * (1 - MARGIN),
            estimated_high=max(found) * (1 + MARGIN),
            checksum=checksum_of(self.samples[-1].done, checked),
            is_estimate=not full,
        )


def checksum_of(done: Iterable[Done], checked: int) -> str:
    """Over the items up to the index *checked*."""
    sums = [
        checksum.sum_of(each.item, each.value) for each in done if each.item < checked
    ]
    return checksum.as_text(checksum.added(sums))


def in_order(
    takes: Mapping[TaskType, float],
    ranges: Mapping[TaskType, tuple[float, float]] | None = None,
) -> list[TaskType]:
    """The quickest first; among those that are about as quick the simplest.

    Args:
        takes: Seconds that each takes.
        ranges: From where to where these may be. Where two overlap, nobody knows which
            is quicker.
    """
    left = sorted(takes, key=lambda method: takes[method])
    ranked: list[TaskType] = []
    while left:
        tied = about_as_quick(left, takes, ranges)
        ranked += sorted(tied, key=SIMPLEST_FIRST.index)
        left = [method for method in left if method not in tied]
    return ranked


def about_as_quick(
    left: Sequence[TaskType],
    takes: Mapping[TaskType, float],
    ranges: Mapping[TaskType, tuple[float, float]] | None = None,
) -> list[TaskType]:
    """Those that may be as quick as the first of them, which is the quickest."""
    first = left[0]
    limit = takes[first] * ABOUT_AS_QUICK
    if ranges is None:
        return [method for method in left if takes[method] <= limit]
    high = ranges[first][1]
    return [
        method for method in left if takes[method] <= limit or ranges[method][0] <= high
    ]


def reason(
    takes: Mapping[TaskType, float],
    ranges: Mapping[TaskType, tuple[float, float]],
    ranked: Sequence[TaskType],
) -> str:
    """Why the first one is the best."""
    by_time = sorted(takes, key=lambda method: takes[method])
    quickest = set(about_as_quick(by_time, takes, ranges))
    best, *others = ranked
    text = f"{best} takes about {duration(takes[best])} for all items"
    tied = [method for method in others if method in quickest]
    if tied:
        names = ", ".join(f"{method} ({duration(takes[method])})" for method in tied)
        verb = "is" if len(tied) == 1 else "are"
        text += f"; {names} {verb} not measurably quicker, and {best} needs less"
    slower = [method for method in others if method not in quickest]
    if slower:
        text += (
            f"; the next one is {slower[0]} with {duration(takes[slower[0]])}, and "
            f"{slower[-1]} takes longest, {duration(takes[slower[-1]])}"
        )
    return text


def expected(method: TaskType, figures: Figures, order: Order) -> float:
    """What is reckoned for a sample, and never nothing."""
    return max(1e-6, reckoned(method, figures, order))

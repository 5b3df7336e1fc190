"""How long things took, in buckets whose bounds grow by half a power of two."""

from __future__ import annotations

from math import frexp

# The square of a number of seconds has an exponent twice as fine as its own.
FIRST = -40  # of the square: 2 ** -20 s, a microsecond
LAST = 14  # 2 ** 7 s, two minutes
BUCKETS = LAST - FIRST + 1
RECENT = 10.0  # s after which the recent ones begin anew


class Histogram:
    """Counts of durations: since the beginning, and of the last ten to twenty seconds.

    Attributes:
        total: Of all of them, in seconds.
    """

    __slots__ = ("before", "begun", "counts", "now", "total")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.now = [0] * BUCKETS
        self.before = [0] * BUCKETS
        self.begun = 0.0
        self.total = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        exponent = frexp(seconds * seconds)[1] - FIRST if seconds > 0 else 0
        if exponent < 0:
            exponent = 0
        elif exponent >= BUCKETS:
            exponent = BUCKETS - 1
        self.counts[exponent] += times
        self.now[exponent] += times
        self.total += seconds * times

    def turn(self, now: float) -> None:
        """Let what is old be forgotten; called now and then."""
        if not self.begun:
            self.begun = now
        if now >= self.begun + RECENT:
            is_old = now >= self.begun + 2 * RECENT
            self.before = [0] * BUCKETS if is_old else self.now
            self.now = [0] * BUCKETS
            self.begun = now

    def quantile(self, part: float) -> float:
        """The duration that *part* of the recent ones did not exceed; 0.0 if none."""
        recent = [new + old for new, old in zip(self.now, self.before, strict=True)]
        goal = part * sum(recent)
        if not goal:
            return 0.0
        done = 0
        for position, count in enumerate(recent):
            if done + count >= goal:
                low, high = bound(position - 1), bound(position)
                return low + (high - low) * (goal - done) / count
            done += count
        return bound(BUCKETS - 1)


def bound(position: int) -> float:
    """The longest duration (s) in the bucket at *position*."""
    return 0.0 if position < 0 else 2.0 ** ((position + FIRST) / 2)

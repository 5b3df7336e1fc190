"""Due times at a fixed distance in seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHORTEST = timedelta(seconds=1)  # the queue looks for what is due about that often
LONGEST = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class EveryTimes:
    """The whole multiples of *period* since 1970, in UTC.

    Counted from there and not from when a worker has started, so that all workers agree
    without asking each other, and a restart does not put anything off.
    """

    period: timedelta

    def after(self, moment: datetime) -> Iterator[datetime]:
        due = self.not_after(moment)
        while True:
            try:
                due += self.period
            except OverflowError:  # the year 10000
                return
            yield due

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        due = self.not_after(until)
        return due if due > after else None

    def not_after(self, moment: datetime) -> datetime:
        # Integers, as the whole of the arithmetic of timedelta is.
        return EPOCH + (moment - EPOCH) // self.period * self.period


def checked_period(every: object) -> timedelta:
    """*every* as a `timedelta`.

    Raises:
        TypeError: It is no number and no timedelta.
        ValueError: It is less than a second, or more than ten years.
    """
    period = every
    if isinstance(every, (int, float)) and not isinstance(every, bool):
        if not math.isfinite(every) or abs(every) > LONGEST.total_seconds():
            raise ValueError(f"every must be a number of seconds, got {every!r}")
        period = timedelta(seconds=every)
    if not isinstance(period, timedelta):
        raise TypeError(
            f"every must be a number of seconds or a timedelta, got {every!r}"
        )
    if not SHORTEST <= period <= LONGEST:
        raise ValueError(
            f"every must be at least 1 second and at most ten years, got {every!r}"
        )
    return period

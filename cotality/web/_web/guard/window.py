"""Counts in this process how often somebody asks in any period of some seconds."""

from __future__ import annotations

import time
from collections import deque


class Window:
    """Counts by a clock that nobody puts back: then nobody is refused for an hour.

    Args:
        most: How many requests of one name are answered in any such time.
        seconds: How long that is.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self.answered: dict[str, deque[float]] = {}  # when, by `monotonic`

    def hit(self, name: str) -> float | None:
        """Count one request of *name*.

        Returns:
            None if it may be answered; otherwise after how many seconds the next one
            may be.
        """
        now = time.monotonic()
        times = self.answered.setdefault(name, deque())
        while times and times[0] <= now - self.seconds:
            times.popleft()
        if len(times) >= self.most:
            return times[0] + self.seconds - now
        times.append(now)
        return None

"""What is counted of one step, and of the items of a whole flow."""

from __future__ import annotations

from .histogram import Histogram

SLICE = 1.0  # s of a rate that are counted together
SLICES = 10


class Rate:
    """How many a second, over the last ten seconds."""

    __slots__ = ("begun", "counts", "now")

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.now = 0
        self.begun = 0.0

    def turn(self, now: float) -> None:
        """Called at least once in each slice; what came since counts as of now."""
        if not self.begun:
            self.begun = now
        while now >= self.begun + SLICE:
            if now >= self.begun + SLICES * SLICE:
                self.counts, self.begun = [], now
            else:
                self.begun += SLICE
                self.counts = [*self.counts, self.now][-SLICES:]
            self.now = 0

    def value(self, now: float) -> float:
        self.turn(now)
        seconds = len(self.counts) * SLICE + max(now - self.begun, 0.1)
        return (sum(self.counts) + self.now) / seconds


class StepCounts:
    """Of one step.

    Attributes:
        waited: How long items waited for a worker of it.
        handled: How long calls of the handler took.
        calls: How often it was called.
        items: With how many items.
        failed: How many of these failed.
        restarts: How many workers were started in the place of one that had ended.
    """

    __slots__ = ("calls", "failed", "handled", "items", "rate", "restarts", "waited")

    def __init__(self) -> None:
        self.waited = Histogram()
        self.handled = Histogram()
        self.rate = Rate()
        self.calls = self.items = self.failed = self.restarts = 0

    def turn(self, now: float) -> None:
        self.waited.turn(now)
        self.handled.turn(now)
        self.rate.turn(now)


class FlowCounts:
    """Of the calls of a flow: what became of them."""

    KINDS: tuple[str, ...] = (
        *("value", "failure", "full", "deadline", "down", "stopped", "cancelled"),
    )

    __slots__ = ("kinds", "taken")

    def __init__(self) -> None:
        self.taken = 0  # calls that came in
        self.kinds: dict[str, int] = dict.fromkeys(self.KINDS, 0)

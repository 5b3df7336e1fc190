"""How much a worker is given at a time: by the time it takes, not by a number."""

from __future__ import annotations

PORTION = 0.020  # s of work that is handed over together
MOST = 64  # items that are handed over together, unless a batch is larger
# A worker whose handler takes less (s) gets its next portion while it is at the last.
QUICK = 0.005
# How much one call counts in the mean: a slow one more than a quick one, since to hand
# out too much costs others their time, and to hand out too little next to nothing.
UP, DOWN = 0.5, 0.1


class Pace:
    """How long the handler of a step takes.

    Attributes:
        each: Seconds for one item, or for what counts as one; 0.0 if not known.
        call: Seconds for one call of the handler.
        by_clock: The same, with what the worker waited for a CPU meanwhile.
    """

    __slots__ = ("by_clock", "call", "each", "is_known")

    def __init__(self) -> None:
        self.each = self.call = self.by_clock = 0.0
        self.is_known = False

    def note(self, seconds: float, weight: int, by_clock: float | None = None) -> None:
        """A call with items of *weight* in all took *seconds* of work."""
        by_clock = seconds if by_clock is None else by_clock
        self.by_clock += (by_clock - self.by_clock) * DOWN
        each = seconds / max(weight, 1)
        if not self.is_known:
            self.is_known, self.each, self.call = True, each, seconds
            return
        self.each += (each - self.each) * (UP if each > self.each else DOWN)
        self.call += (seconds - self.call) * (UP if seconds > self.call else DOWN)

    @property
    def is_quick(self) -> bool:
        return self.is_known and self.call < QUICK

    def limit(self, batch: int, waiting: int, workers: int) -> int:
        """What one worker may be given of what waits.

        Args:
            batch: What one call of the handler may have.
            waiting: All that waits.
            workers: How many could have it.
        """
        if not self.is_known or waiting <= batch:
            return batch
        share = -(-waiting // max(workers, 1))
        in_time = int(PORTION / self.each) if self.each > 0 else MOST
        return max(batch, min(share, in_time, MOST))

"""How many tasks travel together, if joblib leaves that to us (``batch_size="auto"``).

Time alone decides: a batch should take so long that handing it out is no matter, and no
longer, so that no worker is left with much when the others have nothing to do. joblib
doubles the size until a batch takes 0.2 s; we know from the worker how long its tasks
took, and need less time around a batch, so we get there in fewer steps.
"""

from __future__ import annotations

from math import inf

BATCH = 0.05  # s that a batch should take; to hand one out takes 0.3 ms (measured)
# s after which a worker gives back what it has not begun: sizes are guesses, and the
# next tasks may take a thousand times as long as those before.
TIME_BOX = 10 * BATCH
MOST = 2048  # tasks; more save nothing
GROWTH = 8  # times as many at most as in the batch before: the first task may be odd
PARTS = 4  # batches that each worker has of the whole input at least, where it is known


class Sizes:
    """Finds out how long the tasks of one call take."""

    mean: float
    size: int

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.total: int | None = None  # how many tasks there are, if anybody knows
        self.mean = inf  # seconds of a task
        self.size = 1

    def learn(self, count: int, seconds: float) -> None:
        """A worker has taken *seconds* for *count* tasks."""
        if not count:
            return
        mean = seconds / count
        self.mean = mean if self.mean == inf else 0.5 * (self.mean + mean)

    def next(self) -> int:
        """How many tasks the next batch should have."""
        self.size = min(self.fitting(), GROWTH * self.size, MOST)
        if self.total is not None:
            most = self.total // (PARTS * self.workers)
            self.size = max(1, min(self.size, most))
        return self.size

    def fitting(self) -> int:
        """How many tasks take `BATCH` seconds."""
        if self.mean == inf:
            return 1
        return max(1, int(BATCH / max(self.mean, BATCH / MOST)))

"""How a queue is: what waits, what runs, what is dead, and who works."""

from __future__ import annotations

from dataclasses import dataclass

from cotality._kit.public import public_in


@public_in("cotality.jobs")
@dataclass(frozen=True, slots=True)
class QueueStats:
    """One queue at one moment.

    Attributes:
        queue: Its name.
        queued: Jobs that could start now.
        delayed: Jobs whose time has not come yet.
        running: Jobs that a worker runs.
        retrying: Jobs that have failed and wait for their next attempt.
        succeeded: Jobs that are done, as far as they are kept.
        dead: Jobs that have failed for good: dead letters.
        cancelled: Jobs that were cancelled, as far as they are kept.
        oldest_s: For how many seconds the oldest job that could start has waited; None
            if there is none.
        done_per_minute: Jobs that have succeeded within the last minute, as far as they
            are kept.
        workers: Workers that are alive and serve this queue.
        slots: How many of its jobs these workers can run at once.
    """

    queue: str
    queued: int = 0
    delayed: int = 0
    running: int = 0
    retrying: int = 0
    succeeded: int = 0
    dead: int = 0
    cancelled: int = 0
    oldest_s: float | None = None
    done_per_minute: float = 0.0
    workers: int = 0
    slots: int = 0

    @property
    def waiting(self) -> int:
        """All that is not done and that nobody is at."""
        return self.queued + self.delayed + self.retrying

    @property
    def is_unserved(self) -> bool:
        """Whether jobs wait and no worker serves their queue."""
        return self.waiting > 0 and self.workers == 0

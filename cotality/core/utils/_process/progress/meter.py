"""How far a call is and how fast it goes, reckoned from counts and times.

Pure arithmetic: the caller says what time it is.
"""

from __future__ import annotations

from math import exp, expm1

from .snapshot import Progress

MEMORY = 15.0  # s that the rate looks back, about
ROUNDS = 3  # of all workers that it looks back at least


class Rate:
    """How many per second, lately: what lies further back counts less and less.

    With tasks of a minute, nothing is done for a minute and then as much as there are
    workers. So the memory spans a few such rounds, or the rate would swing with them.
    """

    def __init__(self, at: float, workers: int) -> None:
        self.began = self.at = at
        self.workers = workers
        self.done = 0
        # Both weighted by how recent they are, so that the first figures, with little
        # to remember, are plain means.
        self.recent_seconds = 0.0
        self.recent_done = 0.0

    def at_moment(self, now: float, done: int) -> float:
        """The rate, if *done* tasks are done *now*."""
        if now > self.at:
            self.remember(now - self.at, done - self.done, self.memory(now, done))
            self.at, self.done = now, done
        return self.recent_done / self.recent_seconds if self.recent_seconds else 0.0

    def remember(self, seconds: float, done: int, memory: float) -> None:
        """Add the last *seconds*, in which tasks were done at an even pace."""
        kept = exp(-seconds / memory)
        fresh = memory * -expm1(-seconds / memory)
        self.recent_seconds = self.recent_seconds * kept + fresh
        self.recent_done = self.recent_done * kept + done / seconds * fresh

    def memory(self, now: float, done: int) -> float:
        """How many seconds to look back: enough for a few rounds of all workers."""
        round_seconds = (now - self.began) / max(1.0, done / self.workers)
        return max(MEMORY, ROUNDS * round_seconds)


class Meter:
    """Counts what happens in a call, and makes a `Progress` of it when asked.

    Args:
        total: How many tasks there are; None if nobody knows.
        workers: How many run at a time.
        at: When the call began.
        name: As of the `Progress`, as is *unit*.
    """

    def __init__(
        self,
        total: int | None,
        workers: int,
        at: float,
        name: str = "",
        unit: str = "task",
    ) -> None:
        self.total = total
        self.name = name
        self.unit = unit
        self.began = at
        self.rate = Rate(at, workers)
        self.done = self.failed = self.retried = self.in_flight = 0
        self.recalled = 0  # of those done, how many an earlier run did

    def recall(self, tasks: int, failed: int) -> None:
        """*tasks* are done without having been run, which says nothing of the rate."""
        self.done += tasks
        self.failed += failed
        self.recalled += tasks

    def at_moment(self, now: float) -> Progress:
        """How far the call is *now*."""
        rate = self.rate.at_moment(now, self.done - self.recalled)
        left = None if self.total is None else max(0, self.total - self.done)
        remaining = 0.0 if left == 0 else left / rate if left and rate else None
        return self.progress(now, self.in_flight, rate, remaining, finished=False)

    def at_end(self, now: float) -> Progress:
        """How far the call has come when it is over: nothing runs any more."""
        elapsed = now - self.began
        rate = (self.done - self.recalled) / elapsed if elapsed > 0 else 0.0
        remaining = 0.0 if self.done == self.total else None
        return self.progress(now, 0, rate, remaining, finished=True)

    def progress(
        self,
        now: float,
        in_flight: int,
        rate: float,
        remaining: float | None,
        *,
        finished: bool,
    ) -> Progress:
        return Progress(
            done=self.done,
            total=self.total,
            failed=self.failed,
            retried=self.retried,
            in_flight=in_flight,
            rate=rate,
            elapsed_seconds=now - self.began,
            remaining_seconds=remaining,
            finished=finished,
            name=self.name,
            unit=self.unit,
        )

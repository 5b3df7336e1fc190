"""What else goes on, that makes tasks seem to wait which only want to run."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic, process_time

from cotality.core.utils._process.machine import run_queue
from cotality.core.utils._process.rules.seen import Seen
from cotality.core.utils._process.rules.where_to_run import BUSY_PROGRAMS

SAMPLE_INTERVAL = 0.002  # s between two looks at how many want a CPU
MOST_SAMPLES = 50


class Disturbance:
    """Tells what held a task up, and how many others want a CPU.

    Args:
        queue_of: Says for how long a thread has been in a run queue, see
            `seconds_in_queue`.
        runnable: Says how many threads want a CPU, see `runnable_now`.
        wants_cpu: Says whether a thread has a CPU or wants one, see `wants_cpu`.

    Attributes:
        is_unsure: Whether something was seen to be held up by what nobody could tell.
    """

    def __init__(
        self,
        queue_of: Callable[[int], float | None] | None = None,
        runnable: Callable[[], int | None] | None = None,
        wants_cpu: Callable[[int], bool] | None = None,
    ) -> None:
        self.queue_of = queue_of or run_queue.seconds_in_queue
        self.runnable = runnable or run_queue.runnable_now
        self.wants_cpu = wants_cpu or run_queue.wants_cpu
        self.machine = os.cpu_count() or 1
        self.samples = 0
        self.seen_first = self.programs_seen = 0
        self.sample_next = 0.0  # by the monotonic clock
        self.is_unsure = False
        # Of the time in which the latest one did not compute, see `as_before`.
        self.part_queued = self.part_of_others = 0.0

    @property
    def programs(self) -> float:
        """How many threads of other programs want a CPU, on average.

        The first look counts only until there is another one: it comes as the call
        begins, when the workers of one before it may still be tidying up.
        """
        if self.samples < 2:
            return float(self.seen_first)
        return self.programs_seen / (self.samples - 1)

    @property
    def is_busy(self) -> bool:
        return self.programs >= BUSY_PROGRAMS

    def sample(self, beside: int | None = None) -> None:
        """See how many others want a CPU besides this thread, if not just seen.

        Args:
            beside: Another thread of ours, which runs a task.
        """
        now = monotonic()
        if now < self.sample_next or self.samples >= MOST_SAMPLES:
            return
        ours = 1 if beside is None else 1 + self.wants_cpu(beside)
        running = self.runnable()
        if running is None:
            self.sample_next = float("inf")
            return
        others = max(0, running - ours)
        if self.samples:
            self.programs_seen += others
        else:
            self.seen_first = others
        self.samples += 1
        self.sample_next = now + SAMPLE_INTERVAL

    def others_now(self) -> float:
        """The CPU time of the whole process, in seconds."""
        return process_time()

    def queued_of(self, thread: int) -> float | None:
        """For how long *thread* has been in a run queue; None if nobody can tell."""
        return self.queue_of(thread)

    def seen_on_the_way(self, seen: Seen, thread: int) -> Seen:
        """*seen* of a task that *thread* still runs.

        For how long a thread has been in the queue is counted when it leaves that. So
        of one that is in there nobody knows yet what it has waited for.
        """
        if seen.wait and self.wants_cpu(thread):
            return seen._replace(queued=seen.seconds - seen.cpu)
        return seen

    def told_apart(
        self,
        seen: Seen,
        thread: int,
        since: float | None,
        others: float,
        until: float | None = None,
    ) -> Seen:
        """*seen*, with what kept *thread* from running taken out of what it waited.

        Args:
            since: For how long the thread had been in a run queue when it began; None
                if nobody could tell.
            others: How long other threads of this program may have had the
                interpreter's lock meanwhile: the time in which they had a CPU, and in
                which they waited for one with the lock in their hands.
            until: As *since*, when it ended; None to look now.
        """
        rest = seen.seconds - seen.cpu
        if not run_queue.is_notable(rest, seen.seconds):
            return seen
        after = self.queued_of(thread) if until is None else until
        self.part_of_others = min(1.0, others / rest)
        if after is None or since is None:
            self.is_unsure = True
            return seen._replace(others=others)
        queued = min(rest, max(0.0, after - since))
        self.part_queued = queued / rest
        return seen._replace(queued=queued, others=others)

    def as_before(self, seen: Seen) -> Seen:
        """*seen*, of which nobody knows what held it up: what did the latest one."""
        rest = max(0.0, seen.seconds - seen.cpu)
        return seen._replace(
            queued=rest * self.part_queued, others=rest * self.part_of_others
        )

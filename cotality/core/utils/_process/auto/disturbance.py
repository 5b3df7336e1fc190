"""What else goes on, that makes tasks seem to wait which only want to run."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic, process_time

from cotality.core.utils._process import run_queue

from .evidence import Seen

# A look at the run queue takes 12 us: not for what is less than this, in seconds and as
# a part of the time.
NOTABLE = 50e-6
NOTABLE_PART = 0.05
SAMPLE_INTERVAL = 0.002  # s between two looks at how many want a CPU
MOST_SAMPLES = 50
# Of a program with more threads than this not all of them are looked at.
MOST_THREADS = 32
BUSY_PROGRAMS = 0.5  # that many threads of others are no accident


class Disturbance:
    """Tells what held a task up, and how many others want a CPU.

    Args:
        queue_of: Says for how long a thread has been in a run queue, see
            `seconds_in_queue`.
        runnable: Says how many threads want a CPU, see `runnable_now`.
        threads: Says which threads there are, see `threads_here`.

    Attributes:
        is_unsure: Whether something was seen to be held up by what nobody could tell.
    """

    def __init__(
        self,
        queue_of: Callable[[int], float | None] | None = None,
        runnable: Callable[[], int | None] | None = None,
        threads: Callable[[], list[int]] | None = None,
    ) -> None:
        self.queue_of = queue_of or run_queue.seconds_in_queue
        self.runnable = runnable or run_queue.runnable_now
        self.threads = threads or run_queue.threads_here
        # Of each thread, when a task was last done with.
        self.queued: dict[int, float] = {}
        self.machine = os.cpu_count() or 1
        self.samples = 0
        self.programs_seen = 0
        self.sample_next = 0.0  # by the monotonic clock
        self.is_unsure = False

    @property
    def programs(self) -> float:
        """How many threads of other programs want a CPU, on average."""
        return self.programs_seen / self.samples if self.samples else 0.0

    @property
    def is_busy(self) -> bool:
        return self.programs >= BUSY_PROGRAMS

    def sample(self, ours: int = 1) -> None:
        """See how many want a CPU besides *ours*, if that was not just seen."""
        now = monotonic()
        if now < self.sample_next or self.samples >= MOST_SAMPLES:
            return
        running = self.runnable()
        if running is None:
            self.sample_next = float("inf")
            return
        self.samples += 1
        self.programs_seen += max(0, running - ours)
        self.sample_next = now + SAMPLE_INTERVAL

    def others_now(self) -> float:
        """The CPU time of the whole process, in seconds."""
        return process_time()

    def known_of(self, thread: int) -> float:
        """For how long *thread* had been in a run queue when a task was done with."""
        return self.queued.get(thread, 0.0)  # 0: it was started for the call

    def begin(self) -> None:
        """See how things are before the first task runs."""
        self.sample()
        self.queued_of_others(0, is_over=True)

    def queued_of_others(self, thread: int, *, is_over: bool) -> float:
        """How long all but *thread* have been in run queues since a task was done with.

        One of them may have had the interpreter's lock, and kept it all that time.

        Args:
            is_over: Whether one is now.
        """
        others = self.threads()
        if len(others) > MOST_THREADS:
            return 0.0
        found = 0.0
        for other in others:
            if other != thread:
                queued = self.queue_of(other) or 0.0
                found += max(0.0, queued - self.known_of(other))
                if is_over:
                    self.queued[other] = queued
        return found

    def told_apart(
        self,
        seen: Seen,
        thread: int,
        others: float,
        *,
        since: float | None = None,
        alone: bool = True,
    ) -> Seen:
        """*seen*, with what kept *thread* from running taken out of what it waited.

        Args:
            others: The CPU time that other threads of this program have had meanwhile.
            alone: Whether no other tasks run in this program: then its other threads
                are looked at as well.
            since: For how long the thread had been in a run queue when that began of a
                task that still runs; None if it is done.
        """
        rest = seen.seconds - seen.cpu
        if rest < NOTABLE or rest < NOTABLE_PART * seen.seconds:
            return seen
        before = self.known_of(thread) if since is None else since
        after = self.queue_of(thread)
        if after is None:
            self.is_unsure = True
            return seen._replace(others=others)
        if since is None:
            self.queued[thread] = after
        queued = min(rest, max(0.0, after - before))
        if alone and rest - queued > NOTABLE:
            others += self.queued_of_others(thread, is_over=since is None)
        return seen._replace(queued=queued, others=others)

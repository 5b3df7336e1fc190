"""The rules by which tasks are handed out: pure arithmetic.

No clock, no threads, no input or output in here: everything that these rules know
they are told. That is why they can be tried with made-up durations and a thousand
workers. Times are in seconds.

The unit that is handed out is a *portion*: tasks that follow one another in the input
and travel as one item. Submitting one costs 15 to 25 microseconds on threads and 80 to
120 on processes, far more than a tiny task takes, so portions of tiny tasks hold many
of them and portions of long tasks hold one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """The constants of the schedule."""

    # How much work a portion should hold. Long against what a portion costs (0.1 ms),
    # short against what a person notices and against the end of a run, when some
    # workers wait for the last portions of others.
    target: float = 0.02
    # A worker that has spent this long on a portion hands the rest back: a portion
    # that was measured on short tasks and holds a long one delays nobody else.
    time_box: float = 0.05
    # What it costs the parent to hand out and take back one portion, at most.
    portion_cost: float = 100e-6
    # More tasks in a portion would save nothing even when a task does nothing at all
    # (measured). Where results are taken one by one, a portion is also what is read
    # ahead and kept, so there it holds fewer.
    largest_portion: int = 2048
    largest_streamed_portion: int = 512
    # Portions that stand ready for a worker to take, so that none waits for us.
    ready_per_worker: int = 1
    # A portion takes at most this part of one worker's fair share of what is left,
    # so that the last ones are small and the workers finish together.
    parts_per_share: int = 4
    # Measured durations may be noise: portions at most triple from one to the next.
    growth: int = 3
    # How far the input may be read ahead of what the caller has taken: so many tasks
    # for each worker, or so many portions if that is more.
    window_tasks: int = 8
    window_portions: int = 4


class Pace:
    """How many tasks make a portion of the wanted length, as far as is known."""

    def __init__(self, rules: Rules, workers: int, largest: int) -> None:
        self.rules = rules
        self.largest = largest
        # With many workers portions come back faster than one parent can handle
        # them, so they have to be longer: a quarter of the parent's time at most.
        self.target = max(rules.target, 4 * workers * rules.portion_cost)
        self.mean = 0.0
        self.size = 1

    def observe(self, tasks: int, seconds: float) -> None:
        """Learn that *tasks* tasks took *seconds* of one worker's time in all."""
        if tasks == 0 or seconds <= 0:
            return  # nothing ran, or nobody knows for how long
        latest = seconds / tasks
        # Half of the past: one odd portion sways the next few, not the whole run.
        self.mean = (self.mean + latest) / 2 if self.mean else latest
        fitting = int(self.target / self.mean) if self.mean else self.size * 3
        largest = min(self.size * self.rules.growth, self.largest)
        self.size = max(1, min(fitting, largest))


class Schedule:
    """Says how many tasks the next portion holds; 0 when it has to wait.

    Args:
        workers: How many portions run at a time.
        total: How many tasks there are, or None when nobody knows.
        bounded: Whether the caller takes results one by one, so that what is read
            ahead of it has to be limited.
        largest_portion: A limit below the one of the rules, or None.
    """

    def __init__(
        self,
        workers: int,
        *,
        total: int | None = None,
        bounded: bool = True,
        largest_portion: int | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.rules = rules or Rules()
        self.workers = workers
        self.total = total
        self.bounded = bounded
        largest = self.rules.largest_portion
        if bounded:
            largest = self.rules.largest_streamed_portion
        self.pace = Pace(self.rules, workers, min(largest, largest_portion or largest))
        self.portions_out = 0  # handed out and not come back
        self.ahead = 0  # tasks handed out whose results the caller has not taken
        self.settled = 0  # tasks that came back as a value or a failure
        self.out = 0  # tasks in the portions that are out

    @property
    def window(self) -> int:
        """How many tasks may be handed out and not yet taken by the caller."""
        for_long_tasks = self.rules.window_tasks
        for_short_tasks = self.rules.window_portions * self.pace.size
        return self.workers * max(for_long_tasks, for_short_tasks)

    def next_portion(self, *, from_returned: bool = False) -> int:
        """How many tasks to hand out now, 0 for none until something comes back.

        Tasks that were handed back are not held up by a full window. They had their
        place in it before, and in an ordered stream it is they that all others, done
        and waiting in the window, may be waiting for.
        """
        if self.portions_out >= self.workers * (1 + self.rules.ready_per_worker):
            return 0
        size = self.pace.size
        if self.bounded and not from_returned:
            size = min(size, self.room())
        size = min(size, self.fair_share())
        return max(0, size)

    def room(self) -> int:
        """How many tasks fit into the window."""
        room = self.window - self.ahead
        if self.portions_out < self.workers:
            # A long task may hold up hundreds of short ones in its portion, more than
            # a window for long tasks has room for. So that no worker has to wait for
            # it, such a portion counts for the one task that runs.
            begun = self.ahead - self.out + self.portions_out
            room = max(room, min(1, self.window - begun))
        return room

    @property
    def time_box(self) -> float:
        """Seconds after which a worker hands back what it has not started.

        At least the target, which grows with the number of workers, or portions would
        come back half done as a rule.
        """
        return max(self.rules.time_box, self.pace.target)

    def fair_share(self) -> int:
        """The most tasks a portion may hold so that workers finish together."""
        shares = self.workers * self.rules.parts_per_share
        if self.total is None:
            # How many there will be nobody knows; how many there were is the only
            # evidence, and a portion is no larger than its part of that.
            return max(1, self.settled // shares)
        left = self.total - self.settled - self.out
        return max(1, left // shares)

    def input_ended(self, total: int) -> None:
        """The input is read to its end, so it is known how many tasks there are."""
        self.total = total

    def handed_out(self, tasks: int) -> None:
        """A portion of *tasks* tasks is on its way."""
        self.portions_out += 1
        self.out += tasks
        self.ahead += tasks

    def came_back(self, settled: int, handed_back: int, seconds: float) -> None:
        """A portion is back: so many tasks settled, so many never started."""
        self.portions_out -= 1
        self.out -= settled + handed_back
        self.ahead -= handed_back
        self.settled += settled
        self.pace.observe(settled, seconds)

    def taken(self, tasks: int) -> None:
        """The caller has taken the results of *tasks* tasks."""
        self.ahead -= tasks

"""The rules by which tasks are handed out: pure arithmetic.

There is no clock, no thread and no input or output here: the rules are told everything
that they know. So they can be tried with made-up durations and a thousand workers.
Times are in seconds.

The unit that is handed out is a *portion*: tasks that follow one another in the input
and travel as one item. Submitting one takes 15 to 25 microseconds on threads and 80 to
120 on processes, far longer than a tiny task. So portions of tiny tasks hold many of
them, and portions of long tasks hold one.
"""

from __future__ import annotations

from cotality._kit.records import NamedTuple


class Rules(NamedTuple):
    """The constants of the schedule."""

    # How much work a portion should hold, in seconds. This is long compared with the
    # cost of a portion (0.1 ms). It is short compared with what a person notices, and
    # with the end of a run, when some workers wait for the last portions of others.
    target: float = 0.02
    # A worker hands the rest of a portion back after *patience* times the expected
    # time, or after *time_box* seconds. So if a portion that was sized for short tasks
    # holds a long one, the long task delays no other task.
    patience: int = 3
    time_box: float = 0.05
    # But not sooner than this: anything may take a worker's core away for a moment.
    shortest_time_box: float = 0.001
    # The most (s) that handing out and taking back one portion costs the parent.
    portion_cost: float = 100e-6
    # More tasks in a portion would save nothing, even if a task does nothing
    # (measured). In a stream, the tasks of a portion are also read ahead and kept, so
    # it holds fewer.
    largest_portion: int = 8192
    largest_streamed_portion: int = 512
    # How many portions stand ready for each worker, so that no worker waits for us.
    ready_per_worker: int = 1
    # A worker's fair share of the tasks that are left makes this many portions, so that
    # the last ones are small and the workers finish together.
    parts_per_share: int = 4
    # Measured durations may be noise: portions at most triple from one to the next.
    growth: int = 3
    # How far the input may be read ahead of what the caller has taken: this many tasks
    # for each worker, or this many portions if that is more.
    window_tasks: int = 8
    window_portions: int = 4


class Pace:
    """How many tasks make a portion of the wanted length, learnt from past portions."""

    portion_cost: float
    mean: float
    size: int
    proven: int

    def __init__(self, rules: Rules, workers: int, largest: int) -> None:
        self.rules = rules
        self.workers = workers
        self.largest = largest
        self.portion_cost = rules.portion_cost
        self.mean = 0.0
        self.size = 1
        self.proven = 1  # the most tasks in a portion that came back whole

    @property
    def target(self) -> float:
        """How much work a portion should hold, in seconds."""
        # With many workers, or costly portions, portions come back faster than one
        # parent can handle them. So they are longer: the parent spends a quarter of its
        # time on them at most.
        return max(self.rules.target, 4 * self.workers * self.portion_cost)

    def learn_cost(self, seconds: float) -> None:
        """Learn how long handing out a portion takes here, if that is long."""
        self.portion_cost = max(self.rules.portion_cost, seconds)

    def observe(self, tasks: int, seconds: float) -> None:
        """Learn that *tasks* tasks took *seconds* of one worker's time in all."""
        if tasks == 0 or seconds <= 0:
            return  # nothing ran, or it is not known for how long
        self.proven = max(self.proven, tasks)
        latest = seconds / tasks
        # Half of the past: one odd portion sways the next few, not the whole run.
        self.mean = (self.mean + latest) / 2 if self.mean else latest
        fitting = int(self.target / self.mean) if self.mean else self.size * 3
        largest = min(self.size * self.rules.growth, self.largest)
        self.size = max(1, min(fitting, largest))

    def cut_short(self, tasks: int) -> None:
        """Learn that a portion came back after *tasks* tasks, the rest not started.

        There was no time for more tasks, or no room: a large result is sent by itself.
        The next portions should hold only this many. Otherwise a window of such
        portions could hold many large results.
        """
        self.size = max(1, min(self.size, tasks))
        self.proven = max(1, min(self.proven, tasks))


class Schedule:
    """Says how many tasks the next portion holds; 0 when it has to wait.

    Args:
        workers: How many portions run at a time.
        total: How many tasks there are, or None when nobody knows.
        bounded: Whether the caller takes results one by one, so that what is read
            ahead of it has to be limited.
        chunksize: The most tasks in a portion, and as many as the first one holds if
            there are enough; None lets portions grow from one task on.
        largest_portion: A limit below the one of the rules, or None.
        ready_per_worker: As in the rules, if it has to be something else.
    """

    rules: Rules
    most_ready: int
    workers: int
    pace: Pace
    portions_out: int
    ahead: int
    settled: int
    out: int

    def __init__(
        self,
        workers: int,
        *,
        total: int | None = None,
        bounded: bool = True,
        chunksize: int | None = None,
        largest_portion: int | None = None,
        ready_per_worker: int | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.rules = rules or Rules()
        self.most_ready = self.rules.ready_per_worker
        self.let_stand_ready(ready_per_worker)
        self.workers = workers
        self.total = total
        self.bounded = bounded
        largest = self.rules.largest_portion
        if bounded:
            largest = self.rules.largest_streamed_portion
        largest = min(largest, largest_portion or largest, chunksize or largest)
        self.pace = Pace(self.rules, workers, largest)
        if chunksize is not None:
            self.pace.size = self.pace.proven = largest
        self.portions_out = 0  # handed out and not come back
        self.ahead = 0  # tasks handed out whose results the caller has not taken
        self.settled = 0  # tasks that came back as a value or a failure
        self.out = 0  # tasks in the portions that are out
        self.most_ahead: int | None = None  # a limit on the window besides the rules

    def resize(self, workers: int) -> None:
        """The number of workers has changed."""
        self.workers = self.pace.workers = workers

    def let_stand_ready(self, portions: int | None) -> None:
        """Set how many *portions* may stand ready for each worker; None: as by rule."""
        self.most_ready = self.rules.ready_per_worker if portions is None else portions

    @property
    def ready_per_worker(self) -> int:
        """How many portions may stand ready for each worker.

        With one worker, none: one worker is expected to run tasks in their order, and a
        portion that stands ready would run before tasks that are handed back.
        """
        return 0 if self.workers == 1 else self.most_ready

    @property
    def window(self) -> int:
        """How many tasks may be handed out and not yet taken by the caller."""
        for_long_tasks = self.rules.window_tasks
        # Short tasks may have large results, which fill a portion early. That does not
        # show as long as all portions are small for other reasons.
        proven = self.rules.growth * self.pace.proven
        for_short_tasks = self.rules.window_portions * min(self.pace.size, proven)
        window = self.workers * max(for_long_tasks, for_short_tasks)
        if self.most_ahead is None:
            return window
        # Each worker may have one more than the window has room for, see `room`.
        return min(window, max(self.most_ahead - self.workers, self.workers))

    def next_portion(self, *, from_returned: bool = False) -> int:
        """How many tasks to hand out now, 0 for none until something comes back.

        A full window does not hold up tasks that were handed back. They already have
        their place in it. In an ordered stream, all other tasks in the window may be
        done and waiting for them.
        """
        if self.portions_out >= self.workers * (1 + self.ready_per_worker):
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
            # the window for long tasks has room for. So such a portion counts as only
            # the one task that runs, and no worker has to wait for it.
            begun = self.ahead - self.out + self.portions_out
            for_long_tasks = self.workers * self.rules.window_tasks
            room = max(room, min(1, for_long_tasks - begun))
        return room

    def time_box(self, tasks: int) -> float:
        """Seconds after which a worker hands back those of *tasks* it has not started.

        The target grows with the number of workers, and the time box with it; otherwise
        most portions would come back half done. It is at least a round, because the
        parent has to hand out again what comes back.
        """
        expected = tasks * self.pace.mean
        shortest = max(self.rules.shortest_time_box, self.round)
        longest = max(self.rules.time_box, self.pace.target)
        return min(longest, max(shortest, self.rules.patience * expected))

    @property
    def round(self) -> float:
        """Seconds the parent needs to serve every worker once."""
        return self.workers * self.pace.portion_cost

    def fair_share(self) -> int:
        """The most tasks a portion may hold so that workers finish together."""
        if self.total is None:
            # It is not known how many tasks there will be. The only evidence is how
            # many there were, and a portion is no larger than its part of that.
            left = self.settled
        else:
            left = self.total - self.settled - self.out
        share = left // (self.workers * self.rules.parts_per_share)
        if self.is_end_short(left):
            return max(1, share)
        # Workers do not finish together if all of them wait for the parent. So at the
        # end a portion keeps a worker busy for a round. It holds less if nothing would
        # be left for others, in case the next tasks take longer.
        for_a_round = int(self.round / self.pace.mean) if self.pace.mean else 1
        return max(1, share, min(for_a_round, 2 * left // self.workers))

    def is_end_short(self, left: int) -> bool:
        """Whether the last tasks may go one by one, each as soon as it is done.

        Then no result has to wait for the next task of its portion. They may, if no
        worker would have to wait for the parent because of that.
        """
        few = self.workers * self.rules.parts_per_share
        return left < few and self.round < self.pace.target / 16

    def input_ended(self, total: int) -> None:
        """The input is read to its end, so it is known how many tasks there are."""
        self.total = total

    def handed_out(self, tasks: int) -> None:
        """A portion of *tasks* tasks is on its way."""
        self.portions_out += 1
        self.out += tasks
        self.ahead += tasks

    def came_back(self, settled: int, handed_back: int, seconds: float) -> None:
        """A portion is back: how many of its tasks settled, how many never started."""
        self.portions_out -= 1
        self.out -= settled + handed_back
        self.ahead -= handed_back
        self.settled += settled
        self.pace.observe(settled, seconds)
        if handed_back:
            self.pace.cut_short(settled)

    def waits(self) -> None:
        """One of the tasks that came back settled waits for another attempt.

        It keeps its place in the window.
        """
        self.settled -= 1

    def waited(self) -> None:
        """A task that waited is ready to be handed out again."""
        self.ahead -= 1

    def taken(self, tasks: int) -> None:
        """The caller has taken the results of *tasks* tasks."""
        self.ahead -= tasks

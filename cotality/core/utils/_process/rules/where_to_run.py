"""How long the rest of a call would take in each of three places: pure arithmetic.

Times are in seconds, those in `Figures` of one task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, sqrt
from typing import Literal, TypeAlias

from cotality._kit.records import dataclass

from .portion_size import Rules

Place: TypeAlias = Literal["one thread", "threads", "processes"]

# How long (s) it takes to start a thread, and to hand a tiny task out and back
# (measured).
THREAD_START = 60e-6
# How long (s) a new thread waits for its first turn if other programs keep all CPUs
# busy (measured beside two on 2 CPUs). Fewer busy programs than this are an accident.
FIRST_TURN = 3e-3
BUSY_PROGRAMS = 0.5
COST_ON_THREADS = 0.25e-6
COST_ON_PROCESSES = 0.6e-6
# The longest (s) that a worker takes to unpack a task and to pack its result (a guess).
MOST_UNPACKING = 50e-6
# Threads that compete for the interpreter's lock take this many times as long.
COMPETITION = 1.05
# The part of the time in which the lock must be busy before it counts as the limit.
BUSY_ENOUGH = 0.93
# How many tasks to assume if their number is not known.
MANY = 1000
# What waits for more than this part of its time releases the lock meanwhile. Nobody
# knows how much of the rest holds it.
LETS_GO = 0.2
ENOUGH_MORE = 2
# The least time (s) that a move has to save to be worth the doubt; less for threads,
# which start at once.
LEAST_SAVING = 0.005
LEAST_ON_THREADS = 0.002
LEAST_RATIO = 0.9


@dataclass(frozen=True, slots=True)
class Figures:
    """What has been measured, as far as it matters.

    Attributes:
        left: How many tasks have not been started; a guess if nobody knows.
        wall: How long a task takes that runs alone.
        cpu: The CPU time it takes.
        lock: The part of that in which no other thread of this process can run Python
            code, 0 to 1.
        transport: The time of this process that a task takes which travels to another
            one: to pickle its arguments and to unpickle its result.
        start: How long it takes until worker processes answer, where nothing else wants
            a CPU.
        cpus: How many CPUs there are for us.
        threads: How many threads there may be.
        processes: How many worker processes there may be; 0 if there can be none.
        running: How long what runs on a thread will go on.
        others: How many threads of other programs want a CPU as well.
        machine: How many CPUs those and ours share; 0 if that is *cpus*.
        is_lock_seen: Whether *lock* was measured, and is not what is usual.
    """

    left: int
    wall: float
    cpu: float
    lock: float
    transport: float
    start: float
    cpus: int
    threads: int
    processes: int
    running: float = 0.0
    others: float = 0.0
    machine: int = 0
    is_lock_seen: bool = True

    def cpus_for(self, wanting: int) -> float:
        """How many CPUs *wanting* threads get together.

        The scheduler gives each that wants one the same share, ours and others'.
        """
        machine = max(self.machine, self.cpus)
        return min(self.cpus, wanting * min(1.0, machine / (wanting + self.others)))

    @property
    def computing(self) -> float:
        """The part of its time for which a task computes; 1 if none has taken any."""
        return self.cpu / self.wall if self.wall else 1.0

    @property
    def alone(self) -> float:
        """How long a task takes alone here and now, while others want CPUs as well."""
        return self.wall + self.cpu * (1 / self.cpus_for(1) - 1)

    def seconds(self, place: Place) -> float:
        """How long all that is left would take there; infinity if that cannot be."""
        if place == "one thread":
            return self.running + self.left * (self.alone + COST_ON_THREADS)
        if place == "threads":
            return self.seconds_on_threads(self.useful_threads)
        return self.seconds_on_processes()

    @property
    def useful_threads(self) -> int:
        """How many threads keep the CPUs, or the lock, as busy as it pays.

        By Little's law: as many tasks as are under way at the rate that is possible.
        If one lock limits that rate, this number would often all wait for the lock, or
        all not want it. So there are more: enough to keep it busy most of the time.
        """
        most = max(1, min(self.threads, self.left + (self.running > 0)))
        service = self.cpu * self.lock
        delay = max(0.0, self.wall - service)
        if self.cpu / self.cpus >= service:
            wanted = self.wall / (self.cpu / self.cpus)
        else:
            # What `rate_with_lock` says for a lock that is busy for that share.
            root = delay**2 + 4 * service * delay / (1 - BUSY_ENOUGH)
            wanted = BUSY_ENOUGH / 2 * (delay + sqrt(root)) / service
        return max(1, min(most, round(wanted)))

    def seconds_on_threads(self, threads: int) -> float:
        if threads < 2:
            return self.seconds("one thread")
        rate = min(self.rate_with_lock(threads), self.cpus_for(threads) / self.cpu)
        last = ceil(self.left / threads) * self.alone  # no task is shared
        rounds = max(self.left / rate, min(last, self.left * self.alone))
        return max(self.running, self.with_starts(rounds, threads, threads / rate))

    @property
    def thread_start(self) -> float:
        """How long after one thread the next one begins."""
        if self.others < BUSY_PROGRAMS:
            return THREAD_START
        machine = max(self.machine, self.cpus)
        return THREAD_START + FIRST_TURN * min(1.0, self.others / machine)

    def with_starts(self, seconds: float, threads: int, each: float) -> float:
        """How long work of *seconds* takes if its *threads* begin one after the other.

        Args:
            each: How long a thread takes for a task.
        """
        until_all = threads * self.thread_start
        # What is done until then is half of what all of them would have done.
        before_all = sqrt(2 * self.thread_start * each * self.left)
        if before_all < until_all and self.left > threads:
            return max(each, before_all)
        return seconds + (until_all / 2 if self.left > threads else until_all)

    def rate_with_lock(self, threads: int) -> float:
        """How many tasks a second *threads* do that take turns with one lock.

        A closed queueing network of one server, which is the lock, and a delay, by the
        approximation of Schweitzer and Bard: a thread that comes finds the queue that
        there is on average, its own part left out.
        """
        locked = self.cpu * self.lock / self.cpus_for(1)
        service = locked * COMPETITION + COST_ON_THREADS
        delay = max(0.0, self.alone - locked)
        half = (service * threads - delay) / 2
        return threads / (half + sqrt(half**2 + service * delay) + delay)

    def seconds_on_processes(self) -> float:
        if not self.processes:
            return float("inf")
        here = self.transport + COST_ON_PROCESSES
        # What is large is copied here; there it is mapped.
        there = min(self.transport, MOST_UNPACKING) + COST_ON_PROCESSES
        cpus = self.cpus_for(self.processes)
        wait = max(0.0, self.wall - self.cpu)
        one = self.cpu * self.processes / cpus + wait  # each has its share of a CPU
        one = max(one, self.wall)
        each = max(
            (one + self.transport + there) / self.processes,
            (self.cpu + here + there) / cpus,
            here,
        )
        start = self.start / self.cpus_for(1)
        return max(self.running, max(self.left * each, one) + start)

    @property
    def lets_go(self) -> bool:
        """Whether it has to show on threads what else it needs the lock for.

        What waits now and then lets go of it, perhaps for all that it does in the
        system as well. That it keeps it whenever it has a CPU would be a guess, and
        threads show at once what they do, where processes would never show it.
        """
        if self.is_lock_seen or self.threads < 2:
            return False
        return self.wall - self.cpu > LETS_GO * self.wall

    @property
    def is_best_on_threads(self) -> bool:
        """Whether threads do much more than processes even if it keeps the lock."""
        return ENOUGH_MORE * self.processes * self.cpu < self.wall

    def all_seconds(self) -> dict[str, float]:
        return {place: self.seconds(place) for place in PLACES}


def portion_for(figures: Figures, workers: int) -> int:
    """How many tasks travel together when the schedule has found its pace."""
    rules = Rules()
    fitting = (
        int(rules.target / figures.wall) if figures.wall else rules.largest_portion
    )
    share = figures.left // (workers * rules.parts_per_share)
    return max(1, min(fitting, share, rules.largest_portion))


PLACES: tuple[Place, ...] = ("one thread", "threads", "processes")
HERE = PLACES[:2]  # those of this process


def better_place(figures: Figures, here: Place, rate: float = 0.0) -> Place | None:
    """Where to go from *here*; None to stay.

    Args:
        rate: How many tasks a second have been done here; 0 if too few to tell. What
            has been done counts for more than what should be.
    """
    least = figures.seconds(here)
    if rate:
        least = min(least, max(figures.running, figures.left / rate))
    # Beside programs that keep the CPUs busy, whatever wakes up is late. What was
    # measured here has that in it, and what is expected of processes has not.
    is_early = not rate or figures.is_best_on_threads
    places = HERE if figures.lets_go and is_early else PLACES
    best = best_place(figures.seconds, here, least, places)
    return None if best == here else best


def best_place(
    seconds_in: Callable[[Place], float],
    here: Place,
    least: float,
    places: Sequence[Place] = PLACES,
) -> Place:
    """The plainest place that no other one beats by more than the doubt.

    Args:
        seconds_in: How long all of it takes in a place.
        here: The place that the others have to beat.
        least: How long all of it takes here.
        places: Those that come into question, the plainest first.
    """
    best = here
    for place in places:
        seconds = seconds_in(place)
        saving = LEAST_ON_THREADS if place == "threads" else LEAST_SAVING
        if least - seconds > saving and seconds < LEAST_RATIO * least:
            best, least = place, seconds
    return best

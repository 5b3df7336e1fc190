"""Limits the memory that the tasks of a call take, and keeps some of it free."""

from __future__ import annotations

from math import inf
from time import monotonic

from cotality._kit import units
from cotality._kit.safe_text import shortened
from cotality.core.utils._process.engine.brakes import Brake, Told
from cotality.core.utils._process.machine.memory import (
    MB,
    memory_left,
    memory_limit_from_environment,
)
from cotality.core.utils._process.machine.object_size import size_of
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.task import Task

# With less free memory than this, no task starts: a part of the limit, at most these
# bytes.
FLOOR_SHARE = 0.1
MOST_FLOOR = 100 * MB
# How long (s) between two looks at the memory that is free. A look takes 50 us.
LOOK_INTERVAL = 0.05
# How long (s) to wait for memory while nothing of the call runs to give it back.
PATIENCE = 10.0
# How many things of a portion are measured, spread evenly.
SAMPLES = 4


class MemoryLimit(Brake):
    """Lets no more tasks be out than fit, and none start while memory is short.

    A task counts as large as what it is given and what it returns. What it takes
    besides, while it runs, nobody can know before: for that there is the floor.

    Args:
        limit: How many bytes all tasks may take that are out.
        patience: Seconds to wait for memory while nothing of the call runs.
    """

    def __init__(self, limit: int, *, patience: float = PATIENCE) -> None:
        self.limit = limit
        self.floor = min(MOST_FLOOR, int(FLOOR_SHARE * limit))
        self.patience = patience
        self.out = 0  # tasks
        self.arguments = Likely()
        self.results = Likely()
        self.seen = 0  # tasks that came back
        self.look_at = 0.0  # when to see again what is free
        self.free: float = inf
        self.least_free: float = inf  # when no task was started for lack of it
        self.fewest: float = inf  # tasks that fitted
        self.short_since: float | None = None

    def take(self, wanted: int) -> int:
        if self.is_short():
            return 0
        self.opens_at = inf  # as soon as something comes back
        # Before a result is there nobody knows how large they are: one by one, and so
        # one for each worker.
        wanted = wanted if self.seen else 1
        fitting = max(1, self.fitting)
        self.fewest = min(self.fewest, fitting)
        granted = max(0, min(wanted, fitting - self.out))
        self.out += granted
        return granted

    @property
    def fitting(self) -> int:
        """How many tasks fit, as far as is known."""
        return int(self.limit / max(1.0, self.arguments.bytes + self.results.bytes))

    def is_short(self) -> bool:
        """Whether so little memory is free that no task should start.

        Raises:
            MemoryError: For too long, and no task of the call runs.
        """
        now = monotonic()
        if now >= self.look_at:
            left = memory_left()
            self.free = inf if left is None else left
            self.look_at = now + LOOK_INTERVAL
        if self.free >= self.floor:
            self.short_since = None
            return False
        self.least_free = min(self.least_free, self.free)
        if self.out or self.short_since is None:
            self.short_since = now
        if now - self.short_since > self.patience:
            raise MemoryError(
                f"no task was started for {self.patience:g} s, because only "
                f"{self.free / MB:,.0f} MB of memory are free and a call with "
                f"memory_limit_mb={self.limit / MB:g} starts none below "
                f"{self.floor / MB:,.0f} MB. End what takes the memory, or lower the "
                f"limit."
            )
        self.opens_at = self.look_at
        return True

    def told(self, refused: int) -> Told:
        limit = f"memory_limit_mb={self.limit / MB:g}"
        if self.least_free < inf:
            why = (
                f"only {self.least_free / MB:,.0f} MB of memory were free at times, "
                f"and none starts below {self.floor / MB:,.0f} MB"
            )
            way_out = "End what takes the memory, or lower the limit."
        else:
            each = self.arguments.bytes + self.results.bytes
            why = (
                f"a task takes about {each / MB:,.3g} MB with its result, so that "
                f"{self.fewest:,.0f} at a time fit"
            )
            way_out = (
                "Raise the limit if there is more memory, or let tasks be given less "
                "and return less."
            )
        return Told(
            limit,
            f"The memory limit held tasks back: with {limit} {why}, and for {{waited}} "
            f"workers had nothing to do because of that.",
            way_out,
        )

    def give_back(self, count: int) -> None:
        self.out -= count

    def handed_out(self, portion: Portion) -> None:
        step = max(1, len(portion.tasks) // SAMPLES)
        for task in portion.tasks[::step]:
            self.arguments.learn(size_of_arguments(task))

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        self.out -= len(portion.tasks) - len(portion.failures)
        count = len(report.values)
        self.seen += count
        for value in report.values[:: max(1, count // SAMPLES)]:
            self.results.learn(size_of(value))


class Likely:
    """How large the next one is, likely: as large as any was lately."""

    def __init__(self) -> None:
        self.bytes = 0.0

    def learn(self, size: int) -> None:
        # Growth is believed at once, because it is what could be too much.
        self.bytes += (size - self.bytes) * (1.0 if size > self.bytes else 1 / 16)


def size_of_arguments(task: Task[object]) -> int:
    return sum(map(size_of, (*task.positional, *task.arguments.values())))


def limit_of(megabytes: object, size: object = None) -> int:
    """The limit of a call in bytes; without an argument, that of the environment.

    Args:
        megabytes: What the option *memory_limit_mb* says, if anything.
        size: What *memory_limit* says: a text such as ``"2GB"``, or bytes.

    Raises:
        TypeError: It is no number, or says no size.
        ValueError: It is not more than 0, or both are given.
    """
    if size is not None:
        if megabytes is not None:
            raise ValueError(
                f"memory_limit={size!r} and memory_limit_mb={megabytes!r} say the same "
                f"thing twice: leave out one of the two"
            )
        return bytes_of(size)
    if megabytes is None:
        megabytes = (memory_limit_from_environment() or 0) / MB
    if isinstance(megabytes, str):
        raise TypeError(
            f"memory_limit_mb must be a number or None, got {megabytes!r}. "
            f"memory_limit={megabytes!r} takes a text."
        )
    if isinstance(megabytes, bool) or not isinstance(megabytes, int | float):
        raise TypeError(f"memory_limit_mb must be a number or None, got {megabytes!r}")
    if not 0 < megabytes < inf:
        raise ValueError(
            f"memory_limit_mb must be more than 0 and finite, in MB (1,000,000 bytes), "
            f"got {megabytes!r}. Leave it out for no limit."
        )
    return int(megabytes * MB)


def bytes_of(size: object) -> int:
    """What *memory_limit* says, in bytes."""
    if isinstance(size, bool) or not isinstance(size, int | float | str):
        raise TypeError(
            f"memory_limit must be a text such as '2GB', or bytes, got {size!r}"
        )
    found = units.bytes_in(size) if isinstance(size, str) else size
    if found is None:
        raise ValueError(
            f"memory_limit must be a number with a unit, such as '2GB' or '500 MB', "
            f"got {shortened(size, 40)}"
        )
    if not 0 < found < inf:
        raise ValueError(
            f"memory_limit must be more than 0 and finite, got {shortened(size, 40)}. "
            f"Leave it out for no limit."
        )
    if found < MB and not isinstance(size, str):
        raise ValueError(
            f"memory_limit={size!r} would be that many bytes, less than a megabyte. "
            f"Write it with a unit: '500MB', '2GB'."
        )
    return int(found)

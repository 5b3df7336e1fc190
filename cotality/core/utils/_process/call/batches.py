"""Results in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, TypeVar, Unpack

from cotality._kit.public import public
from cotality.core.utils._process.engine.arrivals import driven
from cotality.core.utils._process.engine.delivery import with_failures
from cotality.core.utils._process.engine.interrupted import hide_engine
from cotality.core.utils._process.engine.run import Run, in_turn
from cotality.core.utils._process.machine.object_size import size_of
from cotality.core.utils._process.tasks.checks import (
    OnError,
    checked_count,
    checked_flag,
)
from cotality.core.utils._process.tasks.outcome import Settled
from cotality.core.utils._process.tasks.task import Task

from .call import Call
from .face import BATCHES
from .options.declared import Options, UseProcesses, takes_options

R = TypeVar("R")

MB = 1_000_000  # bytes
# A loop holds one batch while the next one is filled, so two of them count; the rest is
# for results that are there and in no batch yet.
SHARE_OF_BATCH = 3 / 8
SHARE_AHEAD = 1 / 4


@public
@takes_options
def process_in_batches(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    batch_size: int | None = None,
    max_memory_mb: float | None = None,
    ordered: bool = True,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> Generator[list[R], None, None] | Generator[list[R | Exception], None, None]:
    """Run *tasks* and yield their results in lists, while the rest still run.

    As :func:`execute_tasks_in_parallel_streaming`, if you handle many results at once:
    for a bulk insert, or a file of a certain size. ::

        for rows in process_in_batches(tasks, max_memory_mb=500):
            table.insert_many(rows)

    Args:
        tasks: What to run.
        max_workers: As for :func:`execute_tasks_in_parallel`.
        use_processes: Likewise.
        return_exceptions: Likewise.
        batch_size: How many results a batch has; the last one may have fewer.
        max_memory_mb: How many megabytes (of 1,000,000 bytes) results may take in this
            process: the batch that your loop has, the one that is being filled, and
            results that wait to be put into a batch. A batch ends when it takes 3/8 of
            that; it has no fixed number of results, but at least one. If results are
            large, fewer tasks run ahead, but at least one for each worker. Sizes are
            measured from the results, containers and arrays included. They are a few
            percent off if a result holds many similar objects; memory that an extension
            module does not report is not counted. If results suddenly become much
            larger than before, those that are already running may exceed the limit.
            With *batch_size* as well, whichever comes first ends a batch.
        ordered: Put results into batches in the order of *tasks*; otherwise as each
            task finishes.
        on_error: As for :func:`execute_tasks_in_parallel`.
        **options: Likewise, see `Options`.

    Raises:
        ValueError: Neither *batch_size* nor *max_memory_mb* is given, or one is out of
            range. Raised by the call itself.
        TypeError: An argument has the wrong type. Raised by the call itself.
        Exception: As for :func:`execute_tasks_in_parallel_streaming`; the finished
            results are yielded before it, in a last batch.
    """
    BATCHES.check_names({**options})
    limits = checked_limits(batch_size, max_memory_mb)
    call = Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        return_exceptions=return_exceptions,
        on_error=on_error,
        bounded=True,
        face=BATCHES,
    )
    return batches(call.blocking(), checked_flag("ordered", ordered), limits)


def checked_limits(batch_size: object, max_memory_mb: object) -> Limits:
    """When a batch is full.

    Raises:
        TypeError: A value of the wrong type.
        ValueError: One out of range, or none at all.
    """
    return Limits(checked_count("batch_size", batch_size), checked_bytes(max_memory_mb))


def checked_bytes(megabytes: object) -> float | None:
    if megabytes is None:
        return None
    if isinstance(megabytes, bool) or not isinstance(megabytes, int | float):
        raise TypeError(f"max_memory_mb must be a number or None, got {megabytes!r}")
    if not megabytes > 0:
        raise ValueError(f"max_memory_mb must be more than 0, got {megabytes!r}")
    return megabytes * MB


class Limits:
    """When a batch is full, and how many results may be on their way to it.

    Args:
        count: How many results a batch has at most; None for no limit.
        memory: How many bytes all results may take that are here; None for no limit.
    """

    held: int
    seen: int
    likely: float

    def __init__(self, count: int | None, memory: float | None) -> None:
        if count is None and memory is None:
            raise ValueError(
                "say how large a batch is: batch_size=1000 results, or "
                "max_memory_mb=500 for as many as fit"
            )
        self.count = count
        self.memory = memory
        self.held = 0  # bytes in the batch that is being filled
        self.seen = 0  # results whose size is known
        self.likely = 0.0  # bytes of the next result, as large as any was lately

    def add(self, value: object) -> None:
        """*value* goes into the batch."""
        if self.memory is None:
            return
        size = size_of(value)
        self.held += size
        self.seen += 1
        # Growth is believed at once, because it is what could be too much.
        self.likely += (size - self.likely) * (1.0 if size > self.likely else 1 / 16)

    def is_reached(self, results: int) -> bool:
        """Whether a batch of *results* results is full: no other one would fit."""
        if self.count is not None and results >= self.count:
            return True
        if self.memory is None:
            return False
        return self.held + self.likely > SHARE_OF_BATCH * self.memory

    def start_over(self) -> None:
        """The batch was taken."""
        self.held = 0

    @property
    def most_ahead(self) -> int | None:
        """How many results may be here, or on their way, in no batch."""
        if self.memory is None:
            return None
        if not self.seen:
            return 1
        fitting = int(SHARE_AHEAD * self.memory / self.likely)
        # The first result may be a small one, so the others are let loose by and by.
        return max(1, min(fitting, 2 * self.seen))


def batches(
    run: Run, ordered: bool, limits: Limits
) -> Generator[list[Any], None, None]:  # Any: what the tasks return
    run.most_ahead = limits.most_ahead
    take = with_failures(run, Settled.take)
    portions = driven(in_turn(run, ordered), run.arrivals)
    batch: list[Any] = []  # Any: as above
    try:
        for portion in portions:
            count = len(portion.values)
            for _, value in take(portion):
                limits.add(value)
                batch.append(value)
                del value
                if limits.is_reached(len(batch)):
                    full, batch = [batch], []
                    limits.start_over()
                    yield full.pop()  # so that nothing here holds on to it
            run.schedule.taken(count)
            run.schedule.most_ahead = limits.most_ahead
            del portion
    except KeyboardInterrupt as struck:
        hide_engine(struck)
        raise
    finally:
        portions.close()
    if batch:
        full, batch = [batch], []
        yield full.pop()
    run.conclude()

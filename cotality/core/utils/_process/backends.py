"""Where portions run: threads of this process, or worker processes.

To the engine both look the same: a portion is submitted, a future comes back, and
`collect` makes of it what became of the portion's tasks.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, Protocol

from . import arguments, warm
from .arguments import MOST_TAKEN_OUT, Packer, Split, size_of
from .chunk import (
    FUNCTIONS_KEPT,
    ChunkReport,
    Halt,
    LocalChunk,
    PackedChunk,
    run_chunk,
)
from .crash import entry_of
from .exception_transport import unpack_exception
from .failures import TaskTimeoutError, WorkerCrashedError, WorkerStartError, exited
from .handle import Item, WorkerPlan
from .launch import default_context
from .ledger import Entry
from .outcome import Portion
from .pool import Pool
from .segments import NoRoomError, Segment, pack, sent_along
from .task import Task
from .unsendable import unpicklable_call, unreadable_result
from .watcher import START_ATTEMPTS
from .wire import decode, encode

PACKED_LIMIT = 512 * 1024  # bytes of arguments after which a portion is full enough
# Likewise for those put into segments for this portion: to write so much takes longer
# than handing out a portion, and what is out stays in memory.
WRITTEN_LIMIT = 8 * 1024 * 1024


class Backend(Protocol):
    """A place where portions run."""

    workers: int
    # The seconds running tasks get to finish once a call is to end; None: all they
    # need, because nothing can stop them.
    grace: float | None

    def submit(
        self, start: int, tasks: Sequence[Task[Any]], time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:  # Any: tasks of every result type
        """Have a portion of *tasks* run, of the first ones if together they are large.

        The first of them has the index *start*.
        """
        ...

    def collect(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        """What became of *portion*; its *future* is done.

        Raises:
            WorkerStartError: There is nothing to run portions on.
        """
        ...

    def halt(self, futures: Iterable[Future[ChunkReport]]) -> None:
        """Let no task start that has not started, in the portions of *futures*."""
        ...

    def kill(self, futures: Iterable[Future[ChunkReport]]) -> None:
        """End what runs, where that is possible."""
        ...

    def close(self, all_ended: bool) -> None:
        """Give back what the call used; unless *all_ended*, some of it still runs."""
        ...


class ThreadBackend:
    """Threads of this process, made for the call."""

    grace: float | None = None

    def __init__(self, workers: int, *, until_failure: bool) -> None:
        self.workers = workers
        self.signals = Halt(until_failure)
        self.executor: ThreadPoolExecutor | None = None

    def submit(
        self, start: int, tasks: Sequence[Task[Any]], time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:  # Any: tasks of every result type
        if self.executor is None:
            self.executor = ThreadPoolExecutor(self.workers, "cotality")
        given = tasks
        if arguments.share_was_used:
            given = [arguments.without_marks(task) for task in tasks]
        chunk = LocalChunk(given, self.signals)
        future = self.executor.submit(run_chunk, chunk, time_box)
        return Portion(start, tasks, {}), future

    def collect(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        try:
            return future.result()
        except CancelledError:
            return ChunkReport([])

    def halt(self, futures: Iterable[Future[ChunkReport]]) -> None:
        self.signals.requested = True

    def kill(self, futures: Iterable[Future[ChunkReport]]) -> None:
        """Nothing can stop a thread."""

    def close(self, all_ended: bool) -> None:
        if self.executor is not None:
            self.executor.shutdown(wait=all_ended, cancel_futures=True)


class ProcessBackend:
    """Worker processes: warm ones, those of a `worker_pool`, or ones for this call."""

    def __init__(
        self,
        workers: int,
        *,
        until_failure: bool,
        timeout: float | None,
        grace: float | None,
        max_tasks: int | None,
    ) -> None:
        self.enclosing = warm.enclosing.get()
        if self.enclosing is not None:
            workers = min(workers, self.enclosing.max_workers)
        self.workers = workers
        self.until_failure = until_failure
        self.timeout = timeout
        self.grace = grace
        self.max_tasks = max_tasks
        self.call = f"{os.getpid()}-{next(call_numbers)}"
        self.functions = PackedFunctions()
        self.packer = Packer()
        self.lease: warm.Warm | None = None
        self.own: Pool | None = None
        self.fruitless = 0  # portions in a row that came back with nothing done

    def pool(self) -> Pool:
        if self.enclosing is not None and self.max_tasks is None:
            return self.enclosing
        if self.max_tasks is not None:
            if self.own is None:
                plan = WorkerPlan(default_context(), None, self.max_tasks)
                if self.enclosing is not None:
                    plan = self.enclosing.plan.with_max_tasks(self.max_tasks)
                self.own = Pool(self.workers, plan, for_calls=True)
            return self.own
        if self.lease is None:
            self.lease = warm.lease(self.workers)
        return self.lease.pool

    def submit(
        self, start: int, tasks: Sequence[Task[Any]], time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:  # Any: tasks of every result type
        chunk, failures = self.pack(tasks)
        future: Future[ChunkReport] = Future()
        with sent_along() as segments:
            body = encode((run_chunk, (chunk, time_box), {}))
        self.pool().put(Item(future, body, segments, self.timeout))
        return Portion(start, tasks[: len(chunk.calls)], failures), future

    def pack(
        self, tasks: Sequence[Task[Any]]
    ) -> tuple[PackedChunk, dict[int, Exception]]:  # Any: tasks of every result type
        """Pack *tasks*, each by itself, until there are enough bytes.

        Returns the chunk, and the failures of those that cannot be packed.
        """
        functions: dict[int, bytes | Segment] = {}
        calls: list[tuple[int, bytes | Split | None]] = []
        failures: dict[int, Exception] = {}
        last: object = None  # mostly all tasks of a portion call the same function
        number = size = 0
        written_before = self.packer.written
        along: set[Segment] = set()
        for task in tasks:
            data: bytes | Split | None
            try:
                if task.callback_function is not last:
                    number, packed = self.functions.pack(task.callback_function)
                    last = task.callback_function
                    if isinstance(packed, Segment):
                        along.add(packed)
                    elif number not in functions:
                        size += len(packed)
                    functions[number] = packed
                data = self.packer.pack(task)
                size += size_of(data)
                if isinstance(data, Split):
                    along.update(data.segments())
            except KeyboardInterrupt:
                raise  # the caller's own
            except BaseException as error:
                failures[len(calls)] = unsendable_task(task, error)
                data = last = None
            calls.append((number, data))
            written = self.packer.written - written_before
            if (
                size >= PACKED_LIMIT
                or written >= WRITTEN_LIMIT
                or len(along) >= MOST_TAKEN_OUT
            ):
                break
        chunk = PackedChunk(
            self.call,
            functions,
            calls,
            check_orders=self.timeout is not None,
            until_failure=self.until_failure,
        )
        return chunk, failures

    def collect(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        try:
            packed = future.result()
        except CancelledError:
            return ChunkReport([])
        except (WorkerCrashedError, TaskTimeoutError) as death:
            report = self.after_death(portion, death)
        else:
            self.fruitless = 0
            report = unpacked(packed)
        for position, failure in portion.failures.items():
            if position < len(report.values):
                report.errors[position] = failure
        return report

    def after_death(
        self, portion: Portion, death: WorkerCrashedError | TaskTimeoutError
    ) -> ChunkReport:
        """What the ledger of a dead worker says: one task lost, at most."""
        entry: Entry = entry_of(death)
        death.__traceback__ = None  # from here on it is the task's; ours says nothing
        values: list[Any] = [outcome for outcome, _ in entry.outcomes]
        errors = {
            position: outcome
            for position, (outcome, failed) in enumerate(entry.outcomes)
            if failed and outcome is not None
        }
        report = unpacked(ChunkReport(values, errors))
        for position, (outcome, _) in enumerate(entry.outcomes):
            if outcome is None:  # too large for the ledger, and on its way
                report.errors[position] = death
        if entry.running is not None:
            report.errors[len(report.values)] = death
            report.values.append(None)
        if report.values:
            self.fruitless = 0
        else:
            self.count_fruitless(death)
        return report

    def count_fruitless(self, death: Exception) -> None:
        """A worker died with a portion before it started a task: once is bad luck."""
        self.fruitless += 1
        if self.fruitless >= START_ATTEMPTS:
            raise WorkerStartError(
                f"{self.fruitless} worker processes in a row came to an end before "
                f"they started a task. The last: {death}"
            ) from death

    def halt(self, futures: Iterable[Future[ChunkReport]]) -> None:
        for future in futures:
            self.pool().halt(future)

    def kill(self, futures: Iterable[Future[ChunkReport]]) -> None:
        pool = self.pool()
        for future in futures:
            pool.kill(future)

    def close(self, all_ended: bool) -> None:
        # A failure that is kept may refer to frames that refer to this (3.12, 3.13).
        self.packer, self.functions = Packer(), PackedFunctions()
        if self.own is not None:
            if not all_ended:
                self.own.kill_all()
            self.own.close(wait=all_ended, cancel=True)
        if self.lease is not None:
            if all_ended:
                warm.bring_back(self.lease)
            else:
                self.lease.pool.kill_all()


call_numbers = itertools.count(1)


class PackedFunctions:
    """The functions of a call: each is packed once, and has a number."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        # By identity; each entry keeps its function, so that no other gets its id.
        self.known: dict[int, tuple[object, int, bytes | Segment]] = {}

    def pack(self, function: object) -> tuple[int, bytes | Segment]:
        found = self.known.get(id(function))
        if found is not None:
            return found[1], found[2]
        if len(self.known) >= FUNCTIONS_KEPT:
            self.known.clear()
        number, packed = next(self.numbers), pack(function)
        self.known[id(function)] = function, number, packed
        return number, packed


def unsendable_task(
    task: Task[Any], error: BaseException
) -> Exception:  # Any: tasks of every result type
    if not isinstance(error, Exception):
        return exited(error)
    if isinstance(error, NoRoomError):
        return error
    task = arguments.without_marks(task)
    return unpicklable_call(
        task.callback_function, task.positional, task.arguments, error
    )


def unpacked(report: ChunkReport) -> ChunkReport:
    """*report* with its bytes made into objects, each by itself, in place."""
    values = report.values
    errors: dict[int, Exception] = {}
    for position, data in enumerate(values):
        if not data or position in report.errors:
            continue
        try:
            values[position] = result_of(data)
        except KeyboardInterrupt:
            raise  # the caller's own
        except NoRoomError as error:
            values[position] = None
            errors[position] = error
        except BaseException as error:
            values[position] = None
            errors[position] = unreadable_result(error)
    for position, packed in report.errors.items():
        failure = unpack_exception(packed)
        values[position] = None
        errors[position] = (
            failure if isinstance(failure, Exception) else exited(failure)
        )
    report.errors = errors
    return report


def result_of(data: bytes | Segment) -> Any:  # Any: what a task returned
    return data.load() if isinstance(data, Segment) else decode(data)

"""Runs portions on an executor that the caller brings, of any kind."""

from __future__ import annotations

import concurrent.futures
import itertools
from collections import deque
from collections.abc import Collection
from concurrent.futures import BrokenExecutor, Executor, Future
from contextvars import copy_context
from time import perf_counter
from typing import Any

from cotality._kit.safe_text import class_and_text
from cotality.core.utils._process.machine.cpus import available_cpus
from cotality.core.utils._process.portions.chunk import ChunkReport, run_chunk
from cotality.core.utils._process.portions.foreign_worker import (
    make_local,
    run_as_guest,
)
from cotality.core.utils._process.portions.local_chunk import LocalChunk, LocalChunks
from cotality.core.utils._process.portions.packer import (
    MOST_PACKED,
    PortionPacker,
    unpacked,
)
from cotality.core.utils._process.tasks.errors import (
    WorkerCrashedError,
    WorkerStartError,
)
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.times import Measure

from .threads import for_a_thread, refuse_limits

# Submitting is quick with Dask, and the rest of the work for it done by other threads:
# its scheduler can do some hundreds of portions a second.
COST_WITH_DASK = 0.0025  # s
# The quickest of this many submits is assumed to be held up only by the executor.
COSTS_KEPT = 5
# How many portions in a row, for each worker, somebody else may cancel.
MOST_CANCELLED = 10


class ForeignBackend:
    """An executor of any make. It is not shut down, and may serve others meanwhile.

    Args:
        workers: How many portions run at a time; None takes what the executor says.
        may_be_endless: Whether nobody knows that the input comes to an end: then an
            executor that takes no more work ends the call.
    """

    grace: float | None = None  # what runs there is not ours to end

    def __init__(
        self,
        executor: Executor,
        workers: int | None,
        packer: PortionPacker,
        *,
        until_failure: bool,
        measure: Measure,
        may_be_endless: bool,
    ) -> None:
        self.executor = executor
        self.kind = type(executor).__name__
        capacity = capacity_of(executor)
        self.workers = workers or capacity or available_cpus()
        self.most_workers = self.workers
        # An executor that could would run what is meant to stand ready.
        self.ready_per_worker = None if self.workers == capacity or not workers else 0
        self.packer = packer
        self.is_local = has_our_memory(executor)
        self.chunks = LocalChunks(until_failure)
        self.measure = measure
        self.may_be_endless = may_be_endless
        self.context = copy_context()
        self.largest_portion = None if self.is_local else MOST_PACKED
        self.least_cost = COST_WITH_DASK if client_of(executor) else 0.0
        self.costs: deque[float] = deque(maxlen=COSTS_KEPT)
        self.portion_cost: float | None = None
        self.numbers = itertools.count()
        self.is_ending = False
        self.accepted: set[Future[ChunkReport]] = set()  # and not collected
        self.refused: dict[Future[ChunkReport], BrokenExecutor] = {}  # likewise
        self.cancelled_in_a_row = 0

    def submit(
        self, portion: Portion, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:
        refuse_limits(portion.tasks)
        if self.is_local:
            tasks = for_a_thread(portion.tasks)
            local = LocalChunk(tasks, self.chunks, self.context, self.measure)
            self.chunks.add(local, time_box)
            return portion, self.accept(run_chunk, local, time_box)
        chunk, portion = self.packer.pack(portion)
        portion.sent_bytes = chunk.size
        began = perf_counter()
        number = next(self.numbers)
        future = self.accept(run_as_guest, chunk, time_box, number)
        self.learn_cost(perf_counter() - began, future)
        return portion, future

    def accept(
        self,
        function: Any,  # Any: of the two above, with its arguments
        *arguments: Any,
    ) -> Future[ChunkReport]:
        """The future of what the executor takes, or one that fails in due time."""
        future: Future[ChunkReport]
        try:
            future = self.executor.submit(function, *arguments)
        except BrokenExecutor as error:
            future = Future()
            self.refused[future] = error
            self.settle_refused()
        else:
            self.accepted.add(future)
        return future

    def settle_refused(self) -> None:
        """Let what was refused fail, but only when nothing is out that may succeed.

        Until then it counts as handed out, so that no more of the input is read.
        """
        if self.accepted:
            return
        for future, error in self.refused.items():
            if not future.done() and future.set_running_or_notify_cancel():
                future.set_exception(error)

    def learn_cost(self, seconds: float, future: Future[ChunkReport]) -> None:
        """Remember what it takes to submit a portion: the least of the last few.

        The first may start workers, and any may have to wait for another thread.
        """
        is_done = future.done() and not future.cancelled() and not future.exception()
        if is_done:  # perhaps it was run before submit returned
            seconds = max(0.0, seconds - future.result().seconds)
        self.costs.append(seconds)
        self.portion_cost = max(self.least_cost, min(self.costs))

    def collect(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        refusal = self.refused.pop(future, None)
        self.accepted.discard(future)
        self.settle_refused()
        if future.cancelled():
            return self.cancelled()
        # Asked for, not raised: what is raised here may be the caller's own Ctrl-C.
        error = future.exception()
        if refusal is not None:
            return self.never_started(portion, refusal)
        if error is not None:
            return self.lost(portion, error)
        self.cancelled_in_a_row = 0
        report = future.result()
        if self.is_local:
            return report
        make_local(report)
        report = unpacked(report, portion.failures)
        if report.obstacle is not None:
            raise report.obstacle
        return report

    def cancelled(self) -> ChunkReport:
        """Nothing was started, and is handed out again if it is still wanted."""
        self.cancelled_in_a_row += 1
        limit = MOST_CANCELLED * self.workers
        if self.cancelled_in_a_row > limit and not self.is_ending:
            raise WorkerStartError(
                f"somebody cancels whatever the {self.kind} is given: "
                f"{self.cancelled_in_a_row} portions of tasks in a row"
            )
        return ChunkReport([])

    def lost(self, portion: Portion, error: BaseException) -> ChunkReport:
        """Nothing came back of *portion*: all of its tasks have failed.

        Which of them have run nobody can tell.
        """
        failures: dict[int, Exception] = {}
        for position in range(len(portion.tasks)):
            failure = WorkerCrashedError(
                f"the {self.kind} lost this task, perhaps after it had begun: "
                f"{class_and_text(error)}"
            )
            failure.__cause__ = error
            failures[position] = failure
        return ChunkReport([None] * len(failures), failures | portion.failures)

    def never_started(self, portion: Portion, error: BrokenExecutor) -> ChunkReport:
        """The executor did not take *portion*, and will not take any other."""
        if self.may_be_endless:
            raise WorkerStartError(
                f"the {self.kind} takes no more work, so tasks from number "
                f"{portion.start} on were not started: {class_and_text(error)}"
            ) from error
        failures: dict[int, Exception] = {}
        for position in range(len(portion.tasks)):
            failure = WorkerStartError(
                f"the {self.kind} takes no more work, so this task was not started: "
                f"{class_and_text(error)}"
            )
            failure.__cause__ = error
            failures[position] = failure
        return ChunkReport([None] * len(failures), failures | portion.failures)

    @property
    def look_at(self) -> float:
        return self.chunks.look_at

    def look(self) -> None:
        self.chunks.look()

    def halt(self, futures: Collection[Future[ChunkReport]]) -> None:
        self.is_ending = True
        self.chunks.halt()

    def kill(self, futures: Collection[Future[ChunkReport]]) -> None:
        """What runs on it is not ours to end."""

    def close(self, all_ended: bool, *, struck: bool = False) -> None:
        self.packer.forget()


def has_our_memory(executor: Executor) -> bool:
    """Whether *executor* runs things in this interpreter, on threads."""
    # New in Python 3.14, and a kind of ThreadPoolExecutor there.
    interpreters = getattr(concurrent.futures, "InterpreterPoolExecutor", ())
    return isinstance(executor, concurrent.futures.ThreadPoolExecutor) and not (
        isinstance(executor, interpreters)
    )


def capacity_of(executor: Executor) -> int | None:
    """How many things *executor* does at a time; None if it does not tell."""
    workers = getattr(executor, "_max_workers", None)  # the standard ones, and loky
    if not isinstance(workers, int):
        client = client_of(executor)
        workers = None if client is None else sum(client.nthreads().values())
    return workers or None  # a cluster may have no worker yet


def client_of(
    executor: Executor,
) -> Any:  # Any: a Client of Dask, which is not imported for it
    """The client behind an executor of Dask; None if it is of another make."""
    client = getattr(executor, "_client", None)
    return client if callable(getattr(client, "nthreads", None)) else None

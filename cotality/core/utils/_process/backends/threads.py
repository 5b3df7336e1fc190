"""Runs portions on threads of this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import CancelledError, Future
from contextvars import Context, copy_context
from functools import partial
from time import perf_counter
from typing import Any, cast

from cotality._kit.safe_text import class_and_text
from cotality.core.utils._process.packing import worker_state
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.portions.local_chunk import LocalChunk, LocalChunks
from cotality.core.utils._process.portions.stopwatch import own
from cotality.core.utils._process.tasks.checks import first_limited, needs_processes
from cotality.core.utils._process.tasks.errors import WorkerStartError
from cotality.core.utils._process.tasks.from_data import TasksOfItems
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.task import Task, marks, marks_were_used
from cotality.core.utils._process.tasks.times import Measure

from .thread_team import ThreadTeam


class ThreadBackend:
    """Threads of this process, made for the call."""

    kind = "threads"
    largest_portion: int | None = None
    portion_cost: float | None = None
    ready_per_worker: int | None = None
    grace: float | None = None

    def __init__(
        self,
        workers: int,
        *,
        until_failure: bool,
        measure: Measure,
        initializer: Callable[[], object] | None,
        context: Context | None = None,
        most_together: int | None = None,
    ) -> None:
        self.most_together = most_together
        self.workers = self.most_workers = self.size = workers
        self.chunks = LocalChunks(until_failure)
        self.measure = measure
        self.initializer = initializer
        self.context = copy_context() if context is None else context
        self.team: ThreadTeam | None = None

    def submit(
        self, portion: Portion, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:
        return self.send(self.chunk_of(portion), portion, time_box)

    def chunk_of(self, portion: Portion) -> LocalChunk:
        refuse_limits(portion.tasks)
        tasks = for_a_thread(portion.tasks)
        return LocalChunk(tasks, self.chunks, self.context, self.measure)

    def send(
        self, chunk: LocalChunk, portion: Portion, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:
        """Have a thread run *chunk*, which is that of *portion*."""
        if self.team is None:
            # Not a method: threads would hold this, and with it the team, which has to
            # end with whoever holds it.
            start = partial(start_worker, self.initializer, self.context)
            self.team = ThreadTeam(
                self.size, start, end_worker, most_together=self.most_together
            )
        self.chunks.add(chunk, time_box)
        future = self.team.submit(chunk, time_box)
        portion.began = chunk.when_it_began
        return portion, future

    def resize(self, threads: int) -> None:
        """From now on, run on at most *threads* of the *workers*, and at least one."""
        self.size = threads
        if self.team is not None:
            self.team.resize(threads)

    def collect(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        try:
            return future.result()
        except CancelledError:
            return ChunkReport([])

    @property
    def look_at(self) -> float:
        return self.chunks.look_at

    def look(self) -> None:
        self.chunks.look()

    def halt(self, futures: Collection[Future[ChunkReport]]) -> None:
        self.chunks.halt()

    def kill(self, futures: Collection[Future[ChunkReport]]) -> None:
        """Nothing can stop a thread."""

    def close(self, all_ended: bool, *, struck: bool = False) -> None:
        if self.team is not None:
            self.team.close(wait=all_ended)


def start_worker(initializer: Callable[[], object] | None, context: Context) -> None:
    """What a thread does before its first portion."""
    worker_state.open_states()
    if initializer is None:
        return
    began = perf_counter()
    try:
        context.copy().run(initializer)
        own.ready_at = perf_counter()
        own.set_up_seconds = own.ready_at - began
    except BaseException as error:
        name = "the initializer of a worker thread"
        raise initializer_failed(name, error) from error


def end_worker() -> None:
    """What a thread does after its last portion."""
    worker_state.close_states()
    if "django.db" in sys.modules:
        from cotality.core.utils._process.starting.django_setup import close_connections

        close_connections()


def initializer_failed(name: str, error: BaseException) -> WorkerStartError:
    """What the call has to say when *name*, the initializer, raised *error*."""
    return WorkerStartError(
        f"{name} failed: {class_and_text(error)}. No worker can be used, so nothing "
        f"was run."
    )


def refuse_limits(tasks: Sequence[Task[Any]]) -> None:  # Any: of every result type
    """Fail if one of *tasks* has a time limit, which no thread can keep.

    Those in a list were looked at before; an iterator may give them at any time.
    """
    place = first_limited(tasks)
    if place is not None:
        raise needs_processes(tasks[place], "Run the call on processes")


def for_a_thread(
    tasks: Sequence[Task[Any]],
) -> list[Task[Any]] | TasksOfItems[Any]:  # Any: of every result type
    """*tasks* as a thread can run them, with what marks among their arguments mean.

    In a list of their own.
    """
    if isinstance(tasks, TasksOfItems) and not marks_were_used():
        return cast("TasksOfItems[object]", tasks).copy()
    own: list[Task[Any]] = [*tasks]
    if marks.share_was_used:
        from cotality.core.utils._process.packing.share import without_marks

        own = [without_marks(task) for task in own]
    if marks.state_was_used:
        own = [worker_state.with_states(task) for task in own]
    return own

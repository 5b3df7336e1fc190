"""Runs portions at once, in the thread of the caller."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextvars import copy_context

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.engine.ticket import Ticket
from cotality.core.utils._process.packing import worker_state
from cotality.core.utils._process.packing.worker_state import States
from cotality.core.utils._process.portions.chunk import ChunkReport, run_chunk
from cotality.core.utils._process.portions.local_chunk import LocalChunk, LocalChunks
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.times import Measure

from .threads import for_a_thread, initializer_failed


class InlineBackend:
    """Runs a portion before it says that it took it."""

    kind = "inline"
    largest_portion: int | None = 1  # each result is there before the next task starts
    portion_cost: float | None = None
    ready_per_worker: int | None = None
    workers = most_workers = 1
    grace: float | None = None
    look_at = math.inf

    def __init__(
        self,
        *,
        until_failure: bool,
        measure: Measure,
        initializer: Callable[[], object] | None,
    ) -> None:
        self.chunks = LocalChunks(until_failure)
        self.measure = measure
        self.initializer = initializer  # until it has been called
        self.states = States()
        self.context = copy_context()

    def submit(
        self, portion: Portion, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:
        future: Ticket[ChunkReport] = Ticket()
        self.initialize()
        tasks = for_a_thread(portion.tasks)
        chunk = LocalChunk(tasks, self.chunks, self.context, self.measure)
        chunk.is_in_caller = True
        with worker_state.standing_in(self.states):
            future.set_result(run_chunk(chunk, time_box))
        portion.began = chunk.when_it_began
        return portion, future

    def initialize(self) -> None:
        """Make a worker of the caller, before its first task."""
        initializer, self.initializer = self.initializer, None
        if initializer is None:
            return
        try:
            self.context.copy().run(initializer)
        except BaseException as error:
            if is_of_a_signal(error):
                raise
            raise initializer_failed("the initializer", error) from error

    def collect(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        return future.result()

    def look(self) -> None:
        """Nothing runs while somebody could look."""

    def halt(self, futures: Collection[Future[ChunkReport]]) -> None:
        self.chunks.halt()

    def kill(self, futures: Collection[Future[ChunkReport]]) -> None:
        """Nothing runs while somebody could ask for this."""

    def close(self, all_ended: bool, *, struck: bool = False) -> None:
        self.states.close()

"""Worker processes for a call that is scheduled by somebody else's code.

The engine decides what goes out when, and what a failure means. Where another library
does that, a `Crew` has the rest: how tasks travel, one crash as one failure, failures
that name their task.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, cast

from cotality.core.utils._process.engine.blame import blame, numbers
from cotality.core.utils._process.portions.chunk import ChunkReport, run_chunk
from cotality.core.utils._process.portions.packer import PortionPacker
from cotality.core.utils._process.tasks.calls import Calls
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.task import Task
from cotality.core.utils._process.tasks.times import Measure
from cotality.core.utils._process.workers.lending.enclosures import Lender
from cotality.core.utils._process.workers.lending.leases import Lent

from .processes import ProcessBackend, Runs


class Crew(ProcessBackend):
    """The workers of a lender, for one call; a portion ends with its first failure.

    No two threads may use it at once, but for :meth:`check`, and to end it:
    :meth:`close` with False drops what waits and ends what runs.

    Args:
        lender: Whose workers they are.
        workers: How many the call may use.
        runs: What a worker calls to run a portion: a function found by its name, or a
            partial of one, that comes to `run_chunk` in the end.
    """

    number: int

    def __init__(self, lender: Lender, workers: int, *, runs: Runs = run_chunk) -> None:
        packer = PortionPacker(
            until_failure=True, measure=Measure.NOTHING, context=None
        )
        super().__init__(
            Lent(lender, workers), packer, timeout=None, grace=None, max_tasks=None
        )
        self.runs = runs
        self.number = next(numbers)

    def check(self) -> None:
        """See whether anything can run, for the thread that makes the call.

        Raises:
            RuntimeError: No call may be made here, or the lender lends nothing more.
            WorkerStartError: No worker can be started.
        """
        self.staff.pool().check_open()

    def hand_over(
        self, start: int, calls: Calls, time_box: float
    ) -> tuple[Portion, Future[ChunkReport]]:
        """As :meth:`submit`, for *calls*, of which the first is number *start*."""
        tasks = cast("list[Task[Any]]", calls)  # Any: of every result type; as good as
        return self.submit(Portion(start, tasks), time_box)

    def report(self, portion: Portion, future: Future[ChunkReport]) -> ChunkReport:
        """As :meth:`collect`; each failure says which task it comes from."""
        report = self.collect(portion, future)
        for position, error in report.errors.items():
            task, index = portion.tasks[position], portion.start + position
            report.errors[position] = blame(error, task, index, self.number)
        return report

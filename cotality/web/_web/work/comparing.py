"""What a worker does for a comparison: each method where it runs for tasks as well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from cotality.core.utils.process import IsolatedProcessPoolExecutor
from cotality.jobs import JobContext, JobHandle, JobStatus
from cotality.web._web.comparing.figures import Figures, Pace, as_model
from cotality.web._web.comparing.judging import in_order, reason
from cotality.web._web.comparing.reckoning import reckoned
from cotality.web._web.comparing.sampling import MEASUREMENTS, Ran, Run, Sampling
from cotality.web._web.methods.choosing import IN_ONE_PROCESS, from_loop
from cotality.web._web.methods.order import Done, Order
from cotality.web._web.models.comparisons import PerformanceComparison
from cotality.web._web.models.configs import CompareConfig
from cotality.web._web.models.kinds import METHODS, TaskType

from .figures_here import figures_here, keep_paces
from .orders import as_plain, config_from, order_of
from .pools import shared_pool
from .queues import SAMPLES, TASKS

if TYPE_CHECKING:
    from cotality.jobs import AsyncJob, Jobs
    from cotality.web._web.settings.settings import Settings

    from .results import Results
    from .rows import TaskRow

MOST_COUNTED = 100  # tasks that run meanwhile
# How long to wait for a sample in the background: this many seconds, and this many
# times what it should take, because another worker may serve its queue, or none.
PATIENCE_S, SLOWER = 60.0, 20.0


def ran_here(method: TaskType, order: Order) -> Ran:
    """Do an order in this process; what it took here."""
    done: list[Done] = []
    start = time.perf_counter()
    IN_ONE_PROCESS[method](order, done.append)
    return Ran(time.perf_counter() - start, done)


class Comparing:
    """One comparison, as the job that runs."""

    def __init__(
        self,
        settings: Settings,
        jobs: Jobs,
        results: Results,
        sample: AsyncJob[[dict[str, Any]], list[Any]],  # Any: of JSON
        row: TaskRow,
        job: JobContext,
    ) -> None:
        self.settings, self.jobs, self.results = settings, jobs, results
        self.sample, self.row, self.job = sample, row, job
        self.others = 0  # tasks that ran meanwhile, at most
        self.total = MEASUREMENTS

    async def compare(self) -> TaskType:
        """Measure, and store what was found; the best method."""
        config = config_from(self.row.kind, self.row.config)
        assert isinstance(config, CompareConfig)
        order = order_of(self.settings, config)
        figures = await asyncio.to_thread(figures_here, self.jobs, self.settings)
        self.figures = figures
        budget = config.budget_s or self.settings.compare_budget_s
        executor = IsolatedProcessPoolExecutor(1)
        try:
            sampling = Sampling(order, figures, budget, self.runs(executor), self.tell)
            await sampling.measure()
        finally:
            await asyncio.shield(asyncio.to_thread(executor.shutdown))
        found = self.judged(sampling, config, budget)
        await asyncio.to_thread(self.keep, figures, sampling, found)
        return found.best_approach

    # How each method is run.

    def runs(self, executor: IsolatedProcessPoolExecutor) -> Mapping[TaskType, Run]:
        runs: dict[TaskType, Run] = {}
        for method in METHODS:
            if method in IN_ONE_PROCESS:
                runs[method] = partial(self.in_process, executor, method)
            elif method == TaskType.BACKGROUND:
                runs[method] = self.in_background
            else:
                runs[method] = partial(self.here, method)
        return runs

    async def in_process(
        self, executor: IsolatedProcessPoolExecutor, method: TaskType, order: Order
    ) -> Ran:
        future = executor.submit(ran_here, method, order)
        try:
            return await asyncio.wrap_future(future)
        finally:
            executor.kill(future)  # if it was cancelled

    async def here(self, method: TaskType, order: Order) -> Ran:
        start = time.perf_counter()
        async with aclosing(from_loop(method, order, shared_pool())) as items:
            done = [each async for each in items]
        return Ran(time.perf_counter() - start, done)

    async def in_background(self, order: Order) -> Ran:
        """As a job, from the moment at which it was enqueued."""
        handle = await self.sample.enqueue(as_plain(order))
        expected = reckoned(TaskType.BACKGROUND, self.figures, order)
        try:
            found = await handle.result(PATIENCE_S + SLOWER * expected)
            info = await handle.info()
        except TimeoutError as error:
            await asyncio.shield(cancelled(handle))
            raise TimeoutError(
                f"a sample in the background was not done in time: does a worker "
                f"serve the queue {SAMPLES!r}?"
            ) from error
        except BaseException:
            await asyncio.shield(cancelled(handle))
            raise
        assert info.ended is not None
        seconds = (info.ended - info.enqueued).total_seconds()
        return Ran(seconds, [Done(*each) for each in found])

    # What is told, and what was found.

    async def tell(self, number: int, method: TaskType, done: int) -> None:
        await asyncio.to_thread(self.say, number, method, done)

    def say(self, number: int, method: TaskType, done: int) -> None:
        self.total = max(self.total, (number + 1) * len(METHODS))
        message = f"round {number + 1}: {method}"
        self.results.say(self.row, done=done, total=self.total, message=message)
        self.job.progress(done, self.total, message)
        running = self.jobs.list(
            status=JobStatus.RUNNING, queue=TASKS, limit=MOST_COUNTED
        )
        self.others = max(self.others, len(running))

    def judged(
        self, sampling: Sampling, config: CompareConfig, budget: float
    ) -> PerformanceComparison:
        order, checked = sampling.order, sampling.checked
        methods = {
            method: measured.figures(
                method,
                reckoned(method, sampling.figures, order),
                order.total,
                checked,
            )
            for method, measured in sampling.found.items()
        }
        takes = {method: each.estimated_seconds for method, each in methods.items()}
        ranges = {
            method: (each.estimated_low, each.estimated_high)
            for method, each in methods.items()
        }
        ranked = in_order(takes, ranges)
        return PerformanceComparison(
            task_id=self.row.task_id,
            items_count=order.total,
            workers=config.workers,
            budget_s=budget,
            rounds=sampling.rounds,
            methods=[methods[method] for method in ranked],
            sequential_time=takes[TaskType.SEQUENTIAL],
            threading_time=takes[TaskType.THREADING],
            multiprocessing_time=takes[TaskType.MULTIPROCESSING],
            batch_async_time=takes[TaskType.BATCH_ASYNC],
            concurrent_futures_time=takes[TaskType.CONCURRENT_FUTURES],
            background_time=takes[TaskType.BACKGROUND],
            auto_time=takes[TaskType.AUTO],
            best_approach=ranked[0],
            reason=reason(takes, ranges, ranked),
            improvement_factor=takes[TaskType.SEQUENTIAL] / takes[ranked[0]],
            checksums_equal=len({each.checksum for each in methods.values()}) == 1,
            checked_items=checked,
            others_running=self.others,
            machine=as_model(sampling.figures),
        )

    def keep(
        self, figures: Figures, sampling: Sampling, found: PerformanceComparison
    ) -> None:
        self.results.say(
            self.row,
            done=self.total,
            total=self.total,
            message=found.reason,
            outcome=found.model_dump_json(),
        )
        if not self.others:  # else it was about a machine that does more
            paces: dict[TaskType, Pace] = {
                method: each.pace for method, each in sampling.found.items()
            }
            keep_paces(self.jobs, figures, paces)


async def cancelled(handle: JobHandle[Any]) -> None:  # Any: what it would have given
    await handle.cancel()

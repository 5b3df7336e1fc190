"""What the routes call, and programs that need no HTTP."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from typing import ParamSpec, TypeVar

from cotality._kit.public import public_in
from cotality._kit.struck import is_of_a_signal
from cotality.jobs import Jobs, StoreError
from cotality.web._web.comparing.figures import Figures
from cotality.web._web.models.advice import Recommendations
from cotality.web._web.models.comparisons import PerformanceComparison
from cotality.web._web.models.configs import CompareConfig, TaskConfig
from cotality.web._web.models.events import TaskEvent
from cotality.web._web.models.health import Health
from cotality.web._web.models.kinds import TaskStatus, TaskType
from cotality.web._web.models.pages import Page
from cotality.web._web.models.tasks import ItemResult, TaskResponse, TaskResult
from cotality.web._web.parts.filling import prepare
from cotality.web._web.settings.settings import Settings
from cotality.web._web.work.figures_here import figures_here, known_figures
from cotality.web._web.work.functions import TaskJobs
from cotality.web._web.work.keeping import Keeper
from cotality.web._web.work.queues import TASKS

from .conditions import Conditions
from .foreseeing import Foreseeing
from .looking import Looking, unknown
from .standing import PREFIX, Standing, event_of, item_of, result_of
from .taking import Taking
from .watching import Watching

P = ParamSpec("P")
R = TypeVar("R")
logger = logging.getLogger("cotality.web")

# In which the store is asked, and in which it is written to. Who writes may have to
# wait for others, and who only asks does not wait behind that.
THREADS, WRITERS = 8, 4
REFRESH_S = 1.0  # between two looks at what waits
LISTEN_S = 5.0  # and whether the worker gives signs of life
SWEEP_S = 3600.0
# A task that is taken has its row and its job in one transaction, so what has a row and
# no job is old at once. This is for the clocks of several machines.
ORPHAN_S = 60.0


@public_in("cotality.web")
class Desk:
    """Accepts tasks, and says what became of them. It computes nothing.

    Use it between `open` and `close`, in one event loop. Several desks on one store, in
    one process or in several, see the same tasks.

    Attributes:
        settings: Its settings.
        jobs: The jobs that its tasks are.
    """

    tasks_of_store: TaskJobs
    looking: Looking
    threads: ThreadPoolExecutor
    writers: ThreadPoolExecutor
    foreseeing: Foreseeing
    taking: Taking
    watching: Watching
    conditions: Conditions

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tasks_of_store = TaskJobs(settings)
        self.looking = Looking(self.tasks_of_store)
        self.keeper: Keeper | None = None
        self.beside: list[asyncio.Task[None]] = []

    @property
    def jobs(self) -> Jobs:
        """The queue in which tasks are."""
        return self.tasks_of_store.jobs

    async def open(self) -> None:
        """Prepare the store, and start a worker if the settings say so.

        Raises:
            StoreError: The store cannot be used.
        """
        self.threads = ThreadPoolExecutor(THREADS, "web-desk")
        self.writers = ThreadPoolExecutor(WRITERS, "web-writer")
        try:
            figures = await self.in_thread(self.made_ready)
        except BaseException:
            self.threads.shutdown(wait=False)
            raise
        self.foreseeing = Foreseeing(self.settings, figures)
        self.taking = Taking(
            self.settings,
            self.tasks_of_store,
            self.looking,
            self.foreseeing.first_free,
        )
        self.watching = Watching(
            lambda ids: self.in_thread(self.looking.several, [*ids])
        )
        self.conditions = Conditions(self.settings, self.tasks_of_store)
        self.beside = [
            asyncio.create_task(self.repeated(self.refresh, REFRESH_S)),
            asyncio.create_task(self.repeated(self.sweep, SWEEP_S)),
        ]
        if self.settings.workers == "inside":
            self.keeper = Keeper(self.settings)
            self.keeper.start()
            listening = self.repeated(partial(self.listen, self.keeper), LISTEN_S)
            self.beside.append(asyncio.create_task(listening))

    def made_ready(self) -> Figures:
        self.tasks_of_store.make_folder()
        self.jobs.prepare()
        self.tasks_of_store.results.prepare()
        try:
            prepare(self.settings.database)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            # Tasks say so as well, and the health of the service.
            logger.error("the database that items ask is not there: %s", error)
        return figures_here(self.jobs, self.settings)

    async def close(self) -> None:
        """Close all connections; streams of `changes` end.

        The worker of this desk stops as well, and gives back what it has not finished.
        """
        await self.watching.close()
        for task in self.beside:
            task.cancel()
        await asyncio.gather(*self.beside, return_exceptions=True)
        if self.keeper is not None:
            await self.in_thread(self.keeper.stop)
            self.keeper = None
        self.conditions.close()
        await self.in_thread(self.jobs.close)
        self.threads.shutdown(wait=True)
        self.writers.shutdown(wait=True)

    async def in_thread(
        self, do: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        return await self.in_one_of(self.threads, do, *args, **kwargs)

    async def in_writer(
        self, do: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        return await self.in_one_of(self.writers, do, *args, **kwargs)

    async def in_one_of(
        self,
        threads: ThreadPoolExecutor,
        do: Callable[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: do(*args, **kwargs))

    async def repeated(self, do: Callable[[], None], seconds: float) -> None:
        """Call *do* now, and again about every *seconds*."""
        while True:
            try:
                await self.in_thread(do)
            except StoreError as error:
                logger.error("%s", error)
            except Exception as error:
                if is_of_a_signal(error):
                    raise
                # Such as of a row that another version of us has written.
                logger.exception("what waits could not be looked at")
            await asyncio.sleep(seconds * (0.9 + 0.2 * random.random()))

    def refresh(self) -> None:
        """Know what waits, and what a comparison has found meanwhile."""
        self.foreseeing.live = self.looking.live(self.settings.queue_limit)
        self.foreseeing.figures = known_figures(self.jobs) or self.foreseeing.figures

    def listen(self, keeper: Keeper) -> None:
        """Tell who keeps the worker whether there are signs of life."""
        try:
            stats = self.jobs.stats(queues=[TASKS])
        except StoreError:
            keeper.hear(None)
            raise
        keeper.hear(any(each.workers for each in stats if each.queue == TASKS))

    def sweep(self) -> None:
        self.looking.sweep(ORPHAN_S)

    async def start(
        self, kind: TaskType, config: TaskConfig, *, owner: str
    ) -> TaskResponse:
        """Accept a task; when this returns, the task is stored.

        Raises:
            QueueFullError: Too many tasks wait already.
            TooManyTasksError: *owner* has too many that are not over.
            StoreError: The store cannot be used.
        """
        expected = self.estimate(kind, config)
        task_id = await self.in_writer(self.taking.take, kind, config, owner)
        return TaskResponse(
            task_id=task_id,
            status=TaskStatus.PENDING,
            message=f"taken; about {expected:.1f} s, if nothing else comes",
            estimated_duration=expected,
            status_url=f"{PREFIX}/status/{task_id}",
        )

    def estimate(self, kind: TaskType, config: TaskConfig) -> float:
        """In how many seconds such a task would be over, if it were started now.

        Estimated from what was measured on this machine and from the tasks that wait.
        """
        return self.foreseeing.until_over(kind, config)

    async def look(self, task_id: str, *, results: int = 100) -> TaskResult:
        """The state of a task, with its first *results* items.

        Raises:
            UnknownTaskError: There is none.
        """
        standing = await self.in_thread(self.looking.one, task_id)
        return await self.with_items(standing, results)

    async def with_items(self, standing: Standing, many: int) -> TaskResult:
        if not many:
            return result_of(standing)
        task_id = standing.row.task_id
        items = await self.in_thread(self.looking.items, task_id, 0, many)
        return result_of(standing, items)

    async def wait(
        self, task_id: str, timeout: float, *, results: int = 100
    ) -> TaskResult:
        """Wait for its end, at most *timeout* seconds; return its state then.

        Raises:
            UnknownTaskError: There is none.
        """
        try:
            async with (
                asyncio.timeout(timeout),
                aclosing(self.watching.watch(task_id)) as seen,
            ):
                async for standing in seen:
                    if standing is None or standing.status.is_over:
                        break
        except TimeoutError:
            pass  # and it goes on
        return await self.look(task_id, results=results)

    async def cancel(self, task_id: str) -> bool:
        """End a task; False if it was over. If it runs, it stops within a second.

        Raises:
            UnknownTaskError: There is none.
        """
        return await self.in_writer(self.looking.cancel, task_id)

    async def tasks(
        self,
        *,
        cursor: str | None = None,
        limit: int = 50,
        status: TaskStatus | None = None,
    ) -> Page[TaskResult]:
        """Tasks, the newest first, without their items.

        Raises:
            ValueError: *cursor* is invalid, or its task was forgotten.
        """
        found, has_more = await self.in_thread(self.looking.page, cursor, limit, status)
        following = found[-1].row.task_id if found and has_more else None
        return Page(items=[result_of(each) for each in found], next_cursor=following)

    async def items(
        self, task_id: str, *, cursor: str | None = None, limit: int = 1000
    ) -> Page[ItemResult]:
        """The finished items of a task, in the order of their index.

        As long as the task runs, a page with items has a cursor, for later items.

        Raises:
            UnknownTaskError: There is no such task.
            ValueError: *cursor* is none of ours.
        """
        start = start_of(cursor)
        standing = await self.in_thread(self.looking.one, task_id)
        found = await self.in_thread(self.looking.items, task_id, start, limit)
        reached = start + len(found)
        row, is_over = standing.row, standing.status.is_over
        has_more = reached < (row.done if is_over else row.total) and bool(found)
        return Page(
            items=[item_of(done) for done in found],
            next_cursor=f"{reached}" if has_more else None,
        )

    async def forget(self) -> int:
        """Forget all tasks that are over; how many they were."""
        return await self.in_writer(self.looking.forget)

    def changes(
        self, task_id: str, after: int | None = None
    ) -> AsyncIterator[TaskEvent]:
        """Yield the state of a task now, and each change of it, until it is over.

        Args:
            task_id: The id of the task.
            after: The id of the last event that the client got. The present state comes
                first, unless the client has it already; changes in between are left
                out.

        Raises:
            UnknownTaskError: There is none; raised by the first step.
        """
        return self.changes_of(task_id, after)

    async def changes_of(
        self, task_id: str, after: int | None
    ) -> AsyncGenerator[TaskEvent]:
        last: TaskEvent | None = None
        async with aclosing(self.watching.watch(task_id)) as seen:
            async for standing in seen:
                if standing is None:
                    raise unknown(task_id)
                event = event_of(standing)
                # Not by whether the id is larger: a clock may have been put back.
                is_news = event.id != after if last is None else event != last
                last = event
                if is_news:
                    yield event
                if event.status.is_over:
                    return

    async def compare(self, config: CompareConfig, *, owner: str) -> TaskResponse:
        """Take a comparison of all methods; see `start`."""
        return await self.start(TaskType.COMPARE, config, owner=owner)

    async def comparison(self, task_id: str) -> PerformanceComparison | None:
        """The result of a comparison; None if it is not over, or has failed.

        Raises:
            UnknownTaskError: There is no such comparison.
        """
        standing = await self.in_thread(self.looking.one, task_id)
        if standing.row.kind != TaskType.COMPARE:
            raise unknown(task_id)
        if standing.status != TaskStatus.COMPLETED or standing.row.outcome is None:
            return None
        return PerformanceComparison.model_validate_json(standing.row.outcome)

    async def recommendations(self) -> Recommendations:
        """Which method to use for what, from what was measured on this machine."""
        await self.in_thread(self.refresh)
        return await self.in_thread(self.foreseeing.recommendations)

    async def health(self) -> Health:
        """How the parts are; answers although some of them do not."""
        return await self.conditions.health()


def start_of(cursor: str | None) -> int:
    """The index that a cursor stands for.

    Raises:
        ValueError: It is none of ours.
    """
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise ValueError(
            f"a cursor is what an earlier page gave as next_cursor, got {cursor!r}"
        )
    return int(cursor)

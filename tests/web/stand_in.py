"""A desk that holds its tasks in memory, so that routes can be tried without any work.

A task is over when the test says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from cotality.jobs import Jobs
from cotality.web import Desk, Settings, UnknownTaskError
from cotality.web._web.models.advice import Recommendations
from cotality.web._web.models.comparisons import MachineFigures, PerformanceComparison
from cotality.web._web.models.configs import CompareConfig, TaskConfig
from cotality.web._web.models.events import TaskEvent
from cotality.web._web.models.health import Condition, Health, Part
from cotality.web._web.models.kinds import TaskStatus, TaskType
from cotality.web._web.models.pages import Page
from cotality.web._web.models.tasks import ItemResult, TaskResponse, TaskResult

TASKS = "/api/v1/tasks"
MACHINE = MachineFigures(
    name="it",
    cpus=2,
    python="3.11",
    cpu_seconds_per_item=0.001,
    query_seconds=0.0001,
    lookup_seconds=0.0001,
    measured_at="2026-01-01T00:00:00Z",
)


class StandInDesk(Desk):
    """Takes tasks, and does nothing with them.

    Attributes:
        refusal: What `start` raises next, if anything.
        estimated: What it says that a task takes.
        is_quick: Whether a task is over as soon as it was taken.
        condition: How its store is.
        said: What was asked of it, in order.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.queue = Jobs(settings.store)
        self.known: dict[str, TaskResult] = {}
        self.events: dict[str, list[TaskEvent]] = {}
        self.changed = asyncio.Condition()
        self.refusal: Exception | None = None
        self.estimated, self.is_quick, self.condition = 0.0, True, Condition.OK
        self.said: list[str] = []

    @property
    def jobs(self) -> Jobs:
        return self.queue

    async def open(self) -> None:
        self.said.append("open")

    async def close(self) -> None:
        self.said.append("close")
        await asyncio.to_thread(self.jobs.close)

    async def start(
        self, kind: TaskType, config: TaskConfig, *, owner: str
    ) -> TaskResponse:
        self.said.append(f"start {kind} for {owner}")
        if self.refusal is not None:
            raise self.refusal
        task_id = f"task_{len(self.known):08x}_{int(time.time())}"
        self.known[task_id] = TaskResult(
            task_id=task_id,
            task_type=kind,
            status=TaskStatus.PENDING,
            total_items=config.items_count,
            created_time=datetime.now(UTC),
            results_url=f"{TASKS}/results/{task_id}/items",
            config=config,
        )
        self.events[task_id] = []
        await self.change(task_id, TaskStatus.PENDING)
        if self.is_quick:
            await self.change(task_id, TaskStatus.COMPLETED, config.items_count)
        return TaskResponse(
            task_id=task_id,
            status=TaskStatus.PENDING,
            message="taken",
            estimated_duration=self.estimated,
            status_url=f"{TASKS}/status/{task_id}",
        )

    async def change(self, task_id: str, status: TaskStatus, done: int = 0) -> None:
        """Have a task stand so."""
        task = self.known[task_id]
        change = {"status": status, "items_processed": done}
        self.known[task_id] = task.model_copy(update=change)
        self.events[task_id].append(
            TaskEvent(
                id=len(self.events[task_id]),
                task_id=task_id,
                status=status,
                items_processed=done,
                items_failed=0,
                total_items=task.total_items,
                attempt=1,
            )
        )
        async with self.changed:
            self.changed.notify_all()

    def estimate(self, kind: TaskType, config: TaskConfig) -> float:
        return self.estimated

    async def look(self, task_id: str, *, results: int = 100) -> TaskResult:
        if task_id not in self.known:
            raise UnknownTaskError(f"there is no task {task_id!r}")
        task = self.known[task_id]
        items = [
            ItemResult(index=number, value=2 * number)
            for number in range(min(results, task.items_processed))
        ]
        return task.model_copy(update={"results": items})

    async def wait(
        self, task_id: str, timeout: float, *, results: int = 100
    ) -> TaskResult:
        self.said.append("wait")
        try:
            async with asyncio.timeout(timeout), self.changed:
                await self.changed.wait_for(lambda: self.known[task_id].status.is_over)
        except TimeoutError:
            pass  # it goes on
        return await self.look(task_id, results=results)

    async def cancel(self, task_id: str) -> bool:
        task = await self.look(task_id)
        if task.status.is_over:
            return False
        self.said.append(f"cancel {task_id}")
        await self.change(task_id, TaskStatus.CANCELLED, task.items_processed)
        return True

    async def tasks(
        self,
        *,
        cursor: str | None = None,
        limit: int = 50,
        status: TaskStatus | None = None,
    ) -> Page[TaskResult]:
        found = [
            each
            for each in reversed(self.known.values())
            if status is None or each.status is status
        ]
        at = int(cursor) if cursor else 0
        more = f"{at + limit}" if at + limit < len(found) else None
        return Page[TaskResult](items=found[at : at + limit], next_cursor=more)

    async def items(
        self, task_id: str, *, cursor: str | None = None, limit: int = 1000
    ) -> Page[ItemResult]:
        task = await self.look(task_id, results=1_000_000)
        at = int(cursor) if cursor else 0
        more = f"{at + limit}" if at + limit < len(task.results) else None
        return Page[ItemResult](items=task.results[at : at + limit], next_cursor=more)

    async def forget(self) -> int:
        over = [each for each, task in self.known.items() if task.status.is_over]
        for each in over:
            del self.known[each]
        return len(over)

    def changes(
        self, task_id: str, after: int | None = None
    ) -> AsyncIterator[TaskEvent]:
        return self.each_change(task_id, -1 if after is None else after)

    async def each_change(self, task_id: str, after: int) -> AsyncGenerator[TaskEvent]:
        events = self.events[task_id]
        at = after + 1
        while True:
            # Asked before: what comes while an event is on its way is not lost.
            is_over = self.known[task_id].status.is_over
            for event in events[at:]:
                yield event
                at = event.id + 1
            if is_over:
                return
            async with self.changed:
                while len(events) <= at:
                    await self.changed.wait()

    async def compare(self, config: CompareConfig, *, owner: str) -> TaskResponse:
        return await self.start(TaskType.COMPARE, config, owner=owner)

    async def comparison(self, task_id: str) -> PerformanceComparison | None:
        task = await self.look(task_id)
        if task.task_type is not TaskType.COMPARE:
            raise UnknownTaskError(f"task {task_id} is no comparison")
        if task.status is not TaskStatus.COMPLETED:
            return None
        return PerformanceComparison(
            task_id=task_id,
            items_count=task.total_items,
            workers=task.config.workers,
            budget_s=1.0,
            rounds=1,
            methods=[],
            sequential_time=1.0,
            threading_time=1.0,
            multiprocessing_time=1.0,
            batch_async_time=1.0,
            concurrent_futures_time=1.0,
            background_time=1.0,
            auto_time=1.0,
            best_approach=TaskType.AUTO,
            reason="it is a stand-in",
            improvement_factor=1.0,
            checksums_equal=True,
            checked_items=0,
            others_running=0,
            machine=MACHINE,
        )

    async def recommendations(self) -> Recommendations:
        return Recommendations(machine=MACHINE, based_on="nothing", advice=[])

    async def health(self) -> Health:
        return Health(
            status=self.condition,
            is_ready=self.condition is not Condition.DOWN,
            parts=[Part(name="store", status=self.condition)],
            pending=0,
            running=0,
        )


def settings_in(folder: Path, **changes: object) -> Settings:
    """Settings whose files are in *folder*."""
    return Settings.model_validate({"state_dir": folder, **changes})

"""A desk for pages to show: with a comparison, advice and health that say something."""

from __future__ import annotations

import asyncio

from cotality.web import Settings
from cotality.web._web.models.advice import Advice, Recommendations
from cotality.web._web.models.comparisons import (
    MachineFigures,
    MethodFigures,
    PerformanceComparison,
)
from cotality.web._web.models.configs import TaskConfig
from cotality.web._web.models.health import Condition, Health, Part
from cotality.web._web.models.kinds import TaskStatus, TaskType
from cotality.web._web.models.pages import Page
from cotality.web._web.models.tasks import ItemResult
from tests.web.stand_in import TASKS, StandInDesk

MACHINE = MachineFigures(
    name="a machine of tests",
    cpus=2,
    python="3.11.7",
    cpu_seconds_per_item=0.00147,
    query_seconds=0.00012,
    lookup_seconds=0.00001,
    measured_at="2026-11-29T12:00:00Z",
)
# For each method: what it takes for a thousand items, and how many were measured.
FIGURES = {
    TaskType.AUTO: (2.31, 1000),
    TaskType.BATCH_ASYNC: (3.02, 1000),
    TaskType.THREADING: (251.6, 40),
    TaskType.MULTIPROCESSING: (252.1, 40),
    TaskType.CONCURRENT_FUTURES: (252.9, 40),
    TaskType.BACKGROUND: (253.4, 40),
    TaskType.SEQUENTIAL: (1006.7, 10),
}


class ShownDesk(StandInDesk):
    """Takes tasks, of which a test says how they stand.

    Each tenth of its items has failed.

    Attributes:
        faults: Parts that are not well, and what is to be said of them.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.is_quick = False
        self.estimated = 52.0
        self.faults: dict[str, str] = {}

    async def say(self, task_id: str, **changes: object) -> None:
        """Change what is known of a task, and nothing that is heard."""
        self.known[task_id] = self.known[task_id].model_copy(update=changes)

    async def fail(self, task_id: str, error: str) -> None:
        """Have a task fail like this."""
        await self.say(task_id, error_message=error)
        await self.change(task_id, TaskStatus.FAILED, 0)
        last = self.events[task_id][-1]
        self.events[task_id][-1] = last.model_copy(update={"error_message": error})
        async with self.changed:
            self.changed.notify_all()

    async def items(
        self, task_id: str, *, cursor: str | None = None, limit: int = 1000
    ) -> Page[ItemResult]:
        page = await super().items(task_id, cursor=cursor, limit=limit)
        told = [
            ItemResult(index=each.index, error=f"ValueError: <b>item</b> {each.index}")
            if each.index % 10 == 7
            else each
            for each in page.items
        ]
        return Page[ItemResult](items=told, next_cursor=page.next_cursor)

    async def comparison(self, task_id: str) -> PerformanceComparison | None:
        found = await super().comparison(task_id)
        if found is None:
            return None
        return found.model_copy(
            update={
                "methods": [figures(each, found.items_count) for each in FIGURES],
                "budget_s": 20.0,
                "rounds": 5,
                "best_approach": TaskType.AUTO,
                "reason": "Auto lets all items wait at once and computes on both CPUs; "
                "async-batch waits as well, and computes on one.",
                "improvement_factor": 435.8,
                "checked_items": 10,
                "others_running": 2,
                "machine": MACHINE,
            }
        )

    async def recommendations(self) -> Recommendations:
        await asyncio.sleep(0)
        others = {method: 50 * time for method, (time, _) in FIGURES.items()}
        return Recommendations(
            machine=MACHINE,
            based_on="Measured when the service began.",
            advice=[
                Advice(
                    case="50,000 items that wait and compute",
                    method=TaskType.AUTO,
                    route=f"{TASKS}/background",
                    config=TaskConfig(workers=2),
                    estimated_seconds=86.0,
                    reason="Waiting costs nothing in an event loop; what is left is "
                    "73 s of computing on 2 CPUs.",
                    others=others,
                ),
                Advice(
                    case="Items that only compute",
                    method=TaskType.MULTIPROCESSING,
                    route=f"{TASKS}/multiprocessing",
                    config=TaskConfig(
                        items_count=20_000, workers=3, simulate_db_delay=False
                    ),
                    estimated_seconds=37.2,
                    reason="All CPUs compute at the same time.",
                ),
                Advice(
                    case="A few items",
                    method=TaskType.SEQUENTIAL,
                    route=f"{TASKS}/sequential",
                    config=TaskConfig(items_count=10, workers=1),
                    estimated_seconds=10.1,
                    is_estimate=False,
                    reason="Nothing has to be started for it.",
                ),
            ],
        )

    async def health(self) -> Health:
        alive = [each.status for each in self.known.values()]
        parts = [
            Part(name=name, status=Condition.OK)
            for name in ("store", "worker", "database", "cache")
            if name not in self.faults
        ]
        faults = [
            Part(name=name, status=Condition.DEGRADED, detail=text)
            for name, text in self.faults.items()
        ]
        status = Condition.DEGRADED if self.faults else self.condition
        return Health(
            status=status,
            is_ready=status is not Condition.DOWN,
            parts=[*parts, *faults],
            pending=alive.count(TaskStatus.PENDING),
            running=alive.count(TaskStatus.RUNNING),
        )


def figures(method: TaskType, items: int) -> MethodFigures:
    """What a comparison has found of one method."""
    time, measured = FIGURES[method]
    whole = time * items / 1000
    measured = min(items, measured * items // 1000 or 1)
    return MethodFigures(
        method=method,
        measured_items=measured,
        measured_seconds=whole * measured / items,
        items_per_second=items / whole,
        estimated_seconds=whole,
        estimated_low=whole * 0.9,
        estimated_high=whole * 1.2,
        checksum="5f1d7a84e942c8a0",
        is_estimate=measured < items,
    )

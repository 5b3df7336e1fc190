"""Worker processes that all tasks share: each takes items as it becomes free."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from cotality.core.utils.process import (
    Outcome,
    Retry,
    Task,
    WorkerCrashedError,
    iter_outcomes_async,
)
from cotality.web._web.parts.items import do_item, error_text

from .order import Done, Order

if TYPE_CHECKING:
    from cotality.tuning import PoolManager

# An item whose process has died is done once more, by another one: it may have been
# killed for something else. Then it is the item.
AFTER_DEATH = Retry(1, on=WorkerCrashedError, backoff=0.0)


async def processes(order: Order, pool: PoolManager) -> AsyncGenerator[Done]:
    """Do all items in processes of *pool*, as many as there are workers.

    Closed early, it ends the processes that are at an item of its own.
    """
    call = partial(do_item, order.recipe)
    tasks = (Task.of(call, index) for index in order.indices)
    async with aclosing(outcomes_of(tasks, order.workers, pool)) as outcomes:
        async for outcome in outcomes:
            yield done_of(order.start + outcome.index, outcome)


async def outcomes_of(
    tasks: Iterable[Task[int]] | AsyncIterable[Task[int]],
    workers: int,
    pool: PoolManager,
) -> AsyncGenerator[Outcome[int]]:
    """As they come. What runs when this is closed is killed."""
    stream = iter_outcomes_async(
        tasks,
        max_workers=workers,
        use_processes=True,
        ordered=False,
        retries=AFTER_DEATH,
        grace=0.0,
    )
    with pool.workers():
        async with aclosing(stream) as outcomes:
            async for outcome in outcomes:
                yield outcome


def done_of(index: int, outcome: Outcome[Any]) -> Done:  # Any: of any kind of task
    """What the item *index* came to."""
    deaths = len(outcome.earlier_errors)
    if outcome.error is None:
        return Done(index, outcome.value, None, deaths)
    deaths += isinstance(outcome.error, WorkerCrashedError)
    return Done(index, None, error_text(outcome.error), deaths)

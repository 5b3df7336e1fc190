"""Waits in the event loop, computation in processes, both at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from cotality._kit.struck import is_of_a_signal
from cotality.core.machine import available_cpus
from cotality.core.utils.process import Task
from cotality.web._web.parts.items import error_text
from cotality.web._web.parts.waiting import (
    Fetched,
    Waits,
    finished,
    waits_at_all,
    waits_for,
)

from .order import Done, Order
from .processes import done_of, outcomes_of, processes

if TYPE_CHECKING:
    from cotality.tuning import PoolManager


async def overlapped(order: Order, pool: PoolManager) -> AsyncGenerator[Done]:
    """Do all items as this machine does them best.

    A batch of them waits at a time, in this event loop. What has waited is computed in
    processes of *pool*, of which no more are used than there are CPUs. Items that wait
    for nothing go to the processes at once.
    """
    if not waits_at_all(order.recipe):
        stream = processes(order, pool)
    else:
        stream = after_waits(order, pool)
    async with aclosing(stream) as items:
        async for done in items:
            yield done


async def after_waits(order: Order, pool: PoolManager) -> AsyncGenerator[Done]:
    async with waits_for(order.recipe) as waits:
        fetching = Fetching(order, waits)
        workers = min(order.workers, available_cpus())
        stream = outcomes_of(fetching.tasks(), workers, pool)
        async with aclosing(stream) as outcomes:
            async for outcome in outcomes:
                for failed in fetching.taken_failures():
                    yield failed
                yield done_of(fetching.index_of(outcome.index), outcome)
        for failed in fetching.taken_failures():
            yield failed


class Fetching:
    """Items that wait, and tasks for those that have."""

    def __init__(self, order: Order, waits: Waits) -> None:
        self.order, self.waits = order, waits
        self.call = partial(finished, order.recipe)
        self.failures: list[Done] = []
        self.indices: dict[int, int] = {}  # of items, by the number of their task
        self.count = 0  # of tasks

    def index_of(self, task: int) -> int:
        return self.indices.pop(task)

    def taken_failures(self) -> list[Done]:
        """Items that have failed while they waited."""
        taken, self.failures = self.failures, []
        return taken

    async def tasks(self) -> AsyncGenerator[Task[int]]:
        """One for each item that has waited, as soon as it has."""
        ready: asyncio.Queue[Fetched | Done] = asyncio.Queue()
        indices = iter(self.order.indices)
        waiting: set[asyncio.Task[None]] = set()
        left = len(self.order.indices)
        try:
            while left:
                # What has waited and was not taken holds its place: nothing piles up.
                while len(waiting) + ready.qsize() < self.order.batch_size:
                    index = next(indices, None)
                    if index is None:
                        break
                    task = asyncio.create_task(self.fetch(index, ready))
                    waiting.add(task)
                    task.add_done_callback(waiting.discard)
                found = await ready.get()
                left -= 1
                if isinstance(found, Done):
                    self.failures.append(found)
                    continue
                self.indices[self.count] = found.index
                self.count += 1
                yield Task.of(self.call, found)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def fetch(self, index: int, ready: asyncio.Queue[Fetched | Done]) -> None:
        try:
            found: Fetched | Done = await self.waits.fetch(index)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            found = Done(index, error=error_text(error))
        ready.put_nowait(found)

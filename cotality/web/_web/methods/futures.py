"""An executor of `concurrent.futures`, whose futures we hold ourselves.

Portions of items are submitted a few at a time, and grow until one takes a while. A
portion whose process dies is taken apart, so that the death costs no other item.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeAlias

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    WorkerCrashedError,
)
from cotality.web._web.parts.items import error_text
from cotality.web._web.parts.recipe import Recipe

from .order import Done, Order, done_here

AHEAD = 2  # portions that are submitted, for each process
PORTION_S = 0.1  # that a portion should take
LARGEST = 100  # items in a portion
MOST_DEATHS = 2  # of processes that do an item, before it counts as the reason


# What became of a portion, and the seconds that it took.
Answer: TypeAlias = tuple[list[Done], float]


def portion_done(recipe: Recipe, indices: Sequence[int]) -> Answer:
    """Do these in a process; also how many seconds that took."""
    start = time.perf_counter()
    done = [done_here(recipe, index) for index in indices]
    return done, time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class Portion:
    """Items that are submitted together.

    Attributes:
        indices: Which ones.
        deaths: How many processes have died at them.
        told: How many of these are told with the first item. The others of a portion
            that was taken apart have had the same one.
    """

    indices: Sequence[int]
    deaths: int = 0
    told: int = 0


class Submitting:
    """What is submitted and what is not, of one order."""

    def __init__(self, order: Order, executor: IsolatedProcessPoolExecutor) -> None:
        self.order, self.executor = order, executor
        self.rest = order.indices
        self.again: deque[Portion] = deque()
        self.size = 1
        # Each future as the loop waits for it, with that of the executor.
        self.running: dict[asyncio.Future[Answer], tuple[Future[Answer], Portion]] = {}

    def submit(self) -> None:
        """Submit enough that no process has to wait for its next portion."""
        while len(self.running) < AHEAD * self.order.workers:
            portion = self.next_portion()
            if portion is None:
                return
            future = self.executor.submit(
                portion_done, self.order.recipe, portion.indices
            )
            self.running[asyncio.wrap_future(future)] = (future, portion)

    def next_portion(self) -> Portion | None:
        if self.again:
            return self.again.popleft()
        if not self.rest:
            return None
        # Towards the end no process should have much while others have nothing.
        share = -(-len(self.rest) // (AHEAD * self.order.workers))
        size = min(self.size, share)
        taken, self.rest = self.rest[:size], self.rest[size:]
        return Portion(taken)

    def settle(self, future: asyncio.Future[Answer]) -> list[Done]:
        """What is known now of the items of a future that is over."""
        _, portion = self.running.pop(future)
        try:
            done, seconds = future.result()
        except WorkerCrashedError as error:
            return self.after_death(portion, error)
        each = max(1e-6, seconds / len(done))
        self.size = max(1, min(2 * self.size, LARGEST, int(PORTION_S / each)))
        done[0] = done[0]._replace(deaths=portion.told)
        return done

    def after_death(self, portion: Portion, error: WorkerCrashedError) -> list[Done]:
        if len(portion.indices) > 1:
            # One of these it was, or none. Each is done by itself now.
            first, *others = portion.indices
            self.again.append(Portion([first], 1, 1))
            self.again += [Portion([each], 1) for each in others]
            return []
        deaths, told = portion.deaths + 1, portion.told + 1
        if deaths < MOST_DEATHS:
            self.again.append(Portion(portion.indices, deaths, told))
            return []
        return [Done(portion.indices[0], None, error_text(error), told)]

    def kill(self) -> None:
        for waited, (future, _) in self.running.items():
            waited.cancel()  # nobody needs to know how it ends
            self.executor.kill(future)


async def futures(order: Order) -> AsyncGenerator[Done]:
    """Do all items on an executor of this order's own, with a process for each worker.

    Closed early, it ends all of them.
    """
    executor = IsolatedProcessPoolExecutor(order.workers)
    submitting = Submitting(order, executor)
    try:
        submitting.submit()
        while submitting.running:
            over, _ = await asyncio.wait(
                submitting.running, return_when=asyncio.FIRST_COMPLETED
            )
            done = [each for future in over for each in submitting.settle(future)]
            submitting.submit()
            for each in done:
                yield each
    finally:
        submitting.kill()
        await asyncio.shield(asyncio.to_thread(executor.shutdown))

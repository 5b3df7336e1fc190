"""Batches of coroutines in one event loop: each waits together, and computes here."""

from __future__ import annotations

import asyncio

from cotality._kit.struck import is_of_a_signal
from cotality.web._web.parts.items import error_text
from cotality.web._web.parts.waiting import Waits, finished, waits_for

from .order import Done, Give, Order


def batches(order: Order, give: Give) -> None:
    """Do all items in an event loop of this thread, a batch at a time."""
    asyncio.run(in_batches(order, give))


async def in_batches(order: Order, give: Give) -> None:
    async with waits_for(order.recipe) as waits:
        for first in range(order.start, order.total, order.batch_size):
            batch = range(first, min(first + order.batch_size, order.total))
            await asyncio.gather(*(one(waits, index, give) for index in batch))


async def one(waits: Waits, index: int, give: Give) -> None:
    """Wait for what the item needs, and compute it without a pause."""
    try:
        fetched = await waits.fetch(index)
        done = Done(index, finished(waits.recipe, fetched))
    except Exception as error:
        if is_of_a_signal(error):
            raise
        done = Done(index, error=error_text(error))
    give(done)

"""What an item waits for, where an event loop waits: for many of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from .cache import (
    CATEGORIES,
    KEPT_S,
    PREFIX,
    Away,
    RedisCache,
    factor_of,
    known,
    settings,
)
from .items import Parts, parts_for, value_of
from .recipe import Recipe

# For how many answers of servers one process waits at a time, each on a connection.
CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an item has waited for; None for what is no wait, but computed here."""

    index: int
    total: int | None
    factor: int | None


class Waits:
    """Fetches what items need, in one event loop; made by `waits_for`."""

    def __init__(self, recipe: Recipe, threads: ThreadPoolExecutor) -> None:
        self.recipe, self.threads = recipe, threads
        self.parts = parts_for(recipe)
        self.room = asyncio.Semaphore(CONNECTIONS)
        self.server: Any = None  # Any: as in `RedisCache`
        self.away = Away()

    async def fetch(self, index: int) -> Fetched:
        """Wait for all that this item waits for.

        Raises:
            LookupError: The database does not know its sensor.
            Exception: What the database raises that cannot be asked.
        """
        recipe, measurements = self.recipe, self.parts.measurements
        if recipe.db_delay_s:
            await asyncio.sleep(recipe.db_delay_s)
        total = None
        if not measurements.is_file:
            loop = asyncio.get_running_loop()
            total = await loop.run_in_executor(self.threads, measurements.total, index)
        delay = recipe.lookup_delay(index)
        if delay:
            await asyncio.sleep(delay)
        factor = None if recipe.redis_url is None else await self.factor(index)
        return Fetched(index, total, factor)

    async def factor(self, index: int) -> int | None:
        """What the server knows; None if it is gone."""
        if self.away.is_now:
            return None
        from redis import RedisError

        category = index % CATEGORIES
        try:
            async with self.room:
                found = known(await self.server.get(f"{PREFIX}{category}"))
                if found is None:
                    found = factor_of(category)
                    await self.server.set(f"{PREFIX}{category}", found, ex=int(KEPT_S))
        except (RedisError, OSError) as error:
            self.away.note(error)
            return None
        return found


@asynccontextmanager
async def waits_for(recipe: Recipe) -> AsyncGenerator[Waits]:
    """What fetches for items of this recipe, for the loop that runs."""
    with ThreadPoolExecutor(CONNECTIONS, "web-query") as threads:
        waits = Waits(recipe, threads)
        if recipe.redis_url is None:
            yield waits
            return
        import redis.asyncio

        client: Any = redis.asyncio.Redis  # Any: likewise
        waits.server = client.from_url(recipe.redis_url, **settings())
        try:
            yield waits
        finally:
            await waits.server.aclose()


def finished(recipe: Recipe, fetched: Fetched) -> int:
    """The value of an item that has waited: what is left needs a CPU.

    Raises:
        LookupError: The database does not know its sensor.
        Exception: What the database raises that cannot be asked.
    """
    parts = parts_for(recipe)
    return value_of(
        fetched.index, total_of(parts, fetched), factor_here(parts, fetched)
    )


def total_of(parts: Parts, fetched: Fetched) -> int:
    if fetched.total is not None:
        return fetched.total
    return parts.measurements.total(fetched.index)


def factor_here(parts: Parts, fetched: Fetched) -> int:
    if fetched.factor is not None:
        return fetched.factor
    cache = parts.cache
    if isinstance(cache, RedisCache):
        cache = cache.fallback  # it was asked, and is gone
    return cache.factor(fetched.index)


def waits_at_all(recipe: Recipe) -> bool:
    """Whether its items wait for anything, rather than compute."""
    has_server = (
        recipe.redis_url is not None or not parts_for(recipe).measurements.is_file
    )
    return has_server or recipe.delay > 0

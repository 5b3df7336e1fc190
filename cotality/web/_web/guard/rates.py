"""How often somebody may ask."""

from __future__ import annotations

import asyncio
import logging
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from cotality._kit.safe_text import class_and_text, printable
from cotality._kit.struck import is_of_a_signal

from .window import Window

logger = logging.getLogger("cotality.web")

WINDOW_S = 60.0
ANSWER_S = 0.5  # that a server gets to count one request
AWAY_S = 5.0  # for which a server that was away is left alone
# The connections are made by us, so that we can close them; `limits` asks for a URL all
# the same.
UNUSED_URL = "async+redis://localhost:6379"


class Rates:
    """Counts requests in any minute: here, or in a server that others count in as well.

    While that server is away it counts here, so that nobody waits for it: each process
    then allows as much as all of them did.

    Args:
        per_minute: How many requests of one name are answered in any minute.
        url: Of a Redis server; None to count in this process.

    Raises:
        ImportError: *url* needs a package that is not installed.
    """

    def __init__(self, per_minute: int, url: str | None = None) -> None:
        self.item = RateLimitItemPerMinute(per_minute, namespace="cotality-web")
        self.here = Window(per_minute, WINDOW_S)
        self.there = None if url is None else There(url)
        self.again_at = 0.0

    @property
    def is_degraded(self) -> bool:
        """Whether the server was away lately."""
        return time.monotonic() < self.again_at

    async def hit(self, name: str) -> float | None:
        """Count one request of *name*.

        Returns:
            None if it may be answered; otherwise after how many seconds the next one
            may be.
        """
        if self.there is None or self.is_degraded:
            return self.here.hit(name)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self.counted(self.there.limiter, name)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            # Anything may come of a server that is away; the request is not to blame.
            self.again_at = time.monotonic() + AWAY_S
            logger.warning(
                "requests are counted in this process for now, because the server for "
                "that does not answer: %s",
                printable(class_and_text(error)),
            )
        return self.here.hit(name)

    async def counted(
        self, limiter: MovingWindowRateLimiter, name: str
    ) -> float | None:
        if await limiter.hit(self.item, name):
            return None
        reset, _ = await limiter.get_window_stats(self.item, name)
        return min(WINDOW_S, max(0.0, reset - time.time()))

    async def close(self) -> None:
        """Let go of the connections to the server."""
        if self.there is not None:
            await self.there.pool.aclose()


class There:
    """A count in a Redis server."""

    def __init__(self, url: str) -> None:
        try:
            from redis.asyncio import ConnectionPool
        except ImportError as error:
            raise ImportError(
                "requests are to be counted in a Redis server, for which redis is "
                "needed: pip install cotality[web-redis]"
            ) from error
        self.pool: ConnectionPool = ConnectionPool.from_url(url)  # pyright: ignore[reportUnknownMemberType]  # it has untyped options
        storage = RedisStorage(
            UNUSED_URL,
            implementation="redispy",
            connection_pool=self.pool,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it says float | str | bool, and takes a pool
        )
        self.limiter = MovingWindowRateLimiter(storage)

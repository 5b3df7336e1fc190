"""A cache that is looked into first: in this process, or on a Redis server.

If the server is gone, no item fails: its value is computed, and kept in the process
until the server is back.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

logger = logging.getLogger("cotality.web")

CATEGORIES = 100
KEPT_S = 300.0
AGAIN_S = 2.0  # until a server that is gone is asked again
ANSWER_S = 1.0  # after which it counts as gone
PREFIX = "cotality:web:factor:"


def factor_of(category: int) -> int:
    """What a cache saves: the same for all items of a category."""
    return 1 + category * category % 97


class LocalCache:
    """A map in this process, whose entries are kept for a while."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self.kept_s = kept_s
        self.entries: dict[int, tuple[float, int]] = {}

    def factor(self, index: int) -> int:
        """The factor of the category of this item."""
        category = index % CATEGORIES
        now = time.monotonic()
        entry = self.entries.get(category)
        if entry is None or entry[0] <= now:
            entry = self.entries[category] = (now + self.kept_s, factor_of(category))
        return entry[1]

    def close(self) -> None:
        """Nothing is open."""


class Away:
    """Whether a server is gone, so that not each item has to find out."""

    def __init__(self) -> None:
        self.until = 0.0
        self.lock = threading.Lock()

    @property
    def is_now(self) -> bool:
        return time.monotonic() < self.until

    def note(self, error: Exception) -> None:
        with self.lock:
            is_news = not self.is_now
            self.until = time.monotonic() + AGAIN_S
        if is_news:
            logger.warning(
                "the cache is gone, and this process has its own until it is back: %s",
                error,
            )


class RedisCache:
    """A cache that all processes share, on the server at *url*."""

    def __init__(self, url: str) -> None:
        import redis

        self.away, self.fallback = Away(), LocalCache()
        # Any: its commands give what is there at once or later, says their type.
        client: Any = redis.Redis
        self.server: Any = client.from_url(url, **settings())
        self.error = redis.RedisError

    def factor(self, index: int) -> int:
        """The factor of the category of this item, whether the server is there."""
        if self.away.is_now:
            return self.fallback.factor(index)
        category = index % CATEGORIES
        try:
            found = known(self.server.get(f"{PREFIX}{category}"))
            if found is None:
                found = factor_of(category)
                self.server.set(f"{PREFIX}{category}", found, ex=int(KEPT_S))
        except (self.error, OSError) as error:
            self.away.note(error)
            return self.fallback.factor(index)
        return found

    def close(self) -> None:
        """Let go of all connections."""
        self.server.close()


def settings() -> dict[str, Any]:  # Any: what the client takes
    """Settings of a client whose server may be gone: it fails soon, after one try."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "socket_timeout": ANSWER_S,
        "socket_connect_timeout": ANSWER_S,
        "retry": Retry(NoBackoff(), 0),
    }


def known(text: Any) -> int | None:  # Any: whatever somebody has put there
    """What the server has, if that is a number; else it is as good as nothing."""
    try:
        return None if text is None else int(text)
    except (TypeError, ValueError):
        return None


def cache_for(redis_url: str | None) -> LocalCache | RedisCache:
    """The one of a process."""
    if redis_url is None:
        return LocalCache()
    try:
        return RedisCache(redis_url)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a cache on a Redis server needs its client: pip install "
            "'cotality[web-redis]'"
        ) from error

"""What jobs do in the benchmark, whoever runs them: they tell a Redis server."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any


@cache
def told() -> Any:  # Any: redis need not be installed to import this
    import redis

    return redis.Redis.from_url(os.environ["BENCHMARK_REDIS"])


def count() -> None:
    told().incr("count")


def late(enqueued: float) -> None:
    told().rpush("late", time.time() - enqueued)


def hold(seconds: float) -> None:
    told().rpush("pids", os.getpid())
    told().rpush("begun", time.time())
    time.sleep(seconds)

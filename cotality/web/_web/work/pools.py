"""The processes of a worker, which all its tasks share."""

from __future__ import annotations

import threading

from cotality.tuning import PoolManager
from cotality.web._web.models.configs import most_workers

made: list[PoolManager] = []
making = threading.Lock()


def shared_pool() -> PoolManager:
    """That of this process. It has no more workers than tasks have asked for."""
    with making:
        if not made:
            made.append(PoolManager(most_workers()))
        return made[0]


def close_shared_pool() -> None:
    """End its workers."""
    with making:
        while made:
            made.pop().shutdown(grace=0.0)

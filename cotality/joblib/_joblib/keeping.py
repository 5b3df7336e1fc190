"""The workers of joblib's calls, which stay for the next call.

A call gets the workers that it would start itself: as many, set up in the same way, by
a program that has the same directory, import path and environment. Others wait beside
them, for programs that change between two numbers of workers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cotality.core.machine import after_fork
from cotality.core.pools import SharedPool, world

IDLE_S = 300.0  # as long as joblib's own workers stay
SETS_KEPT = 2  # as many as the core keeps of its own


class Wanted(NamedTuple):
    """What a call wants of its workers.

    Attributes:
        idle_s: Seconds that they stay without a call; None: until the end.
        threads: How many threads numeric libraries use in each; None: a share of the
            CPUs.
    """

    workers: int
    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()  # Any: arguments of any function
    idle_s: float | None = IDLE_S
    threads: int | None = None


class Kept(NamedTuple):
    """Workers, and what the program was like when they were first asked for."""

    pool: SharedPool
    world: object

    def suits(self, other: Kept) -> bool:
        """Whether a call that would take *other* may have this instead."""
        return (
            self.pool.max_workers == other.pool.max_workers
            and self.pool.idle_limit == other.pool.idle_limit
            and self.pool.plan.initializer == other.pool.plan.initializer
            and self.pool.plan.numeric_threads == other.pool.plan.numeric_threads
            and self.world == other.world
        )


kept: list[Kept] = []  # the last used comes last; each change is one step


def workers_for(wanted: Wanted) -> SharedPool:
    """Workers as they are *wanted*, which are there already or start when needed.

    Raises:
        ValueError, TypeError: Something of it is no number, or no function.
        TaskNotPicklableError: The initializer cannot be sent to a process.
    """
    pool = SharedPool(
        wanted.workers,
        idle_seconds=wanted.idle_s,
        initializer=wanted.initializer,
        initargs=wanted.initargs,
        numeric_threads=wanted.threads,
        is_kept=True,
    )
    new = Kept(pool, world())
    found = next((each for each in reversed(kept.copy()) if each.suits(new)), new)
    others = [each for each in kept.copy() if each is not found]
    # Who is left out ends when no call has it any more.
    kept[:] = [*others[1 - SETS_KEPT :], found]
    return found.pool


after_fork(kept.clear)  # the workers are the parent's

"""Whose worker processes a call runs on, and what becomes of them afterwards."""

from __future__ import annotations

from typing import Protocol

from . import warm
from .handle import WorkerPlan
from .pool import Pool


class Staff(Protocol):
    """Where a call gets its workers from; none are started before they are needed."""

    workers: int
    # Whether the pool may run more at a time than *workers*.
    is_part_of_more: bool

    def pool(self) -> Pool:
        """The pool that the portions of the call go to."""
        ...

    def dismiss(self, all_ended: bool, *, for_good: bool) -> None:
        """The call is over.

        Args:
            all_ended: Whether nothing of it still runs.
            for_good: Whether its workers should serve no other call.
        """
        ...


class Borrowed:
    """The workers of a pool that outlives the call and may serve others meanwhile."""

    def __init__(self, pool: Pool, workers: int | None) -> None:
        self.borrowed = pool
        self.workers = min(workers or pool.max_workers, pool.max_workers)
        self.is_part_of_more = self.workers < pool.max_workers

    def pool(self) -> Pool:
        return self.borrowed

    def dismiss(self, all_ended: bool, *, for_good: bool) -> None:
        """They stay where they are."""


class Lender(Protocol):
    """Who has a pool for many calls, and is told while one of them uses it."""

    @property
    def max_workers(self) -> int: ...

    @property
    def plan(self) -> WorkerPlan: ...

    def lend(self) -> Pool:
        """The pool, for one call more."""
        ...

    def take_back(self, pool: Pool) -> None:
        """A call that *pool* was lent to is over."""
        ...


class Lent:
    """The workers of a lender, from when the call first needs them to its end."""

    def __init__(self, lender: Lender, workers: int | None) -> None:
        self.lender = lender
        most = lender.max_workers
        self.workers = min(workers or most, most)
        self.is_part_of_more = self.workers < most
        self.lent: Pool | None = None

    def pool(self) -> Pool:
        if self.lent is None:
            self.lent = self.lender.lend()
        return self.lent

    def dismiss(self, all_ended: bool, *, for_good: bool) -> None:
        if self.lent is not None:
            self.lender.take_back(self.lent)


class Leased:
    """Warm workers: leased for the call, and brought back for the next one."""

    is_part_of_more = False

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.lease: warm.Warm | None = None

    def pool(self) -> Pool:
        if self.lease is None:
            self.lease = warm.lease(self.workers)
        return self.lease.pool

    def dismiss(self, all_ended: bool, *, for_good: bool) -> None:
        if self.lease is None:
            return
        if not all_ended:
            self.lease.pool.kill_all()
        elif for_good:
            self.lease.pool.close(wait=True, cancel=True)
        else:
            warm.bring_back(self.lease)


class Hired:
    """Workers for this call alone, started to its own plan."""

    is_part_of_more = False

    def __init__(self, workers: int, plan: WorkerPlan) -> None:
        self.workers = workers
        self.plan = plan
        self.hired: Pool | None = None

    def pool(self) -> Pool:
        if self.hired is None:
            self.hired = Pool(self.workers, self.plan, for_calls=True)
        return self.hired

    def dismiss(self, all_ended: bool, *, for_good: bool) -> None:
        if self.hired is None:
            return
        if not all_ended:
            self.hired.kill_all()
        self.hired.close(wait=all_ended, cancel=True)

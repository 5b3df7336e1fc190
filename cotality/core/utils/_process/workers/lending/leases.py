"""Whose worker processes a call runs on, and what happens to them afterwards.

An exception may strike the caller anywhere, also here. So a lender of workers keeps
track of them by an object that the call holds. When nobody holds that object any more,
for whatever reason, the workers are free again, or are ended.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import Protocol

from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.machine.this_process import after_fork
from cotality.core.utils._process.workers.handle import WorkerPlan
from cotality.core.utils._process.workers.pool import Pool

from . import warm_pools
from .enclosures import Lender, Loan


class Staff(Protocol):
    """Where a call gets its workers from; none are started before they are needed."""

    workers: int
    # Whether the pool may run more at a time than *workers*.
    is_part_of_more: bool

    def pool(self, *, has_states: bool = False) -> Pool:
        """The pool that the next portion of the call goes to.

        Args:
            has_states: Whether the call has made something in workers, or is about to,
                that no other call may find there.
        """
        ...

    def dismiss(self, owner: object, *, all_ended: bool, for_good: bool) -> None:
        """The call is over.

        Args:
            owner: What names the call in the items it has handed over.
            all_ended: Whether nothing of it still runs. If not, or if nobody knows,
                it is ended, and workers that served it alone are not used again.
            for_good: Whether its workers should serve no other call.
        """
        ...


class Borrowed:
    """The workers of a pool that outlives the call and may serve others meanwhile."""

    def __init__(self, pool: Pool, workers: int | None) -> None:
        self.borrowed = pool
        self.workers = min(workers or pool.max_workers, pool.max_workers)
        self.is_part_of_more = self.workers < pool.max_workers

    def pool(self, *, has_states: bool = False) -> Pool:
        return self.borrowed

    def dismiss(self, owner: object, *, all_ended: bool, for_good: bool) -> None:
        """They stay where they are."""
        if not all_ended:
            self.borrowed.end_call(owner)


class Lent:
    """The workers of a lender, from when the call first needs them to its end."""

    def __init__(self, lender: Lender, workers: int | None) -> None:
        self.lender = lender
        most = lender.max_workers
        self.workers = min(workers or most, most)
        self.is_part_of_more = self.workers < most
        self.loan: Loan | None = None

    def pool(self, *, has_states: bool = False) -> Pool:
        if self.loan is None:
            self.loan = self.lender.lend()
        return self.loan.pool

    def dismiss(self, owner: object, *, all_ended: bool, for_good: bool) -> None:
        if self.loan is None:
            return
        if not all_ended:
            self.loan.pool.end_call(owner)
        self.loan.close()


class Leased:
    """Warm workers: leased for the call, and brought back for the next one.

    Args:
        is_shared: Whether other calls of this kind may use them at the same time.
    """

    is_part_of_more = False

    def __init__(self, workers: int, *, is_shared: bool = False) -> None:
        self.workers = workers
        self.is_shared = is_shared
        self.lease: warm_pools.Warm | None = None
        self.own: Leased | None = None  # for what may not be shared

    def pool(self, *, has_states: bool = False) -> Pool:
        if self.is_shared and has_states:
            if self.own is None:
                self.own = Leased(what_is_left(self.workers))
                one_more(self.own)
            return self.own.pool()
        if self.lease is None:
            take = (
                partial(warm_pools.share, self) if self.is_shared else warm_pools.lease
            )
            self.lease = take(self.workers)
        return self.lease.pool

    def dismiss(self, owner: object, *, all_ended: bool, for_good: bool) -> None:
        alone.discard(self)
        if self.own is not None:
            self.own.dismiss(owner, all_ended=all_ended, for_good=for_good)
        lease = self.lease  # its loop closed, a call may be left by two threads at once
        if lease is None:
            return
        pool = lease.pool
        if self.is_shared and not warm_pools.leave(self, lease):
            if not all_ended:
                pool.end_call(owner)
            self.lease = None
        elif not all_ended:
            pool.kill_all()
        elif for_good and not self.is_shared:
            pool.close(wait=True, cancel=True)
        else:
            warm_pools.bring_back(lease)
            # From here on another call may have them; this one never touches them.
            self.lease = None


class Hired:
    """Workers for this call alone, started to its own plan."""

    is_part_of_more = False

    def __init__(self, workers: int, plan: WorkerPlan) -> None:
        self.workers = workers
        self.plan = plan
        self.hired: warm_pools.Owned | None = None

    def pool(self, *, has_states: bool = False) -> Pool:
        if self.hired is None:
            self.hired = warm_pools.Owned(Pool(self.workers, self.plan, for_calls=True))
        return self.hired.pool

    def dismiss(self, owner: object, *, all_ended: bool, for_good: bool) -> None:
        alone.discard(self)
        if self.hired is None:
            return
        if not all_ended:
            self.hired.pool.kill_all()
        self.hired.pool.close(wait=all_ended, cancel=True)


# Who has workers of its own and has not said how many: there are as many as are left
# of what one call may have, and at least one for each.
alone: weakref.WeakSet[Staff] = weakref.WeakSet()


def what_is_left(workers: int) -> int:
    """How many of *workers* a call may have that names no number."""
    return max(1, workers - sum(each.workers for each in all_in(alone)))


def one_more(staff: Staff) -> Staff:
    """*staff*, which counts for :func:`what_is_left` until it is dismissed."""
    alone.add(staff)
    return staff


after_fork(alone.clear)  # the parent's calls are none of the child's

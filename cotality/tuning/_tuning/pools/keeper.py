"""Who owns the workers of a pool manager, and lends them to calls.

A pool is made when a call first needs it. While no call uses it, it is parked: it ends
its workers after an idle time, and the next call gets a new one. A pool that is broken,
or whose workers are of an older state of the program, is replaced in the same way.
Calls that still use the old one keep it until they end.

There is no lock: an exception that strikes a caller, such as a Ctrl-C, could leave it
held. A call holds a loan; a loan that nobody holds any more, however that came about,
is over. Which of two callers makes the pool, one step of a dictionary decides.
"""

from __future__ import annotations

import os
import weakref
from queue import Empty, SimpleQueue
from time import monotonic
from typing import NamedTuple

from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.workers import program_state
from cotality.core.utils._process.workers.handle import WorkerPlan
from cotality.core.utils._process.workers.pool import Pool

SHUT_DOWN = (
    "this pool manager has been shut down, and runs nothing more. "
    "get_global_pool_manager() gives one that is open; managed_pool() makes another."
)
WAIT_SLICE = 0.1  # s; on Windows a longer wait could not be interrupted by Ctrl-C


class LentPool(NamedTuple):
    """A pool, and what the program was when it was made."""

    pool: Pool
    program: program_state.State


class Loan:
    """The pool of a keeper, for one call, for as long as the call holds this."""

    pool: Pool

    def __init__(self, keeper: PoolKeeper) -> None:
        self.keeper = keeper
        self.ends: list[bool] = []  # not empty once it is over
        keeper.loans.add(self)

    @property
    def has_pool(self) -> bool:
        """Whether it got as far as that before an exception struck."""
        return "pool" in self.__dict__

    def close(self) -> None:
        """The call is over; may be called again."""
        self.keeper.take_back(self)

    def __del__(self) -> None:
        if "ends" in self.__dict__:  # else an exception struck while this was made
            self.close()


class PoolKeeper:
    """Lends one pool of workers to all calls of this process.

    Args:
        max_workers: How many processes at most.
        plan: How they are started.
        idle_limit: Seconds that they stay without a call, may be infinite.
    """

    def __init__(self, max_workers: int, plan: WorkerPlan, idle_limit: float) -> None:
        self.max_workers = max_workers
        self.plan = plan
        self.idle_limit = idle_limit
        self.is_shut_down = False
        self.forget()
        keepers.add(self)

    def forget(self) -> None:
        """Start without a pool; also in a forked child, whose parent has it."""
        self.lent: dict[int, LentPool] = {}  # by number; the last one is lent
        self.number = 0  # of the last one
        self.replaced: list[Pool] = []  # that calls may still use
        self.loans: weakref.WeakSet[Loan] = weakref.WeakSet()
        self.returned: SimpleQueue[None] = SimpleQueue()  # for who waits for loans

    @property
    def pool(self) -> Pool | None:
        """The pool that was lent last."""
        last = self.lent.get(self.number)
        return None if last is None else last.pool

    def lend(self) -> Loan:
        """The pool, for one call more.

        Raises:
            RuntimeError: The manager has been shut down.
        """
        loan = Loan(self)
        try:
            self.check_open()
            loan.pool = self.usable_pool(loan)
            # Again: either this sees that it is shut down, or who does that, the pool.
            self.check_open()
        except BaseException:
            loan.close()  # who handles this may keep the frame, and with it the loan
            raise
        return loan

    def usable_pool(self, loan: Loan) -> Pool:
        """The pool, if it can be used again; else a new one.

        Each call asks anew for all workers, of which the system may have refused some
        to an earlier one.
        """
        number = self.number
        last = self.lent.get(number)
        now = program_state.current()
        if last is not None and not program_state.is_older(last.program, now):
            was_parked = last.pool.unpark(self.max_workers)
            # Who else uses it will not park it, because this loan is there.
            is_shared = was_parked or self.is_used(last.pool, but=loan)
            if is_shared and not (last.pool.is_closing or last.pool.is_mixed):
                return last.pool
        new = Pool(
            self.max_workers, self.plan, for_calls=True, idle_limit=self.idle_limit
        )
        number += 1
        self.lent.setdefault(number, LentPool(new, now))
        # Threads that are slow must not bring back what others have replaced since.
        number = self.number = max(self.number, number)
        for old in [each for each in list(self.lent) if each < number]:
            replaced = self.lent.get(old)
            if replaced is not None:
                self.replaced.append(replaced.pool)
            self.lent.pop(old, None)
        self.close_replaced(loan)
        # That of another thread may be older than the program is by now.
        return new if self.pool is new else self.usable_pool(loan)

    def is_used(self, pool: Pool, *, but: Loan | None = None) -> bool:
        """Whether a call uses *pool*, or one that has begun may come to use it."""
        return any(
            each is not but and (not each.has_pool or each.pool is pool)
            for each in all_in(self.loans)
        )

    def close_replaced(self, but: Loan | None = None) -> None:
        """Let go of pools that were replaced, once no call uses them."""
        for pool in self.replaced.copy():
            if not self.is_used(pool, but=but):
                pool.close(wait=False, cancel=True)
                try:
                    self.replaced.remove(pool)
                except ValueError:
                    pass  # another thread has come first

    def take_back(self, loan: Loan) -> None:
        """A call that the pool was lent to is over."""
        # First of all: a loan that ended twice could park a pool that others use.
        loan.ends.append(True)
        if len(loan.ends) > 1:
            return
        self.loans.discard(loan)
        pool = self.pool
        # Also if it struck before the loan had a pool, which it may have unparked.
        if pool is not None and (not loan.has_pool or loan.pool is pool):
            self.park_unless_used(pool)
        if self.replaced:
            self.close_replaced()
        if self.is_shut_down:
            self.returned.put(None)

    def park_unless_used(self, pool: Pool) -> None:
        if self.is_used(pool):
            return
        pool.park()
        if self.is_used(pool):  # a call that has begun meanwhile did not find it parked
            pool.unpark(self.max_workers)

    def check_open(self) -> None:
        if self.is_shut_down:
            raise RuntimeError(SHUT_DOWN)

    def shut_down(self, grace: float | None) -> None:
        """Lend nothing more; wait *grace* seconds for calls; end all workers."""
        self.is_shut_down = True
        try:
            self.wait_for_loans(grace)
        finally:  # a Ctrl-C ends the wait as well
            if self.loans:
                for pool in self.all_pools():
                    pool.kill_all()
        for pool in self.all_pools():
            pool.close(wait=True, cancel=True)

    def __del__(self) -> None:
        """Neither a manager nor a call holds it: an exception has struck who closed it.

        Or it was only dropped. Without this the workers would stay for their idle time,
        which may have no end.
        """
        if "lent" in self.__dict__:
            for pool in self.all_pools():
                pool.let_go()

    def all_pools(self) -> set[Pool]:
        return {*self.replaced, *(each.pool for each in self.lent.copy().values())}

    def wait_for_loans(self, grace: float | None) -> None:
        end = None if grace is None else monotonic() + grace
        while self.loans and (end is None or monotonic() < end):
            left = WAIT_SLICE if end is None else min(WAIT_SLICE, end - monotonic())
            try:
                self.returned.get(timeout=max(0.0, left))
            except Empty:
                continue


# For forked children.
keepers: weakref.WeakSet[PoolKeeper] = weakref.WeakSet()


def forget_pools() -> None:
    for keeper in all_in(keepers):
        keeper.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_pools)

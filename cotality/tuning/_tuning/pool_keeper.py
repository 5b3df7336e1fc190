"""Who owns the workers of a pool manager, and lends them to calls.

A pool is made when a call first needs it. While no call uses it, it is parked: it ends
its workers after an idle time, and the next call gets a new one. A pool that is broken,
or whose workers are of an older state of the program, is replaced in the same way.
Calls that still use the old one are counted apart.
"""

from __future__ import annotations

import os
import threading
import weakref

from cotality.core.utils._process import program_state
from cotality.core.utils._process.handle import WorkerPlan
from cotality.core.utils._process.pool import Pool

SHUT_DOWN = (
    "this pool manager has been shut down, and runs nothing more. "
    "get_global_pool_manager() gives one that is open; managed_pool() makes another."
)


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
        # Re-entrant: a stream may be closed by the garbage collector, anywhere.
        self.changing = threading.Condition(threading.RLock())
        self.pool: Pool | None = None
        self.program: program_state.State | None = None  # when the pool was made
        self.calls: dict[Pool, int] = {}  # by the pool they use; none of them is 0

    def lend(self) -> Pool:
        """The pool, for one call more.

        Raises:
            RuntimeError: The manager has been shut down.
        """
        with self.changing:
            self.check_open()
            now = program_state.current()
            self.part_with_older_workers(now)
            # Each call asks anew for all workers, of which the system may have refused
            # some to an earlier one.
            if self.pool is None or not self.pool.unpark(self.max_workers):
                self.pool = Pool(
                    self.max_workers,
                    self.plan,
                    for_calls=True,
                    idle_limit=self.idle_limit,
                )
                self.program = now
            self.calls[self.pool] = self.calls.get(self.pool, 0) + 1
            return self.pool

    def part_with_older_workers(self, now: program_state.State) -> None:
        """Keep only a pool whose workers know the program as it is *now*."""
        pool, then = self.pool, self.program
        if pool is None or then is None or not program_state.is_older(then, now):
            return
        self.pool = None
        if pool not in self.calls:  # else it ends with the last of them
            pool.close(wait=False, cancel=True)

    def take_back(self, pool: Pool) -> None:
        """A call that *pool* was lent to is over."""
        with self.changing:
            count = self.calls.pop(pool, 0)
            if count > 1:
                self.calls[pool] = count - 1
                return
            # Otherwise nobody uses it, or it was lent by the parent of a forked child.
            if count == 1:
                if pool is self.pool:
                    pool.park()
                else:  # it was replaced
                    pool.close(wait=False, cancel=True)
                self.changing.notify_all()

    def check_open(self) -> None:
        if self.is_shut_down:
            raise RuntimeError(SHUT_DOWN)

    def shut_down(self, grace: float | None) -> None:
        """Lend nothing more; wait *grace* seconds for calls; end all workers."""
        with self.changing:
            self.is_shut_down = True
            pools = {*self.calls, *([self.pool] if self.pool else [])}
            try:
                self.changing.wait_for(lambda: not self.calls, grace)
            finally:  # a Ctrl-C ends the wait as well
                for pool in self.calls:
                    pool.kill_all()
        for pool in pools:
            pool.close(wait=True, cancel=True)


# For forked children.
keepers: weakref.WeakSet[PoolKeeper] = weakref.WeakSet()


def forget_pools() -> None:
    for keeper in list(keepers):
        keeper.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_pools)

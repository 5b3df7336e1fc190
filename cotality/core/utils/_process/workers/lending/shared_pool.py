"""One set of workers for many calls: its owner, which lends the workers.

The owner makes a pool when a call first needs it. While no call uses the pool, it is
parked: it ends its workers after an idle time, and the next call gets a new pool. A
pool that is broken, or whose workers belong to an older state of the program, is
replaced in the same way. Calls that still use the old pool keep it until they end.

There is no lock, because an exception that strikes a caller, such as a Ctrl-C, could
leave it held. A call holds a loan. A loan is over when nobody holds it any more, for
whatever reason. If two callers want to make the pool, one atomic step on a dictionary
decides.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Generator
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from cotality._kit.around import around
from cotality._kit.public import public_in
from cotality._kit.records import NamedTuple, dataclass
from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.cpus import (
    checked_max_workers,
    default_workers,
)
from cotality.core.utils._process.machine.this_process import after_fork, notice_fork
from cotality.core.utils._process.starting import loading
from cotality.core.utils._process.starting.launch import default_context
from cotality.core.utils._process.tasks.checks import (
    checked_count,
    checked_seconds,
)
from cotality.core.utils._process.workers.executor import checked_initializer
from cotality.core.utils._process.workers.handle import WorkerPlan
from cotality.core.utils._process.workers.pool import Pool

from . import program_state
from .enclosures import enclosed_by
from .warm_pools import kept_warm

IDLE_SECONDS = 60.0
MOST_NICE = 19  # the least urgent that there is
SHUT_DOWN = "these workers have been shut down, and run nothing more"
WAIT_SLICE = 0.1  # s; on Windows a longer wait could not be interrupted by Ctrl-C


@public_in("cotality.tuning")
@dataclass(frozen=True, slots=True)
class PoolStatus:
    """What the workers of a `PoolManager` are doing, such as for a health page.

    Attributes:
        max_workers: How many worker processes there may be.
        pids: The process ids of the workers that exist.
        busy: How many workers are working.
        queued: How many portions of tasks wait for a worker.
        calls: How many calls use the workers at the moment.
        is_shut_down: Whether the manager has been shut down.
    """

    max_workers: int
    pids: tuple[int, ...]
    busy: int
    queued: int
    calls: int
    is_shut_down: bool


class LentPool(NamedTuple):
    """A pool, and what the program was when it was made."""

    pool: Pool
    program: program_state.State


class Loan:
    """The pool of a keeper, for one call, for as long as the call holds this."""

    pool: Pool

    def __init__(self, keeper: SharedPool) -> None:
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


class SharedPool:
    """Lends one pool of workers to calls of this process, however many at once.

    In a forked child it is as new: the child gets workers of its own.

    Args:
        max_workers: How many processes at most, at least 1. None takes the default.
        idle_seconds: How long they stay without a call, more than 0; None keeps them
            until the end.
        niceness: By how much they give way to others that want a CPU, 0 to 19.
        initializer: Called with *initargs* in each worker before its first task.
        numeric_threads: How many threads numeric libraries use in each worker, at least
            1; None shares out the CPUs, unless the environment says how many.
        is_kept: Whether `shutdown_workers` ends the workers while no call uses them.
        initargs: Its arguments.
        closed: What a call hears that comes after :meth:`shut_down`.

    Raises:
        ValueError: An argument is out of range, or ``COTALITY_MAX_WORKERS`` is not a
            number of workers.
        TypeError: An argument is not what it must be.
        TaskNotPicklableError: *initializer* cannot be sent to a process.
    """

    plan: WorkerPlan
    idle_limit: float
    max_workers: int
    is_shut_down: bool
    number: int

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        idle_seconds: float | None = IDLE_SECONDS,
        niceness: int = 0,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),  # Any: arguments of any function
        numeric_threads: int | None = None,
        is_kept: bool = False,
        closed: str = SHUT_DOWN,
    ) -> None:
        if max_workers is None:
            max_workers = default_workers(True, this_process.is_worker)
        if initargs and initializer is None:
            raise ValueError("initargs need an initializer to be given to")
        self.plan = WorkerPlan(
            default_context(),
            checked_initializer(initializer, initargs),
            niceness=checked_niceness(niceness),
            puts_back=True,
            numeric_threads=checked_count("numeric_threads", numeric_threads),
        )
        limit = checked_seconds("idle_seconds", idle_seconds, zero=False)
        self.idle_limit = inf if limit is None else limit
        self.max_workers = checked_max_workers(max_workers)
        self.closed = closed
        self.is_shut_down = False
        self.forget()
        keepers.add(self)
        if is_kept:
            kept_warm.add(self)

    def forget(self) -> None:
        """Start without a pool; also in a forked child, whose parent has it."""
        self.number = 0  # of the last one
        self.replaced: list[Pool] = []  # that calls may still use
        self.loans: weakref.WeakSet[Loan] = weakref.WeakSet()
        self.returned: SimpleQueue[None] = SimpleQueue()  # for who waits for loans
        # The last of all: by it `__del__` knows that the others are there.
        self.lent: dict[int, LentPool] = {}  # by number; the last one is lent

    # What its owner does with it.

    @around
    def use(self) -> Generator[None, None, None]:
        """Run calls inside the ``with`` on these workers, if they need processes.

        In this thread or coroutine. The ``with`` alone starts nothing.

        Raises:
            RuntimeError: They have been shut down.
        """
        notice_fork()
        self.check_open()
        with enclosed_by(self):
            yield

    def warm_up(self) -> None:
        """Start all workers now, and wait until they are ready.

        Does nothing in a worker that imports the module of this call for its tasks.

        Raises:
            RuntimeError: They have been shut down.
            WorkerStartError: None can be started.
        """
        if loading.module_that_calls(sys._getframe()) is not None:  # pyright: ignore[reportPrivateUsage]  # nothing else tells who calls
            return
        loan = self.lend()
        try:
            loan.pool.assemble().result()
        finally:
            loan.close()

    def status(self) -> PoolStatus:
        """What the workers are doing now; waits for none of them."""
        notice_fork()
        pool, calls = self.pool, len(self.loans)
        pids: tuple[int, ...] = ()
        busy = queued = 0
        if pool is not None:
            now = pool.status()
            pids, busy, queued = now.pids, now.busy, len(now.waiting)
        return PoolStatus(
            self.max_workers, pids, busy, queued, calls, self.is_shut_down
        )

    def shut_down(self, grace: float | None) -> None:
        """Lend nothing more; wait *grace* seconds for calls; end all workers."""
        notice_fork()
        self.is_shut_down = True
        try:
            self.wait_for_loans(grace)
        finally:  # a Ctrl-C ends the wait as well
            if self.loans:
                for pool in self.all_pools():
                    pool.kill_all()
        for pool in self.all_pools():
            pool.close(wait=True, cancel=True)

    # What a call does with it.

    @property
    def pool(self) -> Pool | None:
        """The pool that was lent last."""
        last = self.lent.get(self.number)
        return None if last is None else last.pool

    def lend(self) -> Loan:
        """The pool, for one call more.

        Raises:
            RuntimeError: They have been shut down.
        """
        notice_fork()
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
            raise RuntimeError(self.closed)

    def __del__(self) -> None:
        """Neither a manager nor a call holds it: an exception has struck who closed it.

        Or it was only dropped. Without this the workers would stay for their idle time,
        which may have no end.
        """
        if "lent" in self.__dict__:
            for pool in self.all_pools():
                pool.let_go()

    def rest(self) -> Pool | None:
        """End the workers if no call uses them; the pool that ends, if any.

        The next call gets new ones.
        """
        pool = self.pool
        try:
            if pool is not None:
                pool.parked.pop()  # from here on no call can have it
        except IndexError:
            return None
        if pool is not None:
            pool.close(wait=False, cancel=True)
        return pool

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


def checked_niceness(niceness: object) -> int:
    if isinstance(niceness, bool) or not isinstance(niceness, int):
        raise TypeError(f"niceness must be an integer, got {niceness!r}")
    if not 0 <= niceness <= MOST_NICE:
        raise ValueError(
            f"niceness must be from 0 to {MOST_NICE}, got {niceness!r}: workers cannot "
            f"be made more urgent than this process"
        )
    return niceness


# For forked children.
keepers: weakref.WeakSet[SharedPool] = weakref.WeakSet()


def forget_pools() -> None:
    for keeper in all_in(keepers):
        keeper.forget()


after_fork(forget_pools)

"""Worker processes kept warm between calls.

A call that gives a number of workers leases a pool, uses it alone, and brings it back.
All calls that give no number share one pool, however many they are; the last of them
brings it back. Pools that wait for the next call end by themselves after a minute. A
call only leases a pool whose workers see the same program as new workers would:
directory, import path, environment, the start method of `multiprocessing`, and the
state of the program's modules.

An exception may strike a caller between any two steps. So a caller takes a pool from
those that wait, or puts it back, in one step. A pool that a struck caller has lost ends
at once.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import weakref
from collections.abc import Callable, Generator
from typing import Any, Protocol

from cotality._kit.around import around
from cotality._kit.public import public
from cotality._kit.records import dataclass, field
from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.cpus import (
    checked_max_workers,
    default_workers,
)
from cotality.core.utils._process.machine.this_process import after_fork, notice_fork
from cotality.core.utils._process.starting.launch import default_context
from cotality.core.utils._process.starting.measured import workers_are_measured
from cotality.core.utils._process.tasks.checks import Said, agreed
from cotality.core.utils._process.workers import at_exit
from cotality.core.utils._process.workers.executor import checked_initializer
from cotality.core.utils._process.workers.handle import WorkerPlan
from cotality.core.utils._process.workers.pool import Pool

from . import program_state
from .enclosures import enclosed_by, inside

POOLS_KEPT = 2  # more wait only for callers from several threads at once


@dataclass(eq=False, slots=True, weakref_slot=True)
class Warm:
    """A pool that waits for its next call, and the world its workers were born in.

    Who leases the pool holds this. Were it lost on the way, the pool would end.

    Attributes:
        users: The calls that share it.
        token: Not empty as long as others may join them. Who takes it out when the
            last call leaves, brings the pool back.
    """

    pool: Pool
    world: object
    users: weakref.WeakSet[object] = field(default_factory=weakref.WeakSet[object])
    token: list[bool] = field(default_factory=list[bool])

    def suits(self, now: object, max_workers: int) -> bool:
        """Whether a new call, for that many workers, may join those that share it."""
        pool = self.pool
        is_usable = not (pool.is_closing or pool.is_mixed or pool.broken)
        return (
            bool(self.token)
            and is_usable
            and pool.max_workers == max_workers
            and self.world == now
        )

    def __del__(self) -> None:
        if hasattr(self, "pool"):  # else an exception struck while this was made
            self.pool.let_go()


waiting: list[Warm] = []  # taken out and put in by one step each


def world() -> object:
    """What a worker takes over from its parent when it starts."""
    try:
        directory = os.getcwd()
    except FileNotFoundError:
        directory = ""
    method = multiprocessing.get_start_method(allow_none=True)
    # Its own bytes: to decode every name and value costs each call 20 us.
    environment = dict(getattr(os.environ, "_data", os.environ))
    program = program_state.current()
    return directory, tuple(sys.path), environment, method, program


def lease(max_workers: int) -> Warm:
    """A pool of *max_workers* workers for one call, warm if there is one."""
    now = world()
    while (warm := take_waiting()) is not None:
        if warm.world == now and warm.pool.unpark(max_workers):
            return warm
        warm.pool.close(wait=False, cancel=True)
    plan = WorkerPlan(context=default_context(), puts_back=True)
    pool = Pool(max_workers, plan, for_calls=True)
    # A stream gives the caller time to change it, before the last worker is started.
    pool.is_as_before = lambda: world() == now
    return Warm(pool, now)


# The pools that were opened to be shared, by number. New calls join the last one. Held
# by the calls alone: what an exception has struck out of their hands ends.
opened: dict[int, weakref.ref[Warm]] = {}


def share(user: object, max_workers: int) -> Warm:
    """The pool of *max_workers* workers that *user* shares with others of its kind.

    Which of several callers opens it, one step of a dictionary decides. A pool starts
    no worker before it has work, so those that come too late have wasted nothing, and
    let go of what they have: or there would be more processes than anybody asked for.
    """
    while True:
        number = max(list(opened), default=0)
        found = opened.get(number)
        warm = None if found is None else found()
        if warm is not None and warm.suits(world(), max_workers):
            warm.users.add(user)
            if warm.token:
                return warm
            warm.users.discard(user)  # the last one is just leaving
        warm = lease(max_workers)
        warm.users.add(user)
        warm.token.append(True)
        mine = weakref.ref(warm)
        if opened.setdefault(number + 1, mine) is mine:
            for old in [each for each in list(opened) if each <= number]:
                opened.pop(old, None)
            return warm
        warm.pool.close(wait=False, cancel=True)


def leave(user: object, warm: Warm) -> bool:
    """Have *user* share the pool no longer; whether it was the last to do so."""
    warm.users.discard(user)
    if len(warm.users):
        return False
    try:
        warm.token.pop()
    except IndexError:
        return False  # another one was the last as well
    if len(warm.users):  # one has come that found it open
        warm.token.append(True)
        return False
    return True


class Keeper(Protocol):
    """Who keeps a pool between calls as well, see `shared_pool`."""

    def rest(self) -> Pool | None:
        """End its workers if no call uses them; the pool that ends, if any."""
        ...


kept_warm: weakref.WeakSet[Keeper] = weakref.WeakSet()


def take_waiting(place: int = -1) -> Warm | None:
    """The pool that waits at *place*; nobody else gets it."""
    try:
        return waiting.pop(place)
    except IndexError:
        return None


def bring_back(warm: Warm) -> None:
    """Keep the pool for the next call; the one that waits longest may have to go."""
    if workers_are_measured() or warm.pool.is_mixed:
        warm.pool.close(wait=True, cancel=True)
        return
    warm.pool.park()
    waiting.append(warm)
    while len(waiting) > POOLS_KEPT:
        oldest = take_waiting(0)
        if oldest is not None:
            oldest.pool.close(wait=False, cancel=True)


@public
def shutdown_workers() -> None:
    """End the worker processes that are kept warm between calls, and wait for them.

    Otherwise they end by themselves after an idle minute, and with the program. The
    next call with ``use_processes=True`` starts new ones, which import modules as they
    are on disk at that time. Workers of running calls are not touched. A call whose
    event loop was closed is not running: its tasks are ended. Takes a few milliseconds.
    """
    notice_fork()
    if this_process.leave_closed_loops is not None:
        this_process.leave_closed_loops(wait=True)
    pools = all_in(at_exit.open_pools)
    ended = [each for each in pools if each.for_calls and each.is_killed]
    ended += filter(None, [keeper.rest() for keeper in all_in(kept_warm)])
    ending: list[Warm] = []
    while (warm := take_waiting()) is not None:
        ending.append(warm)
    for each in ending:
        each.pool.close(wait=False, cancel=True)
    for each in ending:
        each.pool.close(wait=True, cancel=True)
    for pool in ended:
        pool.join()


class Owned:
    """A pool that ends with whoever holds this."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def __del__(self) -> None:
        pool = self.__dict__.get("pool")
        if pool is not None:
            pool.let_go()


def number_said(workers: object, max_workers: object) -> int | None:
    """How many workers either word says; None if neither does.

    Raises:
        TypeError: It is no number.
        ValueError: The words contradict one another, or it is 0.
    """
    said = agreed(Said("workers", workers), Said("max_workers", max_workers))
    return None if said.value is None else checked_max_workers(said.value, said.word)


@public
@around
def worker_pool(
    *,
    workers: int | None = None,
    max_workers: int | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),  # Any: arguments of any function
) -> Generator[None, None, None]:
    """Run calls with ``processes=True`` inside the ``with`` on workers of its own.

    Args:
        workers: How many processes, at least 1, or -1 for all CPUs; None takes the
            number of CPUs this process may use. Calls inside use no more than that.
        max_workers: Another word for *workers*.
        initializer: Each worker calls it, with *initargs*, before its first task, for
            whatever is expensive to make: a model, a connection. If it raises, calls
            inside fail with `WorkerStartError`.

    The workers end with the ``with`` block. Calls from other threads do not see the
    pool. Several calls may use it at once.
    """
    notice_fork()
    number = number_said(workers, max_workers)
    if number is None:
        number = default_workers(True, this_process.is_worker)
    plan = WorkerPlan(default_context(), checked_initializer(initializer, initargs))
    owned = Owned(Pool(number, plan, for_calls=True))
    try:
        with enclosed_by(owned.pool):
            yield
    finally:
        owned.pool.close(wait=True, cancel=True)


def forget_warm() -> None:
    """In a forked child: the workers belong to the parent."""
    waiting.clear()
    opened.clear()
    inside.set(None)


after_fork(forget_warm)

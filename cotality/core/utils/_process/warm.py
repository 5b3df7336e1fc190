"""Worker processes kept warm between calls.

A call leases a pool, uses it alone, and brings it back. Pools that wait for the next
call end by themselves after a minute. A lease takes only a pool whose workers would
find the same world as new ones: directory, import path, environment, the start method
of `multiprocessing`, and the state of the program's modules.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import program_state, this_process
from .checks import checked_max_workers
from .cpus import default_workers
from .executor import checked_initializer
from .handle import WorkerPlan
from .launch import default_context
from .pool import Pool
from .public import public

if TYPE_CHECKING:
    from .staffing import Lender

POOLS_KEPT = 2  # more wait only for callers from several threads at once


@dataclass(eq=False, slots=True)
class Warm:
    """A pool that waits for its next call, and the world its workers were born in."""

    pool: Pool
    world: object


waiting: list[Warm] = []
using_waiting = threading.Lock()


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
    with using_waiting:
        while waiting:
            warm = waiting.pop()
            if warm.world == now and warm.pool.unpark(max_workers):
                return warm
            warm.pool.close(wait=False, cancel=True)
    plan = WorkerPlan(context=default_context())
    return Warm(Pool(max_workers, plan, for_calls=True), now)


def bring_back(warm: Warm) -> None:
    """Keep the pool for the next call; the one that waits longest may have to go."""
    warm.pool.park()
    with using_waiting:
        waiting.append(warm)
        surplus = waiting[:-POOLS_KEPT]
        del waiting[:-POOLS_KEPT]
    for each in surplus:
        each.pool.close(wait=False, cancel=True)


@public
def shutdown_workers() -> None:
    """End the worker processes that are kept warm between calls, and wait for it.

    Otherwise they end by themselves after an idle minute, and with the program. The
    next call with ``use_processes=True`` starts new ones, which then see modules as
    they are on disk at that time. Workers of calls that are running are not touched.
    Takes a few milliseconds.
    """
    with using_waiting:
        pools = [warm.pool for warm in waiting]
        waiting.clear()
    for pool in pools:
        pool.close(wait=False, cancel=True)
    for pool in pools:
        pool.close(wait=True, cancel=True)


# The pool of the enclosing `with worker_pool(...)`, in this thread or coroutine, or
# who lends one to each call.
enclosing: ContextVar[Pool | Lender | None] = ContextVar(
    "cotality_worker_pool", default=None
)


@public
@contextmanager
def worker_pool(
    *,
    max_workers: int | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),  # Any: arguments of any function
) -> Generator[None, None, None]:
    """Run calls with ``use_processes=True`` inside the ``with`` on workers of its own.

    Args:
        max_workers: How many processes, at least 1; None takes the number of CPUs this
            process may use. Calls inside use no more than that.
        initializer: Called with *initargs* in each worker before its first task, for
            what is expensive to make: a model, a connection. If it raises, calls
            inside fail with `WorkerStartError`.

    The workers end at the end of the ``with``. Calls from other threads do not see the
    pool; several calls may use it at once.
    """
    if max_workers is None:
        max_workers = default_workers(True, this_process.is_worker)
    plan = WorkerPlan(default_context(), checked_initializer(initializer, initargs))
    pool = Pool(checked_max_workers(max_workers), plan, for_calls=True)
    token = enclosing.set(pool)
    try:
        yield
    finally:
        enclosing.reset(token)
        pool.close(wait=True, cancel=True)


def forget_warm() -> None:
    """In a forked child: the workers belong to the parent."""
    global using_waiting
    using_waiting = threading.Lock()
    waiting.clear()
    enclosing.set(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_warm)

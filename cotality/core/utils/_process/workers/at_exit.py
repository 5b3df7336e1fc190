"""What happens to pools when the program ends or forks."""

from __future__ import annotations

import weakref
from typing import Protocol

from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.this_process import after_fork
from cotality.core.utils._process.output import relay


class Closable(Protocol):
    """A pool, as it looks at the end."""

    @property
    def for_calls(self) -> bool: ...

    @property
    def is_killed(self) -> bool: ...

    def kill_all(self, *, but_idle: bool = False) -> None:
        """End what runs."""

    def close(self, *, wait: bool, cancel: bool) -> None:
        """Take nothing more."""

    def join(self) -> None:
        """Wait until it has ended."""

    def forget(self) -> None:
        """Let go of what belongs to another process."""


# The pools with a thread, for the end of the program and for forked children.
open_pools: weakref.WeakSet[Closable] = weakref.WeakSet()
RELAY_LIMIT = 5.0  # s that a handler may take for one thing when the program ends
program_ends = False


def see_to(pool: Closable) -> None:
    """See to it that what was submitted to *pool* is done before the program ends.

    Asked late, so that it runs before multiprocessing's own handler, which would wait
    for ever for processes that nobody has told to go.
    """
    open_pools.add(pool)
    this_process.at_exit(close_open_pools)


def is_over_for(pool: Closable) -> None:
    """*pool* has ended by itself."""
    open_pools.discard(pool)


def close_open_pools() -> None:
    global program_ends
    program_ends = True
    pools = all_in(open_pools)
    for pool in pools:
        if pool.for_calls:
            pool.kill_all(but_idle=True)  # what idle ones have registered, they run
        else:
            pool.close(wait=False, cancel=False)
    for pool in pools:
        pool.join()
    relay.wait_for_output(RELAY_LIMIT)


def forget_pools() -> None:
    for pool in all_in(open_pools):
        pool.forget()
    open_pools.clear()


after_fork(forget_pools)

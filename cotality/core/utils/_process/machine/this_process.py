"""What this process is, and what to do when it ends or forks.

It is not in `worker_main`, so that asking does not import what a worker needs.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable
from typing import Protocol

from cotality._kit import struck


class LeaveClosedLoops(Protocol):
    """What `closed_loops` sets here when the first call waits in an event loop."""

    def __call__(self, *, wait: bool = False) -> None: ...


# Whether it is a worker of ours: then it does not multiply processes by default.
is_worker = False

# When it had begun and when it was ready for its first item, by perf_counter, and how
# long (s) its initializer took; zeros if it is no worker.
born_at = ready_at = 0.0
set_up_seconds = 0.0


# Gives back what calls have whose event loop was closed, and waits for that if told to;
# None as long as there was no call in a loop.
leave_closed_loops: LeaveClosedLoops | None = None


def in_worker() -> bool:
    """Whether this process is a worker of ours."""
    return is_worker


def become_worker() -> None:
    """From now on whatever is raised here belongs to a task."""
    global is_worker
    is_worker = struck.is_all_of_tasks = True


# True in a fork server of ours and in its workers: who ends with it, and it with whom.
ends_with_fork_server = False

# True in a process that a task made by forking this one. It has a copy of the worker's
# loop and of its connection, and must never use either.
is_fork = False


def mark_fork() -> None:
    global is_fork
    is_fork = True


def is_forked() -> bool:
    """Whether a task has made this process by a fork."""
    return is_fork


def end_fork() -> None:
    """End this process: a task forked it and then returned in both copies."""
    os._exit(0)


def notice_fork_and(close: Callable[[], object]) -> None:
    notice_fork()
    close()


# What is called when this process ends.
at_end: set[Callable[[], object]] = set()


def at_exit(close: Callable[[], object]) -> None:
    """Have *close* called when this process ends; to ask again changes nothing.

    Ask when there is something to close, and not before. What is registered later is
    called earlier: so it comes before the end of what it needs itself, such as that of
    `multiprocessing`.
    """
    if close not in at_end:
        # In this order. A caller that an exception strikes in between has it called
        # twice, and not never.
        atexit.register(notice_fork_and, close)
        at_end.add(close)


# What a process that was forked does not have of its parent. That has it still, and
# each thread but the one that forked is missing: what these were about to do, or held,
# stays as it was. Python tells when it has forked. A C library that does so itself
# tells nobody (uWSGI, unless told otherwise): so whoever is about to use what is to be
# forgotten asks first, which takes less than a microsecond.
forgetting: list[Callable[[], object]] = []
here = os.getpid()  # the process in which all of it is right, but for what is left
left: deque[Callable[[], object]] = deque()


def after_fork(forget: Callable[[], object]) -> None:
    """Have *forget* called in each forked child, about what is not its own."""
    forgetting.append(forget)
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=forget)


def notice_fork() -> None:
    """In a child of which Python knows nothing: do what else it would have had done."""
    global here
    if os.getpid() != here:
        left.extend(forgetting)
        here = os.getpid()
    # An exception that strikes meanwhile leaves the others to the next one who asks.
    while left:
        try:
            forget = left.popleft()
        except IndexError:  # another thread has asked as well
            return
        forget()


def see_fork() -> None:
    """Python has told of a fork, and has what is to be forgotten called itself."""
    global here
    left.clear()
    here = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=see_fork)

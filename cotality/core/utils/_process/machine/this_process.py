"""What this process is, and what is to be done when it ends or forks.

Here and not in `worker_main`, so that to ask takes no import of what a worker needs.
"""

from __future__ import annotations

import atexit
import os
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
        atexit.register(close)
        at_end.add(close)


def after_fork(forget: Callable[[], object]) -> None:
    """Have *forget* called in each child of `os.fork`, about what is not its own.

    Its parent has it still, and each thread but the one that forked is missing there:
    what these were about to do, or held, stays as it was.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=forget)

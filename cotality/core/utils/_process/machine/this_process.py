"""What this process is.

Here and not in `worker_main`, so that to ask takes no import of what a worker needs.
"""

from __future__ import annotations

import os
import threading
from typing import Protocol


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


def can_be_struck() -> bool:
    """Whether a signal may raise an exception here: it does so in the main thread.

    In a worker of ours whatever is raised belongs to its task.
    """
    return not is_worker and threading.current_thread() is threading.main_thread()


def is_ctrl_c(error: BaseException) -> bool:
    """Whether *error*, which code of the user's has let out, is rather the caller's."""
    return isinstance(error, KeyboardInterrupt) and can_be_struck()


def is_of_a_signal(error: BaseException) -> bool:
    """Whether *error*, raised while a task ran in this thread, is to end its caller.

    A Ctrl-C is, and so is a `SystemExit` that the handler of a signal has raised: a
    service that is told to stop has to stop. What a handler raises that is an
    `Exception`, such as a time limit, belongs to the task, which may have set it.
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    if isinstance(error, Exception) or not can_be_struck():
        return False
    handlers = codes_of_handlers()
    frames = error.__traceback__
    while frames is not None:
        if frames.tb_frame.f_code in handlers:
            return True
        frames = frames.tb_next
    return False


def codes_of_handlers() -> set[object]:
    """The code of each function that handles a signal here."""
    import signal

    found: set[object] = set()
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        handler = getattr(handler, "func", handler)  # of a partial
        handler = getattr(handler, "__func__", handler)  # of a method
        found.add(getattr(handler, "__code__", None))
    return found - {None}


# True in a process that a task made by forking this one. It has a copy of the worker's
# loop and of its connection, and must never use either.
is_fork = False


def mark_fork() -> None:
    global is_fork
    is_fork = True


def end_fork() -> None:
    """End this process: a task forked it and then returned in both copies."""
    os._exit(0)

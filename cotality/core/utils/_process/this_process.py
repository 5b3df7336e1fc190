"""What this process is.

Here and not in `worker`, so that to ask takes no import of what a worker needs.
"""

from __future__ import annotations

import os
import threading

# Whether it is a worker of ours: then it does not multiply processes by default.
is_worker = False

# When it had begun and when it was ready for its first item, by perf_counter, and how
# long (s) its initializer took; zeros if it is no worker.
born_at = ready_at = 0.0
set_up_seconds = 0.0


def can_be_struck() -> bool:
    """Whether a signal may raise an exception here: it does so in the main thread.

    In a worker of ours whatever is raised belongs to its task.
    """
    return not is_worker and threading.current_thread() is threading.main_thread()


def is_ctrl_c(error: BaseException) -> bool:
    """Whether *error*, which code of the user's has let out, is rather the caller's."""
    return isinstance(error, KeyboardInterrupt) and can_be_struck()


# True in a process that a task made by forking this one. It has a copy of the worker's
# loop and of its connection, and must never use either.
is_fork = False


def mark_fork() -> None:
    global is_fork
    is_fork = True


def end_fork() -> None:
    """End this process: a task forked it and then returned in both copies."""
    os._exit(0)

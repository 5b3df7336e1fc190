"""Whether somebody measures worker processes, and is told when they end.

Coverage does, for instance. The measurements of a worker are written when it ends.
Whoever asks for them after the last call must not miss those of warm workers, so
workers end with their call then. That costs a start for each call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from cotality._kit.imported import imported

COVERAGE_TOOL = 1  # sys.monitoring.COVERAGE_ID
# Of what a process is prepared with: all but what somebody has added.
STANDARD_KEYS = {
    *("name", "authkey", "log_to_stderr", "log_level", "sys_path", "sys_argv", "dir"),
    *("orig_dir", "start_method", "init_main_from_name", "init_main_from_path"),
    "main_path",
}


def workers_are_measured() -> bool:
    return is_hooked() or (is_traced() and have_exit_functions())


def is_hooked() -> bool:
    """Whether somebody has hooked into how `multiprocessing` prepares a process."""
    spawn: Any = imported("multiprocessing.spawn")
    if spawn is None:
        return False
    preparing: Any = spawn.get_preparation_data  # Any: whatever is there now
    preparing = getattr(preparing, "replaced", preparing)  # ours, while it starts one
    return getattr(preparing, "__globals__", None) is not vars(spawn)


def is_traced() -> bool:
    """Whether this program is measured itself; otherwise its workers are not."""
    monitoring: Any = getattr(sys, "monitoring", None)  # Any: since 3.12
    return sys.gettrace() is not None or (
        monitoring is not None and monitoring.get_tool(COVERAGE_TOOL) is not None
    )


def have_exit_functions() -> bool:
    """Whether something has been registered with `atexit` where a worker starts."""
    return exit_functions_of_server() > 0


def no_server() -> int:
    return 0


# How many there were when that started; where there is a fork server, that says so.
exit_functions_of_server: Callable[[], int] = no_server

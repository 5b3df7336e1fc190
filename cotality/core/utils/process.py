"""Run functions in parallel, on threads or on processes, as easily as a for loop.

Write down *what* to run as :class:`Task` objects, and choose *how the answers come
back*:

* :func:`execute_tasks_in_parallel`: a list, in the order of the tasks;
* :func:`execute_tasks_in_parallel_unordered`: a list, first come, first served;
* :func:`execute_tasks_in_parallel_streaming`: one at a time, for more than fits into
  memory.

All three run on threads, or with ``use_processes=True`` on worker processes.
:func:`should_use_processes` helps to choose; :func:`is_picklable` and
:func:`explain_unpicklable` say what can travel to a process. Worker processes are kept
warm between calls: :func:`shutdown_workers` ends them, and :func:`worker_pool` gives
calls workers of their own. :class:`IsolatedProcessPoolExecutor` is the same kind of
workers behind the interface of :mod:`concurrent.futures`.

    >>> from math import sqrt
    >>> execute_tasks_in_parallel([Task.of(sqrt, 4.0), Task.of(sqrt, 9.0)])
    [2.0, 3.0]
"""

from ._process.advice import should_use_processes
from ._process.arguments import share
from ._process.calls import (
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_unordered,
)
from ._process.executor import IsolatedProcessPoolExecutor
from ._process.explain import explain_unpicklable
from ._process.failures import (
    RemoteTaskError,
    TaskExitedError,
    TaskNotPicklableError,
    TaskTimeoutError,
    WorkerCrashedError,
    WorkerStartError,
)
from ._process.options import Options
from ._process.pickling import is_picklable
from ._process.task import Task
from ._process.warm import shutdown_workers, worker_pool

__all__ = [
    "IsolatedProcessPoolExecutor",
    "Options",
    "RemoteTaskError",
    "Task",
    "TaskExitedError",
    "TaskNotPicklableError",
    "TaskTimeoutError",
    "WorkerCrashedError",
    "WorkerStartError",
    "execute_tasks_in_parallel",
    "execute_tasks_in_parallel_streaming",
    "execute_tasks_in_parallel_unordered",
    "explain_unpicklable",
    "is_picklable",
    "share",
    "should_use_processes",
    "shutdown_workers",
    "worker_pool",
]

"""Run functions in parallel, on threads or on processes.

    >>> from cotality import pmap
    >>> pmap(abs, [-1, 2, -3])
    [1, 2, 3]

These are the words that most people need, the same objects as in
:mod:`cotality.core.utils.process`, where all others are:

* :func:`pmap` calls a function with each item of some data, and :func:`pmap_iter`
  yields what it returns; :func:`pmap_async` is for event loops; the decorator
  :func:`parallel` gives a function a method ``map``;
* :func:`run_tasks` runs calls of several functions, each a :class:`Task`;
  :func:`iter_outcomes` says of each how it ended, in an :class:`Outcome`;
* options that are more than a number or a path: :class:`Retry`, :class:`Rate`,
  :class:`Journal`, :class:`DeadLetters`, :class:`RunReport`, and the :class:`Progress`
  that a function gets; :func:`replay` runs dead letters again;
* :func:`share` sends a large object once, :func:`worker_state` makes one in each
  worker, and :func:`worker_pool` keeps workers for several calls;
* what may be raised: :class:`TaskTimeoutError`, :class:`WorkerCrashedError`,
  :class:`TaskNotPicklableError`.
"""
# Written by docs/write_stubs.py: a change here is lost.

from cotality.core.utils.process import DeadLetters as DeadLetters
from cotality.core.utils.process import Journal as Journal
from cotality.core.utils.process import Outcome as Outcome
from cotality.core.utils.process import Progress as Progress
from cotality.core.utils.process import Rate as Rate
from cotality.core.utils.process import Retry as Retry
from cotality.core.utils.process import RunReport as RunReport
from cotality.core.utils.process import Task as Task
from cotality.core.utils.process import TaskNotPicklableError as TaskNotPicklableError
from cotality.core.utils.process import TaskTimeoutError as TaskTimeoutError
from cotality.core.utils.process import WorkerCrashedError as WorkerCrashedError
from cotality.core.utils.process import iter_outcomes as iter_outcomes
from cotality.core.utils.process import parallel as parallel
from cotality.core.utils.process import pmap as pmap
from cotality.core.utils.process import pmap_async as pmap_async
from cotality.core.utils.process import pmap_iter as pmap_iter
from cotality.core.utils.process import replay as replay
from cotality.core.utils.process import run_tasks as run_tasks
from cotality.core.utils.process import share as share
from cotality.core.utils.process import worker_pool as worker_pool
from cotality.core.utils.process import worker_state as worker_state

__all__ = [
    "DeadLetters",
    "Journal",
    "Outcome",
    "Progress",
    "Rate",
    "Retry",
    "RunReport",
    "Task",
    "TaskNotPicklableError",
    "TaskTimeoutError",
    "WorkerCrashedError",
    "iter_outcomes",
    "parallel",
    "pmap",
    "pmap_async",
    "pmap_iter",
    "replay",
    "run_tasks",
    "share",
    "worker_pool",
    "worker_state",
]

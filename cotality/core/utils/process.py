"""Run functions in parallel, on threads or on processes, as easily as a for loop.

Write down *what* to run as :class:`Task` objects, and choose *how the answers come
back*:

* :func:`execute_tasks_in_parallel`: a list, in the order of the tasks;
* :func:`execute_tasks_in_parallel_unordered`: a list, first come, first served;
* :func:`execute_tasks_in_parallel_streaming`: one at a time, for more than fits into
  memory;
* :func:`iter_outcomes`: likewise, with an :class:`Outcome` for each task that says what
  became of it, and when, where and how long it ran.

Each has a twin for event loops, whose name ends in ``_async``. All run on threads, or
with ``use_processes=True`` on worker processes, and take the same :class:`Options`:
:class:`Retry` for tasks that fail, :class:`Progress` and :class:`RunReport` for people
who watch.

:func:`should_use_processes` and :func:`advise` help to choose, and
:func:`available_cpus` says how many can work at the same time; :func:`is_picklable` and
:func:`explain_unpicklable` say what can travel to a process. :func:`share` sends a
large object once, and :func:`worker_state` has one made in each worker. Worker
processes are kept warm between calls: :func:`shutdown_workers` ends them, and
:func:`worker_pool` gives calls workers of their own.
:class:`IsolatedProcessPoolExecutor` is the same kind of workers behind the interface of
:mod:`concurrent.futures`.

    >>> from math import sqrt
    >>> from cotality.core.utils.process import Task, execute_tasks_in_parallel
    >>> execute_tasks_in_parallel([Task.of(sqrt, 4.0), Task.of(sqrt, 9.0)])
    [2.0, 3.0]
"""

from importlib import import_module

# Type checkers take a variable of this name for true; the one in `typing` would have
# every program wait for `typing`.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._process.advice import should_use_processes
    from ._process.auto.advising import Advice, advise
    from ._process.auto.decision import Decision
    from ._process.batches import process_in_batches
    from ._process.calls import (
        execute_tasks_in_parallel,
        execute_tasks_in_parallel_streaming,
        execute_tasks_in_parallel_unordered,
    )
    from ._process.calls_async import (
        execute_tasks_in_parallel_async,
        execute_tasks_in_parallel_streaming_async,
        execute_tasks_in_parallel_unordered_async,
        iter_outcomes_async,
    )
    from ._process.calls_outcomes import iter_outcomes
    from ._process.cpus import available_cpus
    from ._process.dead_letters.dead_letters import DeadLetters
    from ._process.dead_letters.letter import DeadLetter
    from ._process.dead_letters.replaying import replay
    from ._process.executor import IsolatedProcessPoolExecutor
    from ._process.explain import explain_unpicklable
    from ._process.failures import (
        RemoteTaskError,
        TaskExitedError,
        TaskTimeoutError,
        WorkerCrashedError,
        WorkerStartError,
    )
    from ._process.journal import Journal, Skipped
    from ._process.keys.errors import TaskKeyError
    from ._process.not_picklable import TaskNotPicklableError
    from ._process.options import Options
    from ._process.outcome import Outcome
    from ._process.pickling import is_picklable
    from ._process.progress.snapshot import Progress
    from ._process.rate import Rate
    from ._process.records.errors import (
        DeadLetterError,
        JournalError,
        JournalInUseError,
    )
    from ._process.report import RunReport
    from ._process.retry import Retry
    from ._process.shared import share
    from ._process.task import Task
    from ._process.warm import shutdown_workers, worker_pool
    from ._process.worker_state import worker_state

__all__ = [
    "Advice",
    "DeadLetter",
    "DeadLetterError",
    "DeadLetters",
    "Decision",
    "IsolatedProcessPoolExecutor",
    "Journal",
    "JournalError",
    "JournalInUseError",
    "Options",
    "Outcome",
    "Progress",
    "Rate",
    "RemoteTaskError",
    "Retry",
    "RunReport",
    "Skipped",
    "Task",
    "TaskExitedError",
    "TaskKeyError",
    "TaskNotPicklableError",
    "TaskTimeoutError",
    "WorkerCrashedError",
    "WorkerStartError",
    "advise",
    "available_cpus",
    "execute_tasks_in_parallel",
    "execute_tasks_in_parallel_async",
    "execute_tasks_in_parallel_streaming",
    "execute_tasks_in_parallel_streaming_async",
    "execute_tasks_in_parallel_unordered",
    "execute_tasks_in_parallel_unordered_async",
    "explain_unpicklable",
    "is_picklable",
    "iter_outcomes",
    "iter_outcomes_async",
    "process_in_batches",
    "replay",
    "share",
    "should_use_processes",
    "shutdown_workers",
    "worker_pool",
    "worker_state",
]

# Where each of them is. It is imported when somebody asks for it: few programs need all
# of this, and all of them wait for what is imported.
LATER = {
    "Advice": "auto.advising",
    "DeadLetter": "dead_letters.letter",
    "DeadLetterError": "records.errors",
    "DeadLetters": "dead_letters.dead_letters",
    "Decision": "auto.decision",
    "IsolatedProcessPoolExecutor": "executor",
    "Journal": "journal",
    "JournalError": "records.errors",
    "JournalInUseError": "records.errors",
    "Options": "options",
    "Outcome": "outcome",
    "Progress": "progress.snapshot",
    "Rate": "rate",
    "RemoteTaskError": "failures",
    "Retry": "retry",
    "RunReport": "report",
    "Skipped": "journal",
    "Task": "task",
    "TaskExitedError": "failures",
    "TaskKeyError": "keys.errors",
    "TaskNotPicklableError": "not_picklable",
    "TaskTimeoutError": "failures",
    "WorkerCrashedError": "failures",
    "WorkerStartError": "failures",
    "advise": "auto.advising",
    "available_cpus": "cpus",
    "execute_tasks_in_parallel": "calls",
    "execute_tasks_in_parallel_async": "calls_async",
    "execute_tasks_in_parallel_streaming": "calls",
    "execute_tasks_in_parallel_streaming_async": "calls_async",
    "execute_tasks_in_parallel_unordered": "calls",
    "execute_tasks_in_parallel_unordered_async": "calls_async",
    "explain_unpicklable": "explain",
    "is_picklable": "pickling",
    "iter_outcomes": "calls_outcomes",
    "iter_outcomes_async": "calls_async",
    "process_in_batches": "batches",
    "replay": "dead_letters.replaying",
    "share": "shared",
    "should_use_processes": "advice",
    "shutdown_workers": "warm",
    "worker_pool": "warm",
    "worker_state": "worker_state",
}


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    thing: object = getattr(
        import_module(f"._process.{LATER[name]}", __package__), name
    )
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *LATER})

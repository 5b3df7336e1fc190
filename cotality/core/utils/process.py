"""Run functions in parallel, on threads or on processes, as easily as a for loop.

With a function and data: :func:`pmap` returns the results in a list, and
:func:`pmap_iter` yields them; :func:`parallel` decorates a function, and
:func:`run_tasks` takes calls of several functions. They find out by themselves where
the calls are done soonest. ``from cotality import pmap`` is the same.

To say more, write down *what* to run as :class:`Task` objects, and choose *how the
answers come back*:

* :func:`execute_tasks_in_parallel`: a list, in the order of the tasks;
* :func:`execute_tasks_in_parallel_unordered`: a list, in the order in which tasks
  finish;
* :func:`execute_tasks_in_parallel_streaming`: one at a time, for more results than fit
  into memory;
* :func:`iter_outcomes`: one at a time, as an :class:`Outcome` that says how the task
  ended, and when, where and how long it ran.

Each has a twin for event loops, whose name ends in ``_async``. These run tasks on
threads, or with ``processes=True`` on worker processes. All functions take the same
:class:`Options`: a :class:`Retry` runs failed tasks again, :class:`Progress` and
:class:`RunReport` show what happens.

:func:`should_use_processes` and :func:`advise` help you choose, and
:func:`available_cpus` says how many CPUs you may use. :func:`is_picklable` and
:func:`explain_unpicklable` say what can be sent to a process. :func:`share` sends a
large object once, :func:`split` cuts a frame or an array into blocks of rows, and
:func:`worker_state` makes an object once in each worker. Worker processes stay warm
between calls: :func:`shutdown_workers` ends them, and :func:`worker_pool` gives calls
workers of their own.
:class:`IsolatedProcessPoolExecutor` has the same kind of workers behind the interface
of :mod:`concurrent.futures`.

    >>> from math import sqrt
    >>> from cotality.core.utils.process import Task, execute_tasks_in_parallel, pmap
    >>> pmap(sqrt, [4.0, 9.0])
    [2.0, 3.0]
    >>> execute_tasks_in_parallel([Task.of(sqrt, 4.0), Task.of(sqrt, 9.0)])
    [2.0, 3.0]
"""

from importlib import import_module

# Type checkers treat a variable of this name as true. The one in `typing` would make
# every program wait for `typing`.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._process.advice.advise import Advice, advise
    from ._process.advice.task_words import should_use_processes
    from ._process.call.batches import process_in_batches
    from ._process.call.functions import (
        execute_tasks_in_parallel,
        execute_tasks_in_parallel_streaming,
        execute_tasks_in_parallel_unordered,
        run_tasks,
    )
    from ._process.call.functions_async import (
        execute_tasks_in_parallel_async,
        execute_tasks_in_parallel_streaming_async,
        execute_tasks_in_parallel_unordered_async,
        iter_outcomes_async,
    )
    from ._process.call.functions_outcomes import iter_outcomes
    from ._process.call.mapping import pmap, pmap_async, pmap_iter
    from ._process.call.options.declared import Options
    from ._process.call.parallel import ParallelFunction, parallel
    from ._process.call.replay import replay
    from ._process.durable.dead_letters.dead_letters import DeadLetters
    from ._process.durable.dead_letters.letter import DeadLetter
    from ._process.durable.files.errors import (
        DeadLetterError,
        JournalError,
        JournalInUseError,
    )
    from ._process.durable.journal.journal import Journal
    from ._process.durable.journal.skipped import Skipped
    from ._process.durable.keys.errors import TaskKeyError
    from ._process.engine.limits.rate import Rate
    from ._process.machine.cpus import available_cpus
    from ._process.packing.frames.blocks import split
    from ._process.packing.share import share
    from ._process.packing.worker_state import worker_state
    from ._process.pickling.probe import is_picklable
    from ._process.pickling.reasons.explain import explain_unpicklable
    from ._process.progress.snapshot import Progress
    from ._process.report.run_report import RunReport
    from ._process.rules.decision import Decision
    from ._process.rules.retry import Retry
    from ._process.tasks.errors import (
        RemoteTaskError,
        TaskExitedError,
        TaskTimeoutError,
        WorkerCrashedError,
        WorkerStartError,
    )
    from ._process.tasks.not_picklable import TaskNotPicklableError
    from ._process.tasks.outcome import Outcome
    from ._process.tasks.task import Task
    from ._process.workers.executor import IsolatedProcessPoolExecutor
    from ._process.workers.lending.warm_pools import shutdown_workers, worker_pool

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
    "ParallelFunction",
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
    "parallel",
    "pmap",
    "pmap_async",
    "pmap_iter",
    "process_in_batches",
    "replay",
    "run_tasks",
    "share",
    "should_use_processes",
    "shutdown_workers",
    "split",
    "worker_pool",
    "worker_state",
]

# Where each of them is. It is imported when somebody asks for it: few programs need all
# of this, and all of them wait for what is imported.
LATER = {
    "Advice": "advice.advise",
    "DeadLetter": "durable.dead_letters.letter",
    "DeadLetterError": "durable.files.errors",
    "DeadLetters": "durable.dead_letters.dead_letters",
    "Decision": "rules.decision",
    "IsolatedProcessPoolExecutor": "workers.executor",
    "Journal": "durable.journal.journal",
    "JournalError": "durable.files.errors",
    "JournalInUseError": "durable.files.errors",
    "Options": "call.options.declared",
    "Outcome": "tasks.outcome",
    "ParallelFunction": "call.parallel",
    "Progress": "progress.snapshot",
    "Rate": "engine.limits.rate",
    "RemoteTaskError": "tasks.errors",
    "Retry": "rules.retry",
    "RunReport": "report.run_report",
    "Skipped": "durable.journal.skipped",
    "Task": "tasks.task",
    "TaskExitedError": "tasks.errors",
    "TaskKeyError": "durable.keys.errors",
    "TaskNotPicklableError": "tasks.not_picklable",
    "TaskTimeoutError": "tasks.errors",
    "WorkerCrashedError": "tasks.errors",
    "WorkerStartError": "tasks.errors",
    "advise": "advice.advise",
    "available_cpus": "machine.cpus",
    "execute_tasks_in_parallel": "call.functions",
    "execute_tasks_in_parallel_async": "call.functions_async",
    "execute_tasks_in_parallel_streaming": "call.functions",
    "execute_tasks_in_parallel_streaming_async": "call.functions_async",
    "execute_tasks_in_parallel_unordered": "call.functions",
    "execute_tasks_in_parallel_unordered_async": "call.functions_async",
    "explain_unpicklable": "pickling.reasons.explain",
    "is_picklable": "pickling.probe",
    "iter_outcomes": "call.functions_outcomes",
    "iter_outcomes_async": "call.functions_async",
    "parallel": "call.parallel",
    "pmap": "call.mapping",
    "pmap_async": "call.mapping",
    "pmap_iter": "call.mapping",
    "process_in_batches": "call.batches",
    "replay": "call.replay",
    "run_tasks": "call.functions",
    "share": "packing.share",
    "should_use_processes": "advice.task_words",
    "shutdown_workers": "workers.lending.warm_pools",
    "split": "packing.frames.blocks",
    "worker_pool": "workers.lending.warm_pools",
    "worker_state": "packing.worker_state",
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

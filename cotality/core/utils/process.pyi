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
# Written by docs/write_stubs.py: a change here is lost.

import os
from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Sequence,
)
from concurrent.futures import Executor
from typing import Any, Generic, Literal, ParamSpec, TypeVar, Unpack, overload

from cotality.core.utils._process.advice.advise import Advice as Advice
from cotality.core.utils._process.advice.task_words import (
    should_use_processes as should_use_processes,
)
from cotality.core.utils._process.call.functions_async import Awaits, Tasks
from cotality.core.utils._process.call.options.declared import (
    ExecutorName,
    Function,
    MapOptions,
    UseProcesses,
    Variable,
)
from cotality.core.utils._process.call.options.declared import Options as Options
from cotality.core.utils._process.durable.dead_letters.dead_letters import (
    DeadLetters as DeadLetters,
)
from cotality.core.utils._process.durable.dead_letters.letter import (
    DeadLetter as DeadLetter,
)
from cotality.core.utils._process.durable.files.errors import (
    DeadLetterError as DeadLetterError,
)
from cotality.core.utils._process.durable.files.errors import (
    JournalError as JournalError,
)
from cotality.core.utils._process.durable.files.errors import (
    JournalInUseError as JournalInUseError,
)
from cotality.core.utils._process.durable.journal.journal import Journal as Journal
from cotality.core.utils._process.durable.journal.skipped import Skipped as Skipped
from cotality.core.utils._process.durable.keys.errors import (
    TaskKeyError as TaskKeyError,
)
from cotality.core.utils._process.engine.brakes import Brake
from cotality.core.utils._process.engine.limits.rate import Rate as Rate
from cotality.core.utils._process.machine.cpus import available_cpus as available_cpus
from cotality.core.utils._process.packing.frames.blocks import split as split
from cotality.core.utils._process.packing.share import share as share
from cotality.core.utils._process.packing.worker_state import (
    worker_state as worker_state,
)
from cotality.core.utils._process.pickling.probe import is_picklable as is_picklable
from cotality.core.utils._process.pickling.reasons.explain import (
    explain_unpicklable as explain_unpicklable,
)
from cotality.core.utils._process.progress.option import ProgressOption
from cotality.core.utils._process.progress.snapshot import Progress as Progress
from cotality.core.utils._process.report.run_report import RunReport as RunReport
from cotality.core.utils._process.rules.decision import Decision as Decision
from cotality.core.utils._process.rules.retry import Retry as Retry
from cotality.core.utils._process.tasks.checks import OnError
from cotality.core.utils._process.tasks.errors import RemoteTaskError as RemoteTaskError
from cotality.core.utils._process.tasks.errors import TaskExitedError as TaskExitedError
from cotality.core.utils._process.tasks.errors import (
    TaskTimeoutError as TaskTimeoutError,
)
from cotality.core.utils._process.tasks.errors import (
    WorkerCrashedError as WorkerCrashedError,
)
from cotality.core.utils._process.tasks.errors import (
    WorkerStartError as WorkerStartError,
)
from cotality.core.utils._process.tasks.not_picklable import (
    TaskNotPicklableError as TaskNotPicklableError,
)
from cotality.core.utils._process.tasks.outcome import Outcome as Outcome
from cotality.core.utils._process.tasks.task import Task as Task
from cotality.core.utils._process.workers.executor import (
    IsolatedProcessPoolExecutor as IsolatedProcessPoolExecutor,
)
from cotality.core.utils._process.workers.lending.warm_pools import (
    shutdown_workers as shutdown_workers,
)
from cotality.core.utils._process.workers.lending.warm_pools import (
    worker_pool as worker_pool,
)

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_P = ParamSpec("_P")
_R = TypeVar("_R")
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

class ParallelFunction(Generic[_P, _R]):
    """A function with ways to call it many times at once; :func:`parallel` makes it.

    Called as ever, it does what it did. In a worker process it has those options that
    are texts and numbers.

    Attributes:
        function: What was decorated.
        options: What was given to :func:`parallel`."""

    function: Callable[_P, _R]
    options: MapOptions

    def __init__(self, function: Callable[_P, _R], options: MapOptions) -> None:
        """Initialize self.  See help(type(self)) for accurate signature."""
        ...

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call self as a function."""
        ...

    def __get__(
        self, instance: object, owner: type | None = None
    ) -> ParallelFunction[..., _R]:
        """The method of an object whose class has it."""
        ...

    @overload
    def map(
        self: Callable[[_A], _R],
        items: Iterable[_A],
        /,
        *,
        workers: int | None = None,
        processes: UseProcesses | None = None,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "group"] | None = None,
        max_failures: int | None = None,
        retries: int | Retry | None = None,
        timeout: float | None = None,
        grace: float | None = 5.0,
        max_tasks_per_worker: int | None = None,
        progress: ProgressOption = None,
        unit: str | None = None,
        report: str | os.PathLike[str] | RunReport | None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
        resume: bool = False,
        retry_failed: bool = False,
        dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
        chunksize: int | None = None,
        memory_limit: str | float | None = None,
        memory_limit_mb: float | None = None,
        rate: float | Rate | None = None,
        circuit_breaker: Brake | None = None,
        context: Sequence[Variable] | None = None,
        initializer: Function | None = None,
        initargs: tuple[object, ...] = (),
        executor: Executor | ExecutorName | None = None,
        inline: bool = False,
        n_jobs: int | None = None,
        max_workers: int | None = None,
        use_processes: UseProcesses | None = None,
    ) -> list[_R]:
        """The results of the function for each of *items*, in order.

        As :func:`pmap`, with the options of the decorator, over which those that are
        given here win.

        Options:
            workers: How many tasks run at a time; -1 means all CPUs.
            processes: True: worker processes; False: threads; ``"auto"`` finds out.
            max_failures: End the call when this many tasks have failed.
            retries: Run a failed task again, at most this many times.
            timeout: Seconds that one task may run.
            grace: Seconds that running tasks get to finish when the call ends early.
            max_tasks_per_worker: Replace a worker process after this many tasks.
            progress: True, or a name such as ``"Hashing"``: show a progress bar.
            unit: What the bar calls one task, such as ``"file"``.
            report: A file such as ``"run.html"`` that says what the run did.
            journal: A file in which the call writes down how each task ends.
            resume: Continue from what the *journal* says.
            retry_failed: With *resume*, run failed tasks again.
            dead_letters: A file that keeps the tasks that fail for good.
            chunksize: The most tasks that travel together.
            memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
            memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
            rate: How many tasks may start in a second.
            circuit_breaker: Fail tasks at once while the service they need is down.
            context: Context variables whose values tasks on processes see.
            initializer: Each worker calls it, with *initargs*, before its first task.
            initargs: The arguments of *initializer*, in a tuple.
            executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
            inline: Run everything in the calling thread, for a debugger.
            n_jobs: Another word for *workers*, as joblib has it.
            max_workers: Another word for *workers*.
            use_processes: Another word for *processes*."""
        ...

    @overload
    def map(
        self: Callable[[_A], _R],
        items: Iterable[_A],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> list[_R | Exception]: ...
    @overload
    def map(
        self: Callable[[_A], _R],
        items: Iterable[_A],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> list[_R] | list[_R | Exception]: ...
    @overload
    def map(
        self: Callable[[_A, _B], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> list[_R]: ...
    @overload
    def map(
        self: Callable[[_A, _B], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> list[_R | Exception]: ...
    @overload
    def map(
        self: Callable[[_A, _B], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> list[_R] | list[_R | Exception]: ...
    @overload
    def map(
        self: Callable[[_A, _B, _C], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        third: Iterable[_C],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> list[_R]: ...
    @overload
    def map(
        self: Callable[[_A, _B, _C], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        third: Iterable[_C],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> list[_R | Exception]: ...
    @overload
    def map(
        self: Callable[[_A, _B, _C], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        third: Iterable[_C],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> list[_R] | list[_R | Exception]: ...
    @overload
    def map(
        self: Callable[..., _R],
        items: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
        unpack: Literal[False] = False,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> list[_R]: ...
    @overload
    def map(
        self: Callable[..., _R],
        items: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
        unpack: Literal[False] = False,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> list[_R | Exception]: ...
    @overload
    def map(
        self: Callable[..., _R],
        items: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
        unpack: Literal[False] = False,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> list[_R] | list[_R | Exception]: ...
    @overload
    def map(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: Literal[True],
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> list[_R]: ...
    @overload
    def map(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: Literal[True],
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> list[_R | Exception]: ...
    @overload
    def map(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: Literal[True],
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> list[_R] | list[_R | Exception]: ...
    @overload
    def map(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: bool,
        on_error: Literal["raise", "return", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> list[_R] | list[_R | Exception]: ...
    @overload
    def map_iter(
        self: Callable[[_A], _R],
        items: Iterable[_A],
        /,
        *,
        workers: int | None = None,
        processes: UseProcesses | None = None,
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["raise", "group"] | None = None,
        max_failures: int | None = None,
        retries: int | Retry | None = None,
        timeout: float | None = None,
        grace: float | None = 5.0,
        max_tasks_per_worker: int | None = None,
        progress: ProgressOption = None,
        unit: str | None = None,
        report: str | os.PathLike[str] | RunReport | None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
        resume: bool = False,
        retry_failed: bool = False,
        dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
        chunksize: int | None = None,
        memory_limit: str | float | None = None,
        memory_limit_mb: float | None = None,
        rate: float | Rate | None = None,
        circuit_breaker: Brake | None = None,
        context: Sequence[Variable] | None = None,
        initializer: Function | None = None,
        initargs: tuple[object, ...] = (),
        executor: Executor | ExecutorName | None = None,
        inline: bool = False,
        n_jobs: int | None = None,
        max_workers: int | None = None,
        use_processes: UseProcesses | None = None,
    ) -> Generator[_R, None, None]:
        """The results one by one, while others run, as from :func:`pmap_iter`.

        Options:
            workers: How many tasks run at a time; -1 means all CPUs.
            processes: True: worker processes; False: threads; ``"auto"`` finds out.
            max_failures: End the call when this many tasks have failed.
            retries: Run a failed task again, at most this many times.
            timeout: Seconds that one task may run.
            grace: Seconds that running tasks get to finish when the call ends early.
            max_tasks_per_worker: Replace a worker process after this many tasks.
            progress: True, or a name such as ``"Hashing"``: show a progress bar.
            unit: What the bar calls one task, such as ``"file"``.
            report: A file such as ``"run.html"`` that says what the run did.
            journal: A file in which the call writes down how each task ends.
            resume: Continue from what the *journal* says.
            retry_failed: With *resume*, run failed tasks again.
            dead_letters: A file that keeps the tasks that fail for good.
            chunksize: The most tasks that travel together.
            memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
            memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
            rate: How many tasks may start in a second.
            circuit_breaker: Fail tasks at once while the service they need is down.
            context: Context variables whose values tasks on processes see.
            initializer: Each worker calls it, with *initargs*, before its first task.
            initargs: The arguments of *initializer*, in a tuple.
            executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
            inline: Run everything in the calling thread, for a debugger.
            n_jobs: Another word for *workers*, as joblib has it.
            max_workers: Another word for *workers*.
            use_processes: Another word for *processes*."""
        ...

    @overload
    def map_iter(
        self: Callable[[_A], _R],
        items: Iterable[_A],
        /,
        *,
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> Generator[_R | Exception, None, None]: ...
    @overload
    def map_iter(
        self: Callable[[_A], _R],
        items: Iterable[_A],
        /,
        *,
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
    @overload
    def map_iter(
        self: Callable[[_A, _B], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        /,
        *,
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Generator[_R, None, None]: ...
    @overload
    def map_iter(
        self: Callable[[_A, _B], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        /,
        *,
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> Generator[_R | Exception, None, None]: ...
    @overload
    def map_iter(
        self: Callable[[_A, _B], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        /,
        *,
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
    @overload
    def map_iter(
        self: Callable[[_A, _B, _C], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        third: Iterable[_C],
        /,
        *,
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Generator[_R, None, None]: ...
    @overload
    def map_iter(
        self: Callable[[_A, _B, _C], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        third: Iterable[_C],
        /,
        *,
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> Generator[_R | Exception, None, None]: ...
    @overload
    def map_iter(
        self: Callable[[_A, _B, _C], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        third: Iterable[_C],
        /,
        *,
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
    @overload
    def map_iter(
        self: Callable[..., _R],
        items: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Generator[_R, None, None]: ...
    @overload
    def map_iter(
        self: Callable[..., _R],
        items: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> Generator[_R | Exception, None, None]: ...
    @overload
    def map_iter(
        self: Callable[..., _R],
        items: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
        unpack: Literal[False] = False,
        ordered: bool = True,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
    @overload
    def map_iter(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: Literal[True],
        ordered: bool = True,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Generator[_R, None, None]: ...
    @overload
    def map_iter(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: Literal[True],
        ordered: bool = True,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> Generator[_R | Exception, None, None]: ...
    @overload
    def map_iter(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: Literal[True],
        ordered: bool = True,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
    @overload
    def map_iter(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: bool,
        ordered: bool = True,
        on_error: Literal["raise", "return", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
    @overload
    def map_async(
        self: Callable[[_A], _R],
        items: Iterable[_A],
        /,
        *,
        workers: int | None = None,
        processes: UseProcesses | None = None,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "group"] | None = None,
        max_failures: int | None = None,
        retries: int | Retry | None = None,
        timeout: float | None = None,
        grace: float | None = 5.0,
        max_tasks_per_worker: int | None = None,
        progress: ProgressOption = None,
        unit: str | None = None,
        report: str | os.PathLike[str] | RunReport | None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
        resume: bool = False,
        retry_failed: bool = False,
        dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
        chunksize: int | None = None,
        memory_limit: str | float | None = None,
        memory_limit_mb: float | None = None,
        rate: float | Rate | None = None,
        circuit_breaker: Brake | None = None,
        context: Sequence[Variable] | None = None,
        initializer: Function | None = None,
        initargs: tuple[object, ...] = (),
        executor: Executor | ExecutorName | None = None,
        inline: bool = False,
        n_jobs: int | None = None,
        max_workers: int | None = None,
        use_processes: UseProcesses | None = None,
    ) -> Coroutine[Any, Any, list[_R]]:
        """The results, to be awaited, as from :func:`pmap_async`.

        Options:
            workers: How many tasks run at a time; -1 means all CPUs.
            processes: True: worker processes; False: threads; ``"auto"`` finds out.
            max_failures: End the call when this many tasks have failed.
            retries: Run a failed task again, at most this many times.
            timeout: Seconds that one task may run.
            grace: Seconds that running tasks get to finish when the call ends early.
            max_tasks_per_worker: Replace a worker process after this many tasks.
            progress: True, or a name such as ``"Hashing"``: show a progress bar.
            unit: What the bar calls one task, such as ``"file"``.
            report: A file such as ``"run.html"`` that says what the run did.
            journal: A file in which the call writes down how each task ends.
            resume: Continue from what the *journal* says.
            retry_failed: With *resume*, run failed tasks again.
            dead_letters: A file that keeps the tasks that fail for good.
            chunksize: The most tasks that travel together.
            memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
            memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
            rate: How many tasks may start in a second.
            circuit_breaker: Fail tasks at once while the service they need is down.
            context: Context variables whose values tasks on processes see.
            initializer: Each worker calls it, with *initargs*, before its first task.
            initargs: The arguments of *initializer*, in a tuple.
            executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
            inline: Run everything in the calling thread, for a debugger.
            n_jobs: Another word for *workers*, as joblib has it.
            max_workers: Another word for *workers*.
            use_processes: Another word for *processes*."""
        ...

    @overload
    def map_async(
        self: Callable[[_A], _R],
        items: Iterable[_A],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R | Exception]]: ...
    @overload
    def map_async(
        self: Callable[[_A], _R],
        items: Iterable[_A],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
    @overload
    def map_async(
        self: Callable[[_A, _B], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R]]: ...
    @overload
    def map_async(
        self: Callable[[_A, _B], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R | Exception]]: ...
    @overload
    def map_async(
        self: Callable[[_A, _B], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
    @overload
    def map_async(
        self: Callable[[_A, _B, _C], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        third: Iterable[_C],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R]]: ...
    @overload
    def map_async(
        self: Callable[[_A, _B, _C], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        third: Iterable[_C],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R | Exception]]: ...
    @overload
    def map_async(
        self: Callable[[_A, _B, _C], _R],
        items: Iterable[_A],
        second: Iterable[_B],
        third: Iterable[_C],
        /,
        *,
        unpack: Literal[False] = False,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
    @overload
    def map_async(
        self: Callable[..., _R],
        items: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
        unpack: Literal[False] = False,
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R]]: ...
    @overload
    def map_async(
        self: Callable[..., _R],
        items: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
        unpack: Literal[False] = False,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R | Exception]]: ...
    @overload
    def map_async(
        self: Callable[..., _R],
        items: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        fourth: Iterable[Any],
        /,
        *more: Iterable[Any],
        unpack: Literal[False] = False,
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
    @overload
    def map_async(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: Literal[True],
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R]]: ...
    @overload
    def map_async(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: Literal[True],
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R | Exception]]: ...
    @overload
    def map_async(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: Literal[True],
        on_error: Literal["raise", "return", "group"] | None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
    @overload
    def map_async(
        self: Callable[..., _R],
        items: Iterable[Any],
        /,
        *,
        unpack: bool,
        on_error: Literal["raise", "return", "group"] | None = None,
        **options: Unpack[MapOptions],
    ) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
    def task(self, *args: _P.args, **kwargs: _P.kwargs) -> Task[_R]:
        """A `Task` that calls the function with these arguments."""
        ...

def advise(
    tasks: Iterable[Task[Any]],
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    max_workers: int | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> Advice:
    """Run some of *tasks* alone, on threads and on processes, and say which is best.

    **The tasks are executed**: some of the first ones, up to five times each. Their
    results and failures are dropped. An iterator is read only that far. `advise` takes
    some tenths of a second, or three times as long as one task if that is more. It
    leaves worker processes warm.

    Args:
        tasks: The tasks that you are going to run.
        max_workers: The most workers; None as for the calls. *workers* and *n_jobs* are
            other words for it.
        **options: What the tasks need in order to run, such as an *initializer*, see
            `Options`.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range."""
    ...

@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: Literal[False] = False,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> list[_R]:
    """Run *tasks* at the same time and return their results in the order of *tasks*.

    Equivalent to ``[task.callback_function(**task.arguments) for task in tasks]``,
    except that up to *max_workers* of them run at a time. *tasks* may be any iterable;
    the calling thread reads it as workers become free. If there are no tasks, the list
    is empty and no worker is started.

    Args:
        tasks: What to run.
        max_workers: How many tasks run at once, at least 1. None takes the value of the
            environment variable ``COTALITY_MAX_WORKERS``, or else the number of CPUs
            that this process may use (see `available_cpus`); for threads, 4 more than
            that and at most 32; for processes inside one of our worker processes,
            always 1. All calls that run at the same time and give None share these
            processes, and have 64 threads together, besides one for each call.
        use_processes: Run tasks in worker processes instead of threads: for work that
            keeps the interpreter busy. Functions, arguments and results are then
            pickled. Lambdas, closures and functions of a script work, and the script
            needs no main guard. ``"auto"`` begins with one thread, and moves to more
            threads or to processes if the rest will be done sooner there. *max_workers*
            then limits both: None means one process for each CPU and up to 64 threads,
            but only as many as are of use. The option *executor* says the same in
            words: ``"threads"``, ``"processes"``, ``"auto"``.
        return_exceptions: The same as ``on_error="return"``.
        on_error: What happens when a task fails. ``"raise"``, the default: the first
            failure ends the call. ``"return"``: each failure takes the place of its
            result. ``"group"``: every task runs, and then all failures are raised
            together, as an `ExceptionGroup`.
        **options: Retries, limits, progress and more, see `Options`.

    Raises:
        ValueError: An argument is out of range, or ``COTALITY_MAX_WORKERS`` is not a
            number of workers. This and `TypeError` are raised before anything runs.
        TypeError: An argument, or an element of *tasks*, has the wrong type.
        Exception: What the first task that was seen to fail raised, of the same class,
            with the worker's frames in its traceback and a note that names the task.
            Tasks that have not started are dropped. The call waits for tasks that run
            on threads; on processes they have *grace* seconds before their workers are
            killed.
        TaskExitedError: A task raised `SystemExit` or another non-`Exception`.
        TaskNotPicklableError: A task or its result cannot travel between processes.
        RemoteTaskError: A task raised an exception that cannot travel.
        WorkerCrashedError: The worker process that ran a task died.
        TaskTimeoutError: A task ran longer than *timeout*.
        WorkerStartError: Workers cannot be started; no task is to blame.
        ExceptionGroup: With ``on_error="group"``, or when *max_failures* tasks have
            failed: all failures, in the order of the tasks, each with its note.
        KeyboardInterrupt: Ctrl-C. The call kills worker processes at once, and waits
            for tasks on threads, because nothing can stop a thread.

    A task that does nothing costs about 0.3 microseconds on threads. On processes it
    costs 0.8 if its arguments and its result are numbers or short texts, else 3. A call
    on warm processes costs about 0.4 ms; the first one takes 0.1 to 0.2 s to start them
    (measured on 2 cores, Python 3.11; see *Speed* in the documentation).

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it."""
    ...

@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    return_exceptions: Literal[True],
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> list[_R | Exception]: ...
@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[_R]],
    max_workers: int | None,
    use_processes: UseProcesses,
    return_exceptions: Literal[True],
    *,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> list[_R | Exception]: ...
@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: Literal["return"],
    **options: Unpack[Options],
) -> list[_R | Exception]: ...
@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> list[_R] | list[_R | Exception]: ...
@overload
def execute_tasks_in_parallel_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: Literal[False] = False,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> Awaits[list[_R]]:
    """Run *tasks* at the same time; await it to get their results in order.

    As :func:`execute_tasks_in_parallel`, for a coroutine: the event loop goes on
    meanwhile, and no thread waits. *tasks* may be an asynchronous iterable, which is
    read while other tasks run. The thread of the loop reads the iterable and pickles
    arguments and results; large ones keep it busy for a while.

    The call itself raises errors about wrong arguments, not the ``await``.

    Raises:
        CancelledError: The awaiting task was cancelled; raised at once. Tasks that have
            not started are dropped. Worker processes that run tasks are killed. Tasks
            on threads run to their end, because nothing can stop a thread.
        Exception: As for :func:`execute_tasks_in_parallel`.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it."""
    ...

@overload
def execute_tasks_in_parallel_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    return_exceptions: Literal[True],
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> Awaits[list[_R | Exception]]: ...
@overload
def execute_tasks_in_parallel_async(
    tasks: Tasks[_R],
    max_workers: int | None,
    use_processes: UseProcesses,
    return_exceptions: Literal[True],
    *,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> Awaits[list[_R | Exception]]: ...
@overload
def execute_tasks_in_parallel_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: Literal["return"],
    **options: Unpack[Options],
) -> Awaits[list[_R | Exception]]: ...
@overload
def execute_tasks_in_parallel_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> Awaits[list[_R] | list[_R | Exception]]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: Literal[False] = False,
    ordered: bool = True,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> Generator[tuple[int, _R], None, None]:
    """Run *tasks* and yield ``(index, result)`` while the rest still run.

    As :func:`execute_tasks_in_parallel`, for more tasks and results than fit into
    memory. *tasks* is read as there is room, in the thread that takes the results: at
    most 8 tasks for each worker are started or finished and not yet taken, or 4
    portions of tiny tasks (of at most 512) for each worker, if that is more. So a slow
    consumer slows the workers down, and nothing piles up. Nothing that was yielded is
    kept.

    Nothing starts before the first ``next()``. Leaving the loop early, or closing the
    generator, drops what has not started; what runs is waited for on threads, and has
    *grace* seconds on processes.

    Args:
        ordered: Yield in the order of *tasks*; otherwise as each finishes. In order, a
            long task lets the others run ahead until the window is full.

    Raises:
        Exception: As for :func:`execute_tasks_in_parallel`. The finished results are
            yielded before it; in order, those up to the first that is missing. A
            `StopIteration` raised by a task arrives as the cause of a `RuntimeError`,
            as from any generator.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it."""
    ...

@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    return_exceptions: Literal[True],
    ordered: bool = True,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> Generator[tuple[int, _R | Exception], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[_R]],
    max_workers: int | None,
    use_processes: UseProcesses,
    return_exceptions: Literal[True],
    ordered: bool = True,
    *,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> Generator[tuple[int, _R | Exception], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    ordered: bool = True,
    *,
    on_error: Literal["return"],
    **options: Unpack[Options],
) -> Generator[tuple[int, _R | Exception], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    ordered: bool = True,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> Generator[tuple[int, _R | Exception], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: Literal[False] = False,
    ordered: bool = True,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> AsyncGenerator[tuple[int, _R], None]:
    """Run *tasks* and yield ``(index, result)`` while the rest still run.

    As :func:`execute_tasks_in_parallel_streaming`, for an ``async for``. If you leave
    the loop early, Python does not close an asynchronous generator, and running tasks
    would go on until it is garbage-collected; :func:`contextlib.aclosing` closes it::

        stream = execute_tasks_in_parallel_streaming_async(tasks)
        async with aclosing(stream) as results:
            async for index, result in results:
                ...

    Raises:
        CancelledError: As for :func:`execute_tasks_in_parallel_async`.
        Exception: As for :func:`execute_tasks_in_parallel_streaming`.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it."""
    ...

@overload
def execute_tasks_in_parallel_streaming_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    return_exceptions: Literal[True],
    ordered: bool = True,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> AsyncGenerator[tuple[int, _R | Exception], None]: ...
@overload
def execute_tasks_in_parallel_streaming_async(
    tasks: Tasks[_R],
    max_workers: int | None,
    use_processes: UseProcesses,
    return_exceptions: Literal[True],
    ordered: bool = True,
    *,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> AsyncGenerator[tuple[int, _R | Exception], None]: ...
@overload
def execute_tasks_in_parallel_streaming_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    ordered: bool = True,
    *,
    on_error: Literal["return"],
    **options: Unpack[Options],
) -> AsyncGenerator[tuple[int, _R | Exception], None]: ...
@overload
def execute_tasks_in_parallel_streaming_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    ordered: bool = True,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> AsyncGenerator[tuple[int, _R | Exception], None]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: Literal[False] = False,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> list[_R]:
    """Run *tasks* at the same time and return their results as they finish.

    The same as :func:`execute_tasks_in_parallel` except for the order: the first result
    to arrive comes first. Very short tasks travel in portions, and the results of one
    portion stay together.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it."""
    ...

@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    return_exceptions: Literal[True],
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> list[_R | Exception]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[_R]],
    max_workers: int | None,
    use_processes: UseProcesses,
    return_exceptions: Literal[True],
    *,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> list[_R | Exception]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: Literal["return"],
    **options: Unpack[Options],
) -> list[_R | Exception]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> list[_R] | list[_R | Exception]: ...
@overload
def execute_tasks_in_parallel_unordered_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: Literal[False] = False,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> Awaits[list[_R]]:
    """Run *tasks* at the same time; await it to get their results as they finish.

    The same as :func:`execute_tasks_in_parallel_async` except for the order.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it."""
    ...

@overload
def execute_tasks_in_parallel_unordered_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    return_exceptions: Literal[True],
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> Awaits[list[_R | Exception]]: ...
@overload
def execute_tasks_in_parallel_unordered_async(
    tasks: Tasks[_R],
    max_workers: int | None,
    use_processes: UseProcesses,
    return_exceptions: Literal[True],
    *,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> Awaits[list[_R | Exception]]: ...
@overload
def execute_tasks_in_parallel_unordered_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: Literal["return"],
    **options: Unpack[Options],
) -> Awaits[list[_R | Exception]]: ...
@overload
def execute_tasks_in_parallel_unordered_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> Awaits[list[_R] | list[_R | Exception]]: ...
def iter_outcomes(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    ordered: bool = True,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> Generator[Outcome[_R], None, None]:
    """Run *tasks* and yield an `Outcome` for each while the rest still run.

    As :func:`execute_tasks_in_parallel_streaming`, but you can tell a failure from a
    result that happens to be an exception. Each outcome says when, where and how long
    its task ran. That costs about 4 microseconds more a task, half of them for the CPU
    clock. ::

        for outcome in iter_outcomes(tasks):
            match outcome:
                case Outcome(ok=True, value=value):
                    print(value)
                case Outcome(error=TimeoutError()):
                    print("too slow:", outcome.task)

    Raises:
        ExceptionGroup: *max_failures* tasks have failed.
        Exception: What the iterable of tasks raised. The failure of a task is not
            raised.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it."""
    ...

def iter_outcomes_async(
    tasks: Tasks[_R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    ordered: bool = True,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> AsyncGenerator[Outcome[_R], None]:
    """Run *tasks* and yield an `Outcome` for each while the rest still run.

    As :func:`iter_outcomes`, for an ``async for``; see
    :func:`execute_tasks_in_parallel_streaming_async` for how to leave it early.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it."""
    ...

@overload
def parallel(
    function: Callable[_P, _R],
    /,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
    max_workers: int | None = None,
    use_processes: UseProcesses | None = None,
) -> ParallelFunction[_P, _R]:
    """Decorate a function, to call it with many items: ``f.map(items)``.

    ``f(item)`` stays a plain call. ``f.map(items)`` is ``pmap(f, items)`` with the
    options of the decorator, ``f.map_iter`` is :func:`pmap_iter`, ``f.map_async`` is
    :func:`pmap_async`, and ``f.task(...)`` makes a `Task`. ::

        @parallel(processes=True, retries=3)
        def load(path: Path) -> Table: ...

        tables = load.map(paths)

    Args:
        function: What to decorate; the decorator may stand with or without brackets.
        **options: As for :func:`pmap`. Those that a call gives win.

    Raises:
        TypeError: It is no function, or an option does not exist.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it.
        max_workers: Another word for *workers*.
        use_processes: Another word for *processes*."""
    ...

@overload
def parallel(
    function: None = None, /, **options: Unpack[MapOptions]
) -> Callable[[Callable[_P, _R]], ParallelFunction[_P, _R]]: ...
@overload
def pmap(
    function: Callable[[_A], _R],
    items: Iterable[_A],
    /,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
    max_workers: int | None = None,
    use_processes: UseProcesses | None = None,
) -> list[_R]:
    """Call *function* with each of *items*, many at a time; the results, in order.

    ``pmap(function, items)`` is ``[function(item) for item in items]``, as fast as the
    machine allows: it runs the first items in a loop, measures them, and moves the
    others to threads or to processes if they will be done sooner there. No item runs
    twice. *items* may be any iterable, and is read in the calling thread.

    ``pmap(function, items, more)`` calls ``function(item, other)`` with one of each, as
    :func:`map` does. It ends with the shortest; where all have a length, these have to
    be equal.

    Args:
        function: What to call: any function, also a lambda or a closure.
        items: What to call it with.
        more: Further arguments of each call.
        unpack: Call ``function(*item)``, or ``function(**item)`` if the item is a
            mapping.
        on_error: What happens when a call of *function* fails. ``"raise"``, the
            default: the first failure ends it all. ``"return"``: each failure takes the
            place of its result. ``"group"``: everything runs, and then all failures are
            raised together, as an `ExceptionGroup`.
        **options: How many at a time, and where; retries, limits, progress and more.
            `Options` explains each.

    Raises:
        TypeError: An argument has the wrong type, or an option does not exist. This and
            `ValueError` are raised before anything runs.
        ValueError: An argument is out of range, or iterables differ in length.
        Exception: What the first item that was seen to fail raised, with the frames of
            *function* in its traceback and a note that names the item. What else can
            go wrong is listed at :func:`execute_tasks_in_parallel`.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it.
        max_workers: Another word for *workers*.
        use_processes: Another word for *processes*."""
    ...

@overload
def pmap(
    function: Callable[[_A], _R],
    items: Iterable[_A],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> list[_R | Exception]: ...
@overload
def pmap(
    function: Callable[[_A], _R],
    items: Iterable[_A],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> list[_R] | list[_R | Exception]: ...
@overload
def pmap(
    function: Callable[[_A, _B], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> list[_R]: ...
@overload
def pmap(
    function: Callable[[_A, _B], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> list[_R | Exception]: ...
@overload
def pmap(
    function: Callable[[_A, _B], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> list[_R] | list[_R | Exception]: ...
@overload
def pmap(
    function: Callable[[_A, _B, _C], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    third: Iterable[_C],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> list[_R]: ...
@overload
def pmap(
    function: Callable[[_A, _B, _C], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    third: Iterable[_C],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> list[_R | Exception]: ...
@overload
def pmap(
    function: Callable[[_A, _B, _C], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    third: Iterable[_C],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> list[_R] | list[_R | Exception]: ...
@overload
def pmap(
    function: Callable[..., _R],
    items: Iterable[Any],
    second: Iterable[Any],
    third: Iterable[Any],
    fourth: Iterable[Any],
    /,
    *more: Iterable[Any],
    unpack: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> list[_R]: ...
@overload
def pmap(
    function: Callable[..., _R],
    items: Iterable[Any],
    second: Iterable[Any],
    third: Iterable[Any],
    fourth: Iterable[Any],
    /,
    *more: Iterable[Any],
    unpack: Literal[False] = False,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> list[_R | Exception]: ...
@overload
def pmap(
    function: Callable[..., _R],
    items: Iterable[Any],
    second: Iterable[Any],
    third: Iterable[Any],
    fourth: Iterable[Any],
    /,
    *more: Iterable[Any],
    unpack: Literal[False] = False,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> list[_R] | list[_R | Exception]: ...
@overload
def pmap(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: Literal[True],
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> list[_R]: ...
@overload
def pmap(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: Literal[True],
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> list[_R | Exception]: ...
@overload
def pmap(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: Literal[True],
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> list[_R] | list[_R | Exception]: ...
@overload
def pmap(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: bool,
    on_error: Literal["raise", "return", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> list[_R] | list[_R | Exception]: ...
@overload
def pmap_async(
    function: Callable[[_A], _R],
    items: Iterable[_A],
    /,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
    max_workers: int | None = None,
    use_processes: UseProcesses | None = None,
) -> Coroutine[Any, Any, list[_R]]:
    """Call *function* with each of *items*, while the event loop goes on.

    As :func:`pmap`, to be awaited. *function* is a plain function, and never runs in
    the event loop. When the awaiting task is cancelled, items that have not started are
    dropped, and worker processes that run some are killed.

    Raises:
        TypeError: As from :func:`pmap`, by the call itself, not by the ``await``.
        ValueError: As from :func:`pmap`, by the call itself.
        CancelledError: The awaiting task was cancelled.
        Exception: As from :func:`pmap`.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it.
        max_workers: Another word for *workers*.
        use_processes: Another word for *processes*."""
    ...

@overload
def pmap_async(
    function: Callable[[_A], _R],
    items: Iterable[_A],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_async(
    function: Callable[[_A], _R],
    items: Iterable[_A],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_async(
    function: Callable[[_A, _B], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R]]: ...
@overload
def pmap_async(
    function: Callable[[_A, _B], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_async(
    function: Callable[[_A, _B], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_async(
    function: Callable[[_A, _B, _C], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    third: Iterable[_C],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R]]: ...
@overload
def pmap_async(
    function: Callable[[_A, _B, _C], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    third: Iterable[_C],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_async(
    function: Callable[[_A, _B, _C], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    third: Iterable[_C],
    /,
    *,
    unpack: Literal[False] = False,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_async(
    function: Callable[..., _R],
    items: Iterable[Any],
    second: Iterable[Any],
    third: Iterable[Any],
    fourth: Iterable[Any],
    /,
    *more: Iterable[Any],
    unpack: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R]]: ...
@overload
def pmap_async(
    function: Callable[..., _R],
    items: Iterable[Any],
    second: Iterable[Any],
    third: Iterable[Any],
    fourth: Iterable[Any],
    /,
    *more: Iterable[Any],
    unpack: Literal[False] = False,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_async(
    function: Callable[..., _R],
    items: Iterable[Any],
    second: Iterable[Any],
    third: Iterable[Any],
    fourth: Iterable[Any],
    /,
    *more: Iterable[Any],
    unpack: Literal[False] = False,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_async(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: Literal[True],
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R]]: ...
@overload
def pmap_async(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: Literal[True],
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_async(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: Literal[True],
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_async(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: bool,
    on_error: Literal["raise", "return", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Coroutine[Any, Any, list[_R]] | Coroutine[Any, Any, list[_R | Exception]]: ...
@overload
def pmap_iter(
    function: Callable[[_A], _R],
    items: Iterable[_A],
    /,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
    max_workers: int | None = None,
    use_processes: UseProcesses | None = None,
) -> Generator[_R, None, None]:
    """Call *function* with each of *items*, and yield the results while others run.

    As :func:`pmap`, for more items and results than fit into memory, also for endless
    ones. Nothing starts before the first ``next()``; *items* is read as there is room,
    so a slow consumer slows the workers down. If you leave the loop early, items that
    have not started are dropped; see :func:`execute_tasks_in_parallel_streaming`.

    Args:
        function: As for :func:`pmap`, like all that is not listed here.
        ordered: Yield in the order of *items*; otherwise as each is done.

    Raises:
        TypeError: As from :func:`pmap`, by the call itself.
        ValueError: As from :func:`pmap`, by the call itself.
        Exception: As from :func:`pmap`, after the finished results.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it.
        max_workers: Another word for *workers*.
        use_processes: Another word for *processes*."""
    ...

@overload
def pmap_iter(
    function: Callable[[_A], _R],
    items: Iterable[_A],
    /,
    *,
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> Generator[_R | Exception, None, None]: ...
@overload
def pmap_iter(
    function: Callable[[_A], _R],
    items: Iterable[_A],
    /,
    *,
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
@overload
def pmap_iter(
    function: Callable[[_A, _B], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    /,
    *,
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Generator[_R, None, None]: ...
@overload
def pmap_iter(
    function: Callable[[_A, _B], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    /,
    *,
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> Generator[_R | Exception, None, None]: ...
@overload
def pmap_iter(
    function: Callable[[_A, _B], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    /,
    *,
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
@overload
def pmap_iter(
    function: Callable[[_A, _B, _C], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    third: Iterable[_C],
    /,
    *,
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Generator[_R, None, None]: ...
@overload
def pmap_iter(
    function: Callable[[_A, _B, _C], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    third: Iterable[_C],
    /,
    *,
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> Generator[_R | Exception, None, None]: ...
@overload
def pmap_iter(
    function: Callable[[_A, _B, _C], _R],
    items: Iterable[_A],
    second: Iterable[_B],
    third: Iterable[_C],
    /,
    *,
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
@overload
def pmap_iter(
    function: Callable[..., _R],
    items: Iterable[Any],
    second: Iterable[Any],
    third: Iterable[Any],
    fourth: Iterable[Any],
    /,
    *more: Iterable[Any],
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Generator[_R, None, None]: ...
@overload
def pmap_iter(
    function: Callable[..., _R],
    items: Iterable[Any],
    second: Iterable[Any],
    third: Iterable[Any],
    fourth: Iterable[Any],
    /,
    *more: Iterable[Any],
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> Generator[_R | Exception, None, None]: ...
@overload
def pmap_iter(
    function: Callable[..., _R],
    items: Iterable[Any],
    second: Iterable[Any],
    third: Iterable[Any],
    fourth: Iterable[Any],
    /,
    *more: Iterable[Any],
    unpack: Literal[False] = False,
    ordered: bool = True,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
@overload
def pmap_iter(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: Literal[True],
    ordered: bool = True,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Generator[_R, None, None]: ...
@overload
def pmap_iter(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: Literal[True],
    ordered: bool = True,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> Generator[_R | Exception, None, None]: ...
@overload
def pmap_iter(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: Literal[True],
    ordered: bool = True,
    on_error: Literal["raise", "return", "group"] | None,
    **options: Unpack[MapOptions],
) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
@overload
def pmap_iter(
    function: Callable[..., _R],
    items: Iterable[Any],
    /,
    *,
    unpack: bool,
    ordered: bool = True,
    on_error: Literal["raise", "return", "group"] | None = None,
    **options: Unpack[MapOptions],
) -> Generator[_R, None, None] | Generator[_R | Exception, None, None]: ...
@overload
def process_in_batches(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: Literal[False] = False,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    batch_size: int | None = None,
    max_memory_mb: float | None = None,
    ordered: bool = True,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> Generator[list[_R], None, None]:
    """Run *tasks* and yield their results in lists, while the rest still run.

    As :func:`execute_tasks_in_parallel_streaming`, if you handle many results at once:
    for a bulk insert, or a file of a certain size. ::

        for rows in process_in_batches(tasks, max_memory_mb=500):
            table.insert_many(rows)

    Args:
        tasks: What to run.
        max_workers: As for :func:`execute_tasks_in_parallel`.
        use_processes: Likewise.
        return_exceptions: Likewise.
        batch_size: How many results a batch has; the last one may have fewer.
        max_memory_mb: How many megabytes (of 1,000,000 bytes) results may take in this
            process: the batch that your loop has, the one that is being filled, and
            results that wait to be put into a batch. A batch ends when it takes 3/8 of
            that; it has no fixed number of results, but at least one. If results are
            large, fewer tasks run ahead, but at least one for each worker. Sizes are
            measured from the results, containers and arrays included. They are a few
            percent off if a result holds many similar objects; memory that an extension
            module does not report is not counted. If results suddenly become much
            larger than before, those that are already running may exceed the limit.
            With *batch_size* as well, whichever comes first ends a batch.
        ordered: Put results into batches in the order of *tasks*; otherwise as each
            task finishes.
        on_error: As for :func:`execute_tasks_in_parallel`.
        **options: Likewise, see `Options`.

    Raises:
        ValueError: Neither *batch_size* nor *max_memory_mb* is given, or one is out of
            range. Raised by the call itself.
        TypeError: An argument has the wrong type. Raised by the call itself.
        Exception: As for :func:`execute_tasks_in_parallel_streaming`; the finished
            results are yielded before it, in a last batch.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it."""
    ...

@overload
def process_in_batches(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    return_exceptions: Literal[True],
    batch_size: int | None = None,
    max_memory_mb: float | None = None,
    ordered: bool = True,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> Generator[list[_R | Exception], None, None]: ...
@overload
def process_in_batches(
    tasks: Iterable[Task[_R]],
    max_workers: int | None,
    use_processes: UseProcesses,
    return_exceptions: Literal[True],
    *,
    batch_size: int | None = None,
    max_memory_mb: float | None = None,
    ordered: bool = True,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> Generator[list[_R | Exception], None, None]: ...
@overload
def process_in_batches(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    batch_size: int | None = None,
    max_memory_mb: float | None = None,
    ordered: bool = True,
    on_error: Literal["return"],
    **options: Unpack[Options],
) -> Generator[list[_R | Exception], None, None]: ...
@overload
def process_in_batches(
    tasks: Iterable[Task[_R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    batch_size: int | None = None,
    max_memory_mb: float | None = None,
    ordered: bool = True,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> Generator[list[_R], None, None] | Generator[list[_R | Exception], None, None]: ...
def replay(
    path: str | os.PathLike[str] | DeadLetters,
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    keys: Iterable[str] | None = None,
    max_workers: int | None = None,
    use_processes: bool = False,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
) -> list[Outcome[Any]]:
    """Run again the tasks that a file of dead letters keeps.

    A task that succeeds leaves the file at once; a task that fails stays with its new
    error. If a task or its process is killed, the task stays as it was: it may already
    have had its effect, and can be run once more.

    Args:
        path: The file, or the `DeadLetters` with their limits.
        keys: Which tasks; None takes all.
        max_workers: As for :func:`execute_tasks_in_parallel`.
        use_processes: Likewise.
        **options: Likewise, see `Options`, except for ``dead_letters``.

    Returns:
        An outcome for each task that was run, in the order of the file. A task that
        cannot be unpickled here is not run and stays in the file; a warning says so.

    Raises:
        KeyError: There is no letter with one of the *keys*.
        JournalInUseError: They are being replayed already.
        DeadLetterError: The file cannot be read or written.
        ValueError: *options* have ``dead_letters``.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it."""
    ...

@overload
def run_tasks(
    tasks: Iterable[Task[_R]],
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    on_error: Literal["raise", "group"] | None = None,
    max_failures: int | None = None,
    retries: int | Retry | None = None,
    timeout: float | None = None,
    grace: float | None = 5.0,
    max_tasks_per_worker: int | None = None,
    progress: ProgressOption = None,
    unit: str | None = None,
    report: str | os.PathLike[str] | RunReport | None = None,
    journal: str | os.PathLike[str] | Journal | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    dead_letters: str | os.PathLike[str] | DeadLetters | None = None,
    chunksize: int | None = None,
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    executor: Executor | ExecutorName | None = None,
    inline: bool = False,
    n_jobs: int | None = None,
    max_workers: int | None = None,
    use_processes: UseProcesses | None = None,
) -> list[_R]:
    """Run *tasks*, many at a time; return their results in order.

    As :func:`pmap`, for calls of several functions, or with arguments of their own::

        run_tasks([Task.of(load_users, "eu"), Task.of(load_orders, since=2024)])

    It is :func:`execute_tasks_in_parallel` in the words of :func:`pmap`, and finds out
    by itself where tasks are done soonest.

    Args:
        tasks: What to run; any iterable of `Task`.
        on_error: As for :func:`pmap`, like the *options*.

    Raises:
        TypeError: As from :func:`pmap`, or an element of *tasks* is no `Task`.
        ValueError: As from :func:`pmap`.
        Exception: As from :func:`pmap`.

    Options:
        workers: How many tasks run at a time; -1 means all CPUs.
        processes: True: worker processes; False: threads; ``"auto"`` finds out.
        max_failures: End the call when this many tasks have failed.
        retries: Run a failed task again, at most this many times.
        timeout: Seconds that one task may run.
        grace: Seconds that running tasks get to finish when the call ends early.
        max_tasks_per_worker: Replace a worker process after this many tasks.
        progress: True, or a name such as ``"Hashing"``: show a progress bar.
        unit: What the bar calls one task, such as ``"file"``.
        report: A file such as ``"run.html"`` that says what the run did.
        journal: A file in which the call writes down how each task ends.
        resume: Continue from what the *journal* says.
        retry_failed: With *resume*, run failed tasks again.
        dead_letters: A file that keeps the tasks that fail for good.
        chunksize: The most tasks that travel together.
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        executor: ``"threads"``, ``"processes"``, ``"auto"``, or an executor to run on.
        inline: Run everything in the calling thread, for a debugger.
        n_jobs: Another word for *workers*, as joblib has it.
        max_workers: Another word for *workers*.
        use_processes: Another word for *processes*."""
    ...

@overload
def run_tasks(
    tasks: Iterable[Task[_R]],
    *,
    on_error: Literal["return"],
    **options: Unpack[MapOptions],
) -> list[_R | Exception]: ...

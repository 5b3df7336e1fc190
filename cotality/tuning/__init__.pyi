"""Run a function over data, and let the machine decide how.

The same machinery as :mod:`cotality.core.utils.process`, for people who have a function
and a list:

* :func:`execute` and :func:`execute_async` return the results in a list;
* :func:`optimize_streaming` yields them one by one, for more than fits into memory;
* :func:`process_in_batches` yields them in lists of a certain size;
* :func:`optimize` makes a :class:`Plan`, which says how to run the work, why, and what
  to expect; :func:`validate_optimization` checks it;
* :func:`get_global_pool_manager` returns a :class:`PoolManager`, whose workers all
  requests of a web service share; :func:`managed_pool` makes one for a ``with`` block.

All of them take the options of the core, such as ``retries``, ``journal`` and
``dead_letters``. A :class:`Rate` and a :class:`CircuitBreaker` protect the services
that the work depends on.

    >>> from math import sqrt
    >>> execute(sqrt, [4.0, 9.0])
    [2.0, 3.0]
"""
# Written by docs/write_stubs.py: a change here is lost.

import datetime
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Literal, TypeVar, Unpack, overload

from cotality._kit.around import Around
from cotality.core.calls import (
    DEFAULT_GRACE,
    Awaits,
    ExecutorName,
    Function,
    OnError,
    ProgressOption,
    UseProcesses,
    Variable,
)
from cotality.core.observing import Brake
from cotality.core.pools import IDLE_SECONDS
from cotality.core.pools import PoolStatus as PoolStatus
from cotality.core.utils.process import (
    DeadLetter,
    DeadLetters,
    Journal,
    Outcome,
    Retry,
    RunReport,
    Task,
)
from cotality.core.utils.process import Rate as Rate
from cotality.tuning._tuning.limits.circuit import CircuitBreaker as CircuitBreaker
from cotality.tuning._tuning.limits.circuit import CircuitOpenError as CircuitOpenError
from cotality.tuning._tuning.limits.dead_letter_queue import DLQPolicy as DLQPolicy
from cotality.tuning._tuning.logs.logging_setup import (
    configure_logging as configure_logging,
)
from cotality.tuning._tuning.plans.plan import Plan as Plan
from cotality.tuning._tuning.plans.profile import Profile as Profile
from cotality.tuning._tuning.pools.manager import (
    shutdown_global_pool_manager as shutdown_global_pool_manager,
)
from cotality.tuning._tuning.runs.result import ExecutionResult as ExecutionResult
from cotality.tuning._tuning.runs.validation import Validation as Validation
from cotality.tuning._tuning.work.choice import ExecutorChoice
from cotality.tuning._tuning.work.options import RunOptions, WorkerOptions

_R = TypeVar("_R")
_T = TypeVar("_T")
__all__ = [
    "CircuitBreaker",
    "CircuitOpenError",
    "DLQPolicy",
    "DeadLetterQueue",
    "ExecutionResult",
    "Plan",
    "PoolManager",
    "PoolStatus",
    "Profile",
    "Rate",
    "Validation",
    "configure_logging",
    "execute",
    "execute_async",
    "get_global_pool_manager",
    "managed_pool",
    "optimize",
    "optimize_streaming",
    "process_in_batches",
    "shutdown_global_pool_manager",
    "validate_optimization",
]

class DeadLetterQueue(DeadLetters):
    """A file that keeps what failed for good, and runs it again as a policy says.

    It is a `DeadLetters`, so you can use it wherever you can use one: as the option
    ``dead_letters`` of a call, for `replay`, and with ``python -m
    cotality.core.utils.dead_letters``; these ignore the policy. An entry is a
    `DeadLetter`: its task, its error, and how often it has failed. An entry that
    succeeds leaves the file.

    Any number of processes and threads may add to one file, look at it, purge it and
    retry it at the same time; the file is locked only during a change. Each process has
    a queue of its own; threads may share one. The file does not keep the policy: each
    queue follows its own.

    Entries are pickled, so whoever can write to the file can make the program that
    retries them run any code. Whoever can read it sees arguments and errors.

    Args:
        path: The file. It is created with the first entry, with its folders.
        policy: When to run entries again; by default at most 3 times, at any time.
        max_entries: Keep only this many entries, the latest; None, the default, keeps
            all.
        max_age: Keep entries for this long, in seconds or as a `datetime.timedelta`.
            Older entries are dropped when a new one comes.
        skip_damaged: As for `DeadLetters`.
        trust_others: As for `DeadLetters`.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A limit is out of range."""

    policy: DLQPolicy

    def __init__(
        self,
        path: str | os.PathLike[str],
        policy: DLQPolicy | None = None,
        *,
        max_entries: int | None = None,
        max_age: float | datetime.timedelta | None = None,
        skip_damaged: bool = True,
        trust_others: bool = False,
    ) -> None:
        """Initialize self.  See help(type(self)) for accurate signature."""
        ...

    @overload
    def add(
        self,
        func: Callable[[_T], object],
        item: _T,
        error: BaseException | str,
        *,
        label: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> str:
        """Keep the fact that *func* failed with *item*; on the disk at once.

        If there is an entry with the same key (*label*, or else function and item), the
        new one replaces it, counts on in `times`, and has all its retries again. An
        entry that cannot be pickled can be read, but not retried.

        It takes 1 to 3 milliseconds (measured on an SSD), most of it until the data is
        on the disk. The first call also reads the file, which takes 20 µs an entry.

        Args:
            func: What was called with *item*. Without it, only the item is kept, to be
                run again with the function that you give to `retry`.
            item: Its argument.
            error: What it raised, or the text of that. For the exception that is being
                handled, the text is enough: its class and its traceback are kept as
                well.
            label: The key of the entry.
            metadata: Anything else about the entry, such as ``{"source": "import"}``.
                It is kept as JSON; a value that JSON cannot hold, as its `repr`.

        Returns:
            The key of the entry.

        Raises:
            TypeError: An argument is missing, or has the wrong type.
            DeadLetterError: The file cannot be written, or is something else."""
        ...

    @overload
    def add(
        self,
        func: None = None,
        *,
        item: object,
        error: BaseException | str,
        label: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> str: ...
    def add_task(
        self,
        task: Task[Any],
        error: BaseException | str,
        *,
        metadata: Mapping[str, object] | None = None,
    ) -> str:
        """The same for a `Task`, which may have any arguments."""
        ...

    def keep(self, letter: DeadLetter, about: dict[str, Any]) -> str: ...
    def due(self) -> list[DeadLetter]:
        """The entries that `retry` would run now, the oldest first.

        Raises:
            DeadLetterError: The file is something else.
            OSError: It cannot be read."""
        ...

    def given_up(self) -> list[DeadLetter]:
        """The entries that `retry` will never run: no retries left, or not picklable.

        Raises:
            DeadLetterError: The file is something else.
            OSError: It cannot be read."""
        ...

    def retry(
        self,
        func: Callable[..., object] | None = None,
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
        """Run the entries that are due; those that succeed leave the file at once.

        An entry is due if it has been retried less than `max_retries` times, and has
        last failed at least `retry_delay` seconds ago. A retry counts as soon as it is
        handed to a worker, so it counts even if this process is killed meanwhile
        (unless it is ``inline``). With ``retries=``, all attempts of a call count as
        one.

        It does not wait for entries to become due: call it now and then. To run entries
        in spite of the policy, give the queue to :func:`replay`.

        Args:
            func: What to call for entries that were added without a function; without
                it, these are left out, with a warning. The others call their own
                function.
            keys: Only entries with these keys; None takes all. Entries that are not due
                are left out.
            max_workers: As for :func:`execute_tasks_in_parallel`.
            use_processes: As for :func:`execute_tasks_in_parallel`.
            **options: As for :func:`execute_tasks_in_parallel`, see `Options`, except
                for ``dead_letters``.

        Returns:
            An outcome for each task that was run, in the order of the file; empty if
            nothing is due. An entry that cannot be unpickled here is not run and stays
            in the file; a warning says so.

        Raises:
            KeyError: There is no entry with one of the *keys*.
            JournalInUseError: Somebody else is retrying entries; only one may do so at
                a time, so that nothing runs twice.
            DeadLetterError: The file cannot be read or written.
            ValueError: *options* have ``dead_letters``.
            TypeError: *func* cannot be called.

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

    @property
    def keeps_tracebacks(self) -> bool: ...

class PoolManager:
    """One set of worker processes that all calls, threads and requests share.

    A call that gives a number of workers has those for itself, so a service that
    answers 50 requests at once would start 50 times as many. Calls on a manager share
    *max_workers* processes. Their portions stand in one queue, so small requests need
    not wait until a large one ends.

    The processes start when the first call needs them, or with :meth:`warm_up`. They
    end after *idle_seconds* without a call; the next call starts new ones. They always
    end with this process. You may use a manager from all threads and event loops. In a
    forked child it starts afresh: the child gets workers of its own.

    Workers keep the directory, the environment and the import path that this process
    had when they started.

    Args:
        max_workers: The most processes, at least 1. None takes the value of the
            environment variable ``COTALITY_MAX_WORKERS``, or else the number of CPUs
            that this process may use, and 1 inside a worker.
        workers: Another word for *max_workers*.
        idle_seconds: How long the workers stay without a call, more than 0; None keeps
            them until the end.
        niceness: How far workers give way to others that want a CPU, such as the
            threads that answer requests: from 0, not at all, to 19. It is useful if
            there are more workers than CPUs. Workers then give way to other programs,
            too. No effect on Windows.
        initializer: Each worker calls it, with *initargs*, before its first task: to
            load a model, or to import a large module. If it raises, the calls of that
            time fail with `WorkerStartError`, and the next call tries again.
        initargs: The arguments of *initializer*.

    Raises:
        ValueError: An argument is out of range, or ``COTALITY_MAX_WORKERS`` is not a
            number of workers.
        TypeError: An argument has the wrong type.
        TaskNotPicklableError: *initializer* cannot be sent to a process.

    A call costs about 40 microseconds more than one on warm workers of its own
    (measured on 2 cores, Python 3.11)."""

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        workers: int | None = None,
        idle_seconds: float | None = IDLE_SECONDS,
        niceness: int = 0,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        """Initialize self.  See help(type(self)) for accurate signature."""
        ...

    @property
    def max_workers(self) -> int: ...
    @overload
    def execute(
        self,
        func: Callable[[_T], _R],
        data: Iterable[_T],
        *,
        workers: int | None = None,
        n_jobs: int | None = None,
        chunksize: int | None = None,
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
        memory_limit: str | float | None = None,
        memory_limit_mb: float | None = None,
        rate: float | Rate | None = None,
        circuit_breaker: Brake | None = None,
        context: Sequence[Variable] | None = None,
        initializer: Function | None = None,
        initargs: tuple[object, ...] = (),
        inline: bool = False,
    ) -> list[_R]:
        """``[func(item) for item in data]``, on the workers of this manager.

        Args:
            func: What to call, once with each item.
            data: The items; read in the calling thread, as workers become free.
            n_jobs: The most workers that work for this call; None takes all of them.
            chunksize: As for `execute`, as are *unpack* and *on_error*.
            **options: Likewise, such as *timeout* and *retries*.

        Raises:
            RuntimeError: The manager has been shut down.
            ValueError: An option is out of range, or wants workers of its own.
            TypeError: An argument is not what it must be.
            Exception: As for `execute`.

        Options:
            workers: How many tasks run at a time; -1 means all CPUs.
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
            memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
            memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
            rate: How many tasks may start in a second.
            circuit_breaker: Fail tasks at once while the service they need is down.
            context: Context variables whose values tasks on processes see.
            initializer: Each worker calls it, with *initargs*, before its first task.
            initargs: The arguments of *initializer*, in a tuple.
            inline: Run everything in the calling thread, for a debugger."""
        ...

    @overload
    def execute(
        self,
        func: Callable[..., _R],
        data: Iterable[Any],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: Literal[True],
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[WorkerOptions],
    ) -> list[_R]: ...
    @overload
    def execute(
        self,
        func: Callable[..., _R],
        data: Iterable[Any],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: bool = False,
        on_error: Literal["return"],
        **options: Unpack[WorkerOptions],
    ) -> list[_R | Exception]: ...
    @overload
    def execute_async(
        self,
        func: Callable[[_T], _R],
        data: Iterable[_T],
        *,
        workers: int | None = None,
        n_jobs: int | None = None,
        chunksize: int | None = None,
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
        memory_limit: str | float | None = None,
        memory_limit_mb: float | None = None,
        rate: float | Rate | None = None,
        circuit_breaker: Brake | None = None,
        context: Sequence[Variable] | None = None,
        initializer: Function | None = None,
        initargs: tuple[object, ...] = (),
        inline: bool = False,
    ) -> Awaits[list[_R]]:
        """As :meth:`execute`, to be awaited; the event loop goes on meanwhile.

        Wrong arguments are errors of the call itself, not of the ``await``. *data* is
        read, and arguments and results are pickled, in the thread of the loop.

        Raises:
            CancelledError: The awaiting task was cancelled. What has not started is
                dropped, and workers that run something of this call are killed.
            Exception: As for :meth:`execute`.

        Options:
            workers: How many tasks run at a time; -1 means all CPUs.
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
            memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
            memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
            rate: How many tasks may start in a second.
            circuit_breaker: Fail tasks at once while the service they need is down.
            context: Context variables whose values tasks on processes see.
            initializer: Each worker calls it, with *initargs*, before its first task.
            initargs: The arguments of *initializer*, in a tuple.
            inline: Run everything in the calling thread, for a debugger."""
        ...

    @overload
    def execute_async(
        self,
        func: Callable[..., _R],
        data: Iterable[Any],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: Literal[True],
        on_error: Literal["raise", "group"] | None = None,
        **options: Unpack[WorkerOptions],
    ) -> Awaits[list[_R]]: ...
    @overload
    def execute_async(
        self,
        func: Callable[..., _R],
        data: Iterable[Any],
        *,
        n_jobs: int | None = None,
        chunksize: int | None = None,
        unpack: bool = False,
        on_error: Literal["return"],
        **options: Unpack[WorkerOptions],
    ) -> Awaits[list[_R | Exception]]: ...
    def workers(self) -> Around[None]:
        """Run calls inside the ``with`` on the workers of this manager.

        This affects every call with ``use_processes=True`` in this thread or coroutine,
        and calls with ``"auto"`` that decide for processes. No such call uses more than
        *max_workers* of them. The ``with`` alone starts nothing and holds nothing, so
        it may last as long as the program.

        Raises:
            RuntimeError: The manager has been shut down."""
        ...

    def warm_up(self) -> None:
        """Start all workers now, and wait until they are ready.

        So the first request need not wait for them. It takes 0.1 s for the first worker
        and 10 ms for each further one, plus the time of *initializer*; nothing if they
        are running. In an event loop: ``await asyncio.to_thread(manager.warm_up)``. It
        does nothing in a worker that imports the module which makes this call.

        Raises:
            RuntimeError: The manager has been shut down.
            WorkerStartError: No worker can be started. If the system refuses only some
                of them, a warning is logged."""
        ...

    def status(self) -> PoolStatus:
        """What the workers are doing now; does not wait for them."""
        ...

    def shutdown(self, *, grace: float | None = DEFAULT_GRACE) -> None:
        """Accept no more calls, end the workers, and wait for them.

        You may call it again, and from any thread.

        Args:
            grace: Seconds that running calls get to finish. Then their workers are
                killed and the calls fail. None waits as long as it takes. A call of
                this thread, or of an event loop that runs in it, cannot finish
                meanwhile."""
        ...

@overload
def execute(
    func: Callable[[_T], _R],
    data: Iterable[_T],
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[False] = False,
    verbose: Literal[False] = False,
    return_exceptions: Literal[False] = False,
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
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    inline: bool = False,
    use_processes: UseProcesses | None = None,
) -> list[_R]:
    """Call *func* with each item of *data* and return the results, in order.

    ``execute(func, data)`` is ``[func(item) for item in data]``, as fast as the machine
    allows: it measures the items while they run, and decides where to run the others.
    No item runs twice. *data* may be any iterable.

    Args:
        func: What to call: any function, also a lambda or a closure.
        data: The items.
        plan: How to run, as :func:`optimize` has found out. The items that `optimize`
            has run do not run again.
        n_jobs: How many items run at a time; 1 is a plain loop, -1 means all CPUs. None
            leaves it to the machine. (Environment: ``COTALITY_N_JOBS``.)
        chunksize: The most items that travel together; None adjusts this to how long
            they take. (``COTALITY_CHUNKSIZE``.)
        max_workers: A limit on what the machine or the plan may choose.
            (``COTALITY_MAX_WORKERS``.)
        executor: ``"sequential"``, ``"threads"``, ``"processes"``, or an executor of
            `concurrent.futures`; ``"auto"``, the default without a plan, decides while
            the items run. (``COTALITY_EXECUTOR``.)
        unpack: Call ``func(*item)``, or ``func(**item)`` if the item is a mapping.
        verbose: Write a line to standard error before the run and one after it, and
            return an `ExecutionResult`: a list of the results that also has the plan
            and a report.
        return_exceptions: Put the failure of an item in the place of its result.
        on_error: As for :func:`execute_tasks_in_parallel`.
        **options: As for :func:`execute_tasks_in_parallel`; see `Options`. Among them
            are rates, retries, a circuit breaker, dead letters and a memory limit. In a
            container with limited memory, that limit is the default.

    Raises:
        TypeError: An argument has the wrong type, or an option does not exist.
        ValueError: An argument or an environment variable is out of range.
        Exception: What the first item that was seen to fail raised, with a note that
            names the item, and whatever else :func:`execute_tasks_in_parallel` raises.

    An argument wins over the environment, the environment over the plan, and the plan
    over measurements. A tiny item costs about a microsecond, a call less than half a
    millisecond.

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
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        inline: Run everything in the calling thread, for a debugger.
        use_processes: Another word for *processes*."""
    ...

@overload
def execute(
    func: Callable[[_T], _R],
    data: Iterable[_T],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[False] = False,
    verbose: Literal[False] = False,
    return_exceptions: Literal[True],
    on_error: Literal["return"] | None = None,
    **options: Unpack[RunOptions],
) -> list[_R | Exception]: ...
@overload
def execute(
    func: Callable[[_T], _R],
    data: Iterable[_T],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[False] = False,
    verbose: Literal[False] = False,
    return_exceptions: bool = False,
    on_error: Literal["return"],
    **options: Unpack[RunOptions],
) -> list[_R | Exception]: ...
@overload
def execute(
    func: Callable[[_T], _R],
    data: Iterable[_T],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[False] = False,
    verbose: Literal[True],
    return_exceptions: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[RunOptions],
) -> ExecutionResult[_R]: ...
@overload
def execute(
    func: Callable[[_T], _R],
    data: Iterable[_T],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[False] = False,
    verbose: Literal[True],
    return_exceptions: Literal[True],
    on_error: Literal["return"] | None = None,
    **options: Unpack[RunOptions],
) -> ExecutionResult[_R | Exception]: ...
@overload
def execute(
    func: Callable[[_T], _R],
    data: Iterable[_T],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[False] = False,
    verbose: Literal[True],
    return_exceptions: bool = False,
    on_error: Literal["return"],
    **options: Unpack[RunOptions],
) -> ExecutionResult[_R | Exception]: ...
@overload
def execute(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[True],
    verbose: Literal[False] = False,
    return_exceptions: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[RunOptions],
) -> list[_R]: ...
@overload
def execute(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[True],
    verbose: Literal[False] = False,
    return_exceptions: Literal[True],
    on_error: Literal["return"] | None = None,
    **options: Unpack[RunOptions],
) -> list[_R | Exception]: ...
@overload
def execute(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[True],
    verbose: Literal[False] = False,
    return_exceptions: bool = False,
    on_error: Literal["return"],
    **options: Unpack[RunOptions],
) -> list[_R | Exception]: ...
@overload
def execute(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[True],
    verbose: Literal[True],
    return_exceptions: Literal[False] = False,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[RunOptions],
) -> ExecutionResult[_R]: ...
@overload
def execute(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[True],
    verbose: Literal[True],
    return_exceptions: Literal[True],
    on_error: Literal["return"] | None = None,
    **options: Unpack[RunOptions],
) -> ExecutionResult[_R | Exception]: ...
@overload
def execute(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[True],
    verbose: Literal[True],
    return_exceptions: bool = False,
    on_error: Literal["return"],
    **options: Unpack[RunOptions],
) -> ExecutionResult[_R | Exception]: ...
@overload
def execute(
    func: Callable[[_T], _R],
    data: Iterable[_T],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: Literal[False] = False,
    verbose: bool,
    return_exceptions: bool = False,
    on_error: OnError | None = None,
    **options: Unpack[RunOptions],
) -> list[_R] | list[_R | Exception]: ...
@overload
def execute(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool,
    verbose: bool = False,
    return_exceptions: bool = False,
    on_error: OnError | None = None,
    **options: Unpack[RunOptions],
) -> list[_R] | list[_R | Exception]: ...
@overload
def execute_async(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: Literal[False] = False,
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
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    inline: bool = False,
    use_processes: UseProcesses | None = None,
) -> Awaits[list[_R]]:
    """Call *func* with each item of *data*, while the event loop goes on.

    As :func:`execute`; *func* is a plain function. It never runs in the event loop:
    where `execute` would use a plain loop, it runs in a thread. When the awaiting task
    is cancelled, items that have not started are dropped, and worker processes that are
    running items are killed.

    Raises:
        CancelledError: The awaiting task was cancelled.
        Exception: As from :func:`execute`.

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
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        inline: Run everything in the calling thread, for a debugger.
        use_processes: Another word for *processes*."""
    ...

@overload
def execute_async(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: Literal[False] = False,
    on_error: Literal["return"],
    **options: Unpack[RunOptions],
) -> Awaits[list[_R | Exception]]: ...
@overload
def execute_async(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: Literal[True],
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[RunOptions],
) -> Awaits[ExecutionResult[_R]]: ...
@overload
def execute_async(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: Literal[True],
    on_error: Literal["return"],
    **options: Unpack[RunOptions],
) -> Awaits[ExecutionResult[_R | Exception]]: ...
@overload
def execute_async(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: bool,
    on_error: OnError | None = None,
    **options: Unpack[RunOptions],
) -> Awaits[list[_R]] | Awaits[list[_R | Exception]]: ...
def get_global_pool_manager() -> PoolManager:
    """The pool manager of this process; the first call makes it.

    It has the default number of workers: the value of ``COTALITY_MAX_WORKERS``, or else
    one for each CPU that this process may use. Once it exists, `execute` and its
    siblings use its workers as well. If a server has several processes, each has a
    manager, so divide the CPUs among them with that variable. Use `managed_pool` for
    other settings.

    Raises:
        ValueError: ``COTALITY_MAX_WORKERS`` is not a number of workers."""
    ...

def managed_pool(
    max_workers: int | None = None,
    *,
    workers: int | None = None,
    idle_seconds: float | None = IDLE_SECONDS,
    niceness: int = 0,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    grace: float | None = DEFAULT_GRACE,
) -> Around[PoolManager]:
    """A `PoolManager` for a ``with`` block, which is shut down at the end of the block.

    Calls with ``use_processes=True`` inside the block, in this thread or coroutine, run
    on its workers. Other threads and coroutines call the methods of the manager.

    Args:
        max_workers: As for `PoolManager`, as are *workers*, *idle_seconds*,
            *niceness*, *initializer* and *initargs*.
        grace: As for :meth:`PoolManager.shutdown`. After Ctrl-C there is no grace."""
    ...

def optimize(
    func: Callable[..., Any],
    data: Iterable[Any],
    *,
    max_workers: int | None = None,
    unpack: bool = False,
    fresh: bool = False,
    verbose: bool = False,
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
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    inline: bool = False,
) -> Plan:
    """Run the first items of *data* and say how to run all of them.

    It runs items until the answer is clear, which takes 2 to 50 ms, or one item if that
    takes longer. It keeps their results: ``execute(func, data, plan=plan)`` with the
    same *data* does not run them again, and an iterator continues where `optimize`
    stopped. It also keeps their failures, and `execute` raises them without another
    attempt. So if failed items should run again, give *retries* here.

    `optimize` does not measure similar work twice: the same *func*, with a first item
    of the same type and about the same size, or magnitude if it is a number. Then it
    runs nothing. It does not remember what it measured while other programs kept CPUs
    busy, and the plan says so.

    Args:
        func: What to call.
        data: The items.
        max_workers: A limit on what may be chosen.
        unpack: As for :func:`execute`.
        fresh: Measure in any case.
        verbose: Write two lines to standard error: what is measured, and then the plan.
        **options: What the items need in order to run, such as *retries* or an
            *initializer*, as for :func:`execute`.

    Raises:
        TypeError: An argument has the wrong type, or an option does not exist.
        ValueError: An argument is out of range.

    Options:
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
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        inline: Run everything in the calling thread, for a debugger."""
    ...

@overload
def optimize_streaming(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: bool = False,
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
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    inline: bool = False,
    use_processes: UseProcesses | None = None,
) -> Generator[_R, None, None]:
    """Call *func* with each item of *data* and yield the results while others run.

    As :func:`execute`, for more items and results than fit into memory, also for
    endless data. The thread that takes the results reads *data* as there is room, so a
    slow consumer slows the workers down. Nothing starts before the first ``next()``. If
    you leave the loop early, items that have not started are dropped, see
    :func:`execute_tasks_in_parallel_streaming`.

    Args:
        func: As for :func:`execute`, like all parameters that are not listed here.
        verbose: Write a line to standard error before the first result and one after
            the last.
        ordered: Yield in the order of *data*; otherwise as each item finishes.

    Raises:
        TypeError: As from :func:`execute`, by the call itself.
        ValueError: As from :func:`execute`, by the call itself.
        Exception: What the first item that was seen to fail raised, after the finished
            results.

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
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        inline: Run everything in the calling thread, for a debugger.
        use_processes: Another word for *processes*."""
    ...

@overload
def optimize_streaming(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: bool = False,
    ordered: bool = True,
    on_error: Literal["return"],
    **options: Unpack[RunOptions],
) -> Generator[_R | Exception, None, None]: ...
@overload
def process_in_batches(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    workers: int | None = None,
    processes: UseProcesses | None = None,
    batch_size: int | None = None,
    max_memory_mb: float | None = None,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: bool = False,
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
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    inline: bool = False,
    use_processes: UseProcesses | None = None,
) -> Generator[list[_R], None, None]:
    """Call *func* with each item of *data* and yield the results in lists.

    As :func:`optimize_streaming`, if you handle many results at once.

    Args:
        func: As for :func:`execute`, like all parameters that are not listed here.
        batch_size: How many results a batch has; the last one may have fewer.
        max_memory_mb: How many megabytes (of 1,000,000 bytes) results may take in this
            process: see :func:`cotality.core.utils.process.process_in_batches`. With
            *batch_size* as well, whichever comes first ends a batch.
        verbose: As for :func:`optimize_streaming`.
        ordered: Put results into batches in the order of *data*; otherwise as each item
            finishes.

    Raises:
        ValueError: Neither *batch_size* nor *max_memory_mb* is given, or one is out of
            range. Raised by the call itself.
        TypeError: As from :func:`execute`, by the call itself.
        Exception: As from :func:`optimize_streaming`, after a last batch of the
            finished results.

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
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        inline: Run everything in the calling thread, for a debugger.
        use_processes: Another word for *processes*."""
    ...

@overload
def process_in_batches(
    func: Callable[..., _R],
    data: Iterable[Any],
    *,
    batch_size: int | None = None,
    max_memory_mb: float | None = None,
    plan: Plan | None = None,
    n_jobs: int | None = None,
    chunksize: int | None = None,
    max_workers: int | None = None,
    executor: ExecutorChoice | None = None,
    unpack: bool = False,
    verbose: bool = False,
    ordered: bool = True,
    on_error: Literal["return"],
    **options: Unpack[RunOptions],
) -> Generator[list[_R | Exception], None, None]: ...
def validate_optimization(
    func: Callable[..., Any],
    data: Iterable[Any],
    *,
    max_workers: int | None = None,
    unpack: bool = False,
    verbose: bool = False,
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
    memory_limit: str | float | None = None,
    memory_limit_mb: float | None = None,
    rate: float | Rate | None = None,
    circuit_breaker: Brake | None = None,
    context: Sequence[Variable] | None = None,
    initializer: Function | None = None,
    initargs: tuple[object, ...] = (),
    inline: bool = False,
) -> Validation:
    """Run all items in a plain loop and as planned, and compare.

    Each item runs twice, and the first ones three times, because the plan is made from
    them. So give it only a part of your data, such as ``data[:100]``.

    Args:
        func: As for :func:`execute`, like the others.
        verbose: Write two lines to standard error: what is run, and how it turned out.

    Raises:
        ValueError: An option records a run, such as *report*.
        Exception: As from :func:`execute`, with the first item that fails.

    Options:
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
        memory_limit: Memory that tasks in progress may take, such as ``"2GB"``.
        memory_limit_mb: The same in megabytes (of 1,000,000 bytes).
        rate: How many tasks may start in a second.
        circuit_breaker: Fail tasks at once while the service they need is down.
        context: Context variables whose values tasks on processes see.
        initializer: Each worker calls it, with *initargs*, before its first task.
        initargs: The arguments of *initializer*, in a tuple.
        inline: Run everything in the calling thread, for a debugger."""
    ...

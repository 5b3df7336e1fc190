"""The public functions that run tasks. They differ only in how the answers come back.

Every program loads this module, often long before it has tasks to run. So each function
imports what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TypeVar, Unpack

from cotality._kit.public import public
from cotality.core.utils._process.tasks.checks import OnError, checked_flag
from cotality.core.utils._process.tasks.task import Task

from .options.declared import (
    MapOptions,
    Options,
    UseProcesses,
    takes_map_options,
    takes_options,
)

R = TypeVar("R")


@public
@takes_options
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> list[R] | list[R | Exception]:
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
    """
    from .call import Call

    call = Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        return_exceptions=return_exceptions,
        on_error=on_error,
    )
    return call.results()


@public
@takes_options
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> list[R] | list[R | Exception]:
    """Run *tasks* at the same time and return their results as they finish.

    The same as :func:`execute_tasks_in_parallel` except for the order: the first result
    to arrive comes first. Very short tasks travel in portions, and the results of one
    portion stay together.
    """
    from .call import Call

    call = Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        return_exceptions=return_exceptions,
        on_error=on_error,
    )
    return call.results(ordered=False)


@public
@takes_options
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    ordered: bool = True,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> (
    Generator[tuple[int, R], None, None]
    | Generator[tuple[int, R | Exception], None, None]
):
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
    """
    from cotality.core.utils._process.engine.delivery import stream

    from .call import Call
    from .face import STREAMS

    call = Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        return_exceptions=return_exceptions,
        on_error=on_error,
        bounded=True,
        face=STREAMS,
    )
    return stream(call.blocking(), checked_flag("ordered", ordered))


@public
@takes_map_options
def run_tasks(
    tasks: Iterable[Task[R]],
    *,
    on_error: OnError | None = None,
    **options: Unpack[MapOptions],
) -> list[R] | list[R | Exception]:
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
    """
    from .face import RUNS
    from .mapping import prepared

    return prepared(tasks, on_error, options, face=RUNS).call.results()

"""The three ways to run tasks. They differ only in how the answers come back."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, Literal, TypeVar, overload

from typing_extensions import Unpack

from .advice import default_workers
from .backends import Backend, ProcessBackend, ThreadBackend
from .checks import checked_max_workers, checked_tasks
from .engine import Run, in_order
from .options import Checked, Options, checked_options
from .public import public
from .task import Task

R = TypeVar("R")


@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    return_exceptions: Literal[False] = False,
    **options: Unpack[Options],
) -> list[R]: ...
@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    *,
    return_exceptions: Literal[True],
    **options: Unpack[Options],
) -> list[R | Exception]: ...
@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None,
    use_processes: bool,
    return_exceptions: Literal[True],
    **options: Unpack[Options],
) -> list[R | Exception]: ...
@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    return_exceptions: bool = False,
    **options: Unpack[Options],
) -> list[R] | list[R | Exception]: ...
@public
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    return_exceptions: bool = False,
    **options: Unpack[Options],
) -> list[R] | list[R | Exception]:
    """Run *tasks* at the same time and return their results in the order of *tasks*.

    Equivalent to ``[task.callback_function(**task.arguments) for task in tasks]``,
    except that up to *max_workers* of them run at a time. *tasks* may be any iterable;
    it is read in the calling thread, as workers become free. No tasks give an empty
    list, and nothing is started.

    Args:
        tasks: What to run.
        max_workers: How many run at once, at least 1. None takes the number of CPUs
            this process may use plus 4 (at most 32) for threads, and the number of
            CPUs for processes; 1 for processes inside a worker process of ours.
        use_processes: Run in worker processes instead of threads: for work that
            keeps the interpreter busy. Functions, arguments and results then travel
            as pickles; lambdas, closures and functions of a script work, and the
            script needs no main guard.
        return_exceptions: Put each failure in the place of its result instead of
            raising the first one.
        **options: ``timeout``, ``grace`` and ``max_tasks_per_worker``, see `Options`.

    Raises:
        ValueError: An argument is out of range. This and `TypeError` are raised before
            anything runs.
        TypeError: An argument, or an element of *tasks*, is not what it must be.
        Exception: What the first task that was seen to fail raised, of the same class,
            with the worker's frames in its traceback and a note that names the task.
            Tasks that had not started are dropped. What runs is waited for on threads;
            on processes it has *grace* seconds before its worker is killed.
        TaskExitedError: A task raised `SystemExit` or another non-`Exception`.
        TaskNotPicklableError: A task or its result cannot travel between processes.
        RemoteTaskError: A task raised an exception that cannot.
        WorkerCrashedError: The process that ran a task came to an end.
        TaskTimeoutError: A task ran longer than *timeout*.
        WorkerStartError: Worker processes cannot be started; no task is to blame.
        KeyboardInterrupt: Ctrl-C. Worker processes are killed at once; tasks on
            threads are waited for, since nothing can stop a thread.

    A task that does nothing costs about 0.4 microseconds on threads and 3 on
    processes; a call on warm processes about 0.4 ms, the first one 0.1 to 0.2 s for
    starting them (measured on 2 cores, Python 3.11; see *Speed* in the documentation).
    """
    run = start(
        tasks, max_workers, use_processes, return_exceptions, options, bounded=False
    )
    portions = sorted(run.settled(), key=lambda portion: portion.start)
    run.conclude()
    return [value for portion in portions for value in portion.outcomes()]


@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    return_exceptions: Literal[False] = False,
    **options: Unpack[Options],
) -> list[R]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    *,
    return_exceptions: Literal[True],
    **options: Unpack[Options],
) -> list[R | Exception]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None,
    use_processes: bool,
    return_exceptions: Literal[True],
    **options: Unpack[Options],
) -> list[R | Exception]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    return_exceptions: bool = False,
    **options: Unpack[Options],
) -> list[R] | list[R | Exception]: ...
@public
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    return_exceptions: bool = False,
    **options: Unpack[Options],
) -> list[R] | list[R | Exception]:
    """Run *tasks* at the same time and return their results as they finished.

    As :func:`execute_tasks_in_parallel` in everything but the order: the result that
    was there first comes first. Very short tasks travel in portions, and the results
    of one portion stay together.
    """
    run = start(
        tasks, max_workers, use_processes, return_exceptions, options, bounded=False
    )
    values = [value for portion in run.settled() for value in portion.outcomes()]
    run.conclude()
    return values


@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    return_exceptions: Literal[False] = False,
    ordered: bool = True,
    **options: Unpack[Options],
) -> Generator[tuple[int, R], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    *,
    return_exceptions: Literal[True],
    ordered: bool = True,
    **options: Unpack[Options],
) -> Generator[tuple[int, R | Exception], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None,
    use_processes: bool,
    return_exceptions: Literal[True],
    ordered: bool = True,
    **options: Unpack[Options],
) -> Generator[tuple[int, R | Exception], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    return_exceptions: bool = False,
    ordered: bool = True,
    **options: Unpack[Options],
) -> Generator[tuple[int, R | Exception], None, None]: ...
@public
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: bool = False,
    return_exceptions: bool = False,
    ordered: bool = True,
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
        Exception: As for :func:`execute_tasks_in_parallel`. Results that are there
            are yielded before it, in order those up to the first that is missing. A
            `StopIteration` raised by a task arrives as the cause of a `RuntimeError`,
            as from any generator.
    """
    run = start(
        tasks, max_workers, use_processes, return_exceptions, options, bounded=True
    )
    return stream(run, ordered)


def start(
    tasks: object,
    max_workers: int | None,
    use_processes: bool,
    return_exceptions: bool,
    options: Options,
    *,
    bounded: bool,
) -> Run:
    """A call that is checked and has not begun."""
    checked = checked_options({**options}, use_processes=use_processes)
    workers = max_workers if max_workers is None else checked_max_workers(max_workers)
    until_failure = not return_exceptions

    def open_backend() -> Backend:
        return backend(workers, use_processes, until_failure, checked)

    return Run(
        checked_tasks(tasks),
        open_backend,
        bounded=bounded,
        until_failure=until_failure,
        largest_portion=checked.max_tasks_per_worker,
    )


def backend(
    workers: int | None, use_processes: bool, until_failure: bool, options: Checked
) -> Backend:
    """Where the portions of a call run."""
    from . import worker

    if workers is None:
        workers = default_workers(use_processes, worker.inside_worker)
    if not use_processes:
        return ThreadBackend(workers, until_failure=until_failure)
    return ProcessBackend(
        workers,
        until_failure=until_failure,
        timeout=options.timeout,
        grace=options.grace,
        max_tasks=options.max_tasks_per_worker,
    )


def stream(
    run: Run, ordered: bool
) -> Generator[tuple[int, Any], None, None]:  # Any: what the tasks return
    portions = run.settled()
    try:
        for portion in in_order(portions, run.until_failure) if ordered else portions:
            count = len(portion.values)
            if not run.until_failure:
                portion.put_errors_in_place()
            yield from portion.take()
            run.schedule.taken(count)
            del portion
    finally:
        portions.close()
    run.conclude()

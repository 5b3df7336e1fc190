"""The ways to run tasks. They differ only in how the answers come back.

Every program loads this, many of them long before they have tasks to run. So what runs
them is imported by the call.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Literal, TypeVar, Unpack, overload

from cotality._kit.public import public
from cotality.core.utils._process.tasks.checks import OnError, checked_flag
from cotality.core.utils._process.tasks.task import Task

from .options import Options, UseProcesses

R = TypeVar("R")


@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: Literal[False] = False,
    *,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[Options],
) -> list[R]: ...
@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    return_exceptions: Literal[True],
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> list[R | Exception]: ...
@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None,
    use_processes: UseProcesses,
    return_exceptions: Literal[True],
    *,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> list[R | Exception]: ...
@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: Literal["return"],
    **options: Unpack[Options],
) -> list[R | Exception]: ...
@overload
def execute_tasks_in_parallel(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> list[R] | list[R | Exception]: ...
@public
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
    it is read in the calling thread, as workers become free. No tasks give an empty
    list, and nothing is started.

    Args:
        tasks: What to run.
        max_workers: How many run at once, at least 1. None takes what the environment
            variable ``COTALITY_MAX_WORKERS`` says, or else the CPUs this process may
            use (see `available_cpus`), for threads plus 4 and at most 32; for
            processes inside a worker process of ours always 1. All calls that run at
            the same time and give None share these processes, and have 64 threads
            together, besides one for each call.
        use_processes: Run in worker processes instead of threads: for work that
            keeps the interpreter busy. Functions, arguments and results then travel
            as pickles; lambdas, closures and functions of a script work, and the
            script needs no main guard. ``"auto"`` begins with one thread, and goes to
            more of them or to processes where the rest is done sooner. *max_workers*
            is then the most there may be: None stands for one process for each CPU,
            and 64 threads, of which there are only as many as pay. The option
            *executor* says the same in words: ``"threads"``, ``"processes"``,
            ``"auto"``.
        return_exceptions: The same as ``on_error="return"``.
        on_error: What a task that fails means. ``"raise"``, the default: the first
            failure ends the call. ``"return"``: each failure stands in the place of
            its result. ``"group"``: everything runs, and then all failures are raised
            together, as an `ExceptionGroup`.
        **options: Retries, limits, progress and more, see `Options`.

    Raises:
        ValueError: An argument is out of range, or ``COTALITY_MAX_WORKERS`` is not a
            number of workers. This and `TypeError` are raised before anything runs.
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
        WorkerStartError: Workers cannot be started; no task is to blame.
        ExceptionGroup: With ``on_error="group"``, or when *max_failures* tasks have
            failed: all failures, in the order of the tasks, each with its note.
        KeyboardInterrupt: Ctrl-C. Worker processes are killed at once; tasks on
            threads are waited for, since nothing can stop a thread.

    A task that does nothing costs about 0.3 microseconds on threads and 0.8 on
    processes, if its arguments and its result are numbers or short texts, else 3; a
    call on warm processes about 0.4 ms, the first one 0.1 to 0.2 s for
    starting them (measured on 2 cores, Python 3.11; see *Speed* in the documentation).
    """
    from cotality.core.utils._process.engine.delivery import in_list

    from .call import Call

    call = Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        return_exceptions=return_exceptions,
        on_error=on_error,
    )
    return in_list(call.blocking())


@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: Literal[False] = False,
    *,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[Options],
) -> list[R]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    return_exceptions: Literal[True],
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> list[R | Exception]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None,
    use_processes: UseProcesses,
    return_exceptions: Literal[True],
    *,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> list[R | Exception]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: Literal["return"],
    **options: Unpack[Options],
) -> list[R | Exception]: ...
@overload
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> list[R] | list[R | Exception]: ...
@public
def execute_tasks_in_parallel_unordered(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> list[R] | list[R | Exception]:
    """Run *tasks* at the same time and return their results as they finished.

    As :func:`execute_tasks_in_parallel` in everything but the order: the result that
    was there first comes first. Very short tasks travel in portions, and the results
    of one portion stay together.
    """
    from cotality.core.utils._process.engine.delivery import in_list_as_finished

    from .call import Call

    call = Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        return_exceptions=return_exceptions,
        on_error=on_error,
    )
    return in_list_as_finished(call.blocking())


@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: Literal[False] = False,
    ordered: bool = True,
    *,
    on_error: Literal["raise", "group"] | None = None,
    **options: Unpack[Options],
) -> Generator[tuple[int, R], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    return_exceptions: Literal[True],
    ordered: bool = True,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> Generator[tuple[int, R | Exception], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None,
    use_processes: UseProcesses,
    return_exceptions: Literal[True],
    ordered: bool = True,
    *,
    on_error: Literal["return"] | None = None,
    **options: Unpack[Options],
) -> Generator[tuple[int, R | Exception], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    ordered: bool = True,
    *,
    on_error: Literal["return"],
    **options: Unpack[Options],
) -> Generator[tuple[int, R | Exception], None, None]: ...
@overload
def execute_tasks_in_parallel_streaming(
    tasks: Iterable[Task[R]],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    ordered: bool = True,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> Generator[tuple[int, R | Exception], None, None]: ...
@public
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
        Exception: As for :func:`execute_tasks_in_parallel`. Results that are there
            are yielded before it, in order those up to the first that is missing. A
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

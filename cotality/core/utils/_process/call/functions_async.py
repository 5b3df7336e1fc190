"""The same functions for code that runs in an event loop.

One engine serves both. Here no thread waits: the coroutine is woken when a portion is
back. The thread of the loop reads the input, pickles and unpickles.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Iterable
from typing import Any, TypeAlias, TypeVar, Unpack

from cotality._kit.public import public
from cotality.core.utils._process.engine.delivery import with_failures
from cotality.core.utils._process.engine.run import in_turn
from cotality.core.utils._process.tasks.checks import OnError, checked_flag
from cotality.core.utils._process.tasks.outcome import Outcome, Settled
from cotality.core.utils._process.tasks.task import Task

from .call import Call
from .face import OUTCOMES, STREAMS
from .options.declared import Options, UseProcesses, takes_options

R = TypeVar("R")
T = TypeVar("T")

Tasks: TypeAlias = Iterable[Task[R]] | AsyncIterable[Task[R]]
Awaits: TypeAlias = Coroutine[Any, Any, T]  # Any: what coroutines exchange with a loop


@public
@takes_options
def execute_tasks_in_parallel_async(
    tasks: Tasks[R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> Awaits[list[R] | list[R | Exception]]:
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
    """
    call = Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        return_exceptions=return_exceptions,
        on_error=on_error,
        may_be_async=True,
    )
    return in_order_of_tasks(call)


@public
@takes_options
def execute_tasks_in_parallel_unordered_async(
    tasks: Tasks[R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> Awaits[list[R] | list[R | Exception]]:
    """Run *tasks* at the same time; await it to get their results as they finish.

    The same as :func:`execute_tasks_in_parallel_async` except for the order.
    """
    call = Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        return_exceptions=return_exceptions,
        on_error=on_error,
        may_be_async=True,
    )
    return in_order_of_arrival(call)


@public
@takes_options
def execute_tasks_in_parallel_streaming_async(
    tasks: Tasks[R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    return_exceptions: bool = False,
    ordered: bool = True,
    *,
    on_error: OnError | None = None,
    **options: Unpack[Options],
) -> (
    AsyncGenerator[tuple[int, R], None]
    | AsyncGenerator[tuple[int, R | Exception], None]
):
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
    """
    call = Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        return_exceptions=return_exceptions,
        on_error=on_error,
        bounded=True,
        may_be_async=True,
        face=STREAMS,
    )
    return stream(call, checked_flag("ordered", ordered))


@public
@takes_options
def iter_outcomes_async(
    tasks: Tasks[R],
    max_workers: int | None = None,
    use_processes: UseProcesses = False,
    *,
    ordered: bool = True,
    **options: Unpack[Options],
) -> AsyncGenerator[Outcome[R], None]:
    """Run *tasks* and yield an `Outcome` for each while the rest still run.

    As :func:`iter_outcomes`, for an ``async for``; see
    :func:`execute_tasks_in_parallel_streaming_async` for how to leave it early.
    """
    call = Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        on_error="return",
        bounded=True,
        detailed=True,
        may_be_async=True,
        face=OUTCOMES,
    )
    return outcomes(call, checked_flag("ordered", ordered))


# Any in what follows: what the tasks return.


async def in_order_of_tasks(call: Call) -> list[Any]:
    from cotality.core.utils._process.engine.event_loops.arrivals_async import Undropped

    run = call.in_event_loop()
    async with Undropped(run.settled()) as settled:
        portions = [portion async for portion in settled]
    run.conclude()
    portions.sort(key=lambda portion: portion.start)
    return [value for portion in portions for value in portion.results()]


async def in_order_of_arrival(call: Call) -> list[Any]:
    from cotality.core.utils._process.engine.event_loops.arrivals_async import Undropped

    run = call.in_event_loop()
    async with Undropped(run.settled()) as settled:
        values = [value async for portion in settled for value in portion.results()]
    run.conclude()
    return values


async def stream(call: Call, ordered: bool) -> AsyncGenerator[tuple[int, Any], None]:
    from cotality.core.utils._process.engine.event_loops.arrivals_async import Closing

    run = call.in_event_loop()
    take = with_failures(run, Settled.take)
    async with Closing(in_turn(run, ordered)) as portions:
        async for portion in portions:
            count = len(portion.values)
            for pair in take(portion):
                yield pair
                del pair
            run.schedule.taken(count)
            del portion
    run.conclude()


async def outcomes(call: Call, ordered: bool) -> AsyncGenerator[Outcome[Any], None]:
    from cotality.core.utils._process.engine.event_loops.arrivals_async import Closing

    run = call.in_event_loop()
    async with Closing(in_turn(run, ordered)) as portions:
        async for portion in portions:
            count = len(portion.values)
            for outcome in portion.take_outcomes():
                yield outcome
                del outcome
            run.schedule.taken(count)
            del portion
    run.conclude()

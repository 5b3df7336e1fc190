"""The asynchronous calls: the same answers, while the event loop goes on."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Any, TypeVar

import pytest

from cotality.core.utils.process import (
    Outcome,
    Progress,
    Retry,
    Task,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_streaming_async,
    execute_tasks_in_parallel_unordered_async,
    iter_outcomes_async,
)
from tests.kit.fatal import exit_with
from tests.kit.helpers import (
    Failure,
    Gate,
    Marks,
    echo,
    fail_with,
    mark_and_return,
    mark_and_wait,
    wait_then,
)
from tests.kit.limits import LONG_S, POLL_S

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    async def within_limit() -> T:
        async with asyncio.timeout(2 * LONG_S):
            return await main

    return asyncio.run(within_limit())


def echoes(count: int) -> list[Task[int]]:
    return [Task(echo, {"value": i}) for i in range(count)]


async def later(tasks: list[Task[T]], pause: float = 0.0) -> AsyncIterator[Task[T]]:
    for task in tasks:
        await asyncio.sleep(pause)
        yield task


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(POLL_S)


def test_results_come_in_order(use_processes: bool) -> None:
    """Awaited, the call is the list that the plain call gives."""
    assert run(execute_tasks_in_parallel_async(echoes(1000), 2, use_processes)) == list(
        range(1000)
    )


def test_results_come_as_they_finish(use_processes: bool, gate: Gate) -> None:
    """A quick task comes before a slow one."""

    async def main() -> list[Any]:
        slow: Task[Any] = Task(wait_then, {"gate": gate, "value": "slow"})
        quick: Task[Any] = Task(echo, {"value": "quick"})
        return await execute_tasks_in_parallel_unordered_async(
            [slow, quick], 2, use_processes, progress=open_at_first_result
        )

    def open_at_first_result(progress: Progress) -> None:
        if progress.done:
            gate.open()

    assert run(main()) == ["quick", "slow"]


def test_a_stream_yields_while_the_rest_still_runs(
    use_processes: bool, gate: Gate
) -> None:
    """The first result is there before the last task is allowed to end."""

    async def main() -> list[tuple[int, Any]]:
        tasks: list[Task[Any]] = [
            *echoes(3),
            Task(wait_then, {"gate": gate, "value": 3}),
        ]
        stream = execute_tasks_in_parallel_streaming_async(tasks, 2, use_processes)
        results: list[tuple[int, Any]] = []
        async for pair in stream:
            results.append(pair)
            if pair[0] == 2:
                gate.open()
        return results

    assert run(main()) == [(i, i) for i in range(4)]


def test_outcomes_come_one_by_one(use_processes: bool) -> None:
    """With failures in them instead of raised."""

    async def main() -> list[Outcome[Any]]:
        tasks: list[Task[Any]] = [
            Task(echo, {"value": 1}),
            Task(fail_with, {"error": Failure()}),
        ]
        return [each async for each in iter_outcomes_async(tasks, 1, use_processes)]

    good, bad = run(main())

    assert good.unwrap() == 1
    assert isinstance(bad.error, Failure)


def test_the_event_loop_goes_on(use_processes: bool, gate: Gate) -> None:
    """The call is over because another coroutine has gone on and opened the gate."""

    async def main() -> list[str]:
        async def open_soon() -> None:
            for _ in range(20):
                await asyncio.sleep(0.001)
            gate.open()

        other = asyncio.create_task(open_soon())
        results = await execute_tasks_in_parallel_async(
            [Task(wait_then, {"gate": gate, "value": "a"})], 1, use_processes
        )
        await other
        return results

    assert run(main()) == ["a"]


def test_many_calls_at_once_share_the_loop(use_processes: bool) -> None:
    """None of them takes a thread to wait in, beside the one that runs its tasks."""

    async def main() -> list[list[int]]:
        before = most = threading.active_count()
        calls = [
            asyncio.ensure_future(
                execute_tasks_in_parallel_async(echoes(20), 1, use_processes)
            )
            for _ in range(20)
        ]
        while not all(call.done() for call in calls):
            most = max(most, threading.active_count())
            await asyncio.sleep(0)
        assert most <= before + len(calls)
        return [await call for call in calls]

    assert run(main()) == [list(range(20))] * 20


def test_tasks_may_come_from_an_asynchronous_iterable(use_processes: bool) -> None:
    """They are read as there is room."""

    async def main() -> list[int]:
        return await execute_tasks_in_parallel_async(
            later(echoes(50)), 2, use_processes
        )

    assert run(main()) == list(range(50))


def test_results_are_delivered_while_the_input_keeps_everybody_waiting(
    use_processes: bool,
) -> None:
    """What is done does not wait for the next task to be read."""

    async def main() -> None:
        may_go_on = asyncio.Event()

        async def tasks() -> AsyncIterator[Task[int]]:
            yield Task(echo, {"value": 1})
            await may_go_on.wait()
            yield Task(echo, {"value": 2})

        stream = execute_tasks_in_parallel_streaming_async(tasks(), 2, use_processes)
        assert await anext(stream) == (0, 1)
        may_go_on.set()
        assert [pair async for pair in stream] == [(1, 2)]

    run(main())


def test_an_asynchronous_input_is_read_no_faster_than_results_are_taken() -> None:
    """An endless one is no trouble."""
    read = 0

    async def endless() -> AsyncIterator[Task[int]]:
        nonlocal read
        while True:
            read += 1
            yield Task(echo, {"value": read})

    async def main() -> None:
        stream = execute_tasks_in_parallel_streaming_async(endless(), 2)
        async with aclosing(stream) as results:
            for expected in range(3000):
                assert await anext(results) == (expected, expected + 1)
        assert read < 3000 + 2 * 5 * 512

    run(main())


def test_an_error_of_an_asynchronous_input_is_raised_last(use_processes: bool) -> None:
    """After the results of what was read before it."""

    async def tasks() -> AsyncIterator[Task[int]]:
        for task in echoes(3):
            yield task
        raise Failure("input")

    async def main() -> list[tuple[int, int]]:
        stream = execute_tasks_in_parallel_streaming_async(tasks(), 2, use_processes)
        results = [await anext(stream) for _ in range(3)]
        with pytest.raises(Failure, match="input"):
            await anext(stream)
        return results

    assert run(main()) == [(0, 0), (1, 1), (2, 2)]


def test_what_is_no_task_in_an_asynchronous_input_is_an_error(
    use_processes: bool,
) -> None:
    """It names the index and the way out."""

    async def tasks() -> AsyncIterator[Any]:
        yield Task(echo, {"value": 1})
        yield "task"

    with pytest.raises(TypeError, match=r"tasks\[1\] must be a Task, got 'task'"):
        run(execute_tasks_in_parallel_async(tasks(), 2, use_processes))


def test_the_first_failure_is_raised(use_processes: bool) -> None:
    """With its class and the note that names the task."""
    tasks: list[Task[Any]] = [*echoes(3), Task(fail_with, {"error": Failure("x")})]

    with pytest.raises(Failure, match="x") as caught:
        run(execute_tasks_in_parallel_async(tasks, 2, use_processes))

    assert caught.value.__notes__[0].startswith("Raised by task 3")


def test_a_worker_that_dies_is_one_failure() -> None:
    """As everywhere."""
    tasks: list[Task[Any]] = [*echoes(10)]
    tasks[5] = Task(exit_with, {"code": 3})

    results = run(execute_tasks_in_parallel_async(tasks, 2, True, on_error="return"))

    assert isinstance(results[5], WorkerCrashedError)
    assert [each for each in results if isinstance(each, int)] == [
        i for i in range(10) if i != 5
    ]


def test_failed_tasks_run_again(use_processes: bool, marks: Marks) -> None:
    """The loop sleeps until the next attempt is due."""

    async def main() -> list[Outcome[Any]]:
        return [
            each
            async for each in iter_outcomes_async(
                [Task(int, positional=("x",))],
                1,
                use_processes,
                retries=Retry(2, backoff=0.001),
            )
        ]

    (outcome,) = run(main())

    assert outcome.attempts == 3


def test_cancelling_drops_what_has_not_started_and_ends_what_runs(
    marks: Marks, gate: Gate
) -> None:
    """Worker processes are killed, and CancelledError comes at once."""

    async def main() -> None:
        tasks: list[Task[Any]] = [
            Task(mark_and_wait, {"marks": marks, "name": f"{i}", "gate": gate})
            for i in range(20)
        ]
        call = asyncio.create_task(execute_tasks_in_parallel_async(tasks, 2, True))
        await until(lambda: len(marks.names()) == 2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert len(marks.names()) == 2

    run(main())


def test_cancelling_before_a_worker_is_ready_is_nothing_to_complain_of(
    marks: Marks, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """What no worker has begun is dropped, and no defect of ours is logged."""

    async def main() -> None:
        call = asyncio.create_task(
            execute_tasks_in_parallel_async(
                echoes(20),
                2,
                True,
                initializer=mark_and_wait,
                initargs=(marks, "", gate),
            )
        )
        await until(lambda: marks.names() != set())
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    run(main())
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_cancelling_leaves_running_threads_to_themselves(
    marks: Marks, make_gate: Callable[[str], Gate]
) -> None:
    """CancelledError does not wait for them; nothing new starts."""
    gate = make_gate("only")

    async def main() -> None:
        tasks: list[Task[Any]] = [
            Task(mark_and_wait, {"marks": marks, "name": f"{i}", "gate": gate})
            for i in range(20)
        ]
        call = asyncio.create_task(execute_tasks_in_parallel_async(tasks, 2))
        await until(lambda: len(marks.names()) == 2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gate.open()

    run(main())
    end = time.monotonic() + LONG_S
    while any(t.name.startswith("cotality") for t in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(POLL_S)
    assert len(marks.names()) == 2


def test_leaving_a_stream_early_drops_the_rest(
    use_processes: bool, marks: Marks
) -> None:
    """Closed, it leaves nothing running."""

    async def main() -> None:
        tasks = [
            Task(mark_and_return, {"marks": marks, "value": i}) for i in range(10_000)
        ]
        stream = execute_tasks_in_parallel_streaming_async(tasks, 2, use_processes)
        async with aclosing(stream) as results:
            async for index, _ in results:
                if index == 3:
                    break

    run(main())
    assert len(marks.names()) < 10_000


def test_a_stream_that_was_never_begun_starts_nothing(use_processes: bool) -> None:
    """Nor is its input read."""

    def unread() -> Iterator[Task[int]]:
        raise AssertionError
        yield

    async def main() -> None:
        stream = execute_tasks_in_parallel_streaming_async(unread(), 2, use_processes)
        await stream.aclose()

    run(main())


def test_wrong_arguments_are_errors_of_the_call_itself() -> None:
    """Not of the await, which may be far away."""
    with pytest.raises(ValueError, match="max_workers must be at least 1, got 0"):
        execute_tasks_in_parallel_async([], 0)
    with pytest.raises(TypeError, match="only a function with _async"):
        execute_tasks_in_parallel(later(echoes(1)))  # type: ignore[call-overload]


def test_no_tasks_are_an_empty_list(use_processes: bool) -> None:
    """From either kind of iterable."""
    assert run(execute_tasks_in_parallel_async([], 2, use_processes)) == []
    assert run(execute_tasks_in_parallel_async(later([]), 2, use_processes)) == []


def test_plain_calls_work_inside_a_coroutine(use_processes: bool) -> None:
    """They block the loop, as any plain function does, and leave nothing in it."""

    async def main() -> list[tuple[int, int]]:
        stream = execute_tasks_in_parallel_streaming(echoes(5), 2, use_processes)
        first = next(stream)
        stream.close()
        return [first]

    assert run(main()) == [(0, 0)]


def test_a_slow_log_handler_does_not_stop_the_loop(
    make_gate: Callable[[str], Gate], caplog: pytest.LogCaptureFixture
) -> None:
    """The call waits until its records are handled, and others go on meanwhile."""
    gate = make_gate("handler")

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            gate.wait()

    async def main() -> None:
        call = asyncio.create_task(
            execute_tasks_in_parallel_async(
                [Task(logging.warning, positional=("from a task",))], 1, True
            )
        )
        for _ in range(50):
            await asyncio.sleep(POLL_S)
        gate.open()
        await call

    handler = Slow()
    logging.root.addHandler(handler)
    try:
        run(main())
    finally:
        logging.root.removeHandler(handler)
    assert "from a task" in caplog.text

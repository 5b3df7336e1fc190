"""The types that callers get to see. Both checkers read this, and the tests run it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, assert_type

import pytest

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Options,
    Outcome,
    Retry,
    Task,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_streaming_async,
    execute_tasks_in_parallel_unordered,
    execute_tasks_in_parallel_unordered_async,
    explain_unpicklable,
    is_picklable,
    iter_outcomes,
    iter_outcomes_async,
    share,
    should_use_processes,
    worker_pool,
)


def add(a: int, b: int = 0) -> int:
    return a + b


def shout(text: str) -> str:
    return text.upper()


TASKS = [Task(add, {"a": 1, "b": 2}), Task(add, {"a": 3})]


def maybe() -> bool:
    return len(TASKS) > 1


def test_a_task_carries_the_result_type() -> None:
    """A function that returns an int makes a `Task[int]`."""
    assert_type(Task(add, {"a": 1}), Task[int])
    assert_type(Task(shout, {"text": "a"}), Task[str])
    assert_type(Task.of(add, 1, b=2), Task[int])
    assert_type(Task.of(math.sqrt, 2.0), Task[float])
    assert_type(Task(add, {"a": 1}).callback_function, Callable[..., int])
    some: Task[float] = Task.of(math.sqrt, 2.0)
    assert_type(some, Task[float])


def test_what_is_shared_is_typed_as_itself() -> None:
    """A type checker sees through `share`, and still checks the argument."""
    assert_type(share("a"), str)
    assert_type(share([1]), list[int])
    tasks = [Task.of(shout, share("a")), Task(shout, {"text": share("b")})]
    assert_type(tasks, list[Task[str]])
    assert execute_tasks_in_parallel(tasks) == ["A", "B"]
    Task.of(shout, share(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_bare_task_is_a_complete_annotation() -> None:
    """`Task` without brackets is a task of any result."""

    def run(tasks: list[Task]) -> list[Any]:
        return execute_tasks_in_parallel(tasks)

    anything: Task = Task(add, {"a": 1})
    assert_type(anything.callback_function(1), Any)
    assert run([anything]) == [1]


def test_lists_carry_the_result_type() -> None:
    """Without a flag, or with False, the results are what the tasks return."""
    assert_type(execute_tasks_in_parallel(TASKS), list[int])
    assert_type(execute_tasks_in_parallel(TASKS, 2, False, False), list[int])
    assert_type(execute_tasks_in_parallel(TASKS, return_exceptions=False), list[int])
    assert_type(execute_tasks_in_parallel(TASKS, max_workers=None), list[int])
    assert_type(execute_tasks_in_parallel_unordered(TASKS), list[int])
    assert_type(execute_tasks_in_parallel_unordered(TASKS, 2, False, False), list[int])
    assert_type(
        execute_tasks_in_parallel_unordered(TASKS, return_exceptions=False), list[int]
    )


def test_lists_with_exceptions_say_so() -> None:
    """With True, by name or by position, exceptions are among the results."""
    assert_type(
        execute_tasks_in_parallel(TASKS, return_exceptions=True), list[int | Exception]
    )
    assert_type(execute_tasks_in_parallel(TASKS, 2, False, True), list[int | Exception])
    assert_type(
        execute_tasks_in_parallel_unordered(TASKS, return_exceptions=True),
        list[int | Exception],
    )
    assert_type(
        execute_tasks_in_parallel_unordered(TASKS, 2, False, True),
        list[int | Exception],
    )


def test_lists_with_a_flag_from_elsewhere_may_have_exceptions() -> None:
    """When only a bool is known, there may be exceptions among the results."""
    assert_type(
        execute_tasks_in_parallel(TASKS, return_exceptions=maybe()),
        list[int] | list[int | Exception],
    )
    assert_type(
        execute_tasks_in_parallel_unordered(TASKS, 2, False, maybe()),
        list[int] | list[int | Exception],
    )


def test_streams_carry_the_result_type() -> None:
    """They are generators, so that they can be closed, of an index and a result."""
    assert_type(
        execute_tasks_in_parallel_streaming(TASKS),
        Generator[tuple[int, int], None, None],
    )
    assert_type(
        execute_tasks_in_parallel_streaming(TASKS, 2, False, False, False),
        Generator[tuple[int, int], None, None],
    )
    for index, result in execute_tasks_in_parallel_streaming(TASKS, ordered=False):
        assert_type(index, int)
        assert_type(result, int)


def test_streams_with_exceptions_say_so() -> None:
    """With True, or a bool from elsewhere, exceptions are among the results."""
    assert_type(
        execute_tasks_in_parallel_streaming(TASKS, return_exceptions=True),
        Generator[tuple[int, int | Exception], None, None],
    )
    assert_type(
        execute_tasks_in_parallel_streaming(TASKS, 2, False, True, False),
        Generator[tuple[int, int | Exception], None, None],
    )
    assert_type(
        execute_tasks_in_parallel_streaming(TASKS, return_exceptions=maybe()),
        Generator[tuple[int, int | Exception], None, None],
    )


def test_tasks_may_come_from_any_iterable() -> None:
    """A generator, a tuple or a set of tasks carries its type as well."""

    def tasks() -> Iterator[Task[str]]:
        yield Task(shout, {"text": "a"})

    assert_type(execute_tasks_in_parallel(tasks()), list[str])
    assert_type(execute_tasks_in_parallel(tuple(TASKS)), list[int])
    assert_type(execute_tasks_in_parallel(reversed(TASKS)), list[int])


def test_options_have_types() -> None:
    """They can be given one by one, or together as `Options`."""
    options: Options = {"grace": 1.0}
    assert_type(execute_tasks_in_parallel(TASKS, grace=None), list[int])
    assert_type(execute_tasks_in_parallel(TASKS, timeout=None, grace=2), list[int])
    assert_type(execute_tasks_in_parallel(TASKS, **options), list[int])
    assert_type(
        execute_tasks_in_parallel(TASKS, return_exceptions=True, **options),
        list[int | Exception],
    )


def test_helpers_have_types() -> None:
    """The small functions as well."""
    assert_type(should_use_processes("cpu"), bool)
    assert_type(is_picklable(3), bool)
    assert_type(explain_unpicklable(3), str | None)
    assert_type(WorkerCrashedError().exit_code, int | None)


def futures() -> None:
    """Not run: the executor's futures carry the result type too."""
    with worker_pool(max_workers=2), IsolatedProcessPoolExecutor(2) as executor:
        assert_type(executor.submit(add, 1, b=2).result(), int)
        assert_type(list(executor.map(shout, ["a"])), list[str])


def wrong_uses() -> None:
    """Not run: each of these has to stay an error of both checkers."""
    Task("add", {})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Task(add, ["a"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Task(add, {}, 1)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    Task.of(add, "1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Task.of(add, 1, c=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Task.of(add)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    text: Task[str] = Task(add)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    execute_tasks_in_parallel(text)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    execute_tasks_in_parallel([add])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    execute_tasks_in_parallel(TASKS, "2")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    execute_tasks_in_parallel(TASKS, timeot=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    execute_tasks_in_parallel(TASKS, timeout="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    execute_tasks_in_parallel(TASKS, 2, False, False, 3.0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    execute_tasks_in_parallel(TASKS, ordered=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    results: list[str] = execute_tasks_in_parallel(TASKS)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    whole: list[int] = execute_tasks_in_parallel(TASKS, return_exceptions=True)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    del results, whole


def test_outcomes_have_types() -> None:
    """What a task returns is what its outcome holds, also one by one."""
    outcomes = iter_outcomes(TASKS, retries=Retry(1, on=ValueError), progress=True)
    assert_type(outcomes, Generator[Outcome[int], None, None])
    for outcome in outcomes:
        assert_type(outcome.unwrap(), int)
        assert_type(outcome.value, int | None)
        assert_type(outcome.error, Exception | None)
        assert_type(outcome.task, Task[int])


def test_error_policies_have_types() -> None:
    """Only "return" puts exceptions among the results."""
    assert_type(execute_tasks_in_parallel(TASKS, on_error="raise"), list[int])
    assert_type(
        execute_tasks_in_parallel_unordered(TASKS, on_error="group", max_failures=3),
        list[int],
    )
    assert_type(
        execute_tasks_in_parallel(TASKS, on_error="return"), list[int | Exception]
    )
    assert_type(
        execute_tasks_in_parallel_streaming(TASKS, on_error="group"),
        Generator[tuple[int, int], None, None],
    )
    with pytest.raises(ValueError, match="on_error"):
        execute_tasks_in_parallel(TASKS, on_error="ignore")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(TypeError, match="retries"):
        execute_tasks_in_parallel(TASKS, retries="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_asynchronous_calls_have_types() -> None:
    """Awaited, they have the types of their plain twins."""
    asyncio.run(await_all())


async def await_all() -> None:
    assert_type(await execute_tasks_in_parallel_async(TASKS), list[int])
    assert_type(
        await execute_tasks_in_parallel_unordered_async(TASKS, on_error="return"),
        list[int | Exception],
    )
    async for pair in execute_tasks_in_parallel_streaming_async(later(), 2, True):
        assert_type(pair, tuple[int, int])
    async for outcome in iter_outcomes_async(later()):
        assert_type(outcome, Outcome[int])


async def later() -> AsyncIterator[Task[int]]:
    for task in TASKS:
        yield task

"""An async def in the place of a function, and an event loop of another make."""

from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    advise,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_streaming_async,
    iter_outcomes,
    worker_pool,
    worker_state,
)
from cotality.tuning import (
    PoolManager,
    execute,
    execute_async,
    optimize,
    process_in_batches,
)
from tests.kit.helpers import Marks, echo, mark_and_return, run_script

PLACES: list[dict[str, Any]] = [
    {"use_processes": False},
    {"use_processes": True},
    {"use_processes": "auto"},
    {"inline": True},
]


async def fetch(number: int = 0) -> int:
    return number


async def pages(number: int = 0) -> AsyncIterator[int]:
    yield number


class Client:
    async def fetch(self, number: int = 0) -> int:
        return number

    async def __call__(self, number: int = 0) -> int:
        return number


@types.coroutine
def old_style(number: int = 0) -> Generator[None, None, int]:
    yield
    return number


ASYNC: dict[str, Callable[..., object]] = {
    "function": fetch,
    "generator": pages,
    "partial": functools.partial(functools.partial(fetch), 1),
    "method": Client().fetch,
    "object": Client(),
    "decorated": old_style,
    "mock": mock.AsyncMock(),
}
REFUSED = "which only an event loop can run"


@pytest.mark.parametrize("name", ASYNC)
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_it_is_refused_by_the_call(name: str, place: dict[str, Any]) -> None:
    """Before any task runs, and it says which one it is."""
    tasks = [Task.of(echo, 1), Task(ASYNC[name])]

    with pytest.raises(TypeError, match=rf"the function of tasks\[1\].*{REFUSED}"):
        execute_tasks_in_parallel(tasks, 1, **place)


def coroutines(*arguments: Any) -> None:
    asyncio.run(execute_async(*arguments))


CALLS: dict[str, Callable[[], object]] = {
    "stream": lambda: execute_tasks_in_parallel_streaming([Task(fetch)]),
    "outcomes": lambda: iter_outcomes([Task(fetch)]),
    "advise": lambda: advise([Task(fetch)]),
    "async": lambda: execute_tasks_in_parallel_async([Task(fetch)]),
    "async stream": lambda: execute_tasks_in_parallel_streaming_async([Task(fetch)]),
    "execute": lambda: execute(fetch, [1]),
    "execute in a loop": lambda: execute(fetch, [1], executor="sequential"),
    "execute_async": lambda: coroutines(fetch, [1]),
    "optimize": lambda: optimize(fetch, [1]),
    "batches": lambda: process_in_batches(fetch, [1], batch_size=1),
    "manager": lambda: PoolManager(1).execute(fetch, [1]),
    "initializer": lambda: execute_tasks_in_parallel(
        [Task.of(echo, 1)], initializer=fetch
    ),
    "worker_pool": lambda: worker_pool(initializer=fetch).__enter__(),
    "executor": lambda: IsolatedProcessPoolExecutor(1, initializer=fetch),
    "worker_state": lambda: worker_state(pages),
}


@pytest.mark.parametrize("name", CALLS)
def test_whoever_takes_a_function_refuses_it(name: str) -> None:
    """The call does, not the first look at its results."""
    with pytest.raises(TypeError, match=REFUSED):
        CALLS[name]()


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_one_that_is_read_on_the_way_ends_the_input(
    place: dict[str, Any], marks: Marks
) -> None:
    """As anything else does that is no task: those before it are done."""

    def tasks() -> Iterator[Task[object]]:
        yield Task.of(mark_and_return, marks, 0)
        yield Task(fetch)
        yield Task.of(mark_and_return, marks, 2)

    stream = execute_tasks_in_parallel_streaming(tasks(), 1, **place)

    assert next(stream) == (0, 0)
    with pytest.raises(TypeError, match=rf"tasks\[1\].*{REFUSED}"):
        next(stream)
    assert marks.names() == {"0"}


@pytest.mark.parametrize(
    "function",
    [abs, int, dict, functools.partial(abs), [].append, mock.MagicMock(), Client],
    ids=lambda function: type(function).__name__,
)
def test_everything_else_that_can_be_called_is_called(
    function: Callable[..., object],
) -> None:
    """Built-in, a class, a mock: whatever has no code to look at."""
    arguments = () if function in (dict, Client) else (1,)

    [outcome] = iter_outcomes([Task(function, positional=arguments)])

    assert outcome.error is None


def test_with_trio_it_says_what_to_do() -> None:
    """Its loop is not that of asyncio."""
    trio = pytest.importorskip("trio")

    async def main() -> None:
        await execute_tasks_in_parallel_async([Task.of(abs, -1)])

    with pytest.raises(RuntimeError, match=r"asyncio.*trio\.to_thread\.run_sync"):
        trio.run(main)


def test_what_it_says_works_with_trio(tmp_path: Path) -> None:
    """The loop goes on meanwhile.

    In a program of its own: trio keeps its thread for ten idle seconds.
    """
    pytest.importorskip("trio")
    program = (
        "import trio\n"
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel\n"
        "async def main():\n"
        "    tasks = [Task.of(abs, -1)]\n"
        "    return await trio.to_thread.run_sync(execute_tasks_in_parallel, tasks)\n"
        "print(trio.run(main))\n"
    )

    assert run_script(program, tmp_path) == "[1]\n"

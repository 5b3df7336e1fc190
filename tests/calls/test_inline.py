"""Inline, the caller's own thread runs the tasks; what differs, and what must not."""

from __future__ import annotations

import sys
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from cotality.core.utils.process import (
    Task,
    TaskExitedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
)
from tests.kit.helpers import append_and_return, echo, fail_with, worker_id

name: ContextVar[str] = ContextVar("name", default="nobody")


@pytest.mark.parametrize("inline", [False, True], ids=["threads", "inline"])
def test_tasks_of_a_stream_see_the_context_of_its_first_step(inline: bool) -> None:
    """What the caller sets between two results, no task of that stream sees."""

    def call() -> list[str]:
        name.set("first")
        tasks = [Task(name.get) for _ in range(100)]
        stream = execute_tasks_in_parallel_streaming(tasks, 1, inline=inline)
        seen: list[str] = []
        for _, found in stream:
            seen.append(found)
            name.set("later")
        return seen

    assert copy_context().run(call) == ["first"] * 100


def test_each_result_is_there_before_the_next_task_starts() -> None:
    """One task runs for each step of a stream, in the thread that takes the results."""
    ran: list[tuple[int, int]] = []

    def run() -> int:
        ran.append(worker_id())
        return len(ran)

    stream = execute_tasks_in_parallel_streaming([Task(run)] * 5, inline=True)

    for _, count in stream:
        assert len(ran) == count
    assert ran == [worker_id()] * 5


def test_nothing_is_pickled_inline_and_nothing_copied() -> None:
    """A task has the caller's own object, also one that could not travel."""
    things: list[Any] = []
    task = Task(append_and_return, {"items": things, "item": sys._getframe()})

    (result,) = execute_tasks_in_parallel([task], use_processes=True, inline=True)

    assert result is things
    assert len(things) == 1
    things.clear()


def test_an_interrupt_inline_is_the_callers_own() -> None:
    """It ends the call, and the tasks after it do not run."""
    ran: list[int] = []
    tasks: list[Task[Any]] = [
        Task(ran.append, positional=(0,)),
        Task(fail_with, {"error": KeyboardInterrupt()}),
        Task(ran.append, positional=(2,)),
    ]

    with pytest.raises(KeyboardInterrupt):
        execute_tasks_in_parallel(tasks, inline=True, return_exceptions=True)

    assert ran == [0]


def test_a_task_that_exits_ends_itself_alone_inline() -> None:
    """The program and the other tasks go on."""
    tasks: list[Task[Any]] = [
        Task(sys.exit, positional=("enough",)),
        Task(echo, {"value": 1}),
    ]

    first, second = execute_tasks_in_parallel(
        tasks, inline=True, return_exceptions=True
    )

    assert isinstance(first, TaskExitedError)
    assert second == 1

"""A task may have a time limit of its own, in place of that of the call."""

from __future__ import annotations

import asyncio
import copy
import pickle
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    DeadLetters,
    IsolatedProcessPoolExecutor,
    RunReport,
    Task,
    TaskTimeoutError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    iter_outcomes,
    replay,
    run_tasks,
    share,
)
from tests.kit.helpers import echo
from tests.kit.limits import LONG_S

SHORT_S = 0.2


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def nap(data: bytearray, seconds: float) -> int:
    time.sleep(seconds)
    return len(data)


def late(**options: Any) -> Task[str]:
    return Task(sleep, {"seconds": LONG_S}, timeout=SHORT_S, **options)


def kinds(results: list[Any]) -> list[Any]:
    return [type(each) if isinstance(each, Exception) else each for each in results]


def test_only_the_late_task_is_lost() -> None:
    """Each has its own limit; the others go on."""
    tasks = [Task(echo, {"value": 1}), late(), Task(sleep, {"seconds": 2 * SHORT_S})]

    results = execute_tasks_in_parallel(tasks, 2, processes=True, on_error="return")

    assert kinds(results) == [1, TaskTimeoutError, "slept"]
    error: Any = results[1]
    assert error.timeout == SHORT_S


def test_the_own_limit_wins_over_that_of_the_call() -> None:
    """Whether it is shorter or longer."""
    tasks = [
        Task(sleep, {"seconds": LONG_S}),
        Task(sleep, {"seconds": 2 * SHORT_S}, timeout=LONG_S),
    ]

    results = execute_tasks_in_parallel(
        tasks, 2, processes=True, timeout=SHORT_S, on_error="return"
    )

    assert kinds(results) == [TaskTimeoutError, "slept"]


def test_tasks_with_one_limit_travel_together() -> None:
    """And those with another after them."""
    report = RunReport()
    tasks = [
        Task(echo, {"value": number}, timeout=LONG_S if number < 60 else 2 * LONG_S)
        for number in range(120)
    ]

    results = execute_tasks_in_parallel(
        tasks, 1, processes=True, chunksize=100, report=report
    )

    assert results == list(range(120))
    assert 1 < report.largest_portion <= 60


def test_a_limit_leads_to_processes() -> None:
    """Where the call was to find out where it runs."""
    report = RunReport()

    (error,) = run_tasks([late()], on_error="return", report=report)

    assert isinstance(error, TaskTimeoutError)
    assert report.kind == "processes"


def test_an_executor_of_ours_keeps_it() -> None:
    """As it keeps that of the call."""
    with IsolatedProcessPoolExecutor(1) as executor:
        (error,) = execute_tasks_in_parallel(
            [late()], executor=executor, on_error="return"
        )

    assert isinstance(error, TaskTimeoutError)


def test_threads_cannot_keep_it() -> None:
    """So nothing runs."""
    ran: list[int] = []
    tasks = [Task.of(ran.append, 1), late()]

    with pytest.raises(ValueError, match=r"^Task\(sleep.*Add use_processes=True, or"):
        execute_tasks_in_parallel(tasks)
    with pytest.raises(ValueError, match="Add processes=True, or leave"):
        run_tasks(tasks, processes=False)
    with (
        ThreadPoolExecutor(1) as others,
        pytest.raises(ValueError, match="Leave out executor, or leave"),
    ):
        execute_tasks_in_parallel(tasks, executor=others)
    assert not ran


def test_threads_refuse_it_from_a_generator_too() -> None:
    """When it is read."""

    def tasks() -> Iterator[Task[Any]]:
        yield Task(echo, {"value": 1})
        yield late()

    with pytest.raises(ValueError, match="Run the call on processes"):
        execute_tasks_in_parallel(tasks(), 1)


def test_a_debugger_has_time() -> None:
    """Inline no limit is kept."""
    task = Task(sleep, {"seconds": 2 * SHORT_S}, timeout=SHORT_S)
    assert execute_tasks_in_parallel([task], inline=True) == ["slept"]


def test_it_is_tried_again_like_any_other_late_task() -> None:
    """If a `Retry` names its error."""
    from cotality.core.utils.process import Retry

    again = Retry(1, on=TaskTimeoutError, backoff=0)
    (outcome,) = iter_outcomes([late()], processes=True, retries=again)

    assert outcome.attempts == 2


def test_it_counts_where_arguments_are_sent_apart() -> None:
    """Whatever becomes of the task on its way."""
    data = bytearray(1000)
    tasks = [
        Task(nap, {"data": share(data), "seconds": LONG_S}, timeout=SHORT_S),
        Task(nap, {"data": share(data), "seconds": 0.0}),
    ]

    results = execute_tasks_in_parallel(tasks, 1, processes=True, on_error="return")

    assert kinds(results) == [TaskTimeoutError, 1000]


def test_an_event_loop_keeps_it() -> None:
    """As a plain call does."""

    async def main() -> list[str | Exception]:
        return await execute_tasks_in_parallel_async(
            [late()], processes=True, on_error="return"
        )

    assert kinds(asyncio.run(main())) == [TaskTimeoutError]


def test_a_dead_letter_has_it_still(tmp_path: Path) -> None:
    """So what has hung does not hang whoever runs it again."""
    path = tmp_path / "failed.jsonl"
    execute_tasks_in_parallel(
        [late()], processes=True, on_error="return", dead_letters=path
    )

    with pytest.raises(ValueError, match="Add use_processes=True"):
        replay(path)
    (outcome,) = replay(path, processes=True)
    assert isinstance(outcome.error, TaskTimeoutError)
    assert [letter.retries for letter in DeadLetters(path).entries()] == [1]


@pytest.mark.parametrize(
    ("timeout", "error", "text"),
    [
        (0, ValueError, "the timeout of a task must be more than 0 seconds"),
        ("2", TypeError, "the timeout of a task must be a number of seconds"),
        (True, TypeError, "must be a number of seconds or None, got True"),
    ],
)
def test_what_is_no_limit_is_refused(
    timeout: Any, error: type[Exception], text: str
) -> None:
    """Where the task is made."""
    with pytest.raises(error, match=text):
        Task(echo, {"value": 1}, timeout=timeout)


def test_it_stays_with_the_task() -> None:
    """In copies and pickles, and nobody changes it unnoticed."""
    task = late(label="x")

    assert task.timeout == SHORT_S
    for other in (pickle.loads(pickle.dumps(task)), copy.copy(task), replace(task)):
        assert other.timeout == SHORT_S
        assert other == task
    assert replace(task, timeout=None).timeout is None
    assert task != Task(sleep, {"seconds": LONG_S}, label="x")
    assert repr(task).endswith(", label='x', timeout=0.2)")
    with pytest.raises(AttributeError):
        task.timeout = 3.0
    assert Task(echo, {"value": 1}).timeout is None

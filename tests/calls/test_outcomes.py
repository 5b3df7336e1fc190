"""Outcomes one by one: what became of each task, and what that took."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from cotality.core.utils.process import (
    Outcome,
    Task,
    TaskNotPicklableError,
    TaskTimeoutError,
    WorkerCrashedError,
    iter_outcomes,
)
from tests.kit.fatal import exit_with
from tests.kit.helpers import (
    Failure,
    Gate,
    Thing,
    echo,
    fail_with,
    make_thing,
    wait_then,
)
from tests.kit.limits import LONG_S

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm


def spin(seconds: float) -> float:
    """Use up CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return seconds


def test_an_outcome_tells_what_became_of_its_task(use_processes: bool) -> None:
    """It holds the task, its value or its failure, and who ran it when."""
    before = time.time()
    tasks: list[Task[Any]] = [
        Task(echo, {"value": 1}),
        Task(fail_with, {"error": Failure("two")}),
    ]

    good, bad = iter_outcomes(tasks, 1, use_processes)

    assert (good.index, good.task, good.value, good.error) == (0, tasks[0], 1, None)
    assert (good.ok, good.unwrap(), good.attempts) == (True, 1, 1)
    assert (bad.index, bad.task, bad.value, bad.ok) == (1, tasks[1], None, False)
    assert isinstance(bad.error, Failure)
    with pytest.raises(Failure, match="two"):
        bad.unwrap()
    for outcome in (good, bad):
        assert outcome.started_at is not None
        assert before - 1 < outcome.started_at < time.time() + 1
        assert outcome.seconds >= 0.0
        assert outcome.waited_seconds >= 0.0
        assert outcome.worker


def test_an_exception_that_is_returned_is_a_value(use_processes: bool) -> None:
    """Which a list of results and exceptions cannot tell apart."""
    (outcome,) = iter_outcomes(
        [Task(echo, {"value": ValueError("fine")})], 1, use_processes
    )

    assert outcome.ok
    assert isinstance(outcome.unwrap(), ValueError)


def test_a_none_that_is_returned_is_a_value(use_processes: bool) -> None:
    """None does not stand for a failure."""
    (outcome,) = iter_outcomes([Task(echo, {"value": None})], 1, use_processes)

    assert outcome.ok
    assert outcome.unwrap() is None


def test_outcomes_can_be_matched(use_processes: bool) -> None:
    """By what they are, and by the class of the failure."""
    errors = [ValueError("a"), KeyError("b")]
    tasks: list[Task[Any]] = [Task(fail_with, {"error": error}) for error in errors]
    seen: list[str] = []

    for outcome in iter_outcomes([*tasks, Task(echo, {"value": 3})], 1, use_processes):
        match outcome:
            case Outcome(ok=True, value=value):
                seen.append(f"value {value}")
            case Outcome(error=KeyError() as error):
                seen.append(f"key {error}")
            case Outcome(index=index):
                seen.append(f"other {index}")

    assert seen == ["other 0", "key 'b'", "value 3"]


def test_cpu_time_and_running_time_are_told_apart(use_processes: bool) -> None:
    """A task that waits uses none of the one and all of the other."""
    tasks: list[Task[Any]] = [
        Task(spin, {"seconds": 0.05}),
        Task(time.sleep, positional=(0.05,)),
    ]

    computing, waiting = iter_outcomes(tasks, 1, use_processes)

    assert computing.cpu_seconds >= 0.05
    assert computing.seconds >= 0.05
    assert waiting.cpu_seconds < 0.05
    assert waiting.seconds >= 0.05


def test_the_worker_is_named(use_processes: bool) -> None:
    """A process by its number, a thread by its name."""
    task: Task[Any] = Task(os.getpid) if use_processes else Task(thread_name)

    (outcome,) = iter_outcomes([task], 1, use_processes)

    expected = f"process {outcome.value}" if use_processes else outcome.value
    assert outcome.worker == expected


def thread_name() -> str:
    return threading.current_thread().name


def test_tasks_wait_while_others_run(use_processes: bool) -> None:
    """What a task waited for its worker is told, and is not its running time."""
    tasks: list[Task[Any]] = [
        Task(time.sleep, positional=(0.3,)),
        Task(time.sleep, positional=(0.3,)),
        Task(echo, {"value": 1}),
    ]

    *sleepers, last = iter_outcomes(tasks, 2, use_processes)

    began, ended = [], []
    for sleeper in sleepers:
        assert sleeper.started_at is not None
        began.append(sleeper.started_at)
        ended.append(sleeper.started_at + sleeper.seconds)
    assert last.started_at is not None
    assert last.started_at >= min(ended)
    # It is handed out as soon as both have begun, give or take a busy machine.
    assert last.waited_seconds >= min(ended) - max(began) - 0.1
    assert last.seconds < 0.3


def test_outcomes_come_as_they_finish_if_so_wanted(
    use_processes: bool, gate: Gate
) -> None:
    """A quick task is told before a slow one that began earlier."""
    slow: Task[Any] = Task(wait_then, {"gate": gate, "value": "slow"})
    outcomes = iter_outcomes(
        [slow, Task(echo, {"value": "quick"})], 2, use_processes, ordered=False
    )

    assert next(outcomes).value == "quick"

    gate.open()
    assert [outcome.value for outcome in outcomes] == ["slow"]


def test_a_task_whose_worker_dies_has_an_outcome_like_any_other() -> None:
    """It began, it ran for a while on a worker that is named, and it failed."""
    tasks: list[Task[Any]] = [Task(echo, {"value": i}) for i in range(5)]
    tasks[3] = Task(exit_with, {"code": 3})

    outcomes = list(iter_outcomes(tasks, 1, use_processes=True))

    assert [outcome.ok for outcome in outcomes] == [True, True, True, False, True]
    assert isinstance(outcomes[3].error, WorkerCrashedError)
    assert all(outcome.worker.startswith("process ") for outcome in outcomes)
    assert all(outcome.started_at is not None for outcome in outcomes)
    assert outcomes[3].worker != outcomes[4].worker


def test_a_task_that_is_late_has_run_for_as_long_as_it_may() -> None:
    """The time it had is the time it took."""
    tasks = [Task(time.sleep, positional=(LONG_S,))]

    (outcome,) = iter_outcomes(tasks, 1, use_processes=True, timeout=0.1)

    assert isinstance(outcome.error, TaskTimeoutError)
    assert outcome.seconds >= 0.1


def test_a_task_that_cannot_be_sent_never_began() -> None:
    """It has no start and no worker, and the others are not touched by it."""
    tasks: list[Task[Any]] = [
        Task(echo, {"value": 1}),
        Task(echo, {"value": threading.Lock()}),
        Task(echo, {"value": 3}),
    ]

    outcomes = list(iter_outcomes(tasks, 1, use_processes=True))

    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, TaskNotPicklableError)
    assert (outcomes[1].started_at, outcomes[1].seconds) == (None, 0.0)
    assert outcomes[1].worker == ""


def test_what_was_yielded_is_not_kept(use_processes: bool) -> None:
    """Neither the outcome nor its value is held by the suspended generator."""
    tasks = [Task(make_thing) for _ in range(5)]
    outcomes = iter_outcomes(tasks, 1, use_processes)

    first = next(outcomes)
    watched = weakref.ref(first.unwrap())
    assert isinstance(watched(), Thing)
    del first
    next(outcomes)

    assert watched() is None
    outcomes.close()


def test_the_input_is_read_no_faster_than_outcomes_are_taken(
    use_processes: bool,
) -> None:
    """An endless input is no trouble."""
    read = 0

    def endless() -> Iterator[Task[int]]:
        nonlocal read
        while True:
            read += 1
            yield Task(echo, {"value": read})

    outcomes = iter_outcomes(endless(), 2, use_processes)

    assert [next(outcomes).index for _ in range(3000)] == list(range(3000))
    outcomes.close()
    assert read < 3000 + 2 * 4 * 512 + 1


def test_options_are_checked_by_the_call(use_processes: bool) -> None:
    """Not by the first next()."""
    with pytest.raises(TypeError, match="ordered must be True or False, got 'no'"):
        iter_outcomes([], ordered="no")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no option 'on_eror'"):
        iter_outcomes([], on_eror="group")  # type: ignore[call-arg]

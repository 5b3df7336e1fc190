"""The central property: a crash costs its own task, exactly once, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    TaskTimeoutError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_unordered,
)
from tests.kit.fates import (
    DEADLY,
    TIMEOUT,
    Fate,
    fates,
    meet_fate,
    runs,
    some_durations,
)
from tests.kit.given import HealthCheck, given, settings, st

# Each example starts new workers, so there are few, with many tasks each.
few = partial(
    settings,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

Outcomes = list[int | Exception]
EntryPoint = Callable[[list[Task[int]], int], Outcomes]


def as_list(tasks: list[Task[int]], workers: int) -> Outcomes:
    return execute_tasks_in_parallel(tasks, workers, True, return_exceptions=True)


def as_stream(tasks: list[Task[int]], workers: int) -> Outcomes:
    """Read from a generator, in bounded windows, in order."""
    stream = execute_tasks_in_parallel_streaming(
        (task for task in tasks), workers, True, return_exceptions=True
    )
    return [outcome for _, outcome in stream]


def as_they_finish(tasks: list[Task[int]], workers: int) -> Outcomes:
    stream = execute_tasks_in_parallel_streaming(
        tasks, workers, True, return_exceptions=True, ordered=False
    )
    return [outcome for _, outcome in sorted(stream, key=lambda pair: pair[0])]


def by_an_executor(tasks: list[Task[int]], workers: int) -> Outcomes:
    """Each task is an item of its own."""
    with IsolatedProcessPoolExecutor(workers) as executor:
        futures = [
            executor.submit(task.callback_function, *task.positional) for task in tasks
        ]
        return [future.exception() or future.result() for future in futures]  # type: ignore[misc]


def tasks_with(plan: list[Fate], folder: str) -> list[Task[int]]:
    path = Path(folder, "runs")
    path.touch()
    return [Task.of(meet_fate, path, i, fate) for i, fate in enumerate(plan)]


def check(plan: list[Fate], outcomes: Outcomes, folder: str) -> None:
    """Every task has run once; only the fatal ones are lost, each with its reason."""
    assert runs(Path(folder, "runs")) == list(range(len(plan)))
    assert len(outcomes) == len(plan)
    for number, (fate, outcome) in enumerate(zip(plan, outcomes, strict=True)):
        if fate.way in DEADLY:
            assert type(outcome) is WorkerCrashedError, (number, fate, outcome)
        elif fate.way == "late":
            assert type(outcome) is TaskTimeoutError, (number, fate, outcome)
        elif fate.way == "raise":
            assert type(outcome) is ValueError, (number, fate, outcome)
        else:
            assert outcome == number, (number, fate, outcome)


@pytest.mark.parametrize(
    "entry_point", [as_list, as_stream, as_they_finish, by_an_executor]
)
def test_a_crash_costs_its_own_task_and_no_other(entry_point: EntryPoint) -> None:
    """Tasks that are not fatal run once and give their result; fatal ones run once."""

    @few(max_examples=25)
    @given(plan=fates(durations=some_durations()), workers=st.integers(1, 4))
    def check_plan(plan: list[Fate], workers: int) -> None:
        with TemporaryDirectory() as folder:
            check(plan, entry_point(tasks_with(plan, folder), workers), folder)

    check_plan()


@few(max_examples=20)
@given(
    count=st.integers(500, 3000),
    deaths=st.dictionaries(st.integers(0, 2999), st.sampled_from(DEADLY), max_size=6),
    workers=st.integers(1, 4),
)
def test_a_crash_among_tiny_tasks_costs_one_of_them(
    count: int, deaths: dict[int, str], workers: int
) -> None:
    """Tiny tasks travel by the hundred; their portion is no common fate."""
    plan = [Fate(way=deaths.get(number, "return")) for number in range(count)]
    with TemporaryDirectory() as folder:
        check(plan, as_list(tasks_with(plan, folder), workers), folder)


@few(max_examples=20)
@given(
    plan=fates(durations=st.sampled_from([0.0, 0.001]), ways=("late",)),
    workers=st.integers(1, 4),
)
def test_a_late_task_is_ended_once_and_alone(plan: list[Fate], workers: int) -> None:
    """With a time limit: late tasks run once and fail, all others give results."""
    with TemporaryDirectory() as folder:
        outcomes = execute_tasks_in_parallel(
            tasks_with(plan, folder), workers, True, True, timeout=TIMEOUT
        )
        check(plan, outcomes, folder)


@few(max_examples=15)
@given(plan=fates(durations=some_durations()), workers=st.integers(1, 3))
def test_nothing_runs_twice_when_a_call_ends_early(
    plan: list[Fate], workers: int
) -> None:
    """The first failure ends the call; what had begun by then has run once."""
    with TemporaryDirectory() as folder:
        tasks = tasks_with(plan, folder)
        try:
            outcomes = execute_tasks_in_parallel_unordered(tasks, workers, True)
        except (WorkerCrashedError, ValueError):
            assert any(fate.way != "return" for fate in plan)
        else:
            assert sorted(outcomes) == list(range(len(plan)))
        seen = runs(Path(folder, "runs"))
        assert len(seen) == len(set(seen))

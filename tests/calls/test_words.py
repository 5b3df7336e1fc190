"""The words for how many workers there are, and where: each function takes all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cotality.core.utils import process
from cotality.core.utils._process.machine import cpus
from cotality.core.utils.process import (
    RunReport,
    Task,
    execute_tasks_in_parallel,
    worker_pool,
)
from cotality.tuning import PoolManager, execute, managed_pool
from tests.kit.helpers import echo

pytestmark = pytest.mark.warm

TASKS = [Task.of(echo, number) for number in range(4)]
NUMBER = ["workers", "max_workers", "n_jobs"]
PLACE = ["processes", "use_processes"]


@pytest.mark.parametrize("word", NUMBER)
def test_the_number_has_three_words(word: str) -> None:
    """They mean the same, in a call of tasks and in one over data."""
    for call in (
        lambda **options: execute_tasks_in_parallel(TASKS, **options),
        lambda **options: execute(echo, range(4), processes=False, **options),
    ):
        report = RunReport()

        assert call(report=report, **{word: 3}) == [0, 1, 2, 3]
        assert report.workers == 3


@pytest.mark.parametrize("word", NUMBER)
def test_minus_one_is_all_cpus(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And minus two all but one; there is always one."""
    monkeypatch.setattr(cpus, "available_cpus", lambda: 5)
    for given, workers in ((-1, 5), (-2, 4), (-9, 1)):
        report = RunReport()
        execute_tasks_in_parallel(TASKS, report=report, **{word: given})  # type: ignore[call-overload]  # one of three words

        assert report.workers == workers


def test_minus_one_is_all_cpus_for_a_pool_as_well() -> None:
    """Wherever there is a number of workers."""
    report = RunReport()
    with worker_pool(max_workers=-1):
        execute_tasks_in_parallel(TASKS, processes=True, report=report)

    assert report.workers == process.available_cpus()


def test_a_pool_has_the_same_words() -> None:
    """Which may not contradict one another either."""
    report = RunReport()
    with worker_pool(workers=1):
        execute_tasks_in_parallel(TASKS, processes=True, report=report)
    assert report.workers == 1

    with worker_pool(workers=1, max_workers=1):
        pass
    with (
        pytest.raises(ValueError, match="workers=1 and max_workers=2 contradict"),
        worker_pool(workers=1, max_workers=2),
    ):
        pass
    with (
        pytest.raises(ValueError, match=r"^workers must be at least 1, got 0"),
        worker_pool(workers=0),
    ):
        pass


def test_a_manager_has_the_same_words() -> None:
    """Nothing of it starts before it is used."""
    for manager in (PoolManager(3), PoolManager(workers=3), PoolManager(3, workers=3)):
        assert manager.status().max_workers == 3
    with managed_pool(workers=-1) as manager:
        assert manager.status().max_workers == process.available_cpus()

    with pytest.raises(ValueError, match="workers=2 and max_workers=3 contradict"):
        PoolManager(3, workers=2)
    with pytest.raises(ValueError, match=r"^workers must be at least 1, got 0"):
        PoolManager(workers=0)


def count_workers() -> int:
    report = RunReport()
    execute_tasks_in_parallel(
        [Task(abs, positional=(-1,))] * 3, workers=-1, processes=True, report=report
    )
    return report.workers


def test_minus_one_in_a_worker_is_its_share() -> None:
    """So that levels of calls do not multiply processes."""
    assert execute_tasks_in_parallel([Task(count_workers)], 1, processes=True) == [1]


@pytest.mark.parametrize("word", PLACE)
@pytest.mark.parametrize(
    ("said", "kind"), [(True, "processes"), (False, "threads"), ("auto", "auto")]
)
def test_the_place_has_two_words(word: str, said: Any, kind: str) -> None:
    """They mean the same, in a call of tasks and in one over data."""
    report, other = RunReport(), RunReport()

    assert execute_tasks_in_parallel(TASKS, report=report, **{word: said}) == [
        0,
        1,
        2,
        3,
    ]  # type: ignore[call-overload]  # one of two words
    assert execute(echo, range(4), report=other, **{word: said}) == [0, 1, 2, 3]  # type: ignore[call-overload]  # as above
    assert (report.kind, other.kind) == (kind, kind)


@pytest.mark.parametrize("word", [*NUMBER, *PLACE])
def test_none_says_nothing(word: str) -> None:
    """It is what holds if the word is left out."""
    report = RunReport()

    execute_tasks_in_parallel(TASKS, report=report, **{word: None})  # type: ignore[call-overload]  # one of these words

    assert report.kind == "threads"


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"workers": 2, "n_jobs": 3}, "workers=2 and n_jobs=3 contradict"),
    ({"workers": 2, "max_workers": 3}, "max_workers=3 and workers=2 contradict"),
    (
        {"processes": False, "use_processes": True},
        "use_processes=True and processes=False contradict",
    ),
    (
        {"processes": "auto", "executor": "threads"},
        "executor='threads' and processes='auto' contradict",
    ),
    (
        {"processes": False, "executor": "processes"},
        "executor='processes' and processes=False contradict",
    ),
    ({"workers": 0}, "workers must be at least 1, got 0. -1 means all CPUs"),
    ({"processes": "threads"}, "processes must be True, False or 'auto'"),
]


@pytest.mark.parametrize(("options", "text"), CONTRADICTIONS)
def test_what_is_said_twice_has_to_be_the_same(
    options: dict[str, Any], text: str
) -> None:
    """Otherwise nothing runs, and the message has the words that were used."""
    with pytest.raises(ValueError, match=text):
        execute_tasks_in_parallel(TASKS, **options)


def test_what_is_said_twice_in_the_same_way_is_fine() -> None:
    """Whoever passes options on need not take any out."""
    said: dict[str, Any] = {"workers": 2, "n_jobs": 2, "processes": True}
    assert execute_tasks_in_parallel(TASKS, 2, True, executor="processes", **said) == [
        *range(4)
    ]


def test_executors_of_others_are_not_ours_to_start() -> None:
    """The message has the word that was used."""
    with ThreadPoolExecutor(1) as others:
        with pytest.raises(ValueError, match=r"^processes=True starts cotality's own"):
            execute_tasks_in_parallel(TASKS, executor=others, processes=True)
        assert execute_tasks_in_parallel(TASKS, executor=others, workers=1) == [
            *range(4)
        ]


def test_a_run_over_data_says_what_contradicts() -> None:
    """In its own words."""
    with pytest.raises(ValueError, match="workers=2 and n_jobs=3 contradict"):
        execute(echo, [1], workers=2, n_jobs=3)
    with pytest.raises(ValueError, match="processes=True and executor='threads'"):
        execute(echo, [1], processes=True, executor="threads")


# Words of others for a place.


@pytest.mark.parametrize(
    ("word", "core", "run"),
    [
        ("thread", "Did you mean 'threads'?", "Did you mean 'threads'?"),
        ("Threads", "Did you mean 'threads'?", "Did you mean 'threads'?"),
        ("threading", "Did you mean 'threads'?", "Did you mean 'threads'?"),
        ("process", "Did you mean 'processes'?", "Did you mean 'processes'?"),
        ("loky", "Did you mean 'processes'?", "Did you mean 'processes'?"),
        ("sequential", "Write inline=True.", ""),
        ("serial", "Write inline=True.", "Did you mean 'sequential'?"),
        ("fibers", "got 'fibers'.", "got 'fibers'."),
    ],
)
def test_the_word_that_somebody_means_is_offered(
    word: str, core: str, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the call has it; else how to have the same."""
    with pytest.raises(ValueError, match="executor must be one of") as caught:
        execute_tasks_in_parallel(TASKS, executor=word)  # type: ignore[call-overload]  # to be refused
    assert str(caught.value).endswith(core)

    if not run:
        return
    with pytest.raises(ValueError, match="executor must be one of") as caught:
        execute(echo, [1], executor=word)  # type: ignore[call-overload]  # to be refused
    assert str(caught.value).endswith(run)

    monkeypatch.setenv("COTALITY_EXECUTOR", word)
    with pytest.raises(ValueError, match="COTALITY_EXECUTOR must be one of") as caught:
        execute(echo, [1])
    assert f"{run} Correct it" in str(caught.value)

"""A limit on the memory that the tasks of a call take."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from cotality.core.utils._process.engine.limits import memory_limit
from cotality.core.utils._process.engine.limits.memory_limit import MemoryLimit
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils.process import RunReport, Task, execute_tasks_in_parallel
from cotality.tuning import execute
from tests.kit.given import given, settings, st
from tests.kit.helpers import echo
from tests.kit.limits import LONG_S

MB = 1_000_000
PLENTY = 10**12


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much memory is free, one look after the other; the last holds on."""
    left = [PLENTY]
    monkeypatch.setattr(
        memory_limit, "memory_left", lambda: left.pop(0) if left[1:] else left[0]
    )
    monkeypatch.setattr(memory_limit, "LOOK_INTERVAL", 0.0)
    return left


def portion(count: int) -> Portion:
    return Portion(0, [Task(echo, {"value": 1})] * count, {})


def test_few_run_at_a_time_if_they_are_large(free: list[int]) -> None:
    """However many workers there are, once it is known how large."""
    lock, running, most = threading.Lock(), [0], [0]

    def large(number: int) -> bytes:
        with lock:
            running[0] += 1
            if number >= 16:  # the first ones go out before any is back
                most[0] = max(most[0], running[0])
        time.sleep(0.005)  # so that they do overlap where they may
        with lock:
            running[0] -= 1
        return bytes(10 * MB)

    tasks = [Task(large, positional=(number,)) for number in range(40)]
    results = execute_tasks_in_parallel(tasks, 8, memory_limit_mb=35)

    assert len(results) == 40
    assert 1 <= most[0] <= 3


def test_tasks_begin_at_once_before_anything_is_known_of_them() -> None:
    """One for each worker: nobody waits for the first to come back."""
    together = threading.Barrier(6)
    tasks = [Task(together.wait, positional=(LONG_S,))] * 6

    found = execute_tasks_in_parallel(tasks, 6, memory_limit_mb=100)

    assert sorted(found) == list(range(6))


def test_large_arguments_count_as_well(use_processes: bool) -> None:
    """Portions hold no more of them than fit."""
    report = RunReport()
    tasks = [Task(len, positional=(bytes(100_000),)) for _ in range(40)]

    execute_tasks_in_parallel(
        tasks, 2, use_processes, chunksize=20, memory_limit_mb=1, report=report
    )

    assert report.largest_portion <= 10


def test_one_task_that_is_too_large_runs_alone(use_processes: bool) -> None:
    """There is no other way, and nothing waits for ever."""
    tasks = [Task(bytes, positional=(3 * MB,))] * 4

    results = execute_tasks_in_parallel(tasks, 2, use_processes, memory_limit_mb=1)

    assert [len(each) for each in results] == [3 * MB] * 4


steps = st.lists(
    st.tuples(st.integers(1, 100), st.integers(1, 5 * MB), st.booleans()), max_size=60
)


@settings(deadline=None)
@given(steps)
def test_what_is_out_fits(steps: list[tuple[int, int, bool]]) -> None:
    """By what is known when it is handed out; and some task always may run."""
    brake, out = MemoryLimit(20 * MB), list[int]()
    brake.look_at = float("inf")
    for wanted, size, comes_back in steps:
        granted = brake.take(wanted)
        assert granted >= 0
        if granted:
            out.append(granted)
            brake.handed_out(portion(granted))
        each = brake.arguments.bytes + brake.results.bytes
        assert granted == 0 or sum(out) == 1 or sum(out) * each <= 20 * MB * 1.01
        if comes_back or not granted:
            assert out
            count = out.pop(0)
            report = ChunkReport([bytes(size) for _ in range(min(count, 3))])
            brake.came_back(portion(count), report)
            assert brake.out == sum(out)


def test_nothing_starts_below_the_floor(free: list[int]) -> None:
    """It starts as soon as there is room again."""
    free[:] = [0, 0, 0, PLENTY]

    assert execute_tasks_in_parallel([Task(echo, {"value": 1})], memory_limit_mb=50)
    assert free == [PLENTY]


def test_who_waits_for_memory_in_vain_is_told(
    free: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error with the figures, and what to do; no task has started."""
    free[:] = [3 * MB]
    monkeypatch.setattr(
        memory_limit.MemoryLimit.__init__, "__kwdefaults__", {"patience": 0.05}
    )
    ran: list[Any] = []

    with pytest.raises(
        MemoryError,
        match="3 MB of memory are free and a call with "
        "memory_limit_mb=50 starts none below 5 MB",
    ):
        execute_tasks_in_parallel(
            [Task(ran.append, positional=(1,))], memory_limit_mb=50
        )

    assert ran == []


def test_a_machine_that_does_not_tell_has_no_floor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only sizes count there."""
    monkeypatch.setattr(memory_limit, "memory_left", lambda: None)

    assert execute_tasks_in_parallel([Task(echo, {"value": 1})], memory_limit_mb=50)


def test_the_environment_sets_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """For every call that does not say otherwise."""
    monkeypatch.setenv("COTALITY_MEMORY_LIMIT_MB", "1")
    tasks = [Task(bytes, positional=(100_000,))] * 600
    by_environment, by_argument = RunReport(), RunReport()

    execute_tasks_in_parallel(tasks, 2, chunksize=20, report=by_environment)
    execute_tasks_in_parallel(
        tasks, 2, chunksize=20, memory_limit_mb=1000, report=by_argument
    )

    assert by_environment.portions >= 60
    assert by_argument.portions < by_environment.portions
    monkeypatch.setenv("COTALITY_MEMORY_LIMIT_MB", "lots")
    with pytest.raises(ValueError, match="COTALITY_MEMORY_LIMIT_MB must be an integer"):
        execute_tasks_in_parallel(tasks)


def test_a_container_sets_a_limit_for_execute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by itself; without a container there is none."""
    report = RunReport()
    left = "cotality.tuning._tuning.work.calling.left_in_container"
    monkeypatch.setattr(left, lambda: MB)

    execute(bytes, [100_000] * 60, executor="threads", chunksize=20, report=report)

    assert report.largest_portion <= 10


@pytest.mark.parametrize(
    ("limit", "error", "message"),
    [
        (0, ValueError, "must be more than 0 and finite, in MB .* got 0"),
        (float("inf"), ValueError, "got inf. Leave it out"),
        ("1 GB", TypeError, "must be a number or None, got '1 GB'"),
        (True, TypeError, "got True"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(
    limit: Any, error: type[Exception], message: str
) -> None:
    """Before anything runs."""
    with pytest.raises(error, match=message):
        execute_tasks_in_parallel([], memory_limit_mb=limit)

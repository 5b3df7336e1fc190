"""Worker processes between calls: kept warm, leased, renewed, ended; and pools."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.workers import pool_state
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    RunReport,
    Task,
    TaskTimeoutError,
    available_cpus,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    shutdown_workers,
    worker_pool,
)
from tests.kit.helpers import (
    Gate,
    Marks,
    echo,
    inner_pids,
    mark_and_wait,
    pid,
    pid_after_marks,
    run_script,
    wait_then,
    without_addresses,
)
from tests.kit.limits import LONG_S
from tests.processes.test_faults import wait_until_gone


def meeting(marks: Marks, count: int) -> list[Task[int]]:
    """Tasks that wait for each other, so that each has a worker of its own."""
    before = len(marks.names())
    return [
        Task.of(pid_after_marks, marks, f"{before + i}", before + count)
        for i in range(count)
    ]


def pids(marks: Marks, count: int = 2, **options: Any) -> set[int]:
    """The workers of one call with *count* of them."""
    tasks = meeting(marks, count)
    return set(execute_tasks_in_parallel(tasks, count, True, **options))


def variable(name: str) -> str | None:
    """What a worker finds in its environment."""
    [value] = execute_tasks_in_parallel([Task.of(os.getenv, name)], 1, True)
    return value


# From call to call.


def test_the_next_call_has_the_same_workers(marks: Marks) -> None:
    """Workers are started once, not for each call."""
    workers = pids(marks)

    assert len(workers) == 2
    assert pids(marks) == workers


def test_a_smaller_call_takes_some_of_them(marks: Marks) -> None:
    """Fewer workers than there were: no new one is started."""
    workers = pids(marks, 3)

    assert pids(marks, 1) < workers


def test_a_larger_call_adds_to_them(marks: Marks) -> None:
    """More workers than there were: those that are there stay."""
    workers = pids(marks, 1)

    assert pids(marks, 3) > workers


def test_a_call_that_failed_leaves_its_workers(marks: Marks) -> None:
    """A failure, or an early end of a stream, is no reason to start anew."""
    workers = pids(marks)
    with pytest.raises(ZeroDivisionError):
        execute_tasks_in_parallel([Task.of(divmod, 1, 0)] * 2, 2, True)
    stream = execute_tasks_in_parallel_streaming([Task(pid)] * 100, 2, True)
    next(stream)
    stream.close()

    assert pids(marks) == workers


def test_calls_at_the_same_time_share_no_worker(marks: Marks) -> None:
    """A worker belongs to one call at a time."""
    found: list[set[int]] = []

    def call(name: str) -> None:
        # All four tasks of the two calls wait for each other.
        tasks = [Task.of(pid_after_marks, marks, f"{name}{i}", 4) for i in range(2)]
        found.append(set(execute_tasks_in_parallel(tasks, 2, True)))

    threads = [threading.Thread(target=call, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)

    assert [len(workers) for workers in found] == [2, 2]
    assert found[0].isdisjoint(found[1])


def test_a_suspended_stream_keeps_its_workers_to_itself(marks: Marks) -> None:
    """A call in the middle of a stream gets others."""
    tasks = meeting(marks, 2) + [Task(pid)] * 100
    stream = execute_tasks_in_parallel_streaming(tasks, 2, True)
    workers = {next(stream)[1], next(stream)[1]}

    assert pids(marks).isdisjoint(workers)
    assert {value for _, value in stream} <= workers


def test_idle_workers_end_by_themselves(
    marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the idle limit they are gone, and the next call starts new ones."""
    monkeypatch.setattr(pool_state, "IDLE_LIMIT", 0.05)
    workers = pids(marks)

    assert all(wait_until_gone(each) for each in workers)
    assert pids(marks).isdisjoint(workers)


def test_workers_that_are_used_are_not_idle(
    marks: Marks, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit does not end a call that takes longer."""
    monkeypatch.setattr(pool_state, "IDLE_LIMIT", 0.05)
    opener = threading.Timer(0.3, gate.open)
    opener.start()

    results = execute_tasks_in_parallel([Task.of(wait_then, gate, 1)] * 3, 2, True)

    opener.join()
    assert results == [1, 1, 1]


def test_a_time_limit_holds_in_a_worker_that_was_idle() -> None:
    """Nothing else has to happen for a single late task to be noticed."""
    execute_tasks_in_parallel([Task(pid)], 1, True)

    late = Task.of(time.sleep, LONG_S)
    [error] = execute_tasks_in_parallel([late], 1, True, True, timeout=0.1)

    assert isinstance(error, TaskTimeoutError)


def test_shutdown_workers_ends_them_now(marks: Marks) -> None:
    """They are gone when it returns; the next call starts new ones."""
    workers = pids(marks)

    shutdown_workers()

    assert all(wait_until_gone(each) for each in workers)
    assert pids(marks).isdisjoint(workers)


def test_shutdown_workers_leaves_running_calls_alone(marks: Marks, gate: Gate) -> None:
    """Only idle workers are ended, and twice is no more than once."""
    tasks = [Task.of(mark_and_wait, marks, f"{i}", gate) for i in range(4)]
    results: list[list[str]] = []
    caller = threading.Thread(
        target=lambda: results.append(execute_tasks_in_parallel(tasks, 2, True))
    )
    caller.start()
    marks.wait_for(2)

    shutdown_workers()
    shutdown_workers()
    gate.open()
    caller.join(LONG_S)

    assert results == [["0", "1", "2", "3"]]


# A world that changes.


def change_environment(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("COTALITY_TEST", "changed")


def change_directory(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)


def change_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize("change", [change_environment, change_directory, change_path])
def test_a_change_of_the_world_renews_the_workers(
    change: Callable[[pytest.MonkeyPatch, Path], None],
    marks: Marks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task finds the environment, directory and import path of its caller."""

    def look() -> tuple[str | None, str, str]:
        return os.environ.get("COTALITY_TEST"), os.getcwd(), sys.path[0]

    before = pids(marks)
    change(monkeypatch, tmp_path)

    assert execute_tasks_in_parallel([Task(look)], 1, True) == [look()]
    after = pids(marks)
    assert after.isdisjoint(before)
    assert pids(marks) == after


def test_a_change_that_is_taken_back_leaves_no_worker_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that was started meanwhile, in the place of one that died, has it."""

    def look(dies: bool) -> str | None:
        if dies:
            os._exit(1)
        return os.environ.get("COTALITY_TEST")

    tasks = [Task.of(look, number == 9) for number in range(30)]
    with monkeypatch.context() as changed:
        for number, _ in execute_tasks_in_parallel_streaming(
            tasks, 1, True, on_error="return", chunksize=1
        ):
            if number == 0:
                changed.setenv("COTALITY_TEST", "for a while")

    assert execute_tasks_in_parallel([Task.of(look, False)], 1, True) == [None]


def test_a_directory_that_is_gone_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers start also where there is no current directory any more."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()

    assert execute_tasks_in_parallel([Task.of(abs, -1)], 1, True) == [1]


# worker_pool.


def test_a_pool_serves_all_calls_inside(marks: Marks) -> None:
    """They use its workers, which nobody else uses; with its end these end."""
    outside = pids(marks)
    with worker_pool(max_workers=2):
        workers = pids(marks)
        assert workers.isdisjoint(outside)
        assert pids(marks) == workers
        stream = execute_tasks_in_parallel_streaming([Task(pid)] * 9, 2, True)
        assert {value for _, value in stream} <= workers

    assert all(wait_until_gone(each) for each in workers)
    assert pids(marks) == outside


def test_the_initializer_of_a_pool_runs_once_in_each_worker(
    marks: Marks, tmp_path: Path
) -> None:
    """However many calls there are."""
    log = tmp_path / "log"

    def prepare(word: str) -> None:
        os.environ["PREPARED"] = word
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")

    with worker_pool(max_workers=2, initializer=prepare, initargs=("yes",)):
        workers = pids(marks) | pids(marks)
        words = execute_tasks_in_parallel(
            [Task.of(os.getenv, "PREPARED")] * 20, 2, True
        )

    assert set(words) == {"yes"}
    assert sorted(map(int, log.read_text().split())) == sorted(workers)


def test_calls_inside_use_no_more_workers_than_the_pool_has(marks: Marks) -> None:
    """A call may ask for more and gets all there are."""
    with worker_pool(max_workers=2):
        found = execute_tasks_in_parallel([Task(pid)] * 50, 20, True)
        workers = pids(marks)

    assert set(found) <= workers
    assert len(workers) == 2


def test_calls_inside_use_all_workers_of_the_pool_by_default() -> None:
    """Also if there are more of them than CPUs: somebody has said so."""
    most, report = available_cpus() + 1, RunReport()

    with worker_pool(max_workers=most):
        execute_tasks_in_parallel([Task(pid)] * 3, use_processes=True, report=report)

    assert report.workers == most


def test_a_stream_that_is_read_after_its_pool_has_workers_all_the_same() -> None:
    """It starts with the first `next()`, and then there is no pool any more."""
    with worker_pool(max_workers=2):
        stream = execute_tasks_in_parallel_streaming(
            [Task(pid)] * 3, use_processes=True
        )

    assert len(list(stream)) == 3


def test_pools_may_be_nested(marks: Marks) -> None:
    """The inner one counts, and afterwards the outer one again."""
    with worker_pool(max_workers=2):
        outer = pids(marks)
        with worker_pool(max_workers=1):
            assert pids(marks, 1).isdisjoint(outer)
        assert pids(marks) == outer


def test_a_pool_ends_also_after_an_exception(marks: Marks) -> None:
    """The exception is passed on, and nothing is left."""
    workers: set[int] = set()

    def use_and_fail() -> None:
        with worker_pool(max_workers=2):
            workers.update(pids(marks))
            raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        use_and_fail()

    assert workers
    assert all(wait_until_gone(each) for each in workers)


def test_other_threads_do_not_see_a_pool(marks: Marks) -> None:
    """It belongs to the code inside of the `with`."""
    found: list[set[int]] = []
    with worker_pool(max_workers=2):
        thread = threading.Thread(target=lambda: found.append(pids(marks)))
        thread.start()
        thread.join(LONG_S)
        assert found[0].isdisjoint(pids(marks))


def test_a_pool_that_is_not_used_starts_nothing() -> None:
    """Workers come with the first call."""
    threads = threading.active_count()
    with worker_pool(max_workers=2):
        assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"max_workers": 0}, ValueError),
        ({"max_workers": "2"}, TypeError),
        ({"initializer": "no function"}, TypeError),
    ],
    ids=without_addresses,
)
def test_a_wrong_argument_of_a_pool(
    wrong: dict[str, Any], error: type[Exception]
) -> None:
    """It is an error at the `with`."""
    with pytest.raises(error), worker_pool(**wrong):
        pytest.fail("the block is not entered")


# The number of tasks of a worker.


@pytest.mark.parametrize("limit", [1, 3])
def test_workers_are_replaced_after_some_tasks(limit: int) -> None:
    """No worker runs more tasks than it may, and no task is lost."""
    found = execute_tasks_in_parallel(
        [Task(pid)] * 12, 2, True, max_tasks_per_worker=limit
    )

    assert len(found) == 12
    assert max(found.count(each) for each in set(found)) <= limit


def test_workers_with_a_limit_are_not_kept(marks: Marks) -> None:
    """Such a call has workers of its own."""
    warm = pids(marks)
    own = pids(marks, max_tasks_per_worker=5)

    assert own.isdisjoint(warm)
    assert all(wait_until_gone(each) for each in own)
    assert pids(marks) == warm


def test_a_limit_inside_a_pool_keeps_its_initializer(tmp_path: Path) -> None:
    """Replaced workers are prepared like the first ones."""
    with worker_pool(max_workers=2, initializer=os.chdir, initargs=(tmp_path,)):
        found = execute_tasks_in_parallel(
            [Task(os.getcwd)] * 6, 2, True, max_tasks_per_worker=1
        )

    assert found == [str(tmp_path)] * 6


# What a worker finds.


def test_the_parent_keeps_its_settings(marks: Marks) -> None:
    """The shares are set in workers only."""
    before = dict(os.environ)
    pids(marks)

    assert dict(os.environ) == before


def test_workers_do_not_multiply() -> None:
    """Inside of a worker the default is one worker."""
    [found] = execute_tasks_in_parallel([Task.of(inner_pids, None)], 1, True)

    assert len(found) == 1


def test_workers_of_a_wide_call_are_not_kept_for_a_narrow_one() -> None:
    """As one of so many, each may start hardly any workers of its own."""
    execute_tasks_in_parallel([Task(echo, {"value": 1})], 500, True)

    [found] = execute_tasks_in_parallel([Task(inner_pids, {"max_workers": 2})], 1, True)

    assert len(found) == 2


def test_an_executor_in_a_worker_has_one_worker() -> None:
    """The same holds for the executor."""

    def count() -> int:
        with IsolatedProcessPoolExecutor() as executor:
            return executor._pool.max_workers

    assert execute_tasks_in_parallel([Task(count)], 1, True) == [1]


# multiprocessing, which belongs to the user.


def test_workers_are_no_children_of_the_users(marks: Marks) -> None:
    """Who joins all children of `multiprocessing` does not wait for ours."""
    before = multiprocessing.active_children()
    pids(marks)

    assert multiprocessing.active_children() == before


STARTING = """
import multiprocessing
from cotality.core.utils.process import Task, execute_tasks_in_parallel
assert execute_tasks_in_parallel([Task.of(abs, -1)] * 4, 2, True) == [1] * 4
with_default = multiprocessing.get_start_method(allow_none=True)
multiprocessing.set_start_method("spawn")
def look():
    import multiprocessing
    return multiprocessing.get_start_method(allow_none=True)
print(with_default, multiprocessing.get_start_method())
"""


def test_the_default_start_method_is_left_open(tmp_path: Path) -> None:
    """A program may choose it after a call, as if there had been none."""
    assert run_script(STARTING, tmp_path).split() == ["None", "spawn"]


def test_a_start_method_that_is_chosen_holds_in_workers(tmp_path: Path) -> None:
    """Tasks that use `multiprocessing` find what the program has set."""
    source = STARTING + "print(execute_tasks_in_parallel([Task(look)], 1, True))\n"

    assert run_script(source, tmp_path).split() == ["None", "spawn", "['spawn']"]


def use_multiprocessing() -> list[int]:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        return pool.map(abs, [-1, -2])


def test_tasks_may_use_multiprocessing() -> None:
    """A worker is no daemon: it may have children of its own."""
    assert execute_tasks_in_parallel([Task(use_multiprocessing)], 1, True) == [[1, 2]]


def test_echoes_after_all_that() -> None:
    """The workers of this process are as good as new."""
    tasks = [Task.of(echo, i) for i in range(100)]
    assert execute_tasks_in_parallel(tasks, 2, True) == list(range(100))

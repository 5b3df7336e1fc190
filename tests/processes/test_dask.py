"""Calls on a cluster of Dask: worker processes on this machine, over its network."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    Retry,
    Task,
    TaskNotPicklableError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    iter_outcomes,
    worker_state,
)
from tests.conftest import Things
from tests.kit.helpers import Failure, Marks, echo, environment_of_scripts, pid
from tests.kit.limits import GONE_S, POLL_S
from tests.processes.test_other_executors import (
    Resource,
    fail_deeply,
    fail_once,
    numbers,
    use,
)

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
dask = pytest.importorskip("dask", reason="Dask is not installed")

SETTINGS = {
    # A loaded machine is no reason to complain.
    "distributed.admin.tick.limit": "1h",
    "distributed.comm.timeouts.connect": "60s",
    "distributed.nanny.pre-spawn-environ.PYTHONPATH": (
        environment_of_scripts()["PYTHONPATH"]
    ),
}


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> None:
    """Not after each test: Dask starts and ends threads and workers as it likes."""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two worker processes of one thread each."""
    before = Things.now()
    with (
        warnings.catch_warnings(),
        dask.config.set(SETTINGS),
    ):
        # Sockets and subprocesses that are still open when Dask has closed all.
        warnings.simplefilter("ignore", ResourceWarning)
        cluster = distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,  # it tells of workers that are killed
        )
        with cluster, distributed.Client(cluster) as client:
            yield client
    end = time.monotonic() + GONE_S
    while (left := things_of_ours().beyond(before)) and time.monotonic() < end:
        time.sleep(POLL_S)
    assert not left


def things_of_ours() -> Things:
    """All but the thread that Dask keeps until the program ends."""
    now = Things.now()
    kept = {thread for thread in now.threads if thread.name.startswith("Dask-Offload")}
    return replace(now, threads=now.threads - kept)


@pytest.fixture
def executor(client: Any) -> Executor:
    client.wait_for_workers(2)  # a test before may have killed one
    made: Executor = client.get_executor(pure=False)
    return made


def test_many_tiny_tasks_travel_in_few_portions(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their results are those of a plain loop, in its order."""
    submits = itertools.count()
    submit = executor.submit

    def counting(*arguments: Any) -> Any:
        next(submits)
        return submit(*arguments)

    monkeypatch.setattr(executor, "submit", counting)

    results = execute_tasks_in_parallel(numbers(10_000), executor=executor)

    assert results == list(range(10_000))
    assert next(submits) < 1000


def test_lambdas_outcomes_and_workers(executor: Executor, client: Any) -> None:
    """What a script defines travels, and each outcome says when and where it was."""
    before = time.time()
    tasks = [Task(lambda i: (i, os.getpid()), {"i": i}) for i in range(50)]

    outcomes = sorted(iter_outcomes(tasks, executor=executor), key=lambda o: o.index)

    workers = set(client.run(os.getpid).values())
    for index, outcome in enumerate(outcomes):
        value, where = outcome.unwrap()
        assert value == index
        assert where in workers
        assert outcome.worker == f"process {where}"
        assert outcome.started_at is not None
        assert before - 1 < outcome.started_at < time.time() + 1


def test_failures_have_frames_and_causes(executor: Executor) -> None:
    """As if they had been raised here; what cannot travel is one failure."""
    tasks: list[Task[Any]] = [
        Task(fail_deeply),
        Task(echo, {"value": open}),
        Task(
            echo,
            {"value": itertools.count},
        ),
        Task(echo, {"value": (i for i in range(3))}),
    ]

    results = execute_tasks_in_parallel(tasks, executor=executor, on_error="return")

    frames = traceback.extract_tb(results[0].__traceback__)
    assert isinstance(results[0], Failure)
    assert isinstance(results[0].__cause__, KeyError)
    assert frames[-1].name == "fail_deeply"
    assert results[1:3] == [open, itertools.count]
    assert isinstance(results[3], TaskNotPicklableError)


def test_a_task_that_failed_runs_again(client: Any, marks: Marks) -> None:
    """Also with an executor that takes every function for pure."""
    tasks = [Task(fail_once, {"marks": marks, "name": f"{i}"}) for i in range(5)]

    outcomes = list(
        iter_outcomes(
            tasks, executor=client.get_executor(), retries=Retry(1, backoff=0)
        )
    )

    assert {outcome.value for outcome in outcomes} == {f"{i}" for i in range(5)}
    assert {outcome.attempts for outcome in outcomes} == {2}


def test_an_endless_input_is_read_a_window_ahead(executor: Executor) -> None:
    """And no further after a break; the executor remains usable."""
    read = itertools.count()
    tasks = (Task(echo, {"value": value}) for value in read)

    for index, value in execute_tasks_in_parallel_streaming(tasks, executor=executor):
        assert index == value
        if index == 100:
            break

    assert next(read) < 10_000
    assert executor.submit(echo, 1).result() == 1


def test_a_coroutine_uses_the_cluster(executor: Executor) -> None:
    """While its event loop goes on."""
    results = asyncio.run(
        execute_tasks_in_parallel_async(numbers(50), executor=executor)
    )

    assert results == list(range(50))


def test_state_of_workers_is_made_once_in_each(
    executor: Executor, marks: Marks
) -> None:
    """Their threads are kept, so later calls find it."""
    tasks = [Task(use, {"resource": worker_state(Resource, marks)})] * 30

    names = {
        name
        for _ in range(2)
        for name in execute_tasks_in_parallel(tasks, executor=executor)
    }

    assert {f"made {name}" for name in names} == marks.names()


def record_and_kill_once(folder: Path, index: int) -> int:
    """Add a line for each run of a task; the first run of number 60 is deadly."""
    with (folder / f"{index}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    if index == 60 and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return index


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_tasks_of_a_worker_that_is_killed_run_again(
    executor: Executor, tmp_path: Path
) -> None:
    """All are answered, and those whose results died with it have run twice."""
    tasks = [
        Task(record_and_kill_once, {"folder": tmp_path, "index": i}) for i in range(200)
    ]

    results = execute_tasks_in_parallel(tasks, executor=executor)

    runs = Counter(len((tmp_path / f"{i}").read_text().split()) for i in range(200))
    assert results == list(range(200))
    assert (tmp_path / "killed").exists()
    assert len((tmp_path / "60").read_text().split()) == 2
    assert set(runs) == {1, 2}


def kill_worker() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_tasks_of_a_worker_that_is_killed_fail_if_none_may_run_again(
    executor: Executor, client: Any
) -> None:
    """With no failures allowed, Dask gives up the portion, and each task says so."""
    scheduler = client.cluster.scheduler
    allowed, scheduler.allowed_failures = scheduler.allowed_failures, 0
    try:
        tasks: list[Task[Any]] = [Task(pid), Task(kill_worker), Task(pid)]
        results = execute_tasks_in_parallel(
            tasks, 1, executor=executor, on_error="return"
        )
    finally:
        scheduler.allowed_failures = allowed

    assert isinstance(results[1], WorkerCrashedError)
    assert "ClientExecutor lost this task, perhaps after it had begun" in str(
        results[1]
    )
    assert "KilledWorker" in str(results[1])
    assert isinstance(results[0], int)

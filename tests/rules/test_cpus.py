"""How many CPUs a process may use, and how many workers a call gets."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.machine import cpus
from cotality.core.utils._process.machine.cpus import WORKERS_VARIABLE, default_workers
from cotality.core.utils._process.workers import handle
from cotality.core.utils._process.workers.worker_main import THREAD_LIMITS
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    available_cpus,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_unordered,
    worker_pool,
)
from tests.kit.helpers import Marks, run_script, wait_for_marks, worker_id

# It is about what the system says of itself.
pytestmark = pytest.mark.one_python

linux = pytest.mark.skipif(sys.platform != "linux", reason="cgroups and affinity")

# What this process may use.


@pytest.fixture
def quota(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Says what the quota is."""

    def is_now(quota: int | None) -> None:
        monkeypatch.setattr(cpus, "quota_in_cpus", lambda: quota)

    is_now(None)
    return is_now


def test_cpus_are_those_of_this_process() -> None:
    """CPUs that this process may not use do not count."""
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("limit", "counted"), [(None, 7), (9, 7), (7, 7), (2, 2)])
def test_the_smaller_limit_counts(
    quota: Callable[[int | None], None],
    monkeypatch: pytest.MonkeyPatch,
    limit: int | None,
    counted: int,
) -> None:
    """What Python says of this process, or the quota of its cgroup, if that is less."""
    monkeypatch.setattr(os, "process_cpu_count", lambda: 7, raising=False)
    quota(limit)
    assert available_cpus() == counted


def test_affinity_counts(
    quota: Callable[[int | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Python 3.13 the CPUs that this process is kept to are counted."""
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.setattr(
        os, "sched_getaffinity", lambda process: {3, 5, 8}, raising=False
    )
    assert available_cpus() == 3


@pytest.mark.parametrize(("known", "counted"), [(6, 6), (None, 1)])
def test_machine_without_affinity(
    quota: Callable[[int | None], None],
    monkeypatch: pytest.MonkeyPatch,
    known: int | None,
    counted: int,
) -> None:
    """Where there is no affinity all CPUs count, and one when nobody knows."""
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: known)
    assert available_cpus() == counted


@linux
def test_a_process_kept_to_one_cpu(tmp_path: Path) -> None:
    """A program that is kept to one CPU has one, also after it has asked before."""
    printed = run_script(
        "import os\n"
        "from cotality.core.utils.process import available_cpus\n"
        "before = available_cpus()\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(available_cpus())\n"
        "in_child = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "print(before >= 1, available_cpus(), in_child)\n",
        tmp_path,
    )

    assert printed == "True 1 1\n"


# How many workers a call gets.


@pytest.mark.parametrize("inside_worker", [False, True])
@pytest.mark.parametrize(("count", "threads"), [(1, 5), (8, 12), (28, 32), (96, 32)])
def test_default_threads(
    monkeypatch: pytest.MonkeyPatch, count: int, threads: int, inside_worker: bool
) -> None:
    """Threads are four more than CPUs, 32 at most, in a worker as elsewhere."""
    monkeypatch.setattr(cpus, "available_cpus", lambda: count)
    assert default_workers(False, inside_worker) == threads


@pytest.mark.parametrize(
    ("platform", "workers"), [("linux", 96), ("darwin", 96), ("win32", 61)]
)
def test_default_processes(
    monkeypatch: pytest.MonkeyPatch, platform: str, workers: int
) -> None:
    """There is a worker process for each CPU, and on Windows 61 at most."""
    monkeypatch.setattr(cpus, "available_cpus", lambda: 96)
    monkeypatch.setattr(sys, "platform", platform)
    assert default_workers(True, False) == workers


def test_processes_are_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a worker process the default is one more process, not one for each CPU."""
    monkeypatch.setattr(cpus, "available_cpus", lambda: 96)
    assert default_workers(True, True) == 1


def names_of_workers(marks: Marks, count: int, **options: Any) -> set[object]:
    """The workers of *count* tasks that wait for each other."""
    before = len(marks.names())
    tasks = [
        Task.of(meet, marks, f"{before + number}", before + count)
        for number in range(count)
    ]
    return set(execute_tasks_in_parallel(tasks, **options))


def meet(marks: Marks, name: str, count: int) -> tuple[int, int]:
    wait_for_marks(marks, name, count)
    return worker_id()


@pytest.mark.parametrize("workers", ["3", " 3 "])
def test_the_variable_gives_more_workers(
    workers: str, use_processes: bool, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many tasks run at the same time as the variable says, on either kind."""
    monkeypatch.setattr(cpus, "available_cpus", lambda: 1)
    monkeypatch.setenv(WORKERS_VARIABLE, workers)

    assert len(names_of_workers(marks, 3, use_processes=use_processes)) == 3


def test_the_variable_gives_fewer_workers(
    use_processes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker does everything when the variable says so, whatever there is."""
    monkeypatch.setattr(cpus, "available_cpus", lambda: 8)
    monkeypatch.setenv(WORKERS_VARIABLE, "1")
    tasks = [Task(worker_id)] * 20

    found = execute_tasks_in_parallel(tasks, use_processes=use_processes)

    assert len(set(found)) == 1


def test_the_caller_wins_over_the_variable(
    use_processes: bool, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that says how many workers it wants gets them, whatever the variable."""
    monkeypatch.setenv(WORKERS_VARIABLE, "1")
    options = {"max_workers": 2, "use_processes": use_processes}
    assert len(names_of_workers(marks, 2, **options)) == 2

    monkeypatch.setenv(WORKERS_VARIABLE, "nonsense")
    assert len(names_of_workers(marks, 2, **options)) == 2


@pytest.mark.parametrize("use_processes", ["False", "True"])
def test_the_variable_is_read_by_each_call(use_processes: str, tmp_path: Path) -> None:
    """What a program sets before a call counts for that call; import reads nothing."""
    printed = run_script(
        "import os\n"
        "os.environ['COTALITY_MAX_WORKERS'] = 'not yet'\n"
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel\n"
        "from tests.kit.helpers import worker_id\n"
        "def count():\n"
        "    tasks = [Task(worker_id)] * 20\n"
        f"    found = execute_tasks_in_parallel(tasks, use_processes={use_processes})\n"
        "    return len(set(found))\n"
        "os.environ['COTALITY_MAX_WORKERS'] = '1'\n"
        "print(count())\n"
        "os.environ['COTALITY_MAX_WORKERS'] = '0'\n"
        "try:\n"
        "    count()\n"
        "except ValueError as error:\n"
        "    print(error)\n",
        tmp_path,
    )

    assert printed.startswith("1\nthe environment variable COTALITY_MAX_WORKERS must")


@pytest.mark.parametrize("value", ["", " ", "0", "-2", "1.5", "two", "4 5", "9" * 5000])
def test_a_variable_that_is_no_number_of_workers(
    value: str, use_processes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error of each call that needs it: which, what it says, the way out."""
    monkeypatch.setenv(WORKERS_VARIABLE, value)
    ran = threading.Event()
    tasks = [Task(ran.set)]
    for call in (
        execute_tasks_in_parallel,
        execute_tasks_in_parallel_unordered,
        execute_tasks_in_parallel_streaming,
    ):
        with pytest.raises(ValueError, match="COTALITY_MAX_WORKERS must be") as caught:
            call(tasks, use_processes=use_processes)
        text = str(caught.value)
        assert f"got {value!r}" in text or len(value) > 40
        assert "give max_workers" in text
        assert len(text) < 300
    assert not ran.is_set()


def test_a_variable_that_is_no_number_and_a_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever makes workers says the same of it."""
    monkeypatch.setenv(WORKERS_VARIABLE, "many")
    with pytest.raises(ValueError, match="'many'"):
        IsolatedProcessPoolExecutor()
    with pytest.raises(ValueError, match="'many'"), worker_pool():
        pass


def test_the_variable_and_a_pool(marks: Marks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `worker_pool` and the executor have as many workers as the variable says."""
    monkeypatch.setattr(cpus, "available_cpus", lambda: 1)
    monkeypatch.setenv(WORKERS_VARIABLE, "2")
    with worker_pool():
        assert len(names_of_workers(marks, 2, use_processes=True)) == 2
    with IsolatedProcessPoolExecutor() as executor:
        futures = [executor.submit(meet, marks, f"e{i}", 4) for i in range(2)]
        assert len({future.result() for future in futures}) == 2


# Calls inside of workers.


def count_inside(use_processes: bool) -> int:
    """How many workers the tasks of a call made in here have found."""
    tasks = [Task(worker_id)] * 20
    return len(set(execute_tasks_in_parallel(tasks, use_processes=use_processes)))


def count_meeting_inside(folder: Path, count: int, use_processes: bool) -> int:
    folder.mkdir()
    options = {"use_processes": use_processes}
    return len(names_of_workers(Marks(folder), count, **options))


def test_the_variable_does_not_multiply_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker inherits the variable, and still starts one process of its own."""
    monkeypatch.setenv(WORKERS_VARIABLE, "3")
    [found] = execute_tasks_in_parallel(
        [Task(count_inside, {"use_processes": True})], 1, True
    )

    assert found == 1


@pytest.mark.parametrize("outer", [False, True], ids=["threads", "processes"])
def test_the_variable_holds_for_threads_in_a_worker(
    outer: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call on threads inside of a worker has as many as the variable says."""
    monkeypatch.setenv(WORKERS_VARIABLE, "3")
    task = Task.of(count_meeting_inside, tmp_path / "inside", 3, False)

    assert execute_tasks_in_parallel([task], 1, outer) == [3]


# The threads of numeric libraries.


def thread_limits() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in THREAD_LIMITS}


@pytest.fixture
def limits_of_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[int], dict[str, str | None]]:
    """Says what a worker among so many finds in its environment, on 8 CPUs."""
    monkeypatch.setattr(handle, "available_cpus", lambda: 8)
    for name in THREAD_LIMITS:
        monkeypatch.delenv(name, raising=False)

    def ask(workers: int) -> dict[str, str | None]:
        with IsolatedProcessPoolExecutor(workers) as executor:
            return executor.submit(thread_limits).result()

    return ask


@pytest.mark.parametrize(("workers", "share"), [(1, 8), (2, 4), (3, 2), (20, 1)])
def test_numeric_libraries_get_their_share_of_the_cpus(
    limits_of_worker: Callable[[int], dict[str, str | None]], workers: int, share: int
) -> None:
    """The available CPUs are divided by the workers, and each gets one at least."""
    assert limits_of_worker(workers) == dict.fromkeys(THREAD_LIMITS, f"{share}")


def test_the_share_is_that_of_the_quota() -> None:
    """What is divided is the number of CPUs that count the quota."""
    assert handle.available_cpus is available_cpus


def test_a_setting_of_the_user_wins(
    limits_of_worker: Callable[[int], dict[str, str | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the environment says about one library is left alone."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")

    expected = {**dict.fromkeys(THREAD_LIMITS, "4"), "OPENBLAS_NUM_THREADS": "7"}
    assert limits_of_worker(2) == expected


def test_a_setting_for_openmp_wins_for_those_that_heed_it(
    limits_of_worker: Callable[[int], dict[str, str | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenBLAS, MKL and others look at their own variable first, so it stays unset."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")

    expected: dict[str, str | None] = dict.fromkeys(THREAD_LIMITS)
    expected |= {"OMP_NUM_THREADS": "7", "VECLIB_MAXIMUM_THREADS": "4"}
    assert limits_of_worker(2) == expected


def test_a_worker_in_a_worker_keeps_the_share(
    limits_of_worker: Callable[[int], dict[str, str | None]],
) -> None:
    """What is started inside of a worker gets the share of that worker at most."""
    with IsolatedProcessPoolExecutor(2) as executor:
        [found] = executor.submit(
            execute_tasks_in_parallel, [Task(thread_limits)], use_processes=True
        ).result()

    assert found == dict.fromkeys(THREAD_LIMITS, "4")

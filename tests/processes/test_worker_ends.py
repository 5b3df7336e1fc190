"""Workers that end in order run what was registered for their end; and coverage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cotality.core.utils._process.workers import pool_state
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    execute_tasks_in_parallel,
    shutdown_workers,
    worker_pool,
)
from tests.kit.helpers import Marks, environment_of_scripts, run_script
from tests.kit.limits import LONG_S
from tests.kit.programs import Program


def register(marks: Marks) -> int:
    """Have this process say that it comes to its end; its pid."""
    import atexit
    from multiprocessing import util

    atexit.register(marks.leave, f"atexit {os.getpid()}")
    util.Finalize(None, marks.leave, (f"Finalize {os.getpid()}",), exitpriority=1)
    return os.getpid()


def marks_of_end(pid: int) -> list[str]:
    return [f"Finalize {pid}", f"atexit {pid}"]


def by_shutdown_workers(marks: Marks) -> int:
    [pid] = execute_tasks_in_parallel([Task.of(register, marks)], 1, True)
    shutdown_workers()
    return pid


def by_the_end_of_a_pool(marks: Marks) -> int:
    with worker_pool(max_workers=1):
        [pid] = execute_tasks_in_parallel([Task.of(register, marks)], 1, True)
    return pid


def by_shutdown_of_an_executor(marks: Marks) -> int:
    with IsolatedProcessPoolExecutor(1) as executor:
        return executor.submit(register, marks).result(LONG_S)


def by_its_last_task(marks: Marks) -> int:
    [pid] = execute_tasks_in_parallel(
        [Task.of(register, marks)], 1, True, max_tasks_per_worker=1
    )
    return pid


def by_the_idle_limit(marks: Marks) -> int:
    [pid] = execute_tasks_in_parallel([Task.of(register, marks)], 1, True)
    marks.wait_for(2)
    return pid


@pytest.mark.parametrize(
    "end",
    [
        by_shutdown_workers,
        by_the_end_of_a_pool,
        by_shutdown_of_an_executor,
        by_its_last_task,
        by_the_idle_limit,
    ],
)
def test_a_worker_that_ends_in_order_says_so(
    end: Callable[[Marks], int], marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exit functions and finalizers run, before the parent goes on."""
    if end is by_the_idle_limit:
        monkeypatch.setattr(pool_state, "IDLE_LIMIT", 0.05)

    worker = end(marks)

    assert sorted(marks.names()) == marks_of_end(worker)


REGISTERING = """
from tests.processes.test_worker_ends import register
from tests.processes.test_worker_ends import register_and_wait, wait_at_the_end
"""


def register_and_wait(marks: Marks, name: str) -> None:
    register(marks)
    marks.leave(name)
    time.sleep(LONG_S * 4)


def wait_at_the_end(marks: Marks) -> None:
    import atexit

    register(marks)
    atexit.register(time.sleep, LONG_S * 4)


def test_idle_workers_end_in_order_with_the_program(marks: Marks) -> None:
    """Warm ones, and those of a pool that is still open."""
    source = (
        REGISTERING
        + "warm = execute_tasks_in_parallel([Task.of(register, marks)], 1, True)\n"
        "pool = worker_pool(max_workers=1)\n"
        "pool.__enter__()\n"
        "own = execute_tasks_in_parallel([Task.of(register, marks)], 1, True)\n"
        "print(*warm, *own)\n"
    )
    with Program(source, marks.folder.parent) as program:
        assert program.exit_code() == 0
        pids = [int(pid) for pid in program.printed().split()]

    assert len(set(pids)) == 2
    assert sorted(marks.names()) == sorted(m for pid in pids for m in marks_of_end(pid))


def test_a_worker_at_work_is_ended_with_the_program(marks: Marks) -> None:
    """Nobody is left who could take its result."""
    source = (
        REGISTERING + "stream = execute_tasks_in_parallel_streaming("
        "[Task.of(register_and_wait, marks, 'begun')], 1, True, grace=0)\n"
        "threading.Thread(target=lambda: next(stream, None), daemon=True).start()\n"
        "marks.wait_for(1)\n"
    )
    with Program(source, marks.folder.parent) as program:
        assert program.exit_code() == 0
        program.printed()

    assert marks.names() == {"begun"}


def test_a_worker_that_does_not_come_to_its_end_is_ended(marks: Marks) -> None:
    """Its exit functions have a second; one that waits does not hold up the program."""
    source = (
        REGISTERING
        + "execute_tasks_in_parallel([Task.of(wait_at_the_end, marks)], 1, True)\n"
    )
    with Program(source, marks.folder.parent) as program:
        assert program.exit_code() == 0
        assert program.printed() == ""

    # The one that waits keeps those after it from running: up to Python 3.12 finalizers
    # come before the functions of `atexit`, from 3.13 on after them.
    kinds = [name.split()[0] for name in marks.names()]
    assert kinds == (["Finalize"] if sys.version_info < (3, 13) else [])


def test_what_an_exit_function_prints_is_printed(tmp_path: Path) -> None:
    """As what a task prints, also without the end of a line."""
    source = (
        "import atexit\n"
        "from cotality.core.utils.process import *\n"
        "def task(): atexit.register(print, 'the end', end='.')\n"
        "execute_tasks_in_parallel([Task(task)], 1, True)\n"
    )

    assert run_script(source, tmp_path) == "the end."


# Coverage.

JOBS = "def work(n):\n    a = n + 1\n    b = a * 2\n    return b\n"
LINES_OF_JOBS = [1, 2, 3, 4]
CALLING = """
from jobs import work
from cotality.core.utils.process import Task, execute_tasks_in_parallel
def test_call():
    tasks = [Task.of(work, n) for n in range(4)]
    # One worker: of a second one that comes too late, coverage says it saw nothing.
    assert execute_tasks_in_parallel(tasks, 1, True) == [2, 4, 6, 8]
if __name__ == "__main__":
    test_call()
"""
SETTINGS = {
    "concurrency": "concurrency = multiprocessing",
    "subprocess": "patch = subprocess",
    "both": "concurrency = multiprocessing\npatch = subprocess, fork",
}


@pytest.fixture(params=SETTINGS)
def measured(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a program to measure, and how."""
    (tmp_path / "jobs.py").write_text(JOBS, "utf-8")
    (tmp_path / "test_main.py").write_text(CALLING, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
    (tmp_path / ".coveragerc").write_text(
        f"[run]\nparallel = true\n{SETTINGS[request.param]}\n", "utf-8"
    )
    # What a .pth file of coverage does where it is installed in the usual way.
    (tmp_path / "sitecustomize.py").write_text(
        "import coverage\ncoverage.process_startup()\n", "utf-8"
    )
    return tmp_path


def run_measured(folder: Path, *command: str) -> str:
    environment = environment_of_scripts()
    environment["PYTHONPATH"] += os.pathsep + str(folder)
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S * 2,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    return ended.stdout


def measured_lines(folder: Path) -> list[int]:
    """The lines of the module with the tasks that have been run."""
    run_measured(folder, "coverage", "json", "-q", "--include=jobs.py", "-o", "found")
    found = json.loads((folder / "found").read_text("utf-8"))
    lines: list[int] = found["files"]["jobs.py"]["executed_lines"]
    return lines


@pytest.mark.one_python
def test_coverage_sees_what_tasks_do(measured: Path) -> None:
    """Whichever way it gets into processes."""
    run_measured(measured, "coverage", "run", "test_main.py")
    run_measured(measured, "coverage", "combine", "-q")

    assert measured_lines(measured) == LINES_OF_JOBS


@pytest.mark.one_python
def test_pytest_cov_sees_what_tasks_do(measured: Path) -> None:
    """It asks before the program ends, so workers end with their call then."""
    run_measured(
        measured,
        *("pytest", "-q", "-p", "no:cacheprovider", "--cov=jobs", "--cov-report="),
    )

    assert measured_lines(measured) == LINES_OF_JOBS

"""Where the system does not let a thread start: an error that says so, and no more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.kit.helpers import run_script

# What needs to be there is, then no thread may start any more. As root, who has no such
# limit, the program becomes another user first.
LIMIT = """
import os, resource
from cotality.core.utils.process import *
from cotality.tuning import execute, get_global_pool_manager, managed_pool
import asyncio, time
def slowly(n):
    time.sleep(0.001)
    return n
def once(): ...
tasks = [Task.of(slowly, i) for i in range(20)]
def on_threads(): return execute_tasks_in_parallel(tasks, 2)
def on_processes(): return execute_tasks_in_parallel(tasks, 2, True)
def on_an_executor():
    with IsolatedProcessPoolExecutor(2) as executor:
        return executor.submit(abs, -1).result()
def in_a_pool():
    with worker_pool(max_workers=2):
        return on_processes()
def by_a_manager(): return get_global_pool_manager().execute(slowly, range(20))
def by_execute(): return execute(slowly, range(2000), max_workers=2)
def as_it_decides(): return execute_tasks_in_parallel(tasks, use_processes="auto")
def by_coroutines(): return asyncio.run(execute_tasks_in_parallel_async(tasks, 2, True))
WAYS = [value for value in globals().values() if type(value) is type(once)]
WAYS = WAYS[WAYS.index(once) + 1:]
"""
REFUSING = """
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
"""
CALLING = """
try:
    print(way() is not None)
except RuntimeError as error:
    assert "allows no more threads" in str(error), error
    print("refused")
"""
WAYS = [
    *("on_threads", "on_processes", "on_an_executor", "in_a_pool", "by_a_manager"),
    *("by_execute", "as_it_decides", "by_coroutines"),
]


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
@pytest.mark.parametrize("way", WAYS)
def test_no_thread_can_be_started(way: str, tmp_path: Path) -> None:
    """The call fails, or does without; nothing is said at the end of the program."""
    source = (
        f"{LIMIT}\nfor way in WAYS: way()\n"
        "from cotality.tuning import shutdown_global_pool_manager\n"
        "shutdown_workers()\nshutdown_global_pool_manager()\n"
        f"{REFUSING}\nway = {way}\n{CALLING}{CALLING}"
    )

    first, second = run_script(source, tmp_path).split()

    assert {first, second} <= {"refused", "True"}
    if way != "as_it_decides":  # which the times of a few tasks may have another time
        assert first == second
    if way in {"on_processes", "on_an_executor", "in_a_pool", "by_coroutines"}:
        assert first == "refused"

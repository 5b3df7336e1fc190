"""Code that catches what the standard process pool raises catches our errors too."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import BrokenExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    WorkerCrashedError,
    WorkerStartError,
    execute_tasks_in_parallel,
)
from tests.kit.helpers import fail_with, run_script

crash = Task.of(os._exit, 3)
failing: dict[str, Any] = {"initializer": fail_with, "initargs": (ValueError("x"),)}


def test_a_crash_of_a_call() -> None:
    """It is both, and keeps what it knows."""
    with pytest.raises(BrokenProcessPool) as caught:
        execute_tasks_in_parallel([crash], 1, True)

    assert isinstance(caught.value, WorkerCrashedError)
    assert isinstance(caught.value, BrokenExecutor)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), copy.exit_code) == (WorkerCrashedError, 3)


def test_a_crash_in_our_executor() -> None:
    """Where people take it in the place of the standard one."""
    with IsolatedProcessPoolExecutor(1) as executor:
        future = executor.submit(os._exit, 3)

    assert isinstance(future.exception(), BrokenProcessPool)


def test_an_initializer_that_fails() -> None:
    """The standard pool is broken by that as well."""
    with pytest.raises(BrokenProcessPool) as caught:
        execute_tasks_in_parallel([Task(os.getpid)], 1, True, **failing)

    assert isinstance(caught.value, WorkerStartError)


def test_a_crash_in_a_nested_call() -> None:
    """It comes from another process, and is both there and here."""
    nested = Task.of(execute_tasks_in_parallel, [crash], 1, True)

    with pytest.raises(BrokenProcessPool) as caught:
        execute_tasks_in_parallel([nested], 1, True)

    assert isinstance(caught.value, WorkerCrashedError)


def test_who_only_names_it_loads_nothing(tmp_path: Path) -> None:
    """The class of the standard library comes with the first worker process."""
    printed = run_script(
        "import os, sys\n"
        "from cotality.core.utils.process import (\n"
        "    Task, WorkerCrashedError, WorkerStartError, execute_tasks_in_parallel)\n"
        "print(any(name.startswith('multiprocessing') for name in sys.modules))\n"
        "try:\n"
        "    execute_tasks_in_parallel([Task.of(os._exit, 3)], 1, True)\n"
        "except WorkerCrashedError as error:\n"
        "    from concurrent.futures.process import BrokenProcessPool\n"
        "    print(isinstance(error, BrokenProcessPool))\n",
        tmp_path,
    )

    assert printed == "False\nTrue\n"


@pytest.mark.parametrize("end", ["shutdown_workers()", "print_in_a_fork()"])
def test_who_loses_no_worker_loads_nothing(tmp_path: Path, end: str) -> None:
    """Neither the end of workers needs that class, nor a fork that has none of them."""
    printed = run_script(
        "import os, sys, warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)  # of forking, from 3.12\n"
        "from cotality.core.utils.process import *\n"
        "def print_in_a_fork():\n"
        "    if pid := os.fork():\n"
        "        assert os.waitpid(pid, 0)[1] == 0\n"
        "        os._exit(0)\n"
        "execute_tasks_in_parallel([Task.of(abs, -1)], 1, True)\n"
        f"{end}\n"
        "print('concurrent.futures.process' in sys.modules)\n",
        tmp_path,
    )

    assert printed == "False\n"

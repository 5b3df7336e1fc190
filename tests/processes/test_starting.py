"""What an initializer is given that can only be sent to a process as it starts."""

from __future__ import annotations

import multiprocessing
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from cotality.core.utils._process.durable.keys.arrays import text_of_array
from cotality.core.utils._process.progress import output_place
from cotality.core.utils._process.starting import interpreter, loading, measured
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    TaskNotPicklableError,
    execute_tasks_in_parallel,
    worker_pool,
)
from tests.kit.helpers import run_script

SCRIPT = """
import multiprocessing
from cotality.core.utils.process import *

class Thing:
    pass

def set_up(a, b, c, thing):
    global lock, total, queue
    lock, total, queue = a, b, c
    assert type(thing) is Thing

def add(n):
    with lock:
        total.value += n
    queue.put(n)
    return n

context = multiprocessing.get_context("spawn")
total_here, queue_here = context.Value("i", 0), context.Queue()
given = context.Lock(), total_here, queue_here, Thing()
"""


def test_locks_values_and_queues_of_a_script(tmp_path: Path) -> None:
    """Workers and the program have the same ones, beside arguments of other kinds."""
    source = SCRIPT + (
        "tasks = [Task.of(add, n) for n in range(4)]\n"
        "set_up_by = {'initializer': set_up, 'initargs': given}\n"
        "print(execute_tasks_in_parallel(tasks, 2, True, **set_up_by))\n"
        "with IsolatedProcessPoolExecutor(1, None, set_up, given) as executor:\n"
        "    print(executor.submit(add, 5).result())\n"
        "with worker_pool(max_workers=1, **set_up_by):\n"
        "    print(execute_tasks_in_parallel([Task.of(add, 6)], 1, True))\n"
        "print(total_here.value, sorted(queue_here.get() for _ in range(6)))\n"
    )

    printed = run_script(source, tmp_path)

    assert printed == "[0, 1, 2, 3]\n5\n[6]\n17 [0, 1, 2, 3, 5, 6]\n"


def use(*given: Any) -> None:
    """What an initializer does with what it is given does not matter here."""


@pytest.mark.skipif(sys.platform != "linux", reason="only there locks can be forked")
@pytest.mark.parametrize("kind", ["Lock", "Queue", "Event"])
def test_a_lock_for_forks_alone(kind: str) -> None:
    """The call itself says what to do, and no worker is started for it."""
    context: Any = multiprocessing.get_context("fork")
    thing = getattr(context, kind)()
    set_up: Any = {"initializer": use, "initargs": (1, thing)}

    with pytest.raises(TaskNotPicklableError, match=r"initargs\[1\].*spawn"):
        execute_tasks_in_parallel([Task.of(abs, 1)], 1, True, **set_up)
    with pytest.raises(TaskNotPicklableError, match=r"initargs\[1\].*spawn"):
        IsolatedProcessPoolExecutor(1, None, use, (1, thing))
    with (
        pytest.raises(TaskNotPicklableError, match=r"initargs\[1\].*spawn"),
        worker_pool(max_workers=1, **set_up),
    ):
        pass
    if kind == "Queue":
        thing.close()
        thing.join_thread()


def test_what_no_process_can_be_given() -> None:
    """It is named."""
    with (
        open(__file__) as file,  # what kind it is matters
        pytest.raises(TaskNotPicklableError, match=r"initargs\[0\]\['file'\]"),
    ):
        IsolatedProcessPoolExecutor(1, None, use, ({"file": file},))


def test_another_thread_imports_multiprocessing_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its function is there before what that answers with: it is not asked then."""
    expected = interpreter.executable()
    half = ModuleType("multiprocessing.spawn")

    def get_executable() -> object:
        raise NameError("_python_exe")

    monkeypatch.setattr(half, "get_executable", get_executable, raising=False)
    monkeypatch.setitem(sys.modules, "multiprocessing.spawn", half)

    assert interpreter.executable() == expected


HALF_THERE = {
    "multiprocessing.process": loading.has_no_work,
    "multiprocessing.spawn": measured.is_hooked,
    "IPython": lambda: output_place.is_notebook(sys.stderr),
    "numpy": lambda: text_of_array([], cast("Any", None)) is not None,
}


@pytest.mark.parametrize("name", HALF_THERE)
def test_another_thread_imports_a_module_meanwhile(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in its place with nothing in it; nobody can have used it yet."""
    half = ModuleType(name)
    half.__spec__ = ModuleSpec(name, None)
    monkeypatch.setattr(half.__spec__, "_initializing", True, raising=False)
    monkeypatch.setitem(sys.modules, name, half)

    assert not HALF_THERE[name]()

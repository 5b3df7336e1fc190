"""A process that a C library has forked, which Python does not know of.

uWSGI forks its workers so, unless it is told otherwise: no function of
`os.register_at_fork` is called in them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.kit.helpers import run_script

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="there is no fork on this system"
)

FORK = """
import ctypes, os, signal, sys, threading, time
from cotality.core.utils.process import *
from cotality.tuning import PoolManager, execute

squares = [Task.of(pow, n, 2) for n in range(6)]
fork = ctypes.PyDLL(None).fork

def switches():
    found = {}
    for task in set(os.listdir("/proc/self/task")) - {str(threading.get_native_id())}:
        with open(f"/proc/self/task/{task}/status") as status:
            found[task] = [line for line in status if "ctxt_switches" in line]
    return found

def settle():
    # A lock that another thread has while C forks is never released in the child.
    end, looks = time.monotonic() + 10, [0]
    while sys.platform == "linux" and time.monotonic() < end:
        looks = [*looks[-4:], switches()]
        if looks == [looks[-1]] * 5:
            break
        time.sleep(0.02)

def in_child(act):
    settle()
    pid = fork()
    if pid == 0:
        signal.alarm(60)  # ends it: nobody is to wait for one that hangs
        try:
            print(act(), flush=True)
        except BaseException as error:
            print(repr(error), flush=True)
        os._exit(0)
    return os.waitpid(pid, 0)[1]

"""

CALLS = {
    "processes": "lambda: execute_tasks_in_parallel(squares, 2, True)",
    "threads": "lambda: execute_tasks_in_parallel(squares, 2)",
    "auto": "lambda: execute_tasks_in_parallel(squares, 2, 'auto')",
    "function": "lambda: list(execute(abs, [0, 1, 4, 9, 16, 25]))",
    "stream": "lambda: [value for _, value in"
    " execute_tasks_in_parallel_streaming(squares, 2, True)]",
    "manager": "lambda: list(manager.execute(abs, [0, 1, 4, 9, 16, 25]))",
}
RIGHT = "[0, 1, 4, 9, 16, 25]\n"


@pytest.mark.one_python
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_in_the_child(call: str, tmp_path: Path) -> None:
    """It has workers of its own, and so has the parent's next call."""
    source = FORK + (
        "manager = PoolManager(2)\n"
        f"call = {call}\n"
        "print(call(), flush=True)\n"
        "status = in_child(call)\n"
        "print(call(), flush=True)\n"
        "print(status)\n"
        "manager.shutdown()\n"
    )

    assert run_script(source, tmp_path) == 3 * RIGHT + "0\n"


CLIENTS = {
    "flow": "lambda: [flow.call(n) for n in (0, 1, 2, 3, 4, 5)]",
    "loop": "lambda: asyncio.run(all_of(range(6)))",
}


@pytest.mark.one_python
@pytest.mark.parametrize("call", CLIENTS.values(), ids=CLIENTS)
def test_a_flow_of_the_parent(call: str, tmp_path: Path) -> None:
    """The child has connections of its own, beside which the parent's go on."""
    source = FORK + (
        "import asyncio\n"
        "from cotality.flow import Flow, Step\n"
        "def square(number):\n"
        "    return number * number\n"
        "async def all_of(numbers):\n"
        "    return [await flow(number) for number in numbers]\n"
        "flow = Flow(Step(square))\n"
        f"call = {call}\n"
        "with flow:\n"
        "    print(call(), flush=True)\n"
        "    status = in_child(call)\n"
        "    print(call(), flush=True)\n"
        "print(status)\n"
    )

    assert run_script(source, tmp_path) == 3 * RIGHT + "0\n"


@pytest.mark.one_python
def test_an_executor_of_the_parent(tmp_path: Path) -> None:
    """The child is told that it belongs to another process; the parent goes on."""
    source = FORK + (
        "executor = IsolatedProcessPoolExecutor(1)\n"
        "call = lambda: executor.submit(pow, 3, 2).result()\n"
        "print(call(), flush=True)\n"
        "in_child(call)\n"
        "print(call(), flush=True)\n"
        "executor.shutdown()\n"
    )

    first, told, again = run_script(source, tmp_path).splitlines()

    assert (first, again) == ("9", "9")
    assert "belongs to the parent of this forked process" in told


@pytest.mark.one_python
def test_the_end_of_the_child(tmp_path: Path) -> None:
    """It ends no worker of its parent, in which a task runs."""
    source = FORK + (
        "import threading, time\n"
        "from pathlib import Path\n"
        "gate = Path('gate')\n"
        "def wait():\n"
        "    while not gate.exists(): time.sleep(0.01)\n"
        "    return os.getpid()\n"
        "executor = IsolatedProcessPoolExecutor(1)\n"
        "execute_tasks_in_parallel(squares, 2, True)\n"
        "worker = executor.submit(os.getpid).result()\n"
        "future = executor.submit(wait)\n"
        "pid = fork()\n"
        "if pid == 0:\n"
        "    signal.alarm(60)\n"
        "    sys.exit()\n"
        "print(os.waitpid(pid, 0)[1])\n"
        "gate.touch()\n"
        "print(future.result() == worker)\n"
        "print(execute_tasks_in_parallel(squares, 2, True))\n"
        "executor.shutdown()\n"
    )

    assert run_script(source, tmp_path) == "0\nTrue\n" + RIGHT

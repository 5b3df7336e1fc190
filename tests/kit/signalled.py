"""What programs and tasks do that have to do with signals, and who starts processes.

Workers import it, so it imports little.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.context import BaseContext

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    execute_tasks_in_parallel,
)
from tests.kit.helpers import Gate, Marks
from tests.kit.limits import GONE_S, LONG_S, POLL_S


def collect_all() -> None:
    """As process managers do: take the exit status of whatever child has ended."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            threading.Event().wait(POLL_S)


def signals_here() -> tuple[set[int], set[str], int, int]:
    """What is blocked, what is not as in a new interpreter, and two more things."""
    odd = {
        signal.Signals(number).name
        for number in signal.valid_signals()
        if signal.getsignal(number) is not signal.SIG_DFL
    }
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    status = os.waitstatus_to_exitcode(os.system("exit 3"))
    return set(blocked), odd, signal.set_wakeup_fd(-1), status


def mark_server_and_wait(marks: Marks, gate: Gate) -> None:
    marks.leave(f"{os.getppid()}-{os.getpid()}")
    gate.wait()


def server_and_worker(name: str) -> tuple[int, int]:
    server, worker = map(int, name.split("-"))
    return server, worker


def kill_the_server() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    threading.Event().wait(LONG_S)


def context_called(method: str) -> BaseContext | None:
    return None if method == "ours" else multiprocessing.get_context(method)


def daemonic_sums(method: str) -> tuple[bool, list[int], int, list[int]]:
    """Calls and an executor in a process that may have no children."""
    tasks = [Task.of(pow, i, 2) for i in range(5)]
    with IsolatedProcessPoolExecutor(1, context_called(method)) as executor:
        return (
            multiprocessing.current_process().daemon,
            execute_tasks_in_parallel(tasks, 2, True),
            executor.submit(pow, 2, 5).result(LONG_S),
            executor.submit(sums_of_a_pool).result(LONG_S),
        )


def sums_of_a_pool() -> list[int]:
    """A task that has children of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(abs, [-1, -2])


def daemonic_pids() -> list[int]:
    """The pids of workers, and of their fork server, that this process keeps."""
    tasks = [Task.of(os.getpid), Task.of(os.getppid)]
    return execute_tasks_in_parallel(tasks, 1, True)


def all_gone(pids: list[int]) -> bool:
    """Whether these processes end by themselves, and soon."""
    import psutil

    from tests.kit.programs import is_alive

    there = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    end = threading.Event()
    for _ in range(int(GONE_S / POLL_S)):
        if not any(map(is_alive, there)):
            return True
        end.wait(POLL_S)
    return False

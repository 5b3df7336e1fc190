"""Tasks that end their worker, or do what they had better not do to it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.kit.limits import LONG_S


def exit_with(code: int) -> None:
    os._exit(code)


def die_of(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(LONG_S)  # a signal may take a moment to arrive


def read_address_zero() -> None:
    ctypes.string_at(0)


def overflow_the_stack() -> None:
    """Recursion in C that is harmless on a large stack, on a very small one."""
    sys.setrecursionlimit(10**9)
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    threading.stack_size(64 * 1024)
    thread = threading.Thread(target=repr, args=(nested,))
    thread.start()
    thread.join()


def fork_and_die() -> None:
    """Die while a process lives on that has a copy of the worker's connection."""
    if os.fork() == 0:
        time.sleep(LONG_S)
        os._exit(0)
    os._exit(7)


class ExitsWhenPickled:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        os._exit(5)


class ExitsWhenUnpickled:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os._exit, (6,)


def return_what_exits_when_pickled() -> object:
    return ExitsWhenPickled()


# By name: the task, and what its `WorkerCrashedError` says of exit code and signal.
FATAL: dict[str, tuple[Callable[[], object], int, str | None]] = {
    "os._exit(0)": (lambda: exit_with(0), 0, None),
    "os._exit(3)": (lambda: exit_with(3), 3, None),
    "SIGKILL": (lambda: die_of(signal.SIGKILL), -9, "SIGKILL"),
    "SIGTERM": (lambda: die_of(signal.SIGTERM), -15, "SIGTERM"),
    "SIGSEGV": (lambda: die_of(signal.SIGSEGV), -11, "SIGSEGV"),
    "null pointer": (read_address_zero, -11, "SIGSEGV"),
    "abort": (os.abort, -6, "SIGABRT"),
    "C stack overflow": (overflow_the_stack, -11, "SIGSEGV"),
    "fork, then os._exit": (fork_and_die, 7, None),
    "result that exits when pickled": (return_what_exits_when_pickled, 5, None),
}


# What a task may do without ending its worker, however rude.


def close_all_files() -> str:
    os.closerange(0, 1000)
    return "closed"


def replace_signal_handlers() -> str:
    for name in ("SIGTERM", "SIGINT", "SIGCHLD", "SIGUSR1", "SIGPIPE"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    return "ignored"


def fork_and_return() -> int:
    """Return in both copies; only one of them may answer."""
    os.fork()
    return 1


def fork_and_leave_a_child() -> str:
    """Return while a child lives on that holds a copy of every open file."""
    if os.fork() == 0:
        time.sleep(LONG_S)
        os._exit(0)
    return "left"


def start_a_thread_that_stays() -> str:
    threading.Thread(target=time.sleep, args=(LONG_S,)).start()
    return "started"


def write_ten_megabytes(path: Path) -> str:
    """Write to standard output, which is *path* meanwhile."""
    out = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.dup2(out, 1)
    sys.stdout.write("x" * 10_000_000)
    sys.stdout.flush()
    os.close(out)
    return "written"

"""Tasks that go well and tasks that do not, for `faults.py`."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

COUNT = 20
BAD = 7  # which of them misbehaves
SHORT_S = 0.02  # what the others take
LIMIT_S = 2.0  # of each task, where one never ends


class LockedError(Exception):
    """An error that no pickle can hold."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


def go_well(number: int) -> int:
    time.sleep(SHORT_S)
    return number * number


def fail() -> NoReturn:
    raise LookupError(f"nothing at {BAD}")


def leave() -> NoReturn:
    os._exit(3)


def read_address_zero() -> int:
    return len(ctypes.string_at(0))


def be_killed() -> None:
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def never_end() -> NoReturn:
    while True:
        time.sleep(1)


def return_lock() -> Any:  # Any: what nobody can send
    return threading.Lock()


def fail_with_lock() -> NoReturn:
    raise LockedError(f"nothing at {BAD}")


BAD_TASKS: dict[str, Callable[[], Any]] = {  # Any: as above
    "error": fail,
    "exit": leave,
    "segfault": read_address_zero,
    "kill": be_killed,
    "endless": never_end,
    "result": return_lock,
    "locked-error": fail_with_lock,
}


def task(number: int, fault: str) -> Any:  # Any: as above
    """The square of *number*; but one of them does something else."""
    is_bad = number == BAD and fault in BAD_TASKS
    return BAD_TASKS[fault]() if is_bad else go_well(number)

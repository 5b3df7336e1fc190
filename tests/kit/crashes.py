"""Tasks that crash their worker three calls deep. Each new worker imports this anew."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import threading
from collections.abc import Callable

from tests.kit import fatal
from tests.kit.limits import LONG_S

END: dict[str, Callable[[], object]] = {
    "segmentation fault": faulthandler._sigsegv,  # type: ignore[attr-defined]
    "abort": os.abort,
    "C stack overflow": faulthandler._stack_overflow,  # type: ignore[attr-defined]
}


def outer(how: str) -> None:
    middle(how)


def middle(how: str) -> None:
    inner(how)


def inner(how: str) -> None:
    END[how]()


def line_after(function: Callable[..., object]) -> int:
    """The number of the first line of what *function* does."""
    return function.__code__.co_firstlineno + 1


CALLS = [(each.__name__, line_after(each)) for each in (outer, middle, inner)]


def in_a_thread() -> None:
    thread = threading.Thread(target=outer, args=("segmentation fault",))
    thread.start()
    thread.join()


# What leaves no stack of its own end.


def die_unseen() -> None:
    fatal.die_of(signal.SIGKILL)


def fatal_error() -> None:
    """Python disables `faulthandler` before it aborts by itself."""
    os.close(2)  # which it writes to
    ctypes.pythonapi.Py_FatalError(b"enough")


def child_that_crashes() -> None:
    """A fork writes its stack to the place of the worker it came from."""
    child = os.fork()
    if child == 0:
        outer("segmentation fault")
    os.waitpid(child, 0)
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait(LONG_S)


UNSEEN = [die_unseen, fatal_error, child_that_crashes]

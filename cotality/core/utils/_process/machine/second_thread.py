"""A second thread for a caller: whether one could help, and how it starts and ends.

An exception may strike the caller at any moment of that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Context
from sys import is_finalizing
from threading import Thread
from types import FrameType
from typing import Any

from cotality._kit.struck import is_of_a_signal

IMPORT_SYSTEM = "<frozen importlib._bootstrap>"
# What imports are made of. Any: not all of it is typed.
imports: Any = __import__("_imp")

program_ends: Callable[[], bool] | None = is_finalizing  # None when it has ended


class NoRoomError(Exception):
    """The system has no room for another thread."""


def is_importing() -> bool:
    """Whether the caller is in the middle of an import, so that no other could help it.

    A module makes a call. No other thread can pack a function of such a module: pickle
    imports it first, and waits until this thread is through.
    """
    # A walk over the whole stack: 0.5 us at a depth of 3, 3.5 us at 60 (measured). The
    # quickest call that asks takes 100 us.
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # nothing else tells who calls
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False


def deputy(work: Callable[[], object], context: Context) -> Thread:
    """One that looks after a call, while its caller is busy with a task."""
    return Thread(target=context.run, args=(work,), name="cotality deputy", daemon=True)


def let_go_of_imports() -> None:
    """Release the lock of imports, if a strike has left it with the caller for good.

    An exception that strikes an import between two instructions may leave it locked
    (3.11 to 3.13). The caller goes on to import what it likes, but whatever another
    thread imports never comes. Takes 0.1 us.
    """
    # It is held for a few instructions, which call nobody. So who comes here and holds
    # it is not in the middle of these, or no other thread could work for it, anyway.
    while imports.lock_held():
        try:
            imports.release_lock()
        except RuntimeError as error:
            if is_of_a_signal(error):
                raise
            return  # another thread has it, which goes on


def start(thread: Thread) -> None:
    """Start *thread*. What strikes the caller is raised; then it may run, or not.

    Raises:
        NoRoomError: It cannot be started.
    """
    let_go_of_imports()
    try:
        thread.start()
    except RuntimeError as error:
        if not str(error).startswith("can't "):  # "... start new thread", or "create"
            raise  # a signal handler's own
        raise NoRoomError(*error.args) from error
    except KeyError as error:
        # `threading` takes what has struck for a failure of the system, undoes what the
        # thread has undone already, and that is what fails.
        struck = error.__context__
        if struck is None:
            raise
        error.__context__ = None
        raise struck from None


def wait_for(thread: Thread, most: float | None = None) -> None:
    """Return once *thread* is over, or was never seen to begin; or after *most* s.

    Then an exception has struck its start, and it has to find its end by itself. Nor is
    one waited for that the end of the program has stopped; the names of modules may be
    gone by then.
    """
    if program_ends is None or program_ends():
        return
    try:
        thread.join(most)
    except RuntimeError as error:
        if not str(error).startswith("cannot join thread before"):
            raise

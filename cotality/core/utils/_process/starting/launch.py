"""Starts a worker process so that it needs nothing of the user's main module.

The standard start methods import the main script again in each child, which is why
scripts need a main guard. Here, functions and classes of the main module travel by
value, so the child never imports the script.
"""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import process as mp_process
from multiprocessing import spawn
from multiprocessing.context import BaseContext
from typing import Any

from cotality._kit.imported import imported
from cotality._kit.standard_places import fill
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.machine.this_process import after_fork
from cotality.core.utils._process.scripts import run_again

from . import interpreter, measured, own_name, own_start

# Any: typeshed leaves out what is used of it.
context: Any = sys.modules["multiprocessing.context"]

logger = logging.getLogger(LOGGER)

# What the fork server fails with where its socket finds no place: no temporary folder,
# or one on a disk that is full or read-only.
NO_PLACE_FOR_A_SOCKET = {
    getattr(errno, name, None)
    for name in ("ENOENT", "ENOTDIR", "EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT")
}


class WorkerProcess(mp_process.BaseProcess):
    """A process from our own fork server, or else a fresh interpreter."""

    _start_method = None  # leaves the child's default as it is for the user's own use

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  # multiprocessing's name; Any: its
        own_start.end_second_program(is_import=False)
        with main_module_left_out():
            if interpreter.HAS_FORK_SERVER:
                try:
                    return from_fork_server(process_obj)
                except OSError as error:
                    if error.errno not in NO_PLACE_FOR_A_SOCKET:
                        raise
                    logger.warning("no fork server, workers start slower: %s", error)
            return fresh_interpreter(process_obj)


def start(process: mp_process.BaseProcess) -> None:
    """As its own `start`, also in a daemonic process, and with no trace in this thread.

    A daemonic process, such as a worker of `multiprocessing.Pool` or of Celery, may
    have no children, because it is ended without being asked to end them. Ours see
    for themselves that their parent has ended.
    """
    unknown: Any = process  # Any: typeshed leaves out what is used of it
    # Workers are not daemonic themselves: their tasks may have children.
    unknown._config["daemon"] = False
    fill()  # also in what is started, and in what that starts
    with signal_mask_kept():
        if not mp_process.current_process().daemon:
            process.start()
            return
        unknown._popen = unknown._Popen(process)
        unknown._sentinel = unknown._popen.sentinel
        del unknown._target, unknown._args, unknown._kwargs


@contextmanager
def signal_mask_kept() -> Generator[None, None, None]:
    """Put back the signals that this thread blocks.

    `multiprocessing` unblocks SIGINT and SIGTERM for good when it starts its resource
    tracker (3.11 to 3.14). A program that blocks a signal in all of its threads, to
    wait for it in one, would be ended by it.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def from_fork_server(process_obj: Any) -> Any:  # Any: multiprocessing's own types
    from .fork_server.popen import Popen

    return Popen(process_obj)


def fresh_interpreter(process_obj: Any) -> Any:  # Any: multiprocessing's own types
    if sys.platform == "win32":
        from multiprocessing.popen_spawn_win32 import Popen
    else:
        from multiprocessing.popen_spawn_posix import Popen

        interpreter.ensure_tracker()
    with interpreter.known_to_multiprocessing():
        return Popen(process_obj)


class WorkerContext(BaseContext):
    """The context our workers are started in unless the user brings one."""

    Process = WorkerProcess


def default_context() -> BaseContext:
    """A fork server of our own where the platform has one, else a fresh interpreter."""
    return WorkerContext()


def preparation_data(name: str) -> dict[str, Any]:  # Any: what multiprocessing expects
    """What a child is told before it starts, without the user's main module.

    The standard library's own function is not used, because it also settles the
    default start method of the whole program, which is the user's to choose.
    """
    run_again.check_not_running()
    data: dict[str, Any] = {
        "name": name,
        "authkey": mp_process.current_process().authkey,
        "log_to_stderr": False,
        "sys_path": [path or os.curdir for path in own_name.path_of_imports()],
        "orig_dir": getattr(mp_process, "ORIGINAL_DIR", None),
    }
    if hasattr(sys, "argv"):  # a program that has Python inside may have none
        data["sys_argv"] = sys.argv
    try:
        data["dir"] = os.getcwd()
    except FileNotFoundError:  # deleted under us: the worker stays where it starts
        pass
    method: str | None = multiprocessing.get_start_method(allow_none=True)  # typeshed
    if method:
        data["start_method"] = method
    return data


def additions_of_others(
    standard: Any, name: str
) -> dict[str, Any]:  # Any: see preparation_data
    """What libraries that hook into `multiprocessing` have sent along with this.

    Coverage does, for instance: it is unpickled in the child, and measures there.
    """
    if not measured.is_hooked():
        return {}
    with start_method_left_open():
        try:
            data = standard(name)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            logger.warning("workers start without what was to be sent along: %r", error)
            return {}
    return {key: data[key] for key in data if key not in measured.STANDARD_KEYS}


@contextmanager
def start_method_left_open() -> Generator[None, None, None]:
    """Undo what a look at the default start method does: it would settle it."""
    before = context._default_context._actual_context
    try:
        yield
    finally:
        context._default_context._actual_context = before


@contextmanager
def main_module_left_out() -> Generator[None, None, None]:
    """Let this thread's next process start with our preparation data."""
    here = threading.get_ident()
    with changing_spawn:
        standard = spawn.get_preparation_data

        def ours_for_this_thread(name: str) -> dict[str, Any]:  # Any: see above
            if threading.get_ident() != here:
                return standard(name)
            return additions_of_others(standard, name) | preparation_data(name)

        replacement: Any = ours_for_this_thread  # Any: a function with an attribute
        replacement.replaced = standard
        spawn.get_preparation_data = replacement
        try:
            yield
        finally:
            spawn.get_preparation_data = standard


changing_spawn = threading.RLock()


def forget_locks() -> None:
    """In a forked child: another thread of the parent may have held them."""
    global changing_spawn
    changing_spawn = threading.RLock()
    # That of the standard library's resource tracker, which leaves it as it was (3.11
    # to 3.14). A thread that starts the tracker has it for some milliseconds.
    tracker: Any = imported("multiprocessing.resource_tracker")  # Any: not public
    # Any: likewise
    lock: Any = getattr(getattr(tracker, "_resource_tracker", None), "_lock", None)
    if hasattr(lock, "_at_fork_reinit") and not lock._is_owned():
        lock._at_fork_reinit()


after_fork(forget_locks)

"""How a worker process is started so that it needs nothing of the user's main module.

The standard start methods import the main script again in each child, which is why
scripts need a main guard. Functions and classes of a user's main module travel by value
instead, so the script is kept out of the child altogether.
"""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import process as mp_process
from multiprocessing import spawn
from multiprocessing.context import BaseContext
from typing import Any

from . import script_run

# Any: typeshed leaves out what is used of it.
context: Any = sys.modules["multiprocessing.context"]

logger = logging.getLogger("cotality.core.utils.process")

# What the fork server fails with where its socket finds no place: no temporary folder,
# or one on a disk that is full or read-only.
NO_PLACE_FOR_A_SOCKET = {
    getattr(errno, name, None)
    for name in ("ENOENT", "ENOTDIR", "EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT")
}

HAS_FORK_SERVER = "forkserver" in multiprocessing.get_all_start_methods()


class WorkerProcess(mp_process.BaseProcess):
    """A process from our own fork server, or else a fresh interpreter."""

    _start_method = None  # leaves the child's default as it is for the user's own use

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  # multiprocessing's name; Any: its
        with main_module_left_out():
            if HAS_FORK_SERVER:
                try:
                    return from_fork_server(process_obj)
                except OSError as error:
                    if error.errno not in NO_PLACE_FOR_A_SOCKET:
                        raise
                    logger.warning("no fork server, workers start slower: %s", error)
            return fresh_interpreter(process_obj)


def from_fork_server(process_obj: Any) -> Any:  # Any: multiprocessing's own types
    from .fork_server import Popen

    return Popen(process_obj)


def fresh_interpreter(process_obj: Any) -> Any:  # Any: multiprocessing's own types
    if sys.platform == "win32":
        from multiprocessing.popen_spawn_win32 import Popen
    else:
        from multiprocessing.popen_spawn_posix import Popen
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
    script_run.check_not_running()
    data: dict[str, Any] = {
        "name": name,
        "authkey": mp_process.current_process().authkey,
        "log_to_stderr": False,
        "sys_path": [path or os.curdir for path in sys.path],
        "sys_argv": sys.argv,
        "orig_dir": getattr(mp_process, "ORIGINAL_DIR", None),
    }
    try:
        data["dir"] = os.getcwd()
    except FileNotFoundError:  # deleted under us: the worker stays where it starts
        pass
    method: str | None = multiprocessing.get_start_method(allow_none=True)  # typeshed
    if method:
        data["start_method"] = method
    return data


@contextmanager
def main_module_left_out() -> Generator[None, None, None]:
    """Let this thread's next process start with our preparation data."""
    here = threading.get_ident()
    with changing_spawn:
        standard = spawn.get_preparation_data

        def ours_for_this_thread(name: str) -> dict[str, Any]:  # Any: see above
            ours = threading.get_ident() == here
            return preparation_data(name) if ours else standard(name)

        spawn.get_preparation_data = ours_for_this_thread
        try:
            yield
        finally:
            spawn.get_preparation_data = standard


changing_spawn = threading.RLock()


def forget_lock() -> None:
    """In a forked child: another thread of the parent may have held it."""
    global changing_spawn
    changing_spawn = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_lock)

"""A fork server of our own: a small process that forks a worker in a few milliseconds.

It has imported what every worker needs, and it has no threads, which makes forking it
safe. Not imported on platforms without one.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from multiprocessing import (
    forkserver,
    popen_forkserver,
    reduction,
    resource_tracker,
    spawn,
)
from multiprocessing import util as mp_util
from typing import Any

from .launch import context

# A module that cannot be found there is left to the workers themselves.
PRELOADED = [
    "cotality.core.utils._process.worker",
    "cotality.core.utils._process.server_end",
    "cloudpickle",
]

ATTEMPTS = 3  # to start a worker from servers that are killed meanwhile

util: Any = mp_util  # Any: typeshed leaves out what is used here


class Popen(popen_forkserver.Popen):
    """As the standard one, but from our server."""

    _fds: list[int]

    def _launch(self, process_obj: Any) -> None:  # Any: the standard signature
        content = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            data = spawn.get_preparation_data(process_obj.name)
            reduction.ForkingPickler(content).dump(data)
            reduction.ForkingPickler(content).dump(process_obj)
        finally:
            context.set_spawning_popen(None)
        for attempt in range(ATTEMPTS):
            try:
                self.start(content.getbuffer())
                return
            except (ConnectionError, EOFError):
                # The server was killed in the middle of it.
                if attempt == ATTEMPTS - 1:
                    raise

    def start(self, content: memoryview) -> None:
        """Have the server start a process that is to run *content*.

        Raises:
            ConnectionError, EOFError: The server has ended meanwhile.
        """
        with ExitStack() as undo:
            self.sentinel, to_child = connect_to_new_process(self._fds)
            undo.callback(os.close, self.sentinel)
            with open(to_child, "wb", closefd=True) as pipe:
                # The child's sign that its parent lives, as in the standard class.
                alive = os.dup(to_child)
                undo.callback(os.close, alive)
                pipe.write(content)
            self.pid = forkserver.read_signed(self.sentinel)
            undo.pop_all()
        self.finalizer = util.Finalize(self, util.close_fds, (alive, self.sentinel))


# The fork server of this process: ours alone, so that its preloaded modules and its
# life are not shared with what the user does with multiprocessing.
server: Any = None  # Any: typeshed leaves out what is used here
using_server = threading.Lock()


def connect_to_new_process(fds: list[int]) -> tuple[int, int]:
    """Have the fork server start a child; its status pipe and its data pipe."""
    global server
    with using_server:
        for attempt in (1, 2):
            try:
                if server is None:
                    server = forkserver.ForkServer()
                    server.set_forkserver_preload(Preloaded(PRELOADED))
                see_that_there_is_room()
                with start_method_left_open():
                    ensure_running_despite_ctrl_c()
                pipes: tuple[int, int] = server.connect_to_new_process(fds)
                return pipes
            except (ChildProcessError, ConnectionError, EOFError):
                # It was killed, or somebody else has collected its exit status.
                let_go_of_server()
                if attempt == 2:
                    raise
    raise AssertionError("unreachable")


NEEDED_FILES = 9  # descriptors that starting the server and a worker takes, at most


def see_that_there_is_room() -> None:
    """Raise the `OSError` of a full table of open files now, if it has to come.

    A server that is left in the middle of a request ends (3.11 to 3.14), and all of
    its workers with it.
    """
    taken: list[int] = []
    try:
        while len(taken) < NEEDED_FILES:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for fd in taken:
            os.close(fd)


class Preloaded(list[str]):
    """The names of modules, written so that the server can find them.

    The server is a new interpreter, and until 3.13 it forgets the import path it is
    told. It evaluates the list's repr, which here sets that path first, and then the
    signals that it blocks: those of the parent may hide the ends of its workers.
    """

    def __repr__(self) -> str:
        path = [entry or os.curdir for entry in sys.path]
        return (
            f"__import__('sys').path.__init__({path!r}) or "
            f"[__import__('signal').pthread_sigmask({signal.SIG_SETMASK:d}, "
            f"[{signal.SIGINT:d}])] and {list(self)!r}"
        )


def ensure_running_despite_ctrl_c() -> None:
    """Start the server, if need be, with SIGINT blocked until it can ignore it.

    A Ctrl-C in a terminal reaches every process of the group, also one that is only
    just starting. Workers unblock the signal once they ignore it.
    """
    resource_tracker.ensure_running()  # unblocks SIGINT itself, so it goes first
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def start_method_left_open() -> Generator[None, None, None]:
    """Undo what a look at the default start method does: it would settle it."""
    before = context._default_context._actual_context
    try:
        yield
    finally:
        context._default_context._actual_context = before


def forget_server() -> None:
    """In a forked child: the server belongs to the parent."""
    global using_server
    let_go_of_server()  # else it would outlive the parent
    using_server = threading.Lock()


def let_go_of_server() -> None:
    """Use another one from now on; this one ends when its workers have."""
    global server
    if server is not None and server._forkserver_alive_fd is not None:
        os.close(server._forkserver_alive_fd)
    server = None


os.register_at_fork(after_in_child=forget_server)

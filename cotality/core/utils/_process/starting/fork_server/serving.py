"""The fork server itself: forks a worker for each request, and reports its end.

Its link is one end of a nameless pair of sockets, and only the parent has the other
end. So nothing is left on disk however the parent ends, and the server ends with the
link. A request is one byte, with descriptors. To one of them the server writes first
the worker's pid and the number of exit functions, or an error number below zero, and in
the end the exit code. From another the worker reads what to run. The others belong to
that.

A worker stands for a new interpreter. So it also has what was registered with `atexit`
when the server's interpreter started, by ``.pth`` files for instance. The exception is
a hook into `multiprocessing` that watches over its processes: then two hooks would do
the same in one process, one of them in the name of another process.
"""

from __future__ import annotations

import atexit
import errno
import os
import selectors
import signal
import socket
import sys
from importlib import import_module
from multiprocessing import resource_tracker, spawn
from multiprocessing import util as mp_util
from typing import Any, NoReturn

from cotality._kit.standard_places import is_open
from cotality.core.utils._process.scripts import places

from . import ending, inherited
from .protocol import MOST_DESCRIPTORS, PROOF, WATCHED, write_number

STANDARD = (0, 1, 2)

# Any: typeshed leaves out what is used of them.
tracker: Any = resource_tracker
standard_spawn: Any = spawn
util: Any = mp_util


# What every worker needs is imported before the first of them is forked. What most of
# them need for functions of a script is, when nothing else is asked for. What cannot be
# found here is left to the workers themselves.
NEEDED_BY_ALL = (
    "cotality.core.utils._process.workers.worker_main",
    "cotality.core.utils._process.starting.launch",
    "ctypes",
)
NEEDED_BY_MOST = (
    "cotality.core.utils._process.scripts.references",
    "cotality.core.utils._process.pickling.by_value",
    "resource",
    "cloudpickle",
)
IDLE = 0.05  # s without a request, until the next of these is imported


def main(link: int, exit_functions: int) -> NoReturn:
    """Serve until the parent has ended, or has closed its end of *link*.

    *exit_functions* is how many functions others had registered with `atexit` when this
    interpreter started.
    """
    nothing_to_read()
    for name in NEEDED_BY_ALL:
        import_if_there(name)
    server = Server(socket.socket(fileno=link), exit_functions)
    try:
        server.serve()
    except Exception:
        print_trace()  # a defect of ours; the parent starts another server
    finally:
        ending.end_workers()
        # The workers run what `atexit` knows; this process has nothing to tell.
        os._exit(0)


def import_if_there(name: str) -> None:
    try:
        import_module(name)
    except Exception:
        pass  # a worker that needs it fails, and no other; the server goes on


def print_trace() -> None:
    import traceback

    traceback.print_exc()


def nothing_to_read() -> None:
    """Lead the standard input, and what is closed of the output, to the null device."""
    for fd in STANDARD:
        if fd == 0 or not is_open(fd):
            null = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(null, True)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)


class Server:
    """The server's side of the link, and the workers it has started."""

    def __init__(self, link: socket.socket, exit_functions: int) -> None:
        self.link = link
        self.exit_functions = exit_functions
        link.set_inheritable(False)
        self.status_of: dict[int, int] = {}  # where to tell the end of each pid
        self.bell, rope = os.pipe()
        self.rope = rope
        for fd in (self.bell, rope):
            os.set_blocking(fd, False)
        self.before = {
            # Its handler has to be Python's own for the bell to ring.
            signal.SIGCHLD: signal.signal(signal.SIGCHLD, do_nothing),
            signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        }
        signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
        # The mask is the parent's, whatever that is. A worker unblocks SIGINT once it
        # ignores it.
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGINT})
        self.selector = selectors.DefaultSelector()
        self.selector.register(link, selectors.EVENT_READ)
        self.selector.register(self.bell, selectors.EVENT_READ)

    def serve(self) -> None:
        to_import = [*NEEDED_BY_MOST]
        while True:
            idle = IDLE if to_import else None
            ready = {key.fd for key, _ in self.selector.select(idle)}
            if not ready and to_import:
                import_if_there(to_import.pop(0))
            if self.bell in ready:
                os.read(self.bell, 65536)
                self.tell_ends()
            if self.link.fileno() in ready:
                try:
                    request, fds, flags, _ = socket.recv_fds(
                        self.link, 1, MOST_DESCRIPTORS
                    )
                except ConnectionError:
                    return
                if not request:
                    return
                if flags & socket.MSG_CTRUNC:
                    refuse(fds, errno.EMFILE)
                elif request == PROOF:
                    self.prove(*fds)
                else:
                    self.start_worker(request == WATCHED, *fds)

    def tell_ends(self) -> None:
        """Collect the workers that have ended, and tell the parent their exit codes."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            fd = self.status_of.pop(pid, None)
            if fd is not None:
                tell(fd, os.waitstatus_to_exitcode(status))
                os.close(fd)

    def prove(self, status: int) -> None:
        """Tell that the parent has started what it meant to."""
        tell(status, os.getpid(), self.exit_functions)
        os.close(status)

    def start_worker(self, is_watched: bool, status: int, *fds: int) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            # No room for another process. Those that are there go on.
            refuse([status, *fds], error.errno or errno.EAGAIN)
            return
        if not pid:
            if is_watched:
                forget_exit_functions()
            self.be_worker(status, *fds)
        tell(status, pid, self.exit_functions)
        self.status_of[pid] = status
        for fd in fds:
            os.close(fd)

    def be_worker(self, status: int, data: int, tracker_fd: int, *fds: int) -> NoReturn:
        """In the forked process: run what *data* brings, and end."""
        code = 1
        try:
            self.leave_to_parent(status)
            tracker._resource_tracker._fd = tracker_fd
            inherited.descriptors[:] = fds
            parent_is_alive = os.dup(data)
            code = standard_spawn._main(data, parent_is_alive)
            atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]  # as a process of multiprocessing ends
            flush_standard_streams()
        except EOFError:
            pass  # the parent has ended before it said what to run
        except Exception:
            print_trace()
            flush_standard_streams()
        finally:
            os._exit(code)

    def leave_to_parent(self, status: int) -> None:
        """Let go of what belongs to the server."""
        signal.set_wakeup_fd(-1)
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.selector.close()
        self.link.close()
        for fd in (self.bell, self.rope, status, *self.status_of.values()):
            os.close(fd)


def do_nothing(number: int, frame: object) -> None:
    """The handler of a signal that only rings."""


def forget_exit_functions() -> None:
    atexit._clear()  # pyright: ignore[reportPrivateUsage]  # what this one has is not the worker's
    atexit.register(util._exit_function)
    atexit.register(places.let_go)


def refuse(fds: list[int], reason: int) -> None:
    """Tell the parent why there is no worker, as far as it can be told."""
    for fd in fds[:1]:
        tell(fd, -reason)
    for fd in fds:
        os.close(fd)


def tell(fd: int, *numbers: int) -> None:
    try:
        for number in numbers:
            write_number(fd, number)
    except BrokenPipeError:
        pass  # the parent does not want to know any more


def flush_standard_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # none, or closed by a task

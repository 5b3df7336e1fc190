"""The parent's side of the fork server: starts it, and asks it for workers."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing import util as mp_util
from typing import TYPE_CHECKING, Any

from cotality._kit.standard_places import pipe, socket_pair

from . import interpreter, own_name
from .own_start import MARK

if TYPE_CHECKING:
    # What freezes programs sees by this that it is needed.
    from . import fork_server_main as fork_server_main

# Any: typeshed leaves out what is used of them.
util: Any = mp_util
tracker: Any = resource_tracker
standard: Any = forkserver

PROOF_LIMIT = 60.0  # s that a program may take to become a server
END_LIMIT = 1.0  # s that a server gets to end once it has closed its link
END_PAUSE = 0.001  # s between two looks whether it has
# What a server may be asked for, see `fork_server_main`.
PROOF, WORKER, WATCHED = b"p", b"w", b"o"


class ForkServer:
    """A fork server of this process, which ends with it.

    Its link has no name that anybody else could find. The server says nothing on it,
    so there is something to read only when it has ended.
    """

    def __init__(self) -> None:
        executable = interpreter.executable()
        ours, theirs = socket_pair()
        with theirs:
            try:
                self.pid: int = util.spawnv_passfds(
                    executable, command(executable, theirs.fileno()), [theirs.fileno()]
                )
            except BaseException:
                ours.close()
                raise
        self.executable = os.fsdecode(executable)
        # A number: an open socket is warned of at the end of the program.
        self.link = ours.detach()
        self.has_served = False
        self.exit_functions = 0  # registered when its interpreter started

    @contextmanager
    def opened(self) -> Generator[socket.socket, None, None]:
        """The link, to be used for a moment."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=self.link)
        try:
            yield link
        finally:
            link.detach()

    def is_running(self) -> bool:
        with self.opened() as link:
            # With MSG_DONTWAIT instead, a socket of gevent waits.
            link.setblocking(False)
            try:
                link.recv(1)
            except BlockingIOError:
                return True
            except ConnectionError:
                pass
            finally:
                link.setblocking(True)
        return False

    def ask(self, what: bytes, fds: list[int]) -> None:
        with self.opened() as link:
            socket.send_fds(link, [what], fds)

    def prove(self) -> None:
        """See that an unusual program has become a server.

        Raises:
            ConnectionError: It has not.
        """
        status, to_tell = pipe()
        try:
            self.ask(PROOF, [to_tell])
            os.close(to_tell)
            to_tell = -1
            with selectors.DefaultSelector() as selector:
                selector.register(status, selectors.EVENT_READ)
                if not selector.select(PROOF_LIMIT):
                    os.kill(self.pid, signal.SIGKILL)
            self.answer(status)
        finally:
            os.close(status)
            if to_tell >= 0:
                os.close(to_tell)

    def start_worker(self, fds: list[int], *, is_watched: bool) -> tuple[int, int, int]:
        """The pid of a new worker, the pipe that tells its end, and that for its data.

        Args:
            fds: What it gets as well.
            is_watched: Whether somebody has hooked into `multiprocessing` for it.

        Raises:
            ConnectionError: The server has ended.
            OSError: The system has no room for another process.
        """
        with ExitStack() as theirs, ExitStack() as ours:
            status, to_tell = pipe()
            ours.callback(os.close, status)
            theirs.callback(os.close, to_tell)
            to_read, data = pipe()
            theirs.callback(os.close, to_read)
            ours.callback(os.close, data)
            request = [to_tell, to_read, tracker.getfd(), *fds]
            self.ask(WATCHED if is_watched else WORKER, request)
            theirs.close()
            pid = self.answer(status)
            ours.pop_all()
        return pid, status, data

    def answer(self, status: int) -> int:
        try:
            pid: int = standard.read_signed(status)
            if pid < 0:
                raise OSError(-pid, os.strerror(-pid))
            self.exit_functions = standard.read_signed(status)
        except EOFError:
            raise ConnectionResetError("the fork server has ended") from None
        self.has_served = True
        return pid

    def may_start_again(self) -> bool:
        """Whether another one may be tried: a program is not started twice for it."""
        return self.has_served or interpreter.looks_right(self.executable)

    def failure(self, end: str) -> str:
        """Why there is none, with what became of it."""
        if getattr(sys, "frozen", False):
            return (
                f"{self.executable!r} was to start worker processes, and ran the "
                f"program a second time instead ({end}). Begin its main script with: "
                f"from multiprocessing import freeze_support; freeze_support()"
            )
        return (
            f"the fork server, which starts worker processes, has ended ({end}). If "
            f"{self.executable!r} is no Python interpreter, say which one to start "
            f"with multiprocessing.set_executable('/path/to/python')"
        )

    def close(self) -> None:
        """Let go of it; it ends if it is there."""
        os.close(self.link)

    def collect(self) -> str:
        """Collect its exit status once its link has ended; in words."""
        self.close()
        end = time.monotonic() + END_LIMIT
        while time.monotonic() < end:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                return "its exit status is not known"
            if pid:
                return f"exit code {os.waitstatus_to_exitcode(status)}"
            time.sleep(END_PAUSE)
        return "it runs on"


# How many have been registered by others than `multiprocessing` and `logging`.
EXIT_FUNCTIONS = "atexit._ncallbacks() - 1 - ('logging' in sys.modules)"


def command(executable: bytes | str, link: int) -> list[bytes | str]:
    """The command line of a server.

    The path comes first, for the modules that come next. What freezes programs knows
    the first words for a start of `multiprocessing`.
    """
    path = [entry or os.curdir for entry in sys.path]
    code = (
        f"{hidden_first()}"
        f"from multiprocessing.forkserver import main; {MARK}; import atexit, sys; "
        f"exits = {EXIT_FUNCTIONS}; "
        f"sys.argv[:] = ['-c']; sys.path[:] = {path!r}; "
        "from cotality.core.utils._process.starting.fork_server_main import main; "
        f"main({link}, exits)"
    )
    with interpreter.safe_path():
        return [executable, *util._args_from_interpreter_flags(), "-c", code]


def hidden_first() -> str:
    """What imports the module that the script hides, if it does, see `own_name`."""
    name = own_name.hidden_module()
    if name not in sys.modules:
        return ""  # there is none, or this platform does not have it
    path = [entry or os.curdir for entry in own_name.path_without(name)]
    return f"import sys; sys.path[:] = {path!r}; import {name}; "

"""The parent's side of the fork server: starts it, and asks it for workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cotality._kit.standard_places import connected_pair, pipe
from cotality.core.utils._process.machine.readable import is_readable
from cotality.core.utils._process.starting import interpreter, own_name
from cotality.core.utils._process.starting.own_start import MARK

from .protocol import MOST_DESCRIPTORS, PROOF, WATCHED, WORKER, read_number

# A server is started before anything else is imported; what asks it comes later.
if TYPE_CHECKING:
    import socket

    # What freezes programs sees by this that it is needed.
    from . import serving as serving

PROOF_LIMIT = 60.0  # s that a program may take to become a server
END_LIMIT = 1.0  # s that a server gets to end once it has closed its link
END_PAUSE = 0.001  # s between two looks whether it has


class ForkServer:
    """A fork server of this process, which ends with it.

    Its link has no name that anybody else could find. The server says nothing on it,
    so there is something to read only when it has ended.
    """

    def __init__(self) -> None:
        executable = interpreter.executable()
        # A number: an open socket is warned of at the end of the program.
        self.link, theirs = connected_pair()
        try:
            self.pid = spawned(executable, command(executable, theirs), theirs)
        except BaseException:
            os.close(self.link)
            raise
        finally:
            os.close(theirs)
        self.executable = os.fsdecode(executable)
        self.has_served = False
        self.exit_functions = 0  # registered when its interpreter started

    @contextmanager
    def opened(self) -> Generator[socket.socket, None, None]:
        """The link, to be used for a moment."""
        import socket

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
        import socket

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
            if not is_readable(status, PROOF_LIMIT):
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
            OSError: The system has no room for another process, or it would get more
                descriptors than one message takes.
        """
        from multiprocessing import resource_tracker

        tracker: Any = resource_tracker  # Any: typeshed leaves out what is used of it
        with ExitStack() as theirs, ExitStack() as ours:
            status, to_tell = pipe()
            ours.callback(os.close, status)
            theirs.callback(os.close, to_tell)
            to_read, data = pipe()
            theirs.callback(os.close, to_read)
            ours.callback(os.close, data)
            request = [to_tell, to_read, tracker.getfd(), *fds]
            if len(request) > MOST_DESCRIPTORS:
                raise too_many(len(fds), MOST_DESCRIPTORS - len(request) + len(fds))
            self.ask(WATCHED if is_watched else WORKER, request)
            theirs.close()
            pid = self.answer(status)
            ours.pop_all()
        return pid, status, data

    def answer(self, status: int) -> int:
        try:
            pid = read_number(status)
            if pid < 0:
                raise OSError(-pid, os.strerror(-pid))
            self.exit_functions = read_number(status)
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
        ended = f"the fork server, which starts worker processes, has ended ({end})"
        if interpreter.looks_right(self.executable):
            return f"{ended}. If it has said why, that is on standard error"
        return (
            f"{ended}. If {self.executable!r} is not a Python interpreter, say which "
            f"one to start with multiprocessing.set_executable('/path/to/python')"
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
                return end_in_words(os.waitstatus_to_exitcode(status))
            time.sleep(END_PAUSE)
        return "it runs on"


def end_in_words(code: int) -> str:
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"exit code {code}"


# How many have been registered by others than `multiprocessing` and `logging`.
EXIT_FUNCTIONS = (
    "atexit._ncallbacks() - sum(each in sys.modules for each in "
    "('multiprocessing.util', 'logging'))"
)


def too_many(count: int, most: int) -> OSError:
    return OSError(
        f"with the pipes, queues or sockets in the initargs a worker would be given "
        f"{count} open files; the fork server gives {most} at most. Have the "
        f"initializer open some of them, or start the workers of an executor with "
        f"mp_context=multiprocessing.get_context('spawn')"
    )


def command(executable: bytes | str, link: int) -> list[bytes | str]:
    """The command line of a server.

    The path comes before the modules that are found by it. What freezes programs knows
    a start of `multiprocessing` by its first words.
    """
    path = [entry or os.curdir for entry in own_name.path_of_imports()]
    frozen = "from multiprocessing.forkserver import main; "
    code = (
        f"{frozen if getattr(sys, 'frozen', False) else ''}"
        f"{hidden_first()}{MARK}; import atexit, sys; exits = {EXIT_FUNCTIONS}; "
        "from multiprocessing import spawn; "
        f"sys.argv[:] = ['-c']; sys.path[:] = {path!r}; "
        "from cotality.core.utils._process.starting.fork_server.serving import main; "
        f"main({link}, exits)"
    )
    return [executable, *interpreter.flags(), "-c", code]


def spawned(executable: bytes | str, command: list[bytes | str], fd: int) -> int:
    """The pid of *executable*, started with *fd* alone, as `multiprocessing` does it.

    Its own function is three steps, for which all of it would be imported: 15 ms.
    """
    if sys.version_info >= (3, 14):  # which takes other arguments
        from multiprocessing import util as mp_util

        util: Any = mp_util  # Any: typeshed leaves it out
        return int(util.spawnv_passfds(executable, command, [fd]))
    starter: Any = import_module("_posixsubprocess")  # Any: typeshed differs
    streams = (-1,) * 6  # those of this process, which are passed on
    read_end, write_end = pipe()  # for what fails before the program runs
    rest = (False, False, -1, None, None, None, -1, None, True)
    passed = (command, [executable], True, (fd,), None, None, *streams)
    try:
        return int(starter.fork_exec(*passed, read_end, write_end, *rest))
    finally:
        os.close(read_end)
        os.close(write_end)


def hidden_first() -> str:
    """What imports the module that the script hides, if it does, see `own_name`."""
    name = own_name.hidden_module()
    if name not in sys.modules:
        return ""  # there is none, or this platform does not have it
    path = [entry or os.curdir for entry in own_name.path_without(name)]
    return f"import sys; sys.path[:] = {path!r}; import {name}; "

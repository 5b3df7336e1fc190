"""Whether a worker has ended, and with which exit code, if that can be known.

The exit status of a process can be collected once, by its parent, which may be the fork
server. It is lost if the program ignores SIGCHLD or collects the status of all its
children (supervisors do), or if the fork server was killed. Then only the code is
unknown: the worker has ended.

A fork server that lives may tell it late, because it gets no CPU or is stopped. Linux
says it meanwhile, of a process that has ended and was not collected.
"""

from __future__ import annotations

import os
import sys
from multiprocessing.process import BaseProcess
from time import perf_counter
from typing import Any

from cotality.core.utils._process.machine.readable import is_readable
from cotality.core.utils._process.starting.fork_server.protocol import (
    UNKNOWN,
    read_number,
)

# s that a fork server gets to tell an end that is seen. It needs one step for that, but
# has to get a CPU for it.
PATIENCE = 5.0


class Ending:
    """How one worker ends. Asked by the thread that watches over it, and no other.

    Attributes:
        has_come: Whether the process has ended.
        exit_code: Negative for a signal; None while it runs, and if nobody knows.
        server_is_lost: Whether the fork server ended before it could tell.
        seen_at: When it was seen that the process is gone, by perf_counter, although
            nobody had told its end. Its number may be another's since then.
    """

    is_of_server: Any | bool
    is_child: bool
    has_come: bool
    server_is_lost: bool

    def __init__(self, process: BaseProcess) -> None:
        self.process = process
        self.pid: int = process.pid or 0
        self.popen: Any = getattr(process, "_popen", None)  # Any: of any context
        method = getattr(self.popen, "method", "")
        self.is_of_server = method == "forkserver"
        self.is_child = method in ("fork", "spawn") and sys.platform != "win32"
        self.has_come = False
        self.exit_code: int | None = None
        self.server_is_lost = False
        self.seen_at: float | None = None

    @property
    def server_is_silent(self) -> bool:
        """Whether the fork server lives, and has not told the code all the same."""
        is_unknown = self.has_come and self.exit_code is None
        return is_unknown and bool(self.is_of_server) and not self.server_is_lost

    def look(self) -> bool:
        """Whether it has come."""
        if not self.has_come:
            if self.is_of_server:
                self.look_at_status()
            else:
                self.look_at_process()
        return self.has_come

    def look_at_process(self) -> None:
        code = self.process.exitcode
        if code is not None:
            self.come(code)
        elif self.is_child and is_collected(self.pid):
            self.come(None)

    def look_at_status(self) -> None:
        """Read what the fork server says, if anything."""
        if self.popen.returncode is not None:
            self.come(self.popen.returncode)
        elif self.server_is_lost:
            self.look_whether_gone()
        elif is_readable(self.popen.sentinel, 0):
            try:
                self.come(read_number(self.popen.sentinel))
            except (OSError, EOFError):
                self.server_is_lost = True
                self.look_whether_gone()

    def look_whether_gone(self) -> bool:
        """The same for a worker whose status will not be told in time, or never."""
        is_looked_for = not self.has_come and sys.platform != "win32"
        if is_looked_for and (self.seen_at is not None or is_gone(self.pid)):
            if not self.is_of_server or self.server_is_lost:
                self.come(None)
            else:
                self.see_without_server()
        return self.has_come

    def see_without_server(self) -> None:
        """It is gone, and the fork server, which lives, has not told its code yet."""
        now = perf_counter()
        if self.seen_at is None:
            self.seen_at = now
            code = code_of_zombie(self.pid)
            if code is not None:
                self.come(code)
                return
        if now >= self.seen_at + PATIENCE:
            self.come(None)
        else:
            self.look_at_status()  # which may have come since the last look

    @property
    def may_be_signalled(self) -> bool:
        """Whether its number is still its own, as far as anybody knows."""
        return not self.has_come and self.seen_at is None

    def come(self, code: int | None) -> None:
        self.has_come = True
        self.exit_code = code

    def close(self) -> None:
        """Let go of what belonged to the process, which has ended."""
        if self.popen is not None and self.popen.returncode is None:
            # Else it takes the process for one that still runs.
            code = UNKNOWN if self.exit_code is None else self.exit_code
            self.popen.returncode = code
        self.process.close()


def is_collected(pid: int) -> bool:
    """Whether somebody else has taken the exit status of our child *pid*."""
    if not hasattr(os, "waitid"):  # macOS, before Python 3.13
        return is_gone(pid)
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def is_gone(pid: int) -> bool:
    """Whether a process that need not be our child has ended; a zombie has."""
    try:
        state, *_ = fields_of(pid)
    except (FileNotFoundError, ProcessLookupError):
        return is_unknown(pid)
    except OSError:
        return False
    return state in ENDED


ENDED = (b"Z", b"X")
EXIT_STATUS = 49  # the place of it among the fields


def fields_of(pid: int) -> list[bytes]:
    """What Linux says of process *pid*, from its state on, see proc_pid_stat(5)."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def code_of_zombie(pid: int) -> int | None:
    """The exit code of process *pid*, which has ended, if it is not 0 and still there.

    None for 0 as well: whoever may not know the code of a process is told 0.
    """
    try:
        state, *fields = fields_of(pid)
        status = int(fields[EXIT_STATUS - 1]) if state in ENDED else 0
    except (OSError, IndexError):
        return None
    return os.waitstatus_to_exitcode(status) or None


def is_unknown(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False

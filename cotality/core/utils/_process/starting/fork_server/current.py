"""Our own fork server: a small process that forks a worker in a few milliseconds.

It has imported what every worker needs, and has no threads, so that it can be forked
safely. Platforms without fork do not import this module.
"""

from __future__ import annotations

import os
import signal
import threading

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.this_process import after_fork
from cotality.core.utils._process.starting import interpreter, measured, own_start

from .link import ForkServer

# The fork server of this process: ours alone, so that its preloaded modules and its
# life are not shared with what the user does with multiprocessing.
server: ForkServer | None = None
using_server = threading.Lock()


def connect_to_new_process(fds: list[int], is_watched: bool) -> tuple[int, int, int]:
    """Have the fork server start a child; its pid, its status pipe and its data pipe.

    Raises:
        OSError: There is no room for another process.
        RuntimeError: The server does not start.
    """
    global server
    with using_server:
        for attempt in (1, 2):
            see_that_there_is_room()
            if server is not None and not server.is_running():
                server.collect()
                server = None
            if server is None:
                check_executable()
                server = start_despite_ctrl_c()
            try:
                return start_worker(server, fds, is_watched)
            except ConnectionError:
                ended, server = server, None
                end = ended.collect()  # it was killed, or could not even start
                if not ended.may_start_again():
                    refused[ended.executable] = ended.failure(end)
                elif attempt == 2:
                    raise RuntimeError(ended.failure(end)) from None
    raise AssertionError("unreachable")


def start_ahead() -> None:
    """Start the server if there is none. What fails will fail for who needs it."""
    global server
    try:
        own_start.end_second_program(is_import=False)
        with using_server:
            if server is None:
                see_that_there_is_room()
                check_executable()
                server = start_despite_ctrl_c()
    except (OSError, RuntimeError) as raised:
        if is_of_a_signal(raised):
            raise


# Programs that were started to be a server, and were not. None is started again.
refused: dict[str, str] = {}


def check_executable() -> None:
    """Raise what starting the server has come to before, with the same program."""
    reason = refused.get(os.fsdecode(interpreter.executable()))
    if reason is not None:
        raise RuntimeError(reason)


def start_worker(
    running: ForkServer, fds: list[int], is_watched: bool
) -> tuple[int, int, int]:
    if not running.has_served and not interpreter.looks_right(running.executable):
        running.prove()
    interpreter.ensure_tracker()
    return running.start_worker(fds, is_watched=is_watched)


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


def start_despite_ctrl_c() -> ForkServer:
    """Start the server with SIGINT blocked until it can ignore it.

    A Ctrl-C in a terminal reaches every process of the group, also one that is only
    just starting. Workers unblock the signal once they ignore it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return ForkServer()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exit_functions() -> int:
    """How many the server had registered when it started; 0 if there is none."""
    known = server
    return 0 if known is None else known.exit_functions


measured.exit_functions_of_server = exit_functions


def forget_server() -> None:
    """In a forked child: the server belongs to the parent."""
    global server, using_server
    if server is not None:
        server.close()  # else it would outlive the parent
    server = None
    using_server = threading.Lock()


after_fork(forget_server)

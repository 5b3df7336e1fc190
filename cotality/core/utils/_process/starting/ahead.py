"""Starts the fork server before its caller imports the rest of what it needs.

The server is a new interpreter, and takes about as long to start as a first call with
processes takes for its imports. So both go on at once.
"""

from __future__ import annotations

import sys
from threading import Thread

from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.second_thread import NoRoomError, start


def start_server() -> None:
    """Start the fork server, beside the caller, unless there is one or can be none.

    Whoever needs it waits until it is there, and hears why it cannot be started.
    """
    if this_process.is_worker or getattr(sys, "frozen", False):
        return  # mostly it needs none; it may not be Python
    from . import interpreter

    if not interpreter.HAS_FORK_SERVER:
        return
    from . import fork_server, loading

    if loading.module_that_calls(sys._getframe()) is not None:  # pyright: ignore[reportPrivateUsage]  # nothing else tells who calls
        return  # such a call is refused
    if fork_server.server is not None:
        return
    # A thread: nothing strikes it between the start of the server and its name.
    beside = Thread(
        target=fork_server.start_ahead, name="cotality fork server", daemon=True
    )
    try:
        start(beside)
    except NoRoomError:
        pass  # then it is started when it is needed

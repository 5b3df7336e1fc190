"""Starts the fork server before its caller imports the rest of what it needs.

The server is a new interpreter, and takes a little longer to start than a first call
with processes takes for its imports. So both go on at once, and the server begins first
of all: what is imported here, and by what is imported here, takes 5 ms together.
"""

from __future__ import annotations

import sys
from threading import Thread

from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.second_thread import (
    NoRoomError,
    start,
    wait_for,
)


def start_server() -> None:
    """Have the fork server begin, unless there is one or can be none.

    Whoever needs it waits until it is there, and hears why it cannot be started.
    """
    if this_process.is_worker or getattr(sys, "frozen", False):
        return  # mostly it needs none; it may not be Python
    from cotality.core.utils._process.starting import interpreter

    if not interpreter.HAS_FORK_SERVER:
        return
    from . import current

    if current.server is not None:
        return
    from cotality.core.utils._process.starting import loading

    if loading.module_that_calls(sys._getframe()) is not None:  # pyright: ignore[reportPrivateUsage]  # nothing else tells who calls
        return  # such a call is refused
    # A thread: nothing strikes it between the start of the server and its name.
    beside = Thread(
        target=current.start_ahead, name="cotality fork server", daemon=True
    )
    try:
        start(beside)
    except NoRoomError:
        return  # then it is started when it is needed
    wait_for(beside)  # 2 ms; without that, it would wait for this thread's imports

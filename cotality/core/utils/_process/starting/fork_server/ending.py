"""Ends the workers and their children with the fork server, which alone imports it.

The server ends when the parent ends, for whatever reason. A worker usually notices too,
and ends its own process group. But it cannot while C code holds the interpreter's lock;
and the signal that Linux then sends reaches the worker, but not its children.
"""

from __future__ import annotations

import atexit
import os
import signal

from cotality.core.utils._process.machine import this_process

server = os.getpid()
this_process.ends_with_fork_server = True  # workers, which are forked, have it as well


def end_workers() -> None:
    """End the process groups of all workers that are left."""
    if os.getpid() != server:
        return  # a worker, which has a copy of this
    for pid in children():
        for send_signal in (os.killpg, os.kill):
            try:
                send_signal(pid, signal.SIGKILL)
                break
            except ProcessLookupError:
                continue  # no group of its own yet; or gone


def children() -> list[int]:
    """The pids of our children; none where nobody tells."""
    try:
        with open(f"/proc/self/task/{server}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


atexit.register(end_workers)

"""The lock on an open file: one holder at a time, in all processes and threads.

The system releases the lock when the file is closed, also when its holder dies.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from typing import Protocol

from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.machine.this_process import after_fork

POLL = 0.01  # s between two looks at a lock that is taken

if sys.platform == "win32":
    import msvcrt

    # Locked bytes cannot be read on Windows, so it is one far behind the end.
    LOCKED_BYTE = 1 << 62

    def try_lock(fd: int) -> bool:
        """Lock *fd*; whether that was possible at once."""
        os.lseek(fd, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def unlock(fd: int) -> None:
        """Closing *fd* does that here."""
else:
    import fcntl

    def try_lock(fd: int) -> bool:
        """Lock *fd*; whether that was possible at once."""
        # flock and not lockf: that one would not keep two threads of a process apart,
        # and would be lost when any other descriptor of the same file is closed.
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(fd: int) -> None:
        """Give the lock of *fd* back, whoever has a copy of it.

        A child that was just forked may not have closed its own yet.
        """
        fcntl.flock(fd, fcntl.LOCK_UN)


def lock_within(fd: int, seconds: float) -> bool:
    """Lock *fd*; whether that was possible within *seconds*."""
    end = time.monotonic() + seconds
    while not try_lock(fd):
        if time.monotonic() >= end:
            return False
        time.sleep(POLL)
    return True


class Closable(Protocol):
    """Something that holds a lock until it is closed."""

    def close(self) -> None: ...


holders: weakref.WeakSet[Closable] = weakref.WeakSet()


def remember(holder: Closable) -> None:
    """Let *holder* be closed in every child of this process that a fork makes.

    A child has the parent's open files, and would keep the lock after its death.
    """
    holders.add(holder)


def close_all() -> None:
    for holder in all_in(holders):
        holder.close()


after_fork(close_all)

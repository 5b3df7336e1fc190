"""Worker processes below worker processes: how deep they go, and how many there are.

A task may make calls with processes of its own, also without knowing it: a module that
calls at import does it wherever it is imported. So each worker is told in its
environment on which level it is, and how many processes there may be below it. What it
starts, also a program of its own, is told the rest. There is no way to ask all of them
at once, which is why each gets a share beforehand.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import NamedTuple

from cotality.core.utils._process.machine.environment import NESTING_VARIABLE
from cotality.core.utils._process.machine.this_process import after_fork

MOST_LEVELS = 4  # of workers below one another
# Below one of our workers, on all levels. A program that is none may start any number.
MOST_BELOW = 1000
# So much room is not in the way of a task, whoever started its worker.
MUCH_ROOM = 32


class Place(NamedTuple):
    """Where a process stands.

    Attributes:
        level: How many workers are above it, itself included if it is one.
        room: How many workers there may be below it; None for any number.
    """

    level: int
    room: int | None


def place_in(environment: Mapping[str, str]) -> Place:
    level, _, room = environment.get(NESTING_VARIABLE, "").partition(":")
    try:
        return Place(int(level), max(1, int(room)))
    except ValueError:
        return Place(0, None)  # not set, or not by us


# Of this process. It stays as it is, whatever a task does to the environment.
here = place_in(os.environ)


# The workers of this process that have not ended; a worker may have several pools.
here_now: set[object] = set()

after_fork(here_now.clear)  # they are the parent's


def adopt(environment: Mapping[str, str]) -> None:
    """Have the place that *environment* tells: this is a worker from here on."""
    global here
    here = place_in(environment)


def told_to(workers: int) -> dict[str, str]:
    """What each of so many *workers* of this process is told."""
    return {NESTING_VARIABLE: f"{here.level + 1}:{share_of(workers)}"}


def share_of(workers: int) -> int:
    """How many processes there may be below each of so many *workers*."""
    return max(1, (here.room or MOST_BELOW) // workers - 1)


def has_enough(told_as: int, now: int) -> bool:
    """Whether a worker told its share as one of so many does as one of so many *now*.

    It cannot be told anew. With a smaller one a task could start fewer workers than in
    one that is new.
    """
    return share_of(told_as) >= min(MUCH_ROOM, share_of(now))


def check_level() -> None:
    """Refuse to go deeper than anybody does on purpose.

    Raises:
        RuntimeError: The workers would be on too many levels below one another.
    """
    if here.level >= MOST_LEVELS:
        raise RuntimeError(
            f"there are worker processes on {here.level} levels below one another, "
            f"and no more are started: a task, or a module that it imports, probably "
            f"calls itself with processes. Have the inner call use threads, or put "
            f'it under if __name__ == "__main__":'
        )


def check_room() -> None:
    """Refuse to start more than this process was told it may, as the system would.

    Raises:
        OSError: There are as many already.
    """
    if here.room is not None and len(here_now) >= here.room:
        raise OSError(
            errno.EAGAIN,
            f"this worker process may have {here.room} worker processes below it, so "
            f"that one program has at most {MOST_BELOW:,} below its own",
        )

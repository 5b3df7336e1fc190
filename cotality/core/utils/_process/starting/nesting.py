"""Worker processes below worker processes: how deep, and how many there may be.

A task may make calls with processes of its own, even without knowing it: a module that
makes a call when it is imported does so wherever it is imported. So the environment of
each worker says how deep the worker is, and how many processes there may be below it.
The processes that it starts, also other programs, are told what is left. There is no
way to ask all of them at once, so each gets a share in advance.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from cotality._kit.records import NamedTuple
from cotality.core.utils._process.machine.environment import NESTING_VARIABLE
from cotality.core.utils._process.machine.this_process import after_fork

MOST_LEVELS = 4  # levels of workers below one another
# Processes below one of our workers, on all levels. Other programs may start any
# number.
MOST_BELOW = 1000
# With room for this many workers, a task is not restricted, whoever started its worker.
MUCH_ROOM = 32


class Nesting(NamedTuple):
    """How deep among workers of workers a process is.

    Attributes:
        level: How many workers are above it, itself included if it is one.
        room: How many workers there may be below it; None for any number.
    """

    level: int
    room: int | None


def nesting_in(environment: Mapping[str, str]) -> Nesting:
    """What *environment* says of the process that has it."""
    level, _, room = environment.get(NESTING_VARIABLE, "").partition(":")
    try:
        return Nesting(int(level), max(1, int(room)))
    except ValueError:
        return Nesting(0, None)  # not set, or not by us


# Of this process. It stays as it is, whatever a task does to the environment.
here = nesting_in(os.environ)


# The workers of this process that have not ended; a worker may have several pools.
here_now: set[object] = set()

after_fork(here_now.clear)  # they are the parent's


def adopt(environment: Mapping[str, str]) -> None:
    """Take the level and the room from *environment*: this process is a worker now."""
    global here
    here = nesting_in(environment)


def told_to(workers: int) -> dict[str, str]:
    """The environment variable for each of *workers* workers of this process."""
    return {NESTING_VARIABLE: f"{here.level + 1}:{share_of(workers)}"}


def share_of(workers: int) -> int:
    """How many processes there may be below each of *workers* workers."""
    return max(1, (here.room or MOST_BELOW) // workers - 1)


def has_enough(told_as: int, now: int) -> bool:
    """Whether a worker with the share of one of *told_as* suits a pool of *now*.

    A worker cannot be given another share later. With a smaller share, a task could
    start fewer workers than in a new worker.
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

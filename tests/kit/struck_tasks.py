"""What the calls that are struck let their workers do.

It imports little, for workers are started again and again.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator

LONG_S = 0.005  # of a task that a call does not wait for before it begins with others

logger = logging.getLogger("struck")


def noted_square(log: str, run: str, number: int) -> int:
    """The square of *number*; a line in *log* says that it was asked for in *run*."""
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, f"{run} {number}\n".encode())
    finally:
        os.close(fd)
    return number**2


def failing(log: str, run: str, number: int) -> int:
    """Fails, with the number in its error, unless that is even."""
    square = noted_square(log, run, number)
    if number % 2:
        raise ValueError(f"{number} is odd")
    return square


def slow_square(log: str, run: str, number: int) -> int:
    time.sleep(LONG_S)
    return noted_square(log, run, number)


class Square:
    """A function of one number that leaves a note."""

    def __init__(self, log: str, run: str) -> None:
        self.log, self.run = log, run

    def __call__(self, number: int) -> int:
        return noted_square(self.log, self.run, number)


def printed(log: str, run: str, number: int) -> int:
    line = f"{run}-{number}"
    print(line)
    warnings.warn(line, stacklevel=1)
    logger.warning(line)
    return noted_square(log, run, number)


def opened(run: int) -> Iterator[list[int]]:
    state = [run]
    yield state
    state.clear()


def marked_square(
    log: str, run: int, number: int, table: list[int], state: list[int]
) -> int:
    square = noted_square(log, f"{run}", number)
    return square if table[number] == run * number and state == [run] else -1

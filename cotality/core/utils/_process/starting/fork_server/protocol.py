"""What a fork server and its parent say to one another.

The parent asks with one byte, which descriptors come along with. The server answers
with numbers, through a pipe that is one of these.
"""

from __future__ import annotations

import os
import sys

# Asked for: whether there is a server, a worker, one that somebody watches over.
PROOF, WORKER, WATCHED = b"p", b"w", b"o"

UNKNOWN = 255  # what `multiprocessing` takes for an exit code that nobody knows
# Descriptors that one message takes: Linux's SCM_MAX_FD, in unix(7).
MOST_DESCRIPTORS = 253
SIZE = 8  # bytes of a number; a pipe takes them in one piece or not at all


def write_number(fd: int, number: int) -> None:
    os.write(fd, number.to_bytes(SIZE, sys.byteorder, signed=True))


def read_number(fd: int) -> int:
    """The next number, which is waited for.

    Raises:
        EOFError: There is none, and nobody who could write one.
    """
    data = b""
    while len(data) < SIZE:
        piece = os.read(fd, SIZE - len(data))
        if not piece:
            raise EOFError("the fork server has not told it")
        data += piece
    return int.from_bytes(data, sys.byteorder, signed=True)

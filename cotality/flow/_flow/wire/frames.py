"""The frames between a client and the router: a head of 24 bytes, then a body.

========== ===== =======================================================================
field      bytes
========== ===== =======================================================================
version    1     of this format; any other one ends the connection
kind       1     see `Kind`
fds        1     how many descriptors came with the first byte of the frame
level      1     CALL: the priority, from 0
length     4     of the body, at most `LONGEST`; checked before any memory is taken
serial     8     of the call, counted by each client connection from 1, never twice
seconds    4     CALL: how long the answer may take from now on; 0 is for ever
number     4     CALL: the step to begin with (1 byte), and what it counts as in a batch
                 (3 bytes); from the router: the number of the connection
========== ===== =======================================================================

All in the byte order of the machine: both ends are on the same one. The number of the
connection comes back with every answer. A client that reads an answer to another one
drops the connection, so that whatever goes wrong, no answer reaches anybody else.

The first frame of a client is a `HELLO`, and the first one of the router a `WELCOME`.
"""

from __future__ import annotations

import struct
from typing import Final

VERSION: Final = 1
HEAD: Final = struct.Struct("=BBBBIQfI")
LONGEST: Final = 64 * 1024 * 1024  # bytes of a body
MOST_FDS: Final = 8  # descriptors with one frame
MOST_WEIGHT: Final = 0xFFFFFF  # what one item may count as in a batch
END: Final = 0xFF  # in place of a step: the item is done


class Kind:
    """What a frame is. Plain integers, because they are compared for every item."""

    # From a client.
    HELLO: Final = 1
    CALL: Final = 2  # the body is a packed item
    CALL_WAITING: Final = 3  # the same, from one that will try again if it is refused
    CANCEL: Final = 4  # nobody waits for that call any more
    ASK: Final = 5  # the body says what for, see `notes`

    # From the router.
    WELCOME: Final = 16
    VALUE: Final = 17  # the body is a packed value
    FAILURE: Final = 18  # the body is a packed exception
    REFUSED: Final = 19  # the body is a byte that says why, and a text
    ANSWER: Final = 20  # to what was asked for
    ROOM: Final = 21  # how many calls a refused client may send again (serial)


FROM_CLIENT: Final = frozenset(
    [Kind.HELLO, Kind.CALL, Kind.CALL_WAITING, Kind.CANCEL, Kind.ASK]
)
FROM_ROUTER: Final = frozenset(
    [Kind.WELCOME, Kind.VALUE, Kind.FAILURE, Kind.REFUSED, Kind.ANSWER, Kind.ROOM]
)


class Why:
    """Why an item was refused: the first byte of a `REFUSED`; a text follows."""

    FULL: Final = 1
    DEADLINE: Final = 2
    DOWN: Final = 3
    STOPPED: Final = 4


class BadFrameError(Exception):
    """The other side does not speak this format; its connection has to end."""


def too_long(what: str, length: int) -> str:
    """What to say of *what*, which is longer than a frame may be."""
    return (
        f"{what} has {length:,} bytes when it is packed, and {LONGEST:,} may be sent: "
        f"send a smaller one, or the path of a file"
    )


def frame(
    kind: int,
    body: bytes = b"",
    *,
    serial: int = 0,
    level: int = 0,
    seconds: float = 0.0,
    number: int = 0,
    fds: int = 0,
) -> bytes:
    """A whole frame."""
    head = HEAD.pack(VERSION, kind, fds, level, len(body), serial, seconds, number)
    return head + body


def check_head(
    version: int, kind: int, length: int, fds: int, kinds: frozenset[int]
) -> None:
    """See that a head is one of ours, before anything is done about it.

    Raises:
        BadFrameError: It is not.
    """
    if version != VERSION:
        raise BadFrameError(f"version {version}, expected {VERSION}")
    if kind not in kinds:
        raise BadFrameError(f"a frame of kind {kind}")
    if length > LONGEST:
        raise BadFrameError(f"a frame of {length:,} bytes, at most {LONGEST:,} may be")
    if fds > MOST_FDS:
        raise BadFrameError(f"a frame with {fds} descriptors")

"""Messages between parent and worker: a header of fixed size, then bytes.

Nothing has to be unpickled to learn what a message is and where it ends, so bytes that
cannot be unpickled spoil one answer and never the connection.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from enum import IntFlag

HEADER = struct.Struct("=BxxxxxxxQ")  # kind, length
READ_AT_ONCE = 256 * 1024  # bytes


class Kind(IntFlag):
    """What a message is; `LAST` is added when its sender ends after it."""

    ITEM = 1
    READY = 2  # a worker can work
    UNFIT = 4  # a worker's initializer failed
    VALUE = 8
    FAILURE = 16
    LAST = 32


def packed(kind: Kind, body: bytes | bytearray) -> bytes:
    """A whole small message."""
    return HEADER.pack(kind, len(body)) + body


def send(connection: socket.socket, kind: Kind, body: bytes) -> None:
    """Send one message on a blocking socket."""
    if len(body) <= READ_AT_ONCE:
        connection.sendall(packed(kind, body))
    else:  # not worth a copy
        connection.sendall(HEADER.pack(kind, len(body)))
        connection.sendall(body)


def receive(connection: socket.socket) -> tuple[Kind, bytearray] | None:
    """The next message from a blocking socket, or None when the other side hung up."""
    header = receive_exactly(connection, HEADER.size)
    if header is None:
        return None
    kind, length = HEADER.unpack(header)
    body = receive_exactly(connection, length)
    return None if body is None else (Kind(kind), body)


def receive_exactly(connection: socket.socket, length: int) -> bytearray | None:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            return None
        view = view[count:]
    return data


class Inbox:
    """Puts messages together from what a non-blocking socket gives.

    A large message is read straight into its own memory: it is never held twice.
    """

    def __init__(self) -> None:
        self.small = bytearray(READ_AT_ONCE)
        self.rest = b""
        self.body: bytearray | None = None
        self.kind = Kind.ITEM
        self.filled = 0

    def read(self, connection: socket.socket) -> Iterator[tuple[Kind, bytearray]]:
        """Every message that is complete after reading what is there now.

        Raises:
            BlockingIOError: Nothing is there.
            EOFError: The other side hung up.
            OSError: The connection broke.
        """
        if self.body is None:
            count = connection.recv_into(self.small)
            if count == 0:
                raise EOFError
            yield from self.split(self.rest + self.small[:count])
            return
        count = connection.recv_into(memoryview(self.body)[self.filled :])
        if count == 0:
            raise EOFError
        self.filled += count
        if self.filled == len(self.body):
            message = self.kind, self.body
            self.body = None
            yield message

    def split(self, data: bytes | bytearray) -> Iterator[tuple[Kind, bytearray]]:
        start = 0
        while len(data) - start >= HEADER.size:
            kind, length = HEADER.unpack_from(data, start)
            start += HEADER.size
            if len(data) - start < length:
                self.kind = Kind(kind)
                self.body = bytearray(length)
                self.filled = len(data) - start
                self.body[: self.filled] = data[start:]
                self.rest = b""
                return
            yield Kind(kind), bytearray(data[start : start + length])
            start += length
        self.rest = bytes(data[start:])

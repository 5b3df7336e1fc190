"""Messages between parent and worker: a header of fixed size, then bytes.

A reader unpickles nothing to learn what a message is and where it ends. So bytes that
cannot be unpickled spoil one answer, but never the connection.
"""

from __future__ import annotations

import os
import socket
import struct
from array import array
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from typing import Final

from cotality._kit.records import NamedTuple
from cotality._kit.standard_places import moved_up

from .segments import ARE_AVAILABLE, MOST_SENT

# Kind, whether descriptors come along, the mark, how long an answer took to make (in
# us), the number of the item, the length.
HEADER = struct.Struct("=B?HIQQ")
# Some code in a worker may write into a descriptor that is not its own. What does not
# have this is none of our headers, and what it says of a length would be anything.
MARK = 0xC07A
MOST_MICROSECONDS = 2**32 - 1
READ_AT_ONCE = 64 * 1024  # bytes
# Linux receives descriptors so that no child gets them; macOS has to be told after.
NOT_INHERITED = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
ROOM_FOR_FDS = socket.CMSG_SPACE(4 * MOST_SENT) if ARE_AVAILABLE else 0  # bytes

# The first byte of an `OUTPUT`: what it is that follows.
RECORD, WARNING, STDOUT, STDERR = b"R", b"W", b"O", b"E"


class Output(NamedTuple):
    """Something that a worker has sent, still packed.

    Attributes:
        body: What it is, by its first byte, and that.
        pid: Of the worker.
        first_task: The index of the first task of the portion it works on, if known.
        context: That of the call it works for.
    """

    body: bytes | bytearray
    pid: int
    first_task: int | None
    context: Context | None


class Kind:
    """What a message is.

    `LAST` is added when its sender ends after it, `RULES` when an item has them in
    front. Plain integers: an `IntFlag` takes several microseconds of each round trip.
    """

    ITEM: Final = 1  # from a worker: an item, untouched: recalled, or refused
    READY: Final = 2  # a worker can work
    UNFIT: Final = 4  # a worker's initializer failed
    VALUE: Final = 8
    FAILURE: Final = 16
    LAST: Final = 32
    OUTPUT: Final = 64  # something that was logged, printed or warned of in a worker
    RULES: Final = 128  # added to an item that comes after new rules for such output


def framed(kind: int, body: bytes | bytearray, has_fds: bool, number: int) -> bytes:
    """A whole small message, with which descriptors are sent if it *has_fds*."""
    return HEADER.pack(kind, has_fds, MARK, 0, number, len(body)) + body


class Message(NamedTuple):
    """One message, complete.

    Attributes:
        kind: See `Kind`.
        fds: The descriptors that came along.
        number: Of the item that it is, or answers, counted by each worker from 1.
        microseconds: How long the answer took to make.
    """

    kind: int
    body: bytes | bytearray
    fds: list[int]
    number: int = 0
    microseconds: int = 0

    def close_fds(self) -> None:
        """Let go of a message that nobody is going to read."""
        for fd in self.fds:
            os.close(fd)


def send_some(connection: socket.socket, data: memoryview, fds: Sequence[int]) -> int:
    """Send what there is room for, with *fds* along with its first byte; how much."""
    return socket.send_fds(connection, [data], fds) if fds else connection.send(data)


def receive_some(connection: socket.socket, memory: bytearray) -> tuple[int, list[int]]:
    """Fill *memory* with what is there: how much, and the descriptors along with it."""
    if not ARE_AVAILABLE:
        return connection.recv_into(memory), []
    # Into memory that is there: to make some for each message would take half as long
    # as the whole way there and back.
    count, ancillary, _, _ = connection.recvmsg_into(
        [memory], ROOM_FOR_FDS, NOT_INHERITED
    )
    return count, fds_in(ancillary) if ancillary else []


def fds_in(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    fds = array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if not NOT_INHERITED:
        for fd in fds:
            os.set_inheritable(fd, False)
    return [moved_up(fd) for fd in fds]


class Inbox:
    """Puts messages together from what a non-blocking socket gives.

    Descriptors come with the first byte of their message. One read may give others with
    it that have none, before it (Linux) or after it (macOS), but no second one that has
    some. A large message is read straight into its own memory.
    """

    memory: bytearray
    start: bytes
    number: int
    microseconds: int
    filled: int
    is_drained: bool

    def __init__(self) -> None:
        self.memory = bytearray(READ_AT_ONCE)
        self.start = b""  # of a header that has not come whole
        self.kind: int = Kind.ITEM
        self.number: int = 0
        self.microseconds: int = 0
        self.body: bytes | bytearray | None = None  # None while a header is awaited
        self.filled = 0
        self.is_drained = False  # by the last read, as far as that can be told
        self.fds: list[int] = []  # that came with a header which is not complete
        self.fds_here: list[int] = []  # of the message that is being read

    def read(self, connection: socket.socket) -> deque[Message]:
        """Every message that is complete after reading what is there now.

        Raises:
            BlockingIOError: Nothing is there.
            EOFError: The other side hung up.
            OSError: The connection broke, or has something else in it than messages.
        """
        if self.body is None:
            count, fds = receive_some(connection, self.memory)
            data = self.start + bytes(memoryview(self.memory)[:count])
            self.fds += fds
        else:
            data = b""
            count = connection.recv_into(memoryview(self.body)[self.filled :])
            self.filled += count
        if count == 0:
            raise EOFError
        self.is_drained = self.body is None and count < READ_AT_ONCE
        return self.split(data)

    def split(self, data: bytes) -> deque[Message]:
        """The messages that are complete with *data*, which starts with a header."""
        begin = 0
        messages: deque[Message] = deque()
        while True:
            if self.body is None:
                if len(data) - begin < HEADER.size:
                    break
                kind, has_fds, mark, self.microseconds, self.number, length = (
                    HEADER.unpack_from(data, begin)
                )
                if mark != MARK:
                    raise ConnectionError("somebody else has written into this link")
                if has_fds:
                    self.fds_here, self.fds = self.fds, []
                begin += HEADER.size
                here = data[begin : begin + length]
                self.kind, self.body, self.filled = kind, here, len(here)
                begin += len(here)
                if len(here) < length:
                    self.body = bytearray(length)
                    self.body[: len(here)] = here
            if self.filled < len(self.body):
                break
            messages.append(
                Message(
                    self.kind, self.body, self.fds_here, self.number, self.microseconds
                )
            )
            self.body, self.fds_here = None, []
        self.start = data[begin:]
        return messages

    def close(self) -> None:
        """Close the descriptors of a message that will never be complete."""
        for fd in (*self.fds, *self.fds_here):
            os.close(fd)
        self.fds, self.fds_here = [], []

"""A non-blocking socket that frames pass: reads whole ones, and keeps what has to wait.

What is to be sent is collected, and goes out in one write when the turn of a loop is
over: a system call for each frame would cost more than all else that is done for it.
Descriptors travel with the first byte of their frame, and start a write of their own.
"""

from __future__ import annotations

import os
import socket
from array import array
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from cotality._kit.struck import is_of_a_signal
from cotality.core.hosting import fds_in

from .descriptors import Descriptors, Keeps
from .frames import HEAD, BadFrameError, check_head

READ_AT_ONCE = 64 * 1024  # bytes
READS_IN_A_ROW = 4  # of one pipe, before others have their turn
# Linux receives descriptors so that no child gets them; macOS has to be told after.
NOT_INHERITED = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
MOST_RECEIVED = 250  # descriptors in one message; Linux allows 253
ROOM_FOR_FDS = socket.CMSG_SPACE(4 * MOST_RECEIVED)


class Frame(NamedTuple):
    """One frame, complete; see `frames` for its fields."""

    kind: int
    level: int
    serial: int
    seconds: float
    number: int
    body: bytes | bytearray
    fds: Descriptors | None = None


class Begun(NamedTuple):
    """The head of a frame whose body has not come whole."""

    kind: int
    level: int
    serial: int
    seconds: float
    number: int
    fds: Descriptors | None


class Pipe:
    """One end of a connection; used by one thread.

    Attributes:
        size: Bytes that wait to be sent.
        is_amid: Whether a part of a frame has come, and the rest has not.
    """

    def __init__(
        self,
        end: socket.socket,
        kinds: frozenset[int],
        memory: bytearray | None = None,
    ) -> None:
        end.setblocking(False)
        self.end = end
        self.kinds = kinds
        # Its own, unless somebody reads many pipes in turn and knows that nothing comes
        # between: two that read into the same memory would take each other's answers.
        self.memory = bytearray(READ_AT_ONCE) if memory is None else memory
        self.rest = b""  # the start of a head
        self.begun: Begun | None = None
        self.body = bytearray()  # of what has begun
        self.filled = 0
        self.fds: list[int] = []  # that came, and whose frame has not
        self.are_cut = False  # there was no room for some of them
        self.parts: list[bytes | bytearray | memoryview] = []
        self.chunks: deque[Chunk] = deque()
        self.size = 0

    def fileno(self) -> int:
        return self.end.fileno()

    @property
    def is_amid(self) -> bool:
        return bool(self.rest) or self.begun is not None

    # What comes.

    def read(self) -> list[Frame]:
        """The frames that are complete with what is there now; none if nothing is.

        Raises:
            EOFError: The other side has hung up.
            OSError: The connection broke.
            BadFrameError: The other side does not keep to the format.
        """
        frames: list[Frame] = []
        for _ in range(READS_IN_A_ROW):
            try:
                is_drained = self.read_once(frames)
            except BlockingIOError:
                break
            except EOFError:
                if frames:
                    break  # the next read finds the end again
                raise
            if is_drained:
                break
        return frames

    def read_once(self, frames: list[Frame]) -> bool:
        """Read once, and say whether nothing more seems to be there."""
        if self.begun is not None:
            view = memoryview(self.body)[self.filled :]
            count = self.end.recv_into(view)
            if count == 0:
                raise EOFError
            self.filled += count
            if self.filled == len(self.body):
                frames.append(self.completed(self.begun))
            return False
        count, ancillary, flags, _ = self.end.recvmsg_into(
            [self.memory], ROOM_FOR_FDS, NOT_INHERITED
        )
        if count == 0:
            raise EOFError
        if ancillary:
            self.fds += fds_in(ancillary)
        if flags & socket.MSG_CTRUNC:
            self.are_cut = True
        if len(self.fds) > MOST_RECEIVED:
            raise BadFrameError("more descriptors than frames for them")
        data = bytes(memoryview(self.memory)[:count])
        self.split(self.rest + data if self.rest else data, frames)
        return count < len(self.memory)

    def split(self, data: bytes, frames: list[Frame]) -> None:
        """Append the frames that are complete in *data*, and keep the rest."""
        at, end, size, unpack = 0, len(data), HEAD.size, HEAD.unpack_from
        kinds, self.rest = self.kinds, b""
        while end - at >= size:
            version, kind, fds, level, length, serial, seconds, number = unpack(
                data, at
            )
            check_head(version, kind, length, fds, kinds)
            at += size
            given = self.taken(fds) if fds else None
            if end - at < length:
                self.begun = Begun(kind, level, serial, seconds, number, given)
                self.body = bytearray(length)
                self.filled = end - at
                self.body[: self.filled] = data[at:]
                return
            body = data[at : at + length]
            frames.append(Frame(kind, level, serial, seconds, number, body, given))
            at += length
        self.rest = data[at:]

    def completed(self, begun: Begun) -> Frame:
        body, self.body, self.begun = self.body, bytearray(), None
        kind, level, serial, seconds, number, fds = begun
        return Frame(kind, level, serial, seconds, number, body, fds)

    def taken(self, count: int) -> Descriptors:
        missing = count - len(self.fds)
        if missing > 0 and not self.are_cut:
            raise BadFrameError("descriptors are missing")
        if missing > 0:
            # The system drops those that this process has no room for. They came with
            # this very frame: one read brings those of one frame.
            self.are_cut = False
            self.fds += [-1] * missing
        fds, self.fds = self.fds[:count], self.fds[count:]
        return Descriptors(fds)

    # What goes.

    def put(self, *parts: bytes | bytearray | memoryview) -> None:
        """Have *parts* sent when the pipe is flushed."""
        self.parts += parts
        for part in parts:
            self.size += len(part)

    def put_with(
        self,
        fds: Sequence[int],
        keep: Keeps,
        *parts: bytes | bytearray | memoryview,
    ) -> None:
        """The same, with *fds*, which *keep* keeps open until they are sent."""
        self.end_chunk([], None)
        self.parts += parts
        for part in parts:
            self.size += len(part)
        self.end_chunk(fds, keep)

    def end_chunk(self, fds: Sequence[int], keep: Keeps | None) -> None:
        if self.parts:
            data = memoryview(b"".join(self.parts))
            self.chunks.append(Chunk(data, fds, keep))
            self.parts = []

    def flush(self) -> bool:
        """Send what the socket takes; whether that was all.

        Raises:
            OSError: The connection broke.
        """
        if self.parts:
            if not self.chunks and not self.send_at_once():
                return False
            self.end_chunk([], None)
        while self.chunks:
            chunk = self.chunks[0]
            try:
                sent = self.send_some(chunk)
            except BlockingIOError:
                return False
            self.size -= sent
            chunk.sent()
            if sent == len(chunk.data):
                self.chunks.popleft()
            else:
                chunk.data = chunk.data[sent:]
        return True

    def send_at_once(self) -> bool:
        """The usual case: all that waits fits into the socket."""
        parts = self.parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        try:
            sent = self.end.send(data)
        except BlockingIOError:
            self.end_chunk([], None)
            return False
        self.size -= sent
        self.parts = []
        if sent < len(data):
            self.chunks.append(Chunk(memoryview(data)[sent:], [], None))
        return True

    def send_some(self, chunk: Chunk) -> int:
        if not chunk.fds:
            return self.end.send(chunk.data)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", chunk.fds))]
        return self.end.sendmsg([chunk.data], rights)

    def hang_up(self) -> None:
        """Close it for all who have a copy of it, such as a fork of this program."""
        try:
            self.end.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            if is_of_a_signal(error):
                raise
            # The other side has hung up before.
        self.close()

    def close(self) -> None:
        """Close it, and the descriptors that nobody has taken."""
        for fd in self.fds:
            os.close(fd)
        self.fds, self.begun = [], None
        for chunk in self.chunks:
            chunk.sent()
        self.chunks.clear()
        self.parts.clear()
        self.end.close()


class Chunk:
    """Bytes that go out together, and what goes with the first of them."""

    __slots__ = ("data", "fds", "keep")

    def __init__(
        self, data: memoryview, fds: Sequence[int], keep: Keeps | None
    ) -> None:
        self.data = data
        self.fds = fds
        self.keep = keep

    def sent(self) -> None:
        """What it has kept open need not be any longer."""
        self.fds = ()
        keep, self.keep = self.keep, None
        if keep is not None:
            keep.close()


def is_broken(error: BaseException) -> bool:
    """Whether *error* says that the other side of a pipe is gone."""
    return isinstance(error, (EOFError, OSError)) and not is_of_a_signal(error)

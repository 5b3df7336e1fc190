"""Large objects in memory that processes share: written once, mapped where needed.

A segment is an anonymous file that holds one packed object: its pickle, and beside it
the buffers that pickle protocol 5 takes out of band (NumPy arrays, bytearrays, Arrow
tables). Its descriptor travels over the link between two processes; nothing has a name,
so nothing can be left behind. Whoever loads the object maps the file: the buffers of a
loaded object *are* the mapped pages, and nobody copies them.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import mmap
import os
import pickle
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any

from .wire import MAIN, PROTOCOL

LARGE = 64 * 1024  # bytes from which a segment costs less than the way through a pipe
ALIGNMENT = 64  # bytes, as NumPy aligns its own memory
COUNT = struct.Struct("=Q")

# Segments need a way to send descriptors. Where there is none (Windows), everything
# travels through the link, with the same meaning and less speed.
ARE_AVAILABLE = hasattr(socket, "send_fds")
MOST_SENT = 200  # descriptors with one message; Linux allows 253


class Segment:
    """One packed object in an anonymous file; this process's descriptor of it."""

    __slots__ = ("__weakref__", "fd", "number", "size")

    def __init__(self, fd: int, size: int, number: int) -> None:
        self.fd = fd
        self.size = size
        self.number = number  # the same on both sides, and no other's of that sender

    def __reduce__(self) -> tuple[Callable[..., Segment], tuple[int, int, int]]:
        """Travel as the position of a descriptor among those sent with a message."""
        sent = travelling.segments
        if sent is None:
            raise TypeError("a segment can only be sent to a worker process")
        sent.append(self)
        return arrived, (len(sent) - 1, self.size, self.number)

    def __del__(self) -> None:
        os.close(self.fd)

    def load(self, *, private: bool) -> Any:  # Any: whatever was packed
        """The object, in memory of its own: mapped, not copied.

        What is written to a *private* one is seen nowhere else, and costs a copy of
        the pages written to. Otherwise the file itself is written to, which suits
        its last user.
        """
        flags = mmap.MAP_PRIVATE if private else mmap.MAP_SHARED
        view = memoryview(mmap.mmap(self.fd, self.size, flags))
        lengths = read_lengths(view)
        begin = aligned(COUNT.size * (len(lengths) + 1))
        parts: list[memoryview] = []
        for length in lengths:
            parts.append(view[begin : begin + length])
            begin = aligned(begin + length)
        return pickle.loads(parts[0], buffers=parts[1:])


class Travelling(threading.local):
    """What belongs to the message that this thread is making or reading."""

    segments: list[Segment] | None = None
    fds: list[int] | None = None


travelling = Travelling()


@contextlib.contextmanager
def sent_along() -> Generator[list[Segment], None, None]:
    """Collect the segments that are pickled in the ``with``."""
    segments: list[Segment] = []
    travelling.segments = segments
    try:
        yield segments
    finally:
        travelling.segments = None


@contextlib.contextmanager
def received_with(fds: list[int]) -> Generator[None, None, None]:
    """Give *fds* to the segments unpickled in the ``with``; close what nobody took."""
    travelling.fds = fds
    try:
        yield
    finally:
        travelling.fds = None
        for fd in fds:
            if fd >= 0:
                os.close(fd)


def arrived(position: int, size: int, number: int) -> Segment:
    """The segment whose descriptor came at *position* with the message."""
    fds = travelling.fds
    if fds is None:
        raise TypeError("a segment can only be received from another process")
    fd = fds[position]
    fds[position] = -1
    return Segment(fd, size, number)


def pack(value: object) -> bytes | Segment:
    """*value* packed: as bytes if that is small, else in a segment.

    Raises:
        OSError: There is no room for it, in memory or in the temporary folder.
        Exception: What pickling *value* raised.
    """
    buffers: list[pickle.PickleBuffer] = []
    data = dumped(value, buffers)
    size = len(data) + sum(memoryview(buffer).nbytes for buffer in buffers)
    if size >= LARGE and ARE_AVAILABLE:
        return written([memoryview(data), *(buffer.raw() for buffer in buffers)])
    return dumped(value, None) if buffers else data


def dumped(value: Any, buffers: list[pickle.PickleBuffer] | None) -> bytes:
    """As `wire.encode`, with large buffers put into *buffers* instead of the bytes."""
    take = None if buffers is None else buffers.append
    try:
        data = pickle.dumps(value, PROTOCOL, buffer_callback=take)
        if data.find(MAIN) < 0:
            return data
    except Exception:
        pass  # the other pickler may know a way; if not, its error is the one to raise
    if buffers:
        buffers.clear()
    from .pickling import pickler_by_value

    with io.BytesIO() as file:
        pickler_by_value()(file, PROTOCOL, buffer_callback=take).dump(value)
        return file.getvalue()


def written(parts: Sequence[memoryview]) -> Segment:
    """A new segment that holds *parts*."""
    lengths = [part.nbytes for part in parts]
    head = COUNT.pack(len(lengths)) + b"".join(map(COUNT.pack, lengths))
    pieces: list[memoryview] = []
    for piece in (memoryview(head), *parts):
        gap = bytes(aligned(piece.nbytes) - piece.nbytes)
        pieces += [piece, memoryview(gap)]
    size = sum(piece.nbytes for piece in pieces)
    try:
        return filled(memory_file(), pieces, size)
    except OSError:
        # No memory file, or no memory left for it; a disk may have room.
        return filled(disk_file(), pieces, size)


def filled(fd: int, pieces: Sequence[memoryview], size: int) -> Segment:
    """Write *pieces* to the file *fd*.

    Written by a call, not through a mapping: where space runs out that is an error
    of this call, and not a signal that ends the process.
    """
    segment = Segment(fd, size, next(numbers))
    for piece in pieces:
        view = piece.cast("B")
        while view:
            view = view[os.write(fd, view[:WRITE_LIMIT]) :]
    return segment


numbers = itertools.count(1)
WRITE_LIMIT = 1 << 30  # bytes; systems take up to 2 GiB in one call


def memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("cotality", os.MFD_CLOEXEC)
    return disk_file()


def disk_file() -> int:
    """A descriptor of a file in the temporary folder that has no name any more."""
    fd, path = tempfile.mkstemp(prefix="cotality-")
    os.unlink(path)
    return fd


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def read_lengths(view: memoryview) -> list[int]:
    (count,) = COUNT.unpack_from(view)
    return [COUNT.unpack_from(view, COUNT.size * (n + 1))[0] for n in range(count)]

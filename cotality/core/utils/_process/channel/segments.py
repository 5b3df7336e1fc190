"""Large objects in memory that processes share: written once, mapped where needed.

A segment is an anonymous file that holds one packed object: its pickle, and beside it
the buffers that pickle protocol 5 takes out of band (NumPy arrays, bytearrays, Arrow
tables). Its descriptor travels over the link between two processes; nothing has a name,
so nothing can be left behind. Whoever loads the object maps the file: the buffers of a
loaded object *are* the mapped pages, and nobody copies them.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import mmap
import os
import pickle
import socket
import struct
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Protocol

from cotality._kit.standard_places import fill
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.descriptor import Descriptor, mapped_above
from cotality.core.utils._process.machine.object_size import LARGE
from cotality.core.utils._process.pickling.encode import (
    PROTOCOL,
    decode,
    dump_answer,
    dump_by_value,
    is_for_all,
)

ALIGNMENT = 64  # bytes, as NumPy aligns its own memory
COUNT = struct.Struct("=Q")

# Segments need a way to send descriptors. Where there is none (Windows), everything
# travels through the link, with the same meaning and less speed.
ARE_AVAILABLE = hasattr(socket, "send_fds")
MOST_SENT = 200  # descriptors with one message; Linux allows 253

# Below this many bytes an object is copied out of its segment: a mapping is no cheaper
# then (a guess, not a measurement), and costs a descriptor as long as the object lives.
COPIED_BELOW = 1024 * 1024
# A caller may keep any number of results, but a process may have 1,024 descriptors and
# 65,530 mappings, unless told otherwise. Python 3.13 maps without a descriptor.
MOST_MAPPED = 10_000 if sys.version_info >= (3, 13) else 200


class NoRoomError(OSError):
    """There is no memory, no disk or no descriptor for a large object."""


class NotReceivedError(TypeError):
    """A large object is read without a message that it came with."""


class Segment:
    """One packed object in an anonymous file; this process's descriptor of it.

    It has no `__del__` of its own: while that runs, a weak reference still gives the
    object to other threads, which would send a descriptor that is closed, or is that of
    something else by then (3.11 to 3.13).
    """

    file: Descriptor | None
    number: int
    size: int

    __slots__ = ("__weakref__", "file", "number", "size")

    def __init__(self, file: Descriptor | None, size: int, number: int) -> None:
        self.file = file
        self.size = size
        self.number = number  # the same on both sides, and no other's of that sender

    def __reduce__(self) -> tuple[Callable[..., Segment], tuple[int, int, int]]:
        """Travel as the position of a descriptor among those sent with a message."""
        sent = travelling.segments
        if sent is None:
            raise TypeError("a segment can only be sent to a worker process")
        # Once, also where a message is pickled again by value.
        if self not in sent:
            sent.append(self)
        return arrived, (sent.index(self), self.size, self.number)

    @property
    def fd(self) -> int:
        """The descriptor; -1 if this process had no room for it."""
        return -1 if self.file is None else self.file.fd

    def load(self) -> Any:  # Any: whatever was packed
        """The object, in memory of its own: mapped, not copied, unless it is small.

        What is written to it is seen nowhere else, and costs a copy of the pages
        written to. That holds for the last user too: were the file itself written
        to, a caller that forks would share its results with the fork.
        """
        data, buffers = self.parts()
        return pickle.loads(data, buffers=buffers)

    def parts(self) -> tuple[memoryview, list[memoryview]]:
        """The pickle, and the buffers that belong to it, in memory as for `load`."""
        view = memoryview(self.memory())
        lengths = read_lengths(view)
        places = zip(begins(lengths), lengths, strict=True)
        parts = [view[begin : begin + length] for begin, length in places]
        return parts[0], parts[1:]

    def memory(self) -> mmap.mmap | bytearray:
        """The content, to be written to by this process alone."""
        if self.fd < 0:
            raise NoRoomError(
                errno.EMFILE,
                "a large object was sent, but this process has too many open files "
                "to receive it",
            )
        if self.size >= COPIED_BELOW and len(mappings) < MOST_MAPPED:
            try:
                return mapped(self.fd, self.size)
            except OSError as raised:
                if is_of_a_signal(raised):
                    raise
                # No descriptor or no mapping is left; there may be memory.
        content = bytearray(self.size)
        view = memoryview(content)
        while view:
            done = self.size - view.nbytes
            view = view[os.preadv(self.fd, [view[:WRITE_LIMIT]], done) :]
        return content


# The mappings that are alive in this process.
mappings: set[weakref.ref[mmap.mmap]] = set()


def mapped(fd: int, size: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        memory = mmap.mmap(fd, size, mmap.MAP_PRIVATE, trackfd=False)
    else:
        memory = mapped_above(fd, size, flags=mmap.MAP_PRIVATE)
    mappings.add(weakref.ref(memory, mappings.discard))
    return memory


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
        # One that was struck is closed late, when the next is under way.
        if travelling.segments is segments:
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


def decoded(
    body: bytes | bytearray | memoryview, fds: list[int]
) -> Any:  # Any: what was encoded
    """What a message holds; what came as one large object is loaded."""
    if not fds:  # mostly, and then none of this has to be paid for
        try:
            return decode(body)
        except NotReceivedError:
            pass  # all that came with it was dropped: see `arrived`
    with received_with(fds):
        value = decode(body)
    return value.load() if isinstance(value, Segment) else value


def arrived(position: int, size: int, number: int) -> Segment:
    """The segment whose descriptor came at *position* with the message."""
    fds = travelling.fds
    if fds is None:
        raise NotReceivedError("a segment can only be received from another process")
    file: Descriptor | None = None  # the system drops those there is no room for
    if position < len(fds) and fds[position] >= 0:
        file, fds[position] = Descriptor.of(fds[position]), -1
    return Segment(file, size, number)


class Lender(Protocol):
    """Has memory for segments; see `arena`."""

    def lent(self, pieces: Sequence[memoryview], size: int) -> Segment | None:
        """A segment that holds *pieces*; None if it has no memory for them."""


def pack(
    value: object, *, is_answer: bool = False, lender: Lender | None = None
) -> bytes | Segment:
    """*value* packed: as bytes if that is small, else in a segment.

    Args:
        is_answer: Whether it goes to the process that this one works for.
        lender: Is asked for the memory of the segment first.

    Raises:
        NoRoomError: There is none for it, in memory or in the temporary folder.
        Exception: What pickling *value* raised.
    """
    buffers: list[pickle.PickleBuffer] = []
    data = dumped(value, buffers, is_answer=is_answer)
    packed = packed_parts(data, buffers, lender)
    return joined(data, buffers) if packed is None else packed


def stored(data: bytes, buffers: list[pickle.PickleBuffer]) -> bytes | Segment:
    """A pickle and the *buffers* that belong to it, packed as by `pack`.

    Raises:
        NoRoomError: As for `pack`.
    """
    packed = packed_parts(data, buffers)
    return joined(data, buffers) if packed is None else packed


def joined(data: bytes, buffers: Sequence[pickle.PickleBuffer]) -> bytes:
    """A pickle with the *buffers* in it that belong to it.

    To pickle the object once more would take a frame of ten rows a tenth of a
    millisecond.
    """
    return pickle.dumps(Joined(data, buffers), PROTOCOL)


class Joined:
    """Becomes, when it is read, what *data* and *buffers* are the pickle of."""

    def __init__(self, data: bytes, buffers: Sequence[pickle.PickleBuffer]) -> None:
        self.data = data
        self.buffers = buffers

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return rejoined, (self.data, *self.buffers)  # Any: the form that pickle wants


def rejoined(
    data: bytes, *buffers: bytes | bytearray
) -> Any:  # Any: whatever was pickled
    return pickle.loads(data, buffers=buffers)


def packed_parts(
    data: bytes, buffers: list[pickle.PickleBuffer], lender: Lender | None = None
) -> bytes | Segment | None:
    """A pickle and the *buffers* that belong to it, as `pack` packs them.

    None if it is too small for a segment, or there are none, and the buffers have to
    be in the pickle.
    """
    if not buffers and len(data) < LARGE:
        return data
    size = len(data) + sum(memoryview(buffer).nbytes for buffer in buffers)
    if size >= LARGE and ARE_AVAILABLE:
        try:
            parts = [memoryview(data), *(buffer.raw() for buffer in buffers)]
            return written(parts, lender)
        except NoRoomError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.EFBIG):
                raise
            # Without a descriptor, or a file of that size, it travels through the link.
    return None if buffers else data


def dumped(
    value: Any,  # Any: spares callers a type for each literal
    buffers: list[pickle.PickleBuffer] | None,
    *,
    is_answer: bool = False,
) -> bytes:
    """As `encode`, with large buffers put into *buffers* instead of the bytes."""
    take = None if buffers is None else buffers.append
    try:
        data = pickle.dumps(value, PROTOCOL, buffer_callback=take)
        if is_for_all(data):
            return data
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        # The other pickler may know a way; if not, its error is the one to raise.
    if buffers:
        buffers.clear()
    return dump_answer(value, buffers) if is_answer else dump_by_value(value, buffers)


def written(parts: Sequence[memoryview], lender: Lender | None = None) -> Segment:
    """A new segment that holds *parts*."""
    lengths = [part.nbytes for part in parts]
    head = COUNT.pack(len(lengths)) + b"".join(map(COUNT.pack, lengths))
    pieces: list[memoryview] = []
    for piece in (memoryview(head), *parts):
        gap = bytes(aligned(piece.nbytes) - piece.nbytes)
        pieces += [piece, memoryview(gap)]
    size = sum(piece.nbytes for piece in pieces)
    if lender is not None and (segment := lender.lent(pieces, size)) is not None:
        return segment
    if size > largest_file():
        raise NoRoomError(errno.EFBIG, os.strerror(errno.EFBIG))
    try:
        return filled(memory_file(), pieces, size)
    except OSError as error:
        if is_of_a_signal(error):
            raise
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise NoRoomError(error.errno, error.strerror) from error
        # No memory file, or no memory left for it; a disk may have room.
    try:
        return filled(disk_file(), pieces, size, is_reserved=True)
    except OSError as error:
        if is_of_a_signal(error):
            raise
        raise NoRoomError(
            error.errno,
            f"no room for a large object of {size:,} bytes, neither in memory nor in "
            f"the folder for temporary files: {error.strerror}",
        ) from error


def filled(
    file: Descriptor,
    pieces: Sequence[memoryview],
    size: int,
    *,
    is_reserved: bool = False,
) -> Segment:
    """Write *pieces* to *file*, and before that reserve room for them if wanted.

    Written by a call, not through a mapping: where space runs out that is an error
    of this call, and not a signal that ends the process.
    """
    segment, fd = Segment(file, size, next(numbers)), file.fd
    if is_reserved:
        reserve(fd, size)
    for piece in pieces:
        view = piece.cast("B")
        while view:
            view = view[os.write(fd, view[:WRITE_LIMIT]) :]
    return segment


def reserve(fd: int, size: int) -> None:
    """Take room on a disk, or fail at once and take none.

    Other programs write to the same disk: what does not fit must not fill it up before
    that is noticed. In memory nothing is reserved: a memory file has no limit of its
    own (that of /dev/shm is not its), so writing tells as soon as reserving would, and
    to reserve each page first took up to a third longer (measured, 200 MB).
    """
    if not hasattr(os, "posix_fallocate"):
        return  # macOS; writing will tell
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if is_of_a_signal(error):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        # A file system that cannot do it; writing will tell.


numbers = itertools.count(1)
WRITE_LIMIT = 1 << 30  # bytes; systems take up to 2 GiB in one call


def largest_file() -> float:
    """The size in bytes that a file of this process may have, also one in memory.

    To be asked first: a signal comes with the error, and may end the program.
    """
    try:
        from resource import RLIM_INFINITY, RLIMIT_FSIZE, getrlimit
    except ImportError:  # Windows
        return math.inf
    limit, _ = getrlimit(RLIMIT_FSIZE)
    return math.inf if limit == RLIM_INFINITY else limit


def memory_file(name: str = "cotality") -> Descriptor:
    """A file in memory, which `/proc` shows under *name*; on disk where it must be."""
    if hasattr(os, "memfd_create"):
        return Descriptor(os.memfd_create, name, os.MFD_CLOEXEC)
    return disk_file()


def disk_file() -> Descriptor:
    """A file in the temporary folder that has no name."""
    import tempfile  # 4 ms, and Linux has files in memory

    fill()
    with tempfile.TemporaryFile(prefix="cotality-", buffering=0) as file:
        return Descriptor(os.dup, file.fileno())


def begins(lengths: Sequence[int]) -> Iterator[int]:
    """From which byte on each part of a segment is, which have these *lengths*."""
    begin = aligned(COUNT.size * (len(lengths) + 1))
    for length in lengths:
        yield begin
        begin = aligned(begin + length)


def same_content(one: memoryview, other: memoryview) -> bool:
    """Whether the bytes of two views are the same.

    Nothing else of Python's compares them so quickly: views are compared item by item,
    but a bytearray with any bytes at once.
    """
    if one.nbytes != other.nbytes:
        return False
    for begin in range(0, one.nbytes, COMPARED_AT_ONCE):
        end = begin + COMPARED_AT_ONCE
        copy = bytearray(one[begin:end])
        if copy != other[begin:end]:  # pyright: ignore[reportUnnecessaryComparison]  # see above
            return False
    return True


COMPARED_AT_ONCE = 256 * 1024  # bytes: those stay in the cache of a CPU


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def read_lengths(view: memoryview) -> list[int]:
    (count,) = COUNT.unpack_from(view)
    return [COUNT.unpack_from(view, COUNT.size * (n + 1))[0] for n in range(count)]

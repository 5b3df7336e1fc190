"""Memory for large objects that is used again, once nobody has any of it.

To take new memory from the system for each object, a page at a time, takes ten times as
long as to write the object. So a sender keeps some anonymous files, its regions, and
writes the next object where an earlier one was.

When may it? Not before the last process that was sent the earlier one has let go of it:
the one that maps it, whoever has it on the way, and their forks. Nobody is asked: the
kernel knows. What is sent is a lease: the file opened once more, for reading, and with
a shared lock. Such a lock belongs to the open file, and is gone when the last
descriptor and the last mapping of that are, however their process has ended. The sender
writes only while it has the exclusive lock, which it does not get as long as there is a
lease.

Linux keeps locks like that. Whether this system does is tried once in each process; if
it does not, or has no anonymous files, no region is used again.
"""

from __future__ import annotations

import errno
import functools
import mmap
import os
import sys
import weakref
from collections import deque
from collections.abc import Sequence

from cotality._kit.struck import is_of_a_signal
from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.machine.descriptor import Descriptor, mapped_above
from cotality.core.utils._process.machine.this_process import after_fork

from .segments import Segment, filled, largest_file, mapped, memory_file, numbers

if sys.platform != "win32":
    import fcntl

LEAST = 64 * 1024  # bytes of a region; each size is twice the one before
LARGEST = 16 * 1024 * 1024  # bytes; with more than that, writing is what takes time
MOST_BYTES = 64 * 1024 * 1024  # of all regions of a sender
MOST_REGIONS = 32  # each has two descriptors, of which a process may have 1,024
TRIES = 3  # regions that are looked at, before a new one is made
# A region that was found in use so often in a row belongs to something that stays.
PATIENCE = 64


class Region:
    """An anonymous file, and our mapping of it.

    Attributes:
        written: How many bytes have been written once, so that memory is there.
        refused: How often in a row it was found in use.
    """

    file: Descriptor
    memory: mmap.mmap
    refused: int
    size: int
    written: int

    __slots__ = ("file", "memory", "refused", "size", "written")

    def __init__(self, size: int) -> None:
        self.size = size
        self.file = memory_file()
        os.ftruncate(self.file.fd, size)
        self.memory = mapped_above(self.file.fd, size)
        self.written = 0
        self.refused = 0

    def take(self) -> bool:
        """Whether nobody has a lease; then it is locked for writing."""
        try:
            fcntl.flock(self.file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.refused += 1
            return False
        self.refused = 0
        return True

    def leased(self, size: int) -> Segment:
        """The first *size* bytes, for others; it is not for writing from now on."""
        fcntl.flock(self.file.fd, fcntl.LOCK_UN)
        flags = os.O_RDONLY | os.O_CLOEXEC
        lease = Descriptor(os.open, f"/proc/self/fd/{self.file.fd}", flags)
        fcntl.flock(lease.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return Segment(lease, size, next(numbers))

    def write(self, pieces: Sequence[memoryview], size: int) -> None:
        if size > self.written:
            if size > largest_file():  # by now
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            # By a call, see `segments.filled`: the memory may not be there.
            os.lseek(self.file.fd, 0, os.SEEK_SET)
            filled(self.file, pieces, size)
            self.written = size
            return
        begin = 0
        for piece in pieces:
            end = begin + piece.nbytes
            self.memory[begin:end] = piece
            begin = end


class Arena:
    """The regions of one sender, by their size.

    A region that is being written is in no list, so each is used by one thread; and one
    that a thread is struck with is gone, not broken.
    """

    def __init__(self) -> None:
        self.regions: dict[int, deque[Region]] = {}
        arenas.add(self)

    def lent(self, pieces: Sequence[memoryview], size: int) -> Segment | None:
        """A segment that holds *pieces*; None if there is no region for them."""
        if size > LARGEST or not locks_last():
            return None
        try:
            region = self.region(size)
            if region is None:
                return None
            region.write(pieces, size)
            segment = region.leased(size)
        except OSError as error:
            if is_of_a_signal(error):
                raise
            return None  # no descriptor, or no memory: who asks has other ways
        self.regions.setdefault(region.size, deque()).append(region)
        return segment

    def region(self, size: int) -> Region | None:
        """One that is locked for writing."""
        whole = max(LEAST, 1 << (size - 1).bit_length())
        regions = self.regions.setdefault(whole, deque())
        for _ in range(TRIES):
            try:
                region = regions.popleft()
            except IndexError:
                break
            if region.take():
                return region
            if region.refused < PATIENCE:
                regions.append(region)
        if whole > largest_file() or not self.makes_room(whole):
            return None
        region = Region(whole)
        region.take()
        return region

    def makes_room(self, size: int) -> bool:
        """Whether one more of *size* may be had; lets go of others for that."""
        while True:
            count = sum(map(len, list(self.regions.values())))
            total = sum(each * len(of) for each, of in list(self.regions.items()))
            if count < MOST_REGIONS and total + size <= MOST_BYTES:
                return True
            others = [of for each, of in list(self.regions.items()) if each != size]
            other = max(others, key=len, default=None)
            if not other:
                return False
            try:
                other.popleft()  # whoever has a lease of it keeps the memory
            except IndexError:
                pass  # another thread has taken it

    def close(self) -> None:
        """Keep none of them; whoever has a lease keeps its memory."""
        self.regions = {}


arenas: weakref.WeakSet[Arena] = weakref.WeakSet()


def forget_all() -> None:
    """In a forked child: they are the parent's, which goes on to write to them."""
    for arena in all_in(arenas):
        arena.close()


after_fork(forget_all)


@functools.cache
def locks_last() -> bool:
    """Whether a lock lasts as long as a mapping does, and no longer."""
    if not hasattr(os, "memfd_create"):
        return False
    try:
        region = Region(mmap.PAGESIZE)
        region.take()
        lease = region.leased(mmap.PAGESIZE)
        memory = mapped(lease.fd, mmap.PAGESIZE)
        if lease.file is not None:
            lease.file.close()
        is_kept = not region.take()
        memory.close()
        return is_kept and region.take()
    except OSError as error:
        if is_of_a_signal(error):
            raise
        return False

"""A file descriptor that no exception can lose.

A function that opens a file returns a number. A signal handler may raise before that
number has a name, and then nobody closes the file. So the number goes straight into a
list: extending a list by what C code returns is one step. The list belongs to an object
that closes the descriptor in the end.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from cotality._kit.standard_places import FIRST_FREE, fill, holds

if TYPE_CHECKING:
    import mmap

if sys.platform != "win32":
    import fcntl


class Descriptor:
    """Holds what *opener*, a function in C, opens; closes it with its last holder.

    Args:
        opener: Gives a descriptor when it is called with *arguments*.

    Raises:
        OSError: What *opener* raised.
    """

    __slots__ = ("held",)

    def __init__(self, opener: Callable[..., int], *arguments: object) -> None:
        self.held: list[int] = []
        fill()
        self.held.extend(map(opener, *((each,) for each in arguments)))
        if self.fd < FIRST_FREE and sys.platform != "win32":
            # A place was free all the same; nothing of ours may lie there.
            above = (self.fd,), (fcntl.F_DUPFD_CLOEXEC,), (FIRST_FREE,)
            self.held.extend(map(fcntl.fcntl, *above))
            self.close_first()
            fill()

    @classmethod
    def of(cls, fd: int) -> Descriptor:
        """One for *fd*, which is open and nobody else's."""
        new = cls.__new__(cls)
        new.held = [fd]
        return new

    @property
    def fd(self) -> int:
        """The number; -1 once it is closed."""
        return self.held[0] if self.held else -1

    def close(self) -> None:
        """Close it; may be called again."""
        while self.held:
            self.close_first()

    def close_first(self) -> None:
        # Taken out and closed in one step: neither lost, nor closed twice.
        deque(map(os.close, map(self.held.pop, (0,))), maxlen=0)

    def __del__(self) -> None:
        if hasattr(self, "held"):  # else an exception struck while this was made
            self.close()


def mapped_above(fd: int, size: int, *, flags: int = 0, offset: int = 0) -> mmap.mmap:
    """The file of *fd* in memory, by a descriptor of its own in no standard place.

    That one has no number that anybody could ask for, and stays as long as the mapping.
    What others write there would get into the file.

    Args:
        size: In bytes.
        flags: As `mmap.mmap` takes them; 0 shares what is written.
        offset: Of the first byte.
    """
    if sys.platform == "win32":
        raise NotImplementedError("files have no descriptors here that others share")
    import mmap

    fill()
    while True:
        memory = mmap.mmap(fd, size, flags or mmap.MAP_SHARED, offset=offset)
        if not holds(fd):
            return memory
        # A place was free all the same, and is free again once this is closed.
        memory.close()
        fill()

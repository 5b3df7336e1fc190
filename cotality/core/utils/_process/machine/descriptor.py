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

from .standard_places import FIRST_FREE, above_standard, are_open

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
        if are_open() or sys.platform == "win32":
            self.open(opener, arguments)
        else:
            # Not even for a moment in a place that is free: another thread, which looks
            # just then, would take that place for one that is not.
            with above_standard():
                self.open(opener, arguments)

    def open(self, opener: Callable[..., int], arguments: tuple[object, ...]) -> None:
        self.held.extend(map(opener, *((each,) for each in arguments)))
        if self.fd < FIRST_FREE and sys.platform != "win32":
            # One of the standard places was free; nothing of ours may lie there.
            above = (self.fd,), (fcntl.F_DUPFD_CLOEXEC,), (FIRST_FREE,)
            self.held.extend(map(fcntl.fcntl, *above))
            self.close_first()

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

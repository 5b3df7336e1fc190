"""Descriptors on their way: whoever has them last closes them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol


class Keeps(Protocol):
    """Keeps descriptors open until they are sent."""

    def close(self) -> None:
        """They need not be open any longer, as far as this is concerned."""


class Descriptors:
    """Descriptors that came from another process; closed with the last reference.

    One that this process had no room for is -1.
    """

    __slots__ = ("bytes", "fds")

    def __init__(self, fds: Sequence[int]) -> None:
        self.fds: list[int] = list(fds)
        self.bytes: int | None = None  # of their files, once somebody has asked

    def size(self) -> int:
        """How many bytes their files have."""
        if self.bytes is None:
            self.bytes = sum(os.fstat(fd).st_size for fd in self.fds if fd >= 0)
        return self.bytes

    def take(self) -> list[int]:
        """They are the caller's now."""
        fds, self.fds = self.fds, []
        return fds

    def close(self) -> None:
        for fd in self.take():
            if fd >= 0:
                os.close(fd)

    def __del__(self) -> None:
        if hasattr(self, "fds"):  # else an exception struck while this was made
            self.close()


class Kept:
    """Things, and what keeps them open until they are sent."""

    __slots__ = ("things",)

    def __init__(self, things: object) -> None:
        self.things: object = things

    def close(self) -> None:
        self.things = None

"""The way to the router: how a connection to it is made."""

from __future__ import annotations

import errno
import os
import socket
from typing import Protocol

from cotality._kit.standard_places import fill, socket_pair

# The router is being started again, or has more to accept than it can at once.
PASSING = {errno.EAGAIN, errno.ECONNREFUSED, errno.ENOENT, errno.ENOBUFS}


class Entrance(Protocol):
    """Makes connections."""

    def connect(self) -> socket.socket:
        """A new one, which does not block.

        Raises:
            OSError: There is none now; see `is_passing`.
        """
        ...

    def describe(self) -> str:
        """What it leads to, for a message."""
        ...


def is_passing(error: OSError) -> bool:
    """Whether it may be otherwise in a moment."""
    return error.errno in PASSING


class ByPath:
    """To a socket that has a name."""

    def __init__(self, path: str) -> None:
        self.path = path

    def connect(self) -> socket.socket:
        fill()
        end = socket.socket(socket.AF_UNIX)
        try:
            end.setblocking(False)
            end.connect(self.path)
        except BaseException:
            end.close()
            raise
        return end

    def describe(self) -> str:
        return self.path


class ByIntake:
    """To the router of this program, also from its forks.

    Each connection is a new pair of sockets, one of which is sent to the router. No
    name leads there, so nobody else can connect.
    """

    def __init__(self) -> None:
        self.ours, self.theirs = socket_pair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.ours, self.theirs):
            end.setblocking(False)

    def connect(self) -> socket.socket:
        if self.ours.fileno() < 0:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        end, its = socket_pair()
        try:
            end.setblocking(False)
            socket.send_fds(self.ours, [b"!"], [its.fileno()])
        except BaseException:
            end.close()
            raise
        finally:
            its.close()
        return end

    def describe(self) -> str:
        return "the router of this program"

    def forget(self) -> None:
        """In a forked child: only the parent keeps a router."""
        self.theirs.close()

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()

"""A socket whose reads and writes have to be done by a certain time, all together.

The time limit of a socket is for each read, so a server that sends one byte now and
then could hold a request for ever.
"""

from __future__ import annotations

import io
import socket
import time

PIECE = 65_536  # bytes that are written before the time is looked at again


class Deadline:
    """A moment in the future, some seconds from now."""

    end: float

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds

    def left(self) -> float:
        """How many seconds are left.

        Raises:
            TimeoutError: None.
        """
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"it took longer than {self.seconds:g} s")
        return left


class TimedSocket:
    """What `http.client` wants of a socket. Whoever has opened it closes it.

    `http.client` closes it before it has read what was answered, and counts on the file
    that it reads from to keep it open.
    """

    def __init__(self, inner: socket.socket, deadline: Deadline) -> None:
        self.inner = inner
        self.deadline = deadline

    def sendall(self, data: bytes) -> None:
        for begin in range(0, len(data), PIECE):
            self.inner.settimeout(self.deadline.left())
            self.inner.sendall(data[begin : begin + PIECE])

    def receive(self, most: int) -> bytes:
        self.inner.settimeout(self.deadline.left())
        return self.inner.recv(most)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(TimedReader(self))

    def close(self) -> None:
        pass


class TimedReader(io.RawIOBase):
    """Reads from a `TimedSocket`, which stays open when this is closed."""

    def __init__(self, source: TimedSocket) -> None:
        self.source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # all we are given
        self.source.inner.settimeout(self.source.deadline.left())
        return self.source.inner.recv_into(buffer)

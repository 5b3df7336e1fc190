"""What wakes a thread that waits for a socket."""

from __future__ import annotations

from cotality._kit.standard_places import socket_pair


class Bell:
    """An event that can be waited for together with sockets."""

    def __init__(self) -> None:
        self.reader, self.writer = socket_pair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)

    def set(self) -> None:
        """Wake who waits, or will."""
        try:
            self.writer.send(b"!")
        except OSError:
            pass  # it rings already; or it is closed, and nobody waits

    def clear(self) -> None:
        """Ring no more."""
        try:
            while self.reader.recv(4096):
                pass
        except OSError:
            pass  # there is no more

    def close(self) -> None:
        self.reader.close()
        self.writer.close()

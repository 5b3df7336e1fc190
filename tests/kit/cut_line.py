"""A line to a server that can be cut: a proxy of bytes, on loopback."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.kit.limits import LONG_S


class Line:
    """Passes on what comes to `port`, unless somebody has cut it.

    Cut, it says nothing at all: neither side hears that the other one is gone, as with
    a cable that somebody has pulled out.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.reader, self.writer = socket.socketpair()
        self.others: dict[socket.socket, socket.socket] = {}
        self.is_cut = False
        self.passed = 0  # bytes
        self.thread = threading.Thread(target=self.serve, name="cut-line", daemon=True)
        self.thread.start()

    def cut(self) -> None:
        """Let nothing through; whoever connects waits."""
        self.is_cut = True
        self.writer.send(b"!")

    def mend(self) -> None:
        """Let new connections through; those of before are gone for good."""
        self.is_cut = False
        self.writer.send(b"!")

    def serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            selector.register(self.reader, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(LONG_S):
                    if key.fileobj is self.reader:
                        if self.reader.recv(1) == b"0":
                            return
                    elif self.is_cut:
                        self.leave_alone(selector, key.fileobj)
                    elif key.fileobj is self.listener:
                        self.connect(selector)
                    else:
                        self.pass_on(selector, key.fileobj)
                self.forget_all(selector)

    def leave_alone(self, selector: selectors.BaseSelector, one: object) -> None:
        """Nobody reads it; it stays open, so that the other side learns nothing."""
        if one is self.listener:
            accepted, _ = self.listener.accept()
            self.others[accepted] = accepted
        else:
            selector.unregister(one)

    def forget_all(self, selector: selectors.BaseSelector) -> None:
        """What was open when it was cut does not come back."""
        if self.is_cut:
            for each in [*selector.get_map().values()]:
                if each.fileobj not in (self.listener, self.reader):
                    selector.unregister(each.fileobj)

    def connect(self, selector: selectors.BaseSelector) -> None:
        accepted, _ = self.listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            accepted.close()
            return
        self.others |= {accepted: far, far: accepted}
        for each in (accepted, far):
            selector.register(each, selectors.EVENT_READ)

    def pass_on(self, selector: selectors.BaseSelector, one: socket.socket) -> None:
        other = self.others[one]
        try:
            found = one.recv(65536)
            other.sendall(found)
        except OSError:
            found = b""
        self.passed += len(found)
        if not found:
            for each in {one, other}:
                selector.unregister(each)
                del self.others[each]
                each.close()

    def close(self) -> None:
        self.writer.send(b"0")
        self.thread.join(LONG_S)
        for each in (self.listener, self.reader, self.writer, *self.others):
            each.close()


@contextmanager
def cut_line(target: int) -> Iterator[Line]:
    """A line to the port *target* on this machine."""
    line = Line(target)
    try:
        yield line
    finally:
        line.close()

"""A worker's end of its link: whole messages, one after the other, from any thread.

Not only the worker's own loop sends here. Everything that a task runs does, because its
logs and prints go to the parent: its threads, its signal handlers, its destructors. A
message that is cut short, or sent twice, would spoil all that follow.

Signal handlers may run, and raise, between any two steps of the interpreter. So each
step leaves the record of what was sent true: a message stays in the queue until it is
sent, and the step that sends a part of it also counts that part.
"""

from __future__ import annotations

import socket
import threading
from array import array
from collections import deque
from collections.abc import Iterator, Sequence

from .messages import HEADER, MARK, MOST_MICROSECONDS, READ_AT_ONCE


class LinkEndedError(OSError):
    """The parent cannot be reached any more."""


class WorkerLink:
    """Sends messages to the parent. A fork of the worker must not use it."""

    lock: threading.RLock
    is_sending: bool

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        # A signal handler may send in the middle of a message of its own thread.
        self.lock = threading.RLock()
        self.is_sending = False
        self.waiting: deque[Part] = deque()

    def send(
        self,
        kind: int,
        body: bytes,
        fds: Sequence[int] = (),
        *,
        number: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """Send one message; waits while the parent takes nothing more.

        Args:
            number: Of the item that it answers.
            seconds: How long that took.

        Raises:
            LinkEndedError: Nobody is there to read it.
            BaseException: What a signal handler raised meanwhile.
        """
        microseconds = min(int(seconds * 1e6), MOST_MICROSECONDS)
        header = HEADER.pack(kind, bool(fds), MARK, microseconds, number, len(body))
        parts = parts_of(header, body, fds)
        with self.lock:
            self.waiting.extend(parts)
            if self.is_sending:
                return  # whoever sends, further up in this thread, goes on with it
            try:
                self.is_sending = True
                self.send_all()
            finally:
                self.is_sending = False

    def send_all(self) -> None:
        """Send what waits, and only then raise what was raised meanwhile."""
        interruption: BaseException | None = None
        while self.waiting:
            try:
                self.waiting[0].send(self.connection)
                self.waiting.popleft()
            except BaseException as error:
                if is_of_the_link(error):
                    self.waiting.clear()
                    raise LinkEndedError(*error.args) from error
                interruption = error
        if interruption is not None:
            raise interruption


def parts_of(header: bytes, body: bytes, fds: Sequence[int]) -> list[Part]:
    if len(body) <= READ_AT_ONCE:
        return [Part(header + body, fds)]
    return [Part(header, fds), Part(body)]  # not worth a copy


class Part:
    """Bytes to be sent, with *fds* along with the first of them."""

    def __init__(self, data: bytes, fds: Sequence[int] = ()) -> None:
        self.data = data
        self.fds = fds
        self.counts: list[int] = []  # of bytes, one for each time some were sent

    def send(self, connection: socket.socket) -> None:
        """Send what is not sent yet."""
        while (begin := sum(self.counts)) < len(self.data):
            rest = memoryview(self.data)[begin:] if begin else self.data
            # To extend a list by what C code gives is one step.
            self.counts.extend(self.attempt(connection, rest))

    def attempt(
        self, connection: socket.socket, rest: bytes | memoryview
    ) -> Iterator[int]:
        """Sends what there is room for when asked for its one value, the count."""
        if not self.fds or self.counts:
            return map(connection.send, (rest,))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", self.fds))]
        return map(connection.sendmsg, ([rest],), (rights,))


def is_of_the_link(error: BaseException) -> bool:
    """Whether the system said it. A handler's own `TimeoutError` has no number."""
    return isinstance(error, OSError) and error.errno is not None

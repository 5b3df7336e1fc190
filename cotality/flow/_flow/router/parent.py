"""The router's end of the link to the process that has started it.

What workers print and log goes there, and what the router reports. The router never
waits for the parent: while the parent reads nothing, the router does not read from
workers that print.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from cotality.core.hosting import Inbox, framed

from .loop import READ, WRITE, Loop

LAST_WORDS_LIMIT = 1.0  # s
MOST_UNSENT = 1024 * 1024  # bytes; then workers that print more have to wait


class ToParent:
    """What the router tells; the core's kind of an output comes besides."""

    OUTPUT: Final = 64  # of a worker, whose pid is the number
    UP: Final = 128  # every step has a worker that is ready
    UNFIT: Final = 129  # a step could not start for the first time: packed exception
    LOG: Final = 130  # a text for the log
    DOWN: Final = 132  # likewise, for other reasons; a text
    STOPPED: Final = 131  # it ends now, because it was asked to


class FromParent:
    """What it is told."""

    STOP: Final = 1  # the number is the grace in milliseconds
    DRAIN: Final = 2  # likewise


class Parent:
    """The link.

    Attributes:
        size: Bytes that wait to be sent.
    """

    def __init__(
        self, link: socket.socket, loop: Loop, told: Callable[[int, int], None]
    ) -> None:
        link.setblocking(False)
        self.link = link
        self.loop = loop
        self.told = told
        self.inbox = Inbox()
        self.out = bytearray()
        self.is_gone = False
        self.on_room: list[Callable[[], None]] = []
        loop.watch(link, self.came)

    def came(self, events: int) -> None:
        if events & WRITE:
            self.push()
        if not events & READ:
            return
        try:
            for message in self.inbox.read(self.link):
                self.told(message.kind, message.number)
        except BlockingIOError:
            return
        except (EOFError, OSError):
            self.is_gone = True
            self.loop.unwatch(self.link)

    def say(self, kind: int, body: bytes | bytearray = b"", number: int = 0) -> None:
        if not self.is_gone:
            self.out += framed(kind, body, False, number)
            self.push()

    def log(self, text: str) -> None:
        if (
            len(self.out) < 2 * MOST_UNSENT
        ):  # who prints too much has to wait; we cannot
            self.say(ToParent.LOG, text.encode(errors="backslashreplace"))

    def last_words(self, text: str) -> None:
        """Say why the router ends that nobody has asked to; it may wait for that."""
        self.link.settimeout(LAST_WORDS_LIMIT)
        self.log(f"the router of the flow has failed:\n{text}")

    def push(self) -> None:
        try:
            while self.out:
                del self.out[: self.link.send(self.out)]
        except BlockingIOError:
            pass
        except OSError:
            self.out.clear()  # it is gone, and reading will say so
        if not self.is_gone:
            self.loop.change(self.link, READ | (WRITE if self.out else 0))
        if len(self.out) <= MOST_UNSENT // 2 and self.on_room:
            waiting, self.on_room = self.on_room, []
            for call in waiting:
                call()

    @property
    def has_room(self) -> bool:
        return len(self.out) <= MOST_UNSENT

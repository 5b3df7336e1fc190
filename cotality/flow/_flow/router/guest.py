"""One connection of a client: what it asks for, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Protocol

from cotality.flow._flow.wire.descriptors import Descriptors, Kept
from cotality.flow._flow.wire.frames import (
    HEAD,
    VERSION,
    BadFrameError,
    Kind,
    Why,
)
from cotality.flow._flow.wire.pipe import Frame, Pipe

from .desk import NAMES, Desk
from .item import Item
from .loop import READ

HELLO_LIMIT = 5.0  # s that a client gets to say who it is
AMID_LIMIT = 30.0  # s that the rest of a frame gets to come


class House(Protocol):
    """What a guest has of the router."""

    def welcome(self, guest: Guest) -> bytes:
        """The body of its `WELCOME`."""
        ...

    def has_to_send(self, guest: Guest) -> None:
        """Flush it when the turn is over."""

    def wants_room(self, guest: Guest) -> None:
        """Tell it when there is some."""

    def asked(self, guest: Guest, serial: int, body: bytes | bytearray) -> None:
        """Answer what it wants to know, or do what it wants done."""


class Guest:
    """A client, as the router sees it.

    Attributes:
        number: Of the connection, told with every answer.
        calls: Its items that are not over, by their serial numbers.
        waiting: How many of these wait in a line.
        share: How many may.
        wants_room: How many of its items were refused that it will send again.
    """

    def __init__(
        self, pipe: Pipe, number: int, share: int, desk: Desk, house: House
    ) -> None:
        self.pipe = pipe
        self.number = number
        self.share = share
        self.desk = desk
        self.house = house
        self.calls: dict[int, Item] = {}
        self.waiting = 0
        self.last_serial = 0
        self.wants_room = 0
        self.is_known = False
        self.is_gone = False
        self.will_flush = False
        self.events: int = READ  # that are looked for
        self.came_at = self.amid_since = perf_counter()

    # What it sends.

    def take(self, frames: Sequence[Frame], now: float) -> None:
        """Do what *frames* ask for.

        Raises:
            BadFrameError: They do not make sense.
        """
        desk = self.desk
        for frame in frames:
            kind = frame.kind
            if kind == Kind.CALL or kind == Kind.CALL_WAITING:
                _, level, serial, seconds, number, body, fds = frame
                step = number & 0xFF
                if not self.is_known or serial <= self.last_serial:
                    raise BadFrameError("a call out of turn")
                if step >= len(desk.lines):
                    raise BadFrameError(f"a call for step {step}")
                self.last_serial = serial
                if fds is not None and -1 in fds.fds:
                    raise BadFrameError("no descriptor is left for a large item")
                why = desk.refusal(self.waiting, self.share, step)
                if why:
                    self.refuse(serial, why, step, is_patient=kind != Kind.CALL)
                    continue
                item = Item(
                    self,
                    serial,
                    min(level, desk.levels - 1),
                    step,
                    number >> 8,
                    body,
                    now,
                    now + seconds if seconds > 0 else 0.0,
                    fds,
                )
                self.calls[serial] = item
                desk.take_in(item)
            elif kind == Kind.CANCEL:
                item_or_none = self.calls.get(frame.serial)
                if item_or_none is not None:
                    desk.cancel(item_or_none)
            elif kind == Kind.ASK:
                if not self.is_known:
                    raise BadFrameError("a question before a greeting")
                self.house.asked(self, frame.serial, frame.body)
            elif not self.is_known:
                self.is_known = True
                self.send(Kind.WELCOME, 0, self.house.welcome(self))

    def refuse(self, serial: int, why: int, step: int, *, is_patient: bool) -> None:
        if why == Why.FULL and is_patient:
            self.wants_room += 1
            self.house.wants_room(self)
        self.desk.counts.kinds[NAMES[why]] += 1
        text = self.desk.words(why, step, self.waiting, self.share).encode()
        self.send(Kind.REFUSED, serial, bytes([why]) + text)

    # What it is sent.

    def answer(
        self,
        kind: int,
        serial: int,
        body: bytes | bytearray,
        fds: Descriptors | None = None,
    ) -> None:
        self.send(kind, serial, body, fds)

    def forget(self, serial: int) -> None:
        self.calls.pop(serial, None)

    def send(
        self,
        kind: int,
        serial: int,
        body: bytes | bytearray,
        fds: Descriptors | None = None,
    ) -> None:
        if self.is_gone:
            return
        count = 0 if fds is None else len(fds.fds)
        head = HEAD.pack(VERSION, kind, count, 0, len(body), serial, 0.0, self.number)
        if fds is None:
            self.pipe.put(head, body)
        else:
            self.pipe.put_with(fds.fds, Kept(fds), head, body)
        if not self.will_flush:
            self.will_flush = True
            self.house.has_to_send(self)

    def offer_room(self, free: int) -> int:
        """Let it send again what was refused, if there is room; how many."""
        count = min(self.wants_room, free, self.share - self.waiting)
        if count > 0:
            self.wants_room -= count
            self.send(Kind.ROOM, count, b"")
        return max(count, 0)

    # Its end.

    def is_overdue(self, now: float) -> bool:
        """Whether it has to go because it does not say what it has to."""
        if not self.is_known:
            return now >= self.came_at + HELLO_LIMIT
        if not self.pipe.is_amid:
            self.amid_since = now
        return now >= self.amid_since + AMID_LIMIT

    def leave(self) -> None:
        """It has hung up: nobody waits for its items any more."""
        self.is_gone = True
        for item in list(self.calls.values()):
            self.desk.cancel(item)
        self.pipe.close()

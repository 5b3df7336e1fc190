"""Where clients come in, and where what they are told goes out."""

from __future__ import annotations

import errno
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from cotality._kit.struck import is_of_a_signal
from cotality.core.hosting import LinkEnd
from cotality.flow._flow.wire.frames import FROM_CLIENT, BadFrameError
from cotality.flow._flow.wire.pipe import Pipe

from . import peer
from .desk import Desk
from .guest import Guest, House
from .loop import READ, WRITE, Loop

HOUSEKEEPING = 1.0  # s between two looks at guests that say nothing
MOST_GUESTS = 4096
MOST_UNSENT = 256 * 1024 * 1024  # bytes of answers that a client may leave unread
MOST_KEPT = 8 * 1024 * 1024  # bytes of these with which it may still ask for more
ACCEPTED_AT_ONCE = 64
NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
REST = 0.1  # s that nobody is accepted when there is none
READ_AT_ONCE = 256 * 1024  # bytes
NUMBERS = 0xFFFFFFFF  # of connections, before they begin again


@dataclass(frozen=True, slots=True)
class Doors:
    """How clients come in.

    Attributes:
        listener: A socket that any program may connect to; None if there is none.
        intake: One by which this program and its forks send their connections.
        uids: The users that may connect to the listener.
    """

    listener: LinkEnd | None
    intake: LinkEnd | None
    uids: tuple[int, ...]


class Hall:
    """All guests."""

    def __init__(
        self,
        doors: Doors,
        desk: Desk,
        loop: Loop,
        house: House,
        log: Callable[[str], None],
    ) -> None:
        self.desk = desk
        self.loop = loop
        self.house = house
        self.log = log
        self.uids = frozenset(doors.uids)
        self.memory = bytearray(READ_AT_ONCE)  # for all of them, one after the other
        self.guests: set[Guest] = set()
        self.count = 0
        self.to_flush: list[Guest] = []
        self.patient: list[Guest] = []
        self.doors: list[socket.socket] = []
        if doors.listener is not None:
            self.open(doors.listener.end, self.accept)
        if doors.intake is not None:
            self.open(doors.intake.end, self.take_in)
        loop.timers.at(perf_counter() + HOUSEKEEPING, self.keep)

    # Coming.

    def open(self, door: socket.socket, come: Callable[[socket.socket], None]) -> None:
        door.setblocking(False)
        self.doors.append(door)
        self.loop.watch(door, lambda events: come(door))

    def close_doors(self) -> None:
        for door in self.doors:
            self.loop.unwatch(door)
            door.close()
        self.doors.clear()

    def accept(self, door: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                end, _address = door.accept()
            except OSError as error:
                if error.errno in NO_ROOM:
                    self.rest(door)
                return  # nobody is left, or he has gone again
            if peer.uid_of(end) in self.uids and len(self.guests) < MOST_GUESTS:
                # So that no web worker can keep all others waiting.
                self.invite(end, max(self.desk.queue_size // 2, 1))
            else:
                end.close()

    def rest(self, door: socket.socket) -> None:
        """Look for nobody for a while: there is no descriptor for who waits there."""
        self.loop.change(door, 0)

        def go_on(now: float) -> None:
            if door in self.doors:
                self.loop.change(door, READ)

        self.loop.timers.at(perf_counter() + REST, go_on)

    def take_in(self, door: socket.socket) -> None:
        """Connections of the program itself, which nobody else could have sent."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                _, fds, _, _ = socket.recv_fds(door, 1, 1)
            except OSError:
                return
            for fd in fds:
                end = socket.socket(fileno=fd)
                end.set_inheritable(False)
                self.invite(end, self.desk.queue_size)

    def invite(self, end: socket.socket, share: int) -> None:
        self.count += 1
        pipe = Pipe(end, FROM_CLIENT, self.memory)
        guest = Guest(pipe, self.count & NUMBERS, share, self.desk, self.house)
        self.guests.add(guest)
        self.loop.watch(pipe, partial(self.came, guest))

    # What they send.

    def came(self, guest: Guest, events: int) -> None:
        if events & WRITE:
            self.flush_one(guest)
        if not events & READ or guest.is_gone:
            return
        try:
            guest.take(guest.pipe.read(), perf_counter())
        except BadFrameError as error:
            self.log(f"a connection was closed: {error}")
            self.lose(guest)
        except (EOFError, OSError):
            self.lose(guest)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            # Whatever it has sent that we had not thought of costs that client alone.
            self.log(f"a connection was closed:\n{traceback.format_exc()}")
            self.lose(guest)

    # What they are sent.

    def flush(self) -> None:
        """Write all that there is; once in a turn."""
        guests, self.to_flush = self.to_flush, []
        for guest in guests:
            guest.will_flush = False
            self.flush_one(guest)

    def flush_one(self, guest: Guest) -> None:
        if guest.is_gone:
            return
        try:
            is_all = guest.pipe.flush()
        except OSError:
            self.lose(guest)
            return
        if guest.pipe.size > MOST_UNSENT:
            self.log("a client that does not read its answers was cut off")
            self.lose(guest)
            return
        # Who does not read what he is told is not heard, so what is kept for him does
        # not grow by more than he has under way.
        events = READ if guest.pipe.size <= MOST_KEPT else 0
        events |= 0 if is_all else WRITE
        if events != guest.events:
            guest.events = events
            self.loop.change(guest.pipe, events)

    def offer_room(self) -> None:
        """Tell those that wait for room that there is some, each of a part of it."""
        if not self.patient or self.desk.is_crammed:
            return
        size, waiting = self.desk.queue_size, self.desk.waiting
        free = size - waiting
        if free <= 0 or (waiting and free < size // 4):
            return
        for guest in self.patient:
            guest.offer_room(-(-free // len(self.patient)))
        self.patient = [
            guest for guest in self.patient if guest.wants_room and not guest.is_gone
        ]

    # Going.

    def lose(self, guest: Guest) -> None:
        if not guest.is_gone:
            self.loop.unwatch(guest.pipe)
            self.guests.discard(guest)
            guest.leave()

    def keep(self, now: float) -> None:
        """Close the connections on which nothing sensible comes."""
        for guest in [each for each in self.guests if each.is_overdue(now)]:
            self.lose(guest)
        self.loop.timers.at(now + HOUSEKEEPING, self.keep)

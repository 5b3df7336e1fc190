"""The processes of all workers: how they come, what they say, and how they go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

from cotality.core.hosting import Message as CoreMessage
from cotality.flow._flow.steps.plan import FlowPlan
from cotality.flow._flow.wire.descriptors import Descriptors
from cotality.flow._flow.wire.portions import Message

from .loop import READ, WRITE, Loop
from .parent import Parent, ToParent
from .seat import Seat
from .starter import Starter
from .station import Station

HANG_UP_LIMIT = 0.5  # s that a worker gets to end once it has closed its link
END_PAUSE = 0.005  # s between two looks whether a process has ended
LATE_AFTER = 1.0  # s after which whoever could tell how it ended has had time to


class Crew:
    """All seats, of all stations.

    Attributes:
        changed: Called when a worker has become ready, or could not.
    """

    def __init__(
        self, plan: FlowPlan, loop: Loop, parent: Parent, changed: Callable[[], None]
    ) -> None:
        self.loop = loop
        self.parent = parent
        self.changed = changed
        self.stations: Sequence[Station] = ()
        self.starter = Starter(plan)
        self.seats: set[Seat] = set()
        loop.watch(self.starter.bell, self.started)

    # What a station has of it.

    def start_worker(self, step: int, generation: int) -> None:
        self.starter.want(step, generation)

    def has_rest(self, seat: Seat) -> None:
        """Its link has not taken all that it was given."""
        self.update(seat)

    def leave(self, seat: Seat) -> None:
        self.seats.discard(seat)
        self.loop.unwatch(seat.hosted.link)
        self.loop.unwatch(seat.hosted.sentinel)
        seat.inbox.close()

    def says(self, text: str) -> None:
        self.parent.log(text)

    # Coming.

    def started(self, events: int) -> None:
        for step, generation, hosted, reason in self.starter.take():
            station = self.stations[step]
            if hosted is None:
                station.not_started(reason, generation)
            else:
                seat = Seat(hosted, generation)
                self.seats.add(seat)
                self.loop.watch(hosted.link, partial(self.came, station, seat))
                self.loop.watch(hosted.sentinel, partial(self.ends, station, seat))
                station.came(seat)
            self.changed()

    # What they say.

    def came(self, station: Station, seat: Seat, events: int) -> None:
        if events & WRITE:
            seat.push()
            self.update(seat)
        if events & READ:
            self.read(station, seat)

    def read(self, station: Station, seat: Seat) -> None:
        try:
            for message in seat.messages():
                self.take(station, seat, message)
        except (EOFError, OSError):
            self.hung_up(station, seat)

    def take(self, station: Station, seat: Seat, message: CoreMessage) -> None:
        if message.kind == Message.RECORDS:
            fds = Descriptors(message.fds) if message.fds else None
            station.settle(seat, message.body, fds)
        elif message.kind == Message.OUTPUT:
            self.pass_on(station, seat, message)
        elif message.kind == Message.READY:
            station.said_ready(seat)
            self.changed()
        elif message.kind == Message.UNFIT:
            station.said_unfit(seat, bytes(message.body))
            self.changed()

    def pass_on(self, station: Station, seat: Seat, message: CoreMessage) -> None:
        """Send what it has printed or logged to the parent."""
        self.parent.say(ToParent.OUTPUT, message.body, seat.pid)
        if not self.parent.has_room and not seat.is_paused:
            seat.is_paused = True
            self.update(seat)
            self.parent.on_room.append(partial(self.go_on, station, seat))

    def go_on(self, station: Station, seat: Seat) -> None:
        if seat in self.seats and seat.is_paused:
            seat.is_paused = False
            self.update(seat)
            self.read(station, seat)  # of what was read with the rest, too

    def update(self, seat: Seat) -> None:
        """Look at its link for what there is to do."""
        if seat in self.seats and not seat.is_hung_up:
            reads = 0 if seat.is_paused else READ
            writes = 0 if seat.outbox is None else WRITE
            self.loop.change(seat.hosted.link, reads | writes)

    # Going.

    def hung_up(self, station: Station, seat: Seat) -> None:
        """It has closed its link, and should end, or has ended."""
        if not seat.is_hung_up:
            seat.is_hung_up = True
            self.loop.unwatch(seat.hosted.link)
            when = perf_counter() + HANG_UP_LIMIT
            self.loop.timers.at(when, lambda _: self.end_hung_up(seat))

    def end_hung_up(self, seat: Seat) -> None:
        if seat in self.seats:
            seat.hosted.kill("hung up")

    def ends(self, station: Station, seat: Seat, events: int) -> None:
        """Its end is there, or will be told in a moment."""
        self.loop.unwatch(seat.hosted.sentinel)
        self.look(station, seat, perf_counter() + LATE_AFTER, perf_counter())

    def look(self, station: Station, seat: Seat, late_at: float, now: float) -> None:
        if seat not in self.seats:
            return
        if not seat.hosted.has_ended(is_late=now >= late_at):
            again = partial(self.look, station, seat, late_at)
            self.loop.timers.at(now + END_PAUSE, again)
            return
        self.read_rest(station, seat)
        station.ended(seat)
        self.changed()

    def read_rest(self, station: Station, seat: Seat) -> None:
        """Read what it had sent before it ended."""
        while True:
            try:
                messages = seat.inbox.read(seat.hosted.link)
            except (EOFError, OSError):  # that is all, or something else holds the link
                return
            for message in messages:
                self.take(station, seat, message)

    def kill_all(self) -> None:
        for seat in self.seats:
            seat.hosted.kill("stopped")

"""One worker of a step, as the router sees it: what it holds, and what it is at."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from time import perf_counter

from cotality.core.hosting import Hosted, Inbox, framed, send_some
from cotality.core.hosting import Message as CoreMessage
from cotality.flow._flow.wire.descriptors import Descriptors
from cotality.flow._flow.wire.portions import (
    BEGUN,
    HALT,
    MARK_OF,
    RECORD,
    STARTED,
    USED,
    Message,
    portion,
)

from .item import Item

READS_IN_A_ROW = 4


class Seat:
    """A worker process.

    Attributes:
        held: The items it has not answered, by their numbers. None stands for one that
            was taken back: the worker will say that it has not begun with it.
        given: How many items it was given in all.
        generation: Of the workers of its step, which grows with each reload.
        is_leaving: Whether it gets nothing more.
        moved_at: When it last got something, or answered.
        is_stuck: Whether it has been at one call for a while, with more behind that.
    """

    def __init__(self, hosted: Hosted, generation: int) -> None:
        self.hosted = hosted
        self.pid = hosted.pid
        self.generation = generation
        board = hosted.board
        self.words, self.times = board.words, board.times
        self.marks, self.room = board.marks, board.room
        self.inbox = Inbox()
        self.held: dict[int, Item | None] = {}
        self.given = 0
        self.outbox: memoryview | None = None
        self.to_send_along: list[Descriptors] = []
        self.is_ready = False
        self.is_leaving = False
        self.unfit = ""  # why its handler could not start
        self.is_hung_up = False  # it has closed its end of the link
        self.is_paused = False  # not read, because nobody takes what it prints
        self.is_watched = False  # an alarm is set for its time limit
        self.will_be_looked_at = False
        self.is_stuck = False
        self.moved_at = perf_counter()
        self.batch_began = 0.0  # of the records that come

    # What it holds.

    @property
    def can_take(self) -> bool:
        return self.is_ready and not self.is_leaving and self.outbox is None

    @property
    def is_idle(self) -> bool:
        return self.can_take and not self.held

    def behind(self) -> list[int]:
        """The numbers of what it has not begun with, and what was not recalled."""
        begun = self.words[BEGUN]
        return [
            number
            for number, item in self.held.items()
            if number > begun and item is not None and not self.marks[number & MARK_OF]
        ]

    def give(self, items: list[Item]) -> None:
        """Send *items*, which it holds from now on."""
        first = self.given + 1
        self.given += len(items)
        for number, item in enumerate(items, first):
            self.held[number] = item
        large = [item.fds for item in items if item.fds is not None]
        body = portion(
            first,
            [item.body for item in items],
            [item.weight for item in items],
            counts_of(items) if large else b"",
        )
        # Kept here as well: an item may be over before they are sent.
        self.to_send_along = large
        self.outbox = memoryview(framed(Message.PORTION, body, bool(large), 0))
        self.moved_at = perf_counter()
        self.push()

    def push(self) -> None:
        """Write what the link takes now."""
        try:
            while self.outbox:
                fds = [fd for each in self.to_send_along for fd in each.fds]
                sent = send_some(self.hosted.link, self.outbox, fds)
                self.to_send_along = []
                self.outbox = self.outbox[sent:]
        except BlockingIOError:
            return
        except OSError:
            pass  # the worker is gone; its end will be noticed
        self.outbox = None

    def mark(self, number: int) -> None:
        """Nobody wants item *number* from it any more."""
        self.marks[number & MARK_OF] = 1

    def recall(self) -> list[int]:
        """Ask for what it has not begun with; the numbers of that."""
        numbers = self.behind()
        for number in numbers:
            self.marks[number & MARK_OF] = 1
        return numbers

    def taken_back(self, numbers: list[int]) -> list[Item]:
        """Of items that were recalled for a while those that it will not begin with."""
        begun, items = self.words[BEGUN], list[Item]()
        for number in numbers:
            item = self.held.get(number)
            if number > begun and item is not None:
                self.held[number] = None
                items.append(item)
        return items

    # What it says.

    def messages(self) -> Iterator[CoreMessage]:
        """The messages that are complete now.

        Raises:
            EOFError: It has hung up.
            OSError: The link broke.
        """
        for _ in range(READS_IN_A_ROW):
            if self.is_paused:
                return
            try:
                yield from self.inbox.read(self.hosted.link)
            except BlockingIOError:
                return
            if self.inbox.is_drained:
                return

    def done_meanwhile(self) -> bytes:
        """Records that lie in its room while it is in a call of its handler.

        Nothing is written to the room in a call. So if it is the same one before and
        after, what was read in between is whole.
        """
        call = self.times[STARTED], self.words[BEGUN]
        if call[0] == math.inf:
            return b""
        records = self.left_in_room()
        return records if call == (self.times[STARTED], self.words[BEGUN]) else b""

    def left_in_room(self) -> bytes:
        """The records that it had not sent, or not whole, when it died."""
        used = self.words[USED]
        return bytes(self.room[:used]) if 0 < used <= len(self.room) else b""

    def begun_items(self) -> list[Item]:
        """What it was at when it died, once all records are known."""
        begun = self.words[BEGUN]
        return [
            item
            for number, item in self.held.items()
            if number <= begun and item is not None
        ]

    def untouched_items(self) -> list[Item]:
        begun = self.words[BEGUN]
        return [
            item
            for number, item in self.held.items()
            if number > begun and item is not None
        ]

    # Its end.

    def halt(self, *, now: bool) -> None:
        """Let it begin nothing more, or go on."""
        self.words[HALT] = int(now)

    def hang_up(self) -> None:
        """Tell it to end once it has answered."""
        self.is_leaving = True
        try:
            self.hosted.link.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it is gone already


def counts_of(items: list[Item]) -> bytes:
    """How many descriptors each has."""
    return bytes(0 if item.fds is None else len(item.fds.fds) for item in items)


def records_in(
    body: bytes | bytearray,
) -> Iterator[tuple[int, int, int, int, int, float, float, float, bytes | bytearray]]:
    """Each record: its fields, and its bytes in place of their length."""
    at, end, size = 0, len(body), RECORD.size
    while at + size <= end:
        status, step, batch, number, weight, length, seconds, work, began = (
            RECORD.unpack_from(body, at)
        )
        at += size
        yield (
            status,
            step,
            batch,
            number,
            weight,
            seconds,
            work,
            began,
            body[at : at + length],
        )
        at += length

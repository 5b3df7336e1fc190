"""What a worker has done, kept in memory that it shares until it is sent.

A record is complete before the next handler call begins: so whatever a handler does to
its process, what was done before is not lost. Sending is what takes time, so records of
quick items go out together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from cotality.core.hosting import Board, Segment, WorkerLink
from cotality.flow._flow.wire.portions import RECORD, STARTED, USED, Message

SEND_AFTER = 0.010  # s of work that may lie here done while there is more to do
# Half of a portion is left: the router should know, so that the next one comes before
# this one is done. Unless that is so little work (s) that it is done sooner.
RESERVE = 0.002


class Answers:
    """The records that have not been sent."""

    def __init__(self, link: WorkerLink, board: Board) -> None:
        self.link = link
        self.words = board.words
        self.times = board.times
        self.room = board.room
        self.size = len(board.room)
        self.used = 0
        self.unsent = 0.0  # s of work
        self.left = 0  # items at hand
        self.had = 0  # of these when the last portion came
        self.is_low = False
        self.times[STARTED] = math.inf

    def put(
        self,
        status: int,
        number: int,
        body: bytes,
        *,
        large: Sequence[Segment] = (),
        step: int = 0,
        weight: int = 0,
        batch: int = 0,
        seconds: float = 0.0,
        work: float = 0.0,
        began: float = 0.0,
    ) -> None:
        """Note what became of item *number*.

        Args:
            large: What of it travels by descriptor: at once, since it would not outlive
                this process in the room.
        """
        end = self.used + RECORD.size + len(body)
        if large or end > self.size:
            self.send()
            end = RECORD.size + len(body)
            if large or end > self.size:
                head = RECORD.pack(
                    *(status, step, batch, number, weight, len(body)),
                    *(seconds, work, began),
                )
                fds = [segment.fd for segment in large]
                self.link.send(Message.RECORDS, head + body, fds)
                return
        begin = self.used
        RECORD.pack_into(
            *(self.room, begin, status, step, batch, number, weight),
            *(len(body), seconds, work, began),
        )
        self.room[begin + RECORD.size : end] = body
        self.used = end
        self.words[USED] = end  # last, so that all before it is complete

    def send_if_due(self, work: float, left: int, each: float) -> None:
        """Send if that should not wait any longer.

        Args:
            work: How many seconds of it the last call was.
            left: How many items are at hand here.
            each: How much work one of them is.
        """
        self.unsent += work
        if left >= self.left:
            self.had, self.is_low = left, False
        self.left = left
        if self.unsent >= SEND_AFTER:
            self.send()
        elif not self.is_low and 2 * left <= self.had:
            self.is_low = True
            if left * each >= RESERVE:
                self.send()

    def send(self) -> None:
        if not self.used:
            return
        self.link.send(Message.RECORDS, bytes(self.room[: self.used]))
        self.words[USED] = self.used = 0
        self.unsent = 0.0

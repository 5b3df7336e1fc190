"""What a worker has done, kept in memory that it shares until it is sent.

A record is complete before the next handler call begins: so whatever a handler does to
its process, what was done before is not lost. Sending is what takes time, so records of
quick items go out together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import perf_counter

from cotality.core.hosting import Board, Segment, WorkerLink
from cotality.flow._flow.wire.portions import RECORD, STARTED, USED, Message

SEND_AFTER = 0.005  # s that what was done may lie here while there is more to do


class Answers:
    """The records that have not been sent."""

    def __init__(self, link: WorkerLink, board: Board) -> None:
        self.link = link
        self.words = board.words
        self.times = board.times
        self.room = board.room
        self.size = len(board.room)
        self.used = 0
        self.sent_at = 0.0
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
                    *(seconds, began),
                )
                fds = [segment.fd for segment in large]
                self.link.send(Message.RECORDS, head + body, fds)
                return
        begin = self.used
        RECORD.pack_into(
            *(self.room, begin, status, step, batch, number, weight),
            *(len(body), seconds, began),
        )
        self.room[begin + RECORD.size : end] = body
        self.used = end
        self.words[USED] = end  # last, so that all before it is complete

    def send_if_due(self, now: float) -> None:
        if now - self.sent_at >= SEND_AFTER:
            self.send()

    def send(self) -> None:
        if not self.used:
            return
        self.link.send(Message.RECORDS, bytes(self.room[: self.used]))
        self.words[USED] = self.used = 0
        self.sent_at = perf_counter()

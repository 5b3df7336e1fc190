"""A hosted process from its own side: what it gets from its parent; see `hosted`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from cotality._kit.standard_places import settled
from cotality.core.utils._process.channel.arena import Arena
from cotality.core.utils._process.channel.ledger import Ledger
from cotality.core.utils._process.channel.link_end import LinkEnd
from cotality.core.utils._process.channel.segments import Segment, pack, sent_along
from cotality.core.utils._process.pickling.encode import PROTOCOL, dumps, encode

from .worker_main import Setup, set_apart

# Words of a board below this one are the core's own.
FIRST_WORD = 16
OWN_WORDS = 16  # from there on

# What is never large and names nothing: the standard pickle is all it needs.
PLAIN = {int, float, bool, type(None)}


class Board:
    """Memory that a hosted process shares with its parent.

    Each word is written in one step, so nobody reads half of one. What the words, marks
    and bytes mean is agreed by the two.

    Attributes:
        words: 8-byte integers, of which the 16 from `FIRST_WORD` on are for others.
        times: The same words as floats.
        marks: Bytes that begin as 0.
        room: Bytes.
    """

    words: memoryview[int]
    times: memoryview[float]
    marks: memoryview[int]
    room: memoryview[int]

    def __init__(self, ledger: Ledger) -> None:
        self.words = ledger.words
        self.times = ledger.times
        self.marks = ledger.kinds
        self.room = ledger.room


class Host:
    """What a hosted process has of its parent.

    Attributes:
        link: Our end of the link; it blocks.
    """

    def __init__(self, link: socket.socket, board: Board) -> None:
        self.link = link
        self.board = board


def hosted_main(
    end: LinkEnd,
    setup: Setup,
    main: Callable[..., None],
    args: tuple[Any, ...],  # Any: as for `start_hosted`
) -> None:
    """The whole life of a hosted process."""
    connection = settled(end.end)
    ledger = set_apart(connection, setup)
    main(Host(connection, Board(ledger)), *args)


def parcel(
    value: object, arena: Arena, *, is_answer: bool = False
) -> tuple[bytes, list[Segment]]:
    """*value* as bytes, and what belongs to them: memory that travels by descriptor.

    What is large is written there once, and whoever loads the bytes maps it.

    Args:
        arena: Has the memory, and uses it again when nobody has it any more.
        is_answer: Whether it goes to the process that this one works for.

    Raises:
        NoRoomError: There is none for a large object.
        Exception: What pickling *value* raised.
    """
    if type(value) in PLAIN:
        return dumps(value, PROTOCOL), []
    stored = pack(value, is_answer=is_answer, lender=arena)
    if isinstance(stored, bytes):
        return stored, []
    with sent_along() as along:
        return encode(stored), along

"""Pickles whose large buffers lie in segments, where other pickles have them as well.

A task is pickled for itself, so that it is as it is when it goes out. But the buffers
of its arrays are written once for a call: its pickle only says where they are.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cotality.core.utils._process.pickling.encode import decode

from .segments import Segment

# Where a buffer is: in which segment, from which byte on, and how long it is.
Piece: TypeAlias = tuple[Segment, int, int]
Packed: TypeAlias = "bytes | Segment | Assembled"


@dataclass(slots=True)
class Assembled:
    """A pickle, and where the buffers are that belong to it.

    Attributes:
        data: The pickle, in a segment if it is large.
        pieces: Its buffers, in order.
    """

    data: bytes | Segment
    pieces: Sequence[Piece] = ()

    def __reduce__(self) -> tuple[Callable[..., Assembled], tuple[Any, ...]]:
        return Assembled, (self.data, self.pieces)  # Any: what pickle wants

    def segments(self) -> Iterator[Segment]:
        """Those that have to be sent along; one may come several times."""
        if isinstance(self.data, Segment):
            yield self.data
        for segment, _, _ in self.pieces:
            yield segment

    def load(self) -> Any:  # Any: whatever was packed
        """The object, in memory of its own, see `Segment.load`."""
        return pickle.loads(self.head(), buffers=self.buffers())

    def head(self) -> bytes | memoryview:
        if isinstance(self.data, bytes):
            return self.data
        return self.data.parts()[0]

    def buffers(self) -> list[memoryview]:
        """The buffers, each in memory that no other has, as pickle makes them."""
        memories: dict[int, memoryview] = {}
        given: set[tuple[int, int]] = set()
        found: list[memoryview] = []
        for segment, begin, size in self.pieces:
            number = segment.number
            if number not in memories or (number, begin) in given:
                # Two arrays of one memory are two after the journey.
                memories[number] = memoryview(segment.memory())
                given = {place for place in given if place[0] != number}
            given.add((number, begin))
            found.append(memories[number][begin : begin + size])
        return found


def loaded(packed: Packed) -> Any:  # Any: whatever was packed
    return decode(packed) if isinstance(packed, bytes) else packed.load()


def segments_in(packed: Packed) -> Iterator[Segment]:
    """What has to be sent along with *packed*."""
    if isinstance(packed, Segment):
        yield packed
    elif isinstance(packed, Assembled):
        yield from packed.segments()


def bytes_of(packed: Packed) -> bytes:
    """What of *packed* travels through the link."""
    if isinstance(packed, Assembled):
        packed = packed.data
    return packed if isinstance(packed, bytes) else b""

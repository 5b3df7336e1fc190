"""Pickles whose large buffers lie in segments, where other pickles have them as well.

A task is pickled for itself, so that it is as it is when it goes out. But the buffers
of its arrays are written once for a call: its pickle only says where they are.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from cotality._kit.records import dataclass
from cotality.core.utils._process.pickling.encode import decode

from .segments import Segment

# Where a buffer is: in which segment, from which byte on, and how long it is.
Piece: TypeAlias = tuple[Segment, int, int]
# Where one of a pickle's buffers is; itself, if it is small; None if it is the next one
# of those that are in the segment of the pickle.
Place: TypeAlias = Piece | bytes | bytearray | None
# In how many segments one pickle may have its buffers. If they are in more than that,
# all of them are written once more, into one: a message takes few descriptors.
MOST_SEGMENTS = 8
Packed: TypeAlias = "bytes | Segment | Assembled"


@dataclass(slots=True)
class Assembled:
    """A pickle, and where the buffers are that belong to it.

    Attributes:
        data: The pickle, in a segment if it is large.
        places: Where its buffers are, in order.
    """

    data: bytes | Segment
    places: Sequence[Place] = ()

    def __reduce__(self) -> tuple[Callable[..., Assembled], tuple[Any, ...]]:
        return Assembled, (self.data, self.places)  # Any: what pickle wants

    def segments(self) -> Iterator[Segment]:
        """Those that have to be sent along; one may come several times."""
        if isinstance(self.data, Segment):
            yield self.data
        for place in self.places:
            if isinstance(place, tuple):
                yield place[0]

    def load(self) -> Any:  # Any: whatever was packed
        """The object, in memory of its own, see `Segment.load`."""
        if isinstance(self.data, bytes):
            return pickle.loads(self.data, buffers=self.buffers(iter(())))
        data, own = self.data.parts()
        return pickle.loads(data, buffers=self.buffers(iter(own)))

    def buffers(self, own: Iterator[memoryview]) -> Iterator[Any]:
        """The buffers, each in memory that no other has, as pickle makes them.

        Args:
            own: Those that are in the segment of the pickle.
        """
        memories: dict[int, memoryview] = {}
        given: set[tuple[int, int]] = set()
        for place in self.places:
            if place is None:
                yield next(own)
            elif not isinstance(place, tuple):
                yield place
            else:
                segment, begin, size = place
                number = segment.number
                if number not in memories or (number, begin) in given:
                    # Two arrays of one memory are two after the journey.
                    memories[number] = memoryview(segment.memory())
                    given = {each for each in given if each[0] != number}
                given.add((number, begin))
                yield memories[number][begin : begin + size]


def loaded(packed: Packed) -> Any:  # Any: whatever was packed
    return decode(packed) if isinstance(packed, bytes) else packed.load()


def segments_in(packed: Packed) -> Iterator[Segment]:
    """What has to be sent along with *packed*."""
    if isinstance(packed, Segment):
        yield packed
    elif isinstance(packed, Assembled):
        yield from packed.segments()


def bytes_of(packed: Packed) -> Iterator[bytes | bytearray]:
    """What of *packed* travels through the link."""
    if isinstance(packed, bytes):
        yield packed
    elif isinstance(packed, Assembled):
        if isinstance(packed.data, bytes):
            yield packed.data
        for place in packed.places:
            if isinstance(place, bytes | bytearray):
                yield place


def length_of(packed: Packed) -> int:
    """How many bytes those are."""
    if isinstance(packed, bytes):
        return len(packed)
    return sum(map(len, bytes_of(packed)))

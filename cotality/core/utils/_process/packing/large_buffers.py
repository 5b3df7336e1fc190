"""The large buffers of one call's tasks: each is written once, for all of them.

A pickle leaves the buffers of its arrays out (protocol 5). They are known by where they
are in the memory of this process, and as long as they are known they are held, so that
nothing else can be there. What is there may change all the same, between two tasks:
then it is written anew. So each task gets what it would have got in a pickle of its
own, however few of them are written.

To look takes a tenth of the time that it takes to write (measured), and is not done
where nobody can have changed anything: see *turn* in `LargeBuffers.placed`.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from pickle import PickleBuffer
from time import perf_counter
from typing import Any, TypeAlias

from cotality._kit.imported import imported
from cotality._kit.records import NamedTuple, dataclass, field
from cotality.core.utils._process.channel.assembled import MOST_SEGMENTS, Piece
from cotality.core.utils._process.channel.segments import (
    Segment,
    begins,
    same_content,
    written,
)

# Where a buffer is in this process, how long it is, and whether it is for reading only.
# Or a number of its own, if nobody can tell where it is.
Place: TypeAlias = tuple[int | None, int, bool, int]

# Of what is written, and held for it, that is kept although no task is out that has it.
# Each bundle takes a descriptor, or two.
KEPT = 64
KEPT_BYTES = 256 * 1024 * 1024
SWEPT, SWEPT_BYTES = KEPT // 4, KEPT_BYTES // 16  # when to see what cannot come again
# How many hold the owner of a buffer if nobody else does: `Known` and the buffer, and a
# list and who counts what is in it.
BY_EACH, BY_US = 2, 2


class Known(NamedTuple):
    """A buffer that has been written.

    Attributes:
        buffer: The buffer itself: while it is held, nothing else can be in its place.
        owner: Whose memory it is; None if nobody knows.
        begin: From which byte of its segment on.
    """

    buffer: PickleBuffer
    owner: object
    begin: int


@dataclass(slots=True, eq=False)
class Bundle:
    """Buffers that were written together, into one segment.

    Attributes:
        segment: Gone if it is not kept, and no task is out that has it.
        turns: By the place of each, the turn in which it was last seen as written.
        view: What is in the segment, once somebody has looked.
    """

    segment: weakref.ref[Segment]
    known: dict[Place, Known]
    size: int
    turns: dict[Place, object] = field(default_factory=dict[Place, object])
    view: memoryview | None = None


class LargeBuffers:
    """Those of one call, see above.

    Attributes:
        written: Bytes, into segments.
        seconds: How long it took to see whether buffers have changed.
    """

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.bundles: dict[int, Bundle] = {}
        self.places: dict[Place, int] = {}  # the number of a bundle that may be gone
        self.kept: dict[int, Segment] = {}  # by number as well; last used, last
        self.written = 0
        self.seconds = 0.0

    def placed(
        self, buffers: Sequence[PickleBuffer], turn: object
    ) -> tuple[Piece, ...]:
        """Where *buffers* are, which are written if they are new, or have changed.

        Args:
            turn: The same as in an earlier call if nobody can have changed them since.

        Raises:
            NoRoomError: There is none for them.
        """
        wanted = [(place_of(buffer), buffer) for buffer in buffers]
        pieces: dict[Place, Piece] = {}
        new: dict[Place, PickleBuffer] = {}
        for place, buffer in wanted:
            if place in pieces or place in new:
                continue
            piece = self.found(place, buffer, turn)
            if piece is None:
                new[place] = buffer
            else:
                pieces[place] = piece
        segments = {segment.number for segment, _, _ in pieces.values()}
        if len(segments) + bool(new) > MOST_SEGMENTS:
            new = dict(wanted)
        if new:
            pieces |= self.write(new, turn)
        return tuple(pieces[place] for place, _ in wanted)

    def found(self, place: Place, buffer: PickleBuffer, turn: object) -> Piece | None:
        """Where that is which is in *place*, if it has been written as it is now."""
        number = self.places.get(place)
        bundle = None if number is None else self.bundles.get(number)
        if number is None or bundle is None:
            return None
        segment = bundle.segment()
        if segment is None:
            return None
        begin = bundle.known[place].begin
        if bundle.turns[place] is not turn:
            began = perf_counter()
            is_same = is_as_written(buffer, bundle, segment, begin)
            self.seconds += perf_counter() - began
            if not is_same:
                self.forget(place, number, bundle)
                return None
            bundle.turns[place] = turn
        self.kept.pop(number, None)
        self.kept[number] = segment
        return segment, begin, place[1]

    def forget(self, place: Place, number: int, bundle: Bundle) -> None:
        """What was written of it is of no use any more."""
        del self.places[place], bundle.known[place]
        if not bundle.known:
            self.kept.pop(number, None)

    def write(
        self, new: Mapping[Place, PickleBuffer], turn: object
    ) -> dict[Place, Piece]:
        parts = [buffer.raw() for buffer in new.values()]
        lengths = [part.nbytes for part in parts]
        self.make_room(sum(lengths))
        segment = written(parts)
        places = list(zip(new, begins(lengths), strict=True))
        # Nobody can tell where the others are, so they cannot be met again. While they
        # are held, a program could not resize what they are of.
        known = {
            place: Known(new[place], owner_of(new[place]), begin)
            for place, begin in places
            if place[0] is not None
        }
        if known:
            self.know(known, segment, turn)
        self.written += segment.size
        return {place: (segment, begin, place[1]) for place, begin in places}

    def know(self, known: dict[Place, Known], segment: Segment, turn: object) -> None:
        number = next(self.numbers)
        # In one step, in whichever thread the last task lets go of it. Not by this
        # object, which would then keep itself alive, and all that is held.
        bundles = self.bundles
        watch = weakref.ref(segment, lambda _: bundles.pop(number, None))
        bundles[number] = Bundle(watch, known, segment.size, dict.fromkeys(known, turn))
        if len(self.places) > 2 * sum(len(b.known) for b in list(bundles.values())):
            self.places = {p: n for p, n in self.places.items() if n in bundles}
        self.places |= dict.fromkeys(known, number)
        self.kept[number] = segment

    def make_room(self, size: int) -> None:
        """Let go of what cannot come again, then of what was not used for longest."""
        size += sum(segment.size for segment in self.kept.values())
        if len(self.kept) < SWEPT and size < SWEPT_BYTES:
            return  # not each time: it takes as long as to write what is small
        bundles = list(self.bundles.values())
        inside = Counter(
            id(each.owner) for bundle in bundles for each in bundle.known.values()
        )
        for number in [n for n in self.kept if not self.has_others(n, inside)]:
            size -= self.kept.pop(number).size
        for number in list(self.kept):
            if len(self.kept) < KEPT and size <= KEPT_BYTES:
                return
            size -= self.kept.pop(number).size

    def has_others(self, number: int, inside: Mapping[int, int]) -> bool:
        """Whether somebody besides us may hold some of what is in that bundle.

        Args:
            inside: In how many places the owner with that id is known.
        """
        bundle = self.bundles.get(number)
        if bundle is None:
            return False
        owners = [each.owner for each in bundle.known.values()]
        counts = list(map(sys.getrefcount, owners))
        return any(
            owner is None or count > BY_US + BY_EACH * inside[id(owner)]
            for owner, count in zip(owners, counts, strict=True)
        )


def place_of(buffer: PickleBuffer) -> Place:
    view = memoryview(buffer)
    address = address_of(view)
    return address, view.nbytes, view.readonly, 0 if address else id(buffer)


def address_of(view: memoryview) -> int | None:
    """Where *view* begins, or a negative number that stands for it; None if unknown."""
    exporter: Any = view.obj  # Any: of any library
    numpy = imported("numpy")
    if numpy is not None and isinstance(exporter, numpy.ndarray):
        return int(exporter.__array_interface__["data"][0])
    arrow = imported("pyarrow")
    if arrow is not None and isinstance(exporter, arrow.Buffer):
        return int(exporter.address)
    if isinstance(exporter, bytes) and len(exporter) == view.nbytes:
        return -id(exporter)
    return None


def owner_of(buffer: PickleBuffer) -> object:
    """Who lives as long as the memory of *buffer*; None if nobody knows."""
    numpy = imported("numpy")
    owner: Any = memoryview(buffer).obj  # Any: of any library
    if numpy is None or not isinstance(owner, numpy.ndarray):
        return None
    while isinstance(owner.base, numpy.ndarray | Memory):
        owner = owner.base
    return owner


class Memory:
    """That of an array; numpy makes an array of it that says it may be written to.

    Attributes:
        base: The array, which lives as long.
    """

    def __init__(self, array: Any) -> None:  # Any: of numpy, which need not be there
        self.base = array
        has: dict[str, Any] = array.__array_interface__  # Any: an interface of numpy
        self.__array_interface__ = {**has, "data": (has["data"][0], False)}


def writable(array: Any) -> Any:  # Any: as above
    """*array*, or one with its memory that pickle does not take for read-only.

    Nobody here writes to it. What becomes of it in a task has memory of its own.
    """
    if array.flags.writeable:
        return array
    return imported("numpy").asarray(Memory(array))


def is_as_written(
    buffer: PickleBuffer, bundle: Bundle, segment: Segment, begin: int
) -> bool:
    """Whether *buffer* is as it was written to *segment*."""
    now = buffer.raw()
    if isinstance(now.obj, bytes):
        return True
    if bundle.view is None:
        bundle.view = memoryview(segment.memory())
    return same_content(bundle.view[begin : begin + now.nbytes], now)

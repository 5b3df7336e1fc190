"""Large objects, packed once, and kept packed while they may be needed again."""

from __future__ import annotations

import itertools
import sys
import weakref
from collections import Counter
from pickle import PickleBuffer
from typing import NamedTuple, TypeAlias

from cotality.core.utils._process.channel.segments import Segment, stored

from .memos import Memo, noted

Ids: TypeAlias = tuple[int, ...]  # of objects that are packed in one piece

# Large arguments that are kept packed although no task that holds them is out. Each
# takes a descriptor, of which a process has a thousand.
KEPT = 64
KEPT_BYTES = 256 * 1024 * 1024


class Large(NamedTuple):
    """Some objects, mostly one, that are packed in one piece.

    Attributes:
        number: Its own for as long as the call lasts.
    """

    number: int
    segment: Segment
    memo: Memo


class Entry(NamedTuple):
    """What is remembered of one. It holds the objects, so their ids stay theirs.

    Attributes:
        size: Bytes, packed, and of what knows which objects are in it.
    """

    things: tuple[object, ...]
    segment: weakref.ref[Segment]
    memo: Memo
    size: int


class Captured:
    """The large objects of one call's tasks.

    Another thread may let go of the last task that holds one, at any moment. So what
    is done then is one step, about an entry that has a number of its own: an id may be
    that of another object by then.
    """

    numbers: itertools.count[int]
    has_groups: bool
    written: int

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.entries: dict[int, Entry] = {}  # by number
        self.places: dict[Ids, int] = {}  # the number, which may be gone
        self.kept: dict[int, Segment] = {}  # by number as well; last used, last
        self.has_groups = False  # whether anything is packed together with others
        self.written = 0  # bytes, into segments

    def has(self, thing: object) -> bool:
        """Whether *thing* is packed by itself."""
        number = self.places.get((id(thing),))
        return number is not None and number in self.entries

    def pack(self, *things: object) -> Large | None:
        """*things* in one piece, as a tuple if there are several.

        Returns:
            None if they turn out to be small.
        """
        ids = tuple(map(id, things))
        large = self.found(ids) or self.packed(ids, things)
        if large is not None:
            self.kept.pop(large.number, None)
            self.kept[large.number] = large.segment
        return large

    def found(self, ids: Ids) -> Large | None:
        number = self.places.get(ids)
        entry = None if number is None else self.entries.get(number)
        if number is None or entry is None:
            return None
        segment = entry.segment()
        return None if segment is None else Large(number, segment, entry.memo)

    def packed(self, ids: Ids, things: tuple[object, ...]) -> Large | None:
        (first, *others) = things
        self.has_groups = self.has_groups or bool(others)
        segment, memo = packed_with_memo(things if others else first)
        if segment is None:
            return None
        size = segment.size + memo.size
        self.make_room(size)
        # Known for as long as a task that holds it is out, or it is kept.
        # The callback must not refer to this object: it would keep itself alive, and
        # with it what is kept, after its call has ended.
        number, entries = next(self.numbers), self.entries
        watch = weakref.ref(segment, lambda _: entries.pop(number, None))
        entries[number] = Entry(things, watch, memo, size)
        if len(self.places) > 2 * len(entries) + KEPT:
            self.places = {i: n for i, n in self.places.items() if n in entries}
        self.places[ids] = number
        self.written += segment.size
        return Large(number, segment, memo)

    def make_room(self, size: int) -> None:
        """Let go of what cannot come again, then of what is not likely to."""
        # Here those that are packed together may also be packed by themselves.
        entries = list(self.entries.values()) if self.has_groups else []
        inside = Counter(id(thing) for entry in entries for thing in entry.things)
        holders = {number: self.holders_besides(number, inside) for number in self.kept}
        for number in [n for n, count in holders.items() if count == 0]:
            del self.kept[number]
        size += sum([self.entries[number].size for number in self.kept])
        while self.kept and (len(self.kept) >= KEPT or size > KEPT_BYTES):
            # Where one task alone holds it, it is most likely its own.
            number = min(self.kept, key=lambda number: holders[number] > 1)
            size -= self.entries[number].size
            del self.kept[number]

    def holders_besides(self, number: int, inside: dict[int, int]) -> int:
        """How many hold what is kept besides us: tasks, variables, containers.

        Each entry that an object is *inside* of holds it twice, as one of its things
        and by the memo of their pickle.
        """
        things = self.entries[number].things
        counts = map(sys.getrefcount, things)  # each with the one of this call
        if not inside:
            return next(counts) - 3
        return min(
            count - 1 - 2 * inside[id(thing)]
            for count, thing in zip(counts, things, strict=True)
        )


def packed_with_memo(thing: object) -> tuple[Segment | None, Memo]:
    """The segment of *thing*, if it is large, and which objects are in it."""
    buffers: list[PickleBuffer] = []
    data, pickler = noted(thing, buffers)
    packed = stored(thing, data, buffers)
    return packed if isinstance(packed, Segment) else None, Memo(pickler)

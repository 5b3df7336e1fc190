"""Large objects, packed once, and kept packed while they may be needed again."""

from __future__ import annotations

import itertools
import sys
import weakref
from collections import Counter
from pickle import PickleBuffer
from time import perf_counter
from typing import Any, TypeAlias

from cotality._kit.imported import imported
from cotality._kit.records import NamedTuple, dataclass
from cotality.core.utils._process.channel.segments import Segment, same_content, stored
from cotality.core.utils._process.machine.object_size import LARGE

from .memos import Memo
from .memos import noted as plainly_noted
from .parcels import Noted, Parcels

Ids: TypeAlias = tuple[int, ...]  # of objects that are packed in one piece

# Large arguments that are kept packed although no task that holds them is out. Each
# takes a descriptor, of which a process has a thousand.
KEPT = 64
KEPT_BYTES = 256 * 1024 * 1024


class Large(NamedTuple):
    """Some objects, mostly one, that are packed in one piece.

    Attributes:
        number: Its own for as long as the call lasts.
        unpickled: Bytes of it that are read anew for each task; not those of buffers.
    """

    number: int
    segment: Segment
    memo: Memo
    unpickled: int


class Entry(NamedTuple):
    """What is remembered of one. It holds the objects, so their ids stay theirs.

    Attributes:
        size: Bytes, packed, and of what knows which objects are in it.
        watch: Sees whether they have changed since; None if that does not matter.
    """

    things: tuple[object, ...]
    segment: weakref.ref[Segment]
    memo: Memo
    size: int
    unpickled: int
    watch: Watch | None = None


@dataclass(slots=True)
class Watch:
    """When objects were seen as they were captured.

    Attributes:
        is_pure: Whether no code of the program's own has a say in how they are pickled.
        turn: The turn of the call, see `Parcels`.
    """

    is_pure: bool
    turn: object


class Captured:
    """The large objects of one call's tasks.

    Some are captured once, with the first task that has them: those that are large by
    themselves, such as an array or a list of many items. Others are *watched*: they
    are captured once for as long as they stay as they were.

    Another thread may let go of the last task that holds one, at any moment. So what
    is done then is one step, about an entry that has a number of its own: an id may be
    that of another object by then.
    """

    numbers: itertools.count[int]
    has_groups: bool
    written: int
    watched_bytes: int
    seconds: float

    def __init__(self, parcels: Parcels) -> None:
        self.parcels = parcels
        self.numbers = itertools.count(1)
        self.entries: dict[int, Entry] = {}  # by number
        self.places: dict[Ids, int] = {}  # the number, which may be gone
        self.kept: dict[int, Segment] = {}  # by number as well; last used, last
        self.has_groups = False  # whether anything is packed together with others
        self.written = 0  # bytes, into segments
        self.watched_bytes = 0  # of what was pickled because it is watched
        self.seconds = 0.0  # that it took to see whether that has changed

    def has(self, thing: object) -> bool:
        """Whether *thing* is packed by itself."""
        number = self.places.get((id(thing),))
        return number is not None and number in self.entries

    def pack(self, *things: object, watched: bool = False) -> Large | None:
        """*things* in one piece, as a tuple if there are several.

        Args:
            watched: Whether to see, each time, that they have not changed.

        Returns:
            None if they turn out to be small; if they are watched, also if only their
            buffers are large.
        """
        ids = tuple(map(id, things))
        watched = watched or any(map(self.is_watched, ids))
        noted: Noted | None = None
        large = self.found(ids)
        if large is not None and watched:
            began = perf_counter()
            large, noted = self.seen_again(large)
            self.seconds += perf_counter() - began
        if large is None:
            large = self.packed(ids, things, noted, watched=watched)
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
        if segment is None:
            return None
        return Large(number, segment, entry.memo, entry.unpickled)

    def is_watched(self, number: int) -> bool:
        """Whether the object with that id is captured, and watched."""
        entry = self.entries.get(self.places.get((number,), 0))
        return entry is not None and entry.watch is not None

    def seen_again(self, large: Large) -> tuple[Large | None, Noted | None]:
        """*large* if it is as it was; else its objects, pickled as they are now."""
        entry = self.entries[large.number]
        watch, turn = entry.watch, self.parcels.turn
        if watch is None or (watch.is_pure and watch.turn is turn):
            return large, None
        noted = self.look_at(entry.things)
        head, buffers = large.segment.parts()
        before = [head, *buffers]
        now = [memoryview(noted.data), *(each.raw() for each in noted.buffers)]
        if len(now) == len(before) and all(map(same_content, now, before)):
            entry = entry._replace(watch=Watch(noted.is_pure, self.parcels.turn))
            if large.number in self.entries:
                self.entries[large.number] = entry
            return large, None
        self.kept.pop(large.number, None)
        return None, noted

    def look_at(self, things: tuple[object, ...]) -> Noted:
        """*things*, pickled, with all that is to be known of them."""
        noted = self.parcels.looked_at(in_one(things), [])
        self.watched_bytes += len(noted.data)
        return noted

    def packed(
        self,
        ids: Ids,
        things: tuple[object, ...],
        noted: Noted | None,
        *,
        watched: bool,
    ) -> Large | None:
        self.has_groups = self.has_groups or len(things) > 1
        watch: Watch | None = None
        if watched:
            noted = noted or self.look_at(things)
            watch = Watch(noted.is_pure, self.parcels.turn)
            if len(things) == 1 and len(noted.data) < LARGE:
                return None
        elif any(map(is_slow, things)):
            noted = self.parcels.looked_at(in_one(things), [])
        segment, memo, unpickled = packed_with_memo(things, noted)
        if segment is None:
            return None
        self.parcels.expect_large()
        size = segment.size + memo.size
        self.make_room(size)
        # Known for as long as a task that holds it is out, or it is kept.
        # The callback must not refer to this object: it would keep itself alive, and
        # with it what is kept, after its call has ended.
        number, entries = next(self.numbers), self.entries
        gone = weakref.ref(segment, lambda _: entries.pop(number, None))
        entries[number] = Entry(things, gone, memo, size, unpickled, watch)
        if len(self.places) > 2 * len(entries) + KEPT:
            self.places = {i: n for i, n in self.places.items() if n in entries}
        self.places[ids] = number
        self.written += segment.size
        return Large(number, segment, memo, unpickled)

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


def in_one(things: tuple[object, ...]) -> object:
    """What is pickled of *things*: the only one by itself."""
    if len(things) == 1:
        (thing,) = things
        return thing
    return things


def packed_with_memo(
    things: tuple[object, ...], noted: Noted | None
) -> tuple[Segment | None, Memo, int]:
    """The segment of *things*, if they are large, and what it holds.

    Returns:
        The segment, which objects are in it, and its bytes besides those of buffers.
    """
    whole = in_one(things)
    if noted is None:
        buffers: list[PickleBuffer] = []
        data, pickler = plainly_noted(whole, buffers)
    else:
        _, data, pickler, buffers, _ = noted
    packed = stored(data, buffers)
    segment = packed if isinstance(packed, Segment) else None
    return segment, Memo(pickler), len(data)


def is_slow(thing: object) -> bool:
    """Whether it is an array that pickle does not leave where it is, see `forms`."""
    numpy = imported("numpy")
    if numpy is None or not isinstance(thing, numpy.ndarray):
        return False
    array: Any = thing  # Any: of numpy
    return array.dtype.kind in "OmM" or type(array) is numpy.memmap

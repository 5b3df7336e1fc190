"""How the arguments of tasks travel: small ones as bytes, large ones once for a call.

An argument that is large goes into a segment of its own. Tasks that hold the same
object share the segment, so it is packed once, and each task loads a pristine copy of
its own: no two tasks ever see each other's changes. What is `shared` is loaded once for
all tasks of a worker instead.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from .copies import Copies
from .segments import LARGE, MOST_SENT, Segment, dumped, pack
from .shared import Shared
from .task import Task
from .wire import decode, encode
from .worker_state import PerWorker, state_of

Key: TypeAlias = int | str  # of an argument: its position or its name

# From how many items on a container may be large: an item takes some bytes.
MANY: dict[type[Any], int] = {  # Any: of whatever items
    **dict.fromkeys((list, tuple, set, frozenset), LARGE // 8),
    **dict.fromkeys((str, bytes, bytearray), LARGE),
    dict: LARGE // 16,
}
# Of one task. A portion may hold nearly as many and then one more task like that.
MOST_TAKEN_OUT = MOST_SENT // 2 - 2
# Large arguments that are kept packed although no task that holds them is out. Each
# takes a descriptor, of which a process has a thousand.
KEPT = 64
KEPT_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class Split:
    """The arguments of a task, with large ones taken out.

    Attributes:
        rest: All of them, packed, with None in the place of each one taken out.
        large: Those, by key; they are loaded anew for each task.
        shared: Likewise, but loaded once for each worker and call.
        states: Likewise, what each worker has to make for itself.
    """

    rest: bytes
    large: dict[Key, Segment] = field(default_factory=dict[Key, Segment])
    shared: dict[Key, tuple[int, Segment | bytes]] = field(  # with its number
        default_factory=dict[Key, tuple[int, Segment | bytes]]
    )
    states: dict[Key, tuple[bytes, bytes]] = field(  # each with its name
        default_factory=dict[Key, tuple[bytes, bytes]]
    )

    def segments(self) -> Iterator[Segment]:
        """What has to be sent along."""
        yield from self.large.values()
        for _, packed in self.shared.values():
            if isinstance(packed, Segment):
                yield packed


class Packer:
    """Packs the arguments of one call's tasks.

    Args:
        in_segments: Whether large ones may travel in segments, which only workers of
            ours can receive.
    """

    def __init__(self, in_segments: bool = True) -> None:
        self.in_segments = in_segments
        self.known: dict[int, tuple[object, weakref.ref[Segment]]] = {}
        self.kept: dict[int, Segment] = {}  # by id as well; last used, last
        self.shared: dict[int, tuple[object, int, Segment | bytes]] = {}
        self.states: dict[Hashable, tuple[PerWorker, bytes, bytes]] = {}
        self.written = 0  # bytes, into segments

    def pack(self, task: Task[Any]) -> bytes | Split:  # Any: of any result type
        """The arguments of *task* as they are now, but for large ones sent before."""
        named, positional = task.arguments, task.positional
        for value in named.values():
            if type(value) not in SMALL and self.is_special(value):
                return self.split(task)
        for value in positional:
            if type(value) not in SMALL and self.is_special(value):
                return self.split(task)
        given: object = named
        if type(given) is not dict:
            given = dict(named)
        return encode((positional, given) if positional else given)

    def is_special(self, value: object) -> bool:
        if type(value) is Shared or type(value) is PerWorker:
            return True
        if not self.in_segments:
            return False
        return id(value) in self.known or looks_large(value)

    def split(self, task: Task[Any]) -> Split:  # Any: of any result type
        positional, named = list(task.positional), dict(task.arguments)
        split = Split(b"")
        for key, value in items_of(task):
            taken_out = len(split.large) + len(split.shared)
            has_room = self.in_segments and taken_out < MOST_TAKEN_OUT
            if type(value) is Shared:
                split.shared[key] = self.pack_shared(value.thing, has_room)
            elif type(value) is PerWorker:
                split.states[key] = self.pack_state(value)
            elif has_room and type(value) not in SMALL and self.is_special(value):
                packed = self.pack_large(value)
                if packed is None:
                    continue
                split.large[key] = packed
            else:
                continue
            if isinstance(key, int):
                positional[key] = None
            else:
                named[key] = None
        split.rest = encode((tuple(positional), named) if positional else named)
        return split

    def pack_large(self, value: object) -> Segment | None:
        """The segment of *value*, or None if it turns out to be small."""
        key = id(value)
        found = self.known.get(key)
        segment = found and found[1]()
        if segment is None:
            packed = pack(value)
            if isinstance(packed, bytes):
                return None
            segment = packed
            self.make_room(segment.size)
            # Known for as long as a task that holds it is out, or it is kept.
            # The callback must not refer to this packer: it would keep itself alive,
            # and with it what is kept, after its call has ended.
            known = self.known
            known[key] = value, weakref.ref(segment, lambda _: known.pop(key, None))
            self.written += segment.size
        self.kept.pop(key, None)
        self.kept[key] = segment
        return segment

    def make_room(self, size: int) -> None:
        """Let go of what cannot come again, then of what is not likely to."""
        for key in list(self.kept):
            if self.holders_besides(key) == 0:
                del self.kept[key]
        size += sum(segment.size for segment in self.kept.values())
        while self.kept and (len(self.kept) >= KEPT or size > KEPT_BYTES):
            # Where one task alone holds it, it is most likely its own.
            key = min(self.kept, key=lambda key: self.holders_besides(key) > 1)
            size -= self.kept.pop(key).size

    def holders_besides(self, key: int) -> int:
        """How many hold a known object besides us: tasks, variables, containers."""
        return sys.getrefcount(self.known[key][0]) - 2  # ours, and that of this call

    def pack_shared(
        self, thing: object, in_segment: bool
    ) -> tuple[int, Segment | bytes]:
        """The number of *thing* among what is shared, and *thing* packed."""
        found = self.shared.get(id(thing))
        if found is None:
            packed = pack(thing) if in_segment else dumped(thing, None)
            found = self.shared[id(thing)] = thing, len(self.shared), packed
        thing, number, packed = found
        if isinstance(packed, Segment) and not in_segment:
            packed = dumped(thing, None)
        return number, packed

    def pack_state(self, mark: PerWorker) -> tuple[bytes, bytes]:
        """What *mark* is called in workers, and *mark* packed."""
        key = mark.key()
        if key not in self.states:
            packed = dumped(mark, None)
            from hashlib import blake2b

            # By content, so that it means the same to all calls of a worker pool.
            name = blake2b(packed, digest_size=16).digest()
            self.states[key] = mark, name, packed
        _, name, packed = self.states[key]
        return name, packed


SMALL = frozenset([int, float, bool, complex, type(None)])


def looks_large(value: object) -> bool:
    """Whether *value* may take `LARGE` bytes; small ones are said to be small."""
    many = MANY.get(type(value))
    if many is not None:
        return len(cast("list[Any]", value)) >= many  # Any: or another of those types
    try:
        size = getattr(value, "nbytes", 0)
        return bool(isinstance(size, int) and size >= LARGE)
    except Exception:
        return False  # it is pickled like any other, and then says itself what ails it


def items_of(task: Task[Any]) -> Iterator[tuple[Key, Any]]:  # Any: of any task
    yield from enumerate(task.positional)
    yield from task.arguments.items()


class Unpacker:
    """Unpacks arguments in a worker; keeps what is shared for as long as a call."""

    def __init__(self) -> None:
        self.shared: dict[int, Any] = {}  # Any: what the caller shares
        self.copies = Copies()

    def unpack(
        self, packed: bytes | Split
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:  # Any: arguments of any function
        if not isinstance(packed, Split):
            return both(decode(packed))
        positional, named = both(decode(packed.rest))
        places = list(positional)
        for key, value in self.taken_out(packed):
            if isinstance(key, int):
                places[key] = value
            else:
                named[key] = value
        return tuple(places), named

    def taken_out(self, split: Split) -> Iterator[tuple[Key, Any]]:  # Any: as above
        # Within one task the same is the same.
        loaded = self.copies.for_a_task(split.large.values())
        for key, segment in split.large.items():
            yield key, loaded[segment.number]
        for key, (number, packed) in split.shared.items():
            if number not in self.shared:
                self.shared[number] = unpack_one(packed)
            yield key, self.shared[number]
        for key, (name, packed) in split.states.items():
            yield key, state_of(name, packed)


def both(given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:  # Any: as above
    """Arguments by position and by name, of which the former may have been left out."""
    if type(given) is dict:
        return (), cast("dict[str, Any]", given)  # Any: as above
    positional, named = given
    return positional, named


def size_of(packed: bytes | Split) -> int:
    """Bytes that travel through the link, and a token for each segment."""
    if not isinstance(packed, Split):
        return len(packed)
    return len(packed.rest) + 4096 * (len(packed.large) + len(packed.shared))


def unpack_one(packed: Segment | bytes) -> Any:  # Any: whatever was packed
    if isinstance(packed, Segment):
        return packed.load()
    return decode(packed)

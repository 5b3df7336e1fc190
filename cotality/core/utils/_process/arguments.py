"""How the arguments of tasks travel: small ones as bytes, large ones once for a call.

An argument that is large goes into a segment of its own. Tasks that hold the same
object share the segment, so it is packed once, and each task loads a pristine copy of
its own: no two tasks ever see each other's changes. `share` asks for one copy for all
tasks of a worker instead.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

from .public import public
from .segments import LARGE, MOST_SENT, Segment, dumped, pack
from .task import Task
from .wire import decode, encode

T = TypeVar("T")
Key: TypeAlias = int | str  # of an argument: its position or its name

# From how many items on a container may be large: an item takes some bytes.
MANY: dict[type[Any], int] = {  # Any: of whatever items
    **dict.fromkeys((list, tuple, set, frozenset), LARGE // 8),
    **dict.fromkeys((str, bytes, bytearray), LARGE),
    dict: LARGE // 16,
}
# Of one task. A portion may hold nearly as many and then one more task like that.
MOST_TAKEN_OUT = MOST_SENT // 2 - 2
RECENT = 4  # large arguments kept packed although no task that holds them is out


class Shared:
    """Stands for an argument in a task; the function gets the object itself."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __repr__(self) -> str:
        return f"share({self.thing!r})"

    def __reduce__(self) -> tuple[Any, ...]:  # Any: the form that pickle wants
        """Pickled anywhere else than as an argument, it is the object."""
        return itself, (self.thing,)


def itself(thing: T) -> T:
    return thing


@public
def share(thing: T) -> T:
    """Mark an argument as read-only, so that a worker needs one copy of it.

    ``Task(total, {"data": share(big)})``: the object is packed once for the call and
    unpacked once in each worker process; all tasks there that hold it get the same
    one. On threads the function gets *thing* itself. To a type checker it is what
    *thing* is.

    Nothing keeps a task from changing what it is given. Later tasks of the same
    worker would then see the change, others would not.
    """
    global share_was_used
    share_was_used = True
    if type(thing) is Shared:
        return thing
    return cast("T", Shared(thing))


share_was_used = False  # spares every task a look for marks that cannot be there


def without_marks(task: Task[Any]) -> Task[Any]:  # Any: a task of any result type
    """*task* with the objects that `share` was given, for a thread."""
    if not any(type(v) is Shared for v in (*task.positional, *task.arguments.values())):
        return task
    named = {name: unmarked(value) for name, value in task.arguments.items()}
    positional = tuple(unmarked(value) for value in task.positional)
    return Task(task.callback_function, named, positional=positional)


def unmarked(value: Any) -> Any:  # Any: arguments of any function
    return value.thing if type(value) is Shared else value


@dataclass(slots=True)
class Split:
    """The arguments of a task, with large ones taken out.

    Attributes:
        rest: All of them, packed, with None in the place of each one taken out.
        large: Those, by key; they are loaded anew for each task.
        shared: Likewise, but loaded once for each worker and call.
    """

    rest: bytes
    large: dict[Key, Segment] = field(default_factory=dict[Key, Segment])
    shared: dict[Key, tuple[int, Segment | bytes]] = field(  # with its number
        default_factory=dict[Key, tuple[int, Segment | bytes]]
    )

    def segments(self) -> Iterator[Segment]:
        """What has to be sent along."""
        yield from self.large.values()
        for _, packed in self.shared.values():
            if isinstance(packed, Segment):
                yield packed


class Packer:
    """Packs the arguments of one call's tasks."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[object, weakref.ref[Segment]]] = {}
        self.recent: deque[Segment] = deque(maxlen=RECENT)
        self.shared: dict[int, tuple[object, int, Segment | bytes]] = {}
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
        return type(value) is Shared or id(value) in self.known or looks_large(value)

    def split(self, task: Task[Any]) -> Split:  # Any: of any result type
        positional, named = list(task.positional), dict(task.arguments)
        split = Split(b"")
        for key, value in items_of(task):
            has_room = len(split.large) + len(split.shared) < MOST_TAKEN_OUT
            if type(value) is Shared:
                split.shared[key] = self.pack_shared(value.thing, has_room)
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
        found = self.known.get(id(value))
        segment = found and found[1]()
        if segment is None:
            packed = pack(value)
            if isinstance(packed, bytes):
                return None
            segment = packed
            # Known for as long as a task that holds it is out, and a little longer:
            # what no other task holds must not stay in memory.
            # The callback must not refer to this packer: it would keep itself alive,
            # and with it what is recent, after its call has ended.
            key, known = id(value), self.known
            known[key] = value, weakref.ref(segment, lambda _: known.pop(key, None))
            self.written += segment.size
        self.recent.append(segment)
        return segment

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
        loaded: dict[int, Any] = {}  # within one task the same is the same
        for key, segment in split.large.items():
            if segment.number not in loaded:
                loaded[segment.number] = segment.load()
            yield key, loaded[segment.number]
        for key, (number, packed) in split.shared.items():
            if number not in self.shared:
                self.shared[number] = unpack_one(packed)
            yield key, self.shared[number]


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

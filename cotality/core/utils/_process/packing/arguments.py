"""How the arguments of tasks travel: small ones as bytes, large ones once for a call.

A large argument goes into a segment of its own. Tasks that have the same object share
the segment, so it is packed once, and each task loads a fresh copy of its own: no task
ever sees the changes of another. A `shared` argument is loaded once for all tasks of a
worker instead. `task_graph` keeps the objects of a task together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeAlias, cast

from cotality._kit.records import dataclass, field
from cotality.core.utils._process.channel.assembled import (
    MOST_SEGMENTS,
    Assembled,
    Packed,
    length_of,
    loaded,
    segments_in,
)
from cotality.core.utils._process.channel.segments import (
    MOST_SENT,
    Segment,
    dumped,
    pack,
)
from cotality.core.utils._process.machine.object_size import LARGE, looks_large
from cotality.core.utils._process.pickling.encode import encode
from cotality.core.utils._process.tasks.task import Task

from .argument_copies import Copies, Things
from .captured import Captured, Large
from .memos import Memo, dumped_plainly
from .packed_functions import PackedFunction
from .parcels import FRAMES, Parcels
from .patched import is_other, sendable_arguments
from .share import Shared
from .task_graph import FUNCTION, SMALL, Key, TaskGraph, Ties
from .worker_state import PerWorker, state_of

Call: TypeAlias = tuple[
    Callable[..., Any] | None,  # Any: any function; None leaves it to be found
    tuple[Any, ...],  # Any: arguments of any function
    dict[str, Any],
]

# Of one task, besides the buffers of its other arguments and of its function. A portion
# may hold nearly as many and then one more task like that.
MOST_TAKEN_OUT = MOST_SENT // 2 - 2 - MOST_SEGMENTS
TOKEN = 4096  # bytes that stand for what a segment costs on its way


@dataclass(slots=True)
class Split:
    """The arguments of a task, with some of them taken out.

    Attributes:
        rest: All of them, packed, with None in the place of each one taken out; also
            the function, if it shares something with them.
        large: Large ones, by key; they are loaded anew for each task. The function is
            among them if it shares something with them alone.
        places: Which item of its segment such a one is, if there are several in that.
        shared: Likewise, but loaded once for each worker and call.
        states: Likewise, what each worker has to make for itself.
    """

    rest: Packed = b""
    large: dict[Key, Segment] = field(default_factory=dict[Key, Segment])
    places: dict[Key, int] = field(default_factory=dict[Key, int])
    shared: dict[Key, tuple[int, Segment | bytes]] = field(  # with its number
        default_factory=dict[Key, tuple[int, Segment | bytes]]
    )
    states: dict[Key, tuple[bytes, bytes]] = field(  # each with its name
        default_factory=dict[Key, tuple[bytes, bytes]]
    )
    has_function: bool = False

    def segments(self) -> Iterator[Segment]:
        """What has to be sent along."""
        yield from segments_in(self.rest)
        yield from self.large.values()
        for _, packed in self.shared.values():
            if isinstance(packed, Segment):
                yield packed


CONTAINERS = frozenset([list, tuple, dict])
FEW = 16  # items of one that are looked at
MANY_VALUES = LARGE // 8
SEARCHED = 32  # tasks after which nobody expects a frame any more, if none has had one


class AreFrames(dict[type, bool]):
    """Whether objects of a type are frames, of any make; found out when first asked."""

    def __missing__(self, kind: type) -> bool:
        module: object = kind.__module__
        found = isinstance(module, str) and module.partition(".")[0] in FRAMES
        self[kind] = found
        return found


def is_worth_a_look(frame: Any) -> bool:  # Any: of any make
    """Whether *frame* may be large: in all columns together it has many values."""
    shape: object = getattr(frame, "shape", None)
    if not isinstance(shape, tuple):
        return True
    sizes = cast("tuple[int, ...]", shape)
    return math.prod(sizes) >= MANY_VALUES


# A task's; all in one piece if nothing is taken out.
Arguments: TypeAlias = bytes | Segment | Assembled | Split


class Packer:
    """Packs the arguments of one call's tasks.

    Args:
        parcels: Those of the call; they know whether large arguments may travel in
            segments, which only workers of ours can receive.
    """

    captured: Captured
    ties: Ties
    written_once: int
    in_segments: bool
    are_frames: AreFrames
    to_search: int

    def __init__(self, parcels: Parcels) -> None:
        self.parcels = parcels
        self.in_segments = parcels.in_segments
        self.captured = Captured(parcels)
        self.are_frames = AreFrames()
        self.to_search = SEARCHED
        self.ties = Ties()
        self.shared: dict[int, tuple[object, int, Segment | bytes]] = {}
        self.states: dict[Hashable, tuple[PerWorker, bytes, bytes]] = {}

    @property
    def written(self) -> int:
        """Bytes, into segments."""
        return self.captured.written + self.parcels.written

    def pack(
        self, task: Task[Any], function: PackedFunction
    ) -> Arguments:  # Any: of any result type
        """The arguments of *task* as they are now, but for large ones sent before.

        Args:
            function: That of the task; it is packed with the arguments if need be.
        """
        named, positional = task.arguments, task.positional
        are_small, looks = True, False
        has_frames = self.parcels.frames_exist and self.to_search
        for value in named.values():
            if type(value) not in SMALL:
                if is_other(value):
                    return self.pack(as_sendable(task), function)
                if self.is_special(value):
                    return self.split(task, function)
                are_small = False
                if has_frames and not looks:
                    looks = self.has_frames(value)
        for value in positional:
            if type(value) not in SMALL:
                if is_other(value):
                    return self.pack(as_sendable(task), function)
                if self.is_special(value):
                    return self.split(task, function)
                are_small = False
                if has_frames and not looks:
                    looks = self.has_frames(value)
        given: Any = named  # Any: arguments of any function, in one of two forms
        if type(named) is not dict:
            given = dict(named)
        whole: Any = (positional, given) if positional else given
        memo = function.memo
        if are_small:
            return encode(whole)
        if has_frames:
            self.to_search = SEARCHED if looks else self.to_search - 1
        if memo.is_alone or not memo.may_share():
            packed = self.parcels.pack(whole, looks)
            if type(packed) is bytes:
                return packed
            return self.seen(task, packed)
        if memo.is_code and not (looks or self.parcels.to_look_at):
            plain = dumped_plainly(whole)
            if plain is not None:
                return plain
        noted = self.parcels.noted(whole, looks=looks)
        if Memo(noted.pickler).shares_with(memo):
            return self.split(task, function)
        return self.seen(task, self.parcels.sealed(noted))

    def seen(
        self, task: Task[Any], packed: Packed
    ) -> Packed:  # Any: of any result type
        """*packed*, the arguments of *task*; they are remembered if they are large."""
        parcels = self.parcels
        if isinstance(packed, Assembled) and isinstance(packed.data, Segment):
            parcels.heavy.saw(task, packed.data.size)
        if again := parcels.packed_again():
            parcels.heavy.saw_again(task, again)
        return packed

    def has_frames(self, value: Any) -> bool:  # Any: an argument of any function
        """Whether *value* is a frame, or a container of a few that holds one."""
        kind: type[object] = type(value)  # pyright: ignore[reportUnknownVariableType]  # of Any
        if kind in CONTAINERS:
            if len(value) > FEW:
                return False
            for item in value.values() if kind is dict else value:
                if self.are_frames[type(item)] and is_worth_a_look(item):
                    return True
            return False
        return self.are_frames[kind] and is_worth_a_look(value)

    def is_special(self, value: object) -> bool:
        if type(value) is Shared or type(value) is PerWorker:
            return True
        if not self.in_segments:
            return False
        if looks_large(value) or self.captured.has(value):
            from .frames.blocks import is_block

            return not is_block(value)
        return self.parcels.has_heavy and self.parcels.heavy.has(value)

    def split(
        self, task: Task[Any], function: PackedFunction
    ) -> Split:  # Any: of any result type
        split, graph = Split(), TaskGraph(task, function)
        taken_out = 0
        for key, value in items_of(task):
            has_room = self.in_segments and taken_out < MOST_TAKEN_OUT
            if type(value) is Shared:
                split.shared[key] = self.pack_shared(value.thing, has_room)
                graph.take_out(key)
            elif type(value) is PerWorker:
                split.states[key] = self.pack_state(value)
                graph.take_out(key)
                continue
            elif has_room and type(value) not in SMALL and self.is_special(value):
                large = self.capture(task, key, value)
                if large is None:
                    continue
                graph.take_out(key, large)
            else:
                continue
            taken_out += 1
        split.rest = graph.packed_rest(self.ties, self.captured, self.parcels)
        for part in graph.parts.values():
            if part.segment is not None:
                split.large |= dict.fromkeys(part.keys, part.segment)
            if part.place is not None:
                split.places |= dict.fromkeys(part.keys, part.place)
        split.has_function = FUNCTION in split.large or FUNCTION not in graph.parts
        return split

    def capture(
        self, task: Task[Any], key: Key, value: object
    ) -> Large | None:  # Any: as above
        captured, parcels = self.captured, self.parcels
        if looks_large(value):
            large = captured.pack(value)
        else:
            before = captured.watched_bytes
            large = captured.pack(value, watched=True)
            if large is None:
                parcels.heavy.is_light(value)
            elif size := captured.watched_bytes - before:
                parcels.heavy.packed_again(task, key, value, size)
        if large is not None and large.unpickled >= LARGE:
            parcels.heavy.copied(task, key, value, large.number, large.unpickled)
        return large

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


def as_sendable(task: Task[Any]) -> Task[Any]:  # Any: of any result type
    """*task* with functions among its arguments that a worker will find right."""
    positional, named = sendable_arguments(task.positional, task.arguments)
    return Task(task.callback_function, named, positional=positional, label=task.label)


def items_of(task: Task[Any]) -> Iterator[tuple[Key, Any]]:  # Any: of any task
    yield from enumerate(task.positional)
    yield from task.arguments.items()


class Unpacker:
    """Unpacks arguments in a worker; keeps what is shared for as long as a call."""

    def __init__(self) -> None:
        self.shared: dict[int, Any] = {}  # Any: what the caller shares
        self.copies = Copies()
        self.things: Things = {}  # see `kept_copies`

    def unpack(self, packed: Split) -> Call:
        """The arguments, and the function if it came with them."""
        function, positional, named = call_of(loaded(packed.rest))
        places = list(positional)
        for key, value in self.taken_out(packed):
            if key == FUNCTION:
                function = value
            elif isinstance(key, int):
                places[key] = value
            else:
                named[key] = value
        return function, tuple(places), named

    def taken_out(self, split: Split) -> Iterator[tuple[Key, Any]]:  # Any: as above
        # Within one task the same is the same.
        things = self.copies.for_a_task(split.large.values())
        for key, segment in split.large.items():
            thing, place = things[segment.number], split.places.get(key)
            yield key, thing if place is None else thing[place]
        for key, (number, packed) in split.shared.items():
            if number not in self.shared:
                self.shared[number] = loaded(packed)
            yield key, self.shared[number]
        for key, (name, packed) in split.states.items():
            yield key, state_of(name, packed)


def call_of(given: Any) -> Call:  # Any: as above
    """A call in one of three forms: those that are usual are the short ones."""
    if type(given) is dict:
        return None, (), cast("dict[str, Any]", given)  # Any: as above
    positional, named, *function = given
    return function[0] if function else None, positional, named


def size_of(packed: Arguments) -> int:
    """Bytes that travel through the link, and a token for each segment."""
    if isinstance(packed, bytes):
        return len(packed)
    if isinstance(packed, Split):
        count = len(packed.large) + len(packed.shared)
        return TOKEN * count + size_of_one(packed.rest)
    return size_of_one(packed)


def size_of_one(packed: Packed) -> int:
    count = sum(1 for _ in segments_in(packed))
    return length_of(packed) + TOKEN * count


def has_function(packed: Arguments) -> bool:
    return isinstance(packed, Split) and packed.has_function

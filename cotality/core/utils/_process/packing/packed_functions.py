"""The functions of a call: each is packed once, and has a number.

A function that carries something of its own, such as the object of a bound method, is
looked at again for each portion. If that has changed, the function is packed again,
under another number. So it is packed as it is when its task is handed out, like a small
argument. A large function stays as it was, like a large argument, for as long as it
holds the same objects.

``model.predict`` is a new function each time it is written down. As long as the model
has not changed, all of these are one.
"""

from __future__ import annotations

import itertools
from copy import copy
from time import perf_counter
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, TypeAlias

from cotality._kit.records import dataclass, field
from cotality.core.utils._process.channel.assembled import (
    Assembled,
    Packed,
    length_of,
    segments_in,
)
from cotality.core.utils._process.channel.segments import Segment
from cotality.core.utils._process.machine.object_size import LARGE

from . import patched
from .memos import LastingMemo, is_found_by_name
from .parcels import Noted, Parcels

if TYPE_CHECKING:
    from .held import Held

Identity: TypeAlias = int | tuple[int, int]

FUNCTIONS_KEPT = 256  # of one call; each may hold a lot of memory


@dataclass(slots=True)
class FunctionCosts:
    """What it took to pack functions since somebody last asked.

    Attributes:
        largest: The one with most bytes.
    """

    seconds: float = 0.0
    count: int = 0
    bytes: int = 0
    most_bytes: int = 0
    largest: object = None

    def forget(self) -> None:
        self.seconds, self.count, self.bytes = 0.0, 0, 0
        self.most_bytes, self.largest = 0, None

    def add(self, function: PackedFunction, seconds: float) -> None:
        packed = function.stored or b""
        sizes = {each.number: each.size for each in segments_in(packed)}
        size = length_of(packed) + sum(sizes.values())
        self.seconds += seconds
        self.count += 1
        self.bytes += size
        if size > self.most_bytes:
            self.most_bytes, self.largest = size, function.original


@dataclass(slots=True)
class PackedFunction:
    """A function as it was when it was packed.

    Attributes:
        function: What is sent for it, see `patched`.
        original: The function itself.
        number: Its own for as long as the call lasts.
        memo: Which objects it holds.
        is_stateful: Whether each task needs one of its own, see `stateful`.
        is_pure: Whether no code of the program's own has a say in how it is pickled.
        held: What it held, if that may change.
        portion: Number of the portion for which it was last looked at.
        turn: The turn in which it was packed, see `Parcels`.
    """

    function: object
    original: object
    number: int
    memo: LastingMemo
    noted: Noted | None  # None once it has been made into what is sent
    parcels: Parcels
    is_stateful: bool
    costs: FunctionCosts
    is_pure: bool
    held: Held | None
    portion: int
    turn: object
    stored: Packed | None = field(default=None, init=False)

    def packed(self) -> Packed:
        """What is sent of it: made when it is first asked for.

        A function that travels with the arguments of its task, because they share
        something, need not be sent besides.
        """
        if self.stored is None:
            began = perf_counter()
            assert self.noted is not None
            self.stored = self.parcels.sealed(self.noted)
            self.noted = None
            self.costs.add(self, perf_counter() - began)
        return self.stored

    def goes_to(self, tasks: int) -> None:
        """Note that so many *tasks* get a copy of it; as good as, where others do."""
        packed = self.packed()
        if isinstance(packed, Assembled) and isinstance(packed.data, Segment):
            heavy, size = self.parcels.heavy, packed.data.size
            heavy.copied_function(self.number, self.original, size, tasks)


class PackedFunctions:
    """The functions of a call; of many the latest."""

    numbers: itertools.count[int]
    costs: FunctionCosts
    portion: int

    def __init__(self, parcels: Parcels) -> None:
        self.parcels = parcels
        self.portion = 0  # which one is being packed
        self.numbers = itertools.count(1)
        # By identity; each entry keeps its function, so that no other gets its ids.
        self.known: dict[Identity, PackedFunction] = {}
        self.costs = FunctionCosts()

    def take_costs(self) -> FunctionCosts:
        """What it took since this was last asked."""
        taken = copy(self.costs)
        # Packed functions refer to it, so it stays the same one.
        self.costs.forget()
        return taken

    def begin_portion(self) -> None:
        """From here on functions are as they are now."""
        self.portion += 1

    def pack(self, function: object) -> PackedFunction:
        identity = identity_of(function)
        found = self.known.get(identity)
        if found is not None and self.is_as_it_was(found, function):
            return found
        if len(self.known) >= FUNCTIONS_KEPT:
            self.known.clear()
        began = perf_counter()
        packed = self.packed(function)
        self.costs.seconds += perf_counter() - began
        self.known[identity] = packed
        return packed

    def is_as_it_was(self, packed: PackedFunction, function: object) -> bool:
        if function is not packed.original:
            # Another method like it: as if each was packed when its task goes out.
            is_small = packed.held is not None and packed.held.is_looked_into
            if not packed.is_pure:
                return False
            if not is_small and packed.turn is not self.parcels.turn:
                return False
        if packed.portion != self.portion:
            packed.portion = self.portion
            return packed.held is None or packed.held.is_as_it_was(packed.original)
        return True

    def packed(self, function: object) -> PackedFunction:
        sent = patched.sendable(function)
        goes_by_name = type(sent) is FunctionType and is_found_by_name(sent)
        held: Held | None = None
        if not goes_by_name:  # as nearly all do
            from .held import Held

            # Before it is packed: what changes meanwhile shows the next time.
            held = Held(function)
        is_method = type(function) is MethodType
        noted = self.parcels.noted(sent, looks=is_method)
        data = noted.data
        if len(data) >= LARGE:
            self.parcels.heavy.saw_function(function, len(data))
        is_stateful = False
        if held is not None:
            from .stateful import NAME, holds_state

            is_stateful = holds_state(sent, data)
            if data.endswith(NAME):
                held = None
            elif is_stateful and size_of(noted) < LARGE:
                held.look_inside()
        return PackedFunction(
            sent,
            function,
            next(self.numbers),
            LastingMemo(noted.pickler),
            noted,
            self.parcels,
            is_stateful,
            self.costs,
            noted.is_pure,
            held,
            self.portion,
            self.parcels.turn,
        )


def identity_of(function: object) -> Identity:
    """The same for methods that are one: of the same function and the same object."""
    if type(function) is MethodType:
        return id(function.__self__), id(function.__func__)
    return id(function)


def size_of(noted: Noted) -> int:
    return len(noted.data) + sum(each.raw().nbytes for each in noted.buffers)

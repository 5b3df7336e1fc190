"""The functions of a call: each is packed once, and has a number.

A function that carries something of its own, such as the object of a bound method, is
looked at again for each portion. If that has changed, the function is packed again,
under another number. So it is packed as it is when its task is handed out, like a small
argument. A large function stays as it was, like a large argument, for as long as it
holds the same objects.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pickle import PickleBuffer
from time import perf_counter
from types import FunctionType
from typing import TYPE_CHECKING

from cotality.core.utils._process.channel.segments import Segment, stored
from cotality.core.utils._process.machine.object_size import LARGE

from . import patched
from .memos import LastingMemo, is_found_by_name, noted

if TYPE_CHECKING:
    from .held import Held

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
        packed = function.stored
        size = packed.size if isinstance(packed, Segment) else len(packed or b"")
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
        held: What it held, if that may change.
        portion: Number of the portion for which it was last looked at.
    """

    function: object
    original: object
    number: int
    memo: LastingMemo
    data: bytes
    buffers: list[PickleBuffer] | None  # None where nothing goes into a segment
    is_stateful: bool
    costs: FunctionCosts
    held: Held | None
    portion: int
    stored: bytes | Segment | None = field(default=None, init=False)

    def packed(self) -> bytes | Segment:
        """What is sent of it: made when it is first asked for.

        A function that travels with the arguments of its task, because they share
        something, need not be sent besides.
        """
        if self.stored is None:
            began = perf_counter()
            buffers, self.buffers = self.buffers, None
            self.stored = self.data
            if buffers is not None:
                self.stored = stored(self.function, self.data, buffers)
            self.data = b""
            self.costs.add(self, perf_counter() - began)
        return self.stored


class PackedFunctions:
    """The functions of a call; of many the latest."""

    numbers: itertools.count[int]
    costs: FunctionCosts
    portion: int

    def __init__(self, in_segments: bool) -> None:
        self.in_segments = in_segments
        self.portion = 0  # which one is being packed
        self.numbers = itertools.count(1)
        # By identity; each entry keeps its function, so that no other gets its id.
        self.known: dict[int, PackedFunction] = {}
        self.costs = FunctionCosts()

    def take_costs(self) -> FunctionCosts:
        """What it took since this was last asked."""
        taken = replace(self.costs)
        # Packed functions refer to it, so it stays the same one.
        self.costs.forget()
        return taken

    def begin_portion(self) -> None:
        """From here on functions are as they are now."""
        self.portion += 1

    def pack(self, function: object) -> PackedFunction:
        found = self.known.get(id(function))
        if found is not None and self.is_as_it_was(found):
            return found
        if len(self.known) >= FUNCTIONS_KEPT:
            self.known.clear()
        began = perf_counter()
        packed = self.packed(function)
        self.costs.seconds += perf_counter() - began
        self.known[id(function)] = packed
        return packed

    def is_as_it_was(self, packed: PackedFunction) -> bool:
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
        buffers: list[PickleBuffer] | None = [] if self.in_segments else None
        data, pickler = noted(sent, buffers)
        is_stateful = False
        if held is not None:
            from .stateful import NAME, holds_state

            is_stateful = holds_state(sent, data)
            if data.endswith(NAME):
                held = None
            elif is_stateful and size_of(data, buffers) < LARGE:
                held.look_inside()
        return PackedFunction(
            sent,
            function,
            next(self.numbers),
            LastingMemo(pickler),
            data,
            buffers,
            is_stateful,
            self.costs,
            held,
            self.portion,
        )


def size_of(data: bytes, buffers: list[PickleBuffer] | None) -> int:
    return len(data) + sum(each.raw().nbytes for each in buffers or ())

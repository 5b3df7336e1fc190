"""The functions of a call: each is packed once, and has a number."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pickle import PickleBuffer
from types import FunctionType

from . import patched
from .memos import LastingMemo, is_found_by_name, noted
from .segments import Segment, stored

FUNCTIONS_KEPT = 256  # of one call; each may hold a lot of memory


@dataclass(slots=True)
class PackedFunction:
    """A function as it was when the call first met it.

    Attributes:
        function: What is sent for it, see `patched`.
        original: The function itself.
        number: Its own for as long as the call lasts.
        memo: Which objects it holds.
        is_stateful: Whether each task needs one of its own, see `stateful`.
    """

    function: object
    original: object
    number: int
    memo: LastingMemo
    data: bytes
    buffers: list[PickleBuffer] | None  # None where nothing goes into a segment
    is_stateful: bool
    stored: bytes | Segment | None = field(default=None, init=False)

    def packed(self) -> bytes | Segment:
        """What is sent of it: made when it is first asked for.

        A function that travels with the arguments of its task, because they share
        something, need not be sent besides.
        """
        if self.stored is None:
            buffers, self.buffers = self.buffers, None
            self.stored = self.data
            if buffers is not None:
                self.stored = stored(self.function, self.data, buffers)
            self.data = b""
        return self.stored


class PackedFunctions:
    """The functions of a call; of many the latest."""

    def __init__(self, in_segments: bool) -> None:
        self.in_segments = in_segments
        self.numbers = itertools.count(1)
        # By identity; each entry keeps its function, so that no other gets its id.
        self.known: dict[int, PackedFunction] = {}

    def pack(self, function: object) -> PackedFunction:
        found = self.known.get(id(function))
        if found is not None:
            return found
        if len(self.known) >= FUNCTIONS_KEPT:
            self.known.clear()
        buffers: list[PickleBuffer] | None = [] if self.in_segments else None
        sent = patched.sendable(function)
        data, pickler = noted(sent, buffers)
        packed = PackedFunction(
            sent,
            function,
            next(self.numbers),
            LastingMemo(pickler),
            data,
            buffers,
            is_stateful(sent, data),
        )
        self.known[id(function)] = packed
        return packed


def is_stateful(function: object, data: bytes) -> bool:
    """Whether *function*, packed as *data*, holds what a task may change."""
    if type(function) is FunctionType and is_found_by_name(function):
        return False  # as nearly all are
    from .stateful import holds_state

    return holds_state(function, data)

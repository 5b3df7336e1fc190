"""Frames of polars, whose own pickle holds copies of all columns, made each time.

With Arrow they are tables of buffers, of which nothing is copied, neither here nor in a
worker. Without it, or with columns that Arrow has in another form, a frame is packed
once for as long as nobody can have changed it. A worker unpacks it once or twice and
gives each task a clone: what clones share, nobody can change.
"""

from __future__ import annotations

import itertools
import os
import pickle
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from cotality._kit.imported import imported
from cotality._kit.records import NamedTuple
from cotality.core.utils._process.machine.object_size import LARGE
from cotality.core.utils._process.packing.argument_copies import Key
from cotality.core.utils._process.pickling.encode import PROTOCOL, dumps

from .kept_copies import KEPT, KEPT_BYTES, copy_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from cotality.core.utils._process.pickling.by_value import Form

Frame: TypeAlias = Any  # Any: polars is not a dependency; a frame or a series

# Types of columns that Arrow has in the same form.
SAME_IN_ARROW = frozenset(
    [
        *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
        *("Float32", "Float64", "Boolean", "String", "Binary"),
        *("Date", "Datetime", "Duration", "Time"),
    ]
)
# Bytes from which on it is worth an import of Arrow, here and in each worker.
WORTH_AN_IMPORT = 8_000_000
# Hold a frame if nobody else does: its `PackedFrame`, a list, and who counts.
BY_US = 3


class PackedFrame(NamedTuple):
    """What is remembered of a frame.

    Attributes:
        frame: The frame itself, so that no other gets its id.
        packed: The frame, packed.
        number: Its own for as long as the call lasts.
        turn: The turn of the call in which it was last packed, see `Parcels`.
    """

    frame: Frame
    packed: bytes
    number: int
    turn: object


class PolarsFrames:
    """Those of one call.

    Attributes:
        turn: The turn of the call.
        again: Those that were packed again since somebody has looked, and their bytes.
    """

    def __init__(self) -> None:
        self.call = os.urandom(12)
        self.numbers = itertools.count(1)
        self.turn: object = None
        self.known: dict[int, PackedFrame] = {}  # by id
        self.again: list[tuple[Frame, int]] = []

    def form_of(self, frame: Frame) -> Form:
        """How to pickle *frame*; NotImplemented if that is usual."""
        is_series = not hasattr(frame, "columns")
        whole = frame.to_frame() if is_series else frame
        size: int = whole.estimated_size()
        if size < LARGE or any(dtype.is_object() for dtype in whole.dtypes):
            return NotImplemented
        table = arrow_table(whole, size)
        if table is not None:
            return table_form(whole, table, is_series=is_series)
        known = self.packed(frame)
        return frame_of, (pickle.PickleBuffer(known.packed), (self.call, known.number))

    def packed(self, frame: Frame) -> PackedFrame:
        known = self.known.pop(id(frame), None)
        if known is None or known.turn is not self.turn:
            packed: bytes = dumps(frame, PROTOCOL)
            if known is not None:
                self.again.append((frame, len(packed)))
            if known is None or known.packed != packed:
                self.make_room(len(packed))
                known = PackedFrame(frame, packed, next(self.numbers), self.turn)
            known = known._replace(turn=self.turn)
        self.known[id(frame)] = known
        return known

    def make_room(self, size: int) -> None:
        """Let go of what cannot come again, then of what was not used for longest."""
        frames = [each.frame for each in self.known.values()]
        counts = list(map(sys.getrefcount, frames))
        for number, count in zip(list(self.known), counts, strict=True):
            if count <= BY_US:
                del self.known[number]
        size += sum(len(each.packed) for each in self.known.values())
        for number in list(self.known):
            if len(self.known) < KEPT and size <= KEPT_BYTES:
                return
            size -= len(self.known.pop(number).packed)


def arrow_table(frame: Frame, size: int) -> Any:  # Any: Arrow is not a dependency
    """*frame* as a table of Arrow that has its buffers; None if there is no such."""
    names = {dtype.base_type().__name__ for dtype in frame.dtypes}
    if not names <= SAME_IN_ARROW:
        return None
    if imported("pyarrow") is None and size < WORTH_AN_IMPORT:
        return None
    try:
        arrow: Any = import_module("pyarrow")  # Any: as above
    except ImportError:
        return None
    return arrow.table(frame)


def table_form(frame: Frame, table: Any, *, is_series: bool) -> Form:  # Any: as above
    ordered = [
        (name, bool(flags["SORTED_DESC"]))
        for name, flags in frame.flags.items()
        if flags["SORTED_ASC"] or flags["SORTED_DESC"]
    ]
    return frame_of_table, (table, ordered, is_series)


# In a worker.


def frame_of_table(
    table: Any,  # Any: as above
    ordered: list[tuple[str, bool]],
    is_series: bool,
) -> Frame:
    polars: Any = import_module("polars")  # Any: as above
    frame = polars.DataFrame(table)
    known = [polars.col(name).set_sorted(descending=down) for name, down in ordered]
    if known:
        frame = frame.with_columns(known)
    return frame.to_series() if is_series else frame


def frame_of(packed: Buffer, key: Key) -> Frame:
    """A frame of its own, as it is in *packed*."""
    return copy_of(key, lambda: pickle.loads(packed), lambda frame: frame.clone())

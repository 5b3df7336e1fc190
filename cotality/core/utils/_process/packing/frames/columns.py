"""Columns of texts and other objects that nobody can change: each is packed once.

A frame keeps a column of texts as an array of objects. To pickle and unpickle it takes
a hundred times as long as to copy the array, and pickle does both for each task. Here
the objects are packed once for a call, into a buffer, and a worker unpacks them once or
twice and then copies the array.

Two arrays are the same if they hold the same objects: the texts themselves are never
compared.
"""

from __future__ import annotations

import itertools
import os
import pickle
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from cotality._kit.imported import imported
from cotality._kit.records import NamedTuple
from cotality.core.utils._process.machine.object_size import ATOMS
from cotality.core.utils._process.packing.argument_copies import Key
from cotality.core.utils._process.pickling.encode import PROTOCOL, dumps

from .kept_copies import KEPT, KEPT_BYTES, copy_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from cotality.core.utils._process.pickling.by_value import Form

Array: TypeAlias = Any  # Any: numpy is not a dependency

FEWEST = 4096  # items; a shorter column is pickled as usual
# Hold an array if nobody else does: its `Column`, a list, and who counts.
BY_US = 3


class Column(NamedTuple):
    """What is remembered of an array of objects.

    Attributes:
        array: The array itself, so that no other can be in its place.
        objects: Another with the same objects; it holds them.
        packed: The objects, packed.
        number: Its own for as long as the call lasts.
    """

    array: Array
    objects: Array
    packed: bytes
    number: int

    @property
    def size(self) -> int:
        return len(self.packed) + int(self.array.nbytes)


class Columns:
    """The columns of one call."""

    def __init__(self) -> None:
        self.call = os.urandom(12)
        self.numbers = itertools.count(1)
        self.known: dict[tuple[Any, ...], Column] = {}  # Any: where it is, its shape

    def form_of(self, array: Array) -> Form:
        """How to pickle *array*; NotImplemented if that is usual."""
        flags = array.flags
        if array.size < FEWEST or not (flags.c_contiguous or flags.f_contiguous):
            return NotImplemented
        column = self.column(array)
        if column is None:
            return NotImplemented
        order = "C" if flags.c_contiguous else "F"
        key = self.call, column.number
        packed = pickle.PickleBuffer(column.packed)
        return column_of, (packed, array.shape, order, key)

    def column(self, array: Array) -> Column | None:
        place = address_of(array), array.shape, array.strides
        known = self.known.pop(place, None)
        if known is not None and holds_same(array, known.objects):
            self.known[place] = known  # as the last one
            return known
        items = array.ravel(order="K").tolist()
        if not ATOMS.issuperset(set(map(type, items))):
            return None
        packed: bytes = dumps(items, PROTOCOL)
        made = Column(array, array.copy(order="K"), packed, next(self.numbers))
        self.make_room(made.size)
        self.known[place] = made
        return made

    def make_room(self, size: int) -> None:
        """Let go of what cannot come again, then of what was not used for longest."""
        arrays = [column.array for column in self.known.values()]
        counts = list(map(sys.getrefcount, arrays))
        for place, array, count in zip(list(self.known), arrays, counts, strict=True):
            if count <= BY_US and array.base is None:
                del self.known[place]
        size += sum(column.size for column in self.known.values())
        for place in list(self.known):
            if len(self.known) < KEPT and size <= KEPT_BYTES:
                return
            size -= self.known.pop(place).size


def address_of(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


class Addresses:
    """The places of the objects of an array, as numbers; numpy makes an array of it."""

    def __init__(self, array: Array) -> None:
        self.array = array  # lives as long
        self.__array_interface__ = {
            "data": (address_of(array), True),
            "typestr": numpy().dtype(numpy().intp).str,
            "shape": (array.size,),
            "version": 3,
        }


def holds_same(one: Array, other: Array) -> bool:
    """Whether two contiguous arrays hold the same objects in the same order."""
    if one.shape != other.shape or one.strides != other.strides:
        return False
    asarray = numpy().asarray
    same: bool = numpy().array_equal(asarray(Addresses(one)), asarray(Addresses(other)))
    return same


def numpy() -> Any:  # Any: as above
    found = imported("numpy")
    if found is None:
        import numpy as found
    return found


# In a worker.


def column_of(packed: Buffer, shape: tuple[int, ...], order: str, key: Key) -> Array:
    """An array of its own with the objects in *packed*."""
    return copy_of(key, lambda: made(packed, shape, order), copied)


def made(packed: Buffer, shape: tuple[int, ...], order: str) -> Array:
    items: list[object] = pickle.loads(packed)
    array = numpy().empty(len(items), object)
    array[:] = items
    return array.reshape(shape, order=order)


def copied(array: Array) -> Array:
    return array.copy(order="K")

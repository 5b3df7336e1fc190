"""Forms in which the data of libraries travels quickly, where its own pickle is slow.

None of the libraries is imported for this: who has an object of theirs has them.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from cotality.core.utils._process.machine.object_size import LARGE

from .blocks import PANDAS_BLOCKS, memory_of_block
from .columns import Columns, address_of, numpy
from .large_buffers import writable
from .polars_frames import PolarsFrames

if TYPE_CHECKING:
    from cotality.core.utils._process.pickling.by_value import Form

# Any in this module: objects of libraries that need not be there.


class Forms:
    """What knows the forms of one call's data."""

    def __init__(self) -> None:
        self.columns = Columns()
        self.frames = PolarsFrames()

    def of_array(self, array: Any) -> Form:
        """Of a numpy array whose own pickle would hold a copy of what is in it."""
        kind = array.dtype.kind
        if kind == "O":
            return self.columns.form_of(array)
        if array.nbytes < LARGE or array.dtype.hasobject:
            return NotImplemented
        memory = memory_of_block(array)
        if memory is not None:
            return block_form(array, memory)
        return times_form(array) if kind in "mM" else NotImplemented

    def of_pandas_block(self, block: Any) -> Form:
        """Of what a frame of pandas is made of, which would pickle a copy of a part."""
        values = block.values
        is_part = hasattr(values, "flags") and memory_of_block(values) is not None
        return block.__reduce__() if is_part else NotImplemented

    def of_mapped_array(self, array: Any) -> Form:
        """Of an array in a file: of one in memory that says so, as usual.

        It may be written to, as usual, also if the file may only be read.
        """
        return as_mapped, (writable(array.view(numpy().ndarray)),)

    def of_frame(self, frame: Any) -> Form:
        return self.frames.form_of(frame)


RULES = {
    "numpy.ndarray": Forms.of_array,
    "numpy.memmap": Forms.of_mapped_array,
    **dict.fromkeys(PANDAS_BLOCKS, Forms.of_pandas_block),
    "polars.dataframe.frame.DataFrame": Forms.of_frame,
    "polars.series.series.Series": Forms.of_frame,
}


def times_form(array: Any) -> Form:
    """Of times: as numbers. They may be written to, as usual."""
    flags = array.flags
    if not (flags.c_contiguous or flags.f_contiguous):
        return NotImplemented
    order = "C" if flags.c_contiguous else "F"
    numbers = pickle.PickleBuffer(writable(as_numbers(array)))
    return times_of, (numbers, array.dtype, array.shape, order)


def as_numbers(array: Any) -> Any:
    """*array*, or the numbers that its times are: of times no buffer can be made."""
    return array.view("i8") if array.dtype.kind in "mM" else array


def times_of(numbers: Any, dtype: Any, shape: tuple[int, ...], order: str) -> Any:
    times = numpy().frombuffer(numbers, "i8").view(dtype)
    return times.reshape(shape, order=order)


def block_form(array: Any, memory: Any) -> Form:
    """Of a part of *memory*, which is sent as a whole, for all parts of it."""
    offset = address_of(array) - address_of(memory)
    buffer = pickle.PickleBuffer(as_numbers(memory))
    return block_of, (buffer, array.dtype, array.shape, array.strides, offset)


def block_of(
    memory: Any,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
) -> Any:
    return numpy().ndarray(shape, dtype, memory, offset, strides)


def as_mapped(array: Any) -> Any:
    return array.view(numpy().memmap)

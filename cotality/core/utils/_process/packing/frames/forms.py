"""Forms in which the data of libraries travels quickly, where its own pickle is slow.

None of the libraries is imported for this: who has an object of theirs has them.
"""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cotality.core.utils._process.machine.object_size import LARGE
from cotality.core.utils._process.packing.large_buffers import writable

from .blocks import PANDAS_BLOCKS, memory_of_block
from .columns import Columns, address_of, numpy
from .polars_frames import PolarsFrames

if TYPE_CHECKING:
    from cotality.core.utils._process.pickling.by_value import Form

# Bytes of buffers for each byte that is used of them: with more than that, they are of
# something larger, of which this is a part.
MOST_UNUSED = 1.25

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

    def of_arrow_column(self, column: Any) -> Form:
        """Of a column of pandas in Arrow, which would pickle a copy of it."""
        parts = column._pa_array
        size = parts.nbytes
        is_usual = size < LARGE or parts.num_chunks == 0
        if is_usual or parts.get_total_buffer_size() > MOST_UNUSED * size:
            return NotImplemented
        state: dict[str, Any] = {**vars(column), "_pa_array": parts.chunks}
        if "_cache" in state:
            state["_cache"] = {}  # as in its own pickle
        return made_anew, (type(column),), state

    def of_mapped_array(self, array: Any) -> Form:
        """Of an array in a file: of one in memory that says so, as usual.

        It may be written to, as usual, also if the file may only be read.
        """
        return as_mapped, (writable(array.view(numpy().ndarray)),)

    def of_frame(self, frame: Any) -> Form:
        return self.frames.form_of(frame)


# By what their modules call themselves in pandas 2, and in pandas 3.
ARROW_COLUMNS = (
    "pandas.core.arrays.arrow.array.ArrowExtensionArray",
    "pandas.core.arrays.string_arrow.ArrowStringArray",
    "pandas.arrays.ArrowExtensionArray",
    "pandas.arrays.ArrowStringArray",
)
made_anew: Callable[..., Any] = vars(copyreg)["__newobj__"]  # typeshed has it not

RULES = {
    "numpy.ndarray": Forms.of_array,
    "numpy.memmap": Forms.of_mapped_array,
    **dict.fromkeys(PANDAS_BLOCKS, Forms.of_pandas_block),
    **dict.fromkeys(ARROW_COLUMNS, Forms.of_arrow_column),
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

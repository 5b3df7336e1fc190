"""Forms in which the data of libraries travels quickly, where its own pickle is slow.

None of the libraries is imported for this: who has an object of theirs has them.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from cotality.core.utils._process.machine.object_size import LARGE

from .columns import Columns, numpy

if TYPE_CHECKING:
    from cotality.core.utils._process.pickling.by_value import Form

# Any in this module: objects of libraries that need not be there.


def array_form(array: Any, columns: Columns) -> Form:
    """Of a numpy array whose own pickle would hold a copy of what is in it."""
    kind = array.dtype.kind
    if kind == "O":
        return columns.form_of(array)
    if kind in "mM" and array.nbytes >= LARGE:
        return times_form(array)
    return NotImplemented


def times_form(array: Any) -> Form:
    """Of times, of which no buffer can be made: as the numbers that they are."""
    flags = array.flags
    if not (flags.c_contiguous or flags.f_contiguous):
        return NotImplemented
    order = "C" if flags.c_contiguous else "F"
    numbers = pickle.PickleBuffer(array.view("i8"))
    return times_of, (numbers, array.dtype, array.shape, order)


def times_of(numbers: Any, dtype: Any, shape: tuple[int, ...], order: str) -> Any:
    times = numpy().frombuffer(numbers, "i8").view(dtype)
    return times.reshape(shape, order=order)


def mapped_form(array: Any, columns: Columns) -> Form:
    """Of an array in a file: an array in memory that says it is in a file, as usual."""
    return as_mapped, (array.view(numpy().ndarray),)


def as_mapped(array: Any) -> Any:
    return array.view(numpy().memmap)


RULES = {
    "numpy.ndarray": array_form,
    "numpy.memmap": mapped_form,
}

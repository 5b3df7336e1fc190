"""Row blocks of frames and arrays: views, whose memory is sent once for all of them."""

from __future__ import annotations

import io
import pickle
import weakref
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar, cast

from cotality._kit.imported import imported
from cotality._kit.public import public
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.cpus import available_cpus
from cotality.core.utils._process.pickling.encode import PROTOCOL
from cotality.core.utils._process.tasks.checks import checked_count

T = TypeVar("T")

BLOCKS_PER_CPU = 4
# What frames of pandas are made of. Their `__reduce_ex__` makes copies of parts.
PANDAS_BLOCKS = frozenset(
    f"pandas.core.internals.blocks.{name}Block"
    for name in ("Numpy", "Numeric", "Object")
)

# Any in this module: frames and arrays of any library.


@public
def split(data: T, blocks: int | None = None) -> list[T]:
    """Cut *data* into *blocks* of rows that follow one another.

    ``execute_tasks_in_parallel([Task.of(fit, block) for block in split(frame, 8)])``:
    each task gets an eighth of the rows. The blocks are of the type of *data*, and put
    together again they are *data*; their sizes differ by one row at most. They are
    views where the library has views, so nothing is copied here, and what is sent to
    worker processes is sent once for all blocks, not once for each.

    It takes frames and series of pandas and polars, tables of Arrow, arrays of NumPy
    and xarray, and whatever else has a length and can be sliced, such as a list.

    Args:
        data: What to cut.
        blocks: How many, at least 1. There are no empty ones, so there are fewer if
            *data* has fewer rows; of nothing there is one. None takes four for each CPU
            that this process may use.

    Raises:
        TypeError: *data* has no length, or no rows that can be sliced.
        ValueError: *blocks* is below 1.
    """
    if blocks is None:
        blocks = BLOCKS_PER_CPU * available_cpus()
    wanted = checked_count("blocks", blocks) or 1
    rows = rows_of(data)
    count = max(1, min(wanted, rows))
    cut = cutter(data)
    ends = [rows * number // count for number in range(count + 1)]
    found = [cut(begin, end) for begin, end in pairwise(ends)]
    if count > 1:
        note_memory(data)
    return found


def rows_of(data: Any) -> int:
    shape = getattr(data, "shape", None)
    if isinstance(shape, tuple) and shape:
        (rows, *_) = cast("tuple[int, ...]", shape)
        return rows  # also of what is sparse, which has no length
    try:
        return len(data)
    except TypeError:
        raise TypeError(
            f"split needs something with rows, such as a frame, an array or a list, "
            f"got {type(data).__name__}"
        ) from None


def cutter(data: Any) -> Callable[[int, int], Any]:
    """What gives the rows from one number to another of *data*."""
    if hasattr(data, "iloc"):
        return lambda begin, end: data.iloc[begin:end]
    if not hasattr(data, "__getitem__") or hasattr(data, "keys"):
        raise TypeError(
            f"split needs something whose rows can be sliced, such as a frame, an "
            f"array or a list, got {type(data).__name__}"
        )
    return lambda begin, end: data[begin:end]


# Arrays of which blocks were made that are not in one piece, by id. Their memory is
# worth to be sent as a whole.
whole: dict[int, weakref.ref[Any]] = {}


def note_memory(data: object) -> None:
    """Remember the arrays that *data* is made of, as long as they live."""
    for array in arrays_of(data):
        if array.ndim > 1:
            owner = owner_of(array)
            whole[id(owner)] = weakref.ref(owner, forgetting(id(owner)))


def forgetting(number: int) -> Callable[[object], None]:
    def forget(_: object) -> None:
        whole.pop(number, None)

    return forget


def owner_of(array: Any) -> Any:
    """The array whose memory *array* has."""
    numpy = imported("numpy")
    while isinstance(array.base, numpy.ndarray):
        array = array.base
    return array


def memory_of_block(array: Any) -> Any:
    """The array that *array* is a block of and not in one piece; None if there is none.

    It is in one piece itself, and may be written to, as what pickle makes of a block.
    """
    flags = array.flags
    if not whole or flags.c_contiguous or flags.f_contiguous:
        return None
    owner = owner_of(array)
    noted = whole.get(id(owner))
    memory: Any = None if noted is None else noted()
    if memory is None or memory is not owner:
        return None
    flags = memory.flags
    is_usable = flags.c_contiguous or flags.f_contiguous
    return memory if is_usable and flags.writeable else None


def is_block(thing: object) -> bool:
    """Whether *thing* may have its memory in common with other arguments.

    That is an array of numpy which is such a block, or anything of Arrow.
    """
    if type(thing).__module__.partition(".")[0] == "pyarrow":
        return True
    numpy = imported("numpy")
    if numpy is None or type(thing) is not numpy.ndarray:
        return False
    return memory_of_block(thing) is not None


def arrays_of(data: object) -> list[Any]:
    """The arrays of numpy that *data* holds; none if it is of a kind that has none."""
    numpy = imported("numpy")
    is_array = numpy is not None and isinstance(data, numpy.ndarray)
    if numpy is None or not (is_array or hasattr(data, "iloc")):
        return []
    finder = Finder(io.BytesIO(), PROTOCOL, buffer_callback=lambda _: None)
    finder.array, finder.found = numpy.ndarray, []
    try:
        finder.dump(data)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return []  # whoever sends it is told
    return finder.found


class Finder(pickle.Pickler):
    """Finds arrays, and pickles nothing of them."""

    array: type
    found: list[Any]

    def reducer_override(self, obj: object) -> Any:  # the form that pickle wants
        if isinstance(obj, self.array):
            self.found.append(obj)
            return list, ()
        kind = type(obj)
        if f"{kind.__module__}.{kind.__qualname__}" in PANDAS_BLOCKS:
            return obj.__reduce__()
        return NotImplemented

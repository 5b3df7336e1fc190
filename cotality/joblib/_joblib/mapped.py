"""Arrays that are a file: a task gets the same file, and not a copy of what is in it.

What a task writes to an array that was opened with ``mode="r+"`` is in the file then,
and everybody who has it mapped sees it: that is how tasks fill in one array together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from cotality._kit.imported import imported

if TYPE_CHECKING:  # no worker should import joblib for this
    from .theirs import Call

values_of: Callable[[Any], Iterable[object]]  # Any: a dict
values_of = dict[str, object].values
# What is no array, to be quick about nearly all arguments.
PLAIN = frozenset([int, float, bool, complex, str, bytes, type(None), list, dict])
OF_FILE = {"r": "r", "r+": "r+", "w+": "r+"}  # how a task opens what was opened so


class Mapped:
    """Stands for an array that is mapped, and is one again where it is unpickled."""

    def __init__(self, array: Any, form: tuple[Any, ...]) -> None:  # Any: of NumPy
        self.array = array
        self.form = form

    def __reduce__(
        self,
    ) -> tuple[Callable[..., Any], tuple[Any, ...]]:  # Any: as above
        return opened, self.form

    def __repr__(self) -> str:
        return repr(self.array)  # in messages


def with_files(calls: list[Call]) -> list[Call]:
    """*calls*, with what stands for arrays in files among their arguments."""
    if imported("numpy") is None:
        return calls
    _, given, by_name = zip(*calls, strict=True)
    kinds = set(map(type, chain.from_iterable(given)))
    if any(by_name):
        kinds.update(map(type, chain.from_iterable(map(values_of, by_name))))
    if kinds <= PLAIN:
        return calls
    return [
        (
            function,
            tuple(map(sent, positional)),
            {name: sent(value) for name, value in named.items()},
        )
        for function, positional, named in calls
    ]


def sent(value: Any) -> Any:  # Any: an argument of any task
    """*value*, or what stands for it on its way, if a file has it."""
    numpy: Any = imported("numpy")  # Any: need not be there
    if numpy is None or not isinstance(value, numpy.ndarray):
        return value
    root = root_of(value, numpy)
    if root is None or root.mode not in OF_FILE or not os.path.exists(root.filename):
        return value
    low, size = span_of(value)
    begin = low - address_of(root) + root.offset
    form = (
        *(str(root.filename), OF_FILE[root.mode], begin, size),
        *(value.dtype, value.shape, value.strides, address_of(value) - low),
    )
    return Mapped(value, form)


def root_of(value: Any, numpy: Any) -> Any:  # Any: of NumPy
    """The array that has mapped the file in which *value* lies; None if none has.

    What was copied out of it says that it is mapped, and is not.
    """
    root: Any = None  # Any: as above
    while value is not None:
        if isinstance(value, numpy.memmap) and value._mmap is not None:
            root = value
        value = getattr(value, "base", None)
    return root if root is not None and root.filename is not None else None


def address_of(array: Any) -> int:  # Any: as above
    return int(array.__array_interface__["data"][0])


def span_of(array: Any) -> tuple[int, int]:  # Any: as above
    """The lowest address of *array*, and how many bytes it spans."""
    low = high = address_of(array)
    for length, stride in zip(array.shape, array.strides, strict=True):
        reach = (length - 1) * stride if length else 0
        low, high = low + min(0, reach), high + max(0, reach)
    return low, high + array.itemsize - low


def opened(
    file: str,
    mode: str,
    begin: int,
    size: int,
    kind: Any,  # Any: of NumPy
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
) -> Any:  # Any: as above
    """The array of that kind and shape, *offset* bytes into *size* bytes of *file*."""
    import numpy

    memory = numpy.memmap(file, dtype="u1", mode=mode, offset=begin, shape=(size,))  # type: ignore[call-overload]  # a mode
    array = numpy.ndarray(shape, kind, buffer=memory, offset=offset, strides=strides)
    return array.view(numpy.memmap)

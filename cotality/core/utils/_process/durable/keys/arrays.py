"""NumPy arrays and scalars, if the program has NumPy loaded."""

from __future__ import annotations

from typing import Any

from cotality._kit.imported import imported

from .errors import UnstableError
from .values import Content, text_of_bytes, text_of_str


def text_of_array(
    thing: Any, content: Content
) -> str | None:  # Any: NumPy is not a dependency
    """The text of an array or a scalar; None if *thing* is neither."""
    numpy: Any = imported("numpy")  # Any: as above
    if numpy is None or not isinstance(
        thing, numpy.ndarray | numpy.generic | numpy.dtype
    ):
        return None
    if isinstance(thing, numpy.dtype):
        return f"d{content.of(description(thing))}"
    if isinstance(thing, numpy.generic):
        return f"a{text_of_values(numpy.asarray(thing), content, 'scalar')}"
    if type(thing) is numpy.ndarray or type(thing) is numpy.memmap:
        return f"a{text_of_values(numpy.asarray(thing), content, 'array')}"
    raise UnstableError(f"is a {type(thing).__qualname__}, a special kind of array")


def text_of_values(values: Any, content: Content, kind: str) -> str:  # Any: as above
    """Type, shape and items, whatever their order in memory."""
    shape = ",".join(map(str, values.shape))
    head = f"{text_of_str(kind)}{content.of(description(values.dtype))}{shape};"
    if values.dtype.hasobject:
        items = content.inside(values, lambda v: content.of_items(v.ravel().tolist()))
        return f"{head}{items}"
    if not values.flags.c_contiguous:
        values = values.copy(order="C")
    return f"{head}{text_of_bytes(values.reshape(-1).view('u1').data)}"


def description(dtype: Any) -> Any:  # Any: as above
    """What makes a type of array items what it is."""
    return dtype.str if dtype.fields is None else [list(each) for each in dtype.descr]

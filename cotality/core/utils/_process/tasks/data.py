"""What is given as data, if it has items, and if these are what somebody means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any, cast

from cotality._kit.data_frames import is_data_frame
from cotality._kit.records import NamedTuple
from cotality._kit.safe_text import shortened

SHOWN = 60  # characters of the data
LIBRARY = "cotality"


class Surprise(NamedTuple):
    """Data of a kind whose items surprise.

    Attributes:
        kind: Of the data, in words.
        items: What they are.
        way: How to say what is meant.
    """

    kind: str
    items: str
    way: str


def data_to_read(
    data: object, name: str, *, refuse: bool = True, way_out: str = ""
) -> Iterable[Any]:  # Any: the items of any data
    """*data*, whose items are to be arguments.

    Args:
        data: What the caller has given.
        name: What the caller has called it.
        refuse: Whether items that surprise are an error. Otherwise it is a warning,
            for the functions that have always taken them.
        way_out: How to say what is meant, where the options of the core do not hold.

    Raises:
        TypeError: It has no items, or they are not what somebody means who gives it.
    """
    surprise = surprise_of(data)
    if surprise is not None:
        kind, items, usual = surprise
        way = way_out or usual
        shown = shortened(data, SHOWN)
        if refuse:
            raise TypeError(
                f"{name} must not be {kind}, got {shown}: its items would be {items}. "
                f"{way}"
            )
        warn_caller(f"{name} is {kind}, {shown}: its items are {items}. {way}")
    if isinstance(data, Iterable) or hasattr(data, "__getitem__"):
        return cast("Iterable[Any]", data)
    if hasattr(data, "__aiter__"):
        raise TypeError(
            f"{name} must be an iterable, got {shortened(data, 80)}, which only an "
            f"event loop can read. Gather its items in a list first, [item async for "
            f"item in {name}]."
        )
    raise TypeError(f"{name} must be an iterable, got {shortened(data, 80)}")


def surprise_of(data: object) -> Surprise | None:
    if isinstance(data, Mapping):
        return Surprise(
            "a mapping",
            "its keys",
            "Say which you mean: list(d), d.values(), or d.items() with unpack=True.",
        )
    if isinstance(data, str | bytes | bytearray):
        return Surprise(
            "a text", "single characters", "Put it into a list, or say list(text)."
        )
    if hasattr(data, "itertuples"):
        return Surprise(
            f"a {type(data).__name__}",
            "the names of its columns",
            "Say which you mean: df.itertuples(index=False) with unpack=True for rows, "
            "df.groupby(...) with unpack=True for groups.",
        )
    if is_data_frame(data):
        return Surprise(
            f"a {type(data).__name__}",
            "its columns",
            "Say which you mean: a list of its columns, or of its rows, such as "
            "df.rows() of polars with unpack=True.",
        )
    return None


def warn_caller(text: str) -> None:
    """Warn of *text*, at the line outside of this library that has called it."""
    import inspect
    import warnings

    frame = inspect.currentframe()
    level = 0
    while frame is not None and is_ours(frame):
        level += 1
        frame = frame.f_back
    warnings.warn(text, UserWarning, stacklevel=level + 1)


def is_ours(frame: FrameType) -> bool:
    return f"{frame.f_globals.get('__name__')}".partition(".")[0] == LIBRARY

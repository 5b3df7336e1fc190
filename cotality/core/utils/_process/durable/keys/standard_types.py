"""The content of objects of the standard library."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import pathlib
import re
import types
import uuid
from typing import Any

from .errors import UnstableError
from .values import Content, Rule, text_of_bytes, text_of_str


def text_of_moment(
    moment: Any, content: Content
) -> str:  # Any: a datetime or a time of day
    """Its wall clock, its fold and its zone: what makes two of them interchangeable."""
    wall = moment.replace(tzinfo=None).isoformat()
    return f"{text_of_str(wall)}{moment.fold}{text_of_zone(moment.tzinfo)}"


def text_of_zone(zone: datetime.tzinfo | None) -> str:
    if zone is None:
        return "-"
    if type(zone) is datetime.timezone:
        return text_of_str(f"{zone.utcoffset(None).total_seconds()} {zone}")
    key = getattr(zone, "key", None)  # of a zoneinfo.ZoneInfo
    if not isinstance(key, str):
        raise UnstableError(f"has the time zone {zone!r:.100}, which has no name")
    return text_of_str(f"zone {key}")


def text_of_path(path: pathlib.PurePath, _: Content) -> str:
    return text_of_str(str(path))


def items_of(thing: Any, content: Content) -> str:  # Any: a mapping of any kind
    return content.inside(thing, lambda given: content.of_pairs(given.items()))


def items_in_order_of(thing: Any, content: Content) -> str:  # Any: as above
    return content.inside(thing, lambda given: content.of_pairs_in_order(given.items()))


def text_of_defaultdict(thing: Any, content: Content) -> str:  # Any: as above
    return f"{content.of(thing.default_factory)}{items_of(thing, content)}"


def text_of_limit(items: Any) -> str:  # Any: a deque of anything
    return "" if items.maxlen is None else f"{items.maxlen};"


# By exact type: what a subclass adds nobody knows.
STANDARD: dict[type, Rule] = {
    datetime.datetime: text_of_moment,
    datetime.time: text_of_moment,
    datetime.date: lambda day, _: text_of_str(day.isoformat()),
    datetime.timedelta: lambda s, _: f"{s.days},{s.seconds},{s.microseconds};",
    datetime.timezone: lambda zone, _: text_of_zone(zone),
    decimal.Decimal: lambda number, _: text_of_str(str(number)),
    fractions.Fraction: lambda n, _: f"{n.numerator:x},{n.denominator:x};",
    uuid.UUID: lambda each, _: each.hex,
    pathlib.PurePosixPath: text_of_path,
    pathlib.PureWindowsPath: text_of_path,
    pathlib.PosixPath: text_of_path,
    pathlib.WindowsPath: text_of_path,
    slice: lambda s, content: content.of((s.start, s.stop, s.step)),
    memoryview: lambda view, content: (
        f"{content.of((view.format, view.shape))}{text_of_bytes(view.tobytes())}"
    ),
    array.array: lambda items, _: (
        f"{items.typecode}{items.itemsize};{text_of_bytes(items.tobytes())}"
    ),
    collections.deque: lambda items, content: (
        f"{text_of_limit(items)}{content.inside(items, content.of_items)}"
    ),
    collections.OrderedDict: items_in_order_of,
    collections.Counter: items_of,
    collections.defaultdict: text_of_defaultdict,
    types.MappingProxyType: items_of,
    re.Pattern: lambda pattern, content: content.of((pattern.pattern, pattern.flags)),
}
try:
    import zoneinfo

    STANDARD[zoneinfo.ZoneInfo] = lambda zone, _: text_of_zone(zone)
except ImportError:  # pragma: no cover  # it can be left out of a build
    pass

"""A value as JSON, exactly: what is read back equals what was written, in type too.

What JSON has is written as it is. What it has not is written as an object with one key
that begins with ``$``, such as ``{"$datetime": "2026-11-29T10:00:00"}``. Objects of
people's own classes are ``{"$of": "Order", ...}``; which class that is, the annotation
says.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from cotality._kit.safe_text import shortened
from cotality.jobs._jobs.errors.errors import NotStorableError

from .hints import is_made_of_parts, is_model, is_named_tuple

Json = Any  # Any: what `json` takes
Classes = Mapping[str, type]
DEEPEST = 100  # levels; JSON itself gives up at about a thousand


def packed(value: object, classes: Classes, depth: int = 0) -> Json:
    """*value* as JSON.

    Args:
        value: What is to be stored.
        classes: What it may be made of, besides the classes of Python.
        depth: How deep in another value it is.

    Raises:
        NotStorableError: It is something else, or has no end.
    """
    if depth > DEEPEST:
        raise NotStorableError(f"it is nested more than {DEEPEST} levels deep")
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        number = cast("float", value)
        return number if math.isfinite(number) else {"$float": repr(number)}

    def inner(each: object) -> Json:
        return packed(each, classes, depth + 1)

    if kind is list:
        return [inner(each) for each in cast("list[object]", value)]
    if kind is dict:
        return packed_dict(cast("dict[object, object]", value), inner)
    if kind in SEVERAL:
        items = [inner(each) for each in cast("tuple[object, ...]", value)]
        return {SEVERAL[kind]: items}
    if kind in AS_TEXT:
        tag, write, _ = AS_TEXT[kind]
        return {tag: write(value)}
    if isinstance(value, Path):
        return {"$path": str(value)}
    if is_made_of_parts(kind):
        return packed_object(value, kind, classes, inner)
    raise NotStorableError(
        f"{shortened(value, 80)} is a {kind.__qualname__}, which is not stored as JSON"
    )


def comes_back(value: object, text: Json, classes: Classes) -> bool:
    """Whether *text*, which *value* was packed into, gives it again.

    An object of people may keep some of it to itself, or compute what it is given.
    """
    return not has_objects(text) or is_same(value, unpacked(text, classes))


def has_objects(text: Json) -> bool:
    if isinstance(text, list):
        return any(map(has_objects, cast("list[Json]", text)))  # type: ignore[redundant-cast]  # pyright wants it
    if not isinstance(text, dict):
        return False
    given = cast("dict[str, Json]", text)
    return "$of" in given or "$path" in given or any(map(has_objects, given.values()))


def is_same(one: Any, other: Any) -> bool:  # Any: whatever was packed
    """Whether they are equal, in type too, and in what is not compared."""
    kind: type[Any] = cast("Any", type(one))  # Any: so that nothing is narrowed
    if kind is not type(other):
        return False
    if issubclass(kind, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if issubclass(kind, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if issubclass(kind, dict):
        return one.keys() == other.keys() and all(
            is_same(each, other[key]) for key, each in one.items()
        )
    if issubclass(kind, enum.Enum):
        return one is other or one.value == other.value
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
        return all(is_same(getattr(one, n), getattr(other, n)) for n in names)
    if is_model(kind):
        return is_same(vars(one), vars(other))
    return bool(one == other)


def packed_dict(value: dict[object, object], inner: Callable[[object], Json]) -> Json:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: inner(each) for key, each in value.items()}
    return {"$dict": [[inner(key), inner(each)] for key, each in value.items()]}


def packed_object(
    value: Any,  # Any: of such a class
    kind: type,
    classes: Classes,
    inner: Callable[[object], Json],
) -> Json:
    name = kind.__qualname__
    if classes.get(name) is not kind:
        raise NotStorableError(
            f"{shortened(value, 80)} is a {name}, and no annotation says so: annotate "
            f"the parameter, or the result, with {name}, imported where the worker "
            f"imports it too, and not under TYPE_CHECKING alone"
        )
    if isinstance(value, enum.Flag):
        return {"$of": name, "value": value.value}
    if isinstance(value, enum.Enum):
        return {"$of": name, "name": value.name}
    if is_model(kind):
        return {"$of": name, "model": value.model_dump_json(by_alias=True)}
    if is_named_tuple(kind):
        return {"$of": name, "items": [inner(each) for each in value]}
    fields = [field for field in dataclasses.fields(value) if field.init]
    return {
        "$of": name,
        "fields": {field.name: inner(getattr(value, field.name)) for field in fields},
    }


def unpacked(value: Json, classes: Classes) -> Any:  # Any: what was packed
    """What `packed` was given.

    Raises:
        NotStorableError: It does not fit *classes*, or is nothing that was packed.
    """
    if isinstance(value, list):
        return [unpacked(each, classes) for each in cast("list[Json]", value)]  # type: ignore[redundant-cast]  # pyright wants it
    if not isinstance(value, dict):
        return value
    given = cast("dict[str, Json]", value)
    tag = next((key for key in given if key.startswith("$")), None)
    if tag is None:
        return {key: unpacked(each, classes) for key, each in given.items()}
    if tag == "$of":
        return unpacked_object(given, classes)
    if tag == "$dict":
        return {
            unpacked(key, classes): unpacked(each, classes) for key, each in given[tag]
        }
    if tag == "$float":
        return float(given[tag])
    if tag == "$path":
        return Path(given[tag])
    if tag in SEVERAL_OF:
        return SEVERAL_OF[tag](unpacked(each, classes) for each in given[tag])
    if tag in TEXT_OF:
        return TEXT_OF[tag](given[tag])
    raise NotStorableError(f"{shortened(given, 80)} was not written by this release")


def unpacked_object(
    given: dict[str, Json], classes: Classes
) -> Any:  # Any: one of them
    name = given["$of"]
    kind: Any = classes.get(name)  # Any: a class of people
    if kind is None:
        known = ", ".join(sorted(classes)) or "none"
        raise NotStorableError(
            f"it holds a {name}, and the annotations name no such class (they name: "
            f"{known})"
        )
    if "value" in given:
        return kind(given["value"])
    if "name" in given:
        return kind[given["name"]]
    if "model" in given:
        return kind.model_validate_json(given["model"])
    if "items" in given:
        return kind(*(unpacked(each, classes) for each in given["items"]))
    fields = {key: unpacked(each, classes) for key, each in given["fields"].items()}
    return kind(**fields)


SEVERAL: dict[type, str] = {
    tuple: "$tuple",
    set: "$set",
    frozenset: "$frozenset",
}
SEVERAL_OF: dict[str, Callable[..., object]] = {
    tag: kind for kind, tag in SEVERAL.items()
}
# Any: each is given a value of its class.
AS_TEXT: dict[type, tuple[str, Callable[[Any], Json], Callable[[Any], object]]] = {
    datetime: ("$datetime", lambda it: datetime_text(it), lambda it: datetime_of(it)),
    date: ("$date", date.isoformat, date.fromisoformat),
    time: ("$time", lambda it: time_text(it), lambda it: time_of(it)),
    timedelta: (
        "$timedelta",
        lambda it: [it.days, it.seconds, it.microseconds],
        lambda it: timedelta(*it),
    ),
    UUID: ("$uuid", str, UUID),
    Decimal: ("$decimal", str, Decimal),
    bytes: (
        "$bytes",
        lambda it: base64.b64encode(it).decode(),
        lambda it: base64.b64decode(it, validate=True),
    ),
    bytearray: (
        "$bytearray",
        lambda it: base64.b64encode(it).decode(),
        lambda it: bytearray(base64.b64decode(it, validate=True)),
    ),
    complex: ("$complex", lambda it: [it.real, it.imag], lambda it: complex(*it)),
}
TEXT_OF = {tag: read for tag, _, read in AS_TEXT.values()}


def datetime_text(value: datetime) -> Json:
    """With the name of its zone, where it has one: an offset alone knows no summer."""
    zone = getattr(value.tzinfo, "key", None)
    if zone is None:
        return [value.isoformat(), None, 1] if value.fold else value.isoformat()
    return [value.replace(tzinfo=None).isoformat(), zone, value.fold]


def datetime_of(value: Json) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    from zoneinfo import ZoneInfo

    text, zone, fold = value
    if zone is None:
        return datetime.fromisoformat(text).replace(fold=fold)
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def time_text(value: time) -> Json:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise NotStorableError(f"{value!r} has a time zone that depends on the day")
    return [value.isoformat(), value.fold]


def time_of(value: Json) -> time:
    text, fold = value
    return time.fromisoformat(text).replace(fold=fold)

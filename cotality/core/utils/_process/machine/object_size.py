"""How much memory an object takes, estimated quickly."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sized
from itertools import islice
from typing import Any, cast

from cotality._kit.struck import is_of_a_signal

# How many items of a container are looked at, by how deep it is inside others. The
# items of one list are mostly alike, and looking at a million of them takes a second.
SAMPLES = (64, 8, 4, 4, 2, 2)
UNKNOWN = 64  # bytes, for an object that does not say
LARGE = 64 * 1024  # bytes from which a segment costs less than the way through a pipe
# From how many items on a container may be large: an item takes some bytes.
MANY: dict[type[Any], int] = {  # Any: of whatever items
    **dict.fromkeys((list, tuple, set, frozenset), LARGE // 8),
    **dict.fromkeys((str, bytes, bytearray), LARGE),
    dict: LARGE // 16,
}


def size_of(thing: object) -> int:
    """The bytes that *thing* takes with all that it holds, estimated.

    The items of containers and instances count; large ones are sampled. Arrays count
    with the bytes to which they refer. If items are alike, the estimate is a few
    percent off. Memory that an extension does not report to `sys.getsizeof` does not
    count. It takes a microsecond for a number and some ten for a nested dict.
    """
    return int(deep_size(thing, 0, {}))


def deep_size(
    thing: Any, depth: int, seen: dict[int, object]
) -> float:  # Any: asked for what it is
    # An object that many share, such as a key of all records, counts once. A reference
    # to it is kept meanwhile: a container that makes its items on demand could reuse an
    # id.
    if id(thing) in seen:
        return 0.0
    seen[id(thing)] = thing
    size = own_size(thing)
    if depth >= len(SAMPLES) or type(thing) in FLAT:
        return size
    if isinstance(thing, dict):
        given = cast("dict[object, object]", thing)
        return (
            size
            + size_of_items(given, depth, seen)
            + size_of_items(given.values(), depth, seen)
        )
    if isinstance(thing, list | tuple | set | frozenset):
        return size + size_of_items(cast("list[object]", thing), depth, seen)
    return size + sum(deep_size(part, depth + 1, seen) for part in parts_of(thing))


def own_size(thing: Any) -> float:  # Any: as above
    try:
        size: float = sys.getsizeof(thing, UNKNOWN)
        held = getattr(thing, "nbytes", 0)  # of an array, also one of borrowed memory
        return max(size, held) if isinstance(held, int) else size
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return UNKNOWN  # it is somebody's own code that says


def size_of_items(
    items: Iterable[object], depth: int, seen: dict[int, object]
) -> float:
    """What the items take together, extrapolated from some that are spread evenly."""
    count = len(cast("Sized", items))
    step = max(1, count // SAMPLES[depth])
    sample = list(islice(items, 0, None, step))
    if not sample:
        return 0.0
    return (
        count * sum(deep_size(each, depth + 1, seen) for each in sample) / len(sample)
    )


def parts_of(thing: Any) -> Iterable[object]:  # Any: as above
    """What an instance holds in its attributes."""
    try:
        attributes: object = getattr(thing, "__dict__", None)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return []
    if isinstance(thing, type) or not isinstance(attributes, dict):
        attributes = {}
    slots = [
        getattr(thing, name, None)
        for kind in kind_of(thing).__mro__
        for name in slots_of(kind)
    ]
    return [*cast("dict[str, object]", attributes).values(), *slots]


def kind_of(thing: object) -> type:
    return type(thing)


def slots_of(kind: type) -> Iterable[str]:
    names: Any = vars(kind).get("__slots__", ())  # Any: whatever a class has there
    if isinstance(names, str):
        names = (names,)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


# Nobody can change an object of these types, and it holds no other object.
ATOMS = frozenset([int, float, complex, bool, str, bytes, type(None), type(...)])
# Objects of these types hold no other object either, but some can be changed.
FLAT = ATOMS | {bytearray, range}


def are_atoms(things: Iterable[object]) -> bool:
    return ATOMS.issuperset(map(type, things))


def looks_large(value: object) -> bool:
    """Whether *value* may take `LARGE` bytes; small ones are said to be small."""
    many = MANY.get(type(value))
    if many is not None:
        return len(cast("list[Any]", value)) >= many  # Any: or another of those types
    try:
        size = getattr(value, "nbytes", 0)
        return bool(isinstance(size, int) and size >= LARGE)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return False  # it is pickled like any other, and pickling reports the problem

"""Which globals of a script hold an object in common that could be told from a copy.

Each global travels in a pickle of its own, and two pickles make two objects of one. Two
functions made together share a dictionary, for instance, and what one of them puts in
there the other finds. So such globals travel in one piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import EnumType
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Pickler: TypeAlias = Any  # Any: one of cloudpickle, which has no types

# Nobody can change them, or there is one of each kind.
VALUES = frozenset(
    [
        *(str, bytes, int, float, complex, bool, type(None), tuple, frozenset, range),
        *(re.Pattern, CodeType, ModuleType, BuiltinFunctionType),
    ]
)


def groups(picklers: Mapping[T, Iterable[Pickler]]) -> Iterator[list[T]]:
    """Those in one list whose *picklers* have taken in an object that is the same.

    The picklers hold what they have taken in, so an id is that of one object here. What
    shares nothing with any other is left out.
    """
    if len(picklers) < 2:
        return
    first: dict[int, T] = {}
    leader: dict[T, T] = {each: each for each in picklers}
    for each, own in picklers.items():
        for number in ids_of(own):
            join(leader, each, first.setdefault(number, each))
    found: dict[T, list[T]] = {}
    for each in picklers:
        found.setdefault(top(leader, each), []).append(each)
    yield from (group for group in found.values() if len(group) > 1)


def top(leader: dict[T, T], each: T) -> T:
    """The one at the top of a chain, whom all of the chain follow from then on.

    So no chain is long when it is looked at again.
    """
    found = each
    while leader[found] != found:
        found = leader[found]
    while each != found:
        leader[each], each = found, leader[each]
    return found


def join(leader: dict[T, T], one: T, other: T) -> None:
    leader[top(leader, one)] = top(leader, other)


def ids_of(picklers: Iterable[Pickler]) -> set[int]:
    """The ids of the objects taken in whose identity counts."""
    return {
        id(thing)
        for pickler in picklers
        for _, thing in pickler.memo.copy().values()
        if has_identity(thing)
    }


def has_identity(thing: object) -> bool:
    """Whether somebody could tell *thing* from an equal one, or change it."""
    kind: type[object] = type(thing)
    if kind in VALUES or isinstance(thing, type) or isinstance(kind, EnumType):
        return False
    if kind is FunctionType:
        # What is found by a name is sent as that.
        return "<locals>" in getattr(thing, "__qualname__", "")
    # What can be hashed, and is equal to others, is a value: a path, a date.
    hashes: object = kind.__hash__  # None where there is no hash
    return hashes is None or kind.__eq__ is object.__eq__

"""What a function holds, and whether that has changed.

A call packs a function once, but hands out tasks over time. Meanwhile the program may
change the object behind a bound method, or rebind a variable of a closure. Pickling the
function again for each portion would show that, but takes up to milliseconds for a
function that travels by value. Looking at what it holds takes microseconds.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from functools import partial
from operator import is_
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
)
from typing import Any

from cotality._kit.struck import is_of_a_signal

from .memos import dumped_by, is_found_by_name
from .stateful import values_of


class Held:
    """What *function* held at one moment.

    Attributes:
        things: All of it; none of them can go, so that none gets the id of another.
        content: What those that may change were then; None if nobody knows.
        is_looked_into: Whether their content counts, and not only which they are.
    """

    things: list[object]
    is_looked_into: bool

    def __init__(self, function: object) -> None:
        self.things = list(things_of(function))
        self.content: tuple[bytes, frozenset[int]] | None = None
        self.is_looked_into = False

    def look_inside(self) -> None:
        self.is_looked_into = True
        self.content = content_of(self.things)

    def is_as_it_was(self, function: object) -> bool:
        """Whether *function* holds the same now, as far as anybody can tell."""
        now = list(things_of(function))
        if len(now) != len(self.things) or not all(map(is_, now, self.things)):
            return False
        if not self.is_looked_into:
            return True
        return self.content is not None and self.content == content_of(now)


def things_of(function: object) -> Iterator[object]:
    """All that *function* holds, but for what that holds in turn, if it is no function.

    Of an object there are its attributes as well: a large one is not looked into.
    """
    seen: set[int] = set()
    left = [function]
    while left:
        thing = left.pop()
        yield thing
        if id(thing) not in seen:
            seen.add(id(thing))
            if is_followed(thing):
                left += parts_of(thing)
            else:
                yield from attributes_of(thing)


def is_followed(thing: object) -> bool:
    return isinstance(thing, (FunctionType, MethodType, partial))


def parts_of(thing: Any) -> Iterable[object]:  # Any: what a function may hold
    if isinstance(thing, MethodType):
        return thing.__func__, thing.__self__
    if isinstance(thing, partial):
        named = thing.keywords.values()
        return thing.func, *thing.args, *named, *vars(thing).values()
    if not isinstance(thing, FunctionType) or is_found_by_name(thing):
        return ()
    return thing.__code__, *values_of(thing), *attributes_of(thing)


def attributes_of(thing: object) -> list[object]:
    if isinstance(thing, (type, ModuleType)):
        return []
    try:
        return list(vars(thing).values())
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return []  # it has none, or hides them


# What is looked at otherwise, or travels as what it is, and not by what is in it.
CODE = (
    *(FunctionType, MethodType, partial, BuiltinFunctionType),
    *(CodeType, ModuleType, type),
)


def content_of(things: Iterable[object]) -> tuple[bytes, frozenset[int]] | None:
    """What is in *things*, but for code, and which objects that is made of.

    None if that cannot be told.
    """
    held = [thing for thing in things if not isinstance(thing, CODE)]
    try:
        data, pickler = dumped_by(pickle.Pickler, held, None)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return None
    return data, frozenset(pickler.memo.copy()) - {id(held)}

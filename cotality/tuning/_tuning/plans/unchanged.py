"""Whether a function and its first items have not changed.

Kept results may only be used if nothing has changed from which they were computed. A
picklable object is compared by a digest of its pickle; any other object, or a very
large one, only by its identity.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from cotality._kit.struck import is_of_a_signal
from cotality.core.estimates import names_in
from cotality.core.machine import size_of

if TYPE_CHECKING:
    from cotality.core.utils.process import Task

# To pickle more than this (bytes) takes longer than most plans are worth.
MOST_LOOKED_AT = 16 * 1024 * 1024


class Seen(NamedTuple):
    """An object, kept so that no other gets its identity, and what it was like."""

    thing: object
    digest: bytes

    def is_still(self, now: Seen) -> bool:
        if self.digest or now.digest:
            return self.digest == now.digest
        return self.thing is now.thing


def seen(thing: object) -> Seen:
    return Seen(thing, digest_of(thing))


def digest_of(thing: object) -> bytes:
    """A digest of the content of *thing*; empty if that cannot be had."""
    try:
        if size_of(thing) > MOST_LOOKED_AT:
            return b""
        return blake2b(pickle.dumps(thing, 5), digest_size=16).digest()
    except Exception as raised:  # whatever the code of its class raises
        if is_of_a_signal(raised):
            raise
        return b""


class Snapshot:
    """What some tasks of one function were made of."""

    parts: list[Seen]
    arguments: list[Seen]

    def __init__(
        self,
        function: Callable[..., Any],  # Any: any function
        tasks: Sequence[Task[Any]],  # Any: of any result type
    ) -> None:
        self.parts = list(map(seen, parts_of(function)))
        self.arguments = [seen(arguments_of(task)) for task in tasks]

    def is_still(self, now: Snapshot) -> bool:
        """Whether nothing has changed, as far as can be told."""
        return are_still(self.parts, now.parts) and are_still(
            self.arguments, now.arguments
        )


def are_still(before: Sequence[Seen], now: Sequence[Seen]) -> bool:
    return len(before) == len(now) and all(map(Seen.is_still, before, now))


def arguments_of(task: Task[Any]) -> object:  # Any: as above
    """What identifies them: the very item if there is one, and it alone."""
    if len(task.positional) == 1 and not task.arguments:
        return task.positional[0]
    return task.positional or task.arguments


def parts_of(function: object) -> Iterator[object]:
    """What *function* computes with: what it is bound to, closes over and refers to.

    Of other functions of the same module also what those refer to. What a module holds
    besides is taken to be the same, and so is everything in other modules.
    """
    left, found = [function], list[object]()
    while left:
        each = left.pop()
        if any(each is other for other in found):
            continue
        found.append(each)
        if isinstance(each, MethodType):
            left += [each.__func__, each.__self__]
        elif isinstance(each, partial):
            given = cast("partial[object]", each)
            left += [given.func, given.args, given.keywords]
        elif isinstance(each, FunctionType):
            left += held_by(each)
        elif not isinstance(each, type | ModuleType):
            yield each


def held_by(function: FunctionType) -> Iterator[object]:
    yield function.__code__.co_code
    yield function.__defaults__
    yield function.__kwdefaults__
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            yield None  # it is not bound yet
    for name in names_in(function.__code__):
        thing = function.__globals__.get(name)
        module = getattr(thing, "__module__", None)
        if not isinstance(thing, FunctionType) or module == function.__module__:
            yield thing

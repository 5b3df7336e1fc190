"""Which objects a pickle holds, and whether two pickles have any object in common.

A pickler notes each object that it takes in, so that it writes the object once and the
object is one again when it is read. Two pickles each make an object of their own. So a
part of a task that travels in a pickle of its own must share no object with the rest of
the task, except for objects that nobody could tell from a copy.
"""

from __future__ import annotations

import gc
import io
import pickle
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import EnumType
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, TypeAlias, cast

from cotality._kit.imported import imported
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.pickling.encode import (
    PROTOCOL,
    dumped_by_value,
    dumps,
    is_for_all,
)

# The C table of a memo, in bytes, up to which it is no matter to make objects of it:
# some 2,700 entries.
SMALL_TABLE = 64 * 1024
TINY_TABLE = 1024  # likewise, up to which that takes less time than a `Probe`
ENTRY = 24  # bytes of such a table for each object, or up to twice as many
MANY_ITEMS = 10_000  # in containers, from which on it takes long to go through them
GETS = b"hj"  # the opcodes that refer to what was pickled before
FRAME = pickle.FRAME[0]
AFTER_PROTOCOL = 2  # bytes
AFTER_FRAME = 11


class NotKnownError(Exception):
    """An object is not in a memo."""


class Probe(pickle.Pickler):
    """Finds objects in a memo, which nothing else lets one do without a copy of it.

    What is in the memo is pickled as a reference to it, before anything is asked of the
    object itself. What is not is given up at once. A copy of the memo as a dictionary
    would take more than twice as long as the pickling (a million texts, measured).
    """

    def __init__(self, memo: Any) -> None:  # Any: of a Pickler, see typeshed
        self.file = io.BytesIO()
        super().__init__(self.file, PROTOCOL)
        self.memo = memo
        self.fast = True  # takes nothing into the memo
        self.is_asking = False

    def persistent_id(self, obj: object) -> None:
        if not self.is_asking:
            raise NotKnownError  # it is a part of what was asked for
        self.is_asking = False

    def reducer_override(self, obj: object) -> Any:  # Any: the form that pickle wants
        raise NotKnownError

    def knows(self, thing: object) -> bool:
        self.is_asking = True
        self.file.seek(0)
        try:
            self.dump(thing)
        except NotKnownError:
            return False
        self.file.seek(0)
        start = self.file.read(AFTER_FRAME + 1)
        is_framed = start[AFTER_PROTOCOL] == FRAME
        return start[AFTER_FRAME if is_framed else AFTER_PROTOCOL] in GETS


class Memo:
    """What a pickler has taken in.

    Args:
        wrapping: Objects that were made for the pickling, and nobody else has.
    """

    wrapping: frozenset[int]
    size: int

    def __init__(
        self, pickler: Any, wrapping: Iterable[object] = ()
    ) -> None:  # Any: of C, or a `Probe`
        self.pickler = pickler
        self.wrapping = frozenset(map(id, wrapping))
        self.size = sys.getsizeof(pickler)  # bytes

    def parts(self) -> list[object]:
        """Those of its objects that could be told from a copy."""
        found = filter(has_identity, self.things())
        return [thing for thing in found if id(thing) not in self.wrapping]

    def things(self) -> list[object]:
        return [thing for _, thing in self.entries().values()]

    def entries(self) -> dict[int, tuple[int, object]]:
        """By the id of each object in it."""
        return cast("dict[int, tuple[int, object]]", self.pickler.memo.copy())

    def cost(self) -> int:
        """About how many `parts` there are at most, or twice as many."""
        return self.size // ENTRY

    def shares_with(self, other: Memo) -> bool:
        """Whether an object is in both that could be told from a copy."""
        less, more = (self, other) if self.cost() <= other.cost() else (other, self)
        parts = less.parts()
        if not parts:
            return False
        if more.size <= TINY_TABLE:
            entries = more.entries()
            return any(id(part) in entries for part in parts)
        if not isinstance(more.pickler, Probe):
            # In its place: each of them keeps a table of its own.
            more.pickler = Probe(more.pickler.memo)
        return any(map(more.pickler.knows, parts))


class LastingMemo(Memo):
    """That of a function, which is asked for many tasks.

    Attributes:
        is_code: Whether the standard pickle refuses all of its parts.
        is_alone: Whether it is known to have none.
    """

    found: list[object] | None = None
    is_asked: bool = False
    is_settled: bool = False
    is_code: bool = False
    is_alone: bool = False

    def parts(self) -> list[object]:
        """Without those that only the pickling has made, if it is asked again."""
        if self.found is None:
            self.found = super().parts()
        return self.found

    def may_share(self) -> bool:
        """False if it has nothing in common with the arguments of any task."""
        if not self.is_asked:  # there may be no other task with this function
            self.is_asked = True
            return True
        self.settle()
        return self.size > SMALL_TABLE or bool(self.parts())

    def settle(self) -> None:
        """Find out once which parts others may have."""
        if self.is_settled:
            return
        self.is_settled, self.found = True, None
        if self.size <= SMALL_TABLE:
            things = held_elsewhere(self.things())
            self.found = list(filter(has_identity, things))
            self.is_code = CODE.issuperset(map(type, self.found))
            self.is_alone = not self.found

    def shares_with(self, other: Memo) -> bool:
        if other.size > SMALL_TABLE:  # to look into that takes longer
            self.settle()
        return super().shares_with(other)

    def cost(self) -> int:
        return super().cost() if self.found is None else len(self.found)


def noted(
    value: object, buffers: list[pickle.PickleBuffer] | None
) -> tuple[bytes, Any]:  # Any: a Pickler of either kind
    """*value* as `segments.dumped` gives it, and the pickler that knows what is in it.

    Raises:
        Exception: What pickling *value* raised.
    """
    take = None if buffers is None else buffers.append
    try:
        data, pickler = dumped_by(pickle.Pickler, value, take)
        if is_for_all(data):
            return data, pickler
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        # The other pickler may know a way; if not, its error is the one to raise.
    if buffers:
        buffers.clear()
    data, pickler = dumped_by_value(value, buffers)
    # Without what that pickler keeps besides.
    return data, Probe(pickler.memo)


def dumped_plainly(value: object) -> bytes | None:
    """*value* by the standard pickle, None if that is not enough."""
    try:
        data: bytes = dumps(value, PROTOCOL)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return None
    return data if is_for_all(data) else None


def dumped_by(
    kind: Any, value: object, take: Any
) -> tuple[bytes, Any]:  # Any: a Pickler's class, what it gives buffers to, a Pickler
    file = io.BytesIO()
    pickler = kind(file, PROTOCOL, buffer_callback=take)
    pickler.dump(value)
    data = file.getvalue()
    file.truncate(0)  # the pickler keeps the file, not what is in it
    return data, pickler


# Whose identity means nothing: they are equal or are not, or there is one of each kind.
VALUES = frozenset(
    [
        *(str, bytes, int, float, complex, bool, type(None), re.Pattern),
        *(CodeType, ModuleType, BuiltinFunctionType),
    ]
)
# What has no name is pickled by value, which the standard pickle does not.
CODE = frozenset([FunctionType, CellType])
Kind: TypeAlias = type[Any]  # Any: of any object


def has_identity(thing: object) -> bool:
    """Whether it could be told from a copy that another pickle makes of it."""
    kind: Kind = type(thing)
    if kind in VALUES or isinstance(thing, type) or isinstance(kind, EnumType):
        return False
    if kind is FunctionType:
        return not is_found_by_name(cast("FunctionType", thing))
    numpy = imported("numpy")
    return not (numpy and isinstance(thing, getattr(numpy, "dtype", ())))


def is_found_by_name(function: FunctionType) -> bool:
    found: object = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def held_elsewhere(things: list[object]) -> list[object]:
    """Those of *things* that somebody holds, or can get at, who is not one of them.

    *things* are all that is in a memo. Each is held by that, by the list and by others
    of them; whoever is held more often is held from outside, and so is what it holds.
    That is how the garbage collector finds out what nobody can reach. If they hold so
    much that it would take long, all of them are given back.
    """
    if sum(map(length, things)) > MANY_ITEMS:
        return things
    things.append(object())
    counts = list(map(sys.getrefcount, things))
    things.pop()
    by_list_and_memo = counts.pop() + 1
    referents = [gc.get_referents(thing) for thing in things]
    inside = Counter(id(each) for held in referents for each in held)
    place = {id(thing): number for number, thing in enumerate(things)}
    left = [
        number
        for number, thing in enumerate(things)
        if counts[number] - by_list_and_memo > inside[id(thing)]
    ]
    found: set[int] = set()
    while left:
        number = left.pop()
        if number not in found:
            found.add(number)
            left += [place[id(e)] for e in referents[number] if id(e) in place]
    belongings = {id(each) for thing in things for each in belongings_of(thing)}
    return [things[n] for n in sorted(found) if id(things[n]) not in belongings]


def length(thing: object) -> int:
    if type(thing) in (list, tuple, dict, set, frozenset):
        return len(cast("list[object]", thing))
    return 0


def belongings_of(thing: object) -> Iterator[object]:
    """What *thing* is made of that nobody passes on without it."""
    if isinstance(thing, CodeType):
        yield from (thing.co_consts, thing.co_names)
    elif isinstance(thing, FunctionType):
        if not vars(thing):
            yield vars(thing)
        if sys.version_info < (3, 14):  # from then on they are made when asked for
            yield thing.__annotations__
    elif isinstance(thing, type):
        yield thing.__bases__

"""A large argument of several tasks: copied where no task could tell a copy.

A list of numbers takes twenty times as long to unpickle as to copy. Numbers cannot be
changed, so a copy of the list is as good as a new one. When a worker gets such an
argument for the second time, it keeps one that no task ever sees, and from then on
hands out copies of it. Everything else is unpickled again for each task.
"""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, TypeAlias

from cotality.core.utils._process.channel.segments import Segment
from cotality.core.utils._process.machine.object_size import ATOMS

Way: TypeAlias = Callable[[Segment], Any]  # Any: whatever was packed

# What else is kept of a call, see `kept_copies`, by what names it: a call, and a number
# in it. The one that came last is at the end; one that has come once is None.
Key: TypeAlias = tuple[bytes, int]
Things: TypeAlias = dict[Key, Any]  # Any: a thing of any library

KEPT = 2  # arguments that are kept; more if one task has more
# What cannot be changed need not be copied. Sets are missing: a copy may have its items
# in another order, and then what a task does would depend on those that were before it.
COPY_OF: dict[type[Any], Callable[[Any], Any]] = {  # Any: of whatever items
    list: list[Any].copy,
    dict: dict[Any, Any].copy,
    **dict.fromkeys((tuple, frozenset, str, bytes), lambda thing: thing),
}


class Here(threading.local):
    """The things of the call that this thread works for."""

    def __init__(self) -> None:
        self.things: Things = {}


here = Here()


class Copies:
    """What the last tasks of a call had as large arguments, to be given out again."""

    def __init__(self) -> None:
        # How to get what a segment holds, by its number, those wanted last at the end;
        # None after the first time. Not by the segment itself: that has a descriptor,
        # and comes with another one each time.
        self.ways: dict[int, Way | None] = {}

    def for_a_task(self, segments: Iterable[Segment]) -> dict[int, Any]:  # Any: as Way
        """What *segments* hold, by number, as if all of it were unpickled anew.

        Raises:
            Exception: What unpickling one of them raised.
        """
        wanted = {segment.number: segment for segment in segments}
        self.forget_all_but(wanted)
        return {number: self.load(segment) for number, segment in wanted.items()}

    def forget_all_but(self, wanted: Iterable[int]) -> None:
        """Make room for *wanted* before it is loaded: what is kept takes memory."""
        numbers = list(wanted)
        again = {n: self.ways.pop(n) for n in numbers if n in self.ways}
        room = max(KEPT, len(numbers)) - len(numbers)
        for number in list(self.ways)[: len(self.ways) - room]:
            del self.ways[number]
        self.ways |= again

    def load(self, segment: Segment) -> Any:  # Any: as Way
        number = segment.number
        if number not in self.ways:
            self.ways[number] = None
            return segment.load()
        way = self.ways[number]
        if way is None:
            thing, way = load_and_judge(segment)
            self.ways[number] = way
            if way is Segment.load:
                return thing
        return way(segment)


def load_and_judge(segment: Segment) -> tuple[Any, Way]:  # Any: as Way
    """What *segment* holds, and how to get it the next time."""
    data, buffers = segment.parts()
    with io.BytesIO(data) as file:
        unpickler = NotingNames(file, buffers=buffers)
        thing = unpickler.load()
    if buffers or unpickler.has_named or not is_flat(thing):
        return thing, Segment.load
    copy = COPY_OF[type(thing)]
    return thing, lambda _: copy(thing)


class NotingNames(pickle.Unpickler):
    """Notes whether a pickle names any function or class.

    If so, unpickling calls it, and what it returns may be another thing each time.
    """

    has_named = False

    def find_class(self, module: str, name: str, /) -> Any:  # Any: of any module
        self.has_named = True
        return super().find_class(module, name)


def is_flat(thing: Any) -> bool:  # Any: as Way
    """Whether a shallow copy of *thing* shares with it only what cannot be changed."""
    if type(thing) in (str, bytes):
        return True
    parts = (thing.keys(), thing.values()) if hasattr(thing, "keys") else (thing,)
    return type(thing) in COPY_OF and all(map(are_atoms_or_rows, parts))


def are_atoms_or_rows(things: Iterable[Any]) -> bool:  # Any: as Way
    """Whether *things* are all atoms, or all of them tuples of such: rows."""
    kinds = set(map(type, things))
    if kinds == {tuple}:
        kinds = set(map(type, chain.from_iterable(things)))
    return kinds <= ATOMS

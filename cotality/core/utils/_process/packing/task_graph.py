"""A task stays one graph of objects, even if parts of it travel by themselves.

The function, the large arguments and the rest of a task can each be packed apart if
they share no object that could be told from a copy. Parts that do share one travel in
one piece. So a task arrives as if all of it had been packed at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any, TypeAlias

from cotality._kit.records import dataclass, field
from cotality.core.utils._process.channel.assembled import Packed
from cotality.core.utils._process.channel.segments import Segment
from cotality.core.utils._process.tasks.task import Task

from .captured import Captured, Large
from .memos import Memo
from .packed_functions import PackedFunction
from .parcels import Parcels

Key: TypeAlias = int | str  # of an argument: its position or its name
FUNCTION = -1  # likewise, of the function; and its number among the parts of a task
SMALL = frozenset([int, float, bool, complex, type(None)])
GROUPS_KEPT = 1024  # answers to which parts belong together, of a few numbers each


@dataclass(slots=True)
class Part:
    """What is apart from the rest of its task: the function, or a large argument.

    Attributes:
        keys: Where it belongs.
        segment: What it is packed in; None if it is a function by itself.
        place: Which item of that it is, if there are several in it.
    """

    thing: object
    memo: Memo
    keys: list[Key] = field(default_factory=list[Key])
    segment: Segment | None = None
    place: int | None = None


class TaskGraph:
    """The parts of one task, and its other arguments."""

    def __init__(
        self,
        task: Task[Any],  # Any: of any result type
        function: PackedFunction,
    ) -> None:
        self.positional = list(task.positional)
        self.named = dict(task.arguments)
        self.function = function
        called = Part(function.function, function.memo, [FUNCTION])
        self.parts = {FUNCTION: called}  # by number

    def take_out(self, key: Key, large: Large | None = None) -> None:
        """Leave the argument *key* out; if it is *large*, as a part."""
        thing = self.exchange(key, None)
        if large is not None:
            part = Part(thing, large.memo, segment=large.segment)
            self.parts.setdefault(large.number, part).keys.append(key)

    def put_back(self, number: int) -> None:
        """Have the part *number* travel with the rest, as it is now."""
        part = self.parts.pop(number)
        for key in part.keys:
            if key != FUNCTION:
                self.exchange(key, part.thing)

    def exchange(self, key: Key, value: object) -> object:
        holder: Any = self.positional if isinstance(key, int) else self.named
        before: object = holder[key]
        holder[key] = value
        return before

    def packed_rest(self, ties: Ties, captured: Captured, parcels: Parcels) -> Packed:
        """The rest, when all parts that share something with it are in it.

        Large parts that share something with each other alone are captured in one
        piece. If that has to travel through the link, they are in the rest as well.
        """
        groups = ties.groups(self.function, self.parts)
        while True:
            positional = tuple(self.positional)
            value = self.rest(positional)
            found = parcels.noted(value)
            memo = Memo(found.pickler, (value, positional, self.named))
            groups = [group for group in groups if group[0] in self.parts]
            tied = self.tied_to(memo, groups) or self.left_over(groups, captured)
            if not tied:
                return parcels.sealed(found)
            for number in tied:
                self.put_back(number)

    def rest(self, positional: tuple[object, ...]) -> object:
        """In one of three forms, see `call_of`."""
        if FUNCTION not in self.parts:
            return positional, self.named, self.function.function
        return (positional, self.named) if positional else self.named

    def tied_to(self, rest: Memo, groups: Iterable[list[int]]) -> list[int]:
        """The numbers of the parts in those *groups* that share something with it."""
        if self.is_plain() or not rest.parts():
            return []
        return [
            number
            for group in groups
            if any(rest.shares_with(self.parts[each].memo) for each in group)
            for number in group
        ]

    def is_plain(self) -> bool:
        """Whether the rest is numbers and the like."""
        if FUNCTION not in self.parts:
            return False
        return SMALL.issuperset(map(type, [*self.positional, *self.named.values()]))

    def left_over(self, groups: Iterable[list[int]], captured: Captured) -> list[int]:
        """Pack each group in one piece; the numbers of one that cannot be."""
        for group in groups:
            if len(group) == 1:
                continue
            large = captured.pack(*(self.parts[number].thing for number in group))
            if large is None:
                return group
            for place, number in enumerate(group):
                self.parts[number].segment = large.segment
                self.parts[number].place = place
        return []


class Ties:
    """Which parts of tasks share objects, found out once for each combination."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, ...], list[list[int]]] = {}

    def groups(
        self, function: PackedFunction, parts: dict[int, Part]
    ) -> list[list[int]]:
        """The numbers of *parts*, in one list those that belong together."""
        key = (function.number, *parts)
        if key not in self.known:
            if len(self.known) >= GROUPS_KEPT:
                self.known.clear()
            self.known[key] = list(grouped(parts))
        return self.known[key]


def grouped(parts: dict[int, Part]) -> Iterator[list[int]]:
    groups = {number: [number] for number in parts}
    for one, other in combinations(parts, 2):
        if groups[one] is groups[other]:
            continue
        if parts[one].memo.shares_with(parts[other].memo):
            groups[one] += groups[other]
            groups |= dict.fromkeys(groups[other], groups[one])
    for number, group in groups.items():
        if group[0] == number:
            yield group

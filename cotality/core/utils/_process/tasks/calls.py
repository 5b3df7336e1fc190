"""Tasks that stand for calls of another library, and are made on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, overload

from .from_data import Columns, TasksInColumns
from .task import Task

# What to call, and its arguments by position and by name.
Call: TypeAlias = tuple[
    Callable[..., Any],  # Any: of any function, as below
    tuple[Any, ...],
    dict[str, Any],
]


class Calls(TasksInColumns[Any]):  # Any: tasks of every result type
    """The tasks that stand for *items*."""

    items: Sequence[Call]

    __slots__ = ("items",)

    def __init__(self, items: Sequence[Call]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, place: int) -> Task[Any]: ...  # Any: as above
    @overload
    def __getitem__(self, place: slice) -> Calls: ...
    def __getitem__(self, place: int | slice) -> Task[Any] | Calls:  # Any: as above
        if isinstance(place, slice):
            return Calls(self.items[place])
        function, positional, named = self.items[place]
        return Task(function, named, positional=positional)

    def columns(self) -> Columns:
        called, positional, named = zip(*self.items, strict=True)
        return called, positional, named

    def __iter__(self) -> Iterator[Task[Any]]:  # Any: as above
        for function, positional, named in self.items:
            yield Task(function, named, positional=positional)

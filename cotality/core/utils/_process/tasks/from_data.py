"""Tasks made from a function and data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import count, islice, repeat
from typing import Any, Generic, TypeAlias, TypeVar, cast, overload

from cotality._kit.safe_text import shortened
from cotality._kit.struck import is_of_a_signal

from .task import Task, plain_task

R = TypeVar("R", covariant=True)

# What each of some tasks calls, and its arguments by position and by name. Any: of any
# function.
Columns: TypeAlias = tuple[
    Sequence[Callable[..., Any]],
    Sequence[tuple[Any, ...]],
    Sequence[Mapping[str, Any]],
]


class CountedTasks(Generic[R]):
    """Tasks whose number may be known before they are read.

    Args:
        total: How many; None if nobody knows.
    """

    def __init__(self, total: int | None) -> None:
        self.total = total

    def __iter__(self) -> Iterator[Task[R]]:
        raise NotImplementedError


class TasksOver(CountedTasks[R]):
    """Tasks that are made when they are read: a call for each item of some data.

    Args:
        function: What to call.
        data: With what, one item after the other.
        unpack: Whether each element of a tuple or list is an argument of its own, and
            those of a mapping keyword arguments. Otherwise each item is one argument.
        total: How many there are; None takes the length of *data*, if it has one.
    """

    is_plain: bool
    total: int | None

    def __init__(
        self,
        function: Callable[..., R],
        data: Iterable[Any],  # Any: arguments of any function
        *,
        unpack: bool = False,
        total: int | None = None,
    ) -> None:
        super().__init__(total)
        self.function = function
        self.data = data
        self.unpack = unpack
        # Any: as above
        self.make: Callable[[Callable[..., Any], Any, int], Task[Any]] = (
            unpacked if unpack else single
        )
        # Whether any thread may read it: there is no code of others in that.
        self.is_plain = type(data) in (list, tuple, range)
        if total is None:
            self.total = length_of(data)

    def __iter__(self) -> Iterator[Task[R]]:
        return map(self.make, repeat(self.function), self.data, count())


class TasksInColumns(Sequence[Task[R]]):
    """Tasks whose functions and arguments a packer takes without making them."""

    __slots__ = ()

    def columns(self) -> Columns:
        """What they call, and with what."""
        raise NotImplementedError


class TasksOfItems(Sequence[Task[R]]):
    """Tasks that call one function with one item each.

    They are made when they are looked at, twice if that is done twice: to be made is
    most of what a tiny task takes, and a worker needs the items alone.
    """

    __slots__ = ("function", "items")

    def __init__(
        self,
        function: Callable[..., R],
        items: list[Any],  # Any: arguments of any function
    ) -> None:
        self.function = function
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Task[R]]:
        return map(plain_task, repeat(self.function), zip(self.items))

    @overload
    def __getitem__(self, place: int) -> Task[R]: ...
    @overload
    def __getitem__(self, place: slice) -> TasksOfItems[R]: ...
    def __getitem__(self, place: int | slice) -> Task[R] | TasksOfItems[R]:
        if isinstance(place, slice):
            return TasksOfItems(self.function, self.items[place])
        return plain_task(self.function, (self.items[place],))

    def __delitem__(self, places: slice) -> None:
        del self.items[places]

    def clear(self) -> None:
        self.items.clear()

    def copy(self) -> TasksOfItems[R]:
        return TasksOfItems(self.function, self.items.copy())


class TasksAfter(TasksOver[Any]):  # Any: tasks of any result type
    """Some *tasks*, and after them those of the items of *data* that come then.

    Args:
        total: How many there are in all; None takes the length of *data*, if it has
            one.
    """

    def __init__(
        self,
        tasks: Sequence[Task[Any]],
        function: Callable[..., Any],
        data: Iterable[Any],
        unpack: bool,
        total: int | None = None,
    ) -> None:
        super().__init__(function, data, unpack=unpack, total=total)
        self.tasks = tasks

    def __iter__(self) -> Iterator[Task[Any]]:
        yield from self.tasks
        first = len(self.tasks)
        others = items_after(self.data, first)
        yield from map(self.make, repeat(self.function), others, count(first))


def items_after(data: Iterable[Any], count: int) -> Iterator[Any]:  # Any: as above
    """The items of *data* after the first *count*.

    An iterator has given those already.
    """
    items = iter(data)
    return items if can_be_read_once(data) else islice(items, count, None)


def can_be_read_once(data: Iterable[Any]) -> bool:  # Any: as above
    """Whether *data* can be read only once, like an iterator."""
    return iter(data) is iter(data)


class NotUnpackableError(TypeError):
    """An item should be unpacked into several arguments, but is of the wrong kind."""


def single(function: Callable[..., R], item: object, index: int) -> Task[R]:
    return plain_task(function, (item,))


def unpacked(function: Callable[..., R], item: object, index: int) -> Task[R]:
    if isinstance(item, Mapping):
        return Task(function, cast("Mapping[str, object]", item))
    if isinstance(item, tuple | list):
        return Task(function, positional=tuple(cast("list[object]", item)))
    raise NotUnpackableError(
        f"items must be tuples, lists or mappings to be unpacked, but item {index} is "
        f"{shortened(item, 80)}. Without unpack=True each item is one argument."
    )


def length_of(data: object) -> int | None:
    """How many items there are; None if nobody knows."""
    try:
        return len(data) if isinstance(data, Sized) else None
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        # What wraps others has a length if they have one. A loop would not ask for it.
        return None


def what_for(thing: object) -> str:
    """*thing* in the place of a function, and what it may be meant for."""
    shown = shortened(thing, 80)
    if isinstance(thing, Task):
        return f"{shown}. run_tasks(tasks) runs tasks."
    if isinstance(thing, Iterable) and not isinstance(thing, str):
        return f"{shown}. It comes before the data."
    return shown


def are_of_items(tasks: object) -> bool:
    """Whether each of *tasks* has one argument, which is an item of some data."""
    is_over = isinstance(tasks, TasksOver)
    return is_over and not cast("TasksOver[object]", tasks).unpack


def total_of(tasks: object) -> int | None:
    """How many *tasks* there are; None if that is not known before they are read."""
    if isinstance(tasks, CountedTasks):
        return cast("CountedTasks[object]", tasks).total
    return len(cast("list[object]", tasks)) if isinstance(tasks, list | tuple) else None

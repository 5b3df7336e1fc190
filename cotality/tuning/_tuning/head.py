"""Items that were run to see what they are like, until somebody takes their results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from cotality.core.utils._process.outcome import Outcome
from cotality.core.utils._process.task import Task
from cotality.core.utils._process.tasks_over import TasksOver


@dataclass(slots=True)
class Head:
    """The outcomes of the first items of some data.

    Whoever runs the same function over the same data next gets them instead of running
    these items again: once, since after that it is another run.

    Attributes:
        function: The function.
        data: The data: the very object, which has not changed since.
        unpack: How its items are given to the function.
        outcomes: Of its first items, in order.
    """

    function: Callable[..., Any]  # Any: any function, and any results
    data: Iterable[Any]
    unpack: bool
    outcomes: Sequence[Outcome[Any]]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(
        self, function: object, data: object, unpack: bool
    ) -> Sequence[Outcome[Any]]:  # Any: as above
        """The outcomes, if they are those of this work; they are given once."""
        is_same = function is self.function and data is self.data
        if not is_same or unpack != self.unpack:
            return ()
        with self.lock:
            outcomes, self.outcomes = self.outcomes, ()
        return outcomes

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """A copy, or a plan that was sent elsewhere, has none."""
        return type(None), ()


class TasksAfter(TasksOver[Any]):  # Any: as above
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
        count = len(self.tasks)
        for index, item in enumerate(items_after(self.data, count), count):
            yield self.make(self.function, item, index)


def items_after(data: Iterable[Any], count: int) -> Iterator[Any]:  # Any: as above
    """What comes in *data* after the first *count* items.

    An iterator has given those already.
    """
    items = iter(data)
    return items if items is data else islice(items, count, None)

"""Runs the first items of an iterator in a loop, until it is known whether a call pays.

Only the thread of the caller reads an iterator, because it may be a cursor of a
database. So no other thread can begin with the other items while one takes long: it
tells the loop to stop, and then a call goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cotality._kit.struck import is_to_end_caller
from cotality.core.utils._process.tasks.from_data import length_of

from .head_start import PATIENCE, HeadStart
from .plain_loop import copies_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cotality.core.utils._process.call.call import Call
    from cotality.core.utils._process.call.prepared import Prepared
    from cotality.core.utils._process.tasks.from_data import TasksAfter
    from cotality.core.utils._process.tasks.task import Task

# Any in this module: the items of any data.


class IteratorHead(HeadStart):
    """Runs items as they are read, until there are no more or it is stopped."""

    frames = 1

    def __init__(
        self,
        function: Callable[..., Any],
        data: Iterable[Any],
        prepare: Callable[[Iterable[Task[Any]]], Prepared],
    ) -> None:
        super().__init__(function, (), prepare)
        self.items: Iterator[Any] = iter(data)  # what has not begun
        self.is_read = False  # to the end
        self.seconds = 0.0  # that the loop took
        self.count = length_of(data)

    def loop(self) -> None:
        """Read in the context of the caller, and run each item in a copy of that."""
        function, results = self.function, self.results
        copy = copies_of(self.context)
        context = copy()
        for item in self.items:
            if self.is_stopped:
                self.items = chain((item,), self.items)
                break
            self.begun += 1
            try:
                results.append(context.run(function, item))
            except BaseException as error:
                if is_to_end_caller(error):
                    raise
                self.error, self.last = error, item
                break
            if context:
                context = copy()
        else:
            self.is_read = True
        self.seconds = perf_counter() - self.began

    @property
    def total(self) -> int | None:
        return self.count

    @property
    def is_done(self) -> bool:
        return self.is_read

    def left(self, count: int) -> int:
        # If nobody knows: as many as there have been.
        return max(1, count) if self.total is None else self.total - count - 1

    def stand_in(self) -> None:
        """Nothing can be begun without an item."""

    def call(self) -> Call:
        call = super().call()
        # If they take long the first one of these is no reason, once more, for the
        # others to wait until it has ended.
        is_slow = self.seconds > PATIENCE * self.begun
        # What the iterator has set by now is no more for these than for the first ones.
        options = call.options._replace(begins_beside=is_slow, found=self.context)
        return call._replace(options=options)

    def all_tasks(self) -> TasksAfter:
        from cotality.core.utils._process.tasks.from_data import TasksAfter
        from cotality.core.utils._process.tasks.task import Task

        first = [Task(self.function)] * self.begun
        return TasksAfter(first, self.function, self.items, False, self.total)

"""The input of a call: new tasks, and tasks that are handed out again."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from time import perf_counter
from typing import Any, Protocol, cast

from cotality._kit.records import NamedTuple
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.tasks.checks import check_each
from cotality.core.utils._process.tasks.from_data import TasksOfItems, TasksOver
from cotality.core.utils._process.tasks.outcome import Portion, Settled
from cotality.core.utils._process.tasks.task import Task

from .observers import NO_DIARY, Doing

READING_LIMIT = 0.02  # s that reading one portion from a slow input may take


class SortedOut(NamedTuple):
    """What a memory knows of a portion, and what it does not.

    Attributes:
        to_run: What has to be run of it.
        known: The outcomes of the others.
        rest: Its last tasks, which were not looked at: what is known was enough.
        error: The task after all these ends the input, as if that had raised this.
    """

    to_run: list[Portion]
    known: Sequence[Settled] = ()
    rest: Portion | None = None
    error: Exception | None = None


class Memory(Protocol):
    """Knows the outcomes of tasks that an earlier run has finished."""

    def attach(self, source: Source) -> None:
        """Remember *source*, which asks from now on."""
        ...

    def sort_out(self, portion: Portion) -> SortedOut:
        """Tell the tasks of *portion* that have to run from those that are known."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether it may look up more before its known outcomes are taken."""
        ...

    def was_taken(self) -> None:
        """The source has taken all known outcomes."""
        ...

    def will_run(self, portion: Portion) -> None:
        """*portion* is about to be handed out.

        Raises:
            Exception: Neither this portion nor any other may be handed out.
        """
        ...


class Source:
    """The tasks to hand out: first those that come again, then the rest of the input.

    With a *memory*, tasks whose outcomes it knows are not handed out: they are `known`.
    """

    looked_up: float
    next_index: int
    is_empty: bool

    def __init__(self) -> None:
        self.is_plain = False  # whether any thread may read the input
        self.memory: Memory | None = None
        self.looked_up = 0.0  # s, in the memory
        self.diary = NO_DIARY
        self.known: deque[Settled] = deque()
        self.unsorted: Portion | None = (
            None  # read, and not looked up in the memory yet
        )
        self.next_index = 0
        self.is_empty = False  # the input is; tasks may still come again
        self.error: Exception | None = None  # what the input raised, to be raised last
        # A heap of what comes again: the first index, the attempt, the tasks.
        self.returned: list[tuple[int, int, Sequence[Task[Any]]]] = []  # Any: as above

    def take(self, size: int) -> Portion | None:
        """At most *size* tasks that follow one another; None if there are none now."""
        if self.memory is not None:
            return self.take_unknown(size, self.memory)
        return self.take_returned(size) if self.returned else self.take_next(size)

    def ask(self, memory: Memory) -> None:
        """Hand out only what *memory* does not know."""
        self.memory = memory
        memory.attach(self)

    @property
    def has_more(self) -> bool:
        """Whether there may be more tasks to hand out, or more known outcomes."""
        return bool(self.returned or self.known or self.unsorted) or not self.is_empty

    def take_returned(self, size: int) -> Portion:
        start, attempt, tasks = heapq.heappop(self.returned)
        self.give_back(start + size, tasks[size:], attempt)
        return Portion(start, tasks[:size], attempt=attempt)

    def take_next(self, size: int) -> Portion | None:
        start = self.next_index
        tasks: Sequence[Task[Any]] = [] if self.is_empty else self.read(size)
        self.next_index += len(tasks)
        return Portion(start, tasks) if tasks else None

    def take_unknown(self, size: int, memory: Memory) -> Portion | None:
        """At most *size* tasks that *memory* does not know; None if there are none now.

        It may read past more than *size* known tasks: they start nothing, and the
        memory bounds what their outcomes take.
        """
        while not self.returned and memory.has_room:
            portion = self.unsorted or self.take_next(size)
            if portion is None:
                break
            self.take_in(self.sorted_out(portion, memory))
        if not self.returned:
            return None
        portion = self.take_returned(size)
        try:
            with self.aside(Doing.TELLING) as began:
                memory.will_run(portion)
                self.diary.told("the journal", perf_counter() - began)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            self.stop(error)
            self.returned.clear()
            return None
        return portion

    def sorted_out(self, portion: Portion, memory: Memory) -> SortedOut:
        with self.aside(Doing.LOOKING_UP):
            return memory.sort_out(portion)

    @contextmanager
    def aside(self, doing: Doing) -> Generator[float, None, None]:
        """Count the time in the ``with`` as *doing*, not reading; yield its start."""
        began, before = perf_counter(), self.diary.turn_to(doing)
        try:
            yield began
        finally:
            self.diary.turn_back(before)
            self.looked_up += perf_counter() - began

    def take_in(self, found: SortedOut) -> None:
        for each in found.to_run:
            self.give_back(each.start, each.tasks, each.attempt)
        self.known.extend(found.known)
        self.unsorted = found.rest
        if found.error is not None:
            self.stop(found.error)

    def take_known(self) -> deque[Settled]:
        """The outcomes of tasks that need not be handed out."""
        known, self.known = self.known, deque()
        if self.memory is not None:
            self.memory.was_taken()
        return known

    def give_back(self, start: int, tasks: Sequence[Task[Any]], attempt: int) -> None:
        """Let *tasks* be handed out (again) next."""
        if tasks:  # and no two entries begin at the same index
            heapq.heappush(self.returned, (start, attempt, tasks))

    def read(self, size: int) -> Sequence[Task[Any]]:
        """Up to *size* tasks of the input; fewer at its end, or if it is slow."""
        raise NotImplementedError

    def keep_good_ones(self, found: list[Any], first: int) -> None:
        """Check tasks from *first* on, and drop those from the first wrong one on.

        Args:
            found: What they are made of. Any: whatever the input gives.
        """
        tasks = self.tasks_of(found)
        try:
            check_each(tasks[first:], self.next_index + first)
            return
        except TypeError:
            pass  # which one is it?
        for position in range(first, len(tasks)):
            try:
                check_each(tasks[position : position + 1], self.next_index + position)
            except TypeError as error:
                self.stop(error)
                del found[position:]
                return

    def tasks_of(self, found: list[Any]) -> Sequence[Task[Any]]:
        """The tasks that what was *found* in the input stands for."""
        return found

    def stop(self, error: Exception) -> None:
        """Read nothing more, and raise *error* when all earlier tasks are done."""
        if self.error is None:
            self.error = error
        self.is_empty = True
        self.unsorted = None

    async def close(self) -> None:
        """Nothing more will be read."""


class SequenceSource(Source):
    """Tasks from a list or a tuple that has been looked through."""

    def __init__(self, tasks: Sequence[Task[Any]]) -> None:  # Any: of every result type
        super().__init__()
        self.is_plain = True
        self.tasks = tasks if isinstance(tasks, list) else list(tasks)

    def read(self, size: int) -> list[Task[Any]]:
        end = self.next_index + size
        self.is_empty = end >= len(self.tasks)
        return self.tasks[self.next_index : end]


class IteratorSource(Source):
    """What an iterator gives, read by whoever drives the call."""

    def __init__(
        self,
        iterator: Iterator[Any],  # Any: tasks of every result type, or items
        is_alike: bool,
        is_plain: bool,
    ) -> None:
        super().__init__()
        self.iterator = iterator
        # Tasks that are made of data all call the same function: one look is enough.
        self.is_alike = is_alike
        self.is_plain = is_plain

    def next_of_input(self, size: int) -> list[Any]:  # Any: as above
        """The next *size* of what the input gives; fewer at its end, or if slow."""
        found: list[Any] = []
        end = perf_counter() + READING_LIMIT
        at_once = 1
        while len(found) < size and not self.is_empty:
            before = len(found)
            at_once = min(at_once, size - before)
            try:
                # If the input raises, what was read before stays in the list.
                found.extend(islice(self.iterator, at_once))
            except Exception as error:
                if is_of_a_signal(error):
                    raise
                self.stop(error)
            if not (self.is_alike and (before or self.next_index)):
                self.keep_good_ones(found, before)
            if len(found) < before + at_once:
                self.is_empty = True
            if perf_counter() > end:
                break
            at_once *= 2
        return found


class TaskSource(IteratorSource):
    """Tasks from an iterable."""

    def __init__(self, tasks: Iterable[Task[Any]]) -> None:  # Any: of every result type
        super().__init__(
            iter(tasks),
            is_alike=isinstance(tasks, TasksOver),
            is_plain=isinstance(tasks, TasksOver) and tasks.is_plain,
        )

    def read(self, size: int) -> list[Task[Any]]:
        return self.next_of_input(size)


class ItemSource(IteratorSource):
    """Items from an iterable, each of which is the one argument of a task."""

    def __init__(self, tasks: TasksOver[Any]) -> None:  # Any: of every result type
        super().__init__(iter(tasks.data), is_alike=True, is_plain=tasks.is_plain)
        self.function = tasks.function

    def read(self, size: int) -> Sequence[Task[Any]]:
        return self.tasks_of(self.next_of_input(size))

    def tasks_of(self, found: list[Any]) -> Sequence[Task[Any]]:
        return TasksOfItems(self.function, found)


def source_of(tasks: Iterable[Task[Any]]) -> Source:  # Any: tasks of every result type
    """What reads *tasks*, which are checked if they are a list or a tuple."""
    if type(tasks) in (list, tuple):  # see `head_of` for classes made of them
        return SequenceSource(cast("Sequence[Task[Any]]", tasks))
    if type(tasks) is TasksOver and not tasks.unpack:
        return ItemSource(tasks)
    return TaskSource(tasks)

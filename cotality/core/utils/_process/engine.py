"""The caller's loop: read tasks, hand out portions, deliver what comes back.

All of it runs in the caller's thread: there the input is read and there results are
unpickled. Nothing happens between two steps of a suspended generator, except that
portions that are out go on running.
"""

from __future__ import annotations

import heapq
import logging
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from queue import Empty, SimpleQueue
from time import monotonic, perf_counter
from typing import Any

from .backends import Backend
from .checks import check_each
from .chunk import ChunkReport
from .failures import WorkerStartError, blame
from .outcome import Portion, Settled
from .schedule import Schedule
from .task import Task

logger = logging.getLogger("cotality.core.utils.process")

READING_LIMIT = 0.02  # s that reading one portion from a slow input may take
# On Windows a wait without a limit cannot be interrupted by Ctrl-C, so it is cut up.
WAIT_SLICE = 0.1 if sys.platform == "win32" else None  # s


class Source:
    """The input: tasks that were never handed out, and tasks that were handed back."""

    def __init__(self, tasks: Iterable[Task[Any]]) -> None:  # Any: of every result type
        self.iterator = iter(tasks)
        self.is_checked = isinstance(tasks, list | tuple)
        self.next_index = 0
        self.is_empty = False
        self.error: Exception | None = None  # what the input raised, to be raised last
        self.returned: list[tuple[int, list[Task[Any]]]] = []  # a heap, by index

    def take(self, size: int) -> tuple[int, list[Task[Any]]] | None:
        """At most *size* tasks that follow one another; None if there are none."""
        if self.returned:
            start, tasks = heapq.heappop(self.returned)
            self.give_back(start + size, tasks[size:])
            return start, tasks[:size]
        start = self.next_index
        tasks = self.read(size)
        self.next_index += len(tasks)
        return (start, tasks) if tasks else None

    def give_back(self, start: int, tasks: list[Task[Any]]) -> None:
        if tasks:
            heapq.heappush(self.returned, (start, tasks))

    def read(self, size: int) -> list[Task[Any]]:
        """Up to *size* tasks of the input; fewer at its end, or if it is slow."""
        tasks: list[Task[Any]] = []
        end = perf_counter() + READING_LIMIT
        at_once = size if self.is_checked else 1
        while len(tasks) < size and not self.is_empty:
            before = len(tasks)
            at_once = min(at_once, size - before)
            try:
                # What was read before the input raises stays in the list.
                tasks.extend(islice(self.iterator, at_once))
            except Exception as error:
                self.stop(error)
            if not self.is_checked:
                self.keep_good_ones(tasks, before)
            if len(tasks) < before + at_once:
                self.is_empty = True
            if perf_counter() > end:
                break
            at_once *= 2
        return tasks

    def keep_good_ones(self, tasks: list[Task[Any]], first: int) -> None:
        """Drop from *tasks*, looked at from *first* on, what follows a wrong one."""
        for position in range(first, len(tasks)):
            try:
                check_each(tasks[position : position + 1], self.next_index + position)
            except TypeError as error:
                self.stop(error)
                del tasks[position:]
                return

    def stop(self, error: Exception) -> None:
        """Read nothing more; *error* is raised when all before it is done."""
        self.error = error
        self.is_empty = True


class Run:
    """One call: its tasks, where they run, and what is out at the moment."""

    def __init__(
        self,
        tasks: Iterable[Task[Any]],  # Any: tasks of every result type
        open_backend: Callable[[], Backend],
        *,
        bounded: bool,
        until_failure: bool,
        largest_portion: int | None = None,
    ) -> None:
        self.tasks = tasks
        self.open_backend = open_backend
        self.bounded = bounded
        self.until_failure = until_failure
        self.largest_portion = largest_portion
        self.out: dict[Future[ChunkReport], Portion] = {}
        self.done: SimpleQueue[Future[ChunkReport]] = SimpleQueue()
        self.failure: Exception | None = None

    def settled(self) -> Generator[Settled, None, None]:
        """Portions in the order in which they come back, at least in part done.

        What is to be raised after the last one, :meth:`conclude` raises.
        """
        self.begin()
        try:
            self.hand_out()
            while self.out and self.failure is None:
                settled = self.take_back(self.wait(None))
                if settled is not None:
                    settled.cut_loose()
                    yield settled
                    del settled  # or it would be kept while this waits
                if self.failure is None:
                    self.hand_out()
            yield from self.finish(self.backend.grace)
        except KeyboardInterrupt:
            self.end(0.0, interrupted=True)
            raise
        except BaseException:
            self.end(self.backend.grace)
            raise
        else:
            self.end(None)

    def conclude(self) -> None:
        """Raise what is left to be raised when all portions are taken.

        That is the first failure, if failures are to end the call; otherwise what the
        input raised. It is not raised where the portions come from, because a
        generator cannot raise a `StopIteration`.
        """
        error = self.failure or self.source.error
        self.failure = self.source.error = None
        if error is None:
            return
        context = error.__context__
        try:
            raise error
        finally:
            # To raise it made its context what the caller is handling.
            BaseException.__setattr__(error, "__context__", context)
            del error, context  # the error refers to this frame from now on

    def begin(self) -> None:
        total = len(self.tasks) if isinstance(self.tasks, list | tuple) else None
        self.source = Source(self.tasks)
        self.backend = self.open_backend()
        self.schedule = Schedule(
            self.backend.workers,
            total=total,
            bounded=self.bounded,
            largest_portion=self.largest_portion,
        )
        logger.debug(
            "starting: %s tasks on up to %d workers",
            "unknown" if total is None else total,
            self.backend.workers,
        )

    def hand_out(self) -> None:
        """Hand out portions while there is room, at least one before results wait."""
        while size := self.schedule.next_portion(
            from_returned=bool(self.source.returned)
        ):
            taken = self.source.take(size)
            if self.source.is_empty:
                self.schedule.input_ended(self.source.next_index)
            if taken is None:
                return
            start, tasks = taken
            time_box = self.schedule.time_box
            portion, future = self.backend.submit(start, tasks, time_box)
            count = len(portion.tasks)
            self.source.give_back(start + count, tasks[count:])
            self.out[future] = portion
            self.schedule.handed_out(count)
            future.add_done_callback(self.done.put)
            if not self.done.empty():
                return

    def wait(self, until: float | None) -> Future[ChunkReport]:
        """The next future that is done.

        Raises:
            queue.Empty: It is later than *until*, by the monotonic clock.
        """
        if until is None:
            return wait_for_ever(self.done)
        return self.done.get(timeout=max(0.0, until - monotonic()))

    def take_back(self, future: Future[ChunkReport]) -> Settled | None:
        """What became of the portion behind *future*, unless nothing did."""
        portion = self.out.pop(future)
        report = self.backend.collect(portion, future)
        count = len(report.values)
        rest = len(portion.tasks) - count
        self.schedule.came_back(count, rest, report.seconds)
        if report.errors and self.until_failure and self.failure is None:
            position = min(report.errors)
            failure: Exception = report.errors[position]
            blame(failure, portion.tasks[position], portion.start + position)
            self.failure = failure
        self.source.give_back(portion.start + count, list(portion.tasks[count:]))
        return Settled(portion.start, report.values, report.errors) if count else None

    def finish(self, grace: float | None) -> Iterator[Settled]:
        """Let nothing new start; give what runs *grace* seconds, then end it."""
        # A Ctrl-C may have come between a future's arrival and its entry in our books.
        self.done = SimpleQueue()
        for future in list(self.out):
            future.cancel()
            future.add_done_callback(self.done.put)
        self.backend.halt(self.out)
        until = None if grace is None else monotonic() + grace
        while self.out:
            try:
                future = self.wait(until)
            except Empty:
                self.backend.kill(self.out)
                until = None
                continue
            try:
                settled = self.take_back(future)
            except WorkerStartError:
                # The call ends anyway, for a reason that came first.
                continue
            finally:
                del future  # it has the results
            if settled is not None:
                settled.cut_loose()
                yield settled
                del settled

    def end(self, grace: float | None, *, interrupted: bool = False) -> None:
        """Leave nothing of this call running, and give back what it used."""
        all_ended = False
        try:
            for _ in self.finish(grace):
                pass
            # Workers that were handed something just when a Ctrl-C came may still
            # have it, so after one they are not given to another call.
            all_ended = not interrupted
        finally:  # a second Ctrl-C ends the wait as well
            self.backend.close(all_ended)
            logger.debug("ended: %d tasks settled", self.schedule.settled)


def wait_for_ever(
    done: SimpleQueue[Future[ChunkReport]],
) -> Future[ChunkReport]:
    while True:
        try:
            return done.get(timeout=WAIT_SLICE)
        except Empty:
            continue


def in_order(portions: Iterable[Settled], until_failure: bool) -> Iterator[Settled]:
    """*portions* in the order of their tasks; up to the first failure if so wanted.

    They are all read to the end, because that is where the failure is raised.
    """
    early: dict[int, Settled] = {}
    index = 0
    over = False
    for portion in portions:
        early[portion.start] = portion
        del portion
        while not over and (following := early.pop(index, None)) is not None:
            index += len(following.values)
            if until_failure and following.errors:
                following.keep_before_failure()
                over = True
            yield following

"""Runs the first items of some data in a loop, until it is known whether a call pays.

The loop runs in the thread of the caller and needs no engine. For a few trivial items
that is all there is to do: setting up anything else would take longer than the items.
The caller itself would not see that an item takes long. So a second thread sleeps
beside it, and looks now and then how far the loop has come. If an item takes long, the
second thread begins with the other items, as a deputy: see `desk`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextvars import Context, copy_context
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from cotality._kit.struck import is_to_end_caller
from cotality.core.utils._process.machine.second_thread import (
    NoRoomError,
    deputy,
    start,
    wait_for,
)

from .plain_loop import copies_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from cotality.core.utils._process.call.call import Call
    from cotality.core.utils._process.call.prepared import Prepared
    from cotality.core.utils._process.engine.desk import Desk
    from cotality.core.utils._process.tasks.from_data import TasksAfter
    from cotality.core.utils._process.tasks.outcome import Settled
    from cotality.core.utils._process.tasks.task import Task

# How long (s) to wait before the first look; then twice as long each time, up to LATER.
SOON = 0.001
LATER = 0.05
# How long (s) to wait for the item that is running when the loop is stopped: if it
# takes longer, the others do not wait for it.
PATIENCE = 0.002
SHORTLY = 0.5  # s
# What is expected to take less than this (s) is not worth more than a loop. As in
# `where_to_run`.
LITTLE = 0.005
# Items that take less (s) are sooner done by a loop than handed out (measured).
TINY = 3e-6


class HeadStart:
    """Calls *function* with the items of *data* in this thread, until it is stopped.

    Args:
        function: What to call.
        data: The items.
        prepare: Makes a call of tasks for all items, should one be needed.

    Attributes:
        results: Of the first items, in order.
        error: What the item after these has raised; None if none has.
        last: That item.
        begun: How many items have begun; no other ones will once it is stopped.
        desk: Where the caller is missed, if another thread has begun with the others.
    """

    frames = 2  # of ours, around a function that is called: `loop` and `run_some`

    def __init__(
        self,
        function: Callable[..., Any],  # Any: any function, and items of any type
        data: Sequence[Any],
        prepare: Callable[[Iterable[Task[Any]]], Prepared],
    ) -> None:
        self.function = function
        self.data = data
        self.prepare = prepare
        self.began = 0.0  # by perf_counter
        self.context = copy_context()
        self.results: list[Any] = []  # Any: as above
        self.error: BaseException | None = None
        self.last: Any = None  # Any: as above
        self.begun: int = 0
        self.is_stopped = False
        # Held while the next item begins. An exception that strikes the caller may
        # leave it held: so the caller can take it again, and the other thread never
        # waits for it once the loop is over.
        self.beginning = threading.RLock()
        self.is_handed_on = False  # the rest, to the core
        self.is_over = False  # the loop, and nobody is to stand in for it
        self.gate = threading.Lock()  # open when the loop is over
        self.gate.acquire()
        self.desk: Desk | None = None
        self.caller = threading.get_native_id()
        self.queued = 0.0  # s, that the caller has waited for a CPU, when last looked
        self.settled: list[Settled] = []
        self.replacing = threading.RLock()  # held while it is decided who goes on
        self.thread = deputy(self.watch, copy_context())

    def run(self) -> list[Any]:  # Any: as above
        """The results of all items; up to the one that has failed, if one has."""
        self.began = perf_counter()
        try:
            self.begin_to_watch()
            self.loop()
            return self.rest()
        except BaseException as struck:  # a Ctrl-C, or the failure of another item
            self.leave(struck)
            raise

    def begin_to_watch(self) -> None:
        try:
            start(self.thread)
        except NoRoomError:
            pass  # nobody sees then that an item is long

    def loop(self) -> None:
        copy = copies_of(self.context)
        try:
            while self.begun < len(self.data) and not self.is_stopped:
                context = copy()
                context.run(self.run_some, context)
        except BaseException as error:
            if is_to_end_caller(error):
                raise
            self.error = error

    def run_some(self, context: Context) -> None:
        """Run items until *context* is not what the caller's was any more.

        Each shall find it as the caller had it; as long as an empty one stays empty,
        there is no need of another.
        """
        function, results, data = self.function, self.results, self.data
        item: Any = None  # Any: as above
        try:
            for place in range(len(results), len(data)):
                with self.beginning:
                    if self.is_stopped:
                        return
                    try:
                        item = data[place]
                    except IndexError:
                        return  # an item has made the list shorter
                    self.begun += 1
                results.append(function(item))
                if context:
                    return
        except BaseException:
            self.last = item
            raise

    def rest(self) -> list[Any]:  # Any: as above
        """The results, with those of the items that the loop has not begun."""
        self.end_loop()
        if self.desk is not None:
            self.desk.rejoin()
            return self.results_of_call()
        wait_for(self.thread)
        if self.error is None and not self.is_done:
            call = self.call()
            try:
                return call.results()
            except HeadFailedError:
                return []
        return self.results

    @property
    def total(self) -> int | None:
        """How many items there are; None if nobody knows."""
        return len(self.data)

    @property
    def is_done(self) -> bool:
        """Whether all items have begun, of which there may be fewer than before."""
        return self.begun >= len(self.data)

    def left(self, count: int) -> int:
        """How many items have not begun when *count* are done; a guess, perhaps."""
        return len(self.data) - count - 1  # one is running

    def leave(self, struck: BaseException) -> None:
        """Leave nothing running after *struck*, which the caller raises then."""
        self.is_stopped = True
        self.end_loop()
        if self.desk is not None:
            try:
                self.desk.rejoin(struck)
            except BaseException as error:
                if error is not struck:
                    raise
        # Without a desk it begins nothing any more, so it need not be waited for: what
        # has struck may have left a lock held that it wants, such as that of imports.
        wait_for(self.thread, SHORTLY if self.desk is None else None)

    def end_loop(self) -> None:
        """From here on the other thread does not begin with anything."""
        with self.replacing:
            self.is_over = True
            if self.gate.locked():
                self.gate.release()

    # The other thread.

    def watch(self) -> None:
        pause, done, began = SOON, 0, perf_counter()
        while not self.is_over_within(pause):
            now, count = perf_counter(), len(self.results)
            if self.would_pay(count, count - done, now - began):
                if not count and self.is_held_up(now - began):
                    continue
                self.stop()
                if not self.is_over_within(PATIENCE):
                    self.stand_in()
                return
            pause, done, began = min(2 * pause, LATER), count, now

    def is_held_up(self, seconds: float) -> bool:
        """Whether the loop has had no CPU yet, since others keep them busy."""
        from cotality.core.utils._process.machine.run_queue import seconds_in_queue

        queued = (seconds_in_queue(self.caller) or 0.0) - self.queued
        self.queued += queued
        return seconds - queued < SOON / 2

    def would_pay(self, count: int, lately: int, seconds: float) -> bool:
        """Whether the rest is worth more than a loop.

        Args:
            count: How many items are done.
            lately: How many of those were done in the last *seconds*.
        """
        left = self.left(count)
        if left < 1:
            return False
        each = seconds / lately if lately else seconds
        return each > TINY and left * each > LITTLE

    def is_over_within(self, seconds: float) -> bool:
        """Whether the loop is over by then."""
        return self.is_over or self.gate.acquire(timeout=seconds)

    def stop(self) -> None:
        """Have the loop begin no other item."""
        if self.has(self.beginning):
            self.is_stopped = True
            self.beginning.release()

    def has(self, lock: threading.RLock) -> bool:
        """Take *lock*; False if the loop is over before the caller lets go of it."""
        while not lock.acquire(timeout=LATER):
            if self.is_over:
                return False
        return True

    def stand_in(self) -> None:
        """Begin with the others, until the caller is back."""
        from cotality.core.utils._process.engine.desk import BATON, DEPUTY, Desk, Ending

        desk = Desk()
        desk.deputy = threading.current_thread()
        desk.baton.holder[BATON] = DEPUTY
        if not self.has(self.replacing):
            return
        try:
            if self.is_over:
                return
            desk.is_busy = True
            desk.caller = 0  # not this thread; it says so when it is back
            self.desk = desk
        finally:
            self.replacing.release()
        try:
            desk.step = self.steps(desk)
        except BaseException as error:
            desk.ending = Ending(None, error)
            desk.close()
        desk.drive()
        desk.baton.give_back()
        desk.deputize()

    def steps(self, desk: Desk) -> Coroutine[Any, Any, None]:  # Any: see `desk`
        """The call for the others, as one step that the caller and its deputy drive."""
        from cotality.core.utils._process.engine.desk import SharedArrivals, all_of
        from cotality.core.utils._process.engine.source import source_of

        call = self.call()
        tasks = cast("Iterable[Task[Any]]", call.tasks)  # Any: of any result type
        run = call.run(SharedArrivals(desk), lambda: source_of(tasks))

        async def to_the_end() -> None:
            try:
                self.settled = await all_of(run.settled())
                run.conclude()
            except HeadFailedError:
                pass  # that is raised instead
            finally:
                desk.close()

        return to_the_end()

    def call(self) -> Call:
        """For the items that have not begun; the results of the others are void."""
        from cotality.core.utils._process.engine.known_outcomes import DoneElsewhere

        call = self.prepare(self.all_tasks()).call
        self.is_handed_on = True
        return call.knowing(DoneElsewhere(self.begun))

    def all_tasks(self) -> TasksAfter:
        """Those that have begun, as placeholders, and after them the others."""
        from cotality.core.utils._process.tasks.from_data import TasksAfter
        from cotality.core.utils._process.tasks.task import Task

        function = self.function
        rest = until_failure(self.data, self)
        first = [Task(function)] * self.begun
        tasks = TasksAfter(first, function, rest, False, len(self.data))
        tasks.is_plain = True
        return tasks

    def results_of_call(self) -> list[Any]:  # Any: as above
        from cotality.core.utils._process.engine.delivery import joined

        wait_for(self.thread)
        settled = sorted(self.settled, key=lambda portion: portion.start)
        self.settled = []
        return joined(settled)


class HeadFailedError(Exception):
    """The item that the loop had begun has failed, so no other one shall begin."""


def until_failure(data: Sequence[Any], head: HeadStart) -> Iterator[Any]:
    """The items that *head* has not begun, as long as those have not failed.

    As a loop reads a list that becomes shorter or longer meanwhile.
    """
    place = head.begun
    while place < len(data):
        if head.error is not None:
            raise HeadFailedError
        try:
            item = data[place]
        except IndexError:
            return
        yield item
        del item
        place += 1

"""An observer that reports how far a call is, but not too often."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.engine.observers import Observer, Start
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.tasks.outcome import Portion, Settled
from cotality.core.utils._process.tasks.task import Task

from .meter import Meter
from .snapshot import Progress

if TYPE_CHECKING:
    from cotality.core.utils._process.portions.chunk import ChunkReport

logger = logging.getLogger(LOGGER)

CALLBACK_PAUSE = 0.05  # s between two calls of a callback, at least
# While nothing comes back, the time that has passed and the time left still change, and
# a callback can still end the call.
HEARTBEAT = 0.5  # s


class Reporter(Observer):
    """Counts, and calls :meth:`show` when it is :attr:`due`, at the earliest.

    It costs two additions and a look at the clock for each portion; nothing runs
    beside the thread that drives the call.
    """

    patience = HEARTBEAT

    name = "progress"

    def __init__(
        self,
        clock: Callable[[], float] = perf_counter,
        *,
        title: str = "",
        unit: str = "task",
    ) -> None:
        self.clock = clock
        self.title = title
        self.unit = unit
        self.meter: Meter | None = None  # until the call begins
        self.due = inf

    def began(self, start: Start) -> None:
        self.meter = Meter(start.total, start.workers, start.at, self.title, self.unit)

    def input_ended(self, total: int) -> None:
        if self.meter:
            self.meter.total = total

    def handed_out(self, portion: Portion) -> None:
        if self.meter:
            self.meter.in_flight += len(portion.tasks)

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        if self.meter:
            self.meter.in_flight -= len(portion.tasks)

    def will_retry(
        self, index: int, task: Task[Any], attempt: int, error: Exception, delay: float
    ) -> None:  # Any: a task of any result type
        if self.meter:
            self.meter.retried += 1

    def settled(self, settled: Settled) -> None:
        if self.meter:
            self.meter.done += len(settled.values)
            self.meter.failed += len(settled.errors)
            self.waited()

    def recalled(self, settled: Settled) -> None:
        if self.meter:
            self.meter.recall(len(settled.values), len(settled.errors))
            self.waited()

    def waited(self) -> None:
        if self.meter and (now := self.clock()) >= self.due:
            self.show(self.meter.at_moment(now))

    def ended(self, error: BaseException | None) -> None:
        if self.meter:
            self.show_last(self.meter.at_end(self.clock()), error)

    def show(self, progress: Progress) -> None:
        """Tell them, and say when it is :attr:`due` again."""
        raise NotImplementedError

    def show_last(self, progress: Progress, error: BaseException | None) -> None:
        """Tell them for the last time."""
        raise NotImplementedError


class CallbackReporter(Reporter):
    """Calls a function of the user, whose exceptions end the call."""

    def __init__(
        self,
        callback: Callable[[Progress], object],
        clock: Callable[[], float] = perf_counter,
        *,
        unit: str = "task",
    ) -> None:
        super().__init__(clock, unit=unit)
        self.callback = callback
        self.has_raised = False

    def began(self, start: Start) -> None:
        super().began(start)
        self.due = start.at
        self.waited()

    def show(self, progress: Progress) -> None:
        try:
            self.callback(progress)
        except BaseException:
            # It is what ends the call. While that waits for tasks that still run, the
            # callback is not asked to fail once more.
            self.has_raised = True
            self.due = inf
            raise
        # From its end on: one that takes long would otherwise be called all the time.
        self.due = self.clock() + CALLBACK_PAUSE

    def show_last(self, progress: Progress, error: BaseException | None) -> None:
        if self.has_raised:
            return
        try:
            self.callback(progress)
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            if error is None:
                raise
            # Why the call ends is what its caller has to learn.
            logger.warning("the last call of progress=... failed", exc_info=True)

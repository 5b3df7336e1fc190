"""Observers watch a call while it runs: progress, a report, a journal.

An observer hears of portions, not of tasks, so that it costs little if tasks are tiny.
The thread that drives the call calls it between two steps. If it raises, the call ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from enum import IntEnum
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cotality._kit.records import NamedTuple
from cotality.core.utils._process.tasks.outcome import Portion, Settled
from cotality.core.utils._process.tasks.task import Task
from cotality.core.utils._process.tasks.times import Measure

if TYPE_CHECKING:
    from cotality.core.utils._process.portions.chunk import ChunkReport
    from cotality.core.utils._process.rules.decision import Decision

    from .brakes import Brake


class Doing(IntEnum):
    """What the thread that drives a call does at a moment.

    A worker without a task waits for this thread, so this is also why it has no task.
    """

    OWN_WORK = 0
    READING = 1  # the input
    LOOKING_UP = 2  # tasks that were read, in a journal
    PACKING = 3  # and handing out
    UNPACKING = 4
    TELLING = 5  # observers
    CALLER = 6  # the caller is using results, in this thread
    # From here on it waits for something to come back. It hands nothing out because ...
    WORKERS_FULL = 7  # every worker has a portion
    WINDOW_FULL = 8  # the caller has to take results first
    ALL_OUT = 9  # no task is left
    RETRY_LATER = 10  # all tasks that are left wait for another attempt
    INPUT_LATER = 11  # the input has no task yet
    BRAKED = (
        12  # a brake lets no task start: this one, or the next, or the next but one
    )


class Diary:
    """Notes what the thread that drives a call does; this base class does not."""

    def turn_to(self, doing: int) -> int:
        """Note that it does this from now on; return what it did before."""
        return 0

    def turn_back(self, doing: int) -> None:
        """Note that it does again what it did before."""

    def resize(self, workers: int) -> None:
        """The number of workers that run at a time has changed."""

    def told(self, name: str, seconds: float) -> None:
        """Note how long it took to tell the observer *name* something."""


NO_DIARY = Diary()


class Start(NamedTuple):
    """What is known of a call when it begins.

    Attributes:
        total: How many tasks there are; None if that is not known.
        workers: How many tasks run at a time.
        kind: Where tasks run: ``"threads"``, ``"processes"``, ``"inline"``, or the name
            of the class of an executor.
        at: When the call began, by perf_counter.
        brakes: The brakes that may keep tasks from starting.
    """

    total: int | None
    workers: int
    kind: str
    at: float
    brakes: Sequence[Brake] = ()


class Observer:
    """Watches one call; each step does nothing unless a subclass says so.

    Attributes:
        patience: Seconds without a result after which :meth:`waited` is called; None if
            never.
        measure: What to measure of each task. With anything, settled tasks come with
            their details. Measuring costs more than running a tiny task.
        diary: Where to note what the driving thread does; None if nowhere.
        name: The name of the observer for people.
        has_callers_code: Whether it calls functions of the caller's.
    """

    patience: float | None = None
    measure = Measure.NOTHING
    diary: Diary | None = None
    name = ""
    has_callers_code = False

    def began(self, start: Start) -> None:
        """The call begins; nothing has been handed out."""

    def input_ended(self, total: int) -> None:
        """The input has been read to its end: there are *total* tasks."""

    def read(self, tasks: int, seconds: float) -> None:
        """It took *seconds* until the input gave the next *tasks* tasks."""

    def handed_out(self, portion: Portion) -> None:
        """*portion* is on its way to a worker."""

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        """The first tasks of *portion* are back, as *report* says.

        The other tasks are handed out again, and so may be those with failures that are
        not final.
        """

    def will_retry(
        self, index: int, task: Task[Any], attempt: int, error: Exception, delay: float
    ) -> None:  # Any: a task of any result type
        """Run *attempt* of a task failed with *error*; in *delay* s it runs again."""

    def settled(self, settled: Settled) -> None:
        """These tasks have their outcomes, and nothing more happens to them."""

    def recalled(self, settled: Settled) -> None:
        """These tasks have outcomes from an earlier run, and are not run in this one.

        Nothing else is told of them.
        """

    def resumed(self, seconds: float) -> None:
        """The caller has used settled tasks for *seconds*, and wants more."""

    def decided(self, decision: Decision) -> None:
        """From now on tasks run where *decision* says."""

    def waited(self) -> None:
        """Nothing has come back for about :attr:`patience` seconds."""

    def ended(self, error: BaseException | None) -> None:
        """The call is over; *error* is what it is going to raise.

        Called last and once, even if :meth:`began` has raised or was never called.
        """


class Observers(Observer):
    """Several observers that look like one."""

    measure: Measure
    has_callers_code: bool

    def __init__(self, each: Sequence[Observer]) -> None:
        self.each = each
        wishes = [one.patience for one in each if one.patience is not None]
        self.patience: float | None = min(wishes, default=None)
        self.measure = max((one.measure for one in each), default=Measure.NOTHING)
        diaries = [one.diary for one in each if one.diary is not None]
        self.diary: Diary | None = diaries[0] if diaries else None
        self.has_callers_code = any(one.has_callers_code for one in each)

    def in_turn(self) -> Iterable[Observer]:
        """Each observer in turn; the diary, if there is one, notes how long it took."""
        return self.each if self.diary is None else self.timed(self.diary)

    def timed(self, diary: Diary) -> Iterator[Observer]:
        doing, before = diary.turn_to(Doing.TELLING), perf_counter()
        try:
            for observer in self.each:
                yield observer
                now = perf_counter()
                diary.told(observer.name, now - before)
                before = now
        finally:
            diary.turn_back(doing)

    def __bool__(self) -> bool:
        return bool(self.each)

    def began(self, start: Start) -> None:
        for observer in self.in_turn():
            observer.began(start)

    def input_ended(self, total: int) -> None:
        for observer in self.in_turn():
            observer.input_ended(total)

    def read(self, tasks: int, seconds: float) -> None:
        for observer in self.each:
            observer.read(tasks, seconds)

    def handed_out(self, portion: Portion) -> None:
        for observer in self.in_turn():
            observer.handed_out(portion)

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        for observer in self.in_turn():
            observer.came_back(portion, report)

    def will_retry(
        self, index: int, task: Task[Any], attempt: int, error: Exception, delay: float
    ) -> None:  # Any: a task of any result type
        for observer in self.in_turn():
            observer.will_retry(index, task, attempt, error, delay)

    def settled(self, settled: Settled) -> None:
        for observer in self.in_turn():
            observer.settled(settled)

    def recalled(self, settled: Settled) -> None:
        for observer in self.in_turn():
            observer.recalled(settled)

    def resumed(self, seconds: float) -> None:
        for observer in self.each:
            observer.resumed(seconds)

    def decided(self, decision: Decision) -> None:
        for observer in self.in_turn():
            observer.decided(decision)

    def waited(self) -> None:
        for observer in self.in_turn():
            observer.waited()

    def ended(self, error: BaseException | None) -> None:
        """Tell every one of them, also if one raises: a bar has to be taken down."""
        turns = iter(self.in_turn())
        with ExitStack() as everyone:
            for _ in self.each:
                everyone.callback(lambda: next(turns).ended(error))

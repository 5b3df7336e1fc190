"""Who may watch a call while it runs: progress, a report, a journal.

An observer is told of portions, not of tasks, so that it costs little where tasks are
tiny. It is called in the thread that drives the call, between two steps; what it raises
ends the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from .outcome import Portion, Settled
from .task import Task
from .times import Measure

if TYPE_CHECKING:
    from .auto.decision import Decision
    from .chunk import ChunkReport


class Start(NamedTuple):
    """What is known of a call when it begins.

    Attributes:
        total: How many tasks there are; None when nobody knows.
        workers: How many run at a time.
        kind: On what: ``"threads"``, ``"processes"``, ``"inline"``, or the name of
            the class of an executor.
        at: When it began, by perf_counter.
    """

    total: int | None
    workers: int
    kind: str
    at: float


class Observer:
    """Watches one call; each step does nothing unless a subclass says so.

    Attributes:
        patience: Seconds after which it wants to be told, by :meth:`waited`, that
            nothing has come back; None if it does not care.
        measure: What it wants to be measured of each task; with anything, what settles
            comes with its details. To measure costs more than to run a tiny task.
    """

    patience: float | None = None
    measure = Measure.NOTHING

    def began(self, start: Start) -> None:
        """The call begins; nothing has been handed out."""

    def input_ended(self, total: int) -> None:
        """The input has been read to its end: there are *total* tasks."""

    def read(self, tasks: int, seconds: float) -> None:
        """It took *seconds* until the input gave the next *tasks* tasks."""

    def handed_out(self, portion: Portion) -> None:
        """*portion* is on its way to a worker."""

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        """A worker has done what *report* says with the first tasks of *portion*.

        The others are handed out again. Failures may be: those that are not final.
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
        """The caller has had what settled for *seconds*, and wants more."""

    def decided(self, decision: Decision) -> None:
        """From now on tasks run where *decision* says."""

    def waited(self) -> None:
        """Nothing has come back for about :attr:`patience` seconds."""

    def ended(self, error: BaseException | None) -> None:
        """The call is over; *error* is what it is going to raise.

        Comes last and once, also if :meth:`began` has raised or was never reached.
        """


class Observers(Observer):
    """Several as one."""

    def __init__(self, each: Sequence[Observer]) -> None:
        self.each = each
        wishes = [one.patience for one in each if one.patience is not None]
        self.patience = min(wishes, default=None)
        self.measure = max((one.measure for one in each), default=Measure.NOTHING)

    def __bool__(self) -> bool:
        return bool(self.each)

    def began(self, start: Start) -> None:
        for observer in self.each:
            observer.began(start)

    def input_ended(self, total: int) -> None:
        for observer in self.each:
            observer.input_ended(total)

    def read(self, tasks: int, seconds: float) -> None:
        for observer in self.each:
            observer.read(tasks, seconds)

    def handed_out(self, portion: Portion) -> None:
        for observer in self.each:
            observer.handed_out(portion)

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        for observer in self.each:
            observer.came_back(portion, report)

    def will_retry(
        self, index: int, task: Task[Any], attempt: int, error: Exception, delay: float
    ) -> None:  # Any: a task of any result type
        for observer in self.each:
            observer.will_retry(index, task, attempt, error, delay)

    def settled(self, settled: Settled) -> None:
        for observer in self.each:
            observer.settled(settled)

    def recalled(self, settled: Settled) -> None:
        for observer in self.each:
            observer.recalled(settled)

    def resumed(self, seconds: float) -> None:
        for observer in self.each:
            observer.resumed(seconds)

    def decided(self, decision: Decision) -> None:
        for observer in self.each:
            observer.decided(decision)

    def waited(self) -> None:
        for observer in self.each:
            observer.waited()

    def ended(self, error: BaseException | None) -> None:
        """Tell every one of them, also if one raises: a bar has to be taken down."""
        with ExitStack() as everyone:
            for observer in reversed(self.each):
                everyone.callback(observer.ended, error)

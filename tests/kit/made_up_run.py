"""A run that never took place: its report is told of portions with made-up times.

Times are in seconds since the run began. The rest of what an engine does is left out:
what a report makes of a run depends on what it is told and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from cotality.core.utils._process.engine.observers import Doing, Start
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.report.diary import CAPACITY
from cotality.core.utils._process.report.recorder import Recorder
from cotality.core.utils._process.tasks.outcome import Portion, Settled
from cotality.core.utils._process.tasks.times import Clues, Times, Timing
from cotality.core.utils.process import RunReport, Task


def work(number: int = 0) -> int:
    """What the tasks would do."""
    return number


class MadeUpRun:
    """Tells a report of a run.

    Args:
        lasts: How long the run takes in all.
        waits_because: What the driving thread does when nothing else is said.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        kind: str = "processes",
        total: int | None = None,
        lasts: float = 10.0,
        waits_because: Doing = Doing.WORKERS_FULL,
    ) -> None:
        self.report = RunReport()
        observer = self.report.recorder()
        assert isinstance(observer, Recorder)
        self.recorder = observer
        # It has just ended, so that nothing of it lies in the future.
        self.began_at = perf_counter() - lasts
        self.lasts = lasts
        self.next_index = 0
        self.workers = workers
        self.waits_because = waits_because
        self.does: list[tuple[float, float, int]] = []
        self.recorder.began(Start(total, workers, kind, self.began_at))

    def portion(
        self,
        worker: str,
        began: float,
        seconds: Sequence[float],
        *,
        cpu: float = 1.0,
        errors: dict[int, Exception] | None = None,
        overhead: float = 0.0,
        sent: int = 0,
        received: int = 0,
        attempt: int = 1,
        index: int | None = None,
        function: Callable[..., Any] = work,  # Any: a function of any result
        is_final: bool = True,
        clues: Clues | None = None,
        handed_out: float | None = None,
    ) -> None:
        """*worker* ran tasks of so many *seconds*, one after the other, from *began*.

        Args:
            cpu: What part of its time each kept a CPU busy.
            handed_out: When the portion was, if not when it began.
            is_final: Whether failures are: not if the task will run again.
        """
        first = self.next_index if index is None else index
        if index is None:
            self.next_index += len(seconds)
        tasks = [Task(function, {"number": first + i}) for i in range(len(seconds))]
        times: list[Timing | None] = []
        at = self.began_at + began
        for each in seconds:
            times.append(Timing(at, each, each * cpu))
            at += each
        out_at = self.began_at + (began if handed_out is None else handed_out)
        portion = Portion(first, tasks, {}, attempt, out_at, sent)
        self.recorder.handed_out(portion)
        spent = sum(seconds) + overhead
        failed = dict(errors or {})
        report = ChunkReport(
            [None] * len(tasks),
            failed,
            spent,
            times=Times.of(times),
            worker=worker,
            received_bytes=received,
            clues=clues,
        )
        self.recorder.came_back(portion, report)
        if is_final:
            self.recorder.settled(Settled(first, report.values, failed))

    def driver(self, doing: Doing, began: float, seconds: float) -> None:
        """The thread that drives the call does this from *began* on."""
        self.does.append((began, began + seconds, doing))
        if doing == Doing.READING:
            self.recorder.read(1, seconds)
        elif doing == Doing.CALLER:
            self.recorder.resumed(seconds)

    def write_diary(self) -> None:
        """All of the run at once; what the recorder does by itself takes no time."""
        diary = self.recorder.run_diary
        diary.is_over = True
        pieces, at = diary.pieces, 0.0
        pieces.add(CAPACITY, 0.0, self.lasts, self.workers * self.lasts)
        for begin, end, doing in [*sorted(self.does), (self.lasts, self.lasts, 0)]:
            pieces.add(self.waits_because, at, begin, begin - at)
            pieces.add(doing, begin, end, end - begin)
            at = end

    def end(self, error: BaseException | None = None) -> RunReport:
        self.write_diary()
        self.recorder.ended(error)
        # To the last digit what was asked for, whatever this test has taken itself.
        self.report.wall_seconds = self.lasts
        return self.report

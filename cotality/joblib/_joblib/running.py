"""One call of joblib on its way through our workers.

joblib hands over batches from its own thread and from ours, and is called back. A
thread of the call does the rest: it packs tasks, takes back what comes, and calls
joblib, which reads its input then. So no thread that watches over workers ever waits
for code of others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from queue import SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple

from cotality.core.pools import Calls, ChunkReport, Crew, Portion

from .alike import Alike
from .sizes import MOST, TIME_BOX, Sizes
from .theirs import fail_call

WAIT_SLICE = 0.1  # s; on Windows a longer wait could not be interrupted by Ctrl-C
Callback = Callable[["Job"], object]


class Job:
    """A batch of joblib's: its tasks, and what became of them.

    Attributes:
        start: The number of its first task, among all of the call.
        is_whole: Whether the one task gives the results of all of the batch.
        values: What the tasks returned, each in its place.
        left: How many have not ended.
        error: Why it has failed; None if it has not.
    """

    left: int

    def __init__(
        self,
        calls: Calls,
        callback: Callback,
        *,
        is_whole: bool,
    ) -> None:
        self.calls = calls
        self.callback = callback
        self.is_whole = is_whole
        self.start = 0
        self.values: list[Any] = [None] * len(calls)  # Any: of any function
        self.left = len(calls)
        self.error: BaseException | None = None

    def results(self) -> Any:  # Any: as above
        """A list of what its tasks returned, which this has no longer; or raises."""
        if self.error is not None:
            error, self.error = self.error, None
            try:
                raise error
            finally:
                del error
        values, self.values = self.values, []
        return values[0] if self.is_whole else values


class Piece(NamedTuple):
    """Tasks of a batch that are out: their place in it, and the tasks."""

    job: Job
    first: int
    portion: Portion


class Failure(NamedTuple):
    """An error of a task, and where it was raised: joblib takes that off."""

    error: BaseException
    frames: TracebackType | None


class RunningCall:
    """A call that runs; begins with the first batch."""

    alike: Alike
    is_quiet: threading.Event
    thread: threading.Thread
    tasks: int
    jobs: int
    is_over: bool
    told: int

    def __init__(self, crew: Crew, sizes: Sizes) -> None:
        self.crew = crew
        self.sizes = sizes
        self.alike = Alike()
        self.arrivals: SimpleQueue[Job | Future[ChunkReport] | None] = SimpleQueue()
        self.out: dict[Future[ChunkReport], Piece] = {}
        # What was handed over so far, which joblib does from one thread at a time.
        self.tasks = self.jobs = 0
        self.told = 0  # jobs of which joblib has heard; the call's own thread counts
        # All of them, and joblib has handed over no other then. Set too early, it has
        # joblib look by itself.
        self.is_quiet = threading.Event()
        self.is_over = False  # by force
        self.failure: Failure | None = None
        # The handlers of what workers log see the variables of the caller.
        self.thread = threading.Thread(
            target=copy_context().run,
            args=(self.serve,),
            name="cotality-joblib",
            daemon=True,
        )
        self.thread.start()

    # From the threads of joblib.

    def submit(self, job: Job) -> None:
        """Have *job* run; called by one thread at a time."""
        job.start = self.tasks
        self.tasks += len(job.calls)
        self.jobs += 1
        self.is_quiet.clear()
        self.arrivals.put(job)

    def wait(self) -> None:
        """Wait until joblib has been told of all that it wants to run, or of a failure.

        It looks every 10 ms itself, which is longer than many a call takes.
        """
        while not self.is_quiet.wait(WAIT_SLICE) and self.thread.is_alive():
            pass

    def finish(self) -> None:
        """All jobs are done, and no other comes."""
        self.arrivals.put(None)
        if self.thread is not threading.current_thread():
            self.thread.join()

    def abort(self) -> None:
        """Drop what waits, end what runs, without waiting for either.

        The call's own thread may be in the code of whoever gives joblib its input.
        """
        self.is_over = True
        self.is_quiet.set()
        self.crew.close(all_ended=False)
        self.arrivals.put(None)

    def put_frames_back(self, error: BaseException | None) -> None:
        """Let *error*, which is on its way to the caller, show where it was raised."""
        failure, self.failure = self.failure, None
        if failure is None or error is None or error is not failure.error:
            return
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        if last is None:
            error.__traceback__ = failure.frames
        else:
            last.tb_next = failure.frames

    # In the call's own thread.

    def serve(self) -> None:
        while (thing := self.arrivals.get()) is not None and not self.is_over:
            if isinstance(thing, Job):
                self.hand_over(thing, 0, len(thing.calls))
            else:
                self.take_back(thing)
            del thing
        self.crew.close(all_ended=not self.is_over)
        self.out.clear()

    def hand_over(self, job: Job, first: int, last: int) -> None:
        """Have the tasks of *job* from *first* up to *last* run."""
        while first < last and job.error is None and not self.is_over:
            calls = job.calls[first : min(last, first + MOST)]
            try:
                packed, future = self.crew.hand_over(job.start + first, calls, TIME_BOX)
            except BaseException as error:
                self.fail(job, error)
                return
            self.out[future] = Piece(job, first, packed)
            future.add_done_callback(self.arrivals.put)
            first += len(packed.tasks)

    def take_back(self, future: Future[ChunkReport]) -> None:
        """Keep the results of what has come back, and have the rest run."""
        piece = self.out.pop(future, None)
        if piece is None or piece.job.left == 0:
            return  # it has come twice; or another piece has failed
        job, first, portion = piece
        try:
            report = self.crew.report(portion, future)
        except BaseException as error:
            self.fail(job, error)
            return
        if report.errors:
            self.fail(job, report.errors[min(report.errors)])
            return
        count = len(report.values)
        job.values[first : first + count] = report.values
        self.sizes.learn(count, report.seconds)
        job.left -= count
        if job.left == 0:
            self.tell(job)
        else:
            self.share_out(job, first + count, first + len(portion.tasks))

    def share_out(self, job: Job, first: int, last: int) -> None:
        """What a worker has given back goes out again, in pieces that fit."""
        size = self.sizes.fitting()
        for begin in range(first, last, size):
            self.hand_over(job, begin, min(begin + size, last))

    def fail(self, job: Job, error: BaseException) -> None:
        job.left = 0
        job.error = error
        if self.failure is None:  # joblib takes no notice of a second one
            self.failure = Failure(error, error.__traceback__)
        self.tell(job)

    def tell(self, job: Job) -> None:
        """Call joblib back, which hands over the next batch from in there."""
        has_failed = job.error is not None
        try:
            job.callback(job)
        except BaseException as error:
            # What joblib leaves to whoever calls it: its input has raised something
            # that is no `Exception`. Unheard, the call would wait for ever.
            fail_call(job.callback, error)
            has_failed = True
        # What joblib has handed over in there is counted by now.
        self.told += 1
        if has_failed or self.told == self.jobs:
            self.is_quiet.set()

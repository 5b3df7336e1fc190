"""Threads for one call: they take portions from a common queue.

This is not a `ThreadPoolExecutor`. That cannot let each of its threads clean up, takes
twice as long to submit to (measured), and has a lock that an exception in the calling
thread can leave held.

The calling thread puts jobs into the queue, in one step each, and starts threads. If an
exception strikes it, at any moment, the job is in the queue or it is not, and the
thread runs or it does not. Each thread finds the end of the queue by itself, even if
nobody knows of the thread any more.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeAlias

from cotality._kit.weak_sets import all_in
from cotality.core.utils._process.engine.ticket import Ticket
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.second_thread import (
    NoRoomError,
    start,
    wait_for,
)
from cotality.core.utils._process.machine.this_process import after_fork
from cotality.core.utils._process.portions.chunk import Chunk, ChunkReport, run_chunk
from cotality.core.utils._process.tasks.errors import (
    WorkerStartError,
    no_room_for_thread,
)

Job: TypeAlias = tuple[Ticket[ChunkReport], Chunk, float]


class Work:
    """What the threads of a team share. They hold this, and not the team.

    Attributes:
        jobs: What is to be done; None for the end, which the thread that finds it
            leaves to the next.
        done: How many jobs have been done.
        size: How many threads there may be.
        started: How many have been started, and
        left: how many of them have gone again, since there were more than *size*.
        most_together: How many threads all teams that have such a limit have together,
            but for the first of each; None if this one has no such limit.
    """

    def __init__(
        self,
        at_start: Callable[[], object] | None,
        at_end: Callable[[], object] | None,
        most_together: int | None,
        size: int,
    ) -> None:
        self.most_together = most_together
        self.size = size
        self.started = 0  # written by the calling thread alone, like the size
        self.left = 0  # written under the lock, like what is done
        self.at_start = at_start
        self.at_end = at_end
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.done = 0
        self.counting = threading.Lock()  # taken by the threads alone

    def run(self) -> None:
        """What a thread does: one job after the other, until it gets None."""
        here = threading.current_thread()
        if self.most_together is not None:
            together.add(here)
        try:
            self.run_jobs()
        finally:
            together.discard(here)

    def run_jobs(self) -> None:
        failure: WorkerStartError | None = None
        try:
            if self.at_start is not None:
                self.at_start()
        except WorkerStartError as error:
            failure = error
        is_over = True
        try:
            while (job := self.jobs.get()) is not None:
                self.do(*job, failure)
                del job  # it has the results
                if self.is_one_too_many():
                    is_over = False
                    break
        finally:
            if is_over:
                self.jobs.put(None)
            if self.at_end is not None:
                self.at_end()

    @property
    def threads(self) -> int:
        """How many there are, but for those that are about to go."""
        return self.started - self.left

    def is_one_too_many(self) -> bool:
        """Whether the thread that asks has to go, as there are fewer wanted now."""
        if self.threads <= self.size:
            return False
        with self.counting:
            if self.threads <= self.size:
                return False
            self.left += 1
            return True

    def do(
        self,
        ticket: Ticket[ChunkReport],
        chunk: Chunk,
        time_box: float,
        failure: WorkerStartError | None,
    ) -> None:
        report: ChunkReport | None = None
        error: BaseException | None = None
        try:
            if not ticket.set_running_or_notify_cancel():
                return
            if failure is not None:
                # One for each: an exception is never shared.
                raise WorkerStartError(*failure.args) from failure.__cause__
            report = run_chunk(chunk, time_box)
        except BaseException as raised:
            error = raised
        finally:
            with self.counting:
                self.done += 1
        if report is None:
            ticket.set_exception(error)
        else:
            ticket.set_result(report)


# The threads of all teams that have a limit together.
together: set[threading.Thread] = set()

after_fork(together.clear)


class TeamThread(threading.Thread):
    """A thread that works for a team."""

    def __init__(self, work: Work, number: int) -> None:
        super().__init__(target=work.run, name=f"cotality_{number}", daemon=True)
        self.work = work


class ThreadTeam:
    """Up to *size* threads, started as they are needed.

    They are daemons, so that a stream which nobody closed keeps no program from its
    end; but what they are running then is waited for. A team that nobody holds any
    more ends by itself.

    Args:
        at_start: Called by each thread before its first portion; with the
            `WorkerStartError` that it raises, all its portions fail.
        at_end: Called by each thread after its last one.
        most_together: How many threads all teams with such a number may have. A team
            that finds as many makes do with one, until there are fewer.
    """

    def __init__(
        self,
        size: int,
        at_start: Callable[[], object] | None = None,
        at_end: Callable[[], object] | None = None,
        *,
        most_together: int | None = None,
    ) -> None:
        self.work = Work(at_start, at_end, most_together, size)
        self.submitted = 0
        see_to(self)

    def resize(self, size: int) -> None:
        """Have up to *size* threads from now on, at least one.

        Those that are too many go when they have done what they are doing, or what they
        take next.
        """
        if size != self.work.size:
            self.work.size = size
            while self.is_short_of_threads() and self.start_thread():
                pass

    def submit(self, chunk: Chunk, time_box: float) -> Future[ChunkReport]:
        """Have a thread run *chunk*."""
        ticket: Ticket[ChunkReport] = Ticket()
        self.work.jobs.put((ticket, chunk, time_box))
        self.submitted += 1
        if self.is_short_of_threads():
            self.start_thread()
        return ticket

    def is_short_of_threads(self) -> bool:
        """Whether a job waits that another thread could do."""
        work = self.work
        wanted = min(self.submitted - work.done, work.size)
        return work.threads < wanted and self.may_start()

    def may_start(self) -> bool:
        """Whether the teams have not as many threads together as they may."""
        most = self.work.most_together
        # The first one always: others may wait for what this team does.
        return most is None or self.work.threads == 0 or len(together) < most

    def start_thread(self) -> bool:
        """Start one, if the system has room for it: the others do its share, if any."""
        try:
            start(TeamThread(self.work, self.work.started))
        except NoRoomError as error:
            if not self.work.threads:
                raise no_room_for_thread("that runs tasks") from error
            return False
        self.work.started += 1
        return True

    def close(self, *, wait: bool) -> None:
        """Let the threads end once nothing is queued, and wait for that if asked."""
        teams.discard(self)
        self.work.jobs.put(None)
        if not (wait and self.submitted):
            return
        for thread in threading.enumerate():
            is_ours = isinstance(thread, TeamThread) and thread.work is self.work
            if is_ours and thread is not threading.current_thread():
                wait_for(thread)

    def __del__(self) -> None:
        work = self.__dict__.get("work")
        if work is not None:  # else an exception struck while this was made
            work.jobs.put(None)


# The teams that have not been closed, for the end of the program.
teams: weakref.WeakSet[ThreadTeam] = weakref.WeakSet()


def see_to(team: ThreadTeam) -> None:
    """See to it that what *team* runs ends before the program does."""
    teams.add(team)
    this_process.at_exit(close_teams)


def close_teams() -> None:
    for team in all_in(teams):
        cancel_waiting(team.work.jobs)
        team.close(wait=True)


def cancel_waiting(jobs: SimpleQueue[Job | None]) -> None:
    while True:
        try:
            job = jobs.get_nowait()
        except Empty:  # a thread may have taken the last one
            return
        if job is not None:
            job[0].cancel()
